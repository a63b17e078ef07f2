"""Tokens of texts and images, counted on this machine: nobody is asked, nothing is fetched.

Texts are counted with OpenAI's tables, which litellm carries: exactly for OpenAI's models, to
within some tens of per cent for others, whose tables are not public (`icil estimate` corrects
that by what was reported before). Images are counted by their provider's rule, see
`image_tokens.py`. What was counted is remembered, by the part's hash.
"""

import os
from collections import OrderedDict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from icil.harness.models.tables.image_tokens import image_tokens
from icil.prompt_builders.parts import ImagePart, Part

if TYPE_CHECKING:
    from tiktoken import Encoding

_DEFAULT = "o200k_base"
_TABLES = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
"""The tables that litellm carries, and their files' names."""
_VARIABLE = "TIKTOKEN_CACHE_DIR"
_KEPT = 65_536
"""How many texts' counts are remembered."""

_lock = Lock()
_loading = Lock()
_counted: OrderedDict[tuple[str, bytes], int] = OrderedDict()
"""By table and hash; the one used last stands last."""


def count_tokens(part: Part, provider: str, model: str) -> int:
    """Returns about how many tokens a part takes; from any thread.

    Args:
        part: A text or an image.
        provider: The provider's name, such as `openai`.
        model: The model's name there.
    """
    if isinstance(part, ImagePart):
        return image_tokens(part.width, part.height, provider, model)
    key = (_table(provider, model), part.hash)
    with _lock:
        if key in _counted:
            _counted.move_to_end(key)
            return _counted[key]
    found = count_text(part.text, provider, model)
    with _lock:
        _counted[key] = found
        if len(_counted) > _KEPT:
            _counted.popitem(last=False)
    return found


def count_text(text: str, provider: str, model: str) -> int:
    """Returns about how many tokens a text takes; from any thread."""
    return len(_encoding(_table(provider, model)).encode_ordinary(text))


@cache
def _table(provider: str, model: str) -> str:
    """Returns the name of the table that is nearest to a model's own."""
    if provider not in ("openai", "litellm"):
        return _DEFAULT
    from tiktoken import encoding_name_for_model

    try:
        found = encoding_name_for_model(model.rpartition("/")[2])
    except KeyError:
        return _DEFAULT
    return found if found in _TABLES else _DEFAULT


def _encoding(table: str) -> "Encoding":
    with _loading:  # or two threads would load it at once
        return _load(table)


@cache
def _load(table: str) -> "Encoding":
    from tiktoken import get_encoding

    found = find_spec("litellm")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0], "litellm_core_utils", "tokenizers")
    if not (folder / _TABLES[table]).is_file():  # tiktoken would fetch it
        raise FileNotFoundError(f"litellm carries no table {table} in {folder}; reinstall litellm")
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(folder)
    try:
        return get_encoding(table)
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
