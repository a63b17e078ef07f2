"""litellm: whatever it reaches, as `litellm/PROVIDER/MODEL`.

Keys and addresses are those that litellm reads from the environment. It is asked once, without
its own retries, fallbacks and caches; how it is called, and where, stands in `loop.py`.
Anthropic's models are cached by breakpoints, as without litellm; Gemini's as they cache by
themselves, for litellm's own way of caching them asks Google twice more at each step.
"""

import asyncio
import copy
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import BaseModel

from icil.harness.models.answers import shorten
from icil.harness.models.chat.breakpoints import Breakpoints
from icil.harness.models.chat.dialect import (
    FINISHES,
    LOGPROBS,
    logprob_fields,
    read_logprobs,
)
from icil.harness.models.chat.parameters import Parameters
from icil.harness.models.completion import Completion, Finish, Place, Sampling, Tokens
from icil.harness.models.environment import read_address, read_key
from icil.harness.models.errors import connection_error, rubbish_error, status_error
from icil.harness.models.litellm.loop import LitellmLoop, load_litellm
from icil.harness.models.litellm.messages import MessageMaker, keeps_images
from icil.harness.models.provider import Provider
from icil.harness.secrets import scrub
from icil.prompt_builders import ImagePart, Prefix, Prompt
from icil.tasks import ExperimentError, ModelError

_KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""Where the keys of those providers are that surely need one."""
_MARKED = ("anthropic",)
"""Providers that cache up to breakpoints."""
_OURS = frozenset(
    {
        "api_base",
        "api_key",
        "base_url",
        "custom_llm_provider",
        "drop_params",
        "extra_headers",
        "fallbacks",
        "headers",
        "max_retries",
        "messages",
        "model",
        "n",
        "num_retries",
        "stream",
        "timeout",
    }
)
"""What is no parameter of a model: secrets, addresses, and what is decided here."""
_REJECTED = (400, 403, 422)
_RENAMED = (413, 503, 529)
"""Statuses that litellm turns into others."""
_ITS_OWN = (AttributeError, ImportError, KeyError, TypeError, ValueError)
"""What it raises before it sends: of parameters that it cannot read, packages that it lacks."""
_RUBBISH = re.compile(
    r"unable to get json|expecting value|invalid response|converting to valid response|'choices'"
    r"|APIConnectionError: '\w+'$",  # the name that it missed
    re.IGNORECASE,
)
_RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"([\d.]+)s"')
"""How Google asks to wait."""


class LiteLLMProvider(Provider):
    """A model that litellm reaches.

    Importing litellm takes seconds: make one in a thread.

    Args:
        model: The provider's and the model's name, as litellm spells them: `PROVIDER/MODEL`.
        timeout_s: How long a call may take, in seconds.

    Raises:
        ExperimentError: litellm knows no such provider, there is no key, or an address is none.
    """

    name = "litellm"

    def __init__(self, model: str, *, timeout_s: float = 600.0) -> None:
        from icil.harness.models.tables.catalogue import find_limits

        self._litellm = load_litellm()
        self._short, self._home, address = self._look_up(model)
        if self._home in _KEYS:
            read_key(f"litellm/{model}", *_KEYS[self._home])
        self.model = model
        self.endpoint = _endpoint(self._home, address)
        self.limits = find_limits(self.name, model)
        if not keeps_images(self._litellm, self._short, self._home):
            self.limits = replace(self.limits, images=0)
        self._timeout_s = timeout_s
        self._loop: LitellmLoop | None = None
        self._messages = MessageMaker()
        self._breakpoints = Breakpoints()
        self._parameters = Parameters({"max_tokens": "max_completion_tokens"}, LOGPROBS)
        self._taken: dict[str, frozenset[str]] = {}
        """Which parameters litellm sends to this model, by all that are asked for."""

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """See `Provider`."""
        asked: dict[str, Any] = {"max_tokens": sampling.max_output_tokens}
        if sampling.temperature is not None:
            asked["temperature"] = sampling.temperature
        asked |= logprob_fields(sampling) | dict(sampling.parameters)
        self._check(prompt, asked)
        if self._loop is None:
            self._loop = LitellmLoop.enter()
        return await self._loop.run(self._complete(prompt, asked, once=sampling.once))

    async def forget(self, prefix: Prefix) -> None:
        """See `Provider`."""
        self._messages.forget(prefix)

    async def close(self) -> None:
        """See `Provider`."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await asyncio.to_thread(loop.leave)

    def _look_up(self, model: str) -> tuple[str, str, str | None]:
        """Returns the model's name, its provider's, and where that is, if litellm tells."""
        try:
            short, home, _, address = self._litellm.get_llm_provider(model)
        except self._litellm.BadRequestError:
            short, home, address = "", "", None
        if not short or not home:
            raise ExperimentError(
                f"litellm/{model}: litellm knows no such provider: expected "
                "litellm/PROVIDER/MODEL, such as litellm/openai/gpt-5"
            ) from None
        return short, home, address

    def _check(self, prompt: Prompt, asked: Mapping[str, Any]) -> None:
        for name in asked:
            if name in _OURS:
                raise ModelError(
                    f"litellm/{self.model}: {name} is no parameter of the model; keys and "
                    "addresses come from the environment",
                    fault="fatal",
                )
        if self.limits.images == 0 and _shows_images(prompt):
            raise ModelError(
                f"litellm/{self.model} takes no images: the model sees none, or litellm does not "
                "hand them on in their places (as for Ollama: use local/MODEL@URL)",
                fault="fatal",
            )

    async def _complete(
        self, prompt: Prompt, asked: Mapping[str, Any], *, once: bool
    ) -> Completion:
        """Does `complete`, on litellm's loop."""
        import openai

        taken = await asyncio.to_thread(self._takes, asked)
        while True:
            sent = self._parameters.sent({n: v for n, v in asked.items() if n in taken})
            try:
                response = await self._send(prompt, sent, once=once)
            except self._litellm.ContentPolicyViolationError as error:
                said = _Said("", "refusal", shorten(_message(error)), None, None, None)
            except _ITS_OWN as error:
                raise self._stumbled(error) from None
            except openai.OpenAIError as error:  # all that came of sending is of its kinds
                message = _message(error)
                refused = getattr(error, "status_code", None) in _REJECTED
                if refused and self._parameters.refused(message, sent):
                    continue
                raise _model_error(error) from None
            else:
                said = _read(response, self._home)
            break
        self._breakpoints.add(prompt)
        tokens = said.tokens
        if tokens is None:
            tokens = await asyncio.to_thread(self._count, prompt, said.text)
        lost = {*self._parameters.dropped, *(name for name in asked if name not in taken)}
        return Completion(
            text=said.text,
            tokens=tokens,
            model=said.model,
            finish=said.finish,
            detail=said.detail,
            parameters=sent,
            dropped=tuple(name for name in asked if name in lost),
            logprobs=said.logprobs,
        )

    async def _send(self, prompt: Prompt, sent: Mapping[str, Any], *, once: bool) -> Any:
        marked = self._home in _MARKED and not once
        breakpoints = self._breakpoints.of(prompt) if marked else None
        messages = await asyncio.to_thread(self._messages.make, prompt, breakpoints)
        return await self._litellm.acompletion(
            model=self.model,
            messages=messages,
            timeout=self._timeout_s,
            drop_params=True,
            num_retries=0,
            max_retries=0,
            **copy.deepcopy(dict(sent)),
        )

    def _takes(self, asked: Mapping[str, Any]) -> frozenset[str]:
        """Returns which parameters litellm sends on: those without which it sends others.

        What it says of a model's parameters (`get_supported_openai_params`) is not all: it
        drops some, such as temperatures, by their value.
        """
        import openai

        key = json.dumps(asked, sort_keys=True, default=str)
        if key not in self._taken:
            try:
                whole = self._translated(asked)
                others = {n: {m: v for m, v in asked.items() if m != n} for n in asked}
                taken = frozenset(n for n in asked if self._translated(others[n]) != whole)
            except (openai.OpenAIError, *_ITS_OWN) as error:
                raise self._stumbled(error) from None
            self._taken[key] = taken
        return self._taken[key]

    def _translated(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Returns parameters as litellm sends them."""
        found: dict[str, Any] = self._litellm.utils.get_optional_params(
            model=self._short,
            custom_llm_provider=self._home,
            drop_params=True,
            **copy.deepcopy(dict(asked)),
        )
        return found

    def _stumbled(self, error: Exception) -> ModelError:
        said = shorten(f"{type(error).__name__}: {_message(error)}")
        message = f"litellm/{self.model}: litellm makes no request of these parameters: {said}"
        return ModelError(scrub(message), fault="fatal")

    def _count(self, prompt: Prompt, text: str) -> Tokens:
        from icil.harness.models.tables.tokens import count_text

        output = count_text(text, self.name, self.model)
        return Tokens(input=sum(map(self.tokens, prompt)), output=output)


class _Said(NamedTuple):
    """What an answer says."""

    text: str
    finish: Finish
    detail: str | None
    model: str | None
    tokens: Tokens | None
    """None where the server does not tell."""
    logprobs: tuple[Place, ...] | None


def _endpoint(home: str, known: str | None) -> str:
    """Returns where a provider is, as far as litellm tells without sending."""
    if known:
        return re.sub("//[^/@]*@", "//", known).partition("?")[0].rstrip("/")
    for variable in (f"{home.upper()}_API_BASE", f"{home.upper()}_BASE_URL"):
        if os.environ.get(variable):
            return read_address(variable, "").endpoint
    return f"litellm/{home}"


def _shows_images(prompt: Prompt) -> bool:
    rest = (*prompt.tail, *prompt.question)
    return prompt.prefix.images > 0 or any(isinstance(part, ImagePart) for part in rest)


def _read(response: Any, home: str) -> _Said:
    choices = getattr(response, "choices", None)
    if not choices:
        raise rubbish_error("no choice in it")
    choice, message = choices[0], choices[0].message
    word = choice.finish_reason
    finish = FINISHES.get(word, "other")
    detail = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
    if refusal := (message.provider_specific_fields or {}).get("refusal"):
        finish, detail = "refusal", shorten(str(refusal))
    text = "" if finish == "refusal" else message.content or ""
    model = response.model.removeprefix(f"{home}/") if response.model else None
    tokens = _tokens(getattr(response, "usage", None))
    logprobs = getattr(choice, "logprobs", None)
    if isinstance(logprobs, BaseModel):
        logprobs = logprobs.model_dump()
    return _Said(text, finish, detail or word, model, tokens, read_logprobs(logprobs))


def _tokens(usage: object) -> Tokens | None:
    total = _count(usage, "prompt_tokens")
    if not total:
        return None
    details = "prompt_tokens_details"
    return Tokens(
        input=total,
        cached=_count(usage, details, "cached_tokens"),
        cache_write=_count(usage, details, "cache_creation_tokens"),
        cache_write_1h=_count(
            usage, details, "cache_creation_token_details", "ephemeral_1h_input_tokens"
        ),
        output=_count(usage, "completion_tokens"),
        reasoning=_count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _count(found: Any, *path: str) -> int:
    """Returns a number of tokens; 0 where there is none at the end of the path."""
    for name in path:
        found = getattr(found, name, None)
    return found if type(found) is int and found > 0 else 0


def _message(error: BaseException) -> str:
    """Returns what an error says, without the traceback that litellm puts into some."""
    return str(error).partition("\nTraceback")[0]


def _model_error(error: Exception) -> ModelError:
    message = _message(error)
    if isinstance(error.__context__, ImportError):  # what litellm wants for some providers
        return ModelError(message, fault="fatal")
    if _RUBBISH.search(message):
        return rubbish_error(message)
    status = getattr(error, "status_code", None)
    original = getattr(error.__context__, "status_code", None)
    if original in _RENAMED:
        status = original
    headers = getattr(error, "litellm_response_headers", None)
    if not isinstance(status, int) or (headers is None and (status >= 500 or status == 408)):
        return connection_error(error, message)
    headers = dict(headers or {})
    if wait := _RETRY_DELAY.search(message):
        headers.setdefault("retry-after", wait.group(1))
    return status_error(status, message, headers)
