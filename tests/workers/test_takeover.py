"""Shards are opened only with proof, and what was lost is known as lost (design 4, R4, R6)."""

from __future__ import annotations

import pytest

from api.reading.receipts import Fate
from schemas.errors import StreamUnavailable
from schemas.receipts import Place
from streams.entries import SeriesEntry, encode_entry
from streams.port import Admission, Refusal
from streams.shards import shard_of
from tests.storage.series import SERIES
from tests.workers.mixes import put
from tests.workers.world import EVERYTHING, SHARDS, START_MS, memory_world, step
from workers.takeover import GapFound, take_over

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)


async def refusal(world) -> object:
    """Try to append and give the answer."""
    body = encode_entry(SeriesEntry(SERIES, 1, put(START_MS)))
    [answer] = await world.stream.append([Admission(SHARD, SERIES, body)])
    return answer


def place(admitted) -> list[Place]:
    """Give the places of an admitted entry."""
    return [Place(SHARD, admitted.incarnation, admitted.position)]


async def test_nothing_is_admitted_before_a_writer_has_opened_the_shard():
    """A fresh server refuses until a writer has proved the shard for it."""
    world = memory_world()

    assert await refusal(world) is Refusal.NOT_PROVED
    await step(world.writer())
    assert await refusal(world) is not Refusal.NOT_PROVED


async def test_a_restarted_server_loses_nothing_and_opens_under_a_new_incarnation():
    """After a clean restart the entries are there, positions go on above, receipts stay good."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    before = await world.write(SERIES, put(START_MS))
    world.stream.restart()

    assert await refusal(world) is Refusal.NOT_PROVED
    await step(writer)
    after = await world.write(SERIES, put(START_MS + 1))
    await step(writer)

    assert after.position > before.position
    assert after.incarnation == before.incarnation + 1
    assert (Fate.APPLIED, "") == await world.reading._receipts.fate(place(before))
    assert world.expected(SERIES) == await world.read(SERIES)


async def test_an_emptied_server_is_noticed_and_its_receipts_are_lost():
    """FLUSHALL keeps run id and connections; what was not stored yet answers as lost (410)."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    kept = await world.write(SERIES, put(START_MS))
    await step(writer)
    lost = await world.write(SERIES, put(START_MS + 1))
    world.stream.wipe()

    assert await refusal(world) is Refusal.NOT_PROVED
    await step(writer)
    await step(writer)

    receipts = world.reading._receipts
    assert Fate.LOST is (await receipts.fate(place(lost)))[0]
    assert Fate.APPLIED is (await receipts.fate(place(kept)))[0]
    assert not isinstance(await refusal(world), Refusal)


async def test_a_server_set_back_to_an_older_state_is_noticed():
    """Entries acknowledged after the restored state answer as lost, new ones get positions above them."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    await world.write(SERIES, put(START_MS))
    saved = world.stream.save()
    lost = await world.write(SERIES, put(START_MS + 1))
    world.stream.restore(saved)
    await step(writer)
    await step(writer)

    fresh = await world.write(SERIES, put(START_MS + 2))

    assert fresh.position > lost.position
    assert Fate.LOST is (await world.reading._receipts.fate(place(lost)))[0]


async def world_with_a_trimmed_entry():
    """Give a world whose stream server no longer has the one entry that its store has."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    await world.write(SERIES, put(START_MS))
    await step(writer)
    await step(writer)
    return world


async def test_a_store_that_never_saw_trimmed_entries_is_refused():
    """A writer with another, or an older, store stops before it makes the gap permanent."""
    world = await world_with_a_trimmed_entry()
    other = memory_world().store

    with pytest.raises(GapFound, match="trimmed"):
        await take_over(world.stream, other, SHARD)
    assert await take_over(world.stream, other, SHARD, accept_gap=True) is not None


async def test_an_accepted_gap_is_left_behind_for_good():
    """Told to accept the gap, a writer goes on behind it; the next one needs no word, no read waits."""
    world = await world_with_a_trimmed_entry()
    world.keep_in(memory_world().store)

    held = await take_over(world.stream, world.store, SHARD, accept_gap=True)
    again = await take_over(world.stream, world.store, SHARD)

    assert held is not None
    assert again is not None
    assert (held.cursor, held.incarnation) == (again.cursor, again.incarnation)
    rows = await world.reading.rows(SERIES, EVERYTHING)
    assert (0, None) == (rows.columns.rows, rows.behind)


async def test_the_limit_stops_positions_an_hour_after_the_last_writer():
    """Without a writer no position beyond the stored limit is given: 503 after an hour."""
    world = memory_world()
    await step(world.writer())
    world.clock.advance(3_599_000)
    assert not isinstance(await refusal(world), Refusal)

    world.clock.advance(2_000)

    assert await refusal(world) is Refusal.LIMIT


async def test_of_two_writers_only_one_opens_a_shard():
    """Two that find the same state: the compare-and-set lets one through, the other looks again."""
    world = memory_world()
    row = await world.store.read_shard(SHARD)
    first = await take_over(world.stream, world.store, SHARD)
    again = await take_over(world.stream, world.store, SHARD)

    assert (0, 1, 1) == (row.version, first.incarnation, again.incarnation)
    assert first.version == again.version


async def test_a_stopped_server_is_waited_for():
    """A stream that does not answer is an outage, not a loss."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    admitted = await world.write(SERIES, put(START_MS))
    world.stream.stop()
    with pytest.raises(StreamUnavailable):
        await step(writer)
    world.stream.start()
    await step(writer)
    await step(writer)

    assert (Fate.APPLIED, "") == await world.reading._receipts.fate(place(admitted))
