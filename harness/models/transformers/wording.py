"""How a prompt is worded for a model of transformers.

By the chat template that stands in the folder. Without one, a prompt of one message is its text
as it is, for a model that goes on with it; a conversation is marked by `User: ` and
`Assistant: ` at the beginning of each message and a blank line at its end.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import TemplateError as ChatTemplateError
from PIL import Image

from icil.prompt_builders import ImagePart, Part, Prompt, TextPart
from icil.prompt_builders.messages import Message
from icil.prompt_builders.parts import merge_text
from icil.tasks import ModelError

_MARKS = {"user": "User: ", "assistant": "Assistant: "}


def messages_of(prompt: Prompt) -> list[Message]:
    """Returns the whole prompt as messages; none begins where the prefix ends in the middle."""
    conversation = prompt.conversation
    prefix, rest = list(conversation.prefix), list(conversation.rest)
    if conversation.joined:
        role, parts = prefix.pop()
        rest[0] = Message(role, parts + rest[0].parts)
    return prefix + rest


def text_of(message: Message) -> str:
    """Returns the text of a message for a model that sees nothing.

    Raises:
        ModelError: It has images.
    """
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise ModelError("the prompt has images, and the model sees none")
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def with_images(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Returns messages as a processor takes them."""
    return [
        {"role": message.role, "content": [block_of(part) for part in merge_text(message.parts)]}
        for message in messages
    ]


def block_of(part: Part) -> dict[str, Any]:
    """Returns a part as a processor takes it."""
    if isinstance(part, ImagePart):
        return {"type": "image", "image": Image.open(io.BytesIO(part.png)).convert("RGB")}
    return {"type": "text", "text": part.text}


def templated(wording: Any, messages: list[Any], options: Mapping[str, Any]) -> Any:
    """Returns messages in the words of a chat template.

    Raises:
        ModelError: The template does not take them.
    """
    try:
        return wording.apply_chat_template(messages, add_generation_prompt=True, **options)
    except ChatTemplateError as error:
        raise ModelError(
            f"the model's chat template does not take this prompt: {first_line(error)}"
        ) from error


def plain(messages: list[dict[str, str]]) -> str:
    """Returns messages without a chat template."""
    if len(messages) == 1:
        return messages[0]["content"]
    said = [f"{_MARKS[message['role']]}{message['content']}\n\n" for message in messages]
    return "".join([*said, _MARKS["assistant"].rstrip()])


def first_line(error: BaseException) -> str:
    """Returns what an error says, in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
