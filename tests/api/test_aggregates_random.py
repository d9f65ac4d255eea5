"""Random programs of writes, patches and deletes in random zones: answers equal brute force (MS-69)."""

from __future__ import annotations

import math
import random

import pytest

from schemas.times import format_time, parse_time
from tests.api.doors import NOW_MS
from tests.api.masts import running_site
from tests.api.test_aggregates_routes import BAD, UNCERTAIN, items, put_zone
from tests.schemas import aggregate_oracle as oracle
from tests.schemas.aggregate_oracle import Row
from tests.storage.opened import opened_store

HOUR_MS = 3_600_000
ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
SPAN_MS = 60 * 24 * HOUR_MS
"""Two months in which clocks change, before the end of October."""
END_MS = parse_time("2025-11-05T00:00:00Z")
UNITS = {"minute": (2, 30, 60), "hour": (1, 5, 24), "day": (1, 7), "week": (1, 2), "month": (1, 3)}
DRAW = {
    "temperature": lambda dice: round(dice.gauss(20, 9), 3),
    "count": lambda dice: dice.randrange(-(2**63), 2**63),
    "level": lambda dice: dice.randrange(-9, 9),
}
CODED = ("temperature", "count")


class Program:
    """A mast, and beside it what it should hold: time → variable → (value, code)."""

    def __init__(self, site, mast, dice):
        self.site, self.mast, self.dice = site, mast, dice
        self.rows: dict[int, dict] = {}

    def record(self, time_ms, *, nulls=False):
        """Draw a record, and what it says of each variable."""
        record, cells = {"_time": format_time(time_ms)}, {}
        for name in self.dice.sample(list(DRAW), self.dice.randint(1, 3)):
            value, code = DRAW[name](self.dice), self.dice.choice([None, 0, UNCERTAIN, BAD])
            if nulls and self.dice.random() < 0.2:
                record[name], cells[name] = None, None
                continue
            record[name], cells[name] = value, (value, code if name in CODED else None)
            if code is not None and name in CODED:
                record[name + "_qc"] = code
        return record, cells

    def times(self, count):
        """Draw times close together, so that they meet again, now and then one that is there already."""
        start = END_MS - self.dice.randrange(SPAN_MS)
        times = {start + self.dice.randrange(0, 48 * HOUR_MS, 60_000) for _ in range(count)}
        known = list(self.rows)
        return sorted(times | set(self.dice.sample(known, min(len(known), count // 3))))

    async def put(self):
        """Write whole records."""
        drawn = {time: self.record(time) for time in self.times(60)}
        await self.mast.wrote([record for record, _ in drawn.values()])
        self.rows |= {time: cells for time, (_, cells) in drawn.items()}

    async def patch(self):
        """Merge a few into what is there; null takes a value away."""
        drawn = {time: self.record(time, nulls=True) for time in self.times(6)}
        answer = await self.mast.patch([record for record, _ in drawn.values()][:10])
        assert 204 == answer.status_code, answer.text
        for time, (_, cells) in list(drawn.items())[:10]:
            merged = self.rows.get(time, {}) | cells
            self.rows[time] = {name: cell for name, cell in merged.items() if cell is not None}

    async def delete(self):
        """Delete a day somewhere."""
        start = END_MS - self.dice.randrange(SPAN_MS)
        ends = start, start + 24 * HOUR_MS
        answer = await self.mast.delete(from_=format_time(ends[0]), to=format_time(ends[1]))
        assert 204 == answer.status_code, answer.text
        self.rows = {time: row for time, row in self.rows.items() if not ends[0] < time <= ends[1]}

    async def step(self):
        """Let the writer store what waits."""
        await self.site.step()

    async def check(self):
        """Ask for every unit and compare with brute force over what should be there."""
        for unit, values in UNITS.items():
            value = str(self.dice.choice(values))
            reach = 3 * 24 * HOUR_MS if unit == "minute" else SPAN_MS
            until = END_MS - self.dice.randrange(SPAN_MS)
            ends = {"from_": format_time(until - reach), "to": format_time(until)}
            found = await items(self.mast, intervalUnit=unit, intervalValue=value, **ends)
            for name in DRAW:
                self.compare(name, found, until - reach, until)

    def compare(self, name, found, after, until):
        """Compare one variable over all intervals, and that none is missing between the ends."""
        said = [item for item in found if name in item]
        met: set[int] = set()
        for item in said:
            start, end = parse_time(item["starttime"]), parse_time(item["endtime"])
            times = [t for t in sorted(self.rows) if start < t <= end and name in self.rows[t]]
            rows = [Row(time, *self.rows[time][name]) for time in times]
            met.update(times)
            check(oracle.functions(rows), item[name], rows)
        usable = {t for t, row in self.rows.items() if name in row and row[name][1] != BAD}
        assert {t for t in usable if after < t <= until} <= met


def check(expected, found, rows):
    """Compare one variable of one interval: counts, times and single values exactly."""
    assert expected.keys() == found.keys()
    scale = math.fsum(abs(row.value) for row in rows)
    for name, value in expected.items():
        if name.endswith("time"):
            assert format_time(value) == found[name]
        elif name in ("sum", "average", "sd") and isinstance(value, float):
            assert math.isclose(value, found[name], rel_tol=1e-9, abs_tol=1e-12 * scale), name
        else:
            assert value == found[name], name


@pytest.fixture
async def kept(request, tmp_path):
    """An empty store of each kind."""
    async with opened_store(request, tmp_path) as store:
        yield store


CASES = [*(("memory", seed) for seed in range(5)), ("sqlite", 5), ("sqlite", 6), ("cassandra", 7)]


@pytest.mark.parametrize(("kept", "seed"), CASES, indirect=["kept"])
async def test_answers_equal_brute_force(kept, seed):
    """Overwrites, patches, deletes and late data, in the tail, in deltas and in blocks; all units (MS-69)."""
    dice = random.Random(seed)
    assert END_MS < NOW_MS
    async with running_site(store=kept) as site:
        program = Program(site, await put_zone(site, ZONES[seed % len(ZONES)]), dice)
        for _ in range(4):
            for action in dice.choices(
                [program.put, program.patch, program.delete, program.step], [5, 2, 1, 2], k=5
            ):
                await action()
            await program.check()

        await site.seal()
        assert site.writer.figures.seals
        await program.check()
