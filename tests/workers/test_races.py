"""One interleaving a test: what happens to a writer between two of its calls (design 3.6, 4.6, 4.7, 4.12).

A hook runs what others do at one call of a writer; the writer then goes on as if it had been paused there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.reading.receipts import Fate, Receipts
from schemas.changes import Clear
from schemas.errors import OutcomeUnknown, StoreUnavailable
from schemas.ids import AspectId, SeriesId
from schemas.latest import Latest
from schemas.receipts import Place
from storage.port import SliceId
from storage.slices import WIDTH_MS, slice_start
from streams.shards import shard_of
from tests.storage.layers import serial
from tests.storage.series import OTHER, SERIES
from tests.workers.mixes import NEWEST, newest_of, put
from tests.workers.world import SHARDS, START_MS, World, memory_world, step
from workers import latest, writer
from workers.latest import LatestKeeper
from workers.takeover import GapFound
from workers.writer import Writer

BESIDE = SeriesId(SERIES.tenant, SERIES.asset, AspectId("c" * 32))
"""In the shard of SERIES, because it is of the same asset."""

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)
LEASE_MS = 10_000
Hook = Callable[[], Awaitable[Any]]


class Hooked:
    """An adapter with something that happens once, before or after one of its calls."""

    def __init__(self, inner: Any) -> None:
        """Stand before an adapter; nothing happens yet."""
        self.inner = inner
        self.before: dict[str, Hook] = {}
        self.after: dict[str, Hook] = {}

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if name in self.before:
                await self.before.pop(name)()
            answer = await getattr(self.inner, name)(*arguments, **options)
            if name in self.after:
                await self.after.pop(name)()
            return answer

        return call


class Stage:
    """A world, and a first writer whose stream and store have hooks."""

    def __init__(self) -> None:
        """Begin empty."""
        self.world: World = memory_world()
        self.stream, self.store = Hooked(self.world.stream), Hooked(self.world.store)
        self.first: Writer = self.world.writer("w1", ports=(self.stream, self.store))

    async def pass_to_other(self, name: str = "w2") -> Writer:
        """Let the lease of everyone else run out and another writer take over."""
        self.world.clock.advance(LEASE_MS + 1)
        other = self.world.writer(name)
        await step(other)
        return other

    async def check(self) -> None:
        """Every series reads as serial execution, whole and its newest row, with tail and without."""
        for series in (SERIES, BESIDE):
            expected = self.world.expected(series)
            assert expected == await self.world.read(series)
            assert expected == await self.world.stored(series)
            assert newest_of(expected) == await self.newest(series)

    async def newest(self, series: Any) -> Any:
        """Read the newest row."""
        return serial([(await self.world.reading.newest(series, NEWEST)).columns])


@pytest.fixture
def stage() -> Stage:
    """Give a stage."""
    return Stage()


async def test_a_paused_writer_does_not_report_what_it_did_not_see(stage):
    """A latest cache is not advanced over entries that another writer applied and trimmed (MS-43)."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS + 10))
    await step(stage.first)
    other = await stage.pass_to_other()
    await stage.world.write(SERIES, put(START_MS + 20))
    await step(other)
    await step(other)  # trims
    await stage.world.write(SERIES, put(START_MS + 15))

    await stage.first.turn(_stopped())

    assert newest_of(stage.world.expected(SERIES)) == await stage.newest(SERIES)


async def test_a_writer_that_gets_its_lease_back_does_not_believe_it_had_it_all_the_time(stage):
    """Another one held the shard between two renewals and left: its entries were not seen."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS + 10))
    await step(stage.first)
    other = await stage.pass_to_other()
    await stage.world.write(SERIES, put(START_MS + 20, START_MS + WIDTH_MS))
    await step(other)
    await step(other)
    await other._leases.release()
    await stage.world.write(SERIES, Clear(START_MS, START_MS + 2 * WIDTH_MS))

    await step(stage.first)
    await step(stage.first)

    await stage.check()


async def test_a_delete_by_a_paused_writer_reaches_slices_that_it_never_saw(stage):
    """The other one dies before it stores the same delete: the cursor says that it is done (MS-50)."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS + 10))
    await step(stage.first)
    other = await stage.pass_to_other()
    await stage.world.write(SERIES, put(START_MS + WIDTH_MS))
    await step(other)
    await step(other)
    await stage.world.write(SERIES, Clear(START_MS, START_MS + 2 * WIDTH_MS))

    await stage.first.turn(_stopped())
    await stage.pass_to_other("w3")

    await stage.check()


async def test_slices_listed_while_the_shard_was_lost_are_not_remembered(stage):
    """The listing was on its way when the shard went to another, which then made a new slice."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS + 10))

    async def lose() -> None:
        other = await stage.pass_to_other()
        await stage.world.write(SERIES, put(START_MS + 20, START_MS + WIDTH_MS))
        await step(other)
        await stage.first.keep_leases()
        await other._leases.release()

    stage.store.after["read_slices"] = lose
    await stage.first.turn(_stopped())
    await step(stage.first)
    await stage.world.write(SERIES, Clear(START_MS, START_MS + 2 * WIDTH_MS))
    await step(stage.first)
    await stage.check()

    await stage.world.write(SERIES, put(START_MS + 5))
    await step(stage.first)
    await stage.check()


async def test_a_seal_does_not_tell_readers_of_a_turn_before_the_turn_does(stage):
    """While the report of a turn is on its way, nothing else may raise `applied` over its series."""
    await step(stage.first)
    for series in (SERIES, BESIDE):
        await stage.world.write(series, put(START_MS + 10))
    await stage.world.write(SERIES, Clear(START_MS, START_MS + 20))  # drops its cache: a seal fills it
    await step(stage.first)
    for series in (SERIES, BESIDE):
        await stage.world.write(series, put(START_MS + 20))
    seen: dict[Any, Any] = {}

    async def seal() -> None:
        stage.world.clock.advance(6_000)
        await stage.first.tidy()
        for series in (SERIES, BESIDE):
            seen[series] = await stage.newest(series)

    stage.stream.before["report_applied"] = seal
    await stage.first.turn(_stopped())

    assert {series: newest_of(stage.world.expected(series)) for series in (SERIES, BESIDE)} == seen


async def test_the_grace_begins_after_the_head_was_changed(stage):
    """A seal that takes longer than the grace does not purge at once what readers still read (design 4.7)."""
    slice_id = SliceId(SERIES, slice_start(SERIES, START_MS))

    async def be_slow() -> None:
        stage.world.clock.advance(60_000)

    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS))
    await step(stage.first)
    stage.world.clock.advance(6_000)
    stage.store.before["swap_head"] = be_slow
    await stage.first.tidy()
    assert 1 == (await stage.world.store.read_head(slice_id)).version

    await stage.first.tidy()
    assert await stage.world.store.read_deltas(slice_id, 0)

    stage.world.clock.advance(2_001)
    await stage.first.tidy()
    assert not await stage.world.store.read_deltas(slice_id, 0)
    await stage.check()


async def test_a_slice_whose_seal_failed_is_sealed_later(stage):
    """An outage of the store costs a later seal; the slice need not be written again for it (design 4.6)."""
    slice_id = SliceId(SERIES, slice_start(SERIES, START_MS))

    async def fail() -> None:
        raise StoreUnavailable("no answer")

    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS))
    await step(stage.first)
    stage.world.clock.advance(6_000)
    stage.store.before["swap_head"] = fail
    with pytest.raises(StoreUnavailable) as failure:
        await stage.first.tidy()
    await stage.first._recover(failure.value)
    assert 0 == (await stage.world.store.read_head(slice_id)).version

    await step(stage.first)
    stage.world.clock.advance(6_000)
    await step(stage.first)

    assert 1 == (await stage.world.store.read_head(slice_id)).version
    await stage.check()


async def test_a_server_emptied_during_a_turn_does_not_lose_what_the_turn_stores(stage):
    """A receipt does not say lost while a read shows the entry (design 4, receipt; R4)."""
    await step(stage.first)
    written = await stage.world.write(SERIES, put(START_MS))

    async def wipe() -> None:
        stage.world.stream.wipe()
        await stage.first.keep_leases()
        await stage.first.keep_leases()

    stage.store.before["write_turn"] = wipe
    await stage.first.turn(_stopped())
    await step(stage.first)

    receipts = Receipts(stage.world.stream, stage.world.store, bytes(32))
    fate, _ = await receipts.fate([Place(SHARD, written.incarnation, written.position)])
    assert Fate.APPLIED is fate
    await stage.check()


async def test_a_turn_whose_shard_was_lost_and_regained_meanwhile_counts_for_nothing(stage):
    """What a turn knows of an older tenure must not be laid over what is known now."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS + 20, value=1))

    async def lose_and_regain() -> None:
        other = await stage.pass_to_other()
        await stage.world.write(SERIES, put(START_MS + 20, value=2))
        await step(other)
        stage.world.clock.advance(6_000)
        await stage.first.keep_leases()
        await other._leases.release()
        await stage.first.keep_leases()
        await stage.first.tidy()

    stage.store.after["write_turn"] = lose_and_regain
    await stage.first.turn(_stopped())
    for at in (5, 21, 6):
        await stage.world.write(SERIES, put(START_MS + at, value=float(at)))
        await step(stage.first)
        assert newest_of(stage.world.expected(SERIES)) == await stage.newest(SERIES)
    await stage.check()


async def test_a_writer_whose_keeper_fails_ends_with_its_error(stage):
    """A writer that can never work (trimmed beyond the store) says so instead of waiting for ever."""
    await step(stage.first)
    await stage.world.write(SERIES, put(START_MS))
    await step(stage.first)
    await step(stage.first)
    stage.world.clock.advance(LEASE_MS + 1)
    stranger = World(stage.world.stream, memory_world().store, stage.world.clock).writer("w2")

    with pytest.raises(GapFound, match="trimmed"):
        async with asyncio.timeout(5):
            await stranger.run(asyncio.Event())


async def test_a_promise_whose_answer_is_lost_is_an_outage_and_no_end(stage, monkeypatch):
    """The compare-and-set of a shard's row may have been applied: the writer looks again and goes on."""
    monkeypatch.setattr(writer, "BACKOFF_S", 0.01)

    async def lose() -> None:
        raise OutcomeUnknown("no answer")

    stage.store.after["swap_shard"] = lose
    stop = asyncio.Event()
    first = stage.world.writer("w1", ports=(stage.stream, stage.store), lease_s=0.05)
    running = asyncio.create_task(first.run(stop))
    async with asyncio.timeout(10):
        while len(first._held) < SHARDS and not running.done():
            await asyncio.sleep(0.01)
    stop.set()
    await running

    assert "swap_shard" not in stage.store.after


def test_a_forgotten_series_is_not_filled_from_before_its_last_change(monkeypatch):
    """The keeper is bounded; what it forgot stays unknown for caches that are older (design 4.12)."""
    monkeypatch.setattr(latest, "SERIES_MAX", 2)
    keeper = LatestKeeper()
    changes: dict[Any, Any] = {SERIES: [], OTHER: [], "third": [], "fourth": []}

    keeper.after(changes, 10)

    assert keeper.offer(SERIES, Latest(9, complete=True)) is None
    assert keeper.offer(SERIES, Latest(10, complete=True)) is not None


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    stop.set()
    return stop
