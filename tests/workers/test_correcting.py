"""A correction killed anywhere comes to the same: the later version, nothing of the earlier (design 4.14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.errors import ServiceError
from schemas.imports import Correction
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.job_records import Phase
from storage.sqlite.catalog import SqliteCatalogStore
from tests.storage.opened import opened_store
from tests.storage.series import SERIES
from tests.workers.importing import UNDO_S, Importing, Listed, some_rows
from tests.workers.test_imports import _Ports, begun
from tests.workers.world import START_MS, step
from workers.imports.importer import run_import
from workers.running import Attempt

TENANT = SERIES.tenant
OLD = [(SERIES, some_rows(0, 40))]
NEW = [(SERIES, some_rows(0, 12)), (SERIES, some_rows(20 * 60_000, 10, value=100.0))]
"""Of forty rows the minutes 12 to 19 and from 30 on are gone, ten have other values."""
EXPECTED = {**{n: float(n) for n in range(12)}, **{n: n + 80.0 for n in range(20, 30)}}


async def corrected(importing: Importing, ground: Any = None) -> None:
    """Make one attempt at the later version."""
    ground = ground or importing.ground()
    attempt = await Attempt.take_up(ground.catalog, importing.clock, TENANT, "new")
    assert attempt is not None
    correction = Correction("old", asked=False, inside_only=False)
    await run_import(ground, attempt, Listed([NEW]), undo_s=UNDO_S, correction=correction)


async def prepared(importing: Importing) -> None:
    """Import the earlier version and ask for the later one."""
    await importing.import_whole(TENANT, [OLD], "old", undo_s=UNDO_S)
    importing.clock.advance(1_000)
    await importing.submit(TENANT, "new")


async def demand(importing: Importing, at: int = 0) -> None:
    """The later version is what everybody sees, and the counts say what became of both."""
    record = await importing.record(TENANT, "new")
    assert (Phase.DONE, "old") == (record.phase, record.replaces), (at, record.message)
    counts = tuple(record.counts[name] for name in ("rows", "stored", "duplicates", "removed"))
    assert (22, 22, 0, 18) == counts, at
    await step(importing.writer)
    for seen in (await importing.world.read(SERIES), await importing.world.stored(SERIES)):
        found = {(time - START_MS) // 60_000: row[1][0] for time, row in seen.items() if row}
        assert EXPECTED == found, at


@pytest.mark.parametrize("after", [False, True])
async def test_a_correction_killed_at_any_call_comes_to_the_same(after: bool) -> None:
    """Stopped before or after any call of store, catalogue or stream, and gone on with."""
    at, ended = int(after), False
    while not ended:
        at += 2
        importing = await begun()
        await prepared(importing)
        try:
            await corrected(importing, _Ports(importing, at, after=after).ground)
            ended = True
        except ServiceError:
            if not (await importing.record(TENANT, "new")).phase.is_end:
                await corrected(importing)
        await demand(importing, at)
    assert at > 30


@pytest.fixture(params=["sqlite", "cassandra"])
async def real(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Importing]:
    """Give a world over real stores."""
    async with opened_store(request, tmp_path) as store:
        if request.param == "sqlite":
            catalog: Any = await SqliteCatalogStore.open(tmp_path / "catalog.db")
        else:
            server: Any = request.getfixturevalue("cassandra")
            over: Any = store
            keyspace = over.session.address.keyspace
            catalog = await CassandraCatalogStore.open(Address([server.host], server.port, keyspace))
        yield await begun(store=store, catalog=catalog)
        await catalog.close()


async def test_real_stores_correct_alike_sealed_or_not(real: Importing) -> None:
    """Killed once on the way, then sealed, over SQLite and Cassandra."""
    await prepared(real)
    with pytest.raises(ServiceError):
        await corrected(real, _Ports(real, 14, after=True).ground)
    await corrected(real)
    await demand(real)
    for _ in range(6):
        real.clock.advance(6_000)
        await step(real.writer)
    await demand(real)
