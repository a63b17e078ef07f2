"""Experiments: from a file and options to one value, or to a message that says what is wrong."""

from pathlib import Path

import pytest

from icil.harness import Experiment, load_experiment
from icil.tasks import ExperimentError


def written(tmp_path, text):
    path = tmp_path / "e.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_nothing_given_is_the_default():
    assert load_experiment(None, {}) == Experiment()
    assert load_experiment(None, {"seed": None, "task": None}) == Experiment()


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}", "---\n"])
def test_an_empty_file_is_the_default(text, tmp_path):
    assert load_experiment(written(tmp_path, text), {}) == Experiment()


@pytest.mark.parametrize(
    "text",
    [
        "demos: [0, 1, 4]\ntask: [gridworld]\nlegal_actions: true",
        "demos: 0,1,4\ntask: gridworld\nlegal-actions: yes",
        'demos: "0, 1 ,4,"\ntask: gridworld,gridworld\nlegal_actions: on',
        "demos: ['0', 1, 4, 1]\ntask: [gridworld, gridworld]\nlegal-actions: true",
    ],
)
def test_lists_take_one_value_or_a_text_with_commas(text, tmp_path):
    assert load_experiment(written(tmp_path, text), {}) == Experiment(
        demos=(0, 1, 4), task=("gridworld",), legal_actions=True
    )


def test_options_come_before_the_file(tmp_path):
    path = written(tmp_path, "demos: 3\nepisodes: 5\ntask: gridworld\nreasoning: true")
    found = load_experiment(path, {"demos": "0,2", "reasoning": False, "task": None})
    assert found == Experiment(demos=(0, 2), episodes=5, task=("gridworld",))


def test_an_option_mends_a_wrong_key_of_the_file(tmp_path):
    assert load_experiment(written(tmp_path, "episodes: many"), {"episodes": 3}).episodes == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("episodes: many", "episodes: expected a whole number, 1 or more, got 'many'"),
        ("episodes: 0", "episodes: expected a whole number, 1 or more, got 0"),
        ("episodes: -3", "episodes: expected a whole number, 1 or more, got -3"),
        ("episodes: 2.5", "episodes: expected a whole number, 1 or more, got 2.5"),
        ("episodes: true", "episodes: expected a whole number, 1 or more, got True"),
        ("episodes: [3]", "episodes: expected a whole number, 1 or more, got [3]"),
        ("episodes:", "episodes: expected a whole number, 1 or more, got nothing"),
        ("seed: -1", "seed: expected a whole number, 0 or more, got -1"),
        ("seed: .nan", "seed: expected a whole number, 0 or more, got nan"),
        ("demos: [0, -1]", "demos[1]: expected whole numbers, 0 or more, such as 0,1,4, got -1"),
        ("demos: [1, 2, x]", "demos[2]: expected whole numbers, 0 or more, such as 0,1,4, got 'x'"),
        ("demos: [[1]]", "demos[0]: expected whole numbers, 0 or more, such as 0,1,4, got [1]"),
        ("demos: [1.5]", "demos[0]: expected whole numbers"),
        ("demos: [٣]", "demos[0]: expected whole numbers"),
        ("demos: []", "demos: expected whole numbers"),
        ("demos: ''", "demos: expected whole numbers"),
        ("task: [gridworld, 7]", "task[1]: expected names of tasks, got 7"),
        ("task: []", "task: expected names of tasks, got []"),
        ("task: {gridworld: 1}", "task[0]: expected names of tasks, got {'gridworld': 1}"),
        ("agent: [[[a]]]", "agent[0]: expected names of agents, got [['a']]"),
        ("selector: 1", "selector[0]: expected names of selectors, got 1"),
        ("format: [no, ascii]", "format[0]: expected names of observation formats, got False"),
        ("legal_actions: 1", "legal_actions: expected true or false, got 1"),
        ("reasoning: maybe", "reasoning: expected true or false, got 'maybe'"),
        ("past-actions: []", "past_actions: expected true or false, got []"),
        ("teacher_forced: 2024-01-01", "teacher_forced: expected true or false, got datetime"),
        ("template: 5", "template: expected the path of a template file, got 5"),
        ("template: [a]", "template: expected the path of a template file, got ['"),
        ('template: "a\\0b"', "template: expected the path of a template file"),
        ("pool: [1]", "pool[0]: expected folders of pools, got 1"),
        ('pool: ["a\\0b"]', "pool: expected folders of pools"),
        ("episode: 3", "unknown key 'episode'; did you mean 'episodes'?"),
        ("demonstrations: 3", "unknown key 'demonstrations'"),
        ("Task: gridworld", "unknown key 'Task'; did you mean 'task'?"),
        ("1: 2", "unknown key 1"),
        ("null: 2", "unknown key None"),
        ("- task: gridworld", "expected keys and values, got [{'task': 'gridworld'}]"),
        ("just words", "expected keys and values, got 'just words'"),
        ("task: [gridworld", "is not YAML"),
        ("task: !!python/object:os.system {}", "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("seed: 2024-13-45", "is not YAML"),
        ("[" * 20_000, "is not YAML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is not YAML"),
        (b"\xff\xfe\xfa", "is not YAML"),
        (bytes(range(256)), "is not YAML"),
    ],
)
def test_a_wrong_file_is_answered_with_its_name_the_key_and_what_was_expected(text, said, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(ExperimentError) as error:
        load_experiment(path, {})
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_wrong_option_is_called_an_option(tmp_path):
    path = written(tmp_path, "seed: 1")
    with pytest.raises(ExperimentError, match=r"^option --demos\[1\]: expected whole numbers"):
        load_experiment(path, {"demos": "1,x"})
    with pytest.raises(ExperimentError, match=r"^option --past-actions: expected true"):
        load_experiment(None, {"past_actions": "x"})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ExperimentError, match=r"none\.yaml: No such file"):
        load_experiment(tmp_path / "none.yaml", {})
    with pytest.raises(ExperimentError, match="directory"):
        load_experiment(tmp_path, {})


def test_an_experiment_is_frozen_and_compares_by_value():
    assert Experiment(demos=(1,)) == Experiment(demos="1")
    with pytest.raises(ValueError, match="frozen"):
        Experiment().seed = 3


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    path = written(tmp_path, "pool: [a/b, /c]\ntemplate: t.yaml")
    found = load_experiment(path, {})
    assert found.pool == (tmp_path / "a/b", Path("/c"))
    assert found.template == tmp_path / "t.yaml"
    given = load_experiment(path, {"pool": ("d",), "template": "u.yaml"})
    assert (given.pool, given.template) == ((Path("d"),), Path("u.yaml"))
