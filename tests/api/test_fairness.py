"""Who is served next where more come than the door can serve: deficit round robin (S14, design 7)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from api.limits.fairness import LATE_ROOM_BYTES, REQUEST_BYTES, ROOM_BYTES, Fairness

KB = 1_024


async def turns(count=20):
    """Let everything happen that can happen at once."""
    for _ in range(count):
        await asyncio.sleep(0)


class Load:
    """Tenants with connections that each send the next body when the last one is answered."""

    def __init__(self):
        self.fairness = Fairness()
        self.served = Counter()
        self.under_way = []
        self.waited = Counter()

    async def connection(self, tenant, sizes, *, late=False):
        """Send bodies of these sizes, one after the other."""
        for size in sizes:
            waiting = self.fairness.enter(tenant, size, late=late)
            if waiting is not None:
                await waiting
            self.under_way.append((tenant, size, late, done := asyncio.Event()))
            await done.wait()
            self.served[tenant] += size + REQUEST_BYTES

    async def serve(self, bodies):
        """Finish so many bodies, the oldest first, as the loop of a door does."""
        for _ in range(bodies):
            tenant, size, late, done = self.under_way.pop(0)
            self.fairness.leave(tenant, size, late=late)
            done.set()
            await turns()


def endless(size):
    """Give a size for ever."""
    while True:
        yield size


@pytest.mark.parametrize(
    ("first", "second"),
    [((200, 1_000), (70, 1_000)), ((40, 100 * KB), (8, 100 * KB)), ((300, 100), (10, 60 * KB))],
)
async def test_two_that_want_all_get_half(first, second):
    """However many connections they have, however large their bodies are: equal bytes within 10 % (S14)."""
    load = Load()
    tasks = [
        asyncio.create_task(load.connection(tenant, endless(size)))
        for tenant, (connections, size) in (("a", first), ("b", second))
        for _ in range(connections)
    ]
    await turns()
    await load.serve(400)
    load.served.clear()
    await load.serve(3_000)

    share = load.served["a"] / sum(load.served.values())
    assert 0.45 <= share <= 0.55
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_has_nothing_under_way_never_waits():
    """A thousand bodies of one tenant do not keep another one's single record waiting (S14)."""
    load = Load()
    flood = [asyncio.create_task(load.connection("a", endless(100 * KB))) for _ in range(50)]
    await turns()
    await load.serve(30)
    other = asyncio.create_task(load.connection("b", [200]))
    await turns()

    assert "b" == load.under_way[-1][0]
    for task in (*flood, other):
        task.cancel()
    await asyncio.gather(*flood, other, return_exceptions=True)


async def test_who_is_alone_never_waits():
    """Nothing is held back for tenants that are not there."""
    load = Load()
    tasks = [asyncio.create_task(load.connection("a", [1_000_000])) for _ in range(100)]
    await turns()

    assert 100 == len(load.under_way)
    await load.serve(100)
    await asyncio.gather(*tasks)


async def test_what_catches_up_is_behind_and_goes_on():
    """In its small lane one always goes on, and all of them only while no live body waits (design 7)."""
    load = Load()
    live = [
        asyncio.create_task(load.connection(tenant, endless(50 * KB))) for tenant in "ab" for _ in range(20)
    ]
    await turns()
    late = [asyncio.create_task(load.connection("c", endless(20 * KB), late=True)) for _ in range(20)]
    await turns()

    def lane():
        return sum(size + REQUEST_BYTES for _, size, is_late, _ in load.under_way if is_late)

    assert 24 * KB == lane()
    await load.serve(200)
    assert 24 * KB == lane()
    assert load.served["c"] > 0
    for task in live:
        task.cancel()
    await asyncio.gather(*live, return_exceptions=True)
    for place in [each for each in load.under_way if not each[2]]:
        load.under_way.remove(place)
        load.fairness.leave(place[0], place[1], late=False)
    await turns()
    assert 24 * KB < lane() <= LATE_ROOM_BYTES + 24 * KB
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def test_everybody_is_served_and_nothing_is_left():
    """Random bodies, tenants, lanes and callers that go away: each turn ends, and the door is empty then."""
    rng = random.Random(14)
    fairness, done = Fairness(), Counter()

    async def caller(number):
        tenant, late, size = f"t{number % 5}", rng.random() < 0.3, rng.randrange(300 * KB)
        waiting = fairness.enter(tenant, size, late=late)
        if waiting is not None:
            await waiting
        try:
            for _ in range(rng.randrange(5)):
                await asyncio.sleep(0)
            done[tenant] += 1
        finally:
            fairness.leave(tenant, size, late=late)

    tasks = [asyncio.create_task(caller(number)) for number in range(500)]
    for task in rng.sample(tasks, 100):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)

    assert sum(done.values()) >= 400
    assert (0, 0, {}) == (fairness._total_bytes, fairness._late_bytes, fairness._under_way)
    assert not fairness._live.queues
    assert not fairness._late.queues
    assert ROOM_BYTES > LATE_ROOM_BYTES > REQUEST_BYTES
