"""`icil check`."""

import click


@click.command()
@click.argument("kind", type=click.Choice(["task", "agent", "selector"]))
@click.argument("name")
def check(kind: str, name: str) -> None:
    """Check the task, agent or selector NAME against its contract."""
    click.echo("x")
