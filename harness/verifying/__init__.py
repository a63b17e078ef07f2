"""Verifying a run: its episodes are played again, and all that is made of them is made again."""

from icil.harness.verifying.verify import Verification, verify

__all__ = ["Verification", "verify"]
