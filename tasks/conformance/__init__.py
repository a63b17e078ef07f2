"""Checkers of contracts: findings that all checkers share, and the rules of tasks."""

from icil.tasks.conformance.findings import Finding, Verdict
from icil.tasks.conformance.rules import RULES, check_task, judge_task

__all__ = ["RULES", "Finding", "Verdict", "check_task", "judge_task"]
