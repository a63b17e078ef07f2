"""Worker processes: all results, errors as they are, and no process left behind."""

import multiprocessing
import os
import random
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

import pytest

from icil.tasks.processes import in_processes


def test_every_job_has_its_result():
    found = in_processes(int, [str(n) for n in range(20)], 2, random.seed, 0)
    assert sorted(found) == list(range(20))


def test_each_process_is_prepared_first():
    ask = "__import__('sys').getrecursionlimit()"
    assert list(in_processes(eval, [ask] * 3, 2, sys.setrecursionlimit, 4321)) == [4321] * 3
    assert sys.getrecursionlimit() != 4321


def test_an_error_comes_through_and_ends_the_processes():
    jobs = ["1", "not a number"]
    with pytest.raises(ValueError, match="not a number"):
        list(in_processes(int, jobs, 2, random.seed, 0))
    assert not multiprocessing.active_children()


def test_whoever_stops_waits_for_nothing():
    with closing(in_processes(time.sleep, [0, 600], 2, random.seed, 0)) as running:
        next(running)
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_told():
    with pytest.raises(BrokenProcessPool):
        list(in_processes(os._exit, [3], 1, random.seed, 0))
    assert not multiprocessing.active_children()
