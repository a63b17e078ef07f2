"""What a failed command says, and its exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from icil.harness.cli.plain import harmless

_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What newer versions of click raise, with the help as its message, for a bare group."""


@contextmanager
def explained() -> Iterator[None]:
    """Turns an error that icil or click raises on purpose into one line and an exit."""
    try:
        yield
    except click.exceptions.Exit as exit:
        sys.exit(exit.exit_code)
    except click.ClickException as error:
        if isinstance(error, _HELP):
            error.show()
        else:
            click.echo(f"icil: {harmless(error.format_message())}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("icil: interrupted", err=True)
        sys.exit(130)
    except _icil_error() as error:
        from icil.tasks.errors import UsageError

        click.echo(f"icil: {harmless(str(error))}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:  # a path that cannot be looked at, an output that cannot be written
        with suppress(OSError):
            click.echo(f"icil: {harmless(str(error))}", err=True)
        sys.exit(1)


def _icil_error() -> type[Exception]:
    """Imports the tree of errors, which only a command that failed must wait for."""
    from icil.tasks.errors import IcilError

    return IcilError
