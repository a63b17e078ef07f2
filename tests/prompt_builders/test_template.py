"""Template files: what is read, and what is refused with a line that helps."""

import pytest
import yaml

from icil.prompt_builders import Selection, load_template
from icil.prompt_builders.template import DEFAULT, Template
from icil.tasks import Demonstration, Observation, Opening, TemplateError
from icil.tasks.demonstrations import Step, state_digest

PIECES = tuple(Template.model_fields)


@pytest.fixture
def pieces():
    return yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a template file and returns its path."""

    def write(content):
        path = tmp_path / "mine.yaml"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def refused(path):
    """Checks that a template is refused; returns what is said after the file's name."""
    with pytest.raises(TemplateError) as raised:
        load_template(path)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"template {path}")
    return message.removeprefix(f"template {path}").removeprefix(": ")


def test_the_default_is_read(pieces):
    template = load_template()
    assert template.model_dump() == pieces
    assert template.question.endswith("\n")


def test_a_copy_of_the_default_is_the_default(write):
    copied = load_template(write(DEFAULT.read_bytes()))
    assert copied == load_template()
    assert copied.hash == load_template().hash


@pytest.mark.parametrize("piece", PIECES)
def test_another_wording_has_another_hash(write, pieces, piece):
    pieces[piece] += " "
    assert load_template(write(pieces)).hash != load_template().hash


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_piece_is_named(write, pieces, piece):
    del pieces[piece]
    assert refused(write(pieces)) == f"the piece '{piece}' is missing"


def test_an_unknown_piece_is_answered_with_the_nearest(write, pieces):
    pieces["preambel"] = "x"
    assert refused(write(pieces)) == "unknown piece 'preambel'; did you mean 'preamble'?"


@pytest.mark.parametrize("value", [1, 1.5, None, True, ["x"], {"x": "y"}, b"x"])
def test_a_piece_that_is_no_text_is_named(write, pieces, value):
    pieces["question"] = value
    assert refused(write(pieces)) == f"question: expected a text, got {value!r}"


@pytest.mark.parametrize("piece", ["observation", "action", "legal_actions"])
@pytest.mark.parametrize(("repeat", "times"), [(0, 0), (2, 2), (3, 3)])
def test_a_placeholder_that_is_needed_stands_once(write, pieces, piece, repeat, times):
    pieces[piece] = f"x ${piece} " * repeat + "y"
    said = f"{piece}: expected '${piece}' exactly once, found it {times} times"
    assert refused(write(pieces)) == said


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("form", ["$numbr", "${numbr}", "$Number"])
def test_an_unknown_placeholder_is_named(write, pieces, piece, form):
    pieces[piece] += form
    said = refused(write(pieces))
    assert said.startswith(f"{piece}: unknown placeholder '${form.strip('${}')}'")
    numbered = piece.startswith("demonstration_")
    assert said.endswith("; did you mean '$number'?") == numbered


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("text", ["costs 5$", "$ 5", "$5", "${", "${}", "${observation"])
def test_a_lone_dollar_sign_is_explained(write, pieces, piece, text):
    pieces[piece] += text
    assert refused(write(pieces)) == f"{piece}: a lone '$'; write '$$' for a dollar sign"


def test_two_dollar_signs_are_one(write, pieces, make_builder):
    pieces |= {"preamble_without_demonstrations": "$$5 {0} %s", "question": "$${q}"}
    builder = make_builder(template=load_template(write(pieces)))
    prompt = builder.tail(builder.prefix(Selection(demonstrations=(), reasons=()))).question()
    assert prompt.prefix.parts[0].text == "$5 {0} %s"
    assert prompt.question[0].text == "${q}"


def test_braces_around_a_placeholder_are_no_part_of_it(write, pieces):
    pieces["action"] = "<${action}>"
    assert load_template(write(pieces)).fill("action", action="up") == "<up>"


@pytest.mark.parametrize(
    "content",
    [
        b"preamble: [",
        b"preamble: 'x",
        b"\xff\xfe\x00",
        b"preamble: \xe9",
        b"a: b: c",
        b"preamble: 2024-13-45",
        b"preamble: !!int x",
        b"preamble: !!python/object:os.system {}",
        b"preamble: \x01",
    ],
)
def test_a_file_that_is_not_yaml_is_refused(write, content):
    assert refused(write(content)).removeprefix(" ").startswith("is not YAML: ")


@pytest.mark.parametrize("content", ["", "[]", "- preamble", "preamble", "7", "null"])
def test_a_file_without_names_is_refused(write, content):
    assert refused(write(content)) == "expected pieces by name, as in default.yaml"


def test_an_absent_file_is_refused(tmp_path):
    assert refused(tmp_path / "nowhere.yaml") == "No such file or directory"
    assert refused(tmp_path) == "Is a directory"


@pytest.mark.parametrize("text", ["$observation", "${x} $ $$", "{observation} {0} %s \\1", "\0"])
def test_observations_and_actions_pass_through_unharmed(make_builder, text):
    builder = make_builder(legal_actions=True)
    tail = builder.tail(builder.prefix(Selection(demonstrations=(), reasons=())))
    tail.observe(Observation(text=text))
    tail.act(text)
    shown, done = tail.since(0)
    assert shown.text == f"Observation:\n{text}\n"
    assert done.text == f"Action: {text}\n"
    question = tail.question((text, "b")).question[0].text
    assert question.startswith(f"The actions allowed now are: {text}, b\n")


def test_observations_of_demonstrations_pass_through_unharmed(make_builder, task):
    strange = "$action ${number} {} $$"

    class Strange(type(task)):
        def observe(self, env, format):
            return Observation(text=strange)

    env, opening = (
        task.make_env(),
        Opening(split="demonstration", index=0, state={"board": "xx.oo....", "chance_seed": 1}),
    )
    task.reset(env, opening)
    step = Step(state=state_digest(task, env), action="a3", reward=1.0)
    shown = Demonstration(id="d", opening=opening, steps=(step,), terminated=True)
    prefix = make_builder(task=Strange()).prefix(Selection(demonstrations=(shown,), reasons=("",)))
    assert prefix.parts[2].text == f"Observation:\n{strange}\nAction: a3\n"


def test_what_stands_around_a_picture_is_kept(write, pieces, make_builder, task):
    pieces["observation"] = "before $observation after"
    builder = make_builder("rgb", template=load_template(write(pieces)))
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    before, _, after = builder.observation(task.observe(env, "rgb"))
    assert (before.text, after.text) == ("before ", " after")
    pieces["observation"] = "$observation"
    bare = make_builder("rgb", template=load_template(write(pieces)))
    assert len(bare.observation(task.observe(env, "rgb"))) == 1
