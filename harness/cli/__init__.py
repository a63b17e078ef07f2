"""The command line: `icil`."""

from icil.harness.cli.main import main

__all__ = ["main"]
