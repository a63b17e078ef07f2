"""Anthropic: messages, through its own client."""

from collections.abc import Mapping
from typing import Any, Literal

from icil.harness.models.answers import count, outline, shorten
from icil.harness.models.chat.bodies import Body, Dialect
from icil.harness.models.chat.provider import ChatProvider, Response, Said
from icil.harness.models.completion import Finish, Sampling, Tokens
from icil.harness.models.environment import read_address, read_key
from icil.harness.models.errors import connection_error, rubbish_error
from icil.prompt_builders import Prefix
from icil.tasks import ExperimentError

_ADDRESS = "https://api.anthropic.com"
_CONNECT_S = 30.0
_FINISHES: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


class AnthropicProvider(ChatProvider):
    """A model of Anthropic, or of a server that speaks its dialect at `ANTHROPIC_BASE_URL`.

    Nothing is cached there but up to a breakpoint, of which a request may have four; ours has
    three. A prefix too short for the model's cache is not cached, which does no harm.

    Args:
        model: Its name there.
        timeout_s: How long the connection may be silent, in seconds.
        ttl: How long a prefix is kept after its last use. To write one for an hour costs 2
            times the input's price, for 5 minutes 1.25 times.

    Raises:
        ExperimentError: There is no key, `ANTHROPIC_BASE_URL` is no address, or `ttl` is
            neither.
    """

    name = "anthropic"
    mark = "cache_control"
    dialect = Dialect(
        image=(
            b'{"type":"image","source":{"type":"base64","media_type":"image/png","data":"',
            b'"}',
        ),
        blanks=False,
    )

    def __init__(
        self, model: str, *, timeout_s: float = 600.0, ttl: Literal["5m", "1h"] = "5m"
    ) -> None:
        if ttl not in ("5m", "1h"):
            raise ExperimentError(f"anthropic/{model}: ttl: expected 5m or 1h, got {ttl!r:.60}")
        key = read_key(f"anthropic/{model}", "ANTHROPIC_API_KEY")
        url, self.endpoint = read_address("ANTHROPIC_BASE_URL", _ADDRESS)
        import anthropic

        super().__init__(model)
        self._mark = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
        timeout = anthropic.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
        self._client = anthropic.AsyncAnthropic(
            api_key=key, base_url=url, timeout=timeout, max_retries=0
        )

    async def close(self) -> None:
        """See `Provider`."""
        await self._client.close()

    def _fields(self, sampling: Sampling) -> dict[str, Any]:
        fields: dict[str, Any] = {"max_tokens": sampling.max_output_tokens}
        if sampling.temperature is not None:
            fields["temperature"] = sampling.temperature
        return fields

    def _caching(self, prefix: Prefix) -> dict[str, Any]:
        return {self.mark: self._mark}

    async def _post(self, body: Body) -> Response:
        import httpx2
        from anthropic import APIConnectionError, APIStatusError

        try:
            response = await self._client.post(
                "/v1/messages",
                cast_to=httpx2.Response,
                content=body,
                options={"headers": body.headers},
            )
        except APIStatusError as error:
            response = error.response
        except APIConnectionError as error:
            raise connection_error(error.__cause__ or error) from None
        return Response(response.status_code, response.headers, response.content)

    def _read(self, answer: Mapping[str, Any]) -> Said:
        match answer:
            case {"content": [*blocks], "stop_reason": str(word)}:
                text = "".join(map(_text, blocks))
            case _:
                raise rubbish_error(f"no message in it: {outline(answer)}")
        model = answer.get("model")
        return Said(
            text=text,
            finish=_FINISHES.get(word, "other"),
            detail=_detail(word, answer.get("stop_details")),
            model=model if isinstance(model, str) else None,
            tokens=_tokens(answer.get("usage")),
        )


def _detail(word: str, why: object) -> str:
    found = [why.get("category"), why.get("explanation")] if isinstance(why, dict) else []
    return shorten(": ".join([word, *(text for text in found if isinstance(text, str) and text)]))


def _text(block: object) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": str(kind)} if kind != "text":
            return ""  # thinking, and what tools do
    raise rubbish_error(f"no text in it: {outline(block)}")


def _tokens(usage: object) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    cached = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    total = count(usage, "input_tokens") + cached + written
    if not total:
        return None
    return Tokens(
        input=total,
        cached=cached,
        cache_write=written,
        cache_write_1h=count(usage, "cache_creation", "ephemeral_1h_input_tokens"),
        output=count(usage, "output_tokens"),
        reasoning=count(usage, "output_tokens_details", "thinking_tokens"),
    )
