"""What is kept before a delete, and what an undo comes to, on every store (design 4.14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from schemas.changes import Attach, Clear, Undo
from schemas.columns import Columns
from schemas.errors import Corrupt
from storage import blocks, levels
from storage.heads import decode_refs
from storage.memory import MemorySeriesStore
from storage.pins import Pinned, decode_pin, encode_pin
from storage.port import Pin, SeriesStore, SliceId
from storage.purging import purge, release
from storage.reader import read_series
from storage.sealing import seal
from storage.spans import EVERYTHING, Wanted
from storage.undoing import (
    ANY_POSITION,
    DAMAGED,
    EXPIRED,
    NOT_KEPT,
    OVERLAPPED,
    cleared_by,
    count_kept,
    judge,
    keep,
)
from storage.verifying import Seen, verify_series
from tests.storage.laying import FIRST_MS, SLICE, head_of, ids, lay, state_of, walk
from tests.storage.opened import opened_store
from tests.storage.series import SERIES

HOUR_S = 3600
DELETE = 10
UNTIL_MS = HOUR_S * 1000


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """Each series store in turn."""
    async with opened_store(request, tmp_path) as opened:
        yield opened


class Shelf:
    """A slice, its deletes, and what is known of them."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.ids = ids()

    async def seal(self, upto: int, rows_max: int = blocks.BLOCK_ROWS_MAX) -> None:
        """Seal, and purge at once: what is named stays."""
        with mock.patch.object(blocks, "BLOCK_ROWS_MAX", rows_max):
            sealed = await seal(self.store, SLICE, upto, self.ids)
        if sealed is not None:
            await purge(self.store, sealed)

    async def delete(self, position: int, start: int, end: int, undo_s: int = HOUR_S) -> Undo:
        """Keep and clear a range, as a writer does; gives what asks for it back."""
        clear = Clear(FIRST_MS + start, FIRST_MS + end, undo_s)

        async def sealing(_: SliceId) -> None:
            await self.seal(position - 1)

        await keep(self.store, SLICE, cleared_by(position, clear), sealing)
        await lay(self.store, position, clear)
        return Undo(position, clear.start_ms, clear.end_ms)

    async def undo(self, position: int, undo: Undo, at_ms: int = 0) -> str:
        """Judge, and lay what comes of it; gives why nothing does."""
        judged = await judge(self.store, SERIES, undo, before=position, at_ms=at_ms)
        if isinstance(judged, str):
            return judged
        await lay(self.store, position, judged)
        return ""


async def test_an_undo_brings_back_exactly_what_the_delete_took(store: SeriesStore) -> None:
    """Sealed and unsealed rows alike, with every value; what lies beside the range is as it is now."""
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(500)))
    await shelf.seal(1, rows_max=100)
    await lay(store, 2, walk(1000 * np.arange(250, 350), seed=2))
    before = await state_of(store)
    undo = await shelf.delete(DELETE, 120_500, 300_001)
    await shelf.seal(DELETE)
    await lay(store, DELETE + 1, walk([120_000, 301_000], seed=3))
    beside = await state_of(store)

    assert 180 == await count_kept(store, SERIES, undo)
    assert "" == await shelf.undo(20, undo)

    took = {time_ms: row for time_ms, row in before.items() if undo.start_ms <= time_ms < undo.end_ms}
    assert 180 == len(took)
    expected = {**beside, **took}
    assert expected == await state_of(store)
    part = Wanted(FIRST_MS + 200_000, FIRST_MS + 260_000, frozenset({2}), rows=7, descending=True)
    assert 7 == (await read_series(store, SERIES, part)).rows
    await shelf.seal(20)
    await purge(store, await release(store, SLICE, UNTIL_MS))
    assert expected == await state_of(store)
    assert [] == await verify_series(store, SERIES, Seen())


async def test_a_delete_and_its_undo_between_two_seals_leave_nothing_behind(store: SeriesStore) -> None:
    """Taken up by one seal, they come to the state before both."""
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(300)))
    before = await state_of(store)
    undo = await shelf.delete(DELETE, 0, 200_000)

    assert "" == await shelf.undo(11, undo)

    assert before == await state_of(store)
    await shelf.seal(11, rows_max=50)
    assert before == await state_of(store)


NEWER: dict[str, Any] = {
    "a row in the range": walk([50_000]),
    "a delete that overlaps": Clear(FIRST_MS + 99_000, FIRST_MS + 200_000),
}


@pytest.mark.parametrize("sealed", [False, True], ids=["unsealed", "sealed"])
@pytest.mark.parametrize("newer", NEWER)
async def test_nothing_is_undone_over_what_is_newer(store: SeriesStore, newer: str, sealed: bool) -> None:
    """A write or a delete with a higher position forbids the undo, also where a seal has taken it up."""
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(100)))
    undo = await shelf.delete(DELETE, 0, 100_000)
    change = NEWER[newer]
    if isinstance(change, Clear):
        await shelf.delete(11, 99_000, 200_000, undo_s=0)
    else:
        await lay(store, 11, change)
    if sealed:
        await shelf.seal(11)
    after = await state_of(store)

    assert OVERLAPPED == await shelf.undo(12, undo)
    assert after == await state_of(store)


async def test_what_is_above_an_undo_does_not_count(store: SeriesStore) -> None:
    """A writer that was paused judges an entry as the one that overtook it did: by what came before."""
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2, 3]))
    undo = await shelf.delete(DELETE, 0, 10)
    await lay(store, 30, walk([2], seed=5))
    await shelf.delete(31, 0, 2, undo_s=0)

    assert isinstance(await judge(store, SERIES, undo, before=20, at_ms=0), Attach)
    assert OVERLAPPED == await judge(store, SERIES, undo, before=ANY_POSITION, at_ms=0)


async def test_a_row_beside_the_range_in_a_block_across_it_forbids_nothing(store: SeriesStore) -> None:
    """A block that reaches over the whole range is looked into: only a row in the range counts."""
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(100)))
    await shelf.seal(1)
    undo = await shelf.delete(DELETE, 40_000, 60_000)
    await lay(store, 11, walk([70_500], seed=4))
    await shelf.seal(11)
    assert 1 == len((await head_of(store)).blocks)

    assert "" == await shelf.undo(12, undo)
    assert 101 == len(await state_of(store))
    assert OVERLAPPED == await shelf.undo(13, undo), "its own rows are there now"


async def test_two_deletes_are_undone_in_the_order_back(store: SeriesStore) -> None:
    """The older one of two that overlap cannot be undone; the newer one gives back what it took."""
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(10)))
    older = await shelf.delete(DELETE, 0, 5_000)
    await lay(store, 11, walk([3_000], seed=9))
    between = await state_of(store)
    newer = await shelf.delete(12, 2_000, 9_000)

    assert OVERLAPPED == await shelf.undo(13, older)
    assert "" == await shelf.undo(14, newer)
    assert between == await state_of(store)


async def test_the_time_of_an_undo_ends(store: SeriesStore) -> None:
    """It begins with the delete's position; from its end on nothing comes back, kept or not."""
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2, 3]))
    undo = await shelf.delete(DELETE, 0, 10)

    assert EXPIRED == await shelf.undo(20, undo, at_ms=UNTIL_MS)
    await purge(store, await release(store, SLICE, UNTIL_MS))
    assert NOT_KEPT == await shelf.undo(21, undo)


async def test_released_pins_leave_nothing_behind(store: SeriesStore) -> None:
    """Where the pinned blocks lie in parts that the head names no more, they are found all the same."""
    shelf = Shelf(store)
    with mock.patch.object(blocks, "PART_BYTES_MAX", 1):
        await lay(store, 1, walk(1000 * np.arange(300)))
        await shelf.seal(1, rows_max=100)
        await shelf.delete(DELETE, 0, 300_000)
        await shelf.seal(DELETE)
    assert [] == await verify_series(store, SERIES, Seen())
    assert await store.list_blocks(SLICE, 2)

    await purge(store, await release(store, SLICE, UNTIL_MS - 1))
    assert await store.list_blocks(SLICE, 2)
    await purge(store, await release(store, SLICE, UNTIL_MS))

    assert [{}] * 4 == [await store.list_blocks(SLICE, part) for part in range(4)]


async def test_nothing_is_undone_without_something_kept() -> None:
    """A delete that is for good, one of an empty series, one that never was: nothing comes back."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    assert NOT_KEPT == await shelf.undo(2, Undo(1, 0, 2**60))
    await lay(store, 1, walk([1, 2]))
    undo = await shelf.delete(DELETE, 0, 10, undo_s=0)

    assert [] == await store.read_pins(SLICE)
    assert NOT_KEPT == await shelf.undo(11, undo)
    assert await count_kept(store, SERIES, undo) is None


async def test_a_slice_that_cannot_be_sealed_is_deleted_for_good() -> None:
    """Damage does not hold a delete up: it is pinned as one of which nothing is kept, and says so."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2]))
    clear = Clear(FIRST_MS, FIRST_MS + 10, HOUR_S)

    async def in_vain(_: SliceId) -> None:
        return

    await keep(store, SLICE, cleared_by(DELETE, clear), in_vain)
    await lay(store, DELETE, clear)

    [pin] = await store.read_pins(SLICE)
    assert decode_pin(pin.body).head is None
    undo = Undo(DELETE, clear.start_ms, clear.end_ms)
    assert NOT_KEPT == await shelf.undo(11, undo)
    assert await count_kept(store, SERIES, undo) is None


async def test_damage_is_an_answer() -> None:
    """A block that is gone, a pin that does not decode: nothing is attached, and nothing is raised."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2]))
    undo = await shelf.delete(DELETE, 0, 10)
    [pin] = await store.read_pins(SLICE)
    rows, store.blocks[SLICE, 0] = store.blocks[SLICE, 0], {}

    assert DAMAGED == await shelf.undo(11, undo)
    found = [finding.words for finding in await verify_series(store, SERIES, Seen())]
    assert f"pin 10: block {1:032x} is missing" in found

    store.blocks[SLICE, 0] = rows
    store.pins[SLICE][DELETE] = Pin(SLICE, DELETE, pin.until_ms, pin.body[:-1])
    assert DAMAGED == await shelf.undo(11, undo)


async def test_keeping_twice_keeps_the_first() -> None:
    """A writer that comes upon the entry again, after it was stored and sealed, changes nothing."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2]))
    undo = await shelf.delete(DELETE, 0, 10)
    kept = await store.read_pins(SLICE)
    await shelf.seal(DELETE)

    await shelf.delete(DELETE, 0, 10)

    assert kept == await store.read_pins(SLICE)
    assert "" == await shelf.undo(11, undo)


async def test_a_later_delete_for_good_is_noted_as_long_as_older_ones_can_be_undone() -> None:
    """Only where something could come back over it; its note goes with the last of them."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk([1, 2]))
    await shelf.delete(DELETE, 0, 10)
    await shelf.delete(11, 0, 5, undo_s=0)

    noted = (await store.read_pins(SLICE))[1]
    assert (11, UNTIL_MS) == (noted.position, noted.until_ms)
    assert Pinned(FIRST_MS, FIRST_MS + 5, None) == decode_pin(noted.body)
    await purge(store, await release(store, SLICE, UNTIL_MS))
    assert [] == await store.read_pins(SLICE)


async def test_an_attach_of_a_part_counts_no_row_beside_it() -> None:
    """Blocks of an undo reach over its range; what lies outside of it is not laid on newer rows."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(10)))
    undo = await shelf.delete(DELETE, 3_000, 5_000)

    judged = await judge(store, SERIES, undo, before=11, at_ms=0)

    assert isinstance(judged, Attach)
    assert (undo.start_ms, undo.end_ms) == (judged.start_ms, judged.end_ms)
    [ref] = decode_refs(judged.blocks)
    assert (undo.start_ms, undo.end_ms - 1, 10) == (ref.from_ms, ref.to_ms, ref.rows)


async def test_a_large_undo_is_sealed_in_pieces() -> None:
    """However much comes back, a seal holds a few blocks of it at once."""
    store: Any = MemorySeriesStore()
    shelf = Shelf(store)
    await lay(store, 1, walk(1000 * np.arange(5_000)))
    await shelf.seal(1, rows_max=100)
    before = await state_of(store)
    undo = await shelf.delete(DELETE, 0, 5_000_000)
    assert "" == await shelf.undo(11, undo)
    held: list[int] = []

    def stored(rows: Columns, stored_bytes: int = 0) -> Any:
        held.append(rows.rows)
        return cut(rows, stored_bytes)

    cut = blocks.cut
    with mock.patch.object(blocks, "cut", stored), mock.patch.object(levels, "BATCH_WEIGHT", 8.0):
        await shelf.seal(11, rows_max=100)

    assert before == await state_of(store)
    assert len(held) > 4
    assert max(held) <= 1_000
    assert 5_000 == (await read_series(store, SERIES, EVERYTHING)).rows


def test_a_pin_says_when_it_is_damaged() -> None:
    """Every byte of it counts."""
    body = encode_pin(Pinned(1, 2, b"head"))

    assert Pinned(1, 2, b"head") == decode_pin(body)
    for at in range(len(body)):
        damaged = bytearray(body)
        damaged[at] ^= 1
        with pytest.raises(Corrupt):
            decode_pin(bytes(damaged))
