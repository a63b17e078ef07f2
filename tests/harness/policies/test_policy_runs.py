"""Policies in runs: chunks played step by step, faults that are no scores, going on after them."""

import json
from contextlib import closing

import numpy as np
import pytest

from icil.harness import Experiment, run
from icil.harness.testing import FakeModel
from icil.results import open_run
from icil.tasks import UsageError, load_pool_for, make

PENDULUM = "gym:Pendulum-v1"
HORIZON = 20


@pytest.fixture
def state_map(tmp_path):
    path = tmp_path / "state.yaml"
    path.write_text("{observation: {state: proprio, prompt: instruction}}")
    return str(path)


def torque(message):
    """A rule: against the swing."""
    return float(np.clip(-2 * message["state"][2], -2, 2))


def policy(length=5):
    return lambda message, count: {"actions": np.full((length, 1), torque(message))}


def experiment(server, map, episodes=3, **settings):
    name = f"vla/openpi@{server.url}"
    return Experiment(
        task=(PENDULUM,),
        agent=("random", name),
        demos=(0,),
        episodes=episodes,
        set={
            f"{PENDULUM}.horizon": HORIZON,
            f"{name}.map": map,
            **{f"{name}.{key}": value for key, value in settings.items()},
        },
    )


def steps_of(folder, like="vla/%"):
    with closing(open_run(folder)) as store:
        columns, rows = store.rows(
            "SELECT e.opening, s.step, s.reply, s.action, s.status, s.latency_s, s.reward "
            "FROM steps s JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell "
            f"WHERE c.agent LIKE '{like}' AND s.attempt = e.attempt ORDER BY 1, 2"
        )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_a_chunk_is_played_step_by_step(openpi_server, state_map, tmp_path):
    server = openpi_server(policy())
    summary = run(experiment(server, state_map), tmp_path / "run")
    rows = [r for r in summary.leaderboard.rows if r.agent.startswith("vla/")]
    assert {r.format for r in rows} == {"proprio", "rgb"}  # the same episodes beside both
    row = rows[0]
    assert (row.episodes, row.errors, row.demonstrations, row.selector) == (3, 0, 0, "")
    found = steps_of(tmp_path / "run")
    assert len(found) == 3 * HORIZON
    assert len(server.messages) == 3 * HORIZON / 5
    task = make(PENDULUM, {"horizon": HORIZON})
    env = task.make_env()
    for number in range(3):
        task.reset(env, task.openings("evaluation")[number])
        mine = [one for one in found if one["opening"] == number]
        for step, one in enumerate(mine):
            if step % 5 == 0:
                wanted = torque({"state": task.proprio(env)})
                assert np.shape(json.loads(one["reply"])) == (5, 1)
            assert (one["latency_s"] is not None) == (step % 5 == 0)
            parsed = task.parse(one["action"], env)
            assert parsed.value == pytest.approx(wanted, abs=1e-5)
            assert one["status"] == "ok"
            assert task.step(env, parsed.value).reward == pytest.approx(one["reward"])


def test_a_preset_of_another_robot_is_refused_before_anything_is_sent(openpi_server, tmp_path):
    server = openpi_server(policy())
    asked = experiment(server, "libero").model_dump()
    with pytest.raises(UsageError, match="libero is for LIBERO's arm: 8 numbers of its body"):
        run(Experiment(**asked | {"agent": asked["agent"][1:]}), tmp_path / "run")
    assert not server.connections
    assert not (tmp_path / "run").exists()


def test_another_execution_in_one_folder_is_named_and_nothing_else(
    openpi_server, state_map, tmp_path
):
    server = openpi_server(policy())
    run(experiment(server, state_map, episodes=1), tmp_path / "run")
    with pytest.raises(UsageError) as found:
        run(experiment(server, state_map, 1, execution="receding"), tmp_path / "run")
    said = str(found.value)
    assert f"settings is agent vla/openpi@{server.url} (execution open_loop) there" in said
    assert "(execution receding) here" in said
    assert "map" not in said


@pytest.mark.parametrize("execution", ["open_loop", "open_loop:3", "receding", "ensemble:0.1"])
def test_an_interrupted_run_comes_out_as_an_undisturbed_one(
    execution, openpi_server, state_map, tmp_path
):
    calm = openpi_server(policy())
    whole = run(experiment(calm, state_map, execution=execution), tmp_path / "calm")
    broken = {"at": 7}

    def answer(message, count):
        if count == broken["at"]:
            return {"actions": np.full((5, 1), np.nan)}  # ends this episode in an error
        return policy()(message, count)

    shaky = openpi_server(answer)
    first = run(experiment(shaky, state_map, execution=execution), tmp_path / "shaky")
    assert first.errors == 1
    before = len(shaky.messages)
    again = run(experiment(shaky, state_map, execution=execution), tmp_path / "shaky")
    assert again.errors == 0
    assert before < len(shaky.messages) <= len(calm.messages) + 1

    def scores(summary):
        return [(r.agent[:11], r.score_mean, r.steps_mean) for r in summary.leaderboard.rows]

    assert scores(again) == scores(whole)
    one, other = steps_of(tmp_path / "calm"), steps_of(tmp_path / "shaky")
    assert [s["action"] for s in one] == [s["action"] for s in other]
    assert [s["reply"] for s in one] == [s["reply"] for s in other]


def test_nobody_there_stops_the_policy_and_the_others_play_on(state_map, tmp_path):
    class Nobody:
        url = "ws://127.0.0.1:9"

    summary = run(experiment(Nobody, state_map), tmp_path / "run")
    assert "nobody answers at ws://127" in summary.stopped["vla/openpi@ws://127.0.0.1:9"]
    done = {row.agent: row.episodes for row in summary.leaderboard.rows}
    assert done["random"] == 3


def test_a_policy_is_left_out_of_tasks_without_vectors(openpi_server, state_map, tmp_path):
    server = openpi_server(policy())
    fields = experiment(server, state_map, episodes=1).model_dump()
    fields |= {"task": ("gridworld", PENDULUM), "format": ()}
    summary = run(Experiment(**fields), tmp_path / "run")
    assert any("gridworld has words for actions" in note for note in summary.skipped)
    assert {r.task for r in summary.leaderboard.rows if r.agent.startswith("vla")} == {PENDULUM}


def test_a_policy_that_takes_demonstrations_is_swept(openpi_server, state_map, tmp_path):
    def answer(message, count):
        if "demonstrations" in message:
            return {"taken": len(message["demonstrations"])}
        return {"actions": np.zeros((100, 6))}

    server = openpi_server(answer, {"demonstrations": "trajectory"})
    name = f"vla/openpi@{server.url}"
    swept = Experiment(
        task=("cheetah",),
        format=("proprio",),
        agent=(name,),
        demos=(0, 2),
        episodes=1,
        set={f"{name}.map": state_map, f"{name}.demonstrations": "trajectory"},
    )
    summary = run(swept, tmp_path / "run")
    mine = [r for r in summary.leaderboard.rows if r.agent == name]
    assert sorted((r.demonstrations, r.selector) for r in mine) == [(0, ""), (2, "random")]
    (sent,) = [m for m in server.messages if "demonstrations" in m]
    assert len(sent["demonstrations"]) == 2


def test_a_task_in_an_action_language_is_played_in_chunks(tmp_path):
    prompts = []

    def answer(turn):
        prompts.append(turn.prompt.text())
        return "0 0 0 0 0 0"

    spoken = Experiment(
        task=("cheetah",),
        format=("proprio",),
        agent=("nearest", "fake"),
        demos=(2,),
        episodes=2,
        legal_actions=True,
        set={"cheetah.action_language": "dct", "cheetah.chunk": 25},
    )
    summary = run(spoken, tmp_path / "run", agents={"fake": FakeModel(answer)})
    rows = {r.agent: r for r in summary.leaderboard.rows}
    assert rows["fake"].invalid_rate == 0
    assert rows["fake"].steps_mean == 4
    assert rows["nearest"].score_mean > rows["fake"].score_mean
    # The reference players play the world itself, as in all runs.
    plain = Experiment(
        task=("cheetah",), format=("proprio",), agent=("nearest",), demos=(0,), episodes=2
    )
    usual = run(plain, tmp_path / "plain").leaderboard.rows[0]
    assert rows["nearest"].expert_mean == pytest.approx(usual.expert_mean)
    assert rows["nearest"].random_mean == pytest.approx(usual.random_mean)
    task, whole = make("cheetah", spoken.settings_of("cheetah")), load_pool_for(make("cheetah"))
    shown = [d for d in whole.demonstrations if f"{d.steps[0].action}" in prompts[0]]
    assert not shown  # in chunks, not as they were played
    assert task.language.describe() in prompts[0]
    assert prompts[0].count("position [") == 2 * 4 + 1


def test_an_action_language_that_does_not_fit_is_told(tmp_path):
    wrong = Experiment(
        task=("gridworld",), agent=("nearest",), set={"gridworld.action_language": "dct"}
    )
    with pytest.raises(UsageError, match="no vectors with bounds"):
        run(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
