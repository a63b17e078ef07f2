"""Anthropic's messages: content blocks, caching at breakpoints, usage that excludes the cached."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from icil.harness.fake_server.anthropic_request import (
    CacheControl,
    CountRequest,
    ImageBlock,
    MessagesRequest,
    TextBlock,
    ThinkingBlock,
)
from icil.harness.fake_server.cache import HOUR_S, BreakpointRule, CacheRule
from icil.harness.fake_server.call import Call, Part, PartReader
from icil.harness.fake_server.dialect import (
    ApiError,
    Dialect,
    Json,
    ProblemKind,
    Quota,
    Result,
    Wording,
    bearer,
    timestamp,
)
from icil.harness.fake_server.images import ImageError, Picture
from icil.harness.fake_server.tokens import patch_tokens

_LIFE_S = {"5m": 300.0, "1h": HOUR_S}
_MOST_BREAKPOINTS = 4
_MANY_IMAGES = 20
_WIDEST, _WIDEST_OF_MANY = 8000, 2000
_FINISH = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "blocked": "refusal"}
_INVALID = "invalid_request_error"
_BRANCH = re.compile(r"\.(?:list\[[^.]*|str)(?=\.|$)")


class AnthropicDialect(Dialect):
    """`POST /v1/messages` and `/v1/messages/count_tokens`.

    Args:
        minimum: The shortest beginning of a prompt that is cached, in tokens.
    """

    name = "anthropic"
    max_images = 600
    max_request_bytes = 32 << 20
    wordings: ClassVar[Mapping[ProblemKind, Wording]] = {
        "invalid": Wording(400, _INVALID, "{message}"),
        "key": Wording(401, "authentication_error", "invalid x-api-key"),
        "no_key": Wording(401, "authentication_error", "x-api-key header is required"),
        "no_path": Wording(404, "not_found_error", "Not found"),
        "overloaded": Wording(529, "overloaded_error", "Overloaded"),
        "rate": Wording(
            429, "rate_limit_error", "This request would exceed your rate limit of requests."
        ),
        "refused_parameter": Wording(400, _INVALID, "`{param}` is not supported for this model."),
        "server": Wording(500, "api_error", "Internal server error"),
        "timeout": Wording(408, "timeout_error", "The request timed out."),
        "too_large": Wording(413, "request_too_large", "Request exceeds the maximum size"),
        "too_long": Wording(400, _INVALID, "prompt is too long: {tokens} tokens > {limit} maximum"),
        "too_many_images": Wording(
            400, _INVALID, "Too much media: 0 document pages + {images} images > {limit}"
        ),
        "unavailable": Wording(503, "api_error", "Service unavailable"),
        "unknown_model": Wording(404, "not_found_error", "model: {model}"),
    }

    def __init__(self, *, minimum: int) -> None:
        self._rule = BreakpointRule(minimum=minimum)

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """See `Dialect`."""
        return headers.get("x-api-key") or bearer(headers)  # the SDK sends either

    def needed_header(self) -> str | None:
        """See `Dialect`."""
        return "anthropic-version"

    def image_tokens(self, width: int, height: int) -> int:
        """See `Dialect`."""
        return patch_tokens(width, height, 28)

    def rule(self, call: Call) -> CacheRule:
        """See `Dialect`."""
        return self._rule

    def headers(self, number: int) -> dict[str, str]:
        """See `Dialect`."""
        return {"request-id": f"req_{number:024d}"}

    def quota_headers(self, quota: Quota, now: float) -> dict[str, str]:
        """See `Dialect`."""
        return {
            "anthropic-ratelimit-requests-limit": str(quota.limit),
            "anthropic-ratelimit-requests-remaining": str(quota.remaining),
            "anthropic-ratelimit-requests-reset": timestamp(now + quota.reset_s),
        }

    def error(self, wording: Wording, message: str, facts: Mapping[str, Any]) -> Json:
        """See `Dialect`."""
        return {"type": "error", "error": {"type": wording.type, "message": message}}

    def malformed(self, kind: str, place: tuple[str | int, ...], message: str) -> ApiError:
        """See `Dialect`."""
        where = _BRANCH.sub("", ".".join(map(str, place)))
        reason = "The request body is not valid JSON" if kind == "json_invalid" else message
        return self.invalid(f"{where}: {reason}" if where else reason)

    def models(self, names: Sequence[str], context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {
            "data": [self.model(name, context_tokens, now) for name in names],
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
            "has_more": False,
        }

    def model(self, name: str, context_tokens: int | None, now: float) -> Json:
        """See `Dialect`."""
        return {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": timestamp(now),
            "lifecycle": "active",
            "max_input_tokens": context_tokens,
        }

    def read(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        request = self.parse(MessagesRequest, body)
        call = self._read_prompt(request, parts)
        return replace(
            call,
            max_tokens=request.max_tokens,
            stop=tuple(request.stop_sequences or ()),
            stream=bool(request.stream),
        )

    def read_count(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        return self._read_prompt(self.parse(CountRequest, body), parts)

    def write_count(self, call: Call) -> Json:
        """See `Dialect`."""
        return {"input_tokens": call.tokens}

    def _read_prompt(self, request: CountRequest, parts: PartReader) -> Call:
        if not request.messages:
            raise self.invalid("messages: at least one message is required")
        if request.messages[0].role == "assistant":
            raise self.invalid('messages: first message must use the "user" role')
        if request.system:
            parts.open("system")
            self._read_content(request.system, "system", parts)
        pictures: dict[str, Picture] = {}
        for index, message in enumerate(request.messages):
            parts.open(message.role)
            place = f"messages.{index}.content"
            pictures |= self._read_content(message.content, place, parts)
        last_part = parts.parts[-1]
        if last_part.role == "assistant" and last_part.content[-1:].isspace():
            raise self.invalid(
                "messages: final assistant content cannot end with trailing whitespace"
            )
        self._check_sizes(pictures)
        if request.cache_control is not None:
            parts.parts[-1] = replace(last_part, life_s=_life(request.cache_control))
        self._check_breakpoints(parts.parts)
        return parts.call(request.model, parameters=frozenset(request.model_fields_set))

    def _read_content(
        self,
        content: str | Sequence[TextBlock | ImageBlock | ThinkingBlock],
        place: str,
        parts: PartReader,
    ) -> dict[str, Picture]:
        """Reads the blocks of a message and returns its pictures by where they stand."""
        pictures: dict[str, Picture] = {}
        if isinstance(content, str):
            self._read_text(content, place, None, parts)
            return pictures
        if not content:
            raise self.invalid(f"{place}: must be non-empty")
        for index, block in enumerate(content):
            here = f"{place}.{index}"
            if isinstance(block, ImageBlock):
                try:
                    source, life_s = block.source, _life(block.cache_control)
                    pictures[here] = parts.image(source.data, source.media_type, life_s)
                except ImageError as error:
                    raise self.invalid(f"{here}.image.source.base64.data: {error}") from error
            elif isinstance(block, ThinkingBlock):
                parts.text(block.thinking)
            else:
                self._read_text(block.text, here, _life(block.cache_control), parts)
        return pictures

    def _read_text(self, text: str, place: str, life_s: float | None, parts: PartReader) -> None:
        if not text:
            raise self.invalid(f"{place}: text content blocks must be non-empty")
        if text.isspace():
            raise self.invalid(f"{place}: text content blocks must contain non-whitespace text")
        parts.text(text, life_s)

    def _check_sizes(self, pictures: Mapping[str, Picture]) -> None:
        many = len(pictures) > _MANY_IMAGES
        most = _WIDEST_OF_MANY if many else _WIDEST
        for place, picture in pictures.items():
            if max(picture.width, picture.height) > most:
                raise self.invalid(
                    f"{place}.image.source.base64.data: At least one of the image dimensions "
                    f"exceed max allowed size{' for many-image requests' if many else ''}: "
                    f"{most} pixels"
                )

    def _check_breakpoints(self, parts: Sequence[Part]) -> None:
        lives = [part.life_s for part in parts if part.life_s is not None]
        if len(lives) > _MOST_BREAKPOINTS:
            raise self.invalid(
                f"A maximum of {_MOST_BREAKPOINTS} blocks with cache_control may be provided. "
                f"Found {len(lives)}."
            )
        if lives != sorted(lives, reverse=True):
            raise self.invalid(
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
            )

    def write(self, result: Result) -> Json:
        """See `Dialect`."""
        answer = result.answer
        content: list[Json] = []
        if answer.reasoning:
            signature = f"fake-{result.call.hash.hex()}"
            content.append(
                {"type": "thinking", "thinking": answer.reasoning, "signature": signature}
            )
        refused = answer.finish in ("refusal", "blocked")
        if answer.text and not refused:
            content.append({"type": "text", "text": answer.text})
        stopped = answer.stop is not None
        return {
            "id": f"msg_{result.number:024d}",
            "type": "message",
            "role": "assistant",
            "model": result.call.model,
            "content": content,
            "stop_reason": "stop_sequence" if stopped else _FINISH[answer.finish],
            "stop_sequence": answer.stop,
            "stop_details": {"type": "refusal", "category": None} if refused else None,
            "usage": _usage(result),
        }


def _usage(result: Result) -> Json:
    use = result.use
    return {
        "input_tokens": result.call.tokens - use.read - use.written,
        "cache_read_input_tokens": use.read,
        "cache_creation_input_tokens": use.written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": use.written - use.written_1h,
            "ephemeral_1h_input_tokens": use.written_1h,
        },
        "output_tokens": result.output_tokens,
        "output_tokens_details": {"thinking_tokens": result.answer.reasoning_tokens},
        "service_tier": "standard",
    }


def _life(control: CacheControl | None) -> float | None:
    return None if control is None else _LIFE_S[control.ttl]
