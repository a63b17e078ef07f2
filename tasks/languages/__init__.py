"""Action languages: continuous actions, one or many at a time, as words."""

from icil.tasks.languages.chunks import actions_of, cut, from_units, units
from icil.tasks.languages.dct import DctRows
from icil.tasks.languages.fast import Fast, Fitted, fit
from icil.tasks.languages.language import ActionLanguage, Chunk, LanguageError
from icil.tasks.languages.names import LANGUAGES, make_language
from icil.tasks.languages.numbers import Decimals, Integers
from icil.tasks.languages.spoken import Spoken

__all__ = [
    "ActionLanguage",
    "Chunk",
    "DctRows",
    "Decimals",
    "Fast",
    "Fitted",
    "Integers",
    "LANGUAGES",
    "LanguageError",
    "Spoken",
    "actions_of",
    "cut",
    "fit",
    "from_units",
    "make_language",
    "units",
]
