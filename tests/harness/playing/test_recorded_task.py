"""What a robot recorded, from its data set to the action errors of a run."""

import shutil
from pathlib import Path

import pytest

from icil.harness import Experiment, run
from icil.harness.agents import Agent, Capabilities, Reply
from icil.harness.verifying import verify
from icil.results import make_action_errors, open_run
from icil.tasks import OpeningsError, make
from icil.tasks.exchange import import_pool

pytest.importorskip("pyarrow")
pytest.importorskip("av")

DATA = Path(__file__).parents[2] / "tasks" / "exchange" / "lerobot_v3"
NAME = f"recorded:{DATA}"
SET = {f"{NAME}.instruction": "push it"}


class Still(Agent):
    """Does nothing, and has seen what it should."""

    capabilities = Capabilities(text=True, images=True)

    def __init__(self):
        self.seen = []

    async def act(self, turn):
        shown = turn.observation
        self.seen.append(shown.text or round(float(shown.image[40, 60].mean()), -1))
        return Reply(text="[0.0, 0.0]")


@pytest.fixture
def experiment(tmp_path):
    import_pool("lerobot", str(DATA), make(NAME, {"instruction": "push it"}), tmp_path / "pool")
    return Experiment(
        task=(NAME,), pool=(tmp_path / "pool",), agent=("nearest", "still"), demos=(1,),
        episodes=2, set=SET, teacher_forced=True,
    )  # fmt: skip


def test_agents_see_the_recording_and_are_measured_against_it(experiment, tmp_path):
    still = Still()
    run(experiment, tmp_path / "run", agents={"still": still})
    assert {one for one in still.seen if isinstance(one, str)} == {
        f"[{e}.0, {t}.0, 0.1]" for e in (0, 1) for t in range(6 + e)
    }
    assert len(still.seen) == 26
    store = open_run(tmp_path / "run")
    rows = {(row.agent, row.format): row for row in make_action_errors(store).rows}
    store.close()
    assert set(rows) == {(a, f) for a in ("nearest", "still") for f in ("proprio", "top")}
    for format in ("proprio", "top"):
        assert rows["nearest", format].error.mean == 0  # it was shown what is played again
        still_row = rows["still", format]
        moved = (sum(range(6)) + sum(range(7))) / 13 / 7
        turned = 7 / 13 / 2
        assert [one.mean for one in still_row.dimensions] == pytest.approx([moved, turned])
        assert still_row.error.mean == pytest.approx((moved + turned) / 2)
        assert len(still_row.steps) == 7


def test_other_runs_are_refused(experiment, tmp_path):
    free = experiment.model_copy(update={"teacher_forced": False, "agent": ("nearest",)})
    with pytest.raises(OpeningsError, match="play it with --teacher-forced"):
        run(free, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_was_recorded_is_known_by_its_content_and_its_errors_anywhere(
    experiment, tmp_path, monkeypatch, icil
):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(DATA, home / "set")
    monkeypatch.chdir(home)
    name = "recorded:set"
    update = {"task": (name,), "set": {f"{name}.instruction": "push it"}, "agent": ("nearest",)}
    run(experiment.model_copy(update=update), Path("run"))
    assert verify(Path("run")).unchecked == ()
    monkeypatch.chdir(elsewhere)
    found = verify(home / "run")
    assert found.faults == ()
    (why,) = found.unchecked
    assert "no folder set here; run this in the folder that it lies in" in why
    shown = icil("leaderboard", home / "run", "--actions")
    assert "0.0000" in shown.out
    assert "no folder" not in shown.out


def test_a_teacher_forced_run_of_vectors_prints_its_errors(tmp_path, icil):
    command = "run --task cheetah --format proprio --agent nearest --demos 1 --episodes 2"
    said = icil(*command.split(), "--teacher-forced", "--no-report", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    after = said.out[said.out.index("by dimension") :]
    assert "0.0000 [0.000, 0.000]" in after  # it is shown the very episode that it plays again
    said = icil(*command.split(), "--no-report", "--out", tmp_path / "other")
    assert "by dimension" not in said.out
