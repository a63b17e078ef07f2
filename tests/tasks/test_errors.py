"""The tree of errors, and what it says about unknown names."""

import pytest

from icil.tasks import errors
from icil.tasks.errors import IcilError, UnknownNameError, UsageError, suggestion


def test_whoever_catches_the_root_catches_all():
    raised = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(raised) == 11
    assert all(issubclass(e, IcilError) for e in raised)


def test_what_was_asked_wrongly_is_told_from_faults():
    usage = {e.__name__ for e in vars(errors).values() if isinstance(e, type)} - {"Iterable"}
    usage = {name for name in usage if issubclass(getattr(errors, name), UsageError)}
    assert usage == {
        "UsageError",
        "UnknownNameError",
        "ExperimentError",
        "TemplateError",
        "PoolError",
        "OpeningsError",
        "RunFolderError",
    }


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("gridwrld", ["chess", "gridworld"], "; did you mean 'gridworld'?"),
        ("xyz", ["chess", "atari/"], "; known: atari/, chess"),
        ("xyz", [], "; there are none"),
        (True, ["task", "true"], "; did you mean 'true'?"),
        (5, ["chess", "gridworld"], "; known: chess, gridworld"),
        (None, ["none"], "; did you mean 'none'?"),
    ],
)
def test_suggests_the_nearest_name_or_all(name, known, said):
    assert suggestion(name, known) == said


def test_an_unknown_name_is_told_with_its_noun():
    error = UnknownNameError("task", "ches", iter(["chess", "gridworld"]))
    assert str(error) == "unknown task 'ches'; did you mean 'chess'?"
    assert (error.noun, error.name, error.known) == ("task", "ches", ("chess", "gridworld"))
