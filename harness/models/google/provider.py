"""Google: Gemini's content generation, through its own client.

A prefix that is long enough is cached explicitly, as a content of its own to which requests
refer; see `caches.py`. What is filtered is left to Google's defaults, so that a model is
measured as its users get it; `safetySettings`, among the parameters, sets it otherwise.
"""

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from icil.harness.models.answers import count, outline, read_place, shorten
from icil.harness.models.chat.parameters import Parameters
from icil.harness.models.completion import Completion, Finish, Place, Sampling, Tokens
from icil.harness.models.environment import read_address, read_key
from icil.harness.models.errors import rubbish_error, status_error
from icil.harness.models.google.contents import ContentsMaker
from icil.harness.models.provider import Provider
from icil.prompt_builders import Prefix, Prompt
from icil.tasks import ExperimentError

if TYPE_CHECKING:
    from icil.harness.models.google.caches import CachedPrefixes

_ADDRESS = "https://generativelanguage.googleapis.com"
_MODEL = re.compile(r"(models|tunedModels)/[\w.-]+")
_FINISHES: Mapping[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "LANGUAGE": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "IMAGE_SAFETY": "refusal",
}
_LOGPROBS = ("response_logprobs", "logprobs")
"""Parameters that ask for log-probabilities."""
_OF_THE_REQUEST = frozenset(
    {
        "labels",
        "safetySettings",
        "safety_settings",
        "serviceTier",
        "service_tier",
        "store",
        "toolConfig",
        "tool_config",
        "tools",
    }
)
"""Parameters that stand in the request itself; all others stand in its `generation_config`."""


class GoogleProvider(Provider):
    """A model of Google, or of a server that speaks its dialect at `GOOGLE_BASE_URL`.

    Args:
        model: Its name there.
        timeout_s: How long the connection may be silent, in seconds.
        cache_tokens: The shortest prefix to be cached explicitly, in tokens; None to cache none.
        cache_life_s: How long such a prefix is kept after its last use, in seconds; keeping it
            costs, until then or until it is forgotten.

    Raises:
        ExperimentError: There is no key, the model's name can be none, `GOOGLE_BASE_URL` is no
            address, or a setting has a value that it cannot have.
    """

    name = "google"

    def __init__(
        self,
        model: str,
        *,
        timeout_s: float = 600.0,
        cache_tokens: int | None = 4096,
        cache_life_s: float = 600.0,
    ) -> None:
        _check(model, cache_tokens, cache_life_s)
        key = read_key(f"google/{model}", "GOOGLE_API_KEY", "GEMINI_API_KEY")
        url, self.endpoint = read_address("GOOGLE_BASE_URL", _ADDRESS)
        self._resource = _resource(model)
        from icil.harness.models.google.caches import CachedPrefixes
        from icil.harness.models.google.rest import Beside, GoogleRest
        from icil.harness.models.tables.catalogue import find_limits

        self.model = model
        self.limits = find_limits(self.name, model)
        self._parameters = Parameters(optional=_LOGPROBS)
        self._contents = ContentsMaker()
        self._rest = GoogleRest(url.rstrip("/").removesuffix("/v1beta"), key, timeout_s=timeout_s)
        self._cached: CachedPrefixes | None = None
        if cache_tokens is not None:
            self._cached = CachedPrefixes(
                self._rest,
                self._resource,
                beside=lambda prefix: Beside(partial(self._contents.prefix, prefix), {}),
                count=lambda prefix: sum(map(self.tokens, prefix.parts)),
                minimum=cache_tokens,
                life_s=cache_life_s,
            )

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """See `Provider`."""
        asked: dict[str, Any] = {"max_output_tokens": sampling.max_output_tokens}
        if sampling.temperature is not None:
            asked["temperature"] = sampling.temperature
        if sampling.top_logprobs is not None:
            asked |= zip(_LOGPROBS, (True, sampling.top_logprobs), strict=True)
        asked |= sampling.parameters
        answer = await self._ask(prompt, asked, None if sampling.once else self._cached)
        said = _read(answer.content)
        written = self._cached.bill(prompt.prefix) if self._cached and answer.cached else 0
        tokens = _tokens(answer.content.get("usageMetadata"), written)
        if tokens is None:
            tokens = await asyncio.to_thread(self._count, prompt, said.text)
        model = answer.content.get("modelVersion")
        return Completion(
            text=said.text,
            tokens=tokens,
            model=model if isinstance(model, str) else None,
            finish=said.finish,
            detail=said.detail,
            parameters=answer.parameters,
            dropped=tuple(name for name in asked if name in self._parameters.dropped),
            logprobs=said.logprobs,
        )

    async def forget(self, prefix: Prefix) -> None:
        """See `Provider`."""
        self._contents.forget(prefix)
        if self._cached:
            await self._cached.forget(prefix)

    async def close(self) -> None:
        """See `Provider`."""
        try:
            if self._cached:
                await self._cached.close()
        finally:
            self._rest.close()

    async def _ask(
        self, prompt: Prompt, asked: Mapping[str, Any], caches: "CachedPrefixes | None"
    ) -> "_Answer":
        """Sends a prompt, again where a parameter is refused or a cached content is gone."""
        from icil.harness.models.google.rest import ApiError, Beside

        renewed = False
        while True:
            cached = await caches.find(prompt.prefix) if caches else None
            contents = partial(self._contents.rest if cached else self._contents.whole, prompt)
            sent = self._parameters.sent(asked)
            beside = Beside(contents, _fields(sent))
            try:
                content = await self._rest.generate(self._resource, cached, beside)
            except ApiError as error:
                if (
                    caches
                    and cached
                    and not renewed
                    and await caches.lost(prompt.prefix, cached, error)
                ):
                    renewed = True
                elif error.status != 400 or not self._parameters.refused(error.message, sent):
                    raise status_error(error.status, error.message, error.headers) from None
            else:
                return _Answer(content, sent, cached is not None)

    def _count(self, prompt: Prompt, text: str) -> Tokens:
        from icil.harness.models.tables.tokens import count_text

        output = count_text(text, self.name, self.model)
        return Tokens(input=sum(map(self.tokens, prompt)), output=output)


def _resource(model: str) -> str:
    return model if "/" in model else f"models/{model}"


def _check(model: str, cache_tokens: Any, cache_life_s: Any) -> None:
    if not _MODEL.fullmatch(_resource(model)):
        raise ExperimentError(f"google/{model}: expected a model such as google/gemini-2.5-pro")
    if cache_tokens is not None and (type(cache_tokens) is not int or cache_tokens < 0):
        raise ExperimentError(
            f"google/{model}: cache_tokens: expected a whole number, 0 or more, or null for no "
            f"caching, got {cache_tokens!r:.60}"
        )
    if type(cache_life_s) not in (int, float) or not 1 <= cache_life_s <= 86_400:
        raise ExperimentError(
            f"google/{model}: cache_life_s: expected 1 to 86400 seconds, got {cache_life_s!r:.60}"
        )


class _Answer(NamedTuple):
    content: Mapping[str, Any]
    parameters: Mapping[str, Any]
    """What was sent beside the prompt."""
    cached: bool
    """Whether the prompt's prefix was a cached content."""


class _Said(NamedTuple):
    text: str
    finish: Finish
    detail: str | None
    logprobs: tuple[Place, ...] | None = None


def _fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters as fields of a request."""
    of_request = {name: value for name, value in parameters.items() if name in _OF_THE_REQUEST}
    others = {name: value for name, value in parameters.items() if name not in of_request}
    return {**of_request, "generation_config": others}


def _read(answer: Mapping[str, Any]) -> _Said:
    parts: list[object] = []
    match answer:
        case {"candidates": [{"content": {"parts": [*parts]}} as candidate, *_]}:
            pass
        case {"candidates": [{"finishReason": str()} as candidate, *_]}:
            pass
        case {"promptFeedback": {"blockReason": str(reason)} as feedback}:
            return _Said("", "refusal", _detail(reason, feedback.get("blockReasonMessage")))
        case _:
            raise rubbish_error(f"no candidate in it: {outline(answer)}")
    word = candidate.get("finishReason")
    finish = _FINISHES.get(word, "other") if isinstance(word, str) else "other"
    text = "" if finish == "refusal" else "".join(map(_text, parts))
    places = _places(candidate.get("logprobsResult"))
    return _Said(text, finish, _detail(word, candidate.get("finishMessage")), places)


def _places(result: object) -> tuple[Place, ...] | None:
    """Reads the log-probabilities of an answer; None where there are none that can be read."""
    match result:
        case {"chosenCandidates": [_, *_] as chosen, "topCandidates": [*top]}:
            if len(top) != len(chosen):
                return None
            places = [_place(said, there) for said, there in zip(chosen, top, strict=True)]
            found = tuple(place for place in places if place is not None)
            return found if len(found) == len(chosen) else None
    return None


def _place(said: object, there: object) -> Place | None:
    match there:
        case {"candidates": [*likeliest]}:
            return read_place(_token(said), map(_token, likeliest))
    return None


def _token(found: object) -> tuple[object, object]:
    """Returns a token with its log-probability, which is not told where it is 0."""
    if not isinstance(found, dict):
        return None, None
    return found.get("token"), found.get("logProbability", 0.0)


def _text(part: object) -> str:
    match part:
        case {"thought": True}:
            return ""
        case {"text": str(text)}:
            return text
        case {}:
            return ""
    raise rubbish_error(f"no text in it: {outline(part)}")


def _detail(*words: object) -> str | None:
    return shorten(": ".join(word for word in words if isinstance(word, str) and word)) or None


def _tokens(usage: object, written: int) -> Tokens | None:
    """Reads what a call took.

    Args:
        usage: As Google tells it, which counts what is cached among the input.
        written: How many of those tokens were not read from the cache alone, but put there.
    """
    if not isinstance(usage, dict) or not (total := count(usage, "promptTokenCount")):
        return None
    cached = min(total, count(usage, "cachedContentTokenCount"))
    written = min(cached, written)
    thoughts = count(usage, "thoughtsTokenCount")
    return Tokens(
        input=total,
        cached=cached - written,
        cache_write=written,
        output=count(usage, "candidatesTokenCount") + thoughts,
        reasoning=thoughts,
    )
