"""What the models say: a function of the prompt alone."""

import base64
import re

import pytest

from icil.harness.fake_server import Oddities, ServerSettings
from icil.harness.fake_server.answers import NOTHING_SEEN
from icil.prompt_builders import ImagePart, PromptBuilder, PromptOptions, Selection, load_template
from icil.prompt_builders.messages import make_messages
from icil.tasks import UsageError, build_pool, make


def say(client, dialects, *parts, dialect="openai", **more):
    answer = client.ask(dialects.PATHS[dialect], dialects.body(dialect, *parts, **more))
    return dialects.said(dialect, answer.json)


ALLOWED = "The actions allowed now are: {}\nWhich action do you take now?"
THINK = 'First think. Then end your answer with a line that holds "Action:" and the action.'


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["Observation:\nwall\nAction: up\n", "Action: left\nAction: up\nNow?"], {"up", "left"}),
        (["Action: turn left \r\nNow?"], {"turn left"}),
        (["Action: up\n", ALLOWED.format("down, right")], {"down", "right"}),
        ([ALLOWED.format("down")], {"down"}),
        # A space of actions is described, not listed.
        (
            ["Action: [0.1, 0.2]\n", ALLOWED.format("2 numbers from -1 to 1, as [a, b, …]")],
            {"[0.1, 0.2]"},
        ),
        (
            ["Action: A1 word\n", ALLOWED.format("A1: any 4 letters, D2: any 3 letters")],
            {"A1 word"},
        ),
        # The actions themselves may have words in them.
        (["Action: turn left\n", ALLOWED.format("go on, turn left")], {"go on", "turn left"}),
        (["What now?"], {NOTHING_SEEN}),
        (["Action:\nNow?"], {NOTHING_SEEN}),
    ],
)
def test_imitation_repeats_what_is_shown_or_allowed(serve, dialects, parts, expected):
    client = serve()
    said = {say(client, dialects, f"{number}\n", *parts) for number in range(30)}
    assert said == expected


def test_asked_to_think_it_thinks_and_marks_the_action(serve, dialects):
    said = say(serve(), dialects, "Action: up\n", THINK)
    assert re.fullmatch(r"\S.+\nAction: up", said)


@pytest.mark.parametrize("dialect", ["openai", "local", "anthropic", "gemini"])
@pytest.mark.parametrize("form", ["{}", "Action: {}\n"])
def test_in_a_chat_it_repeats_what_the_assistant_did(serve, dialects, dialect, form):
    turns = ["you see a wall", form.format("left").strip(), "you see a door"]
    roles = ("user", "assistant", "user")
    if dialect == "gemini":
        roles = ("user", "model", "user")
        body = {
            "contents": [
                {"role": role, "parts": [{"text": text}]}
                for role, text in zip(roles, turns, strict=True)
            ]
        }
    else:
        messages = [
            {"role": role, "content": text} for role, text in zip(roles, turns, strict=True)
        ]
        body = dialects.body(dialect) | {"messages": messages}
    answer = serve().ask(dialects.PATHS[dialect], body)
    assert dialects.said(dialect, answer.json) == "left"


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["ascii", "rgb"])
@pytest.mark.parametrize("reasoning", [False, True])
def test_it_plays_what_icil_asks_of_a_model(serve, layout, format, reasoning):
    task = make("tic_tac_toe")
    pool = build_pool(task, 4)
    options = PromptOptions(legal_actions=True, layout=layout, reasoning=reasoning)
    builder = PromptBuilder(task, format, load_template(), options=options)
    prefix = builder.prefix(
        Selection(demonstrations=pool.demonstrations[:2], reasons=("wanted",) * 2)
    )
    client = serve()
    env, tail = task.make_env(), builder.tail(prefix)
    task.reset(env, task.openings("evaluation")[0])
    for _ in range(2):
        tail.observe(task.observe(env, format))
        legal = task.legal_actions(env)
        prompt = tail.question(legal)
        messages = [
            {"role": message.role, "content": [_chat_part(part) for part in message.parts]}
            for message in make_messages(prompt)
        ]
        answered = client.ask("/v1/chat/completions", {"model": "m", "messages": messages})
        said = answered.json["choices"][0]["message"]["content"]
        *thoughts, action = said.split("Action: ")
        assert bool(thoughts) is reasoning
        assert action in legal
        tail.act(action)
        task.step(env, task.parse(action, env).value)


def _chat_part(part):
    if isinstance(part, ImagePart):
        url = f"data:image/png;base64,{base64.b64encode(part.png).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "text", "text": part.text}


def test_echo_fixed_and_functions(serve, dialects, draw):
    said = say(serve(answers="echo"), dialects, "12345678", draw(64, 64).encode())
    assert re.fullmatch(r"parts: 2, images: 1, tokens: 6, hash: [0-9a-f]{32}", said)
    assert say(serve(answers="fixed:"), dialects, "hello") == ""
    assert say(serve(answers="fixed:go: up"), dialects, "hello") == "go: up"

    def count(call):
        return f"{call.model} {call.tokens} {[part.role for part in call.parts]}"

    assert say(serve(answers=count), dialects, "hello") == "m 2 ['user']"


def test_a_function_that_fails_is_an_error_of_the_server(serve, dialects, caplog):
    def answer(call):
        raise RuntimeError("no idea")

    client = serve(answers=answer)
    assert client.ask(dialects.PATHS["openai"], dialects.body("openai", "hello")).status == 500
    assert client.server.requests[0].status == 500
    assert "no idea" in caplog.text


def test_where_a_text_is_divided_makes_no_difference(serve, dialects):
    client = serve(answers="echo")
    whole, divided, other = (
        say(client, dialects, *parts).partition("hash: ")[2]
        for parts in (["abcdefgh"], ["abcd", "efgh"], ["abcd", "efgX"])
    )
    assert whole == divided != other


def test_the_answer_depends_on_the_prompt_alone(serve, dialects, draw):
    prompts = [
        [f"case {number}\n", draw(8, 8, number).encode(), "Action: up\nAction: left\n"]
        for number in range(12)
    ]
    oddities = Oddities(empty=0.2, refused=0.2, truncated=0.2, reasoning=0.5)

    def answers(client, order, dialect="openai"):
        said = {}
        for number in order:
            answered = client.ask(dialects.PATHS[dialect], dialects.body(dialect, *prompts[number]))
            if answered.status == 200:
                said[number] = dialects.said(dialect, answered.json)
        return dict(sorted(said.items()))

    plain = answers(serve(oddities=oddities), range(12))
    assert len(plain) == 12
    assert len(set(plain.values())) > 3
    assert answers(serve(oddities=oddities), reversed(range(12))) == plain
    # Faults before change nothing, and neither does the dialect.
    faulty = serve(oddities=oddities, script=("500", "429") * 3)
    assert answers(faulty, range(12)) == {n: plain[n] for n in range(6, 12)}
    assert answers(faulty, range(12)) == plain
    local = answers(serve(oddities=oddities), range(12), "local")
    assert local == plain


def test_shares_are_shares_and_the_seed_draws_them(serve, dialects):
    def odd(seed):
        client = serve(oddities=Oddities(empty=0.3), seed=seed)
        asked = [
            (dialects.PATHS["openai"], dialects.body("openai", f"Action: up\n{number}"))
            for number in range(200)
        ]
        said = [dialects.said("openai", answer.json) for answer in client.ask_all(asked)]
        assert set(said) == {"", "up"}
        return [not text for text in said]

    first = odd(0)
    assert 35 <= sum(first) <= 85
    assert odd(0) == first != odd(1)


@pytest.mark.parametrize("answers", ["imitation", "", "fixed"])
def test_there_are_no_such_answers(answers):
    with pytest.raises(UsageError, match="unknown answers"):
        ServerSettings(answers=answers)


@pytest.mark.parametrize(
    "shares", [{"empty": 1.1}, {"refused": -0.1}, {"empty": 0.6, "refused": 0.6}]
)
def test_shares_that_cannot_be(shares):
    with pytest.raises(UsageError, match=r"expected .*share"):
        Oddities(**shares)
