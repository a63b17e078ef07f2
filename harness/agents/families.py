"""The families of models: `openai/MODEL` and its like, each with its provider."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, NamedTuple

from icil.harness.agents.model import ModelAgent
from icil.harness.models import Provider, Sampling
from icil.harness.models.tables.catalogue import find_limits, reasons, table_names
from icil.tasks.errors import ExperimentError, UnknownNameError

OUTPUT_TOKENS, REASONING_OUTPUT_TOKENS = 2048, 8192
"""The longest replies, as in LMAct (arXiv 2412.01441)."""
TIMEOUT_S = 600.0


class _Number(NamedTuple):
    """What a setting that is a number can be."""

    kind: type | tuple[type, ...]
    least: float
    expected: str


_NUMBERS: Mapping[str, _Number] = {
    "temperature": _Number((int, float), 0, "a number, 0 or more"),
    "max_output_tokens": _Number(int, 1, "a whole number, 1 or more"),
    "timeout_s": _Number((int, float), 1e-3, "seconds, 0.001 or more"),
    "context_tokens": _Number(int, 1, "a whole number, 1 or more"),
    "max_images": _Number(int, 0, "a whole number, 0 or more"),
}
_MOST = 1e9
"""No setting is a higher number; nor infinite, or no number."""
_PARAMETERS = "names and values, such as {reasoning_effort: low}"
_NOT_PARAMETERS = frozenset({"candidatecount", "contents", "messages", "model", "n", "stream"})
"""What makes the request what it is."""
_LONGEST = frozenset({"maxcompletiontokens", "maxoutputtokens", "maxtokens"})
"""What says how long a reply may be; a run's limits hold to `max_output_tokens`."""


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
        made = self._class(own)
        self._check_name(model)
        numbers = {
            "temperature": temperature,
            "max_output_tokens": max_output_tokens,
            "context_tokens": context_tokens,
            "max_images": max_images,
        }
        given = {name: value for name, value in numbers.items() if value is not None}
        self._check_numbers(model, {**given, "timeout_s": timeout_s})
        self._check_parameters(model, {} if parameters is None else parameters)
        for name, value in own.items():
            if not _is_json(value):
                raise self._wrong(model, name, "a value that JSON has", value)
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
            if setting not in known:
                raise UnknownNameError("setting", setting, {*known, *_NUMBERS, "parameters"})
        return made

    def _check_name(self, model: str) -> None:
        if not model.isprintable():
            raise ExperimentError(
                f"{self._provider}/…: no model's name holds what cannot be printed, as "
                f"{model!a:.60} does"
            )

    def _check_numbers(self, model: str, numbers: Mapping[str, object]) -> None:
        for name, value in numbers.items():
            kind, least, expected = _NUMBERS[name]
            number = isinstance(value, kind) and not isinstance(value, bool)
            if not (number and least <= value <= _MOST):  # type: ignore[operator]
                raise self._wrong(model, name, expected, value)

    def _check_parameters(self, model: str, parameters: object) -> None:
        if not isinstance(parameters, Mapping) or not _is_json(dict(parameters)):
            raise self._wrong(model, "parameters", _PARAMETERS, parameters)
        for name in parameters:
            plain = name.replace("_", "").lower()
            if plain in _NOT_PARAMETERS or plain in _LONGEST:
                instead = "; set max_output_tokens instead" if plain in _LONGEST else ""
                raise ExperimentError(
                    f"{self._provider}/{model}: parameters: {name!r} is said by the harness"
                    f"{instead}"
                )

    def _wrong(self, model: str, name: str, expected: str, value: object) -> ExperimentError:
        return ExperimentError(
            f"{self._provider}/{model}: {name}: expected {expected}, got {value!r:.60}"
        )


def _is_json(value: object) -> bool:
    """Returns whether a value is the same after it was written as JSON and read again."""
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
        written.encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return bool(json.loads(written) == value)


def _is_free(provider: str, model: str) -> bool:
    """Returns whether nobody is paid for a model's answers: it is on a machine of one's own."""
    if provider == "local":
        from icil.harness.models.local.provider import is_private

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
