"""The writer stopped at every call to the store around an import that can be undone (R21, MS-30, 4.14).

Live writes, a delete beside it and the undo of both stand between; another writer takes the shard over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from schemas.changes import Change, Clear, Undo, Upsert
from schemas.columns import Columns
from schemas.errors import Unavailable
from streams.shards import shard_of
from tests.storage.laying import StoppingStore
from tests.storage.series import SERIES
from tests.workers.mixes import UNDO_S, put
from tests.workers.world import SHARDS, START_MS, World, memory_world, step
from workers.writer import Writer

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)
BESIDE = Clear(START_MS + 100, START_MS + 110, UNDO_S)
CALLS_MIN = 40
"""Calls to the store that such a story takes at least, or the kills have missed it."""


async def story(world: World, *, overlapped: bool, parts: bool) -> AsyncIterator[Change | Undo]:
    """Give what is written; after each the writer may do its work."""
    before = put(START_MS + 2, START_MS + 105, value=1.0).columns
    yield Upsert(Columns(before.time_ms, before.cells | {2: before.cells[1]}))
    rows = put(*range(START_MS, START_MS + 9, 2), value=2.0).columns
    rows = Columns(rows.time_ms, rows.cells, np.ones(rows.rows, bool) if parts else None)
    yield (brought := await world.stage(SERIES, rows, UNDO_S))
    imported = world.acknowledged[SERIES][-1][0]
    yield put(START_MS + 20, value=3.0)
    yield BESIDE
    deleted = world.acknowledged[SERIES][-1][0]
    yield put(START_MS + 4, value=4.0 if overlapped else 2.0)
    yield Undo(deleted, BESIDE.start_ms, BESIDE.end_ms)
    yield Undo(imported, brought.reach.start, brought.reach.stop)
    yield put(START_MS + 6, value=5.0)


async def work(world: World, writer: Writer, taking_over: list[Writer]) -> Writer:
    """Let the writer work; where it is gone, the next one takes over once the lease has run out."""
    try:
        await step(writer)
    except Unavailable:
        writer = taking_over.pop()
        world.clock.advance(60_000)
        await step(writer)
    assert world.expected(SERIES) == await world.read(SERIES)
    return writer


async def play(at: int, *, after: bool, at_once: int, **told: bool) -> tuple[World, int]:
    """Tell the story with one kill; gives the calls that the first writer made."""
    world = memory_world()
    stopping: Any = StoppingStore(world.store, at, after=after)
    writer, following = world.writer("w1", ports=(world.stream, stopping)), [world.writer("w2")]
    await step(world.writer("w0"))  # The shard is open, whatever is killed.
    world.clock.advance(60_000)
    count = 0
    async for change in story(world, **told):
        await world.write(SERIES, change)
        count += 1
        if count % at_once == 0:
            writer = await work(world, writer, following)
    for _ in range(4):
        world.clock.advance(6_000)
        writer = await work(world, writer, following)
    assert world.expected(SERIES) == await world.stored(SERIES)
    return world, stopping.calls


@pytest.mark.parametrize(
    ("at_once", "overlapped", "parts"),
    [(1, False, False), (8, False, False), (8, True, True), (1, False, True)],
)
@pytest.mark.parametrize("after", [False, True])
async def test_a_writer_killed_at_every_call_brings_and_takes_back_an_import_once(
    after: bool, at_once: int, overlapped: bool, parts: bool
):
    """Whoever stores it: rows, delete and undos come to the same, and what was refused is set aside once.

    So it is with whole rows, and with parts that are merged into what was there.
    """
    at, calls = 0, 0
    while calls >= at:
        at += 1
        world, calls = await play(at, after=after, at_once=at_once, overlapped=overlapped, parts=parts)

        letters = await world.stream.dead_letters(SHARD)
        assert ["something newer" in letter.reason for letter in letters] == [True] * overlapped, at
    assert at > CALLS_MIN
