"""OpenAI: chat completions, through its own client."""

from collections.abc import Mapping
from typing import Any, ClassVar

from icil.harness.models.answers import count, outline
from icil.harness.models.chat.bodies import Body, Dialect
from icil.harness.models.chat.dialect import (
    logprob_fields,
    read_finish,
    read_logprobs,
    read_text,
)
from icil.harness.models.chat.provider import ChatProvider, Response, Said
from icil.harness.models.completion import Sampling, Tokens
from icil.harness.models.environment import read_address, read_key
from icil.harness.models.errors import connection_error, rubbish_error
from icil.prompt_builders import Prefix

_ADDRESS = "https://api.openai.com/v1"
_CONNECT_S = 30.0


class OpenAIProvider(ChatProvider):
    """A model of OpenAI, or of a server that speaks its dialect at `OPENAI_BASE_URL`.

    Models up to GPT-5.5 cache every prompt by themselves. Those since do so where a block is
    marked as a breakpoint; what does not know the mark refuses it, once.

    Args:
        model: Its name there.
        timeout_s: How long the connection may be silent, in seconds.

    Raises:
        ExperimentError: There is no key, or `OPENAI_BASE_URL` is no address.
    """

    name = "openai"
    mark = "prompt_cache_breakpoint"
    dialect = Dialect(
        image=(b'{"type":"image_url","image_url":{"url":"data:image/png;base64,', b'"}'),
        blanks=True,
    )
    alternatives: ClassVar[Mapping[str, str]] = {"max_completion_tokens": "max_tokens"}

    def __init__(self, model: str, *, timeout_s: float = 600.0) -> None:
        key = read_key(f"openai/{model}", "OPENAI_API_KEY")
        url, self.endpoint = read_address("OPENAI_BASE_URL", _ADDRESS)
        import openai

        super().__init__(model)
        timeout = openai.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
        self._client = openai.AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0)

    async def close(self) -> None:
        """See `Provider`."""
        await self._client.close()

    def _fields(self, sampling: Sampling) -> dict[str, Any]:
        fields: dict[str, Any] = {"max_completion_tokens": sampling.max_output_tokens}
        if sampling.temperature is not None:
            fields["temperature"] = sampling.temperature
        return {**fields, **logprob_fields(sampling)}

    def _caching(self, prefix: Prefix) -> dict[str, Any]:
        return {
            "prompt_cache_key": f"icil-{prefix.hash.hex()}",
            self.mark: {"mode": "explicit"},
        }

    async def _post(self, body: Body) -> Response:
        import httpx
        from openai import APIConnectionError, APIStatusError

        try:
            response = await self._client.post(
                "/chat/completions",
                cast_to=httpx.Response,
                content=body,
                # Or a key for administrators that stands in the environment would be sent.
                options={"headers": body.headers, "security": {"bearer_auth": True}},
            )
        except APIStatusError as error:
            response = error.response
        except APIConnectionError as error:
            raise connection_error(error.__cause__ or error) from None
        return Response(response.status_code, response.headers, response.content)

    def _read(self, answer: Mapping[str, Any]) -> Said:
        match answer:
            case {"choices": [{"message": {"content": content} as message} as choice, *_]}:
                text = read_text(content)
            case _:
                raise rubbish_error(f"no message in it: {outline(answer)}")
        finish, detail = read_finish(choice.get("finish_reason"), message.get("refusal"))
        model = answer.get("model")
        return Said(
            text=text,
            finish=finish,
            detail=detail,
            model=model if isinstance(model, str) else None,
            tokens=_tokens(answer.get("usage")),
            logprobs=read_logprobs(choice.get("logprobs")),
        )


def _tokens(usage: object) -> Tokens | None:
    if not isinstance(usage, dict) or not count(usage, "prompt_tokens"):
        return None
    return Tokens(
        input=count(usage, "prompt_tokens"),
        cached=count(usage, "prompt_tokens_details", "cached_tokens"),
        cache_write=count(usage, "prompt_tokens_details", "cache_write_tokens"),
        output=count(usage, "completion_tokens"),
        reasoning=count(usage, "completion_tokens_details", "reasoning_tokens"),
    )
