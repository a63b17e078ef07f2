"""The bodies of Anthropic's messages and of its token counts."""

from typing import Annotated, Any, Literal

from pydantic import Field

from icil.harness.fake_server.dialect import Schema


class CacheControl(Schema):
    """Where the prompt may be cached up to."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextBlock(Schema):
    """A text."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: Any = None


class Base64Source(Schema):
    """An image's bytes."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class ImageBlock(Schema):
    """An image."""

    type: Literal["image"]
    source: Base64Source
    cache_control: CacheControl | None = None


class ThinkingBlock(Schema):
    """What the assistant thought."""

    type: Literal["thinking"]
    thinking: str
    signature: str


ContentBlock = Annotated[TextBlock | ImageBlock | ThinkingBlock, Field(discriminator="type")]


class Message(Schema):
    """A message."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]


class CountRequest(Schema):
    """A request to count the tokens of a prompt."""

    model: Annotated[str, Field(min_length=1)]
    messages: list[Message]
    system: str | list[TextBlock] | None = None
    cache_control: CacheControl | None = None

    output_config: Any = None
    speed: Any = None
    thinking: Any = None
    tool_choice: Any = None
    tools: Any = None


class MessagesRequest(CountRequest):
    """A request for a message."""

    max_tokens: Annotated[int, Field(ge=0)]
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None

    container: Any = None
    diagnostics: Any = None
    inference_geo: Any = None
    metadata: Any = None
    service_tier: Any = None
