"""The command `icil`: finds the subcommand, and turns errors into one line and an exit code.

    0  done            1  a fault while running, or episodes in error
    2  wrong usage     3  stopped at a limit (`--max-cost`, `--max-tokens`)
                     130  interrupted; the same command goes on

Each subcommand has a module of its own, imported only when it is called.
"""

import sys
from importlib import import_module
from io import TextIOWrapper

import click

_COMMANDS = {
    "agents": "List the agents.",
    "check": "Check a task, agent or selector against its contract.",
    "demos": "Build, describe and exchange pools of demonstrations.",
    "estimate": "Tell what an experiment will take: calls, tokens, money, time.",
    "imitation": "Measure how the agents of a run imitate, step by step.",
    "languages": "Tell what action languages cost, and lose, on a pool.",
    "leaderboard": "Print, compare, merge and export leaderboards.",
    "report": "Write a run as one page, with a player of its episodes.",
    "run": "Play an experiment and write its leaderboard.",
    "selectors": "List the selectors of demonstrations, and the controls.",
    "serve": "Let an agent answer as a policy, in openpi's protocol.",
    "serve-fake": "Serve a fake model, in the dialects of all providers.",
    "show": "Look into a run: its cells, episodes, steps and prompts.",
    "tasks": "List the tasks.",
    "verify": "Check that a run folder holds what was written.",
    "view": "Show a run as a page in the browser, live.",
}
_MODULES = {
    "agents": "lists",
    "selectors": "lists",
    "serve-fake": "serve_fake",
    "tasks": "lists",
}
"""Where they stand, unless in a module of their own name."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"icil.harness.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from icil.tasks.errors import UnknownNameError

            raise UnknownNameError("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="icil", prog_name="icil")
def icil() -> None:
    """Show a model expert demonstrations in its context, then see whether it can act.

    `icil run` alone plays the built-in players over two small tasks and leaves a leaderboard.
    """


def main() -> None:
    """Runs the command line and exits."""
    from icil.harness.cli.failures import explained

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not all terminals have a table's characters
    with explained():
        # click returns the code of a command that exits by itself.
        code = icil.main(prog_name="icil", standalone_mode=False)
    sys.exit(code if isinstance(code, int) else 0)
