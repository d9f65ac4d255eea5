"""Logger files as a source: accounted for row by row, resumed after a kill, told in a report (SM-10, R21)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from schemas.aspects import AspectType, Variable, VariableType
from schemas.errors import ServiceError
from schemas.files import StoredFile
from schemas.filetypes.chunks import RefusedRow
from schemas.filetypes.model import FileType, NewColumns, Rule
from schemas.imports import ImportFile, ImportSeries, LoggerImport
from schemas.limits import TIME_MS_MAX
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.job_records import JobRecord, Phase
from storage.memory_files import MemoryFileStore
from storage.sqlite.catalog import SqliteCatalogStore
from tests.storage.opened import opened_store
from tests.storage.series import SERIES
from tests.workers.importing import UNDO_S, Importing
from tests.workers.test_imports import _Ports, begun
from tests.workers.world import START_MS
from workers.imports.importer import run_import
from workers.imports.logger_files import Job, LoggerFiles
from workers.imports.refused_rows import HEADER, Report, neutral
from workers.running import Attempt

TENANT = SERIES.tenant
MINUTE_MS = 60_000
ASPECT = AspectType(
    id="t.a", tenant=TENANT, name="a", category="dynamic",
    variables=(Variable(name="speed", type=VariableType.DOUBLE, id=1),),
)  # fmt: skip
TYPE = FileType(
    name="x", time_columns=("t",), time_formats=("epoch-ms",), asset=SERIES.asset, aspect="a",
    rules=(Rule(column="speed"),), new_columns=NewColumns.REFUSE,
)  # fmt: skip


class Site:
    """A world with files of an asset, and an import of them."""

    def __init__(self, importing: Importing) -> None:
        """Have no file."""
        self.importing = importing
        self.files = MemoryFileStore()

    async def told(
        self, texts: list[str], file_type: FileType = TYPE, aspect: AspectType = ASPECT
    ) -> LoggerImport:
        """Store files and say that they are to be imported."""
        found = []
        for number, text in enumerate(texts):
            content = await self.files.write(TENANT, f"{number:032x}", _once(text.encode()))
            found.append(ImportFile(path=f"{number}.csv", contents=(content,)))
        await self.importing.catalog.create(TENANT, "asset", SERIES.asset, b"{}")
        series = ImportSeries(asset=SERIES.asset, asset_name="M", aspect="a", aspect_id=SERIES.aspect, type=0)
        return LoggerImport(
            entity=SERIES.asset, by="me", files=tuple(found), file_type=file_type, series=(series,),
            types=(aspect,), latest_ms=TIME_MS_MAX, least_ms=0, undo_s=UNDO_S,
        )  # fmt: skip

    async def run(self, told: LoggerImport, job_id: str = "job1", ground: Any = None) -> JobRecord:
        """Make one attempt; gives the record afterwards."""
        ground = ground or self.importing.ground()
        attempt = await Attempt.take_up(ground.catalog, self.importing.clock, TENANT, job_id)
        assert attempt is not None
        job = Job(ground.catalog, self.files, self.importing.clock, TENANT, job_id)
        source = LoggerFiles(job, told)
        await run_import(ground, attempt, source, undo_s=UNDO_S, fingerprint=source.fingerprint)
        return await self.importing.record(TENANT, job_id)

    async def report(self, path: str) -> list[list[str]]:
        """Read a report."""
        document = await self.importing.catalog.get(TENANT, f"file:{SERIES.asset}", path)
        assert document is not None
        [content] = msgspec.json.decode(document.body, type=StoredFile).contents
        text = self.files.contents[TENANT, content.id].decode()
        return list(csv.reader(io.StringIO(text)))


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


def text_of(start: int, count: int, *others: str) -> str:
    """Make a file of rows a minute apart."""
    rows = [f"{START_MS + MINUTE_MS * (start + number)},{start + number}.5" for number in range(count)]
    return "\n".join(["t,speed", *rows, *others])


TEXTS = [text_of(0, 30, "never,1"), text_of(20, 20), text_of(40, 10, f"{START_MS},x", "1")]
"""Of 63 rows 3 are refused, and 10 are there twice."""


async def demand(site: Site, at: int) -> None:
    """Every row is accounted for, readable, and told of where it was refused."""
    record = await site.importing.record(TENANT)
    assert Phase.DONE is record.phase, (at, record.message)
    counts = tuple(record.counts[name] for name in ("rows", "stored", "duplicates", "refused"))
    assert (63, 50, 10, 3) == counts, at
    seen = await site.importing.world.read(SERIES)
    assert {START_MS + MINUTE_MS * number for number in range(50)} == set(seen)
    assert ("imports/job1/1.csv", "imports/job1/3.csv") == record.reports
    told = [await site.report(path) for path in record.reports]
    assert [[["0.csv", "32", "t"]], [["2.csv", "12", "speed"], ["2.csv", "13", ""]]] == [
        [row[:3] for row in rows[1:]] for rows in told
    ]


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_at_any_call_loses_and_repeats_no_row(after: bool) -> None:
    """Stopped before or after any call of store, catalogue or stream: counts, rows, reports are the same.

    After one call is before the next one, as far as this is concerned, so each looks at every other call.
    """
    at, ended = int(after), False
    while not ended:
        at += 2
        site = Site(await begun())
        told = await site.told(TEXTS)
        await site.importing.submit(TENANT)
        try:
            await site.run(told, ground=_Ports(site.importing, at, after=after).ground)
            ended = True
        except ServiceError:
            if not (await site.importing.record(TENANT)).phase.is_end:
                await site.run(told)
        await demand(site, at)
    assert at > 25


@pytest.fixture(params=["sqlite", "cassandra"])
async def real(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Site]:
    """Give a world over real stores."""
    async with opened_store(request, tmp_path) as store:
        if request.param == "sqlite":
            catalog: Any = await SqliteCatalogStore.open(tmp_path / "catalog.db")
        else:
            server: Any = request.getfixturevalue("cassandra")
            over: Any = store
            keyspace = over.session.address.keyspace
            catalog = await CassandraCatalogStore.open(Address([server.host], server.port, keyspace))
        yield Site(await begun(store=store, catalog=catalog))
        await catalog.close()


async def test_real_stores_come_to_the_same_after_a_kill_between_files(real: Site) -> None:
    """Killed with a part of the files staged, over SQLite and Cassandra."""
    told = await real.told(TEXTS)
    await real.importing.submit(TENANT)
    with pytest.raises(ServiceError):
        await real.run(told, ground=_Ports(real.importing, 16, after=True).ground)
    assert not (await real.importing.record(TENANT)).phase.is_end
    await real.run(told)
    await demand(real, 16)


async def test_the_same_again_is_known_while_the_job_is(importing_site: Site) -> None:
    """Nothing is written, and the earlier job is named; a file that differs by a byte is another."""
    site = importing_site
    for name, texts in (("job1", TEXTS), ("job2", TEXTS), ("job3", [*TEXTS[:2], TEXTS[2] + " "])):
        await site.importing.submit(TENANT, name)
        site.importing.clock.advance(1)
        await site.run(await site.told(texts), name)
    second, third = [await site.importing.record(TENANT, name) for name in ("job2", "job3")]
    assert ("job1", 0, Phase.DONE) == (second.same_as, second.counts["rows"], second.phase)
    assert ("", 63) == (third.same_as, third.counts["rows"])


@pytest.fixture
async def importing_site() -> Site:
    """Give a world in memory."""
    return Site(await begun())


def test_a_report_runs_nothing_in_a_spreadsheet() -> None:
    """Cells that begin like formulas are texts (SM-10, S9)."""
    for cell in ("=1+1", "+1", "-1", "@x", "\tx", "\r=1", " =1", "\n=1"):
        assert f"'{cell}" == neutral(cell)
    for cell in ("", "x=1", "1-2", "'=1"):
        assert cell == neutral(cell)


def test_a_report_is_bounded_and_says_what_it_leaves_out() -> None:
    """Beyond its limit rows are counted, and the last line says how many."""
    report = Report(bytes_max=500)
    report.add("a.csv", (RefusedRow(line, "c", "is no number", "=x") for line in range(1, 101)))
    rows = list(csv.reader(io.StringIO(report.encoded().decode())))
    assert list(HEADER) == rows[0]
    assert ["a.csv", "1", "c", "is no number", "'=x"] == rows[1]
    assert (100, f"{100 - (len(rows) - 2)} more are not listed") == (report.lines, rows[-1][3])
    assert 10 < len(rows) < 40
