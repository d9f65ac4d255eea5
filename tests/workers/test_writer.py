"""The writer keeps the order and loses nothing, whatever is interleaved (MS-29, MS-30, design 3.6, 4)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from schemas.aspects import AspectType, Variable, VariableType
from schemas.changes import Change, Clear, Upsert
from schemas.columns import Column, Columns
from schemas.ids import SeriesId
from storage.reader import Wanted
from storage.slices import WIDTH_MS
from tests.storage.layers import serial
from tests.storage.series import OTHER, SERIES
from tests.workers.world import START_MS, World, memory_world, step

NEWEST = Wanted(-(2**60), 2**60, None, 1, descending=True)
BOTH = Wanted(-(2**60), 2**60, frozenset({1, 2}))
ASPECT = AspectType(
    id="acme.mast",
    tenant="acme",
    name="mast",
    category="dynamic",
    variables=(
        Variable(name="x", type=VariableType.DOUBLE, id=1),
        Variable(name="y", type=VariableType.DOUBLE, id=2),
    ),
)


def put(*times: int, value: float = 1.0) -> Upsert:
    """Make rows that replace."""
    return Upsert(Columns(np.array(times, "<i8"), {1: Column(np.full(len(times), value))}))


def random_change(dice: random.Random, number: int) -> Change:
    """Make a PUT, PATCH or DELETE near the start, sometimes across the border of a slice."""
    base = START_MS + dice.choice([0, 0, 0, WIDTH_MS])
    if dice.random() < 0.25:
        start = base + dice.randrange(8)
        return Clear(start, start + dice.choice([1, 3, 9, 2 * WIDTH_MS]))
    rows = dice.choice([1, 1, 3])
    times = np.array([base + dice.randrange(8) for _ in range(rows)], "<i8")
    merges = np.array([dice.random() < 0.4 for _ in range(rows)])
    cells = {}
    for variable in dice.sample([1, 2], dice.choice([1, 2])):
        present = np.array([dice.random() < 0.8 for _ in range(rows)])
        values = number * 10.0 + variable + np.zeros(rows)
        cells[variable] = Column(values, present, merges & ~present)
    return Upsert(Columns(times, cells, merges if merges.any() else None))


@pytest.mark.parametrize("seed", range(30))
async def test_any_mix_of_writes_reads_as_serial_execution(seed):
    """PUT, PATCH and DELETE in any mix, read at any moment, equal serial execution in receipt order."""
    dice = random.Random(seed)
    world = memory_world()
    writer = world.writer()
    await step(writer)
    for number in range(60):
        await world.write(dice.choice([SERIES, OTHER]), random_change(dice, number))
        if dice.random() < 0.4:
            await step(writer)
        world.clock.advance(dice.choice([1, 500, 6000]))
        await check(world, SERIES)
        await check(world, OTHER)


async def check(world: World, series: SeriesId) -> None:
    """Compare every way to read a series with serial execution."""
    expected = world.expected(series)

    assert expected == await world.read(series)
    newest = serial([(await world.reading.newest(series, NEWEST)).columns])
    latest = serial([(await world.reading.latest(series, ASPECT, BOTH)).columns])
    top = max(expected, default=None)
    assert ({} if top is None else {top: expected[top]}) == newest
    assert _latest_of(expected) == latest


def _latest_of(expected):
    found: dict[int, dict[int, tuple[object, int]]] = {}
    for variable in (1, 2):
        times = [time_ms for time_ms, row in expected.items() if variable in row]
        if times:
            found.setdefault(max(times), {})[variable] = expected[max(times)][variable]
    return found
