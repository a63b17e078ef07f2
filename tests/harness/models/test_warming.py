"""Warming: one request of a prefix goes first, whatever becomes of it."""

import asyncio
import gc

import pytest

from icil.harness.models.asking.warming import Warming


async def send(warming, prefix, log, name, gate=None, error=None):
    async with warming.warmed(prefix):
        log.append(f"{name} sent")
        if gate is not None:
            await gate.wait()
        if error is not None:
            raise error
        log.append(f"{name} answered")


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_others_wait_for_the_first_and_then_go_together():
    async def scene():
        warming, log, first, others = Warming(), [], asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(send(warming, b"p", log, "a", first))]
        tasks += [asyncio.create_task(send(warming, b"p", log, n, others)) for n in "bcd"]
        await settle()
        assert log == ["a sent"]
        first.set()
        await settle()
        assert sorted(log[2:]) == ["b sent", "c sent", "d sent"]
        others.set()
        await asyncio.gather(*tasks)
        await send(warming, b"p", log, "e")
        assert log[-2:] == ["e sent", "e answered"]

    asyncio.run(scene())


def test_what_is_over_is_forgotten_but_that_it_is_warm():
    async def scene():
        warming, log = Warming(), []
        for number in range(5):
            failing = send(warming, b"%d" % number, log, "a", error=ValueError())
            await asyncio.gather(failing, return_exceptions=True)
        await send(warming, b"p", log, "b")
        gc.collect()
        assert (len(warming._warm), len(warming._first)) == (1, 0)

    asyncio.run(scene())


def test_other_prefixes_do_not_wait():
    async def scene():
        warming, log, first = Warming(), [], asyncio.Event()
        task = asyncio.create_task(send(warming, b"p", log, "a", first))
        await settle()
        await send(warming, b"q", log, "b")
        assert log == ["a sent", "b sent", "b answered"]
        first.set()
        await task

    asyncio.run(scene())


@pytest.mark.parametrize("cancelled", [False, True])
def test_if_the_first_fails_the_next_is_the_first(cancelled):
    async def scene():
        warming, log, first, second = Warming(), [], asyncio.Event(), asyncio.Event()
        failing = asyncio.create_task(send(warming, b"p", log, "a", first, ValueError()))
        tasks = [asyncio.create_task(send(warming, b"p", log, n, second)) for n in "bc"]
        await settle()
        if cancelled:
            failing.cancel()
        first.set()
        await asyncio.gather(failing, return_exceptions=True)
        await settle()
        assert log == ["a sent", "b sent"]
        second.set()
        await asyncio.gather(*tasks)
        assert log[2:] == ["b answered", "c sent", "c answered"]

    asyncio.run(scene())
