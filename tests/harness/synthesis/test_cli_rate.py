"""`icil demos rate`: what models say of a pool becomes a file that selectors read."""

import json
import os
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing

import pytest

from icil.harness.fake_server import ServerSettings, serve_in_thread
from icil.tasks import build_pool, load_pool, make, save_pool

RATED = b"=== Recording to be rated ==="


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")
    return tmp_path


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated") / "pool"
    save_pool(build_pool(make("tic_tac_toe"), 12), folder)
    return folder


def moves(call):
    """How many moves the rated recording has."""
    text = b"".join(part.content for part in call.parts if part.kind == "text")
    return text.rpartition(RATED)[2].count(b"\nAction: ")


def by_length(call):
    score = min(5, moves(call))
    return {f"{score}": 0.75, f"{max(1, score - 1)}": 0.25} if score > 1 else "1"


@pytest.fixture
def serve(monkeypatch):
    servers = []

    def serve(answers, **settings):
        server = serve_in_thread(ServerSettings(answers=answers, **settings))
        servers.append(server)
        running = server.__enter__()
        monkeypatch.setenv("OPENAI_BASE_URL", running.urls.openai)
        return running

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def rate(*more, agent="openai/gpt-4.1"):
    return ("demos", "rate", *more, "--agent", agent, "--prompts", 2, "--yes")


def written(path):
    return json.loads(path.read_text(encoding="utf-8"))


def expected(demonstration):
    """What `by_length` comes to."""
    score = min(5, len(demonstration.steps))
    return score - 0.25 if score > 1 else 1


def test_a_pool_is_rated_by_probabilities_and_shown_from_easy_to_hard(icil, serve, real, inside):
    serve(by_length)
    said = icil(*rate(real, "-o", "scores.json"))
    assert said.code == 0, said
    found, pool = written(inside / "scores.json"), load_pool(real)
    assert found["scores"] == {one.id: pytest.approx(expected(one)) for one in pool.demonstrations}
    short = sum(len(one.steps) == 1 for one in pool.demonstrations)
    assert found["ratings"] == {"weighted": 24 - 2 * short, "said": 2 * short, "none": 0}
    assert found["settings"]["top_logprobs"] == 20
    assert [found[key] for key in ("pool", "agent", "prompts", "shown", "average")] == [
        pool.hash,
        "openai/gpt-4.1",
        2,
        3,
        "mean",
    ]
    assert said.out.splitlines()[-1].startswith("scores.json: 12 demonstrations, from ")
    run = (
        "run",
        "--task",
        "tic_tac_toe",
        "--format",
        "ascii",
        "--agent",
        "nearest",
        "--pool",
        real,
    )
    played = icil(*run, "--demos", 3, "--episodes", 2, "--selector", "hard:by=scores.json")
    assert played.code == 0, played
    assert "hard:by=scores.json" in played.out


def test_no_demonstration_is_rated_beside_itself(icil, serve, real, inside):
    server = serve(by_length, keep_bodies=True)
    assert icil(*rate(real, "-o", "scores.json", "--demos", 6)).code == 0
    prefixes = Counter()
    for request in server.requests:
        (message,) = json.loads(request.body)["messages"]
        text = message["content"]
        text = text if isinstance(text, str) else "".join(block["text"] for block in text)
        before, _, rated = text.partition(RATED.decode())
        rated = rated.partition("\n\n=== End")[0].strip()
        assert before.count("=== Expert recording") == 6
        assert rated not in before
        prefixes[before] += 1
    # All but those that are among the shown share two prefixes.
    assert sum(sorted(prefixes.values())[-2:]) >= 24 - 2 * 6


def test_a_server_that_dies_half_way_costs_nothing_twice(icil, serve, real, inside):
    left = [10]

    def tired(call):
        left[0] -= 1
        return by_length(call)

    server = serve(tired, script=(*(None,) * 10, *("401",) * 50))
    command = rate(real, "-o", "scores.json", "--concurrency", 1)
    failed = icil(*command)
    assert failed.code == 1, failed
    assert "episodes of openai/gpt-4.1 are missing: " in failed.err
    assert "Traceback" not in failed.err
    assert not (inside / "scores.json").exists()
    answered = [one.status for one in server.requests].count(200)
    assert answered == 10
    well = serve(by_length)
    assert icil(*command).code == 0
    assert well.total == 24 - answered
    whole = icil(*rate(real, "-o", "whole.json"))
    assert whole.code == 0
    assert written(inside / "whole.json") == written(inside / "scores.json")


def test_rubbish_is_recorded_and_not_scored(icil, serve, real, inside):
    def moody(call):
        return "I had rather not." if moves(call) == 3 else "4"

    serve(moody)
    failed = icil(*rate(real, "-o", "scores.json"))
    assert failed.code == 2, failed
    assert failed.err.count("\n") == 1
    assert "demonstrations were never rated with a number, such as 0" in failed.err
    assert "(openai/gpt-4.1 said 'I had rather not.')" in failed.err
    with closing(sqlite3.connect(inside / "scores.json.run" / "run.sqlite")) as db:
        rows = db.execute("SELECT status, COUNT(*) FROM steps GROUP BY status").fetchall()
    assert dict(rows)["invalid"] > 0
    made = icil(*rate(real, "-o", "scores.json", "--partial"))
    assert made.code == 0, made
    found = written(inside / "scores.json")
    assert found["ratings"]["none"] == dict(rows)["invalid"]
    unrated = {d.id for d in load_pool(real).demonstrations if len(d.steps) == 3}
    assert found["scores"].keys() == load_pool(real).by_id.keys() - unrated
    run = ("run", "--task", "tic_tac_toe", "--agent", "nearest", "--pool", real, "--demos", 2)
    refused = icil(*run, "--selector", "hard:by=scores.json", "--out", "run")
    assert refused.code == 2
    assert (
        f"scores.json has no score for demonstration {min(unrated)} of tic_tac_toe" in refused.err
    )
    serve("fixed:no")
    none = icil(*rate(real, "-o", "none.json", "--partial"))
    assert none.code == 2
    assert "12 of 12 demonstrations were never rated" in none.err


def test_a_model_without_probabilities_is_taken_at_its_word(icil, serve, real, inside):
    serve(by_length, refused_parameters={"gpt-5*": ("logprobs",)})
    said = icil(*rate(real, "-o", "scores.json", "--average", "median", agent="openai/gpt-5"))
    assert said.code == 0, said
    found = written(inside / "scores.json")
    assert found["ratings"] == {"weighted": 0, "said": 24, "none": 0}
    assert found["scores"] == {
        one.id: min(5, len(one.steps)) for one in load_pool(real).demonstrations
    }
    assert said.out.startswith("24 as said\n")
    with closing(sqlite3.connect(inside / "scores.json.run" / "run.sqlite")) as db:
        (dropped,) = db.execute("SELECT DISTINCT dropped FROM steps").fetchall()
    assert json.loads(dropped[0])[-2:] == ["logprobs", "top_logprobs"]


def test_it_asks_before_it_costs_and_stops_at_the_limit(icil, serve, real, inside):
    server = serve(by_length)
    command = rate(real, "-o", "scores.json", "--concurrency", 1)
    refused = icil(*(word for word in command if word != "--yes"))
    assert refused.code == 2
    assert "openai/gpt-4.1 costs money, and there is no terminal to ask at" in refused.err
    assert list(inside.iterdir()) == []
    limited = icil(*command, "--max-cost", 0.022)
    assert limited.code == 3, limited
    assert [one.name for one in inside.iterdir()] == ["scores.json.run"]
    assert 0 < server.total < 24
    assert icil(*command, "--max-cost", 5).code == 0
    assert sum(one.method == "POST" for one in server.requests) == 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tic_tac_tow",), "unknown pool or task 'tic_tac_tow'; did you mean 'tic_tac_toe'?"),
        (("atari/phoenix",), "episodes are rated as text, and atari/phoenix is shown as images"),
        (("tic_tac_toe", "--agent", "nearest"), "nearest reads no prompts, and so rates nothing"),
        (("tic_tac_toe", "--agent", "openia/x"), "unknown agent 'openia/x'"),
        (("tic_tac_toe", "--demos", "1000"), "the pool of tic_tac_toe has 1000"),
        (("tic_tac_toe", "--template", "nowhere.yaml"), "nowhere.yaml"),
        (
            ("tic_tac_toe", "--set", "chess.language=uci"),
            "in the setting 'chess.language': 'chess'",
        ),
        (("tic_tac_toe", "--seed", "-1"), "option --seed: expected a whole number, 0 or more"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(icil, inside, arguments, said):
    command = ["demos", "rate", "-o", "scores.json", "--agent", "openai/gpt-4.1", *arguments]
    failed = icil(*command, "--yes")
    assert failed.code == 2, failed
    assert failed.out == ""
    assert failed.err.count("\n") == 1
    assert said in failed.err
    assert list(inside.iterdir()) == []


def test_ratings_are_not_overwritten_nor_mixed(icil, serve, real, inside):
    serve(by_length)
    assert icil(*rate(real, "-o", "scores.json")).code == 0
    before = (inside / "scores.json").read_bytes()
    again = icil(*rate(real, "-o", "scores.json"))
    assert again.err == "icil: scores.json exists already; ratings are not overwritten\n"
    (inside / "scores.json").unlink()
    other = icil(*rate(real, "-o", "scores.json", "--demos", 2))
    assert other.code == 2
    assert "scores.json.run holds another experiment: demos is" in other.err
    assert icil(*rate(real, "-o", "scores.json")).code == 0
    assert (inside / "scores.json").read_bytes() == before


def test_interrupted_it_goes_on(serve, real, inside, command):
    server = serve(by_length, latency_s=0.05)
    arguments = [*command, *map(str, rate(real, "-o", "scores.json", "--concurrency", 1))]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=os.environ)
    while process.poll() is None and server.total < 3:
        pass
    process.kill()
    process.communicate()
    assert not (inside / "scores.json").exists()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, timeout=120)
    assert server.total <= 24 + 1
    assert len(written(inside / "scores.json")["scores"]) == 12


# the file in an experiment


def experiment(folder, **fields):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "experiment.yaml"
    fields = {"task": "tic_tac_toe", "format": "ascii", "agent": "nearest", "demos": 3, **fields}
    path.write_text(json.dumps({**fields, "episodes": 2}), encoding="utf-8")
    return path


def test_in_an_experiment_file_the_path_is_relative_to_it(icil, inside, monkeypatch):
    shipped = {one.id: n for n, one in enumerate(load_pool_of_tic_tac_toe())}
    there = inside / "there"
    file = experiment(there, selector=["hard:by=its/scores.json+noise=0.5", "random"])
    (there / "its").mkdir()
    (there / "its" / "scores.json").write_text(json.dumps(shipped), encoding="utf-8")
    played = icil("run", file, "--out", "run")
    assert played.code == 0, played
    assert "hard:by=scores.json+noise=0.5" in (inside / "run" / "leaderboard.csv").read_text()
    before = (inside / "run" / "leaderboard.csv").read_bytes()
    # From elsewhere, and by the file that the run left: the same run.
    (inside / "elsewhere").mkdir()
    monkeypatch.chdir(inside / "elsewhere")
    for name in ("../there/experiment.yaml", "../run/experiment.yaml"):
        again = icil("run", name, "--out", "../run")
        assert again.code == 0, again
        assert (inside / "run" / "leaderboard.csv").read_bytes() == before
    assert icil("imitation", "../run").code == 0
    before = (inside / "run" / "leaderboard.csv").read_bytes()
    moved = inside / "elsewhere" / "scores.json"
    (there / "its" / "scores.json").rename(moved)
    option = ("--selector", "hard:by=scores.json+noise=0.5", "--selector", "random")
    assert icil("run", "../there/experiment.yaml", *option, "--out", "../run").code == 0
    assert (inside / "run" / "leaderboard.csv").read_bytes() == before
    gone = icil("run", "../there/experiment.yaml", "--out", "../other")
    assert gone.code == 2
    assert "its/scores.json cannot be read" in gone.err


def load_pool_of_tic_tac_toe():
    from icil.tasks import load_pool_for

    return load_pool_for(make("tic_tac_toe")).demonstrations


def test_other_scores_are_another_experiment_and_two_files_have_two_names(icil, inside):
    ids = [one.id for one in load_pool_of_tic_tac_toe()]
    for name, sign in (("a", 1), ("b", -1)):
        (inside / name).mkdir()
        scores = {id: sign * n for n, id in enumerate(ids)}
        (inside / name / "s.json").write_text(json.dumps(scores), encoding="utf-8")
    run = ("run", "--task", "tic_tac_toe", "--format", "ascii", "--agent", "nearest", "--demos", 2)
    run += ("--episodes", 2, "--out", "run")
    assert icil(*run, "--selector", "hard:by=a/s.json").code == 0
    failed = icil(*run, "--selector", "hard:by=a/s.json", "--selector", "hard:by=b/s.json")
    assert failed.code == 2
    assert "a/s.json and b/s.json have the same name; name one otherwise" in failed.err
    other = icil(*run[:-1], "other", "--selector", "hard:by=b/s.json")
    assert other.code == 0

    def hashes(folder):
        with closing(sqlite3.connect(inside / folder / "run.sqlite")) as db:
            return dict(db.execute("SELECT selector, hash FROM cells WHERE selector != ''"))

    assert hashes("run").keys() == hashes("other").keys() == {"hard:by=s.json"}
    assert hashes("run") != hashes("other")
