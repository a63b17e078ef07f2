"""What `icil tasks` says about families: an example, and all their members."""

from icil.harness.cli import lists
from icil.tasks import make, members, names


def test_a_family_is_listed_with_an_example_and_how_to_list_it(icil):
    said = icil("tasks")
    words = said.out.replace("│", " ").split()
    for example, family in (("atari/breakout;", "atari/"), ("gym:CartPole-v1;", "gym:")):
        at = words.index(example)
        assert family in words[at:]
        assert make(example.rstrip(";")).name == example.rstrip(";")


def test_the_members_of_a_family_are_listed(icil):
    said = icil("tasks", "atari/")
    assert (said.code, said.err) == (0, "")
    games = said.out.splitlines()
    assert games == sorted(games)
    assert {"atari/breakout", "atari/phoenix", "atari/pong"} <= set(games)
    assert len(games) > 50
    environments = icil("tasks", "gym:").out.splitlines()
    assert {"gym:CartPole-v1", "gym:Pendulum-v1"} <= set(environments)
    assert "gym:CartPole-v0" not in environments


def test_tasks_of_meta_world_are_listed_with_what_is_to_be_done(icil):
    lines = icil("tasks", "metaworld/").out.splitlines()
    assert len(lines) == 50
    assert all(line.startswith("metaworld/") and line.endswith(".") for line in lines)
    assert "metaworld/reach-v3                      Move the gripper to the goal." in lines


def test_every_family_is_described_and_not_every_one_listed(icil):
    assert set(names()) - set(members()) == set(lists._FAMILIES)
    said = icil("tasks", "recorded:")
    assert (said.code, said.out) == (2, "")
    assert "known: atari/, fetch/, gym:, metaworld/" in said.err


def test_what_is_no_family_is_answered_with_the_nearest(icil):
    said = icil("tasks", "atari")
    assert (said.code, said.out) == (2, "")
    assert said.err == "icil: unknown family of tasks 'atari'; did you mean 'atari/'?\n"
