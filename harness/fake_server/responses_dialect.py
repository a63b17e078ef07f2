"""OpenAI's Responses API: the same models, limits, caches and errors in other words."""

from icil.harness.fake_server.call import Call, PartReader
from icil.harness.fake_server.dialect import Dialect, Json, Result
from icil.harness.fake_server.openai_dialect import OpenAIDialect, life_of
from icil.harness.fake_server.openai_request import RefusalPart
from icil.harness.fake_server.responses_request import (
    InputImage,
    InputMessage,
    InputText,
    ResponsesRequest,
)


class ResponsesDialect(OpenAIDialect):
    """`POST /v1/responses`."""

    def read(self, body: bytes, model: str, parts: PartReader) -> Call:
        """See `Dialect`."""
        request = self.parse(ResponsesRequest, body)
        if request.instructions:
            parts.open("system")
            parts.text(request.instructions)
        messages = request.input
        if isinstance(messages, str):
            messages = [InputMessage(role="user", content=messages)]
        for index, message in enumerate(messages):
            self._read_input(message, f"input[{index}]", parts)
        options = request.prompt_cache_options
        return parts.call(
            request.model,
            max_tokens=request.max_output_tokens,
            stream=bool(request.stream),
            cache_key=request.prompt_cache_key or "",
            cache_mode="implicit" if options is None else options.mode,
            parameters=frozenset(request.model_fields_set),
        )

    def _read_input(self, message: InputMessage, place: str, parts: PartReader) -> None:
        parts.open("system" if message.role == "developer" else message.role)
        if isinstance(message.content, str):
            parts.text(message.content)
            return
        for index, part in enumerate(message.content):
            if isinstance(part, InputImage):
                life_s = life_of(part.prompt_cache_breakpoint)
                self.read_image(part.image_url, f"{place}.content[{index}]", life_s, parts)
            elif isinstance(part, InputText):
                parts.text(part.text, life_of(part.prompt_cache_breakpoint))
            else:
                parts.text(part.refusal if isinstance(part, RefusalPart) else part.text)

    def check_stream(self) -> None:
        """See `Dialect`."""
        Dialect.check_stream(self)

    def write(self, result: Result) -> Json:
        """See `Dialect`."""
        answer, number = result.answer, f"{result.number:024d}"
        output: list[Json] = []
        if answer.reasoning_tokens:
            output.append({"id": f"rs_{number}", "type": "reasoning", "summary": []})
        incomplete = {"length": "max_output_tokens", "blocked": "content_filter"}.get(answer.finish)
        status = "incomplete" if incomplete else "completed"
        said: Json = {"type": "output_text", "text": answer.text, "annotations": []}
        if answer.finish == "refusal":
            said = {"type": "refusal", "refusal": answer.text}
        if answer.finish != "blocked":
            message = {"id": f"msg_{number}", "type": "message", "role": "assistant"}
            output.append({**message, "status": status, "content": [said]})
        return {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": int(result.now),
            "status": status,
            "error": None,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "model": result.call.model,
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": result.call.tokens,
                "input_tokens_details": {
                    "cached_tokens": result.use.read,
                    "cache_write_tokens": result.use.written,
                },
                "output_tokens": result.output_tokens,
                "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
                "total_tokens": result.call.tokens + result.output_tokens,
            },
        }
