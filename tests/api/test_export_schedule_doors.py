"""Scheduled exports at several doors that may die at any moment, on every catalogue (SM-31, R21)."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import httpx
import pytest

from api.exports import timer
from api.exports.timer import ExportTimer
from api.identity.passwords import Passwords
from api.identity.setup import Credentials, bootstrap
from runtime.clock import ManualClock
from runtime.ports import Ports
from schemas.durations import HOUR_MS
from schemas.exporting.schedules import RUN_KIND
from storage import job_records
from storage.memory import MemorySeriesStore
from storage.memory_audit import MemoryAuditStore
from storage.memory_catalog import MemoryCatalogStore
from storage.memory_events import MemoryEventStore
from storage.memory_files import MemoryFileStore
from streams.memory import MemoryRecordStream
from streams.memory_jobs import MemoryJobQueue
from tests.api.doors import NOW_MS, _door, bearer, signing_key, token_of
from tests.api.downloads import at
from tests.api.masts import Site, put_types
from tests.api.regular import DAY_H, SCHEDULES, Regular
from tests.security.estate import STILL, opened
from tests.workers.world import World

KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]


class Doors(Regular):
    """Two doors over one catalogue and one queue."""

    def __init__(self, running, headers):
        """Put a queue into both that does nothing by itself."""
        super().__init__(Site(running[0], dict.fromkeys(("acme", "other", "rigid"), headers)))
        self.doors = [each.door for each in running]
        for door in self.doors:
            object.__setattr__(door.services.ports, "jobs", self.queue)

    async def pass_time(self, hours):
        """Let time go by, and log in again."""
        self.site.clock.advance(round(hours * HOUR_MS))
        await self.site.step()
        await self.site.writer._renew_limits()
        self.site.open.headers = bearer(await token_of(self.site.http, "acme-tech", "s3cret"))
        for door in self.doors:
            await door.services.refresh()

    async def made(self):
        """Give the jobs that there are, as the catalogue has them."""
        return await job_records.all_of(self.site.catalog, "acme")


@contextlib.asynccontextmanager
async def two_doors(catalog, store):
    """Start two doors over one catalogue that read its log when they are told."""
    clock = ManualClock(NOW_MS)
    await catalog.create("core", "key", "token-000001", signing_key())
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await put_types(catalog, "acme")
    world = World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)
    await world.writer().keep_leases()
    others = (MemoryJobQueue({}), MemoryFileStore(), MemoryEventStore(), MemoryAuditStore())
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for _ in range(2):
            door = stack.enter_context(_door(Ports(world.stream, store, catalog, clock, STILL, *others), ()))
            await stack.enter_async_context(door.running())
            transport = httpx.ASGITransport(door, raise_app_exceptions=False, client=("192.0.2.1", 1))
            http = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://door")
            )
            running.append(SimpleNamespace(http=http, door=door, catalog=catalog, clock=clock, world=world))
        headers = bearer(await token_of(running[0].http, "acme-tech", "s3cret"))
        made = Doors(running, headers)
        await made.site.step()
        yield made


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    """Doors look when a test says so."""
    monkeypatch.setattr(timer, "LOOK_S", 3_600.0)


@pytest.fixture(params=KINDS)
async def doors(request, tmp_path):
    """Two doors over each store."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with opened(request.param, tmp_path, server) as (catalog, store), two_doors(catalog, store) as both:
        yield both


async def test_doors_that_look_at_once_make_one_job(doors):
    """Two doors, each started anew meanwhile: one job a moment, told to the workers once."""
    await doors.stored(doors.site.open)
    await doors.site.open.wrote([{"_time": at(1), "level": 1}])
    timers = [ExportTimer(door.services) for door in doors.doors] + [door.timer for door in doors.doors]
    for day in range(1, 4):
        await doors.pass_time(6 if day == 1 else DAY_H)
        await asyncio.gather(*(each.look() for each in timers))
        assert (day, 1) == (len(await doors.made()), len(doors.queue._asked))
        await doors.run()
        run = (await doors.shown(doors.site.open))["run"]
        assert (f"2026-01-0{day}T06:00:00.000Z", "done") == (run["due"], run["state"])


async def test_a_schedule_goes_on_over_real_stores(doors):
    """Made, found unchanged and kept on, made anew after a record, the older one dropped."""
    mast = doors.site.open
    await mast.wrote([{"_time": at(1), "level": 1}])
    await doors.site.seal()
    await doors.stored(mast, keep=1)
    runs = []
    for hours in (6, DAY_H, DAY_H):
        await doors.pass_time(hours)
        if len(runs) == 2:
            await mast.wrote([{"_time": at(2), "level": 2}])
        await doors.doors[len(runs) % 2].timer.look()
        await doors.run()
        runs.append((await doors.shown(mast))["run"])
    assert [False, True, False] == ["sameAs" in run for run in runs]
    assert runs[0]["job"] == runs[1]["sameAs"]
    statuses = [
        (await mast.send("GET", f"/api/aspectstore/v1/exports/{run['job']}/content")).status_code
        for run in runs
    ]
    assert [410, 410, 200] == statuses
    [kept] = await doors.site.catalog.list("acme", "export")
    assert runs[2]["job"] == kept.id


async def test_one_of_two_changes_of_a_schedule_is_taken(doors):
    """Both build on the same version: the other is told that it is stale; a name is given once."""
    mast = doors.site.open
    answers = await asyncio.gather(*(doors.put(mast, at=f"0{hour}:00") for hour in range(4)))
    statuses = sorted(answer.status_code for answer in answers)
    assert (201, True) == (statuses[0], set(statuses[1:]) <= {400, 412})
    answers = await asyncio.gather(*(doors.put(mast, etag=0, at=f"0{hour}:00") for hour in range(4)))
    assert [200, *[412] * 3] == sorted(answer.status_code for answer in answers)


class Killed(BaseException):  # nothing in a door catches it
    """The process ends."""


def killed_at(monkeypatch, catalog, number, *, after):
    """Let the catalogue's calls end the process at one of them; gives how many there were."""
    calls = SimpleNamespace(count=0)

    def killing(call):
        async def act(*arguments):
            calls.count += 1
            if calls.count == number and not after:
                raise Killed
            answer = await call(*arguments)
            if calls.count == number:
                raise Killed
            return answer

        return act

    for name in ("get", "list", "create", "replace", "remove", "changes"):
        monkeypatch.setattr(catalog, name, killing(getattr(catalog, name)))
    return calls


@pytest.mark.parametrize("after", [False, True])
async def test_a_door_may_die_at_any_moment(monkeypatch, after):
    """Killed before or after any call of the catalogue, another door makes the job of the moment: one."""
    number, died = 0, True
    while died:
        number += 1
        catalog = MemoryCatalogStore()
        async with two_doors(catalog, MemorySeriesStore()) as doors:
            await doors.stored(doors.site.open)
            await doors.pass_time(6)
            with monkeypatch.context() as patch:
                killed_at(patch, catalog, number, after=after)
                try:
                    await doors.doors[0].timer.look()
                    died = False
                except Killed:
                    pass
            await doors.doors[1].timer.look()
            await doors.doors[1].timer.look()
            [job] = await doors.made()
            line = await catalog.get("core", job_records.OPEN, f"acme-{job.id}")
            run = (await doors.shown(doors.site.open))["run"]
            assert (job.id, "submitted", True) == (run["job"], run["state"], line is not None), number
            assert 1 >= len(doors.queue._asked)
    assert number > 8


async def test_a_line_that_was_tidied_away_meanwhile_is_made_again(monkeypatch):
    """Whoever keeps jobs takes lines without a job away; the line of this job stays, so it is woken."""
    catalog = MemoryCatalogStore()
    async with two_doors(catalog, MemorySeriesStore()) as doors:
        await doors.stored(doors.site.open)
        await doors.pass_time(6)
        create = catalog.create

        async def tidied(tenant, kind, name, body):
            stored = await create(tenant, kind, name, body)
            if kind == job_records.KIND:
                await job_records.close(catalog, tenant, name)
            return stored

        with monkeypatch.context() as patch:
            patch.setattr(catalog, "create", tidied)
            await doors.doors[0].timer.look()
        [line] = await catalog.list("core", job_records.OPEN)
        assert line.id.startswith("acme-")


async def test_a_door_that_has_not_heard_of_a_change_goes_by_what_is_stored(doors):
    """Deleted or paused at the other door a moment ago: nothing is made."""
    mast = doors.site.open
    await doors.stored(mast)
    await doors.stored(mast, "paused")
    await doors.doors[1].services.refresh()
    assert 204 == (await mast.send("DELETE", f"{SCHEDULES}/daily", if_match="0")).status_code
    await doors.stored(mast, "paused", etag=0, paused=True)
    doors.site.clock.advance(7 * HOUR_MS)
    await doors.doors[1].timer.look()
    assert [] == await doors.made()
    assert [] == await doors.site.catalog.list("acme", RUN_KIND)
