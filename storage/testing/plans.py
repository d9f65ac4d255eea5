"""What is promised of slices of other widths, of plans, of pins, and of the walk over all series."""

from __future__ import annotations

from schemas.durations import DAY_MS
from storage.port import Pin, SeriesStore, SliceId, Turn
from storage.slices import WIDTH_MS, PlanVersion
from storage.testing.rows import EVERY_BYTE, POSITION_MAX, a_delta, a_series, a_shard, a_slice


class PlanContract:
    """Slice plans and the widths of slices (design 4.8)."""

    async def test_a_slice_is_listed_with_its_width(self, store: SeriesStore) -> None:
        """Readers learn with the list of slices how far each reaches; a later turn changes no width."""
        series = a_series()
        narrow, usual = SliceId(series, 0), SliceId(series, -WIDTH_MS)

        await store.write_turn(Turn((narrow, usual), (a_delta(narrow, 1),), widths={narrow: DAY_MS}))
        await store.write_turn(Turn((narrow,), widths={narrow: DAY_MS}))

        assert {-WIDTH_MS: WIDTH_MS, 0: DAY_MS} == await store.read_slices(series)

    async def test_the_first_word_of_a_plan_stays(self, store: SeriesStore) -> None:
        """A version is never changed, whoever writes another width for its start; versions come in order."""
        shard, other, series, beside = a_shard(), a_shard(), a_series(), a_series()
        later, first = PlanVersion(9 * WIDTH_MS, WIDTH_MS), PlanVersion(-WIDTH_MS, DAY_MS)

        await store.write_plan(shard, series, later)
        await store.write_plan(shard, series, first)
        await store.write_plan(shard, series, first._replace(width_ms=2 * DAY_MS))
        await store.write_plan(shard, beside, later)

        assert {series: (first, later), beside: (later,)} == await store.read_plans(shard)
        assert {} == await store.read_plans(other)

    async def test_every_series_is_listed(self, store: SeriesStore) -> None:
        """A walk finds each series that has a slice, once, tenants in order."""
        mine, theirs, unlisted = a_series("tenant_b"), a_series("tenant_a"), a_slice()
        slices = [SliceId(series, start) for series in (mine, theirs) for start in (-5, 0, 2**52)]
        await store.write_turn(Turn(slices))
        await store.write_turn(Turn((), (a_delta(unlisted, 1),)))

        listed = await store.list_series()

        assert [theirs, mine] == [series for series in listed if series in {mine, theirs}]
        assert unlisted.series not in listed
        assert sorted(listed) == listed


class PinContract:
    """Heads that can be gone back to (design 4.14)."""

    async def test_pins_are_kept_until_they_are_dropped(self, store: SeriesStore) -> None:
        """Pins of a slice come in the order of their positions, whatever their time; each goes alone."""
        slice_id = a_slice()
        pins = [Pin(slice_id, position, 5, EVERY_BYTE) for position in (3, 70, POSITION_MAX)]
        for pin in reversed(pins):
            await store.write_pin(pin)
        await store.write_pin(pins[0])

        assert pins == await store.read_pins(slice_id)
        assert [] == await store.read_pins(SliceId(slice_id.series, 1))

        await store.drop_pin(slice_id, 70)
        await store.drop_pin(slice_id, 71)

        assert [pins[0], pins[2]] == await store.read_pins(slice_id)
