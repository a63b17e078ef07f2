"""What a failed command says, and its exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def explained() -> Iterator[None]:
    """Turns an error that icil or click raises on purpose into one line and an exit."""
    try:
        yield
    except click.exceptions.Exit as exit:
        sys.exit(exit.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("icil: interrupted", err=True)
        sys.exit(130)
    except _icil_error() as error:
        from icil.tasks.errors import UsageError

        click.echo(f"icil: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def _icil_error() -> type[Exception]:
    """Imports the tree of errors, which only a command that failed must wait for."""
    from icil.tasks.errors import IcilError

    return IcilError
