"""What is promised of the reads that begin a read: the slices, and one of them with its head and deltas."""

from __future__ import annotations

import random

from schemas.ids import SeriesId
from storage.heads import END_MS, NO_TIME_MS, HeadContent, encode_head, sealed_through
from storage.port import Head, Outset, SeriesStore, SliceId, SliceState, Turn
from storage.slices import WIDTH_MS, first_touched, slice_range
from storage.testing.rows import a_delta, a_series, a_slice


def _sealed(version: int, through: int) -> Head:
    return Head(version, encode_head(HeadContent(through)))


class OutsetContract:
    """Reads in one call say what the single ones say, also when they are repeated and things have changed."""

    async def test_the_outset_of_an_unknown_series_is_empty(self, store: SeriesStore) -> None:
        """A series without slices has none to begin with."""
        series = a_series()

        for newest_first in (False, True):
            outset = await store.read_outset(series, NO_TIME_MS, END_MS, newest_first=newest_first)
            assert outset == Outset({}, None)

    async def test_a_state_is_a_head_and_the_deltas_behind_it(self, store: SeriesStore) -> None:
        """Everything behind W is there, in the order; what is sealed may be left out (design 4.4)."""
        slice_id = a_slice()
        deltas = [a_delta(slice_id, last) for last in range(1, 10)]
        await store.write_turn(Turn((slice_id,), deltas, {}))

        assert await store.read_state(slice_id) == SliceState(slice_id, Head(0, b""), deltas)

        await store.swap_head(slice_id, 0, _sealed(1, 6))
        for _ in range(2):
            state = await store.read_state(slice_id)
            assert state.head == _sealed(1, 6)
            assert deltas[6:] == [delta for delta in state.deltas if delta.last > 6]

        await store.swap_head(slice_id, 1, _sealed(2, 8))
        more = a_delta(slice_id, 20, 10)
        await store.write_turn(Turn(deltas=[more]))
        state = await store.read_state(slice_id)
        assert state.head == _sealed(2, 8)
        assert [deltas[8], more] == [delta for delta in state.deltas if delta.last > 8]

    async def test_a_state_has_all_pages_of_deltas(self, store: SeriesStore) -> None:
        """A state is as long as it is."""
        slice_id = a_slice()
        deltas = [a_delta(slice_id, last, body=b"x" * 100) for last in range(1, 5_000)]
        await store.write_turn(Turn((slice_id,), deltas, {}))

        for _ in range(2):
            assert deltas == (await store.read_state(slice_id)).deltas
        outset = await store.read_outset(slice_id.series, NO_TIME_MS, END_MS)
        assert outset.first is not None
        assert deltas == outset.first.deltas

    async def test_an_outset_is_never_older_than_what_was_stored(self, store: SeriesStore) -> None:
        """Random slices, deltas and seals, ranges and directions: what was stored before is in the answer."""
        draw = random.Random(17)  # noqa: S311  # not a secret
        series = a_series()
        versions = dict.fromkeys(range(-3, 4), 0)
        for position in range(1, 61):
            number = draw.randrange(-3, 4)
            slice_id = SliceId(series, number * WIDTH_MS)
            await store.write_turn(Turn((slice_id,), [a_delta(slice_id, position)], {}))
            if draw.random() < 0.3:
                sealed = _sealed(versions[number] + 1, position - draw.randrange(2))
                assert await store.swap_head(slice_id, versions[number], sealed)
                versions[number] += 1
            await self._look(store, series, draw)

    async def _look(self, store: SeriesStore, series: SeriesId, draw: random.Random) -> None:
        start_ms = draw.randrange(-4 * WIDTH_MS, 4 * WIDTH_MS)
        end_ms = start_ms + draw.choice((1, WIDTH_MS // 3, WIDTH_MS, 3 * WIDTH_MS, 9 * WIDTH_MS))
        newest_first = draw.random() < 0.5
        listed = await store.read_slices(series)
        touched = {
            start: width
            for start, width in listed.items()
            if slice_range(start, width)[0] < end_ms and slice_range(start, width)[1] > start_ms
        }
        first = first_touched(listed, start_ms, end_ms, newest_first=newest_first)

        outset = await store.read_outset(series, start_ms, end_ms, newest_first=newest_first)

        assert touched.items() <= outset.slices.items() <= listed.items()
        assert list(outset.slices) == sorted(outset.slices)
        if outset.first is None:
            assert first is None
            return
        slice_id, head, deltas = outset.first
        assert first == slice_id.start_ms
        assert await store.read_head(slice_id) == head
        behind = await store.read_deltas(slice_id, sealed_through(head.body))
        assert behind == [delta for delta in deltas if delta.last > sealed_through(head.body)]
