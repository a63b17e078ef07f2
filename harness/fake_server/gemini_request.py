"""The bodies of Gemini's calls, by their names in JSON or by those of their protocol buffers."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from icil.harness.fake_server.dialect import Schema


class GeminiSchema(Schema):
    """An object that goes by `camelCase` and `snake_case` names alike."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Blob(GeminiSchema):
    """An image's bytes."""

    mime_type: str
    data: str


class ContentPart(GeminiSchema):
    """A text or an image."""

    text: str | None = None
    inline_data: Blob | None = None
    thought: bool | None = None
    thought_signature: Any = None
    media_resolution: Any = None


class Content(GeminiSchema):
    """A message."""

    parts: Annotated[list[ContentPart], Field(min_length=1)]
    role: str | None = None


class ThinkingConfig(GeminiSchema):
    """How the model thinks."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: Any = None


class GenerationConfig(GeminiSchema):
    """How the answer is generated."""

    candidate_count: Annotated[int, Field(ge=0, le=1)] | None = None
    stop_sequences: Annotated[list[str], Field(max_length=5)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    thinking_config: ThinkingConfig | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    audio_timestamp: Any = None
    enable_enhanced_civic_answers: Any = None
    frequency_penalty: Any = None
    image_config: Any = None
    media_resolution: Any = None
    presence_penalty: Any = None
    response_format: Any = None
    response_json_schema: Any = None
    response_mime_type: Any = None
    response_modalities: Any = None
    response_schema: Any = None
    seed: Any = None
    speech_config: Any = None
    top_k: Any = None
    top_p: Any = None


class GenerateRequest(GeminiSchema):
    """A request for an answer."""

    contents: list[Content] = Field(default_factory=list)
    system_instruction: Content | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    model: str | None = None

    labels: Any = None
    safety_settings: Any = None
    service_tier: Any = None
    store: Any = None
    tool_config: Any = None
    tools: Any = None


class CountRequest(GeminiSchema):
    """A request to count the tokens of a prompt."""

    contents: list[Content] = Field(default_factory=list)
    generate_content_request: GenerateRequest | None = None
    model: str | None = None


class CacheRequest(GeminiSchema):
    """A request to keep the beginning of prompts."""

    model: str | None = None
    contents: list[Content] = Field(default_factory=list)
    system_instruction: Content | None = None
    display_name: Annotated[str, Field(max_length=128)] | None = None
    ttl: Annotated[str, Field(pattern=r"^\d+(\.\d+)?s$")] | None = None
    expire_time: str | None = None
    name: str | None = None

    tool_config: Any = None
    tools: Any = None
