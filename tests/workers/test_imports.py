"""Imports: staged, attached in the order, resumed after kills, undone, swept (R21, SM-07, design 9.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.changes import Clear, Undo
from schemas.codes import INVALID_BODY
from schemas.errors import Problem, ServiceError, Unavailable
from schemas.ids import Erased
from storage import delete_records, job_records, merge
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.import_journal import Journal
from storage.job_records import Phase
from storage.port import SliceId
from storage.slices import WIDTH_MS, slice_start
from storage.sqlite.catalog import SqliteCatalogStore
from streams.entries import encode_erasure, erasure_series
from streams.port import Admission
from streams.shards import shard_of
from tests.storage.laying import StoppingStore
from tests.storage.opened import opened_store
from tests.storage.series import OTHER, SERIES
from tests.workers.importing import UNDO_S, Importing, Listed, replaced, some_rows
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS, step
from workers.imports import staging
from workers.imports.importer import run_import
from workers.running import LOST_MS, Attempt, Superseded, give_slot, take_slot

TENANT = SERIES.tenant
SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)


async def begun(**stores: Any) -> Importing:
    """Make a world whose writer is at work."""
    importing = Importing(**stores)
    await step(importing.writer)
    return importing


async def settled(importing: Importing, rounds: int = 6) -> None:
    """Let the writer seal and purge everything that is due."""
    for _ in range(rounds):
        importing.clock.advance(6_000)
        await step(importing.writer)


async def test_an_import_lies_between_the_writes_around_it():
    """What was written before it gives way where times meet, what came after it stays (design 9.5)."""
    importing = await begun()
    before = put(START_MS + 60_000, START_MS + 30_000, value=-1.0)
    await importing.world.write(SERIES, before)
    first, second = some_rows(0, 50), some_rows(20 * 60_000, 50, value=100.0)

    await importing.import_whole(TENANT, [[(SERIES, first)], [(SERIES, second)]])
    after = put(START_MS + 120_000, value=-2.0)
    await importing.world.write(SERIES, after)
    await step(importing.writer)

    layers = [before.columns, first, second, after.columns]
    await importing.demand(SERIES, layers)
    await settled(importing)
    await importing.demand(SERIES, layers)
    record = await importing.record(TENANT)
    rows = {"rows": 100, "stored": 70, "duplicates": 30, "refused": 0}
    assert {**rows, "series": 1, "cells": 100} == record.counts
    assert (100, 1_000) == (record.rows, record.bytes)
    assert [] == await importing.catalog.list("core", job_records.OPEN)


async def test_rows_in_no_order_count_once_and_the_last_one_wins():
    """Within a file the later line of a time stands; every other one is told as a duplicate (SM-10)."""
    importing = await begun()
    rows = some_rows(0, 40)
    mixed = merge.joined([rows.take(np.arange(39, -1, -1)), some_rows(0, 3, value=7.0)])

    await importing.import_whole(TENANT, [[(SERIES, mixed)]])

    await importing.demand(SERIES, [mixed])
    record = await importing.record(TENANT)
    assert (43, 40, 3) == tuple(record.counts[name] for name in ("rows", "stored", "duplicates"))


async def test_many_slices_and_series_are_imported_by_one_job():
    """Rows of years, of several assets: each slice gets its blocks."""
    importing = await begun()
    long = some_rows(-40 * WIDTH_MS, 400, step_ms=WIDTH_MS // 10)
    other = SERIES._replace(asset="c" * 32)

    await importing.import_whole(TENANT, [[(SERIES, long), (other, some_rows(0, 5))]])

    await importing.demand(SERIES, [long])
    await importing.demand(other, [some_rows(0, 5)])
    await settled(importing)
    await importing.demand(SERIES, [long])
    assert 40 <= len(await importing.world.store.read_slices(SERIES))


async def test_a_bad_unit_imports_nothing():
    """Any problem in any file: nothing is visible or left, and the reasons stand in the job (SM-07)."""
    importing = await begun()
    problem = Problem("/files/1/0", INVALID_BODY, "line 7: no number")
    await importing.submit(TENANT)

    record = await importing.run(TENANT, Listed([[(SERIES, some_rows(0, 50))], [[problem]]]))

    assert Phase.FAILED is record.phase
    assert "Nothing was imported: line 7: no number" == record.message
    assert [("/files/1/0", "line 7: no number")] == [(each.pointer, each.message) for each in record.faults]
    assert set() == await importing.blocks_of(SERIES)
    assert {} == await importing.world.read(SERIES)
    kinds = await importing.catalog.kinds(TENANT)
    assert [job_records.KIND] == list(kinds)


async def test_a_source_without_rows_is_done():
    """Nothing to import is no failure."""
    importing = await begun()
    await importing.import_whole(TENANT, [[]])
    assert "The source has no row." == (await importing.record(TENANT)).message


async def test_a_cancelled_import_leaves_nothing():
    """Until it commits a job can be cancelled; the blocks that it staged are dropped."""
    importing = await begun()
    await importing.submit(TENANT)
    ground = importing.ground()
    attempt = await Attempt.take_up(ground.catalog, importing.clock, TENANT, "job1")

    class Watched(Listed):
        async def read(self, unit):
            async for batch in super().read(unit):
                yield batch
                await job_records.change(
                    ground.catalog, TENANT, "job1", lambda r: replaced(r, cancelled=True)
                )
                importing.clock.advance(2_000)

    await run_import(ground, attempt, Watched([[(SERIES, some_rows(0, 50))] * 2]), undo_s=0)

    record = await importing.record(TENANT)
    assert (Phase.CANCELLED, True) == (record.phase, record.tidied)
    assert set() == await importing.blocks_of(SERIES)
    assert {} == await importing.world.read(SERIES)


async def test_an_older_attempt_stops_where_it_finds_another():
    """A worker that was paused while another took its job up changes nothing any more."""
    importing = await begun()
    await importing.submit(TENANT)
    ground = importing.ground()
    older = await Attempt.take_up(ground.catalog, importing.clock, TENANT, "job1")
    await importing.run(TENANT, Listed([[(SERIES, some_rows(0, 9))]]))

    with pytest.raises(Superseded):
        await run_import(ground, older, Listed([[(SERIES, some_rows(0, 9, value=5.0))]]), undo_s=0)

    await importing.demand(SERIES, [some_rows(0, 9)])


class _Ports:
    """Store, catalogue and stream that fail together at one call, of whichever it is."""

    def __init__(self, importing: Importing, at: int, *, after: bool) -> None:
        self.shared = StoppingStore(importing.world.store, at, after=after)
        others = []
        for inner in (importing.catalog, importing.world.stream):
            twin = StoppingStore(inner, at, after=after)
            others.append(_Counted(twin, self.shared))
        self.ground = importing.ground(_Counted(self.shared, self.shared), *others)


class _Counted:
    """One of several that count their calls together."""

    def __init__(self, one: StoppingStore, shared: StoppingStore) -> None:
        self._one, self._shared = one, shared

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            self._one.calls = self._shared.calls
            try:
                return await getattr(self._one, name)(*arguments, **options)
            finally:
                self._shared.calls = self._one.calls

        return call


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_at_every_call_loses_and_repeats_nothing(after: bool):
    """Stopped around any call of store, catalogue or stream, the next attempt comes to the same (R21).

    Live writes between the attempts keep their place; blocks that do not count are gone in the end.
    """
    at, ended = 0, False
    while not ended:
        at += 1
        importing = await begun()
        await importing.world.write(SERIES, put(START_MS, value=-1.0))
        units = [[(SERIES, some_rows(0, 30))], [(SERIES, some_rows(10 * 60_000, 30, value=50.0))]]
        await importing.submit(TENANT)
        try:
            await importing.run(
                TENANT, Listed(units), undo_s=UNDO_S, ground=_Ports(importing, at, after=after).ground
            )
            ended = True
        except ServiceError:
            if not (await importing.record(TENANT)).phase.is_end:
                await importing.run(TENANT, Listed(units), undo_s=UNDO_S)
        await settled(importing, 4)

        record = await importing.record(TENANT)
        assert Phase.DONE is record.phase, (at, record.message)
        assert (60, 40, 20) == tuple(record.counts[name] for name in ("rows", "stored", "duplicates"))
        await importing.demand(SERIES, [put(START_MS, value=-1.0).columns, *(unit[0][1] for unit in units)])
        assert [] == await importing.world.stream.dead_letters(SHARD)
    assert at > 25


async def test_an_import_is_undone_exactly():
    """What it brought goes, what it had replaced comes back, rows beside it stay (design 4.14, 9.7)."""
    importing = await begun()
    before = put(START_MS + 60_000, START_MS + 90_000, value=-1.0)
    beside = put(START_MS + 10 * WIDTH_MS, value=3.0)
    await importing.world.write(SERIES, before)
    await importing.import_whole(TENANT, [[(SERIES, some_rows(0, 30))]], undo_s=UNDO_S)
    await importing.world.write(SERIES, beside)
    await settled(importing)

    await undo(importing)

    await importing.demand(SERIES, [before.columns, beside.columns])
    await settled(importing)
    await importing.demand(SERIES, [before.columns, beside.columns])
    assert [] == await importing.world.stream.dead_letters(SHARD)


async def undo(importing: Importing) -> int:
    """Ask for an import to be undone, and let the writer come to it."""
    [told] = await Journal(importing.catalog, TENANT, "job1").attached()
    body = Undo(told.position, told.start_ms, told.end_ms)
    admitted = await importing.world.try_write(SERIES, body)
    assert admitted is not None
    importing.world.acknowledged[SERIES].pop()
    await step(importing.writer)
    return admitted.position


async def test_rows_of_the_same_seal_beside_the_import_do_not_stand_in_the_way_of_its_undo():
    """A seal names one position for all that it takes up; the undo looks at the rows themselves."""
    importing = await begun()
    await importing.import_whole(TENANT, [[(SERIES, some_rows(0, 30))]], undo_s=UNDO_S)
    beside = put(START_MS + 31 * 60_000, value=3.0)
    await importing.world.write(SERIES, beside)
    await settled(importing)

    await undo(importing)

    await importing.demand(SERIES, [beside.columns])


@pytest.mark.parametrize(
    "later", [put(START_MS + 60_000, value=9.0), put(START_MS + 61_000), Clear(START_MS, START_MS + 9)]
)
@pytest.mark.parametrize("sealed", [False, True])
async def test_an_import_is_not_undone_over_something_newer(later: Any, sealed: bool):
    """A row or a delete in its range, sealed or not: the undo is set aside with the reason."""
    importing = await begun()
    await importing.import_whole(TENANT, [[(SERIES, some_rows(0, 30))]], undo_s=UNDO_S)
    await importing.world.write(SERIES, later)
    if sealed:
        await settled(importing)
    shown = await importing.world.read(SERIES)

    await undo(importing)

    [letter] = await importing.world.stream.dead_letters(SHARD)
    assert "not undone: something newer was written or deleted in the range" == letter.reason
    assert shown == await importing.world.read(SERIES)


async def test_a_delete_is_not_undone_over_an_import():
    """What an import brought is something newer, too."""
    importing = await begun()
    await importing.world.write(SERIES, put(START_MS + 60_000, value=-1.0))
    admitted = await importing.world.write(SERIES, Clear(START_MS, START_MS + 600_000, UNDO_S))
    await step(importing.writer)
    await importing.import_whole(TENANT, [[(SERIES, some_rows(0, 5))]], undo_s=UNDO_S)
    await importing.world.try_write(SERIES, Undo(admitted.position, START_MS, START_MS + 600_000))
    await step(importing.writer)

    [letter] = await importing.world.stream.dead_letters(SHARD)
    assert "something newer" in letter.reason


async def test_what_an_undo_needs_goes_when_its_time_is_over():
    """Pins and the blocks that they keep are let go; what is visible stays (design 4.14)."""
    importing = await begun()
    await importing.import_whole(TENANT, [[(SERIES, some_rows(0, 30))]], undo_s=UNDO_S)
    await settled(importing)
    slice_id = SliceId(SERIES, slice_start(SERIES, START_MS))
    assert 1 == len(await importing.world.store.read_pins(slice_id))
    [document] = await importing.catalog.list(TENANT, delete_records.KIND)
    assert delete_records.record_in(document).is_import

    await importing.catalog.create("core", "tenant", TENANT, b"{}")
    for _ in range(6):
        importing.clock.advance(2 * 86_400_000)
        await importing.writer._renew_limits()
        await step(importing.writer)
    await settled(importing)

    assert [] == await importing.world.store.read_pins(slice_id)
    await importing.demand(SERIES, [some_rows(0, 30)])
    assert 1 == len(await importing.blocks_of(SERIES)), "the staged block went with the pin"


async def test_a_sweep_spares_what_a_running_job_has_staged_and_takes_what_nobody_names():
    """Blocks of an unfinished job stay, those of one that is forgotten go (design 4.7)."""
    importing = await begun()
    await importing.world.write(SERIES, put(START_MS, value=1.0))
    await importing.submit(TENANT)

    class Paused(Listed):
        async def read(self, unit):
            async for batch in super().read(unit):
                yield batch
            raise Unavailable("the worker is gone")

    original, staging.RUN_BYTES = staging.RUN_BYTES, 1
    try:
        with pytest.raises(Unavailable):
            await importing.run(TENANT, Paused([[(SERIES, some_rows(0, 30))]]))
    finally:
        staging.RUN_BYTES = original
    staged = await Journal(importing.catalog, TENANT, "job1").named()
    assert staged

    await settled(importing)
    assert staged <= await importing.blocks_of(SERIES)

    document = await importing.catalog.get(TENANT, job_records.KIND, "job1")
    assert await importing.catalog.remove(TENANT, job_records.KIND, "job1", document.version)
    importing.clock.advance(2 * 86_400_000)
    await importing.writer._renew_limits()
    await importing.world.write(SERIES, put(START_MS + 5, value=1.0))
    await settled(importing)
    assert not staged & await importing.blocks_of(SERIES)


async def test_an_attach_whose_blocks_are_gone_is_set_aside():
    """Nobody could read a slice that names what is not there, so the entry is refused with the reason."""
    importing = await begun()
    await importing.submit(TENANT)
    ground = importing.ground()

    async def drop(_seconds: float) -> None:
        importing.world.store.blocks.clear()
        await step(importing.writer)

    record = await importing.run(
        TENANT, Listed([[(SERIES, some_rows(0, 5))]]), ground=replace(ground, pause=drop)
    )

    assert Phase.FAILED is record.phase
    assert "blocks that it names are not in the store" in record.message
    assert {} == await importing.world.read(SERIES)


async def test_an_asset_erased_meanwhile_gets_nothing():
    """The order to erase comes before the attach: the job says so, and nothing is left (design 4.16)."""
    importing = await begun()
    erased = Erased(TENANT, SERIES.asset)
    body = encode_erasure(erased)
    await importing.world.stream.append([Admission(SHARD, erasure_series(erased), body)])
    await importing.submit(TENANT)

    record = await importing.run(
        TENANT,
        Listed(
            [[(SERIES, some_rows(0, 5)), (OTHER._replace(tenant=TENANT, asset="d" * 32), some_rows(0, 5))]]
        ),
    )
    await settled(importing)

    assert Phase.FAILED is record.phase
    assert f"Not every series was imported: asset {SERIES.asset}: the asset is erased" == record.message
    assert {} == await importing.world.read(SERIES)


async def test_slots_are_bounded_and_come_back():
    """No more jobs of a tenant run than may; a dead one's slot is free after two minutes (SM-14)."""
    importing = await begun()
    for name in ("one", "two", "three"):
        await importing.submit(TENANT, name)
    for name in ("one", "two"):
        assert await take_slot(importing.catalog, TENANT, name, importing.clock.now_ms(), 2)
        await Attempt.take_up(importing.catalog, importing.clock, TENANT, name)

    now_ms = importing.clock.now_ms()
    assert not await take_slot(importing.catalog, TENANT, "three", now_ms, 2)
    assert await take_slot(importing.catalog, TENANT, "one", now_ms, 2), "its own slot"
    await give_slot(importing.catalog, TENANT, "two")
    assert await take_slot(importing.catalog, TENANT, "three", now_ms, 2)
    await Attempt.take_up(importing.catalog, importing.clock, TENANT, "three")
    assert not await take_slot(importing.catalog, TENANT, "two", now_ms, None)
    assert await take_slot(importing.catalog, TENANT, "two", now_ms + LOST_MS, None)


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


async def test_real_stores_import_resume_and_undo(real: Importing):
    """Staged, killed, resumed, attached, sealed, purged and undone over SQLite and Cassandra."""
    before = put(START_MS + 60_000, value=-1.0)
    await real.world.write(SERIES, before)
    units = [[(SERIES, some_rows(0, 3_000))], [(SERIES, some_rows(0, 50, value=9.0))]]
    await real.submit(TENANT)
    with pytest.raises(ServiceError):
        await real.run(TENANT, Listed(units), undo_s=UNDO_S, ground=_Ports(real, 12, after=True).ground)

    record = await real.run(TENANT, Listed(units), undo_s=UNDO_S)

    assert (Phase.DONE, 3_000, 50) == (record.phase, record.counts["stored"], record.counts["duplicates"])
    layers = [before.columns, units[0][0][1], units[1][0][1]]
    await real.demand(SERIES, layers)
    await settled(real, 3)
    await real.demand(SERIES, layers)
    await undo(real)
    await real.demand(SERIES, [before.columns])


async def test_a_tenant_erased_meanwhile_ends_its_imports():
    """The job's document is gone: the attempt stops, and what it staged is dropped (design 4.16)."""
    importing = await begun()
    await importing.submit(TENANT)
    attempt = await Attempt.take_up(importing.catalog, importing.clock, TENANT, "job1")
    assert attempt is not None

    class Erasing(Listed):
        async def read(self, unit):
            async for batch in super().read(unit):
                yield batch
            for kind in await importing.catalog.kinds(TENANT):
                for document in await importing.catalog.list(TENANT, kind):
                    await importing.catalog.remove(TENANT, kind, document.id, document.version)

    with pytest.raises(Superseded):
        await run_import(importing.ground(), attempt, Erasing([[(SERIES, some_rows(0, 9))]]), undo_s=0)

    await settled(importing)
    assert {} == await importing.world.read(SERIES)
    assert list(await importing.catalog.kinds(TENANT)) == []
