"""The families of models: `openai/MODEL` and its like, each with its provider."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from icil.harness.agents.model import ModelAgent
from icil.harness.models import Provider, Sampling
from icil.harness.models.catalogue import find_limits, reasons, table_names
from icil.tasks.errors import ExperimentError, UnknownNameError

OUTPUT_TOKENS, REASONING_OUTPUT_TOKENS = 2048, 8192
"""The longest replies, as in LMAct (arXiv 2412.01441)."""
TIMEOUT_S = 600.0
_OURS = ("timeout_s",)
"""What a provider's class takes and every family gives it."""
_EXPECTED: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "temperature": ((int, float), "a number"),
    "max_output_tokens": (int, "a whole number, 1 or more"),
    "timeout_s": ((int, float), "seconds"),
    "context_tokens": (int, "a whole number, 1 or more"),
    "max_images": (int, "a whole number, 0 or more"),
    "parameters": (Mapping, "names and values, such as {reasoning_effort: low}"),
}


_NOT_PARAMETERS = ("model", "messages", "contents", "stream")
"""What makes the request what it is."""


class Family:
    """Makes the agents of one provider.

    Args:
        provider: The provider's name.
        target: Its class, as `module:name`.
        doc: One line for people.
    """

    def __init__(self, provider: str, target: str, doc: str) -> None:
        self._provider, self._target = provider, target
        self.__doc__ = doc

    def __call__(
        self,
        model: str,
        *,
        temperature: float | None = 0.0,
        max_output_tokens: int | None = None,
        timeout_s: float = TIMEOUT_S,
        context_tokens: int | None = None,
        max_images: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        **own: Any,
    ) -> ModelAgent:
        """Makes the agent of a model.

        Args:
            model: The model's name at the provider.
            temperature: None to send none.
            max_output_tokens: None for LMAct's.
            timeout_s: After how many seconds a request is given up.
            context_tokens: The longest prompt; None for what is known of the model.
            max_images: The most images in a prompt; None for what is known of the model.
            parameters: Sent as they are, under the provider's own names.
            own: What the provider's class takes.

        Raises:
            UnknownNameError: There is no such setting.
            ExperimentError: A setting has a value that it cannot have.
        """
        self._check(
            model,
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            timeout_s=timeout_s,
            context_tokens=context_tokens,
            max_images=max_images,
            parameters=parameters,
        )
        made = self._class(own)
        limits = find_limits(self._provider, model)
        if context_tokens is not None:
            limits = replace(limits, context_tokens=context_tokens)
        if max_images is not None:
            limits = replace(limits, images=max_images)
        if max_output_tokens is None:
            thinks = reasons(self._provider, model)
            most = REASONING_OUTPUT_TOKENS if thinks else OUTPUT_TOKENS
            max_output_tokens = min(most, limits.output_tokens or most)
        return ModelAgent(
            self._provider,
            model,
            lambda: made(model, timeout_s=timeout_s, **own),
            limits=limits,
            sampling=Sampling(
                max_output_tokens=max_output_tokens,
                temperature=temperature,
                parameters=parameters or {},
            ),
            timeout_s=timeout_s,
            price_names=(f"{self._provider}/{model}", *table_names(self._provider, model)),
            free=_is_free(self._provider, model),
            settings=own,
        )

    def _class(self, own: Mapping[str, Any]) -> Callable[..., Provider]:
        """Returns the provider's class, which takes these settings."""
        module, _, name = self._target.partition(":")
        made: Callable[..., Provider] = getattr(import_module(module), name)
        parameters = signature(made).parameters.values()
        known = [p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
        for setting in own:
            if setting not in known or setting in _OURS:
                raise UnknownNameError("setting", setting, {*known, *_EXPECTED} - {*_OURS})
        return made

    def _check(self, model: str, **settings: Any) -> None:
        for name, value in settings.items():
            kind, expected = _EXPECTED[name]
            bad = isinstance(value, bool) or not isinstance(value, kind)
            if not bad and isinstance(value, int | float):
                bad = value < (1 if name in ("max_output_tokens", "context_tokens") else 0)
            if value is not None and bad:
                raise ExperimentError(
                    f"{self._provider}/{model}: {name}: expected {expected}, got {value!r:.60}"
                )
        for name in settings["parameters"] or ():
            if name in _NOT_PARAMETERS:
                raise ExperimentError(
                    f"{self._provider}/{model}: parameters: {name!r} is said by the harness"
                )


def _is_free(provider: str, model: str) -> bool:
    """Returns whether nobody is paid for a model's answers: it is on a machine of one's own."""
    if provider == "local":
        from icil.harness.models.local import is_private

        return is_private(model)
    return provider == "transformers"


def _family(provider: str, name: str, doc: str) -> Family:
    return Family(provider, f"icil.harness.models.{provider}:{name}", doc)


ANTHROPIC = _family("anthropic", "AnthropicProvider", "A model of Anthropic's, by its API.")
GOOGLE = _family("google", "GoogleProvider", "A Gemini model of Google's, by its API.")
LITELLM = _family(
    "litellm", "LiteLLMProvider", "Whatever litellm reaches, by its names: litellm/PROVIDER/MODEL."
)
LOCAL = _family(
    "local",
    "LocalProvider",
    "A model on an OpenAI-compatible server: local/MODEL@http://HOST:8000.",
)
OPENAI = _family("openai", "OpenAIProvider", "A model of OpenAI's, by its API.")
TRANSFORMERS = _family(
    "transformers",
    "TransformersProvider",
    "A Hugging Face model in a folder, in this process: transformers/PATH.",
)
