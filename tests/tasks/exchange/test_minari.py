"""Minari data sets: out and back again, and those of others."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from icil.tasks import (
    ExperimentError,
    PoolError,
    UsageError,
    build_pool,
    load_pool,
    load_pool_for,
    make,
    replay,
)
from icil.tasks.exchange import export_pool, import_pool
from icil.tasks.pools import Origin, make_pool

minari = pytest.importorskip("minari")
h5py = pytest.importorskip("h5py")

CARTPOLE = "gym:CartPole-v1"


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Where Minari keeps its data sets; and no engine may be asked."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.setenv("ICIL_STOCKFISH", "/nowhere/stockfish")
    return tmp_path / "datasets"


def upright(env):
    """Holds up the pole."""
    return int(env.observation[2] + env.observation[3] > 0)


def cartpole(**settings):
    return make(CARTPOLE, {"horizon": 12, **settings})


def ours(name):
    """A task and a small pool of it."""
    if name == CARTPOLE:
        task = cartpole(expert=f"{__name__}:upright", actions=["left", "right"])
        return task, build_pool(task, 3)
    if name == "gym:MountainCarContinuous-v0":
        task = make(name, {"horizon": 5, "expert": f"{__name__}:full_throttle"})
        return task, build_pool(task, 2)
    task = make(name)
    shipped = load_pool_for(task)
    few = sorted(shipped.demonstrations, key=lambda d: len(d.steps))[:3]
    card = shipped.card
    origin = Origin(expert=card.expert, expert_settings=card.expert_settings)
    return task, make_pool(task, few, played=5, origin=origin)


def full_throttle(env):
    return np.array([1.0], np.float32)


OURS = [
    "tic_tac_toe",
    "gridworld",
    "crossword",
    "chess",
    "cheetah",
    "atari/phoenix",
    CARTPOLE,
    "gym:MountainCarContinuous-v0",
]


@pytest.mark.parametrize("name", OURS)
def test_what_was_exported_comes_back_as_the_same_pool(name, tmp_path, monkeypatch):
    task, pool = ours(name)
    export_pool(pool, task, "minari", tmp_path / "set")
    monkeypatch.setattr(type(task), "expert", None)  # nobody may be asked who made them
    again = make(name, pool.card.task_settings)
    done = import_pool("minari", str(tmp_path / "set"), again, tmp_path / "pool")
    assert done.pool == pool
    assert load_pool(tmp_path / "pool") == pool
    assert (done.untrue, done.shortened) == ((), 0)


@pytest.mark.parametrize("name", OURS)
def test_minari_loads_what_was_exported(name, tmp_path, stored):
    task, pool = ours(name)
    export_pool(pool, task, "minari", stored / "made" / "here-v1")
    data = minari.load_dataset("made/here-v1")
    env = task.make_env()
    assert (data.observation_space, data.action_space) == (env.observation_space, env.action_space)
    assert data.total_steps == sum(len(d.steps) for d in pool.demonstrations)
    assert data.storage.metadata["algorithm_name"] == pool.card.expert
    assert data.storage.metadata["license"] == pool.card.licence
    for episode, demonstration in zip(data, pool.demonstrations, strict=True):
        assert episode.rewards.tolist() == [step.reward for step in demonstration.steps]
        assert bool(episode.terminations[-1]) == demonstration.terminated
        assert bool(episode.truncations[-1]) != demonstration.terminated
        for observation in episode.observations:
            assert data.observation_space.contains(observation)
        for action in episode.actions:
            assert data.action_space.contains(action)
        for number, (env, _) in enumerate(replay(task, demonstration)):
            if hasattr(env, "observation"):
                assert (episode.observations[number] == env.observation).all()


def test_the_environment_and_the_seeds_of_an_exported_gym_task_are_minaris_own(tmp_path):
    task, pool = ours(CARTPOLE)
    export_pool(pool, task, "minari", tmp_path / "set")
    data = minari.MinariDataset(tmp_path / "set" / "data")
    env = data.recover_environment()
    for told, episode in zip(data.storage.get_episode_metadata([0, 1, 2]), data, strict=True):
        seen = [env.reset(seed=told["seed"])[0], *(env.step(a)[0] for a in episode.actions)]
        assert (np.array(seen) == episode.observations).all()


def test_an_environment_that_an_object_makes_is_exported_without_it(tmp_path):
    gymnasium.register("Made-v0", CartPoleEnv, max_episode_steps=12)
    try:
        task = make("gym:Made-v0", {"expert": f"{__name__}:upright"})
        pool = build_pool(task, 2)
        export_pool(pool, task, "minari", tmp_path / "set")
        assert minari.MinariDataset(tmp_path / "set" / "data").env_spec is None
        back = import_pool("minari", str(tmp_path / "set"), task, tmp_path / "back")
        assert back.pool == pool
    finally:
        del gymnasium.registry["Made-v0"]


# Data sets of others


def recorded(seeds, steps=12, options=None, env_id="CartPole-v1"):
    """Episodes of a random player, as Minari's buffers."""
    env, buffers = gymnasium.make(env_id), []
    env.action_space.seed(1)
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        seen, actions, rewards, ends, cuts = [observation], [], [], [], []
        while len(actions) < steps and not any(ends):
            actions.append(env.action_space.sample())
            observation, reward, terminated, _, _ = env.step(actions[-1])
            seen.append(observation)
            rewards.append(float(reward))
            ends.append(terminated)
            cuts.append(len(actions) == steps and not terminated)
        buffers.append(
            minari.data_collector.EpisodeBuffer(
                seed=seed,
                options=options,
                observations=seen,
                actions=actions,
                rewards=rewards,
                terminations=ends,
                truncations=cuts,
            )
        )
    return buffers


def store(buffers, env="CartPole-v1", name="theirs/random-v0", **spaces):
    """Stores episodes as a data set of somebody else."""
    return minari.create_dataset_from_buffers(
        name,
        buffers,
        env=env,
        eval_env=env,
        algorithm_name="random walk",
        author="A",
        author_email="a@example.com",
        code_permalink="https://example.com",
        description="walks",
        **spaces,
    )


def test_a_data_set_of_others_becomes_a_pool(stored, tmp_path):
    store(recorded([3, 2**63, 5]))
    done = import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "pool")
    pool = load_pool_for(cartpole(), tmp_path / "pool")
    assert pool == done.pool
    assert [d.opening.state for d in pool.demonstrations] == [
        {"seed": 3},
        {"seed": 2**63},
        {"seed": 5},
    ]
    assert [d.id for d in pool.demonstrations] == ["episode_0", "episode_1", "episode_2"]
    card = pool.card
    assert (card.expert, card.source) == ("random walk", "Minari, theirs/random-v0")
    assert card.licence == "not stated in the data set"
    for demonstration in pool.demonstrations:
        assert sum(1 for _ in replay(cartpole(), demonstration)) == len(demonstration.steps)
    folder = stored / "theirs" / "random-v0"
    for number, where in enumerate((folder, folder / "data")):
        other = import_pool("minari", str(where), cartpole(), tmp_path / f"pool{number}")
        assert other.pool == pool


def test_a_shorter_horizon_cuts_and_a_longer_one_is_refused(tmp_path):
    store(recorded([3, 5]))
    done = import_pool("minari", "theirs/random-v0", cartpole(horizon=4), tmp_path / "pool")
    assert (done.shortened, done.pool.card.steps_max) == (2, 4)
    with pytest.raises(PoolError, match=r"step 11: it was cut off there.*--set horizon=12"):
        import_pool("minari", "theirs/random-v0", cartpole(horizon=50), tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "episode_0 of theirs/random-v0 does not replay as gym:CartPole-v1: it has no seed"),
        ({"options": {"low": -0.01}, "seeds": [1]}, "it was reset with options"),
    ],
)
def test_episodes_that_do_not_tell_how_they_began_are_refused(options, said, tmp_path):
    store(recorded(options.pop("seeds", [None]), **options))
    with pytest.raises(PoolError, match=said):
        import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "pool")
    with pytest.raises(PoolError, match="none of the 1 episodes of theirs/random-v0 replays"):
        import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "pool", skip_untrue=True)
    assert not (tmp_path / "pool").exists()


def spoil_observation(buffer):
    buffer.observations[4] = buffer.observations[4] + np.float32(0.01)


def spoil_last_observation(buffer):
    buffer.observations[-1] = buffer.observations[-1] + np.float32(0.01)


def spoil_reward(buffer):
    buffer.rewards[2] = 0.5


def spoil_end(buffer):
    buffer.terminations[-1], buffer.truncations[-1] = True, False


def spoil_action(buffer):
    buffer.actions[3] = 1 - buffer.actions[3]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_observation, "step 4: the observation differs"),
        (spoil_last_observation, "step 12: the observation differs"),
        (spoil_reward, r"step 2: the reward is 1.0, not 0.5"),
        (spoil_end, "step 11: the end differs"),
        (spoil_action, "step 4: the observation differs"),
    ],
)
def test_what_is_not_so_in_our_world_is_named_or_left_out(spoil, said, tmp_path):
    buffers = recorded([3, 5])
    spoil(buffers[1])
    store(buffers)
    with pytest.raises(PoolError, match=f"episode_1 of theirs/random-v0 .*{said}"):
        import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "pool")
    assert not (tmp_path / "pool").exists()
    done = import_pool(
        "minari", "theirs/random-v0", cartpole(), tmp_path / "pool", skip_untrue=True
    )
    assert ([d.id for d in done.pool.demonstrations], len(done.untrue)) == (["episode_0"], 1)


def test_numbers_may_differ_in_their_last_digits(tmp_path):
    buffers = recorded([3])
    buffers[0].observations[4] = buffers[0].observations[4] + np.float32(1e-6)
    store(buffers)
    pool = import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "pool").pool
    assert len(pool.demonstrations) == 1


@pytest.mark.filterwarnings("ignore:`eval_env`", "ignore:env_spec is None")
def test_episodes_of_our_worlds_begin_where_they_were_reset_to(tmp_path):
    task = make("gridworld")
    env = task.make_env()
    opening = {"opening": {"player": [2, 3], "target": [2, 4]}}
    first, _ = env.reset(options=opening)
    second, reward, _, _, _ = env.step(3)
    buffer = minari.data_collector.EpisodeBuffer(
        seed=1,
        options=opening,
        observations=[first, second],
        actions=[3],
        rewards=[reward],
        terminations=[True],
        truncations=[False],
    )
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    store([buffer], env=None, **spaces)
    (walk,) = import_pool("minari", "theirs/random-v0", task, tmp_path / "pool").pool.demonstrations
    assert (walk.opening.state, walk.steps[0].action) == (opening["opening"], "right")
    with pytest.raises(PoolError, match="is of no environment that Gymnasium knows, not of gym:"):
        import_pool("minari", "theirs/random-v0", cartpole(), tmp_path / "other")


# What is wrong with it


def test_a_data_set_of_something_else_is_told(tmp_path):
    store(recorded([3]))
    for name, said in (
        ("gym:Acrobot-v1", "is of the environment CartPole-v1, not of gym:Acrobot-v1"),
        ("gridworld", "is of the environment CartPole-v1, not of gridworld"),
    ):
        with pytest.raises(PoolError, match=said):
            import_pool("minari", "theirs/random-v0", make(name), tmp_path / "pool")
    store(recorded([3]), name="theirs/squeezed-v0", observation_space=gymnasium.spaces.Discrete(2))
    with pytest.raises(
        PoolError, match=r"is not of gym:CartPole-v1 as it is: it has Discrete\(2\)"
    ):
        import_pool("minari", "theirs/squeezed-v0", cartpole(), tmp_path / "pool")
    task, pool = ours("gridworld")
    export_pool(pool, task, "minari", tmp_path / "set")
    with pytest.raises(PoolError, match="is of gridworld version 1, not of tic_tac_toe version 1"):
        import_pool("minari", str(tmp_path / "set"), make("tic_tac_toe"), tmp_path / "pool")
    assert not (tmp_path / "pool").exists()


def cut_off(folder):
    path = folder / "data" / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:3000])


def without_data(folder):
    (folder / "data" / "main_data.hdf5").unlink()


def without_metadata(folder):
    (folder / "data" / "metadata.json").unlink()


def no_json(folder):
    (folder / "data" / "metadata.json").write_text("{", encoding="utf-8")


def edited(**fields):
    def edit(folder):
        path = folder / "data" / "metadata.json"
        found = {**json.loads(path.read_text(encoding="utf-8")), **fields}
        path.write_text(json.dumps(found), encoding="utf-8")

    return edit


def without_infos(folder):
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1"]["infos"]


def fewer_actions(folder):
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_1"]["actions"].resize((0,))


def other_outcome(folder):
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_0"]["infos"]["outcome"][1] = "{"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_off, "cannot be read as a Minari data set: OSError"),
        (without_data, "cannot be read as a Minari data set: ValueError: No data found"),
        (without_metadata, "cannot be read as a Minari data set: ValueError: No data found"),
        (no_json, "cannot be read as a Minari data set: JSONDecodeError"),
        (edited(minari_version="9.9"), "cannot be read as a Minari data set: ValueError"),
        (edited(data_format="tape"), "cannot be read as a Minari data set: KeyError: 'tape'"),
        (without_infos, "cannot be read as a Minari data set: TypeError"),
        (fewer_actions, "but not as much of the rest"),
        (other_outcome, "cannot be read as a Minari data set: JSONDecodeError"),
        (edited(icil={"card": 1}), "the notes of its export are damaged"),
        (edited(total_episodes=2), "has 2 episodes, but 3 were exported"),
    ],
)
def test_damage_is_told_in_one_line(damage, said, tmp_path):
    task, pool = ours("gridworld")
    export_pool(pool, task, "minari", tmp_path / "set")
    damage(tmp_path / "set")
    with pytest.raises(PoolError) as raised:
        import_pool("minari", str(tmp_path / "set"), task, tmp_path / "new" / "pool")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()


def test_what_is_not_there_is_told(tmp_path):
    for where in ("nobody/none-v0", "no id", str(tmp_path / "none")):
        with pytest.raises(PoolError, match=r"there is no folder .* `minari download"):
            import_pool("minari", where, cartpole(), tmp_path / "pool")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PoolError, match="No data found"):
        import_pool("minari", str(tmp_path / "empty"), cartpole(), tmp_path / "pool")


def test_an_export_overwrites_nothing_and_leaves_nothing_when_it_fails(tmp_path):
    task, pool = ours("gridworld")
    (tmp_path / "set").mkdir()
    with pytest.raises(PoolError, match="exists already; nothing is overwritten"):
        export_pool(pool, task, "minari", tmp_path / "set")
    assert list((tmp_path / "set").iterdir()) == []
    with pytest.raises(ExperimentError, match="option --format: a Minari data set holds"):
        export_pool(pool, task, "minari", tmp_path / "other", format="ascii")
    wrong = load_pool_for(make("gridworld")).demonstrations[0]
    wrong = make_pool(task, [shifted(wrong)])
    with pytest.raises(PoolError, match="does not replay: step 0: the state differs"):
        export_pool(wrong, task, "minari", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def shifted(demonstration):
    first, *rest = demonstration.steps
    return replace(demonstration, steps=(replace(first, state="0" * 16), *rest))


def test_a_relative_path_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task, pool = ours("gridworld")
    export_pool(pool, task, "minari", Path("set"))
    assert import_pool("minari", "set", task, Path("again")).pool == pool


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    task, pool = ours("gridworld")
    for module in ("minari.dataset._storages.hdf5_storage", "minari"):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=r"pip install 'icil\[minari\]'"):
            export_pool(pool, task, "minari", tmp_path / "set")
    with pytest.raises(UsageError, match=r"pip install 'icil\[minari\]'"):
        import_pool("minari", "set", task, tmp_path / "pool")
    assert list(tmp_path.iterdir()) == []
