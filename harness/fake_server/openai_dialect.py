"""OpenAI's chat completions, and those of the local servers that speak them (vLLM and kin).

The two differ in how they cache, in their errors, in how they count images, and in the key,
which a local server does not ask for.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from icil.harness.fake_server.cache import (
    FOREVER,
    MARK_LIFE_S,
    AutomaticRule,
    CacheRule,
    MarkedRule,
)
from icil.harness.fake_server.call import Call, PartReader
from icil.harness.fake_server.dialect import (
    ApiError,
    Dialect,
    Json,
    ProblemKind,
    Quota,
    Result,
    Wording,
    bearer,
)
from icil.harness.fake_server.images import ImageError
from icil.harness.fake_server.likelihoods import Place
from icil.harness.fake_server.openai_request import (
    Breakpoint,
    ChatMessage,
    ChatRequest,
    ImagePart,
    LocalChatRequest,
    RefusalPart,
)
from icil.harness.fake_server.tokens import patch_tokens

_INVALID = "invalid_request_error"
_FINISH = {"stop": "stop", "length": "length", "refusal": "stop", "blocked": "content_filter"}
_DATA_URL = re.compile(r"data:(image/[a-z]+);base64,")
_BRANCH = re.compile(r"\](?:\.str|\.(?:input_|output_)?(?:text|image|image_url|refusal)(?=\.))")


class OpenAIDialect(Dialect):
    """`POST /v1/chat/completions`.

    Args:
        life_s: How long a prompt is cached after its last use, in seconds.
        marked_models: Pattern of the models that cache at breakpoints; see `MarkedRule`.
    """

    name = "openai"
    max_images = 1500
    max_request_bytes = 512 << 20
    wordings: ClassVar[Mapping[ProblemKind, Wording]] = {
        "invalid": Wording(400, _INVALID, "{message}"),
        "key": Wording(401, _INVALID, "Incorrect API key provided.", "invalid_api_key"),
        "no_key": Wording(401, _INVALID, "You didn't provide an API key."),
        "no_path": Wording(404, _INVALID, "Invalid URL ({method} {path})"),
        "overloaded": Wording(529, "server_error", "The engine is currently overloaded."),
        "rate": Wording(
            429,
            "requests",
            "Rate limit reached for {model} on requests. Please try again in {retry_after_s:g}s.",
            "rate_limit_exceeded",
        ),
        "refused_parameter": Wording(
            400,
            _INVALID,
            "Unsupported parameter: '{param}' is not supported with this model.",
            "unsupported_parameter",
        ),
        "server": Wording(500, "server_error", "The server had an error."),
        "timeout": Wording(408, _INVALID, "The request timed out."),
        "too_large": Wording(413, _INVALID, "Maximum content size limit ({limit}) exceeded."),
        "too_long": Wording(
            400,
            _INVALID,
            "This model's maximum context length is {limit} tokens. However, your messages "
            "resulted in {tokens} tokens. Please reduce the length of the messages.",
            "context_length_exceeded",
        ),
        "too_many_images": Wording(
            400, _INVALID, "Too many images: {images}, and at most {limit} are allowed."
        ),
        "unavailable": Wording(503, "server_error", "The server is overloaded or not ready yet."),
        "unknown_model": Wording(
            404, _INVALID, "The model `{model}` does not exist.", "model_not_found"
        ),
    }
    schema: ClassVar[type[ChatRequest]] = ChatRequest

    def __init__(self, *, life_s: float, marked_models: str) -> None:
        self._automatic = AutomaticRule(unit=128, minimum=1024, life_s=life_s)
        self._marked, self._marked_models = MarkedRule(minimum=1024), re.compile(marked_models)

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """See `Dialect`."""
        return bearer(headers)

    def image_tokens(self, width: int, height: int) -> int:
        """See `Dialect`."""
        return patch_tokens(width, height, 32)

    def rule(self, call: Call) -> CacheRule:
        """See `Dialect`."""
        return self._marked if self._is_marked(call) else self._automatic

    def _is_marked(self, call: Call) -> bool:
        return self._marked_models.match(call.model) is not None

    def headers(self, number: int) -> dict[str, str]:
        """See `Dialect`."""
        return {"x-request-id": f"req_{number:024d}"}

    def quota_headers(self, quota: Quota, now: float) -> dict[str, str]:
        """See `Dialect`."""
        return {
            "x-ratelimit-limit-requests": str(quota.limit),
            "x-ratelimit-remaining-requests": str(quota.remaining),
            "x-ratelimit-reset-requests": f"{quota.reset_s:.3f}s",
        }

    def error(self, wording: Wording, message: str, facts: Mapping[str, Any]) -> Json:
        """See `Dialect`."""
        code = facts.get("code", wording.code)
        param = facts.get("param")
        return {"error": {"message": message, "type": wording.type, "param": param, "code": code}}

    def models(self, names: Sequence[str], context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {"object": "list", "data": [self.model(name, context_tokens, now) for name in names]}

    def model(self, name: str, context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {"id": name, "object": "model", "created": int(now), "owned_by": "fake"}

    def malformed(self, kind: str, place: tuple[str | int, ...], message: str) -> ApiError:
        """See `Dialect`."""
        param = _param(place)
        if kind == "json_invalid":
            return self.invalid("We could not parse the JSON body of your request.")
        if kind == "extra_forbidden":
            return self.invalid(
                f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter"
            )
        if kind == "missing":
            return self.invalid(
                f"Missing required parameter: '{param}'.",
                param=param,
                code="missing_required_parameter",
            )
        return self.invalid(f"Invalid '{param}': {message}.", param=param, code="invalid_value")

    def read(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        request = self.parse(self.schema, body)
        for index, message in enumerate(request.messages):
            self._read_message(message, f"messages[{index}]", parts)
        if request.top_logprobs is not None and not request.logprobs:
            raise self.invalid("'top_logprobs' goes with 'logprobs': true.", param="top_logprobs")
        stop = request.stop or ()
        options, stream_options = request.prompt_cache_options, request.stream_options
        return parts.call(
            request.model,
            max_tokens=request.max_completion_tokens or request.max_tokens,
            top_logprobs=request.top_logprobs or 0 if request.logprobs else None,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            stream=bool(request.stream),
            stream_usage=stream_options is not None and stream_options.include_usage,
            cache_key=request.prompt_cache_key or "",
            cache_mode="implicit" if options is None else options.mode,
            parameters=frozenset(request.model_fields_set),
        )

    def _read_message(self, message: ChatMessage, place: str, parts: PartReader) -> None:
        role = {"assistant": "assistant", "system": "system", "developer": "system"}
        parts.open(role.get(message.role, "user"))
        if isinstance(message.content, str):
            parts.text(message.content)
            return
        if message.content is None and message.role != "assistant":
            raise self.invalid(
                f"Invalid value for '{place}.content': expected a string, got null.",
                param=f"{place}.content",
            )
        for index, part in enumerate(message.content or ()):
            if isinstance(part, RefusalPart):
                parts.text(part.refusal)
                continue
            life_s = life_of(part.prompt_cache_breakpoint)
            if isinstance(part, ImagePart):
                if message.role != "user":
                    raise self.invalid(f"Images are only allowed in user messages: '{place}'.")
                url, at = part.image_url.url, f"{place}.content[{index}].image_url.url"
                self.read_image(url, at, life_s, parts)
            else:
                parts.text(part.text, life_s)

    def read_image(self, url: str, place: str, life_s: float | None, parts: PartReader) -> None:
        """Reads an image from its data URL."""
        head = _DATA_URL.match(url)
        if head is None:
            raise self.invalid(
                "This server reads images from data URLs only: data:image/png;base64,…",
                param=place,
                code="invalid_image_url",
            )
        try:
            parts.image(url[head.end() :], head.group(1), life_s)
        except ImageError as error:
            raise self.invalid(
                f"You uploaded an unsupported image: {error}.", param=place, code="invalid_image"
            ) from error

    def write(self, result: Result) -> Json:
        """See `Dialect`."""
        answer = result.answer
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.finish == "refusal":
            message |= {"content": None, "refusal": answer.text}
        elif answer.finish == "blocked":
            message["content"] = None
        finish = _FINISH[answer.finish]
        places = list(map(_worded, answer.places))
        logprobs = {"content": places, "refusal": None} if places else None
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
        return {
            **self._envelope(result, "chat.completion"),
            "choices": [choice],
            "usage": self._usage(result),
        }

    def check_stream(self) -> None:
        """See `Dialect`."""

    def write_stream(self, result: Result) -> bytes:
        """See `Dialect`."""
        return b"".join(
            b"data: " + (json.dumps(event).encode() if event else b"[DONE]") + b"\n\n"
            for event in self._events(result)
        )

    def _events(self, result: Result) -> Iterator[Json | None]:
        """Yields the pieces of an answer, and None at the end."""
        envelope = self._envelope(result, "chat.completion.chunk")
        (choice,) = self.write(result)["choices"]
        message = choice["message"]
        deltas: list[Json] = [{"role": "assistant", "content": ""}]
        for name in ("reasoning_content", "content", "refusal"):
            text = message.get(name) or ""
            half = len(text) // 2
            deltas += [{name: piece} for piece in (text[:half], text[half:]) if piece]
        for delta in deltas:
            yield {**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        finish = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        yield {**envelope, "choices": [finish]}
        if result.call.stream_usage:
            yield {**envelope, "choices": [], "usage": self._usage(result)}
        yield None

    def _envelope(self, result: Result, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{result.number:024d}",
            "object": kind,
            "created": int(result.now),
            "model": result.call.model,
            "service_tier": "default",
            "system_fingerprint": None,
        }

    def _usage(self, result: Result) -> Json:
        details = {"cached_tokens": result.use.read, "audio_tokens": 0}
        if self._is_marked(result.call):
            details["cache_write_tokens"] = result.use.written
        return {
            "prompt_tokens": result.call.tokens,
            "completion_tokens": result.output_tokens,
            "total_tokens": result.call.tokens + result.output_tokens,
            "prompt_tokens_details": details,
            "completion_tokens_details": {
                "reasoning_tokens": result.answer.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


class LocalDialect(OpenAIDialect):
    """`POST /local/v1/chat/completions`: what vLLM and its kin make of the same requests."""

    name = "local"
    wants_key = False
    max_images = 10_000
    schema = LocalChatRequest
    wordings: ClassVar[Mapping[ProblemKind, Wording]] = {
        **OpenAIDialect.wordings,
        "invalid": Wording(400, "BadRequestError", "{message}"),
        "refused_parameter": Wording(400, "BadRequestError", "{param} is not supported."),
        "too_long": Wording(
            400,
            "BadRequestError",
            "This model's maximum context length is {limit} tokens. However, you requested "
            "{asked} tokens ({tokens} in the messages, {output} in the completion). Please "
            "reduce the length of the messages or completion.",
        ),
        "too_many_images": Wording(
            400, "BadRequestError", "At most {limit} image(s) may be provided in one request."
        ),
        "unknown_model": Wording(404, "NotFoundError", "The model `{model}` does not exist."),
    }

    def __init__(self) -> None:
        super().__init__(life_s=FOREVER, marked_models=r"(?!)")
        self._automatic = AutomaticRule(unit=16, minimum=0, life_s=FOREVER, keeps_last=True)

    def image_tokens(self, width: int, height: int) -> int:
        """See `Dialect`."""
        return patch_tokens(width, height, 28)

    def context_of(self, call: Call) -> int:
        """See `Dialect`."""
        return call.tokens + (call.max_tokens or 0)

    def quota_headers(self, quota: Quota, now: float) -> dict[str, str]:
        """See `Dialect`."""
        return {}

    def error(self, wording: Wording, message: str, facts: Mapping[str, Any]) -> Json:
        """See `Dialect`."""
        body = super().error(wording, message, facts)
        body["error"]["code"] = wording.status
        return body

    def model(self, name: str, context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        known = super().model(name, context_tokens, now)
        return {**known, "max_model_len": context_tokens}

    def write(self, result: Result) -> Json:
        """See `Dialect`."""
        body = super().write(result)
        if result.answer.reasoning:
            body["choices"][0]["message"]["reasoning_content"] = result.answer.reasoning
        return body


def _param(place: tuple[str | int, ...]) -> str:
    """Returns a place in a body as OpenAI writes it, without the branches of unions."""
    steps = [f"[{s}]" if isinstance(s, int) else f".{s}" for s in place if "[" not in str(s)]
    return _BRANCH.sub("]", "".join(steps)).removesuffix(".str").lstrip(".")


def _worded(place: Place) -> Json:
    said = _token(place.token, place.logprob)
    return {**said, "top_logprobs": [_token(*one) for one in place.likeliest]}


def _token(token: bytes, logprob: float) -> Json:
    text = token.decode(errors="replace")
    return {"token": text, "logprob": logprob, "bytes": list(token)}


def life_of(breakpoint: Breakpoint | None) -> float | None:
    """Returns for how long a part marks a breakpoint, in seconds; None if it marks none."""
    return None if breakpoint is None else MARK_LIFE_S
