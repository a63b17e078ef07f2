"""`icil show`: what was stored, for people and for scripts, harmless to a terminal."""

import json
import os
import re
import subprocess
from contextlib import closing

import pytest

from icil.harness import Experiment, FakeModel, run
from icil.prompt_builders.png import png_size
from icil.results import load
from icil.tasks import ModelError

NASTY = "\x1b[2J\x1b]0;mine\x07[bold red]c3[/bold red]\x9b31m\u202eno\r\nlast"


def say(turn):
    if turn.episode.opening.index == 2:
        raise ModelError("no [red]room[/red] left \x1b[31m", fault="unavailable")
    return NASTY if turn.step == 0 else "b2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "run"
    experiment = Experiment(
        task=("tic_tac_toe",),
        format=("ascii", "rgb"),
        agent=("model", "nearest"),
        demos=(0, 1),
        episodes=3,
    )
    run(experiment, folder, agents={"model": FakeModel(say)})
    return folder


@pytest.fixture(scope="module")
def shown(folder):
    """The number of an episode of the model, with pictures and a demonstration."""
    with closing(load(folder)) as stored:
        found = stored.episodes()
    mine = (found["agent"] == "model") & (found["format"] == "rgb") & (found["shown"] == 1)
    return int(found[mine & (found["status"] == "done")]["episode"].iloc[0])


def listed(icil, *arguments):
    said = icil("show", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def refused(said):
    """The one line of a refusal."""
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("icil: ")
    assert said.err.count("\n") == 1
    return said.err


def test_a_run_is_listed(folder, icil):
    found = listed(icil, folder)
    assert len(found["cells"]) == 10  # two agents, formats and numbers each, and the players
    assert len(found["episodes"]) == found["total"] == 30
    model = [cell for cell in found["cells"] if cell["agent"] == "model"]
    assert [(cell["done"], cell["error"]) for cell in model] == [(2, 1)] * 4
    errors = [one for one in found["episodes"] if one["status"] == "error"]
    assert {one["opening"] for one in errors} == {2}
    assert {one["score"] for one in errors} == {None}
    assert all(one["score"] is not None for one in found["episodes"] if one not in errors)
    out = icil("show", folder).out
    assert "20 of 30 episodes" in out


def test_what_models_took_is_summed_by_cell_and_run(folder, icil):
    found = listed(icil, folder)
    with closing(load(folder)) as stored:
        calls = stored.calls()
    for cell in found["cells"]:
        mine = calls[calls["cell"] == cell["cell"]]
        assert cell["calls"] == len(mine)
        for name in ("input_tokens", "cache_write_tokens", "reasoning_tokens", "images"):
            assert cell[name] == mine[name].sum()
    assert found["usage"]["calls"] == len(calls) > 0
    assert found["usage"]["images"] == calls["images"].sum() > 0
    assert (found["usage"]["ambiguous"], found["usage"]["cut"]) == (0, 0)
    assert f"\n{len(calls)} calls, " in icil("show", folder).out
    free = listed(icil, folder, "--agent", "nearest")["usage"]
    assert set(free.values()) == {0}


def test_options_that_tell_cells_apart_are_listed(tmp_path, icil):
    experiment = Experiment(
        task=("tic_tac_toe",),
        format=("ascii",),
        agent=("model",),
        demos=(0,),
        episodes=1,
        layout=("single", "chat"),
    )
    run(experiment, tmp_path / "run", agents={"model": FakeModel("b2")})
    names = ["expert", "model [layout=chat]", "model [layout=single]", "random"]
    found = listed(icil, tmp_path / "run")
    for rows in (found["cells"], found["episodes"]):
        assert sorted(one["label"] for one in rows) == names
        assert {one["agent"] for one in rows} == {"model", "random", "expert"}
    out = icil("show", tmp_path / "run").out
    assert out.count("model [layout=chat]") == 2
    mine = next(one for one in found["episodes"] if one["label"] == "model [layout=chat]")
    out = icil("show", tmp_path / "run", mine["episode"]).out
    assert "tic_tac_toe ascii model [layout=chat] 0, opening" in out


def test_a_message_is_shown_whole_and_once(tmp_path, icil):
    message = "the server said " + "much " * 100 + "in the end"
    model = FakeModel("b2", faults=lambda turn: ModelError(message))
    experiment = Experiment(
        task=("tic_tac_toe",), format=("ascii",), agent=("model",), demos=(0,), episodes=12
    )
    run(experiment, tmp_path / "run", agents={"model": model})
    said = " ".join(icil("show", tmp_path / "run", "--agent", "model").out.split())
    assert said.count(message) == 1
    numbers = [
        one["episode"] for one in listed(icil, tmp_path / "run", "--agent", "model")["episodes"]
    ]
    assert f"{', '.join(map(str, numbers[:8]))} and 4 more: the server said" in said


def test_filters_choose_cells_and_episodes(folder, icil):
    found = listed(icil, folder, "--agent", "model", "--status", "done", "--limit", 3)
    assert {cell["agent"] for cell in found["cells"]} == {"model"}
    assert [one["status"] for one in found["episodes"]] == ["done"] * 3
    assert found["total"] == 8
    found = listed(icil, folder, "--selector", "random", "--task", "tic_tac_toe")
    assert {one["selector"] for one in found["episodes"]} == {"random"}
    out = icil("show", folder, "--status", "error").out
    assert "[red]room[/red] left \\x1b[31m" in out
    assert "\x1b" not in out
    assert out.count(" error ") == 5  # the heading, and four


def test_an_episode_is_listed_step_by_step(folder, shown, icil):
    found = listed(icil, folder, shown)
    assert found["episode"]["episode"] == shown
    assert [step["step"] for step in found["steps"]] == list(range(found["episode"]["steps"]))
    first = found["steps"][0]
    assert first["reply"] == NASTY
    assert (first["status"], first["new"].count("[image]")) == ("invalid", 1)
    assert first["input_tokens"] > 0
    out = icil("show", folder, shown).out
    assert f"episode {shown}: tic_tac_toe rgb model random 1, opening" in out
    assert "[bold red]c3[/bold red]" in out


@pytest.mark.parametrize("extra", [(), ("--step", 0)])
def test_a_reply_reaches_no_terminal_raw(folder, shown, command, extra):
    """In a terminal that takes colours, where rich would write them."""
    env = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    arguments = [*command, "show", str(folder), str(shown), *map(str, extra)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=env, check=True)
    own = re.compile(r"\x1b\[[0-9;]*m")  # rich's own bold headings
    left = own.sub("", done.stdout)
    assert "\\x1b[2J" in left
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", left)
    assert "\x1b[31m" not in done.stdout


def test_a_step_is_shown_whole(folder, shown, icil):
    found = listed(icil, folder, shown, "--step", 0)
    assert found["reply"] == NASTY
    assert found["images"] > 0
    out = icil("show", folder, shown, "--step", 0).out
    assert out.endswith("\\u202eno\\r\nlast\n")
    assert re.search(r"^status +invalid", out, re.MULTILINE)


def test_a_prompt_is_shown_as_it_was_sent(folder, shown, icil, tmp_path):
    with closing(load(folder)) as stored:
        sent = stored.prompt(shown, 1)
    said = icil("show", folder, shown, "--step", 1, "--prompt")
    text = re.sub(r"\[image [^\]]*\]", "[image]", said.out)
    assert text == sent.text() + "\n"
    names = re.findall(r"\[image ([0-9a-f]{32}), (\d+) × (\d+) pixels, (\d+) bytes\]", said.out)
    images = [part for part in sent.parts if part.kind == "png"]
    assert [(name, int(size)) for name, *_, size in names] == [
        (part.hash, len(part.content)) for part in images
    ]
    assert [tuple(map(int, one[1:3])) for one in names] == [png_size(p.content) for p in images]
    fields = listed(icil, folder, shown, "--step", 1, "--prompt")["parts"]
    assert "".join(part.get("text", "[image]") for part in fields) == sent.text()


def test_images_are_written_and_nothing_is_overwritten(folder, shown, icil, tmp_path):
    arguments = ("show", folder, shown, "--step", 1, "--prompt", "--images", tmp_path / "new")
    said = icil(*arguments)
    files = sorted((tmp_path / "new").iterdir())
    assert files
    assert all(str(file) in said.out for file in files)
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    assert icil(*arguments).code == 0  # the same ones again
    files[0].write_bytes(b"mine")
    assert "is another file; it was left as it is" in refused(icil(*arguments))
    assert files[0].read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((9999,), "holds no episode 9999; it has 1 to 30"),
        ((2**70,), "is not in the range"),
        (("first",), "is not a valid integer"),
        ((1, "--step", 99), "has no step 99; it has 0 to"),
        ((1, "--step", 0, "--prompt"), "sent no prompt: random reads none"),
        ((1, "--prompt"), "--prompt is of a step"),
        (("--step", 1), "--step is of an episode"),
        ((1, "--step", 0, "--images", "x"), "--images are of a prompt"),
        ((1, "--task", "tic_tac_toe"), "--task is for the list of episodes"),
        (("--task", "tic_tac"), "did you mean 'tic_tac_toe'?"),
        (("--agent", "gpt"), "unknown agent in this run: 'gpt'"),
        (("--status", "lost"), "is not one of"),
    ],
)
def test_what_is_not_there_is_one_line(folder, icil, arguments, says):
    assert says in refused(icil("show", folder, *arguments))


def test_a_conversation_is_shown_with_who_speaks(tmp_path, icil):
    experiment = Experiment(
        task=("tic_tac_toe",),
        format=("ascii",),
        agent=("model",),
        demos=(1,),
        episodes=1,
        layout="chat",
    )
    run(experiment, tmp_path / "run", agents={"model": FakeModel("b2")})
    number = listed(icil, tmp_path / "run", "--agent", "model")["episodes"][0]["episode"]
    out = icil("show", tmp_path / "run", number, "--step", 0, "--prompt").out
    assert out.count("--- user ---") == out.count("--- assistant ---") + 1 > 1
