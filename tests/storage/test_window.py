"""What may be under way at once."""

import asyncio
import random

import pytest

from storage.cassandra.window import Window


async def entered(task: asyncio.Task[None]) -> bool:
    """Let the loop run and say whether the task came in."""
    for _ in range(3):
        await asyncio.sleep(0)
    return task.done()


async def test_requests_are_bounded() -> None:
    """One more than fits waits until another leaves."""
    window = Window(2, 1_000)
    await window.enter(1)
    await window.enter(1)
    third = asyncio.create_task(window.enter(1))

    assert not await entered(third)
    window.leave(1)
    assert await entered(third)
    assert (window.requests, window.bytes) == (2, 2)


async def test_bytes_are_bounded_and_nobody_overtakes() -> None:
    """A large one waits for room, and small ones behind it wait too: first come, first served."""
    window = Window(100, 100)
    await window.enter(60)
    large = asyncio.create_task(window.enter(50))
    assert not await entered(large)
    small = asyncio.create_task(window.enter(1))

    assert not await entered(small)
    window.leave(60)
    assert await entered(large)
    assert await entered(small)


async def test_what_is_larger_than_the_window_passes_alone() -> None:
    """A single request above the bound does not wait for ever."""
    window = Window(10, 100)
    await window.enter(1)
    huge = asyncio.create_task(window.enter(1_000))

    assert not await entered(huge)
    window.leave(1)
    assert await entered(huge)
    window.leave(1_000)
    assert (window.requests, window.bytes) == (0, 0)


async def test_a_cancelled_waiter_leaves_its_place_to_the_next() -> None:
    """If the large one at the front goes away, those behind it come in."""
    window = Window(10, 100)
    await window.enter(60)
    large = asyncio.create_task(window.enter(50))
    assert not await entered(large)
    small = asyncio.create_task(window.enter(10))
    assert not await entered(small)

    large.cancel()

    assert await entered(small)
    assert (window.requests, window.bytes) == (2, 70)


@pytest.mark.parametrize("seed", range(5))
async def test_a_storm_of_cancellations_loses_no_room(seed: int) -> None:
    """Whoever is cancelled and when: in the end the window is empty, and never was it overfull."""
    dice = random.Random(seed)
    window = Window(8, 1_000)

    async def visit(size: int) -> None:
        await window.enter(size)
        try:
            assert window.requests <= 8
            assert window.bytes <= 1_000
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
        finally:
            window.leave(size)

    tasks = [asyncio.create_task(visit(dice.randrange(1, 600))) for _ in range(300)]
    for task in dice.sample(tasks, 150):
        await asyncio.sleep(0)
        task.cancel()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
    assert (window.requests, window.bytes) == (0, 0)
