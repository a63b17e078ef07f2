"""The gate: how many are let in, how it narrows and widens, and that it never jams."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from icil.harness.models.asking.gate import Gate


def played(scene):
    return asyncio.run(asyncio.wait_for(scene(), 30))


async def inside(gate, enough, seen):
    async with gate.enter() as ticket:
        seen.append(ticket)
        await enough.wait()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def full(gate, number):
    """Gives the tickets of so many who are inside."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(gate.enter()) for _ in range(number)]


def test_no_more_are_let_in_than_the_limit_and_in_their_order():
    async def scene():
        gate, enough, seen = Gate(3), asyncio.Event(), []
        tasks = [asyncio.create_task(inside(gate, enough, seen)) for _ in range(7)]
        await settle()
        assert len(seen) == 3
        enough.set()
        await asyncio.gather(*tasks)
        assert seen == [1, 2, 3, 4, 5, 6, 7]

    played(scene)


def test_one_too_many_halves_it_once_for_all_that_were_sent_before():
    async def scene():
        gate = Gate(16)
        async with full(gate, 16) as tickets:
            gate.slow_down(tickets[0])
            assert gate.limit == 8
            gate.slow_down(tickets[-1])
            assert gate.limit == 8
        async with full(gate, 8) as tickets:
            gate.slow_down(tickets[3])
        assert gate.limit == 4
        for _ in range(10):
            async with gate.enter() as ticket:
                gate.slow_down(ticket)
        assert gate.limit == 1

    played(scene)


def test_half_of_those_that_are_inside_are_let_in_however_many_might_have_been():
    async def scene():
        gate = Gate(1024)
        async with full(gate, 16) as tickets:
            gate.slow_down(tickets[5])
        assert gate.limit == 8
        gate.speed_up()
        async with full(gate, 2) as tickets:
            gate.slow_down(tickets[0])
        assert gate.limit == 1

    played(scene)


def answer(gate, number):
    for _ in range(number):
        gate.speed_up()
    return gate.limit


@pytest.mark.parametrize(("wait_s", "held_s"), [(0, 1), (0.01, 1), (2, 20), (1000, 60)])
def test_what_was_too_many_is_tried_again_after_a_while_and_then_one_more_a_round(wait_s, held_s):
    async def scene():
        gate, loop = Gate(8), asyncio.get_running_loop()
        now = loop.time()
        loop.time = lambda: now
        async with full(gate, 6) as tickets:
            gate.slow_down(tickets[0], wait_s)
        assert gate.limit == 3
        assert answer(gate, 9) == 5
        now += wait_s + held_s - 0.001
        assert answer(gate, 100) == 5
        now += 0.002
        assert answer(gate, 4) == 5
        assert answer(gate, 2) == 6  # it was fewer than were too many
        assert answer(gate, 7) == 7
        assert answer(gate, 100) == 8
        now -= wait_s + held_s  # or the scene would have taken too long

    played(scene)


def test_a_try_that_fails_costs_one_place_and_one_too_many_below_it_half():
    async def scene():
        gate, loop = Gate(64), asyncio.get_running_loop()
        now = began = loop.time()
        loop.time = lambda: now
        async with full(gate, 10) as tickets:
            gate.slow_down(tickets[0])
        assert answer(gate, 100) == 9
        for _ in range(3):
            now += 1.001
            assert answer(gate, 10) == 10
            async with full(gate, 10) as tickets:
                gate.slow_down(tickets[0])
            assert gate.limit == answer(gate, 100) == 9
        async with full(gate, 9) as tickets:  # the server takes fewer than before
            gate.slow_down(tickets[0])
        assert gate.limit == 4
        assert answer(gate, 100) == 8
        now = began  # or the scene would have taken too long

    played(scene)


def test_what_is_too_many_is_learnt_anew_while_nothing_is_tried():
    async def scene():
        gate = Gate(64)
        for inside, below in ((64, 63), (40, 39), (9, 8), (2, 1), (1, 1)):
            async with full(gate, min(inside, gate.limit)) as tickets:
                gate.slow_down(tickets[-1])
            assert answer(gate, 5000) == below

    played(scene)


def test_nobody_is_let_in_while_the_server_asks_to_wait():
    async def scene():
        gate, loop = Gate(4), asyncio.get_running_loop()
        async with gate.enter() as ticket:
            gate.slow_down(ticket, wait_s=0.2)
        began = loop.time()
        async with gate.enter():
            assert loop.time() - began >= 0.19

    played(scene)


@pytest.mark.parametrize("given_a_place", [False, True])
def test_who_is_cancelled_leaves_no_place_taken(given_a_place):
    async def scene():
        gate, enough = Gate(1), asyncio.Event()
        first = asyncio.create_task(inside(gate, enough, []))
        await settle()
        waiting = asyncio.create_task(inside(gate, enough, []))
        await settle()
        if given_a_place:
            enough.set()
            await first
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        enough.set()
        await first
        async with gate.enter():
            pass

    played(scene)
