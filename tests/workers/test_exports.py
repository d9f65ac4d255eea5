"""Exports: what is acknowledged is in them, resumed after kills, bounded, tidied (R21, SM-30)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.changes import Upsert
from schemas.columns import Column, Columns, Texts
from schemas.errors import ServiceError
from schemas.exporting.model import Aggregated, ExportColumn, ExportFile, ExportFormat, Packing
from schemas.intervals import Unit
from storage import job_records
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.job_records import Phase
from storage.sqlite.catalog import SqliteCatalogStore
from streams.memory_jobs import MemoryJobQueue
from tests.storage.opened import opened_store
from tests.storage.series import SERIES
from tests.workers.exporting import TENANT, Exporting, Failing, plan_of
from tests.workers.importing import replaced, some_rows
from tests.workers.mixes import put
from tests.workers.world import START_MS, step
from workers.exports import aggregates, book, windows
from workers.exports.exporter import run_export
from workers.job_keeper import JobKeeper
from workers.running import Attempt, Superseded

OTHER = SERIES._replace(asset="c" * 32)


async def begun(**stores: Any) -> Exporting:
    """Make a world whose writer is at work, with rows of two series."""
    world = Exporting(**stores)
    await step(world.writer)
    await world.submit(TENANT, "before")
    for series, rows in ((SERIES, some_rows(0, 300)), (OTHER, some_rows(30_000, 200, value=0.5))):
        for start in range(0, rows.rows, 100):
            part = rows.take(np.arange(start, min(start + 100, rows.rows)))
            await world.world.write(series, put(*part.time_ms.tolist(), value=float(start)))
    await step(world.writer)
    return world


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts and windows be small."""
    monkeypatch.setattr(book, "PART_BYTES", 300)
    monkeypatch.setattr(windows, "ROWS_MAX", 70)


def table(octets: bytes) -> list[list[str]]:
    """Read a table without its head."""
    return list(csv.reader(io.StringIO(octets.decode(), newline="")))[1:]


@pytest.mark.parametrize("packing", [Packing.ZIP, Packing.FILE])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.usefixtures("small")
async def test_a_kill_at_every_call_repeats_and_loses_no_row(after: bool, packing: Packing):
    """Stopped around any call of any port, the next attempt comes to the very same bytes (R21)."""
    named = (SERIES, OTHER) if packing is Packing.ZIP else (SERIES,)
    whole = await begun()
    await whole.ask(plan_of(*named, packing=packing))
    await whole.attempt()
    expected = await whole.octets()

    at, ended = 0, False
    while not ended:
        at += 1
        world = await begun()
        await world.ask(plan_of(*named, packing=packing))
        failing = Failing(world, at, after=after)
        try:
            await world.attempt(failing.ground, failing.files)
            ended = failing.calls < at
        except ServiceError:
            assert failing.calls >= at
        record = await world.record(TENANT)
        if not record.phase.is_end:
            record = await world.attempt()

        assert (Phase.DONE, at) == (record.phase, at)
        assert expected == await world.octets(), at
        assert (500 if packing is Packing.ZIP else 300) == record.counts["rows"]
    assert at > 30


@pytest.mark.usefixtures("small")
async def test_a_file_that_cannot_be_gone_on_with_is_begun_anew():
    """Parts of a Parquet file behind which nobody can go on are dropped, and their bytes with them (R21)."""
    plan = plan_of(SERIES, OTHER, format=ExportFormat.PARQUET)
    at, ended = 0, False
    while not ended:
        at += 1
        world = await begun()
        await world.ask(plan)
        failing = Failing(world, at, after=True)
        try:
            await world.attempt(failing.ground, failing.files)
            ended = failing.calls < at
        except ServiceError:
            if not (await world.record(TENANT)).phase.is_end:
                await world.attempt()
        files = await world.unpacked()
        tables = [pq.read_table(io.BytesIO(files[f"{number}.csv"])) for number in range(2)]
        assert [300, 200] == [each.num_rows for each in tables], at
    assert at > 20


async def test_every_value_of_every_series_is_in_it():
    """Sealed or not, in slices or in the tail; the manifest tells how many (SM-30)."""
    world = await begun()
    for _ in range(6):
        world.clock.advance(6_000)
        await step(world.writer)
    late = put(START_MS + 30_000_000, value=7.0)
    await world.world.write(SERIES, late)
    await world.ask(plan_of(SERIES, OTHER))
    record = await world.attempt()

    files = await world.unpacked()
    rows = table(files["0.csv"])
    assert (301, "7.0") == (len(rows), rows[-1][1])
    assert 200 == len(table(files["1.csv"]))
    manifest = json.loads(files["manifest.json"])
    assert [301, 200] == [each["rows"] for each in manifest["files"]]
    assert {"rows": 501, "values": 501, "series": 2, "files": 2} == {
        name: record.counts[name] for name in ("rows", "values", "series", "files")
    }
    [(admitted, _)] = world.world.acknowledged[SERIES][-1:]
    assert int(manifest["series"][0]["position"]) >= admitted
    assert (record.bytes, record.bytes) == (record.bytes_all, len(await world.octets()))


async def test_a_cancelled_export_leaves_nothing():
    """At its next sign of life it ends, and its bytes are gone."""
    world = await begun()
    await world.ask(plan_of(SERIES))
    ground = world.ground()
    attempt = await Attempt.take_up(ground.catalog, world.clock, TENANT, "job1")
    assert attempt is not None
    await job_records.change(world.catalog, TENANT, "job1", lambda known: replaced(known, cancelled=True))

    await run_export(ground, world.files, attempt)

    record = await world.record(TENANT)
    assert (Phase.CANCELLED, True) == (record.phase, record.tidied)
    assert {} == world.files.contents
    kinds = await world.catalog.kinds(TENANT)
    assert [job_records.KIND] == [kind for kind in kinds if "export" in kind or kind == job_records.KIND]


@pytest.mark.usefixtures("small")
async def test_an_older_attempt_stops_where_it_finds_another():
    """A worker that was paused while another took its job up changes nothing, and leaves no bytes."""
    world = await begun()
    await world.ask(plan_of(SERIES))
    ground = world.ground()
    older = await Attempt.take_up(ground.catalog, world.clock, TENANT, "job1")
    await world.attempt()
    expected, kept = await world.octets(), dict(world.files.contents)

    with pytest.raises(Superseded):
        await run_export(ground, world.files, older)

    assert expected == await world.octets()
    assert kept == world.files.contents


async def test_an_export_keeps_to_what_the_files_of_a_tenant_may_take():
    """It fails with the reason, and leaves nothing (TB quota of files)."""
    world = await begun()
    await world.ask(plan_of(SERIES, bytes_max=100))
    record = await world.attempt()
    assert Phase.FAILED is record.phase
    assert "of the 100 bytes that they may" in record.message
    assert {} == world.files.contents


async def test_the_keeper_tidies_up_after_an_export_that_was_killed_at_its_end():
    """What names its parts goes, the download stays; nothing of the job is open any more."""
    world = await begun()
    await world.ask(plan_of(SERIES))
    await world.attempt()
    expected = await world.octets()
    await job_records.change(world.catalog, TENANT, "job1", lambda known: replaced(known, tidied=False))
    await world.catalog.create(
        TENANT, "exportpart:job1", "basis", b'{"positions":[],"first_ms":0,"end_ms":0}'
    )
    line = b'{"tenant":"acme","id":"job1"}'
    await world.catalog.create("core", job_records.OPEN, f"{TENANT}-job1", line)

    keeper = JobKeeper(
        world.catalog, world.world.store, MemoryJobQueue({}), world.clock, lambda: True, files=world.files
    )
    await keeper.look()

    assert (await world.record(TENANT)).tidied
    assert "exportpart:job1" not in await world.catalog.kinds(TENANT)
    assert f"{TENANT}-job1" not in {each.id for each in await world.catalog.list("core", job_records.OPEN)}
    assert expected == await world.octets()


async def test_series_lie_side_by_side_by_time():
    """Rows of the same time are one row; texts and codes stay with theirs (SM-30)."""
    world = Exporting()
    await step(world.writer)
    times = START_MS + 1_000 * np.arange(4, dtype="<i8")
    first = Columns(times[:3], {1: Column(np.arange(3.0)), 3: Column(Texts.of(["a", "", "c"]))})
    second = Columns(
        times[1:], {2: Column(np.arange(3.0), np.array([True, False, True]), quality=np.array([5, -1, -1]))}
    )
    await world.world.write(SERIES, Upsert(first))
    await world.world.write(OTHER, Upsert(second))
    columns = (ExportColumn(0, 1, "a"), ExportColumn(0, 3, "b"), ExportColumn(1, 2, "c"))
    plan = plan_of(SERIES, OTHER, codes=True)
    await world.ask(replaced(plan, files=(ExportFile("x.csv", columns),)))
    await world.attempt()

    rows = table((await world.unpacked())["x.csv"])
    expected = [["0.0", "a", "", ""], ["1.0", "", "0.0", "5"], ["2.0", "c", "", ""], ["", "", "2.0", ""]]
    assert expected == [row[1:] for row in rows]


@pytest.mark.parametrize("unit", [Unit.HOUR, Unit.MINUTE])
async def test_aggregates_are_gone_on_with(monkeypatch: pytest.MonkeyPatch, unit: Unit):
    """Stopped around any call, every interval is told once (R21)."""
    monkeypatch.setattr(book, "PART_BYTES", 100)
    monkeypatch.setattr(aggregates, "RUN_CELLS", 40)
    asked = Aggregated(unit, ("countgood", "average"), 1 if unit is Unit.HOUR else 7)
    plan = plan_of(SERIES, OTHER, aggregate=asked)
    whole = await begun()
    await whole.ask(plan)
    await whole.attempt()
    files = await whole.unpacked()
    assert [300, 200] == [sum(int(row[1]) for row in table(files[f"{n}.csv"])) for n in range(2)]

    at, ended = 0, False
    while not ended:
        at += 1
        world = await begun()
        await world.ask(plan)
        failing = Failing(world, at, after=at % 2 == 0)
        try:
            await world.attempt(failing.ground, failing.files)
            ended = failing.calls < at
        except ServiceError:
            if not (await world.record(TENANT)).phase.is_end:
                await world.attempt()
        assert files == await world.unpacked(), at
    assert at > 15


@pytest.fixture(params=["sqlite", "cassandra"])
async def real(request: pytest.FixtureRequest, tmp_path: Any):
    """Give a world over real stores."""
    async with opened_store(request, tmp_path) as store:
        if request.param == "sqlite":
            catalog: Any = await SqliteCatalogStore.open(tmp_path / "catalog.db")
        else:
            server: Any = request.getfixturevalue("cassandra")
            keyspace = store.session.address.keyspace
            catalog = await CassandraCatalogStore.open(Address([server.host], server.port, keyspace))
        yield await begun(store=store, catalog=catalog)
        await catalog.close()


@pytest.mark.usefixtures("small")
async def test_real_stores_export_and_resume(real: Exporting):
    """Killed in the midst and gone on with, over SQLite and Cassandra: every row once (R21)."""
    await real.ask(plan_of(SERIES, OTHER))
    failing = Failing(real, 30, after=True)
    with pytest.raises(ServiceError):
        await real.attempt(failing.ground, failing.files)

    record = await real.attempt()

    assert (Phase.DONE, 500) == (record.phase, record.counts["rows"])
    files = await real.unpacked()
    assert [300, 200] == [len(table(files[f"{number}.csv"])) for number in range(2)]
    assert sorted(files["0.csv"].splitlines()[1:]) == files["0.csv"].splitlines()[1:]
