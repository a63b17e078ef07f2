"""Hugging Face models in this process: tiny ones with random weights, made here."""

import asyncio
import io
import json
import shutil
import socket
import sys
from functools import cache
from threading import Event

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from icil.harness.models import Limits, Sampling
from icil.harness.models.transformers.cache import BLOCK
from icil.harness.models.transformers.drawing import Draw
from icil.harness.models.transformers.provider import TransformersProvider, _split
from icil.prompt_builders import ImagePart, Prefix, TextPart, encode_image
from icil.prompt_builders.prompt import History
from icil.tasks import ModelError, UnknownNameError, UsageError

CONTEXT = 6144
SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content is string %}{{ m.content }}"
    "{% else %}{% for c in m.content %}{{ '<image>' if c.type == 'image' else c.text }}"
    "{% endfor %}{% endif %}</s>{% endfor %}{{ tone }}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
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
    "bos_token_id": 1,
    "eos_token_id": 2,
}

MAMBA = {"mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}
LINEAR = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}


def make_tokenizer(template=TEMPLATE):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    lines = ["Observation: player at (3, 4), target at (5, 6)", "Action: up down left right"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
        chat_template=template,
    )


def save(folder, config, template=TEMPLATE, kind=hf.AutoModelForCausalLM):
    """Saves a model with random weights, always the same, and a tokenizer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind.from_config(config).save_pretrained(folder)
    make_tokenizer(template).save_pretrained(folder)
    return folder


def llama(**changes):
    return hf.LlamaConfig(**{**SIZES, "vocab_size": len(make_tokenizer()), **changes})


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models so small are the slower for every other thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("chat"), llama())


@pytest.fixture(scope="session")
def plain_model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("plain"), llama(), template=None)


@pytest.fixture(scope="session")
def seeing_model(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("seeing"), make_tokenizer()
    eyes = hf.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        initializer_range=0.3,
    )
    config = hf.LlavaConfig(
        vision_config=eyes,
        text_config=llama(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        initializer_range=0.3,
    )
    save(folder, config, kind=hf.AutoModelForImageTextToText)
    hf.LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


def connect(folder, **settings):
    return TransformersProvider(str(folder), **settings)


def prompt_of(*texts, question="?"):
    """A prompt of texts, said in turn by the user and the assistant, or of other parts."""
    roles = ("user", "assistant")
    parts = [
        TextPart(text, roles[index % 2]) if isinstance(text, str) else text
        for index, text in enumerate(texts)
    ]
    history = History(Prefix(tuple(parts[:1])))
    history.append(*parts[1:])
    return history.ask((TextPart(question),))


def image(seed):
    return encode_image(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8))


def reference(folder, prompt, most):
    """What transformers itself answers, all at once, to a prompt of one message."""
    return go_on(folder, f"<|user|>{prompt.text()}</s><|assistant|>", most, worded=True)


def go_on(folder, text, most, *, worded):
    """What transformers itself goes on with, and how many tokens the text has."""
    tokenizer, model = loaded(folder)
    inputs = tokenizer(text, add_special_tokens=not worded, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=most, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    return tokenizer.decode(new, skip_special_tokens=True), inputs["input_ids"].shape[1]


@cache
def loaded(folder):
    return (
        hf.AutoTokenizer.from_pretrained(folder),
        hf.AutoModelForCausalLM.from_pretrained(folder),
    )


# Answers


def test_an_answer_is_the_likeliest_that_the_model_gives(ask, chat_model, make_prompts):
    prompts = make_prompts(steps=3, demonstrations=4)
    done = ask(connect(chat_model), *prompts, max_output_tokens=24)
    for prompt, one in zip(prompts, done, strict=True):
        assert (one.text, one.tokens.input) == reference(chat_model, prompt, 24)
        assert (one.finish, one.tokens.output) == ("length", 24)
        assert one.model == chat_model.name
    assert len({one.text for one in done}) == 3
    assert done[0].tokens.input > 2 * BLOCK


@pytest.fixture(scope="session")
def hybrid_model(tmp_path_factory):
    sizes = {**SIZES, **LINEAR, "vocab_size": len(make_tokenizer())}
    return save(tmp_path_factory.mktemp("hybrid"), hf.Qwen3_5TextConfig(**sizes))


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.0, "parameters": {"top_p": 0.95}}])
@pytest.mark.parametrize("kind", ["chat_model", "hybrid_model"])
def test_what_is_kept_changes_no_answer(ask, request, make_prompts, kind, sampling):
    folder = request.getfixturevalue(kind)
    one, other = make_prompts(steps=4), make_prompts(steps=3, first=20, opening=5)
    more = make_prompts(steps=2, demonstrations=6)
    turns = [one[0], other[0], one[1], more[0], other[1], one[2], one[3], more[1], other[2], one[0]]
    anew = ask(connect(folder, caches=0), *turns, max_output_tokens=16, **sampling)
    kept = ask(connect(folder), *turns, max_output_tokens=16, **sampling)
    backwards = ask(connect(folder, caches=1), *turns[::-1], max_output_tokens=16, **sampling)
    texts = [done.text for done in anew]
    assert [done.text for done in kept] == texts
    assert [done.text for done in backwards[::-1]] == texts
    assert len(set(texts)) > 3
    assert {done.tokens.cached for done in anew} == {0}
    assert sum(done.tokens.cached > 0 for done in kept) > 4
    assert sum(done.tokens.cached > 0 for done in backwards) > 0


def test_whole_blocks_of_a_prompt_are_taken_over(ask, chat_model, make_prompts):
    prompts = make_prompts(steps=3)
    done = ask(connect(chat_model), *prompts, prompts[-1], max_output_tokens=1)
    common = done[0].tokens.input // BLOCK * BLOCK
    assert common > 0
    assert [one.tokens.cached for one in done] == [0, common, common, common]


def test_of_a_prompt_that_is_whole_blocks_the_last_is_computed_again(ask, plain_model):
    prompt = prompt_of("x" * (2 * BLOCK - 2))  # the question and <s> make up the rest
    first, second = ask(connect(plain_model), prompt, prompt, max_output_tokens=8)
    assert first.tokens.input == 2 * BLOCK
    assert (first.tokens.cached, second.tokens.cached) == (0, BLOCK)
    assert first.text == second.text


def test_only_so_many_beginnings_are_kept(ask, chat_model, make_prompts):
    prompts = [make_prompts(steps=1, first=first)[0] for first in (0, 20, 40)]
    turns = [prompts[0], prompts[1], prompts[2]] * 2
    for caches, known in ((0, 0), (2, 0), (3, 3)):
        done = ask(connect(chat_model, caches=caches), *turns, max_output_tokens=1)
        assert sum(one.tokens.cached > 0 for one in done) == known


def test_a_longer_prefix_takes_over_what_it_shares_with_a_shorter(ask, chat_model, make_prompts):
    (few,), (many,) = (make_prompts(steps=1, demonstrations=count) for count in (3, 6))
    done = ask(connect(chat_model), few, many, few, many, max_output_tokens=1)
    shared = [one.tokens.cached for one in done]
    assert shared[0] == 0
    assert 0 < shared[1] <= shared[2] < shared[3]


FAMILIES = {
    "gemma": (hf.Gemma3TextConfig, {"sliding_window": 64, "layer_types": None}, True),
    "gpt": (hf.GPT2Config, {}, True),
    "mistral": (hf.MistralConfig, {"sliding_window": 64}, True),
    "qwen": (hf.Qwen3Config, {}, True),
    "longrope": (
        hf.Phi3Config,
        {
            "original_max_position_embeddings": 1024,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10_000.0,
                "short_factor": [1.0] * 4,
                "long_factor": [4.0] * 4,
            },
        },
        False,
    ),
    # Some go on with their recurrent state, some would lose it.
    "bamba": (hf.BambaConfig, {"attn_layer_indices": [1], "mamba_n_heads": 8, **MAMBA}, False),
    "falcon": (hf.FalconH1Config, {"mamba_d_ssm": 32, "mamba_n_heads": 4, **MAMBA}, True),
    "hybrid": (hf.Qwen3_5TextConfig, LINEAR, True),
    "mamba": (hf.MambaConfig, {"state_size": 4, "time_step_rank": 4}, False),
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_models_of_many_kinds_answer_as_transformers_has_them_do(
    ask, tmp_path, make_prompts, family
):
    kind, changes, keeps = FAMILIES[family]
    sizes = {**SIZES, "vocab_size": len(make_tokenizer()), **changes}
    if family == "gemma":
        sizes["layer_types"] = ["sliding_attention", "full_attention"]
    if family == "gpt":
        sizes["n_positions"] = CONTEXT
        del sizes["head_dim"], sizes["max_position_embeddings"]
    folder = save(tmp_path / family, kind(**sizes))
    prompts = [*make_prompts(steps=2), *make_prompts(steps=1, opening=3)]
    done = ask(connect(folder), *prompts, max_output_tokens=12)
    assert [one.text for one in done] == [reference(folder, one, 12)[0] for one in prompts]
    assert done[0].tokens.cached == 0
    assert {one.tokens.cached > 0 for one in done[1:]} == {keeps}


# Drawing


def test_log_probabilities_are_those_of_the_models_scores(ask, chat_model, make_prompts):
    (prompt,) = make_prompts(steps=1)
    (done,) = ask(connect(chat_model), prompt, max_output_tokens=6, top_logprobs=3)
    tokenizer, model = loaded(chat_model)
    text = f"<|user|>{prompt.text()}</s><|assistant|>"
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    how = {"output_logits": True, "return_dict_in_generate": True, "do_sample": False}
    output = model.generate(**inputs, max_new_tokens=6, **how)
    for place, logits in zip(done.logprobs, output.logits, strict=True):
        expected = torch.topk(torch.log_softmax(logits[0], dim=-1), 3)
        assert [token for token, _ in place.likeliest] == [
            tokenizer.decode([token]) for token in expected.indices.tolist()
        ]
        found = [logprob for _, logprob in place.likeliest]
        np.testing.assert_allclose(found, expected.values.tolist(), atol=1e-4)
        assert place.token == place.likeliest[0][0]


def test_what_is_drawn_is_among_the_likeliest_and_is_no_other(ask, chat_model, make_prompts):
    (prompt,) = make_prompts(steps=1)
    hot = {"temperature": 5.0, "max_output_tokens": 12}
    (plain,) = ask(connect(chat_model), prompt, **hot)
    (done,) = ask(connect(chat_model), prompt, **hot, top_logprobs=1)
    assert plain.logprobs is None
    assert done.text == plain.text
    assert len(done.logprobs) == done.tokens.output == 12
    for place in done.logprobs:
        first, *said = place.likeliest
        assert place.token in (first[0], *(token for token, _ in said))
        assert all(logprob < first[1] < 0 for _, logprob in said)
    assert sum(len(place.likeliest) == 2 for place in done.logprobs) > 6


def test_a_prompt_is_always_answered_alike(ask, chat_model, make_prompts):
    prompts = make_prompts(steps=3)
    before = torch.get_rng_state()
    first = ask(connect(chat_model), *prompts, temperature=1.0)
    torch.manual_seed(7)
    second = ask(connect(chat_model), *prompts[::-1], temperature=1.0)
    torch.set_rng_state(before)
    third = ask(connect(chat_model), *prompts, temperature=1.0, parameters={"seed": 1})
    assert [one.text for one in first] == [one.text for one in second[::-1]]
    assert len({one.text for one in (*first, *third)}) == 6
    assert torch.equal(torch.get_rng_state(), before)
    greedy = ask(connect(chat_model), *prompts)
    assert {one.text for one in greedy}.isdisjoint(one.text for one in first)


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
def test_the_choice_may_be_narrowed_to_the_likeliest(ask, chat_model, make_prompts, narrow):
    prompts = make_prompts(steps=2)
    likeliest = ask(connect(chat_model), *prompts, max_output_tokens=16)
    drawn = ask(
        connect(chat_model), *prompts, max_output_tokens=16, temperature=2.0, parameters=narrow
    )
    assert [one.text for one in drawn] == [one.text for one in likeliest]
    assert drawn[0].parameters == {"max_new_tokens": 16, "temperature": 2.0, **narrow}


def test_tokens_are_drawn_as_often_as_they_are_likely():
    scores = torch.tensor([[2.0, 0.0, -torch.inf, 1.0, 0.5]])
    draw = Draw({"temperature": 0.5}, np.random.default_rng(0))
    drawn = torch.zeros(5)
    for _ in range(4000):
        chosen = draw(torch.zeros(1, 1, dtype=torch.long), scores)
        assert (chosen > -torch.inf).sum() == 1
        drawn[chosen.argmax()] += 1
    expected = 4000 * torch.softmax(scores[0] / 0.5, -1)
    assert drawn[2] == expected[2] == 0
    assert (abs(drawn - expected) <= 4 * expected.sqrt()).all()


def test_what_the_folder_says_of_sampling_does_not_count(ask, chat_model, tmp_path, make_prompts):
    folder = shutil.copytree(chat_model, tmp_path / "copy")
    wild = {"do_sample": True, "temperature": 9.0, "top_k": 3, "repetition_penalty": 5.0}
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **wild}))
    prompts = make_prompts(steps=1)
    (plain,) = ask(connect(chat_model), *prompts, max_output_tokens=16)
    (copied,) = ask(connect(folder), *prompts, max_output_tokens=16)
    (penalised,) = ask(
        connect(folder), *prompts, max_output_tokens=16, parameters={"repetition_penalty": 5.0}
    )
    assert plain.text == copied.text != penalised.text


# How a prompt is worded, and how an answer ends


def test_without_a_template_one_message_is_its_text(ask, plain_model, make_prompts):
    (prompt,) = make_prompts(steps=1)
    (done,) = ask(connect(plain_model), prompt, max_output_tokens=8)
    assert (done.text, done.tokens.input) == go_on(plain_model, prompt.text(), 8, worded=False)


def test_without_a_template_a_conversation_is_marked(ask, plain_model):
    chat = prompt_of("look: a", "up", "look: b", "down", "look: c")
    (done,) = ask(connect(plain_model), chat, max_output_tokens=24)
    marked = (
        "User: look: a\n\nAssistant: up\n\nUser: look: b\n\nAssistant: down\n\n"
        "User: look: c?\n\nAssistant:"
    )
    assert (done.text, done.tokens.input) == go_on(plain_model, marked, 24, worded=False)


def test_a_template_words_each_side(ask, chat_model):
    chat = prompt_of("look: a", "up", "look: b")
    (done,) = ask(connect(chat_model), chat, max_output_tokens=24)
    worded = "<|user|>look: a</s><|assistant|>up</s><|user|>look: b?</s><|assistant|>"
    assert (done.text, done.tokens.input) == go_on(chat_model, worded, 24, worded=True)


def test_a_template_can_be_told_more(ask, chat_model):
    prompt = prompt_of("look")
    template = {"chat_template_kwargs": {"tone": "be brief"}}
    (plain,) = ask(connect(chat_model), prompt)
    (told,) = ask(connect(chat_model), prompt, parameters=template)
    assert told.tokens.input > plain.tokens.input
    assert told.parameters == {"max_new_tokens": 100, "temperature": 0.0, **template}


def test_a_prompt_that_the_template_does_not_take_is_rejected(ask, tmp_path):
    template = "{{ raise_exception('the roles must alternate') }}"
    folder = save(tmp_path / "picky", llama(), template)
    with pytest.raises(ModelError, match=r"template does not take.*the roles must") as caught:
        ask(connect(folder), prompt_of("look"))
    assert caught.value.fault == "rejected"


def test_an_answer_ends_where_the_model_ends_it(ask, chat_model, tmp_path, make_prompts):
    (prompt,) = make_prompts(steps=1)
    asked = {"max_new_tokens": 12, "temperature": 0.0}
    tokens = connect(chat_model)._loaded.answer(prompt, {}, asked, Event()).tokens
    end = next(token for token in tokens[3:] if token not in tokens[:3])
    folder = shutil.copytree(chat_model, tmp_path / "copy")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [end, 2]}))
    (done,) = ask(connect(folder), prompt, max_output_tokens=12)
    said = tokens[: tokens.index(end)]
    assert done.finish == "stop"
    assert done.text == make_tokenizer().decode(said, skip_special_tokens=True)
    assert done.tokens.output == len(said) + 1


@pytest.mark.parametrize(
    ("answer", "said", "thought"),
    [
        ("up", "up", ""),
        ("<think>why</think>\n\nup", "up", "<think>why</think>"),
        ("why</think>up", "up", "why</think>"),
        ("\n<think>why and", "", "\n<think>why and"),
        ("I think up", "I think up", ""),
        ("", "", ""),
    ],
)
def test_a_thought_is_no_part_of_the_text(answer, said, thought):
    assert _split(answer) == (said, thought)


# Limits


def test_its_limits_are_known(chat_model, seeing_model):
    assert connect(chat_model).limits == Limits(context_tokens=CONTEXT, images=0)
    assert connect(seeing_model).limits == Limits(context_tokens=CONTEXT)


def test_a_prompt_that_does_not_fit_is_overlong(ask, plain_model):
    with pytest.raises(ModelError, match=f"{CONTEXT} tokens, the model takes {CONTEXT}") as caught:
        ask(connect(plain_model), prompt_of("x" * (CONTEXT - 2)))
    assert caught.value.fault == "overlong"


def test_an_answer_is_no_longer_than_the_context(ask, plain_model):
    (done,) = ask(connect(plain_model), prompt_of("x" * (CONTEXT - 12)))
    assert (done.tokens.input, done.tokens.output) == (CONTEXT - 10, 10)
    assert done.finish == "length"


def test_tokens_are_counted_by_its_own_tokenizer(ask, plain_model, make_prompts):
    provider = connect(plain_model)
    (prompt,) = make_prompts(steps=1)
    tokenizer = hf.AutoTokenizer.from_pretrained(plain_model)
    for part in prompt:
        known = len(tokenizer(part.text, add_special_tokens=False)["input_ids"])
        assert provider.tokens(part) == provider.tokens(TextPart(part.text)) == known
    (done,) = ask(provider, prompt, max_output_tokens=1)
    assert done.tokens.input == len(tokenizer(prompt.text())["input_ids"])


# Images


def seen(folder, *parts, most=16):
    """What transformers itself answers to texts and images in one message."""
    processor = hf.AutoProcessor.from_pretrained(folder)
    model = hf.AutoModelForImageTextToText.from_pretrained(folder)
    text = "".join("<image>" if isinstance(part, ImagePart) else part.text for part in parts)
    images = [as_pixels(part) for part in parts if isinstance(part, ImagePart)]
    # Processors, other than tokenizers, put <s> before what a template has worded without it.
    text = f"<s><|user|>{text}</s><|assistant|>"
    inputs = processor(text=text, images=images, add_special_tokens=False, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=most, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    return processor.decode(new, skip_special_tokens=True), inputs["input_ids"].shape[1]


def as_pixels(part):
    return Image.open(io.BytesIO(part.png)).convert("RGB")


def test_images_are_seen_where_they_stand(ask, seeing_model):
    a, b = image(1), image(2)
    orders = [(a, b), (b, a), (a, a)]
    prompts = [prompt_of("first", one, TextPart(" then "), other) for one, other in orders]
    done = ask(connect(seeing_model), *prompts, max_output_tokens=16)
    for prompt, one in zip(prompts, done, strict=True):
        assert (one.text, one.tokens.input) == seen(seeing_model, *prompt)
        assert one.tokens.cached == 0
    assert len({one.text for one in done}) == 3


@pytest.mark.parametrize("layout", ["single", "chat"])
def test_a_prompt_with_images_is_answered(ask, seeing_model, make_prompts, layout):
    prompts = make_prompts("rgb", steps=2, demonstrations=1, layout=layout)
    first, second, again = ask(connect(seeing_model), *prompts, prompts[0], temperature=1.0)
    assert first.text == again.text != second.text
    assert second.tokens.input > first.tokens.input


def test_an_image_takes_the_tokens_that_the_processor_gives_it(seeing_model):
    provider = connect(seeing_model)
    assert provider.tokens(image(1)) == 4
    assert provider.tokens(TextPart("up")) == 1


def test_a_model_that_sees_nothing_is_shown_nothing(ask, chat_model):
    with pytest.raises(ModelError, match="the model sees none") as caught:
        ask(connect(chat_model), prompt_of("look", image(1)))
    assert caught.value.fault == "rejected"


def test_a_seeing_model_needs_a_template(seeing_model, tmp_path):
    folder = shutil.copytree(seeing_model, tmp_path / "copy")
    for path in folder.glob("chat_template*"):
        path.unlink()
    with pytest.raises(UsageError, match="no chat template"):
        connect(folder)


# Giving up, and what cannot be


def test_an_answer_that_nobody_waits_for_is_broken_off(chat_model, make_prompts):
    provider = connect(chat_model)
    (prompt,) = make_prompts(steps=1)
    forwards = []

    async def run():
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def note(*_):
            forwards.append(1)
            loop.call_soon_threadsafe(begun.set)

        provider._loaded._model.register_forward_hook(note)
        call = asyncio.ensure_future(provider.complete(prompt, Sampling(max_output_tokens=4000)))
        await begun.wait()
        waiting = asyncio.ensure_future(provider.complete(prompt, Sampling(max_output_tokens=1)))
        for given_up in (call, waiting):
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
        done = await provider.complete(prompt, Sampling(max_output_tokens=3))
        await provider.close()
        return done

    assert asyncio.run(run()).tokens.output == 3
    assert len(forwards) < 4000


def test_nothing_is_asked_of_a_network(ask, chat_model, seeing_model, monkeypatch, make_prompts):
    def refuse(*arguments, **options):
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for folder, format in ((chat_model, "coords"), (seeing_model, "rgb")):
        prompts = make_prompts(format, steps=1, demonstrations=1)
        (done,) = ask(connect(folder), *prompts, max_output_tokens=4)
        assert done.tokens.output == 4


@pytest.mark.parametrize("name", ["no/such", "meta-llama/Llama-3-8B", ""])
def test_what_is_no_folder_is_not_looked_for_elsewhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="expected transformers/PATH"):
        TransformersProvider(name)


def test_a_folder_must_hold_a_model(tmp_path, chat_model):
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        connect(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be loaded"):
        connect(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no_such"}')
    with pytest.raises(UsageError, match=r"cannot be loaded.*no_such"):
        connect(tmp_path)
    hf.CLIPVisionConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="is a clip_vision_model, which answers no prompts"):
        connect(tmp_path)
    shutil.copy(chat_model / "config.json", tmp_path)
    with pytest.raises(UsageError, match="cannot be loaded"):
        connect(tmp_path)


def test_missing_weights_are_not_made_up(tmp_path, chat_model):
    folder = shutil.copytree(chat_model, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match=r"1 of its weights are missing, such as model\.norm"):
        connect(folder)


def test_no_code_of_the_folder_is_run(tmp_path, chat_model):
    folder = shutil.copytree(chat_model, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    own = {**config, "model_type": "own", "auto_map": auto}
    (folder / "config.json").write_text(json.dumps(own))
    (folder / "own.py").write_text("raise AssertionError('this was run')")
    with pytest.raises(UsageError, match="cannot be loaded"):
        connect(folder)


def test_a_damaged_model_is_told(tmp_path, chat_model):
    folder = shutil.copytree(chat_model, tmp_path / "copy")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UsageError, match="cannot be loaded"):
        connect(folder)


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_missing_library_is_told_with_what_installs_it(chat_model, monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("icil.harness.models.transf")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[transformers\]'"):
        connect(chat_model)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("dtype", "float12", "unknown dtype 'float12'"),
        ("device", "abacus", "device 'abacus'"),
        ("caches", -1, "caches: expected a whole number"),
        ("caches", "two", "caches: expected a whole number"),
    ],
)
def test_a_wrong_setting_is_told(chat_model, setting, value, message):
    with pytest.raises(UsageError, match=message):
        connect(chat_model, **{setting: value})


def test_weights_are_held_as_wanted(chat_model):
    for dtype, held in (("auto", torch.float32), ("bfloat16", torch.bfloat16)):
        assert connect(chat_model, dtype=dtype, device="cpu")._loaded._model.dtype == held


def test_a_wrong_parameter_is_told(ask, chat_model):
    with pytest.raises(UnknownNameError, match="did you mean 'top_p'"):
        ask(connect(chat_model), prompt_of("look"), parameters={"topp": 0.5})
    for name, value in (("top_p", 7.0), ("top_k", 0), ("top_k", "3"), ("seed", -1)):
        with pytest.raises(UsageError, match=rf"parameters: .*{name}"):
            ask(connect(chat_model), prompt_of("look"), temperature=1.0, parameters={name: value})
