"""Writers around deletes: pinned before they are stored, undone in order, let go in time (design 4.14)."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.changes import Clear, Undo, Upsert
from schemas.columns import Column, Columns
from schemas.durations import DAY_MS
from schemas.errors import Unavailable
from schemas.limits import DELETES_KEPT_DAYS
from schemas.receipts import Place
from storage import delete_records
from storage.memory_catalog import MemoryCatalogStore
from storage.port import SliceId
from storage.slices import WIDTH_MS, slice_start
from streams.port import Entry, Letterhead
from streams.shards import shard_of
from tests.storage.laying import StoppingStore
from tests.storage.series import OTHER, SERIES
from tests.workers.mixes import put, random_change, random_undo
from tests.workers.world import EVERYTHING, SHARDS, START_MS, World, memory_world, step
from workers import undoing
from workers.undoing import LOOK_S, divided
from workers.writer import Writer

UNDO_S = 7 * 86_400
SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)
RANGE = (START_MS, START_MS + 100)


def rows(*times: int, value: float = 1.0) -> Upsert:
    """Make rows at these times after the start."""
    return put(*(START_MS + time for time in times), value=value)


async def open_world() -> World:
    """Make a world whose shards are proved and nobody's."""
    world = memory_world()
    opener = world.writer("opener")
    await opener.keep_leases()
    await opener._leases.release()
    return world


async def delete(world: World, start: int, end: int, undo_s: int = UNDO_S) -> Undo:
    """Ask for a delete; gives what asks for it back."""
    clear = Clear(START_MS + start, START_MS + end, undo_s)
    admitted = await world.write(SERIES, clear)
    return Undo(admitted.position, clear.start_ms, clear.end_ms)


async def letters(world: World) -> list[Letterhead]:
    """List what was set aside."""
    return await world.stream.dead_letters(SHARD)


async def demand_serial(world: World) -> None:
    """Everybody sees what serial execution gives."""
    expected = world.expected(SERIES)
    assert expected == await world.read(SERIES)
    assert expected == await world.stored(SERIES)


async def test_one_turn_of_everything_is_serial_execution():
    """Writes, deletes and undos of one series in one turn are stored step by step, in their order."""
    world = await open_world()
    writer = world.writer()
    await world.write(SERIES, rows(1, 2, 3))
    first = await delete(world, 0, 3)
    await world.write(SERIES, rows(7))
    await world.write(SERIES, first)
    second = await delete(world, 2, 9)
    await world.write(SERIES, rows(3, value=5.0))
    await world.write(SERIES, second)
    await world.write(OTHER, rows(1))

    await step(writer)

    await demand_serial(world)
    assert {1, 3} == {time_ms - START_MS for time_ms in world.expected(SERIES)}
    [letter] = await letters(world)
    assert "not undone: something newer was written or deleted in the range" == letter.reason
    figures = writer._undoing.figures
    assert (1, 1) == (figures.undone, figures.refused)


async def test_an_undo_spans_slices_and_drops_the_latest_cache():
    """Every slice that the delete touched gives back what it had; the newest values come from there."""
    world = await open_world()
    writer = world.writer()
    await world.write(SERIES, rows(1))
    await world.write(SERIES, put(START_MS + WIDTH_MS, value=4.0))
    await step(writer)
    undo = await delete(world, 0, 2 * WIDTH_MS)
    await step(writer)
    assert {} == await world.read(SERIES)
    await world.write(SERIES, undo)

    behind = (await world.reading.rows(SERIES, EVERYTHING)).behind
    await step(writer)

    assert behind is not None, "only the writer can tell what an undo comes to (design 4.17)"
    await demand_serial(world)
    assert 2 == len(world.expected(SERIES))
    tail = await world.stream.read_tail(SHARD, SERIES)
    assert tail.latest is None


async def test_a_delete_for_good_costs_no_seal_and_divides_no_turn():
    """Where nothing is to be undone, nothing is kept, and a turn is one step."""
    world = await open_world()
    writer = world.writer()
    await world.write(SERIES, rows(1, 2))
    await delete(world, 0, 2, undo_s=0)
    await world.write(SERIES, rows(5))
    turns = writer.figures.turns

    await step(writer)

    assert 1 == writer.figures.turns - turns
    assert {} == world.store.pins
    await demand_serial(world)


def entry(position: int, body: bytes) -> Entry:
    """Make an entry of these bytes."""
    return Entry(position, 0, body)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("uuu", ["uuu"]),
        ("udu", ["u", "du"]),
        ("dud", ["du", "d"]),
        ("uz", ["uz"]),
        ("dz", ["d", "z"]),
        ("Ud", ["Ud"]),
        ("Ed", ["E", "d"]),
        ("Eu", ["Eu"]),
        ("duq", ["du", "q"]),
    ],
)
def test_a_turn_is_divided_where_something_must_be_stored_before(kinds, expected):
    """u: rows, d: a delete, z: one for good, q: an undo, of one series; U of another; E erases something."""
    kind = {"u": 1, "U": 1, "d": 2, "z": 2, "q": 5, "E": 4}
    bodies = [
        bytes([1, kind[each], 4, 0]) + bytes(8) + (b"\1\0\0\0" if each == "d" else bytes(4))
        + (b"\2" if each == "U" else b"\1") * 32
        for each in kinds
    ]  # fmt: skip
    entries = [entry(at, body) for at, body in enumerate(bodies)]
    tenure: Any = object()

    steps = list(divided({tenure: entries}))

    assert expected == ["".join(kinds[each.position] for each in found[tenure]) for found in steps]
    assert [] == list(divided({}))


async def test_a_crash_at_any_call_is_taken_up_by_the_next_writer():
    """Killed between pin and delete, delete and cursor, or anywhere: the next writer comes to the same."""
    seen = 0
    for last in range(1, 200):
        for after in (False, True):
            world = await open_world()
            await world.write(SERIES, rows(1, 2, 3))
            undo = await delete(world, 0, 3)
            await world.write(SERIES, rows(4))
            await world.write(SERIES, undo)
            stopping: Any = StoppingStore(world.store, last, after=after)
            died = await _killed(world.writer("dies", ports=(world.stream, stopping)), world)
            await step(world.writer("next"))
            await demand_serial(world)
            assert {1, 2, 3, 4} == {time_ms - START_MS for time_ms in world.expected(SERIES)}
            assert [] == await letters(world)
            seen += died
        if not died:
            break
    else:
        pytest.fail("this takes more calls than that")
    assert seen > 20


async def _killed(writer: Writer, world: World) -> bool:
    """Let a writer work until its store is gone; tell whether it was."""
    try:
        await step(writer)
    except Unavailable:
        await writer._leases.release()
        return True
    await writer._leases.release()
    return False


async def test_a_paused_writer_judges_nothing_after_another_has_gone_on():
    """It finds the cursor beyond its entry, lets go of the shard, and sets nothing aside."""
    world = await open_world()
    await world.write(SERIES, rows(1, 2))
    undo = await delete(world, 0, 5)
    paused = world.writer("paused")
    await step(paused)
    await world.write(SERIES, undo)
    [tenure] = [held for shard, held in paused._held.items() if shard == SHARD]
    entries = (await world.stream.read({SHARD: tenure.cursor}, bytes_max=1 << 20))[SHARD]
    await paused._leases.release()
    other = world.writer("other")
    await step(other)
    await world.write(SERIES, rows(3, value=7.0))
    await step(other)

    assert 0 == await paused._store_and_report({tenure: entries})

    assert SHARD not in paused._held
    assert [] == await letters(world)
    await demand_serial(world)


async def test_a_writer_that_lost_its_shard_pins_nothing_in_vain():
    """It may not note a slice as one that cannot be sealed only because it is no longer allowed to."""
    world = await open_world()
    writer = world.writer()
    await step(writer)
    await world.write(SERIES, rows(1))
    await step(writer)
    await delete(world, 0, 5)
    tenure = writer._held[SHARD]
    seal = writer._undoing._seal

    async def let_go(*arguments: Any) -> None:
        writer._let_go({SHARD})
        await seal(*arguments)

    writer._undoing._seal = let_go
    entries = (await world.stream.read({SHARD: tenure.cursor}, bytes_max=1 << 20))[SHARD]
    with pytest.raises(Unavailable):
        await writer._store_and_report({tenure: entries})

    assert {} == world.store.pins


async def test_what_can_be_undone_no_more_is_let_go():
    """After its time the pins go, then what only they had kept; after a month the record goes, too."""
    world = await open_world()
    catalog = await _catalog()
    writer = world.writer(catalog=catalog)
    await world.write(SERIES, Upsert(_many(20_000)))
    await step(writer)
    await delete(world, 0, 20_000)
    await step(writer)
    [document] = await catalog.list(SERIES.tenant, delete_records.KIND)
    record = delete_records.record_in(document)
    assert ("", UNDO_S * 1000) == (record.by, record.until_ms - record.at_ms)

    await _rest(world, writer, record.until_ms - START_MS - 2 * 3_600_000)
    assert 1 == len(world.store.pins[_slice()])
    await _rest(world, writer, 3 * 3_600_000)
    assert {} == world.store.pins[_slice()]
    assert {} == world.store.blocks[_slice(), 0]
    [document] = await catalog.list(SERIES.tenant, delete_records.KIND)
    assert delete_records.record_in(document).released

    await _rest(world, writer, DELETES_KEPT_DAYS * DAY_MS)
    assert [] == await catalog.list(SERIES.tenant, delete_records.KIND)
    assert 1 == writer._undoing.figures.released


async def test_a_waiting_undo_holds_what_it_may_bring_back():
    """While an entry from before the end of the time waits, nothing is let go, whatever the clock says."""
    world = await open_world()
    catalog = await _catalog()
    writer = world.writer(catalog=catalog)
    await world.write(SERIES, rows(1, 2))
    undo = await delete(world, 0, 5)
    await step(writer)
    world.clock.advance(UNDO_S * 1000 - 1)
    await writer._renew_limits()
    await world.write(SERIES, undo)
    world.clock.advance(int(LOOK_S * 1000))
    await writer._undoing.look(writer._held)

    assert 1 == len(world.store.pins[_slice()])
    await step(writer)
    await demand_serial(world)
    assert 2 == len(world.expected(SERIES))


async def test_records_beyond_their_number_are_forgotten(monkeypatch):
    """The oldest first, and none that can still be undone."""
    monkeypatch.setattr(undoing, "DELETES_KEPT_MAX", 2)
    world = await open_world()
    catalog = await _catalog()
    writer = world.writer(catalog=catalog)
    await step(writer)
    for number in range(4):
        undo_s = UNDO_S if number == 0 else 0
        admitted = await world.write(SERIES, Clear(*RANGE, undo_s))
        await delete_records.note(catalog, SERIES.tenant, _record(admitted.position, undo_s))
    await _rest(world, writer, int(LOOK_S * 1000))

    left = await catalog.list(SERIES.tenant, delete_records.KIND)
    assert 3 == len(left)
    assert delete_records.record_in(left[0]).until_ms


async def _catalog() -> MemoryCatalogStore:
    catalog = MemoryCatalogStore()
    await catalog.create("core", "tenant", SERIES.tenant, b"{}")
    return catalog


def _record(position: int, undo_s: int) -> delete_records.DeleteRecord:
    return msgspec.structs.replace(
        delete_records.record_of(SERIES, Place(SHARD, 1, position), Clear(*RANGE, undo_s)), by="someone"
    )


async def _rest(world: World, writer: Writer, duration_ms: int) -> None:
    """Let time go by, in which nothing comes; then look, and purge after the grace."""
    world.clock.advance(duration_ms)
    await writer._renew_limits()
    await writer.tidy()
    world.clock.advance(10_000)
    await writer.tidy()


def _slice() -> SliceId:
    return SliceId(SERIES, slice_start(SERIES, START_MS))


def _many(count: int) -> Columns:
    dice = np.random.default_rng(1)
    return Columns(START_MS + np.arange(count, dtype="<i8"), {1: Column(dice.normal(0, 1, count))})


@pytest.mark.parametrize("seed", range(20))
async def test_any_mix_with_undos_is_serial_execution(seed):
    """Random writes, deletes and undos in turns of any length, read at any moment."""
    dice = random.Random(seed)
    world = await open_world()
    writer = world.writer()
    for number in range(60):
        before = world.acknowledged.get(SERIES, [])
        await world.write(SERIES, random_undo(dice, before) or random_change(dice, number))
        if dice.random() < 0.3:
            await step(writer)
            world.clock.advance(dice.choice([1, 3_000, 8_000]))
            await demand_serial(world)
    await step(writer)
    await demand_serial(world)
