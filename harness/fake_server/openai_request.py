"""The body of a chat completion, as OpenAI has it; local servers take more, and ignore it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from icil.harness.fake_server.dialect import Schema


class Breakpoint(Schema):
    """Where the prompt may be cached up to; models from GPT-5.6."""

    mode: Literal["explicit"]


class TextPart(Schema):
    """A text."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: Breakpoint | None = None


class ImageUrl(Schema):
    """Where an image is."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Schema):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl
    prompt_cache_breakpoint: Breakpoint | None = None


class RefusalPart(Schema):
    """What the assistant refused."""

    type: Literal["refusal"]
    refusal: str


ContentPart = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class ChatMessage(Schema):
    """A message."""

    role: Literal["assistant", "developer", "function", "system", "tool", "user"]
    content: str | Annotated[list[ContentPart], Field(min_length=1)] | None = None
    name: str | None = None
    refusal: str | None = None
    audio: Any = None
    function_call: Any = None
    tool_call_id: str | None = None
    tool_calls: Any = None


class PromptCacheOptions(Schema):
    """How the prompt is cached; models from GPT-5.6."""

    mode: Literal["implicit", "explicit"] = "implicit"
    ttl: Literal["30m"] = "30m"


class StreamOptions(Schema):
    """What a stream holds."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(Schema):
    """A request for a chat completion."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    n: Literal[1] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None

    audio: Any = None
    frequency_penalty: Any = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    metadata: Any = None
    modalities: Any = None
    moderation: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    presence_penalty: Any = None
    prompt_cache_retention: Any = None
    reasoning_effort: Any = None
    response_format: Any = None
    safety_identifier: Any = None
    seed: Any = None
    service_tier: Any = None
    store: Any = None
    tool_choice: Any = None
    tools: Any = None
    user: Any = None
    verbosity: Any = None
    web_search_options: Any = None


class LocalChatRequest(ChatRequest):
    """A request to a local server, which ignores the names that it does not know."""

    model_config = ConfigDict(extra="ignore")
