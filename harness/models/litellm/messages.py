"""Prompts as litellm wants them: OpenAI's messages, made anew for each request.

litellm changes what it is given, so each request gets dictionaries of its own; the texts and
the base64 in them are shared: a prefix is taken apart once, an image encoded once.

Texts that follow each other are one text, and a message of texts is a plain string, which
every provider takes; some would put line breaks between them. Only where breakpoints are set
does each part stay a block, so that the blocks before a breakpoint are the same in the next
request. A text of nothing but white space, which Anthropic refuses, then joins the one after
it, or is left out where none follows.
"""

import json
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from icil.harness.models.recent import Recent
from icil.prompt_builders import ImagePart, Part, Prefix, Prompt, TextPart, encode_image
from icil.prompt_builders.parts import Role, role_of

_KEPT = 256 << 20
"""Bytes of prefixes, and of images, that are kept."""

_LIKE_GEMINI = ("gemini", "vertex_ai", "vertex_ai_beta")
"""Providers that keep images in their places, in code that cannot be tried out."""

Message = dict[str, Any]


def keeps_images(litellm: ModuleType, model: str, home: str) -> bool:
    """Returns whether litellm hands on a prompt's images, each in its place.

    For some providers it leaves them out, for others it puts them behind the texts. What it
    makes of a small prompt tells.

    Args:
        litellm: The module.
        model: The model's name at its provider.
        home: The provider.
    """
    image = encode_image(np.zeros((1, 1, 3), np.uint8))
    prompt = Prompt(Prefix((TextPart("before"), image)), [], 0, (TextPart("behind"),), b"")
    try:
        config = litellm.ProviderConfigManager.get_provider_chat_config(
            model=model, provider=litellm.LlmProviders(home)
        )
        request = config.transform_request(
            model=model,
            messages=MessageMaker().make(prompt, None),
            optional_params={},
            litellm_params={},
            headers={},
        )
    except Exception:  # noqa: BLE001 - providers that cannot be tried out fail in many ways
        return home in _LIKE_GEMINI
    made = json.dumps(request, default=str)
    places = [made.find(word) for word in ("before", b64encode(image.png).decode(), "behind")]
    return -1 not in places and places == sorted(places)


class _Item(NamedTuple):
    """A part as it is sent."""

    role: Role
    content: str
    """A text, or a data URL."""
    image: bool


class MessageMaker:
    """Makes the messages of one model. May be used from several threads."""

    def __init__(self) -> None:
        self._prefixes: Recent[tuple[_Item, ...]] = Recent(_KEPT)
        self._images: Recent[str] = Recent(_KEPT)

    def make(self, prompt: Prompt, breakpoints: Collection[int] | None) -> list[Message]:
        """Returns a prompt's messages. May encode megabytes: call it in a thread.

        Args:
            prompt: The prompt.
            breakpoints: How many parts of the tail stand before each breakpoint in it; one more
                is set at the end of the prefix. None for a provider that knows none.
        """
        writer = _Writer(apart=breakpoints is not None)
        for item in self._prefix(prompt.prefix):
            writer.add(item)
        if breakpoints is not None:
            writer.mark()
        rest = self._items((*prompt.tail, *prompt.question))
        for number, item in enumerate(rest, start=1):
            writer.add(item)
            if breakpoints is not None and number in breakpoints:
                writer.mark()
        return writer.messages()

    def forget(self, prefix: Prefix) -> None:
        """Is told that no more prompts with this prefix will come."""
        self._prefixes.pop(prefix.hash)

    def _prefix(self, prefix: Prefix) -> tuple[_Item, ...]:
        known = self._prefixes.get(prefix.hash)
        if known is None:
            parts = [part for message in prefix.messages for part in message.parts]
            items = tuple(self._items(parts))
            known = self._prefixes.put(prefix.hash, items, sum(len(i.content) for i in items))
        return known

    def _items(self, parts: Iterable[Part]) -> Iterator[_Item]:
        for part in parts:
            image = isinstance(part, ImagePart)
            content = self._url(part) if isinstance(part, ImagePart) else part.text
            yield _Item(role_of(part), content, image)

    def _url(self, image: ImagePart) -> str:
        known = self._images.get(image.hash)
        if known is None:
            url = f"data:image/png;base64,{b64encode(image.png).decode()}"
            known = self._images.put(image.hash, url, len(url))
        return known


class _Block:
    """Texts that are one, or an image."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.texts: list[str] = []
        self.marked = False

    def write(self) -> dict[str, Any]:
        """Returns it in new dictionaries."""
        block: dict[str, Any] = {"type": "text", "text": "".join(self.texts)}
        if self.url is not None:
            block = {"type": "image_url", "image_url": {"url": self.url}}
        return {**block, "cache_control": {"type": "ephemeral"}} if self.marked else block


class _Writer:
    """Puts items together.

    Args:
        apart: Whether each stays a block of its own.
    """

    def __init__(self, *, apart: bool) -> None:
        self._apart = apart
        self._turns: list[tuple[Role, list[_Block]]] = []
        self._role: Role | None = None
        """Whose the last item was."""
        self._blank = ""
        """White space that waits for a text."""

    def add(self, item: _Item) -> None:
        """Adds an item."""
        blank = self._blank if item.role == self._role else ""
        self._role, self._blank = item.role, ""
        if item.image:
            self._blocks(item.role).append(_Block(item.content))
            return
        text = blank + item.content
        if self._apart and not text.strip():
            self._blank = text
        elif text:
            blocks = self._blocks(item.role)
            if self._apart or not blocks or blocks[-1].url is not None:
                blocks.append(_Block(None))
            blocks[-1].texts.append(text)

    def mark(self) -> None:
        """Sets a breakpoint after the last block."""
        if self._turns:
            self._turns[-1][1][-1].marked = True

    def messages(self) -> list[Message]:
        """Returns what was added as messages."""
        return [{"role": role, "content": self._content(blocks)} for role, blocks in self._turns]

    def _blocks(self, role: Role) -> list[_Block]:
        if not self._turns or self._turns[-1][0] != role:
            self._turns.append((role, []))
        return self._turns[-1][1]

    def _content(self, blocks: list[_Block]) -> str | list[dict[str, Any]]:
        if not self._apart and all(block.url is None for block in blocks):
            return "".join(text for block in blocks for text in block.texts)
        return [block.write() for block in blocks]
