"""The body of a request to OpenAI's Responses API."""

from typing import Annotated, Any, Literal

from pydantic import Field

from icil.harness.fake_server.dialect import Schema
from icil.harness.fake_server.openai_request import (
    Breakpoint,
    PromptCacheOptions,
    RefusalPart,
)


class InputText(Schema):
    """A text."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Breakpoint | None = None


class InputImage(Schema):
    """An image."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class OutputText(Schema):
    """What the assistant said."""

    type: Literal["output_text"]
    text: str
    annotations: Any = None
    logprobs: Any = None


InputPart = Annotated[
    InputText | InputImage | OutputText | RefusalPart, Field(discriminator="type")
]


class InputMessage(Schema):
    """A message."""

    role: Literal["assistant", "developer", "system", "user"]
    content: str | Annotated[list[InputPart], Field(min_length=1)]
    type: Literal["message"] = "message"
    id: Any = None
    phase: Any = None
    status: Any = None


class ResponsesRequest(Schema):
    """A request for a response."""

    model: Annotated[str, Field(min_length=1)]
    input: str | Annotated[list[InputMessage], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None

    background: Literal[False] | None = None
    include: Any = None
    max_tool_calls: Any = None
    metadata: Any = None
    parallel_tool_calls: Any = None
    prompt_cache_retention: Any = None
    reasoning: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None
    stream_options: Any = None
    text: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    truncation: Any = None
    user: Any = None
