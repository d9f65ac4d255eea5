"""Measures the gate of design 4: deltas and blocks against one row a record, on real Cassandra, in one run.

    python -m bench.gate                               starts a Cassandra of its own
    python -m bench.gate --cassandra 127.0.0.1:9042    uses one that runs (in a keyspace of its own, dropped)

Ours begins with the entries as the stream holds them: decode, fold, compress, store deltas and cursors
turn by turn, and seal into blocks as the writer does. The other side begins with Python values ready to
be bound, and is given what it likes best: prepared statements, unlogged batches of one partition, and the
number of batches under way with which it is fastest here. Both are one process, one driver, one consistency.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import shutil
import statistics
import string
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.report import replace_section, surroundings, table
from bench.service import scratch
from bench.workload import VALUES_A_RECORD, Machine, draw
from runtime.cassandra_server import CassandraServer
from schemas.changes import Upsert
from schemas.columns import Column, Columns
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.cassandra.calls import Call
from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address, Session
from storage.port import Turn
from storage.reader import read_series
from storage.slices import slice_start
from storage.spans import EVERYTHING
from storage.statements import parse
from streams.entries import SeriesEntry, encode_entry
from streams.port import Entry
from workers.folding import Folded, fold_series, grouped
from workers.sealer import Sealer, SealRules
from workers.writer import SEALS_AT_ONCE

SECTION = "gate"
RATIO_MIN = 3.0
"""Design 4: below it the stored form would not be worth its rules."""

BATCH_ROWS = 200
UNDER_WAY = (8, 32, 128, 512)
"""Batches under way that are tried before the clock starts."""

STATEMENTS = parse(Path(__file__).with_name("gate.cql").read_text(encoding="utf-8"))
CREATE, DROP = "create_rows", "drop_keyspace"

Rows = Sequence[tuple[object, ...]]


class NotStored(Exception):
    """A run did not store what it was given: it measures nothing."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How much is stored in each run, and how often."""

    assets: int = 100
    records: int = 10_000
    batch: int = 1_000
    runs: int = 5
    tuning_assets: int = 20
    under_way: tuple[int, ...] = UNDER_WAY

    @property
    def rows(self) -> int:
        """Count the records of a run."""
        return self.assets * self.records


TINY = Plan(assets=3, records=1_500, batch=500, runs=1, tuning_assets=1, under_way=(4,))


class Load:
    """Workload A in both forms; each run gets series of its own."""

    def __init__(self, plan: Plan) -> None:
        """Draw everything once."""
        self.plan = plan
        machines = [draw(number, plan.records) for number in range(plan.assets)]
        self._rows = [rows_of(machine) for machine in machines]
        self._changes = [
            [
                Upsert(_cut(columns_of(machine), first, plan.batch))
                for first in range(0, plan.records, plan.batch)
            ]
            for machine in machines
        ]
        self._first_ms = [int(machine.time_ms[0]) for machine in machines]

    def series(self, run: int) -> list[SeriesId]:
        """Name the series of a run."""
        return [
            SeriesId(TenantId("bench"), AssetId(f"{run:016x}{number:016x}"), AspectId("0" * 32))
            for number in range(self.plan.assets)
        ]

    def turns(self, run: int) -> list[list[Entry]]:
        """Give the entries of each turn, one of each series, as they would stand in a shard."""
        position = count(run * 10**9 + 1)
        series = self.series(run)
        return [
            [
                Entry(next(position), 0, encode_entry(SeriesEntry(name, 1, changes[turn])))
                for name, changes in zip(series, self._changes, strict=True)
            ]
            for turn in range(len(self._changes[0]))
        ]

    def batches(self, run: int, assets: int | None = None) -> list[Call]:
        """Give the batches of rows, ready to be bound; the series take turns as in the other form."""
        named = list(zip(self.series(run), self._rows, self._first_ms, strict=True))[:assets]
        return [
            Call(
                "write_row",
                [(name.text, slice_start(name, first_ms), *row) for row in rows[at : at + BATCH_ROWS]],
            )
            for at in range(0, self.plan.records, BATCH_ROWS)
            for name, rows, first_ms in named
        ]


def rows_of(machine: Machine) -> Rows:
    """Give the records as Python values, in the order of the table's columns."""
    columns = (
        machine.time_ms, machine.temperature, machine.pressure, machine.rpm, machine.running, machine.setpoint
    )  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


def columns_of(machine: Machine) -> Columns:
    """Give the records as validation leaves them."""
    values = (machine.temperature, machine.pressure, machine.rpm, machine.running, machine.setpoint)
    cells = {number: Column(column) for number, column in enumerate(values, 1)}  # type: ignore[arg-type]
    return Columns(machine.time_ms, cells)


def _cut(columns: Columns, first: int, rows: int) -> Columns:
    return columns.take(np.arange(first, min(first + rows, columns.rows)))


async def store_deltas(store: CassandraSeriesStore, load: Load, run: int) -> float:
    """Store a run as the writer does, sealing included; gives the seconds."""
    turns = load.turns(run)
    sealer = Sealer(store, SealRules(3600, 3600), lambda: secrets.token_bytes(16))
    began = perf_counter()
    for entries in turns:
        folded = Folded()
        for series, changes in grouped(entries, folded).items():
            fold_series(series, changes, frozenset(), folded)
        position = entries[-1].position
        await store.write_turn(Turn(list(folded.slices), folded.deltas, {0: position}))
        for slice_id, (deltas, rows) in folded.slices.items():
            sealer.note(slice_id, 0, deltas=deltas, rows=rows, now_s=0.0)
        await _seal(sealer, position)
    return perf_counter() - began


async def _seal(sealer: Sealer, position: int) -> None:
    due = [slice_id for slice_id, _ in sealer.due(0.0)]
    for first in range(0, len(due), SEALS_AT_ONCE):
        several = due[first : first + SEALS_AT_ONCE]
        await asyncio.gather(*(sealer.seal(slice_id, position, lambda: 0.0) for slice_id in several))


async def store_rows(session: Session, batches: Sequence[Call], under_way: int) -> float:
    """Store a run as rows, so many batches under way; gives the seconds."""
    lanes = [batches[number::under_way] for number in range(under_way)]
    began = perf_counter()
    await session.write_all([lane for lane in lanes if lane])
    return perf_counter() - began


async def demand_stored(store: CassandraSeriesStore, session: Session, load: Load, run: int) -> None:
    """Raise `NotStored` unless both forms hold every record of the first and the last series of a run."""
    series = load.series(run)
    for name, first_ms in ((series[0], load._first_ms[0]), (series[-1], load._first_ms[-1])):
        columns = await read_series(store, name, EVERYTHING)
        [(rows,)] = await session.rows("count_rows", name.text, slice_start(name, first_ms))
        if (columns.rows, rows) != (load.plan.records, load.plan.records):
            raise NotStored(f"{name.text}: {columns.rows} records in deltas and blocks, {rows} rows")


async def tuned(session: Session, load: Load) -> tuple[int, dict[int, float]]:
    """Find how many batches under way are fastest; gives all rates, in rows/s."""
    rates = {}
    for number, under_way in enumerate(load.plan.under_way):
        batches = load.batches(1_000_000 + number, load.plan.tuning_assets)
        rows = sum(len(batch.rows) for batch in batches)
        rates[under_way] = rows / await store_rows(session, batches, under_way)
    return max(rates, key=rates.__getitem__), rates


@dataclass(slots=True, frozen=True)
class Measured:
    """Rates in records/s, one a run."""

    deltas: list[float]
    rows: list[float]
    under_way: int
    tuning: dict[int, float]

    @property
    def ratio(self) -> float:
        """Compare the medians."""
        return statistics.median(self.deltas) / statistics.median(self.rows)


async def measure(address: Address, plan: Plan) -> Measured:
    """Store both forms in turn and check what was stored; the keyspace is dropped in the end."""
    async with _opened(address) as (store, session):
        load = Load(plan)
        best, tuning = await tuned(session, load)
        deltas, rows = [], []
        for run in range(plan.runs):
            deltas.append(plan.rows / await store_deltas(store, load, run))
            rows.append(plan.rows / await store_rows(session, load.batches(run), best))
            await demand_stored(store, session, load, run)
            print(f"  run {run + 1}: deltas and blocks {deltas[-1]:,.0f}, rows {rows[-1]:,.0f} records/s")
        return Measured(deltas, rows, best, tuning)


@contextlib.asynccontextmanager
async def _opened(address: Address) -> AsyncIterator[tuple[CassandraSeriesStore, Session]]:
    store = await CassandraSeriesStore.open(address)
    session = store.session
    try:
        await session.execute(STATEMENTS[CREATE].text, keyspace=address.keyspace)
        await session.agree()
        await session.prepare({name: STATEMENTS[name] for name in ("write_row", "count_rows")})
        yield store, session
    finally:
        text = string.Template(STATEMENTS[DROP].text).substitute(keyspace=address.keyspace)
        await session.execute(text)
        await store.close()


def report(measured: Measured, plan: Plan) -> str:
    """Write the section of `results.md`."""
    lines = [
        _line("deltas and blocks, sealing included", measured.deltas),
        _line(f"one row a record, {measured.under_way} batches of {BATCH_ROWS} under way", measured.rows),
    ]
    tuning = ", ".join(f"{number}: {rate:,.0f}" for number, rate in measured.tuning.items())
    return (
        f"Storage of workload A ({plan.assets} series of {plan.records:,} records) in Cassandra 5, "
        f"one process, median of {plan.runs}, {surroundings()}\n\n"
        + table(["", "records/s", "values/s", "range of records/s"], lines)
        + f"\n\nRatio **{measured.ratio:.1f}** (the gate of design 4 asks for more than {RATIO_MIN:.0f})."
        + f" Records/s as rows, by batches under way: {tuning}."
    )


def _line(name: str, rates: Sequence[float]) -> list[str]:
    middle = statistics.median(rates)
    values = f"{middle * VALUES_A_RECORD:,.0f}"
    return [name, f"{middle:,.0f}", values, f"{min(rates):,.0f} to {max(rates):,.0f}"]


@contextlib.contextmanager
def _cassandra(given: str | None) -> Iterator[Address]:
    keyspace = f"bench_gate_{os.getpid()}"
    if given is not None:
        host, _, port = given.rpartition(":")
        yield Address([host], int(port), keyspace)
        return
    folder = scratch("aspectstore-gate-")
    try:
        with CassandraServer(folder) as server:
            yield Address([server.host], server.port, keyspace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the section; 1 where the gate is not passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__.splitlines()[0])
    parser.add_argument("--cassandra", metavar="HOST:PORT", help="one that runs; default: an own one")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts")
    parser.add_argument("--tiny", action="store_true", help="a second, nothing written, any ratio passes")
    parser.add_argument("--no-report", action="store_true", help="print only, leave results.md alone")
    options = parser.parse_args(arguments)
    plan = TINY if options.tiny else Plan(runs=options.runs)
    with _cassandra(options.cassandra) as address:
        measured = asyncio.run(measure(address, plan))
    text = report(measured, plan)
    print(text)
    if not (options.tiny or options.no_report):
        replace_section(SECTION, text)
    return 0 if options.tiny or measured.ratio > RATIO_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
