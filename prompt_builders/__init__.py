"""From a pool of demonstrations to the prompt that a model sees."""

from icil.prompt_builders.builder import PromptBuilder, PromptOptions, Tail
from icil.prompt_builders.parts import ImagePart, Part, TextPart, encode_image
from icil.prompt_builders.prompt import Prefix, Prompt
from icil.prompt_builders.selectors import Query, RandomSelector, Selection, Selector
from icil.prompt_builders.template import Template, load_template

__all__ = [
    "ImagePart",
    "Part",
    "Prefix",
    "Prompt",
    "PromptBuilder",
    "PromptOptions",
    "Query",
    "RandomSelector",
    "Selection",
    "Selector",
    "Tail",
    "Template",
    "TextPart",
    "encode_image",
    "load_template",
]
