"""Loading models of transformers from a folder."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from icil.harness.models.transformers import wording
from icil.harness.models.transformers.models import LocalModel, TextModel, load_from
from icil.harness.models.transformers.seeing import ImageTextModel
from icil.tasks import UnknownNameError, UsageError

_DTYPES = ("auto", "bfloat16", "float16", "float32")
_UNLOADABLE = (
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)
"""What is raised of a folder that is not as it should be, or needs a library that is not there."""


def load(folder: Path, *, device: str | None, dtype: str, caches: int) -> LocalModel:
    """Loads a model.

    Args:
        folder: With the model, its tokenizer (or processor) and its configuration.
        device: As PyTorch names it; None for the first GPU, or the CPU where there is none.
        dtype: `auto`, or as PyTorch names it.
        caches: Of how many prompts the keys and values are kept.

    Raises:
        UsageError: It cannot be loaded, or a setting cannot be.
    """
    if dtype not in _DTYPES:
        raise UnknownNameError("dtype", dtype, _DTYPES)
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UsageError(f"device {device!r}: {wording.first_line(error)}") from error
    try:
        config = load_from(folder, AutoConfig)
        if _sees_images(config):
            return ImageTextModel(folder, place, dtype, caches)
        if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            return TextModel(folder, place, dtype, caches)
    except _UNLOADABLE as error:
        raise UsageError(
            f"the model in {folder} cannot be loaded: {wording.first_line(error)}"
        ) from error
    raise UsageError(f"the model in {folder} is a {config.model_type}, which answers no prompts")


def _sees_images(config: Any) -> bool:
    """Returns whether a model is one that sees images; some of these come without their eyes."""
    is_blind = any(name.endswith("ForCausalLM") for name in config.architectures or ())
    return config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and not (
        is_blind and config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    )
