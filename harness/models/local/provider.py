"""Local servers that speak OpenAI's chat completions: vLLM, SGLang, llama.cpp, Ollama and kin.

A model is named `MODEL@URL`. Requests go out without any provider's client: a prompt is bytes
(`body.py`) that go through a pool of connections (`http.py`), so that one process
keeps a busy server busy.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from icil.harness.models.answers import count, error_text, outline, read_object
from icil.harness.models.chat.dialect import (
    LOGPROBS,
    logprob_fields,
    read_finish,
    read_logprobs,
    read_text,
)
from icil.harness.models.chat.parameters import Parameters
from icil.harness.models.completion import Completion, Finish, Place, Sampling, Tokens
from icil.harness.models.environment import read_key
from icil.harness.models.errors import rubbish_error, status_error
from icil.harness.models.local.body import Bodies, close
from icil.harness.models.local.limits import ask_limits
from icil.harness.models.provider import Provider
from icil.harness.models.tables.limits import Limits
from icil.prompt_builders import Prefix, Prompt
from icil.tasks import ModelError, UsageError

if TYPE_CHECKING:
    from icil.harness.models.local.http import Response

_VARIABLE = "ICIL_LOCAL_API_KEY"
_EXPECTED = "expected local/MODEL@http://host:port"
_PATH = "/chat/completions"
_REJECTED = (400, 422)
_OURS = frozenset({"messages", "model", "n", "stream"})
"""Fields that are not the user's to set."""
_QUICK = 256 << 10
"""Bytes of an answer that are read on the event loop; a longer one is read in a thread."""
_PRIVATE_NAME = re.compile(r"[^.]+|.*\.(localhost|local|internal|home\.arpa)")
"""Names that stand for machines near by: those without a dot, and the domains kept for that."""


class LocalProvider(Provider):
    """A model behind an address.

    The server is asked for its limits here, for 2 s at most; one that does not answer has none
    that are known. Where an event loop is running it is not asked, for that would hold it up:
    make it in a thread. A key may stand in `ICIL_LOCAL_API_KEY`.

    Args:
        model: `MODEL@URL`: the name that the server knows the model by, and `http(s)://host`,
            perhaps with a port and a path (`/v1` where there is none).
        timeout_s: After how many seconds a request is given up.

    Raises:
        UsageError: The name is not of that form, or the key is none.
    """

    name = "local"

    def __init__(self, model: str, *, timeout_s: float = 600.0) -> None:
        from icil.harness.models.local.http import Client

        address = _read_address(model)
        key = read_key(f"local/{model}", _VARIABLE) if os.environ.get(_VARIABLE) else None
        self.model, self.endpoint = address.model, address.base
        self.limits = Limits() if _on_event_loop() else ask_limits(address.base, self.model, key)
        self._client = Client(address.base + _PATH, key, timeout_s=timeout_s)
        self._bodies = Bodies(self.model)
        self._parameters = Parameters({"max_tokens": "max_completion_tokens"}, LOGPROBS)
        self._asked: _Asked | None = None

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """See `Provider`."""
        chunks = await self._bodies.chunks(prompt)
        while True:
            asked = self._ask(sampling)
            response = await self._client.post([*chunks, asked.ending])
            if 200 <= response.status < 300:
                break
            self._object(response, asked)
        content = response.content
        quick = len(content) <= _QUICK
        said = _read(content) if quick else await asyncio.to_thread(_read, content)
        tokens = said.tokens
        if tokens is None or (said.reasoning and not tokens.reasoning):
            tokens = await asyncio.to_thread(self._count, prompt, said)
        return Completion(
            text=said.text,
            tokens=tokens,
            model=said.model or self.model,
            finish=said.finish,
            detail=said.detail,
            parameters=asked.sent,
            dropped=asked.dropped,
            logprobs=said.logprobs,
        )

    async def forget(self, prefix: Prefix) -> None:
        """See `Provider`."""
        self._bodies.forget(prefix)

    async def close(self) -> None:
        """See `Provider`."""
        await self._client.close()

    def _ask(self, sampling: Sampling) -> "_Asked":
        """Returns what is asked for beside the prompt: most often the same as the last time."""
        if self._asked is None or self._asked.sampling is not sampling:
            wanted = _fields(sampling)
            sent, dropped = self._parameters.sent(wanted), self._parameters.dropped
            self._asked = _Asked(
                sampling, sent, tuple(name for name in wanted if name in dropped), close(sent)
            )
        return self._asked

    def _object(self, response: "Response", asked: "_Asked") -> None:
        """Raises what an answer other than success stands for, unless it refuses a parameter."""
        if response.status < 400:
            raise _redirected(self.endpoint, response.status)
        message = error_text(response.content)
        if response.status not in _REJECTED or not self._parameters.refused(message, asked.sent):
            raise status_error(response.status, message, response.headers)
        self._asked = None

    def _count(self, prompt: Prompt, said: "_Said") -> Tokens:
        """Counts what the server did not."""
        from icil.harness.models.tables.tokens import count_text

        reasoning = count_text(said.reasoning, self.name, self.model)
        if said.tokens is not None:
            return replace(said.tokens, reasoning=min(reasoning, said.tokens.output))
        output = reasoning + count_text(said.text, self.name, self.model)
        return Tokens(input=sum(map(self.tokens, prompt)), output=output, reasoning=reasoning)


def is_private(model: str) -> bool:
    """Returns whether a model is on this machine or in its own network, so that it is free.

    Args:
        model: `MODEL@URL`. A host's name is not looked up: one without a dot is taken for near.

    Raises:
        UsageError: It is not of that form.
    """
    return _read_address(model).is_private


class _Address(NamedTuple):
    """What `MODEL@URL` says."""

    model: str
    base: str
    """The URL up to the version, without a slash at its end."""
    is_private: bool
    """Whether it is on this machine or in its own network."""


def _read_address(name: str) -> _Address:
    match = re.fullmatch(r"(.*?)@(https?://.*)", name, re.DOTALL)
    if match is None:
        raise UsageError(f"local/{name.partition('@')[0]}: no address; {_EXPECTED}")
    model, url = match.groups()
    if not model:
        raise UsageError(f"local/@…: no model; {_EXPECTED}")
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        raise UsageError(f"local/{model}: the address cannot be read; {_EXPECTED}") from None
    if "@" in parts.netloc:
        raise UsageError(
            f"local/{model}: a user or password stands in the address, which would be written "
            f"into every result; set {_VARIABLE} instead; {_EXPECTED}"
        )
    host = parts.hostname or ""
    if not re.fullmatch(r"[\w.:%-]+", host):
        raise UsageError(f"local/{model}: no host in the address; {_EXPECTED}")
    if parts.query or parts.fragment:
        raise UsageError(f"local/{model}: the address goes on after its path; {_EXPECTED}")
    bracketed = f"[{host}]" if ":" in host else host
    return _Address(model, f"{parts.scheme}://{bracketed}{port}{_path(parts)}", _is_private(host))


def _path(parts: SplitResult) -> str:
    return parts.path.rstrip("/").removesuffix(_PATH) or "/v1"


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return _PRIVATE_NAME.fullmatch(host) is not None
    return address.is_private or address.is_loopback or address.is_link_local


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _fields(sampling: Sampling) -> dict[str, Any]:
    if ours := sorted(_OURS & sampling.parameters.keys()):
        raise UsageError(f"parameters: {', '.join(ours)} cannot be set for local models")
    fields: dict[str, Any] = {"max_tokens": sampling.max_output_tokens}
    if sampling.temperature is not None:
        fields["temperature"] = sampling.temperature
    return {**fields, **logprob_fields(sampling), **sampling.parameters}


def _redirected(endpoint: str, status: int) -> ModelError:
    return ModelError(
        f"the server at {endpoint} answered {status}: it redirects, which is not followed; name "
        "the address that it redirects to",
        fault="fatal",
    )


class _Asked(NamedTuple):
    """What is asked for beside the prompt."""

    sampling: Sampling
    sent: Mapping[str, Any]
    dropped: tuple[str, ...]
    ending: bytes
    """Of the body."""


class _Said(NamedTuple):
    """What an answer says."""

    text: str
    reasoning: str
    finish: Finish
    detail: str | None
    model: str | None
    tokens: Tokens | None
    """None where the server does not tell."""
    logprobs: tuple[Place, ...] | None


def _read(content: bytes) -> _Said:
    answer = read_object(content)
    match answer:
        case {"choices": [{"message": {"content": _} | {"role": _}}, *_]}:
            choice: dict[str, Any] = answer["choices"][0]
            message: dict[str, Any] = choice["message"]
        case _:
            raise rubbish_error(f"no message in it: {outline(answer)}")
    finish, detail = read_finish(choice.get("finish_reason"), message.get("refusal"))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    model = answer.get("model")
    return _Said(
        text=read_text(message.get("content")),  # some leave out what is empty
        reasoning=reasoning if isinstance(reasoning, str) else "",
        finish=finish,
        detail=detail,
        model=model if isinstance(model, str) else None,
        tokens=_tokens(answer),
        logprobs=read_logprobs(choice.get("logprobs")),
    )


def _tokens(answer: Mapping[str, Any]) -> Tokens | None:
    """Reads what vLLM, SGLang and llama.cpp tell of a call."""
    usage = answer.get("usage")
    if not isinstance(usage, dict) or not (total := count(usage, "prompt_tokens")):
        return None
    output = count(usage, "completion_tokens")
    cached = reasoning = 0
    if usage.get("prompt_tokens_details"):
        cached = count(usage, "prompt_tokens_details", "cached_tokens")
    elif "timings" in answer or "tokens_cached" in answer:
        cached = count(answer, "timings", "cache_n") or count(answer, "tokens_cached")
    if usage.get("completion_tokens_details"):
        reasoning = count(usage, "completion_tokens_details", "reasoning_tokens")
    elif "reasoning_tokens" in usage:
        reasoning = count(usage, "reasoning_tokens")
    return Tokens(
        input=total, cached=min(cached, total), output=output, reasoning=min(reasoning, output)
    )
