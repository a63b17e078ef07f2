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


def test_answers_widen_it_by_about_one_a_round_up_to_the_most():
    async def scene():
        gate = Gate(6)
        async with full(gate, 6) as tickets:
            gate.slow_down(tickets[0])
        assert gate.limit == 3
        for _ in range(4):
            gate.speed_up()
        assert gate.limit == 4
        for _ in range(100):
            gate.speed_up()
        assert gate.limit == 6

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
