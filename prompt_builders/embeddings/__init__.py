"""Embeddings of observations, and the registry of them."""

from functools import cache

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.embeddings.function import FunctionEmbedding, named_function
from icil.tasks import Observation
from icil.tasks.registry import Registry

_REGISTRY: Registry[Embedding] = Registry(
    "embedding",
    "icil.embeddings",
    {
        name: f"icil.prompt_builders.embeddings.{name}:{name.title()}Embedding"
        for name in ("pixels", "sentence", "state", "tfidf")
    },
)


def names() -> tuple[str, ...]:
    """Returns the names of all embeddings, sorted."""
    return _REGISTRY.names()


@cache
def make(name: str) -> Embedding:
    """Returns an embedding by its name, or of a function that is named as `module:function`.

    The same one each time: what was embedded with it is remembered.

    Raises:
        UnknownNameError: There is no such embedding; the message names the nearest.
        UsageError: The function cannot be imported.
    """
    return named_function(name) if ":" in name else _REGISTRY.make(name)


def default_for(observation: Observation) -> str:
    """Returns the name of the embedding that suits what a format shows."""
    if observation.image is not None:
        return "pixels"
    return "tfidf" if observation.state is None else "state"


__all__ = ["Embedding", "FunctionEmbedding", "default_for", "make", "named_function", "names"]
