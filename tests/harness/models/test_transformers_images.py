"""Prompts with images, of which a beginning is kept: tiny models of many kinds, made here."""

import io

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

from icil.harness.models.asking.trouble import listening
from icil.harness.models.transformers import images
from icil.harness.models.transformers.cache import BLOCK
from icil.harness.models.transformers.provider import TransformersProvider
from icil.prompt_builders import ImagePart, Prefix, TextPart, encode_image
from icil.prompt_builders.prompt import History

CONTEXT = 6144
SPECIAL = (
    *("<pad>", "</s>", "<|user|>", "<|assistant|>"),
    *("<image>", "<image_start>", "<image_end>", "<video>"),
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.3,  # or the answers to all prompts would be alike
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
EYES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "initializer_range": 0.3,
}
QWEN_EYES = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 32,
    "patch_size": 14,
    "out_hidden_size": 32,
    "initializer_range": 0.3,
}
LINEAR = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
MROPE = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}


def template(image):
    return (
        "{% for m in messages %}<|{{ m.role }}|>{% for c in m.content %}"
        f"{{{{ '{image}' if c.type == 'image' else c.text }}}}"
        "{% endfor %}</s>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )


def make_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        extra_special_tokens={
            "image_token": "<image>",
            "video_token": "<video>",
        },
    )


WORDS = make_tokenizer()
IDS = {name: WORDS.convert_tokens_to_ids(name) for name in SPECIAL}
TEXT = {**SIZES, "vocab_size": len(WORDS)}


def llava():
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(
            **EYES, num_hidden_layers=2, image_size=28, patch_size=14
        ),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=IDS["<image>"],
        image_seq_length=4,
        initializer_range=0.3,
    )
    processor = hf.LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=WORDS,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return config, processor


def llava_next():
    pinpoints = [[28, 56], [56, 28]]
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(
            **EYES, num_hidden_layers=2, image_size=28, patch_size=14
        ),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=IDS["<image>"],
        image_grid_pinpoints=pinpoints,
        image_seq_length=4,
        initializer_range=0.3,
    )
    processor = hf.LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": 28},
            crop_size={"height": 28, "width": 28},
            image_grid_pinpoints=pinpoints,
        ),
        tokenizer=WORDS,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return config, processor


class Qwens(Qwen2VLProcessor):
    """Without videos, which would need a library more."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        self.image_token, self.video_token = "<image>", "<video>"
        self.image_token_id, self.video_token_id = IDS["<image>"], IDS["<video>"]
        hf.ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def qwen(kind, eyes, **text):
    config = kind(
        vision_config=eyes,
        text_config={**TEXT, **MROPE, **text},
        image_token_id=IDS["<image>"],
        video_token_id=IDS["<video>"],
        vision_start_token_id=IDS["<image_start>"],
        vision_end_token_id=IDS["<image_end>"],
        initializer_range=0.3,
    )
    pixels = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 28 * 28, "longest_edge": 16 * 28 * 28}, patch_size=14
    )
    made = template("<image_start><image><image_end>")
    return config, Qwens(image_processor=pixels, tokenizer=WORDS, chat_template=made)


FAMILIES = {
    "llava": llava,
    "llava_next": llava_next,
    "qwen2_5_vl": lambda: qwen(hf.Qwen2_5_VLConfig, {**QWEN_EYES, "fullatt_block_indexes": [1]}),
    "qwen2_vl": lambda: qwen(hf.Qwen2VLConfig, {**QWEN_EYES, "hidden_size": 32, "embed_dim": 32}),
    "qwen3_5": lambda: qwen(hf.Qwen3_5Config, QWEN_EYES, **LINEAR),
    "qwen3_vl": lambda: qwen(hf.Qwen3VLConfig, {**QWEN_EYES, "deepstack_visual_indexes": [0]}),
}
UNLOADED = {"qwen2_5_vl", "qwen2_vl", "qwen3_5", "qwen3_vl"}
"""Families whose processor is not loaded from the folder, for that would need torchvision."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models so small are the slower for every other thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Returns a function that saves a model with random weights, always the same, once."""
    saved = {}

    def save(family):
        if family not in saved:
            config, processor = FAMILIES[family]()
            folder = tmp_path_factory.mktemp(family)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                hf.AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
            processor.save_pretrained(folder)
            saved[family] = folder, processor
        return saved[family]

    return save


@pytest.fixture
def connect(save, monkeypatch):
    """Returns a function that loads a model of a family."""

    def connect(family="llava", **settings):
        folder, processor = save(family)
        if family in UNLOADED:
            monkeypatch.setattr(hf.AutoProcessor, "from_pretrained", lambda *_, **__: processor)
        return TransformersProvider(str(folder), **settings)

    return connect


def image(seed):
    """Images of two sizes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40 + 20 * (seed % 2), 60, 3), np.uint8)
    return encode_image(pixels)


def shown(*seeds):
    """What an episode, or a demonstration, shows: images and what was done there."""
    return [
        part for seed in seeds for part in (image(seed), TextPart(f" then {seed % 7} and on. "))
    ]


def episode(demonstrated, seen):
    """The prompts of an episode's steps."""
    history = History(Prefix((TextPart("Look. "), *shown(*demonstrated))))
    prompts = []
    for seed in seen:
        history.append(image(seed))
        prompts.append(history.ask((TextPart(" What now?"),)))
        history.append(TextPart(f" {seed % 5}. "))
    return prompts


def processed(processor, prompt):
    content = [
        {"type": "image", "image": Image.open(io.BytesIO(part.png)).convert("RGB")}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in prompt
    ]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def reference(folder, processor, prompts, most):
    """What transformers itself answers, all at once, and the scores of each token."""
    model = hf.AutoModelForImageTextToText.from_pretrained(folder)
    how = {"output_logits": True, "return_dict_in_generate": True, "do_sample": False}
    for prompt in prompts:
        inputs = processed(processor, prompt)
        output = model.generate(**inputs, max_new_tokens=most, pad_token_id=0, **how)
        text = processor.decode(
            output.sequences[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        yield text, torch.cat(output.logits).log_softmax(-1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_is_kept_of_prompts_with_images_changes_no_score(ask, save, connect, family):
    folder, processor = save(family)
    prompts = [*episode(range(10), [20, 21, 22]), *episode(range(10), [30, 31])]
    done = ask(connect(family), *prompts, max_output_tokens=6, top_logprobs=3)
    expected = list(reference(folder, processor, prompts, 6))
    first, *others = [scores for _, scores in expected]
    assert not any(torch.allclose(first, other, atol=0.01) for other in others)
    for one, (text, scores) in zip(done, expected, strict=True):
        assert one.text == text
        for place, there in zip(one.logprobs, scores, strict=True):
            found = [logprob for _, logprob in place.likeliest]
            np.testing.assert_allclose(found, torch.topk(there, 3).values.tolist(), atol=2e-4)
    assert done[0].tokens.cached == 0
    assert all(one.tokens.cached > 0 for one in done[1:])


def test_all_models_that_go_on_with_images_are_tried():
    assert set(FAMILIES) == images.MODELS


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.0, "parameters": {"top_p": 0.95}}])
@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "qwen3_5"])
def test_answers_do_not_depend_on_what_is_kept(ask, connect, family, sampling):
    one, other = episode(range(9), [20, 21, 22]), episode([0, 1, 2, 3, 4, 5, 7], [20, 30])
    turns = [one[0], other[0], one[1], one[2], other[1], one[0]]
    anew = ask(connect(family, caches=0), *turns, max_output_tokens=8, **sampling)
    kept = ask(connect(family), *turns, max_output_tokens=8, **sampling)
    backwards = ask(connect(family, caches=1), *turns[::-1], max_output_tokens=8, **sampling)
    texts = [done.text for done in anew]
    assert [done.text for done in kept] == texts
    assert [done.text for done in backwards[::-1]] == texts
    assert {done.tokens.cached for done in anew} == {0}
    assert all(done.tokens.cached > 0 for done in kept[2:])


def test_an_episode_goes_on_where_its_last_step_ended(ask, connect):
    prompts = episode(range(8), range(20, 29))
    done = ask(connect(), *prompts, max_output_tokens=1)
    cached = [one.tokens.cached for one in done]
    assert cached == sorted(cached)
    assert cached[-1] > done[0].tokens.input
    # Blocks end with the fourth image, the eighth, and so on; the first step shows the ninth.
    assert [cached.count(known) for known in sorted(set(cached))] == [1, 3, 4, 1]


def test_another_episode_takes_over_the_prefix(ask, connect):
    one, other = episode(range(8), [20, 21]), episode(range(8), [31, 32])
    done = ask(connect(), *one, other[0], max_output_tokens=1)
    before = len(WORDS("<|user|>Look. ")["input_ids"])
    each = len(WORDS(" then 0 and on. ")["input_ids"]) + 4
    closes = before + 7 * each + 4  # where the eighth image ends
    assert [one.tokens.cached for one in done] == [0, closes, closes]


def test_nothing_is_taken_over_from_an_image_that_differs_on(ask, connect):
    seeds = list(range(12))
    changed = [*seeds[:6], 90, *seeds[7:]]
    (one,), (other,) = episode(seeds, [20]), episode(changed, [20])
    first, second, third = ask(connect(), one, other, one, max_output_tokens=8)
    assert first.tokens.input == second.tokens.input
    assert second.tokens.cached < second.tokens.input / 2 < third.tokens.cached
    assert second.tokens.cached > 0
    (anew,) = ask(connect(caches=0), other, max_output_tokens=8)
    assert anew.text == second.text
    assert first.text == third.text


def test_images_of_no_text_between_are_told_apart(ask, connect):
    def asked(*seeds):
        history = History(Prefix((TextPart("Look. "), *map(image, seeds))))
        return history.ask((TextPart(" What now?"),))

    prompts = [asked(0, 2, 4, 6, 8, 10), asked(0, 2, 4, 6, 10, 8), asked(0, 4, 2, 6, 8, 10)]
    done = ask(connect(), *prompts, max_output_tokens=8)
    anew = ask(connect(caches=0), *prompts, max_output_tokens=8)
    assert [one.text for one in done] == [one.text for one in anew]
    four = len(WORDS("<|user|>Look. ")["input_ids"]) + 4 * images.IMAGES
    assert [one.tokens.cached for one in done] == [0, four, 0]


@pytest.mark.parametrize("caches", [0, 1, 2])
def test_only_so_many_beginnings_with_images_are_kept(ask, connect, caches):
    prompts = [episode(range(first, first + 8), [20])[0] for first in (0, 40)]
    done = ask(connect(caches=caches), *prompts, *prompts, max_output_tokens=1)
    assert sum(one.tokens.cached > 0 for one in done) == (2 if caches == 2 else 0)


def test_texts_alone_are_kept_as_well(ask, connect):
    history = History(Prefix((TextPart("Look around. " * 100),)))
    prompts = [history.ask((TextPart(f"What now, {index}?"),)) for index in range(3)]
    done = ask(connect("qwen2_vl"), *prompts, max_output_tokens=4)
    assert [one.tokens.cached for one in done] == [0, 2 * BLOCK, 2 * BLOCK]
    anew = ask(connect("qwen2_vl", caches=0), *prompts, max_output_tokens=4)
    assert [one.text for one in done] == [one.text for one in anew]


def going_on(provider, change):
    """Has a model come to something else where it goes on from what is kept."""

    def hook(model, given, named):
        cache = named.get("past_key_values")
        if cache is not None and cache.get_seq_length() and named.get("pixel_values") is not None:
            named = change(named)
        return given, named

    provider._loaded._model.base_model.register_forward_pre_hook(hook, with_kwargs=True)
    return provider


def misplaced(named):
    return {**named, "position_ids": named["position_ids"] - 4}


def refused(named):
    raise ValueError("no images but at the beginning")


@pytest.mark.parametrize("change", [misplaced, refused])
@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
def test_a_model_that_goes_on_otherwise_is_asked_anew(ask, connect, family, change):
    prompts = episode(range(10), [20, 21, 22])
    heard = []
    with listening(heard.append):
        done = ask(going_on(connect(family), change), *prompts, max_output_tokens=8)
    fresh = [ask(connect(family), prompt, max_output_tokens=8)[0] for prompt in prompts]
    assert [one.text for one in done] == [one.text for one in fresh]
    assert {one.tokens.cached for one in done} == {0}
    assert len(heard) == 1
    assert "computed anew" in heard[0].what


def test_a_model_is_compared_once_with_what_it_is_without(ask, connect):
    provider, forwards = connect(), []
    provider._loaded._model.register_forward_pre_hook(
        lambda *_: forwards.append(len(forwards)), with_kwargs=False
    )
    prompts = episode(range(10), [20, 21, 22, 23])
    ask(provider, *prompts, max_output_tokens=1)
    # Each is answered by one; that the first is cut, and the second goes on, is compared.
    assert len(forwards) == len(prompts) + 2 * 2


def test_a_processor_that_gives_more_is_not_understood():
    two = {
        "input_ids": torch.tensor([[9, 2, 2, 9, 2, 2, 9]]),
        "attention_mask": torch.ones(1, 7, dtype=torch.long),
        "pixel_values": torch.zeros(2, 3, 4, 4),
    }
    cut = [image(0), image(2)], lambda part: 2, 2
    assert images.cut(two, *cut).starts == [1, 4]
    hidden = torch.tensor([[0, 1, 1, 1, 1, 1, 1]])
    for more in (
        {"aspect_ratio_ids": torch.zeros(2, 1)},
        {"image_sizes": [(4, 4), (4, 4)]},
        {"image_sizes": torch.ones(3, 2)},
        {"token_type_ids": torch.zeros(1, 6)},
        {"attention_mask": hidden},
        {"pixel_values": torch.zeros(1, 2, 3, 4, 4)},
        {"image_grid_thw": torch.tensor([[1, 2, 2], [1, 2, 2]])},
        {"input_ids": torch.tensor([[9, 2, 2, 9, 9, 2, 9]])},
        {"input_ids": torch.tensor([[9, 9, 2, 2, 9, 2, 2]])},
    ):
        assert images.cut({**two, **more}, *cut) is None
    del two["attention_mask"]
    assert images.cut(two, *cut) is None


def test_where_blocks_end_depends_on_nothing_after_and_is_in_no_image():
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.choice([4, 60, 300, 700], size=rng.integers(1, 9)).tolist()
        ids, seen, bounds = [], [], []
        for index, count in enumerate(counts):
            ids += [9] * int(rng.integers(0, 700)) + [2] * count
            seen.append(image(index))
            bounds.append((len(ids) - count, len(ids)))
        ids += [9] * int(rng.integers(1, 700))
        known = dict(zip(seen, counts, strict=True))

        def cut(ids, seen, known=known):
            inputs = {
                "input_ids": torch.tensor([ids]),
                "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
                "pixel_values": torch.zeros(len(seen), 3, 4, 4),
            }
            return images.cut(inputs, seen, known.__getitem__, 2).blocks.ends

        ends = cut(ids, seen)
        assert all(not start < end < stop for end in ends for start, stop in bounds)
        assert (np.diff([0, *ends]) < BLOCK + 700).all()
        for start, _ in bounds[1:]:
            shorter = cut([*ids[:start], 9], seen[: sum(stop <= start for _, stop in bounds)])
            assert shorter == tuple(end for end in ends if end <= start)
