"""Imports of files whose rows bring a part of a record: merged in order, each row accounted for (SM-06)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import Column, Columns
from schemas.errors import ServiceError
from schemas.filetypes.model import FileFormat, FileType, Narrow, NewColumns, Precision, Rule
from schemas.imports import RowKind
from storage import blocks
from storage.job_records import JobRecord, Phase
from tests.storage.layers import serial
from tests.storage.series import SERIES
from tests.workers.importing import MINUTE_MS, UNDO_S, Listed
from tests.workers.mixes import put
from tests.workers.test_imports import _Ports, begun, settled, undo
from tests.workers.test_logger_files import TENANT, Site, real
from tests.workers.world import START_MS
from workers.imports import joining, staging

__all__ = ["real"]

ASPECT = AspectType(
    id="t.a", tenant=TENANT, name="a", category="dynamic",
    variables=(
        Variable(name="speed", type=VariableType.DOUBLE, id=1),
        Variable(name="count", type=VariableType.INT, id=2),
        Variable(name="note", type=VariableType.STRING, id=3),
    ),
)  # fmt: skip
RULES = tuple(Rule(column=variable.name) for variable in ASPECT.variables)
NARROW = FileType(
    name="n", time_columns=("t",), time_formats=("epoch-ms",), asset=SERIES.asset, aspect="a", rules=RULES,
    narrow=Narrow(sensor="s", value="v"), new_columns=NewColumns.REFUSE,
)  # fmt: skip
LINES = FileType(
    name="l", format=FileFormat.LINE_PROTOCOL, precision=Precision.MILLISECONDS, asset=SERIES.asset,
    aspect="a", new_columns=NewColumns.REFUSE,
    rules=tuple(Rule(column=f"fields.{rule.column}") for rule in RULES),
)  # fmt: skip


def time_of(minute: int) -> int:
    """Give the time of a minute after the start."""
    return START_MS + MINUTE_MS * minute


# -- what rows come to ---------------------------------------------------------------------------------


class Said(NamedTuple):
    """One row of a source: a time and some values."""

    time_ms: int
    cells: dict[int, float]


def columns_of(rows: list[Said], *, merges: bool = False) -> Columns:
    """Make columns of rows."""
    cells = {}
    for variable in sorted({variable for row in rows for variable in row.cells}):
        present = np.array([variable in row.cells for row in rows])
        cells[variable] = Column(np.array([row.cells.get(variable, 0.0) for row in rows]), present)
    times = np.array([row.time_ms for row in rows], "<i8")
    return Columns(times, cells, np.ones(len(rows), bool) if merges else None)


def stored_of(rows: list[Said]) -> int:
    """Count the rows of which a value is left, one cell after the other."""
    owners: dict[tuple[int, int], int] = {}
    for number, row in enumerate(rows):
        for variable in row.cells:
            owners[row.time_ms, variable] = number
    return len(set(owners.values()))


def some_said(dice: random.Random, kind: RowKind, number: int) -> Said:
    """Draw a row; of a reading one value."""
    count = 1 if kind is RowKind.READING else dice.choice([1, 1, 2, 3])
    variables = dice.sample([1, 2, 3], count)
    return Said(time_of(dice.randrange(12)), {each: number * 10.0 + each for each in variables})


@pytest.fixture
def small_runs() -> Iterator[None]:
    """Let little be held, few records be put together at once, and blocks be small."""
    with (
        mock.patch.object(blocks, "BLOCK_ROWS_MAX", 3),
        mock.patch.object(joining, "WINDOW_CELLS", 12),
        mock.patch.object(staging, "RUN_BYTES", 200),
    ):
        yield


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("kind", [RowKind.PART, RowKind.READING])
@pytest.mark.parametrize("seed", range(12))
async def test_parts_are_merged_in_their_order_wherever_they_stand(kind: RowKind, seed: int) -> None:
    """Within what is held, across blocks and files, over and under live records; duplicates are counted."""
    dice = random.Random(seed)
    said = [some_said(dice, kind, number) for number in range(60)]
    borders = [0, *sorted(dice.sample(range(61), 7)), 60]
    batches = [said[first:last] for first, last in pairwise(borders) if first < last]
    units = [[(SERIES, columns_of(rows)) for rows in batches[number::3]] for number in range(3)]
    in_order = [row for number in range(3) for rows in batches[number::3] for row in rows]
    before = put(time_of(2), time_of(3), time_of(50), value=-1.0)
    importing = await begun()
    await importing.world.write(SERIES, before)

    await importing.submit(TENANT)
    with mock.patch.object(staging, "RUN_BYTES", dice.choice([1, 150, 10**9])):
        record = await importing.run(TENANT, Listed(units, kind), undo_s=UNDO_S)

    stored = stored_of(in_order)
    counts = {"rows": 60, "stored": stored, "duplicates": 60 - stored, "refused": 0}
    assert counts == {name: record.counts[name] for name in counts}
    layers = [before.columns, columns_of(in_order, merges=True)]
    await importing.demand(SERIES, layers)
    if seed % 2:
        after = columns_of([Said(time_of(2), {1: -5.0}), Said(time_of(30), {2: -6.0})], merges=True)
        await importing.world.write(SERIES, type(before)(after))
        layers.append(after)
    await settled(importing)
    await importing.demand(SERIES, layers)
    if not seed % 2:
        await undo(importing)
        await importing.demand(SERIES, [before.columns])


async def test_readings_that_were_put_together_are_counted_one_by_one() -> None:
    """A reader makes rows of many readings; the count is still of readings."""
    importing = await begun()
    first, second = Said(time_of(1), {1: 1.0, 2: 2.0}), Said(time_of(1), {2: 3.0, 3: 4.0})

    await importing.submit(TENANT)
    units = [[(SERIES, columns_of([first]), 3)], [(SERIES, columns_of([second]), 2)]]
    record = await importing.run(TENANT, Listed(units, RowKind.READING))

    assert (5, 3, 2) == tuple(record.counts[name] for name in ("rows", "stored", "duplicates"))
    assert {time_of(1): {1: (1.0, -1), 2: (3.0, -1), 3: (4.0, -1)}} == await importing.world.read(SERIES)


# -- files ---------------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Files of one type, what they come to, and where rows of them are refused."""

    file_type: FileType
    texts: list[str]
    counts: tuple[int, int, int, int]
    """Rows, stored, duplicates, refused."""
    refused: list[list[list[str]]]
    """By report: file, line, column."""


def narrow_of(first: int, count: int, *others: str) -> str:
    """Write two readings a minute."""
    rows = [
        f"{time_of(first + number)},{sensor},{first + number}"
        for number in range(count)
        for sensor in ("speed", "count")
    ]
    return "\n".join(["t,s,v", *rows, *others])


def lines_of(first: int, count: int, *others: str) -> str:
    """Write two lines a minute, each with a part of the record."""
    rows = []
    for number in range(first, first + count):
        rows += [f"m speed={number} {time_of(number)}", f'm count={number}i,note="n" {time_of(number)}']
    return "\n".join([*rows, *others])


LAYOUTS = {
    "narrow": Layout(
        NARROW,
        [
            narrow_of(0, 12, f"{time_of(0)},other,1", f"{time_of(0)},count,1.5"),
            narrow_of(8, 8),
            narrow_of(16, 2, "never,speed,1", f"{time_of(16)},note,n", f"{time_of(16)},note,"),
        ],
        (49, 37, 8, 4),
        [
            [["0.csv", "26", "other"], ["0.csv", "27", "count"]],
            [["2.csv", "6", "t"], ["2.csv", "8", ""]],
        ],
    ),
    "lines": Layout(
        LINES,
        [
            lines_of(0, 12, f"m speed=1,other=1 {time_of(0)}", "m speed=1 x"),
            lines_of(8, 8),
            lines_of(16, 2, f'm note="m" {time_of(16)}', f"m count=1.5 {time_of(16)}"),
        ],
        (48, 37, 8, 3),
        [
            [["0.csv", "25", "fields.other"], ["0.csv", "26", ""]],
            [["2.csv", "6", "count"]],
        ],
    ),
}


async def demand(site: Site, layout: Layout, at: int) -> None:
    """Every row is accounted for, readable, and told of where it was refused."""
    record = await site.importing.record(TENANT)
    assert Phase.DONE is record.phase, (at, record.message)
    assert layout.counts == counts_of(record), at
    seen = await site.importing.world.read(SERIES)
    note = {time: cells.pop(3)[0] for time, cells in seen.items() if 3 in cells}
    speeds = {time_of(number): {1: (float(number), -1), 2: (number, -1)} for number in range(18)}
    assert speeds == seen, at
    assert ("n" if layout.file_type is NARROW else "m") == note[time_of(16)]
    told = [await site.report(path) for path in record.reports]
    assert layout.refused == [[row[:3] for row in rows[1:]] for rows in told]


def counts_of(record: JobRecord) -> tuple[int, ...]:
    """Give what became of the rows."""
    return tuple(record.counts[name] for name in ("rows", "stored", "duplicates", "refused"))


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
async def test_a_kill_at_any_call_loses_and_repeats_no_part(name: str, after: bool) -> None:
    """Stopped before or after any call of store, catalogue or stream: counts, records, reports are the same.

    After one call is before the next one, as far as this is concerned, so each looks at every other call.
    """
    layout, at, ended = LAYOUTS[name], int(after), False
    while not ended:
        at += 2
        site = Site(await begun())
        told = await site.told(layout.texts, layout.file_type, ASPECT)
        await site.importing.submit(TENANT)
        try:
            await site.run(told, ground=_Ports(site.importing, at, after=after).ground)
            ended = True
        except ServiceError:
            if not (await site.importing.record(TENANT)).phase.is_end:
                await site.run(told)
        await demand(site, layout, at)
    assert at > 25


@pytest.mark.parametrize("name", LAYOUTS)
async def test_real_stores_come_to_the_same(real: Site, name: str) -> None:
    """Killed with a part of the files staged, sealed, and undone, over SQLite and Cassandra."""
    layout, importing = LAYOUTS[name], real.importing
    told = await real.told(layout.texts, layout.file_type, ASPECT)
    await importing.submit(TENANT)
    with pytest.raises(ServiceError):
        await real.run(told, ground=_Ports(importing, 16, after=True).ground)
    assert not (await importing.record(TENANT)).phase.is_end
    await real.run(told)
    await demand(real, layout, 16)
    await settled(importing)
    await demand(real, layout, 16)
    await undo(importing)
    assert {} == await importing.world.read(SERIES)


async def test_what_a_file_does_not_say_stays() -> None:
    """A reading takes one value's place: others of the record stay, and an empty cell removes none."""
    importing = await begun()
    site = Site(importing)
    live = columns_of([Said(time_of(number), {1: -1.0, 2: -2.0}) for number in range(3)])
    await importing.world.write(SERIES, type(put(0))(live))
    text = f"t,s,v\n{time_of(0)},speed,5\n{time_of(1)},speed,\n{time_of(9)},count,7\n"
    await importing.submit(TENANT)

    record = await site.run(await site.told([text], NARROW, ASPECT))

    assert (3, 2, 0, 1) == counts_of(record)
    expected = serial([live])
    expected[time_of(0)][1] = (5.0, -1)
    expected[time_of(9)] = {2: (7, -1)}
    assert expected == await importing.world.read(SERIES)
    await undo(importing)
    await importing.demand(SERIES, [live])
