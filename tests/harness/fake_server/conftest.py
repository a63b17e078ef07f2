"""What the tests of the server share: a raw client, bodies of requests, pictures, a clock."""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest
from PIL import Image

from icil.harness.fake_server import FakeServer, ServerSettings, serve_in_thread


class Answered(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


async def send(
    session: aiohttp.ClientSession,
    url: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Answered:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    if headers is None and "/v1/messages" in url:
        headers = {"anthropic-version": "2023-06-01"}
    headers = {"Content-Type": "application/json", **(headers or {})}
    async with session.request(method, url, data=data, headers=headers) as response:
        return Answered(response.status, response.headers, await response.read())


class Client:
    """Speaks raw HTTP to a server: one request after the other, or all of them at once."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server

    def ask(self, path: str, body: Any = None, **options: Any) -> Answered:
        (answered,) = self.ask_all([(path, body)], **options)
        return answered

    def ask_all(
        self, asked: list[tuple[str, Any]], timeout_s: float = 30.0, **options: Any
    ) -> list[Answered]:
        async def run() -> list[Answered]:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                return await asyncio.gather(
                    *(
                        send(session, self.server.url + path, body, **options)
                        for path, body in asked
                    )
                )

        return asyncio.run(run())


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts servers with some settings; returns a raw client for each."""
    with ExitStack() as stack:

        def serve(**settings: Any) -> Client:
            return Client(stack.enter_context(serve_in_thread(ServerSettings(**settings))))

        yield serve


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def picture(width: int = 28, height: int = 28, shade: int = 0, kind: str = "PNG") -> str:
    """Returns an image as base64."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 0, 255 - shade)).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


class Dialects:
    """Bodies of the same request in each dialect; a part is a text, or an image as bytes."""

    PATHS = {  # noqa: RUF012
        "openai": "/v1/chat/completions",
        "local": "/local/v1/chat/completions",
        "responses": "/v1/responses",
        "anthropic": "/v1/messages",
        "gemini": "/v1beta/models/m:generateContent",
    }

    @staticmethod
    def body(dialect: str, *parts: str | bytes, model: str = "m", **more: Any) -> dict[str, Any]:
        if dialect in ("openai", "local"):
            content = [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {"type": "image_url", "image_url": {"url": data_url(part)}}
                for part in parts
            ]
            return {"model": model, "messages": [{"role": "user", "content": content}], **more}
        if dialect == "responses":
            content = [
                {"type": "input_text", "text": part}
                if isinstance(part, str)
                else {"type": "input_image", "image_url": data_url(part)}
                for part in parts
            ]
            return {"model": model, "input": [{"role": "user", "content": content}], **more}
        if dialect == "anthropic":
            content = [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {
                    "type": "image",
                    "source": {
                        "type": "base64",
                        "media_type": "image/png",
                        "data": part.decode(),
                    },
                }
                for part in parts
            ]
            messages = [{"role": "user", "content": content}]
            return {"model": model, "max_tokens": 1000, "messages": messages, **more}
        content = [
            {"text": part}
            if isinstance(part, str)
            else {"inlineData": {"mimeType": "image/png", "data": part.decode()}}
            for part in parts
        ]
        return {"contents": [{"role": "user", "parts": content}], **more}

    @staticmethod
    def said(dialect: str, answer: Any) -> str | None:
        """The text of an answer; None where there is none."""
        if dialect in ("openai", "local"):
            return answer["choices"][0]["message"]["content"]
        if dialect == "responses":
            texts = [
                part["text"]
                for item in answer["output"]
                for part in item.get("content", ())
                if part["type"] == "output_text"
            ]
        elif dialect == "anthropic":
            texts = [block["text"] for block in answer["content"] if block["type"] == "text"]
        else:
            texts = [
                part["text"]
                for candidate in answer.get("candidates", ())
                for part in candidate.get("content", {}).get("parts", ())
            ]
        return texts[0] if texts else None


def data_url(part: bytes) -> str:
    return f"data:image/png;base64,{part.decode()}"


@pytest.fixture
def dialects() -> type[Dialects]:
    return Dialects


@pytest.fixture
def draw() -> Any:
    return picture
