"""LeRobotDatasets: out and back again, and those of others.

`lerobot_v3` was written by lerobot 0.6.1 itself: three episodes of 6, 7 and 8 frames at 10 Hz,
state `[episode, step, 0.1]`, action `[step / 10, -episode]`; a frame's
grey is 20 × step + 5 × episode.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from icil.tasks import PoolError, UsageError, build_pool, load_pool, load_pool_for, make
from icil.tasks.exchange import export_pool, import_pool
from icil.tasks.pools import Origin, make_pool

parquet = pytest.importorskip("pyarrow.parquet")
arrow = pytest.importorskip("pyarrow")
pytest.importorskip("av")

from icil.tasks.exchange.lerobot_data import LeRobotData  # noqa: E402
from icil.tasks.exchange.lerobot_frames import read_video, write_png, write_video  # noqa: E402

THEIRS = Path(__file__).with_name("lerobot_v3")
CAMERA = "observation.images.top"
CAR = "gym:MountainCarContinuous-v0"


def full_throttle(env):
    return np.array([1.0], np.float32)


@pytest.fixture
def theirs(tmp_path):
    """A copy of the data set that lerobot wrote."""
    return Path(shutil.copytree(THEIRS, tmp_path / "robot"))


def car(horizon=4, episodes=2):
    task = make(CAR, {"horizon": horizon, "expert": f"{__name__}:full_throttle"})
    return task, build_pool(task, episodes)


def changed(table, key, values):
    """Writes other values into a column of a table."""
    rows = parquet.read_table(table)
    place = rows.schema.get_field_index(key)
    parquet.write_table(rows.set_column(place, key, values), table)


def as_v21(source, folder, *, inline=False):
    """Writes a data set in the layout before: a table and a video for each episode."""
    data = LeRobotData(source)
    info = json.loads((source / "meta" / "info.json").read_text("utf-8"))
    info |= {
        "codebase_version": "v2.1",
        "chunks_size": 2,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/"
        "episode_{episode_index:06d}.mp4",
    }
    info["features"][CAMERA]["dtype"] = "image" if inline else "video"
    lines = []
    for one in data.episodes:
        place = {"episode_chunk": one.index // 2, "episode_index": one.index}
        table = parquet.read_table(one.data, filters=[("episode_index", "==", one.index)])
        frames = list(data.pictures(one, CAMERA))
        if inline:
            rows = [{"bytes": write_png(frame), "path": "x.png"} for frame in frames]
            table = table.append_column(CAMERA, arrow.array(rows))
        else:
            film = folder / info["video_path"].format(video_key=CAMERA, **place)
            film.parent.mkdir(parents=True, exist_ok=True)
            write_video(film, frames, 10)
        path = folder / info["data_path"].format(**place)
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path)
        told = {"episode_index": one.index, "tasks": list(one.tasks), "length": one.length}
        lines.append(json.dumps(told))
    (folder / "meta").mkdir()
    (folder / "meta" / "info.json").write_text(json.dumps(info), "utf-8")
    (folder / "meta" / "episodes.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


# Ours, out and back


@pytest.mark.parametrize("target", ["lerobot", "lerobot-png"])
def test_what_was_exported_comes_back_as_the_same_pool(target, tmp_path):
    task = make("cheetah")
    card = load_pool_for(task).card
    origin = Origin(expert=card.expert, expert_settings=card.expert_settings)
    pool = make_pool(task, load_pool_for(task).demonstrations[:2], played=5, origin=origin)
    export_pool(pool, task, target, tmp_path / "set")
    done = import_pool("lerobot", str(tmp_path / "set"), task, tmp_path / "pool")
    assert done.pool == pool == load_pool(tmp_path / "pool")
    assert (done.untrue, done.shortened) == ((), 0)


def test_an_export_describes_itself(tmp_path):
    task, pool = car()
    export_pool(pool, task, "lerobot", tmp_path / "set")
    meta = tmp_path / "set" / "meta"
    info = json.loads((meta / "info.json").read_text("utf-8"))
    assert (info["codebase_version"], info["fps"], info["video_path"]) == ("v3.0", 30, None)
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (2, 8, 1)
    assert info["splits"] == {"train": "0:2"}
    (table,) = (tmp_path / "set" / "data").glob("*/*.parquet")
    columns = parquet.read_schema(table)
    assert set(columns.names) == set(info["features"])
    for name, feature in info["features"].items():
        kind, (width,) = columns.field(name).type, feature["shape"]
        if width > 1:
            assert kind.list_size == width
            kind = kind.value_type
        assert {"bool": "bool", "float": "float32"}.get(str(kind), str(kind)) == feature["dtype"]
    rows = parquet.read_table(table).to_pylist()
    assert [row["index"] for row in rows] == list(range(8))
    assert [row["frame_index"] for row in rows] == [0, 1, 2, 3] * 2
    assert [row["next.done"] for row in rows] == [False, False, False, True] * 2
    assert [row["timestamp"] for row in rows[:4]] == pytest.approx([0, 1 / 30, 2 / 30, 0.1])
    assert {row["action"] for row in rows} == {1.0}
    pandas = pytest.importorskip("pandas")
    tasks = pandas.read_parquet(meta / "tasks.parquet")
    assert list(tasks.index) == [task.instruction]
    listed = parquet.read_table(meta / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    assert [(r["dataset_from_index"], r["dataset_to_index"]) for r in listed] == [(0, 4), (4, 8)]
    assert [r["tasks"] for r in listed] == [[task.instruction]] * 2
    stats = json.loads((meta / "stats.json").read_text("utf-8"))
    states = np.array([row["observation.state"] for row in rows])
    assert stats["observation.state"]["mean"] == pytest.approx(states.mean(axis=0), rel=1e-6)
    assert stats["observation.state"]["q50"] == pytest.approx(np.median(states, axis=0), rel=1e-6)
    assert stats["action"]["count"] == [8]
    assert listed[1]["stats/observation.state/max"] == pytest.approx(states[4:].max(axis=0))


def test_frames_are_videos_or_pictures(tmp_path):
    pytest.importorskip("pygame")
    task, pool = car(horizon=3)
    shown = {}
    for target in ("lerobot", "lerobot-png"):
        export_pool(pool, task, target, tmp_path / target, format="rgb")
        data = LeRobotData(tmp_path / target)
        assert data.cameras == ("observation.images.rgb",)
        shown[target] = [list(data.pictures(one, data.cameras[0])) for one in data.episodes]
        stats = json.loads((tmp_path / target / "meta" / "stats.json").read_text("utf-8"))
        told = stats["observation.images.rgb"]
        every = np.concatenate([np.stack(frames) for frames in shown["lerobot"]]) / 255
        assert np.ravel(told["mean"]) == pytest.approx(every.mean(axis=(0, 1, 2)), abs=0.01)
        assert np.ravel(told["std"]) == pytest.approx(every.std(axis=(0, 1, 2)), abs=0.02)
        assert (np.shape(told["max"]), told["count"]) == ((3, 1, 1), [6])
        again = import_pool("lerobot", str(tmp_path / target), task, tmp_path / f"{target}-pool")
        assert again.pool == pool
    with_env = task.make_env()
    task.reset(with_env, pool.demonstrations[1].opening)
    assert (shown["lerobot-png"][1][0] == task.frame(with_env, "rgb")).all()
    with_env.close()
    for film, pictures in zip(shown["lerobot"], shown["lerobot-png"], strict=True):
        for frame, picture in zip(film, pictures, strict=True):
            assert np.abs(frame.astype(float) - picture).mean() < 3
    assert not (tmp_path / "lerobot-png" / "videos").exists()


def test_an_export_that_was_changed_is_played_as_it_says_now(tmp_path):
    task, pool = car()
    export_pool(pool, task, "lerobot", tmp_path / "set")
    (table,) = (tmp_path / "set" / "data").glob("*/*.parquet")
    changed(table, "action", arrow.array(np.full(8, 0.5, np.float32)))
    with pytest.raises(PoolError, match=r"does not replay as gym:Mount.*step 0: the reward is"):
        import_pool("lerobot", str(tmp_path / "set"), task, tmp_path / "pool")


def test_a_slight_change_of_an_export_is_played_too(tmp_path):
    task, pool = car()
    export_pool(pool, task, "lerobot", tmp_path / "set")
    (table,) = (tmp_path / "set" / "data").glob("*/*.parquet")
    said = np.ones(8, np.float32)
    said[2] = 0.9996  # its reward differs by less than what is put down to the processor
    changed(table, "action", arrow.array(said))
    again = import_pool("lerobot", str(tmp_path / "set"), task, tmp_path / "pool").pool
    actions = [[step.action for step in one.steps] for one in again.demonstrations]
    assert actions[0] == ["[1.0]", "[1.0]", task.word(said[2:3].astype(float)), "[1.0]"]
    assert actions[1] == ["[1.0]"] * 4


def test_what_cannot_be_exported_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    task = make("tic_tac_toe")
    pool = load_pool_for(task)
    with pytest.raises(UsageError, match="the actions of tic_tac_toe are no vectors"):
        export_pool(pool, task, "lerobot", tmp_path / "set")
    task, pool = car()
    (tmp_path / "there").mkdir()
    with pytest.raises(PoolError, match="exists already"):
        export_pool(pool, task, "lerobot", tmp_path / "there")
    for module in ("pyarrow.parquet", "av"):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=r"pip install 'icil\[lerobot\]'"):
            export_pool(pool, task, "lerobot", tmp_path / "set", format="rgb")
        monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


# Those of others


@pytest.mark.parametrize("layout", ["v3.0", "v2.1", "v2.1 inline"])
def test_the_data_of_others_are_read(layout, tmp_path):
    folder = THEIRS
    if layout != "v3.0":
        folder = as_v21(THEIRS, tmp_path / "old", inline=layout.endswith("inline"))
    data = LeRobotData(folder)
    assert (data.layout, data.fps, data.cameras) == (layout[:4], 10.0, (CAMERA,))
    assert [one.length for one in data.episodes] == [6, 7, 8]
    assert [one.tasks for one in data.episodes] == [("push it",), ("push it",), ("pull it",)]
    for one in data.episodes:
        states, actions = data.vectors(one, "observation.state", "action")
        steps = np.arange(one.length)
        assert states[:, :2].tolist() == [[one.index, step] for step in steps]
        assert actions == pytest.approx(np.stack([steps / 10, np.full(one.length, -one.index)], 1))
        frames = list(data.pictures(one, CAMERA))
        assert {frame.shape for frame in frames} == {(64, 96, 3)}
        greys = [float(frame[40, 60].mean()) for frame in frames]
        assert greys == pytest.approx(20 * steps + 5 * one.index, abs=4)
    low, high = data.action_bounds()
    assert (low.tolist(), high.tolist()) == ([0, -2], pytest.approx([0.7, 0]))
    assert data.rewards(data.episodes[0]) is None


def test_a_robot_s_log_cannot_be_played_in_a_world(tmp_path):
    with pytest.raises(PoolError, match=r"does not say from which openings.*recorded:"):
        import_pool("lerobot", str(THEIRS), make("cheetah"), tmp_path / "pool")


def test_a_robot_s_log_becomes_the_demonstrations_of_its_recording(theirs, tmp_path):
    (theirs / "README.md").write_text("---\nlicense: mit\ntags: [a]\n---\n# Robot\n", "utf-8")
    task = make(f"recorded:{theirs}", {"instruction": "push it"})
    pool = import_pool("lerobot", str(theirs), task, tmp_path / "pool").pool
    assert [d.id for d in pool.demonstrations] == ["episode_000000", "episode_000001"]
    assert pool.demonstrations[1].steps[3].action == "[0.3, -1.0]"
    card = pool.card
    assert (card.licence, card.source) == ("mit", "LeRobotDataset v3.0, robot")
    assert card.expert_settings == {"robot_type": "so100"}
    other = as_v21(THEIRS, tmp_path / "other")
    with pytest.raises(PoolError, match="is not the folder of recorded:"):
        import_pool("lerobot", str(other), task, tmp_path / "more")


def no_info(folder):
    (folder / "meta" / "info.json").unlink()


def edited(**fields):
    def edit(folder):
        path = folder / "meta" / "info.json"
        found = {**json.loads(path.read_text("utf-8")), **fields}
        path.write_text(json.dumps(found), "utf-8")

    return edit


def described(key, **fields):
    def edit(folder):
        features = json.loads((folder / "meta" / "info.json").read_text("utf-8"))["features"]
        edited(features={**features, key: {**features[key], **fields}})(folder)

    return edit


def with_actions(first, *rest):
    """Returns what puts other actions of the first frames into the table."""

    def edit(folder):
        path = next((folder / "data").glob("*/*"))
        actions = parquet.read_table(path)["action"].to_pylist()
        actions[: 1 + len(rest)] = [first, *rest]
        changed(path, "action", arrow.array(actions, arrow.list_(arrow.float64())))

    return edit


def no_json(folder):
    (folder / "meta" / "info.json").write_text("{", "utf-8")


def no_table(folder):
    next((folder / "data").glob("*/*")).unlink()


def cut_off_table(folder):
    path = next((folder / "data").glob("*/*"))
    path.write_bytes(path.read_bytes()[:500])


def no_list(folder):
    shutil.rmtree(folder / "meta" / "episodes")


def rows_missing(folder):
    path = next((folder / "data").glob("*/*"))
    parquet.write_table(parquet.read_table(path).slice(2), path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_info, "is no LeRobotDataset: there is no meta/info.json in it"),
        (no_json, "cannot be read as a LeRobotDataset: JSONDecodeError"),
        (edited(codebase_version="v1.6"), "is of layout v1.6; v2.0, v2.1 and v3.0 can be read"),
        (edited(features=3), "cannot be read as a LeRobotDataset: AttributeError"),
        (edited(fps="fast"), "cannot be read as a LeRobotDataset: ValueError"),
        (edited(data_path="../{chunk_index}{file_index}"), "names the file ../00, which is outs"),
        (no_list, "does not list its episodes from 0 on without gaps"),
        (no_table, "cannot be read as a LeRobotDataset: FileNotFoundError"),
        (cut_off_table, "cannot be read as a LeRobotDataset: ArrowInvalid"),
        (rows_missing, "holds 4 frames of episode 0, where 6 were announced"),
        (edited(fps=0), "says that it has 0 frames a second"),
        (edited(fps=float("nan")), "says that it has nan frames a second"),
        (described("action", shape=2), "no vectors of floats as 'action', but float32 of shape 2"),
        (described(CAMERA, info=3), "cannot be read as a LeRobotDataset: TypeError"),
        (with_actions([float("nan"), 0]), "holds actions that are not 2 finite numbers each"),
        (with_actions([1e300, 0]), "holds actions that are not 2 finite numbers each"),
        (with_actions([0, 0, 0], [0]), "ValueError: frames hold lists of different lengths: [3,"),
    ],
)
def test_damage_is_told_in_one_line(damage, said, theirs, tmp_path):
    damage(theirs)

    def read():
        task = make(f"recorded:{theirs}", {"instruction": "push it"})
        import_pool("lerobot", str(theirs), task, tmp_path / "pool")

    with pytest.raises(PoolError) as raised:
        read()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "pool").exists()


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("meta/episodes.jsonl", "cannot be read as a LeRobotDataset: FileNotFoundError"),
        ("data/chunk-000/*1.parquet", "cannot be read as a LeRobotDataset: FileNotFoundError"),
        ("videos/chunk-000/*/*1.mp4", "episode_000001.mp4 cannot be read as a video"),
    ],
)
def test_a_file_that_is_missing_of_the_layout_before_is_told(gone, said, tmp_path):
    folder = as_v21(THEIRS, tmp_path / "böse, old")
    next(folder.glob(gone)).unlink()

    def read():
        data = LeRobotData(folder)
        for one in data.episodes:
            data.vectors(one, "action")
            list(data.pictures(one, CAMERA))

    with pytest.raises(PoolError) as raised:
        read()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_of_the_layout_before_the_list_of_episodes_is_content_too(tmp_path):
    folder = as_v21(THEIRS, tmp_path / "old")
    first, path = LeRobotData(folder).fingerprint, folder / "meta" / "episodes.jsonl"
    path.write_text(path.read_text("utf-8").replace("push it", "lift it"), "utf-8")
    assert LeRobotData(folder).fingerprint != first


def test_a_picture_that_is_damaged_is_told(tmp_path):
    folder = as_v21(THEIRS, tmp_path / "old", inline=True)
    path = folder / "data" / "chunk-000" / "episode_000000.parquet"
    rows = parquet.read_table(path)[CAMERA].to_pylist()
    whole, data = rows[2]["bytes"], LeRobotData(folder)
    for damaged in (b"", b"no picture", whole[:-40], whole[:36] + b"\0" + whole[37:]):
        changed(path, CAMERA, arrow.array([*rows[:2], {**rows[2], "bytes": damaged}, *rows[3:]]))
        frames = data.pictures(data.episodes[0], CAMERA)
        assert [next(frames).shape for _ in range(2)] == [(64, 96, 3)] * 2
        with pytest.raises(PoolError, match="cannot be read as a LeRobotDataset"):
            next(frames)


def test_a_recording_is_exported_at_its_own_rate(theirs, tmp_path):
    edited(fps=25)(theirs)
    task = make(f"recorded:{theirs}", {"instruction": "push it"})
    pool = import_pool("lerobot", str(theirs), task, tmp_path / "pool").pool
    export_pool(pool, task, "lerobot", tmp_path / "set")
    assert LeRobotData(tmp_path / "set").fps == 25


def test_a_video_that_is_damaged_or_too_short_is_told(theirs):
    (film,) = theirs.rglob("*.mp4")
    with pytest.raises(PoolError, match=r"has no frame at 9\.000 s"):
        list(read_video(film, [0.0, 9.0], 0.05))
    for when in (float("nan"), 1e300):
        with pytest.raises(PoolError, match="cannot be read as a video"):
            list(read_video(film, [when], 0.05))
    film.write_bytes(b"no film")
    data = LeRobotData(theirs)
    with pytest.raises(PoolError, match="cannot be read as a video"):
        list(data.pictures(data.episodes[0], CAMERA))
