"""Hugging Face models in this process: a folder with a model, its tokenizer and its configuration.

One thread runs the model, one prompt at a time (`models.py`). Nothing is fetched from anywhere. A
temperature of 0 (or none) takes the likeliest token; any other draws by a generator that is seeded
by the prompt, so that one prompt always gets one answer.
"""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from icil.harness.models.asking.trouble import Trouble, tell
from icil.harness.models.completion import Completion, Sampling, Tokens
from icil.harness.models.provider import Provider
from icil.harness.models.recent import Recent
from icil.harness.models.tables.limits import Limits
from icil.prompt_builders import Part, Prompt
from icil.tasks import UnknownNameError, UsageError

if TYPE_CHECKING:
    from icil.harness.models.transformers.models import LocalModel

_PARAMETERS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "chat_template_kwargs": ((dict,), "names and values"),
    "min_new_tokens": ((int,), "a whole number"),
    "min_p": ((float, int), "a number from 0 to 1"),
    "no_repeat_ngram_size": ((int,), "a whole number"),
    "repetition_penalty": ((float,), "a number above 0, such as 1.1"),
    "seed": ((int,), "a whole number"),
    "top_k": ((int,), "a whole number, 1 or more"),
    "top_p": ((float, int), "a number from 0 to 1"),
}
"""What may stand in `sampling.parameters`, and what it must be."""
_COUNTED = 65_536
"""How many parts' tokens are remembered."""
_THOUGHT = re.compile(r"\s*<think>|.*?</think>", re.DOTALL)
"""How an answer begins that is thought first; the template may have begun the thought."""


class TransformersProvider(Provider):
    """A model in a folder.

    The keys and values of a prompt's beginning are kept for the next prompt that begins so, with
    the same images (see `cache.py`). With images, a model is compared with itself for that; where
    it does not come to the same, this is told once, and its prompts are computed anew.

    Args:
        model: The folder.
        timeout_s: Not looked at: who waits too long cancels.
        device: As PyTorch names it; None for the first GPU, or the CPU where there is none.
        dtype: `auto` (as the weights are stored), `float32`, `bfloat16` or `float16`.
        caches: Of how many prompts the keys and values are kept.

    Raises:
        UsageError: PyTorch or transformers is not installed, the folder is none or holds no
            model that answers in text, or a setting cannot be.
    """

    name = "transformers"
    most_at_once = 1  # one thread answers; who waits for it must not run into the time-out

    def __init__(
        self,
        model: str,
        *,
        timeout_s: float = 600.0,
        device: str | None = None,
        dtype: str = "auto",
        caches: int = 4,
    ) -> None:
        if type(caches) is not int or caches < 0:
            raise UsageError(f"caches: expected a whole number, 0 or more, got {caches!r}")
        folder = Path(model).expanduser()
        if not (folder / "config.json").is_file():
            what = "holds no config.json" if folder.is_dir() else "is no folder"
            raise UsageError(
                f"transformers/{model}: {folder} {what}; expected transformers/PATH, where PATH "
                "is a folder with a Hugging Face model on this machine (nothing is downloaded)"
            )
        try:
            from icil.harness.models.transformers.loading import load
        except ImportError as error:
            raise UsageError(
                f"transformers/{model} needs PyTorch and transformers ({error}): "
                "pip install 'icil[transformers]'"
            ) from error
        self.model, self.endpoint = model, f"transformers/{model}"
        self._loaded: LocalModel = load(folder, device=device, dtype=dtype, caches=caches)
        self.limits = Limits(
            context_tokens=self._loaded.context_tokens,
            images=None if self._loaded.sees_images else 0,
        )
        self._told = False
        self._answering_model = folder.resolve().name
        self._counted: Recent[int] = Recent(_COUNTED)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transformers")

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """See `Provider`."""
        stop = Event()
        loop = asyncio.get_running_loop()
        try:
            done = await loop.run_in_executor(self._thread, self._answer, prompt, sampling, stop)
        except asyncio.CancelledError:
            stop.set()
            raise
        if self._loaded.trouble is not None and not self._told:
            self._told = True
            tell(Trouble(self.endpoint, self._loaded.trouble))
        return done

    def tokens(self, part: Part) -> int:
        """Returns how many tokens a part takes, by the model's own tokenizer."""
        if (known := self._counted.get(part.hash)) is not None:
            return known
        return self._counted.put(part.hash, self._loaded.count(part), 1)

    async def close(self) -> None:
        """Stops the thread once it is done, and lets go of what it kept."""
        self._thread.submit(self._loaded.forget)
        self._thread.shutdown(wait=False)

    def _answer(self, prompt: Prompt, sampling: Sampling, stop: Event) -> Completion:
        parameters = _checked(sampling.parameters)
        template = parameters.pop("chat_template_kwargs", None) or {}
        asked = {
            "max_new_tokens": sampling.max_output_tokens,
            "temperature": sampling.temperature or 0.0,
            **parameters,
        }
        if sampling.top_logprobs is not None:
            asked["top_logprobs"] = sampling.top_logprobs
        generated = self._loaded.answer(prompt, template, asked, stop)
        text, thought = _split(generated.text)
        output = len(generated.tokens)
        return Completion(
            text=text,
            tokens=Tokens(
                input=generated.input,
                cached=generated.cached,
                output=output,
                reasoning=min(output, self._loaded.count_text(thought)) if thought else 0,
            ),
            model=self._answering_model,
            finish="stop" if generated.ended else "length",
            parameters={**asked, **({"chat_template_kwargs": template} if template else {})},
            logprobs=generated.logprobs,
        )


def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in parameters.items():
        if name not in _PARAMETERS:
            raise UnknownNameError("parameter", name, _PARAMETERS)
        kinds, expected = _PARAMETERS[name]
        if type(value) not in kinds or (type(value) is not dict and value < 0):
            raise UsageError(f"parameters: {name}: expected {expected}, got {value!r:.60}")
    return dict(parameters)


def _split(text: str) -> tuple[str, str]:
    """Returns an answer without the thought that it begins with, and that thought."""
    found = _THOUGHT.match(text)
    if found is None:
        return text, ""
    thought, end, said = text.partition("</think>")
    return said.lstrip("\n") if end else "", thought + end
