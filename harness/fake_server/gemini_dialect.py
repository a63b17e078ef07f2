"""Gemini's content generation, with cached contents that a request can refer to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from icil.harness.fake_server.cache import (
    HOUR_S,
    AutomaticRule,
    CacheRule,
    CacheStore,
    CacheUse,
)
from icil.harness.fake_server.call import Call, Part, PartReader
from icil.harness.fake_server.dialect import (
    ApiError,
    Dialect,
    Json,
    ProblemKind,
    Result,
    Wording,
)
from icil.harness.fake_server.gemini_request import (
    CacheRequest,
    Content,
    CountRequest,
    GenerateRequest,
)
from icil.harness.fake_server.held_content import HeldContent, HeldContents, read_expiry
from icil.harness.fake_server.images import ImageError
from icil.harness.fake_server.likelihoods import Place
from icil.harness.fake_server.tokens import tile_tokens

_INVALID = "INVALID_ARGUMENT"
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
_DETAIL = "type.googleapis.com/google.rpc."


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRule(CacheRule):
    """Takes from the cache what a request refers to and, if told to, what came before."""

    implicit: AutomaticRule | None

    def use(self, call: Call, scope: bytes, store: CacheStore, now: float) -> CacheUse:
        """See `CacheRule`."""
        if self.implicit is None:
            return CacheUse(read=call.held_tokens)
        use = self.implicit.use(call, scope, store, now)
        return CacheUse(read=max(use.read, call.held_tokens), entries=use.entries)


class GeminiDialect(Dialect):
    """`POST /v1beta/models/MODEL:generateContent`, `:countTokens` and `/v1beta/cachedContents`.

    Args:
        clock: Returns unix seconds.
        minimum: The shortest content that can be cached, in tokens.
        implicit: Whether prompts are cached without being asked for.
    """

    name = "gemini"
    max_images = 3600
    max_request_bytes = 100 << 20
    wordings: ClassVar[Mapping[ProblemKind, Wording]] = {
        "invalid": Wording(400, _INVALID, "{message}"),
        "key": Wording(400, _INVALID, "API key not valid. Please pass a valid API key."),
        "no_key": Wording(
            403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers without a key."
        ),
        "no_content": Wording(
            403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"
        ),
        "no_path": Wording(404, "NOT_FOUND", "Requested entity was not found."),
        "overloaded": Wording(529, "UNAVAILABLE", "The model is overloaded."),
        "rate": Wording(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota. Please retry in {retry_after_s:g}s.",
        ),
        "refused_parameter": Wording(400, _INVALID, "{param} is not supported by this model."),
        "server": Wording(500, "INTERNAL", "An internal error has occurred."),
        "timeout": Wording(408, "DEADLINE_EXCEEDED", "The request timed out."),
        "too_large": Wording(
            400, _INVALID, "Request payload size exceeds the limit: {limit} bytes."
        ),
        "too_long": Wording(
            400,
            _INVALID,
            "The input token count ({tokens}) exceeds the maximum number of tokens allowed "
            "({limit}).",
        ),
        "too_many_images": Wording(
            400, _INVALID, "Please use at most {limit} images in your request to models/{model}."
        ),
        "unavailable": Wording(503, "UNAVAILABLE", "The model is overloaded."),
        "unknown_model": Wording(
            404, "NOT_FOUND", "models/{model} is not found for API version v1beta."
        ),
    }

    def __init__(self, *, clock: Callable[[], float], minimum: int, implicit: bool) -> None:
        self._held, self._minimum = HeldContents(clock), minimum
        rule = AutomaticRule(unit=128, minimum=1024, life_s=HOUR_S) if implicit else None
        self._rule = HeldRule(implicit=rule)

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """See `Dialect`."""
        return headers.get("x-goog-api-key") or query.get("key") or None

    def image_tokens(self, width: int, height: int) -> int:
        """See `Dialect`."""
        return tile_tokens(width, height)

    def rule(self, call: Call) -> CacheRule:
        """See `Dialect`."""
        return self._rule

    def error(self, wording: Wording, message: str, facts: Mapping[str, Any]) -> Json:
        """See `Dialect`."""
        error: Json = {"code": wording.status, "message": message, "status": wording.type}
        if wording is self.wordings["key"]:
            error["details"] = [
                {
                    "@type": f"{_DETAIL}ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
            ]
        if "retry_after_s" in facts:
            delay = f"{facts['retry_after_s']:g}s"
            error["details"] = [{"@type": f"{_DETAIL}RetryInfo", "retryDelay": delay}]
        return {"error": error}

    def malformed(self, kind: str, place: tuple[str | int, ...], message: str) -> ApiError:
        """See `Dialect`."""
        where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in place).lstrip(".")
        if kind == "extra_forbidden":
            at = f" at '{where.rpartition('.')[0]}'" if "." in where else ""
            message = f'Unknown name "{place[-1]}"{at}: Cannot find field.'
        elif where:
            message = f"Invalid value at '{where}': {message}"
        return self.invalid(f"Invalid JSON payload received. {message}")

    def models(self, names: Sequence[str], context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {"models": [self.model(name, context_tokens, now) for name in names]}

    def model(self, name: str, context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name,
            "inputTokenLimit": context_tokens or 1 << 20,
            "outputTokenLimit": 1 << 16,
            "supportedGenerationMethods": ["generateContent", "countTokens", "createCachedContent"],
        }

    def read(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        request = self.parse(GenerateRequest, body)
        if not request.contents:
            raise self.invalid("* GenerateContentRequest.contents: contents is not specified")
        return self._read_prompt(request, model, parts)

    def read_count(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        request = self.parse(CountRequest, body)
        inner = request.generate_content_request or GenerateRequest(contents=request.contents)
        return self._read_prompt(inner, model, parts)

    def write_count(self, call: Call) -> Json:
        """See `Dialect`."""
        cached = {"cachedContentTokenCount": call.held_tokens} if call.held_tokens else {}
        return {"totalTokens": call.tokens, **cached}

    def _read_prompt(self, request: GenerateRequest, model: str, parts: PartReader) -> Call:
        before: tuple[Part, ...] = ()
        held_tokens = 0
        if request.cached_content is not None:
            held = self._usable(request, model)
            before, held_tokens = held.parts, held.tokens
        self._read_contents(request.system_instruction, request.contents, parts)
        config = request.generation_config
        if config and config.logprobs is not None and not config.response_logprobs:
            raise self.invalid("logprobs goes with response_logprobs: true.")
        named = request.model_fields_set | (config.model_fields_set if config else set())
        return parts.call(
            model,
            before,
            max_tokens=config.max_output_tokens if config else None,
            top_logprobs=config.logprobs or 0 if config and config.response_logprobs else None,
            stop=tuple((config.stop_sequences if config else None) or ()),
            held_tokens=held_tokens,
            parameters=frozenset(named),
        )

    def _usable(self, request: GenerateRequest, model: str) -> HeldContent:
        held = self.find_held(request.cached_content or "")
        if held.model != model:
            raise self.invalid(
                f"Model used by GenerateContent request (models/{model}) and CachedContent "
                f"(models/{held.model}) has to be the same."
            )
        if request.system_instruction or request.tools or request.tool_config:
            raise self.invalid(
                "CachedContent can not be used with GenerateContent request setting "
                "system_instruction, tools or tool_config."
            )
        return held

    def _read_contents(
        self, system: Content | None, contents: Sequence[Content], parts: PartReader
    ) -> None:
        if system is not None:
            parts.open("system")
            self._read_parts(system, "system_instruction", parts)
        for index, content in enumerate(contents):
            if content.role not in (None, "user", "model"):
                raise self.invalid("Please use a valid role: user, model.")
            parts.open("assistant" if content.role == "model" else "user")
            self._read_parts(content, f"contents[{index}]", parts)

    def _read_parts(self, content: Content, place: str, parts: PartReader) -> None:
        for index, part in enumerate(content.parts):
            if (part.text is None) == (part.inline_data is None):
                raise self.invalid(
                    f"* GenerateContentRequest.{place}.parts[{index}].data: required oneof field "
                    "'data' must have one initialized field"
                )
            if part.text is not None:
                parts.text(part.text)
            elif part.inline_data is not None:
                try:
                    parts.image(part.inline_data.data, part.inline_data.mime_type)
                except ImageError as error:
                    raise self.invalid(
                        f"Unable to process input image at {place}.parts[{index}]: {error}."
                    ) from error

    def write(self, result: Result) -> Json:
        """See `Dialect`."""
        answer = result.answer
        body: Json = {"modelVersion": result.call.model, "responseId": f"fake{result.number:08d}"}
        if answer.finish == "blocked":
            body["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        else:
            candidate: Json = {"index": 0, "finishReason": _FINISH[answer.finish]}
            if answer.finish != "refusal":
                parts = {"parts": [{"text": answer.text}]} if answer.text else {}
                candidate["content"] = {"role": "model", **parts}
                if answer.places:
                    candidate["logprobsResult"] = _worded(answer.places)
            body["candidates"] = [candidate]
        spoken = 0 if answer.finish in ("refusal", "blocked") else answer.tokens
        usage = {
            "promptTokenCount": result.call.tokens,
            "cachedContentTokenCount": result.use.read,
            "candidatesTokenCount": spoken,
            "thoughtsTokenCount": answer.reasoning_tokens,
            "totalTokenCount": result.call.tokens + spoken + answer.reasoning_tokens,
        }
        # As protocol buffers have it: what is 0 is left out.
        return {**body, "usageMetadata": {name: count for name, count in usage.items() if count}}

    def find_held(self, name: str) -> HeldContent:
        """Returns a cached content.

        Raises:
            ApiError: There is none of that name, or no longer.
        """
        found = self._held.get(name)
        if found is None:
            raise self.problem("no_content")
        return found

    def read_held(self, body: bytes, parts: PartReader) -> tuple[Call, CacheRequest]:
        """Reads a request to cache a content, as the call whose prompt begins with it."""
        request = self.parse(CacheRequest, body)
        if not request.model:
            raise self.invalid("* CreateCachedContentRequest.model: model is required")
        self._read_contents(request.system_instruction, request.contents, parts)
        call = parts.call(request.model.removeprefix("models/"))
        if call.tokens < self._minimum:
            raise self.invalid(
                f"Cached content is too small. total_token_count={call.tokens}, "
                f"min_total_token_count={self._minimum}"
            )
        return call, request

    def create_held(self, call: Call, request: CacheRequest) -> Json:
        """Caches a content that was read."""
        return self._held.create(call, request.display_name or "", self._expiry(request)).write()

    def prolong_held(self, name: str, body: bytes) -> Json:
        """Sets when a cached content expires."""
        request = self.parse(CacheRequest, body)
        return self._held.prolong(self.find_held(name), self._expiry(request)).write()

    def delete_held(self, name: str) -> Json:
        """Forgets a cached content."""
        self._held.delete(self.find_held(name).name)
        return {}

    def list_held(self, size: int, after: str) -> Json:
        """Words a page of the cached contents.

        Args:
            size: How many at most.
            after: The `nextPageToken` of the page before; empty for the first.
        """
        held = [one for one in self._held.all() if one.name > after]
        page: Json = {"cachedContents": [one.write() for one in held[:size]]}
        return {**page, "nextPageToken": held[size - 1].name} if len(held) > size else page

    def _expiry(self, request: CacheRequest) -> float:
        try:
            return read_expiry(request.ttl, request.expire_time, self._held.clock())
        except ValueError:
            raise self.invalid(f"Invalid value at 'expire_time': {request.expire_time!r}") from None


def _worded(places: Sequence[Place]) -> Json:
    return {
        "chosenCandidates": [_token(place.token, place.logprob) for place in places],
        "topCandidates": [
            {"candidates": [_token(*one) for one in place.likeliest]} for place in places
        ],
    }


def _token(token: bytes, logprob: float) -> Json:
    text = token.decode(errors="replace")
    return {"token": text, **({"logProbability": logprob} if logprob else {})}
