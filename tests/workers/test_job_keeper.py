"""Who keeps jobs: woken, given up, tidied up after, forgotten (R21)."""

from __future__ import annotations

import pytest

from schemas.durations import DAY_MS
from schemas.errors import Unavailable
from schemas.jobs import RUN_JOB
from schemas.limits import JOBS_KEPT_DAYS
from storage import job_records
from storage.import_journal import Journal
from storage.job_records import Phase
from streams.memory_jobs import MemoryJobQueue
from tests.storage.series import SERIES
from tests.workers.importing import Importing, Listed, replaced, some_rows
from tests.workers.world import step
from workers.imports import staging
from workers.job_keeper import WAKE_AGAIN_MS, JobKeeper
from workers.running import ATTEMPTS_MAX, LOST_MS, Attempt

TENANT = SERIES.tenant


class Kept:
    """A world with a keeper, and a queue that only remembers."""

    def __init__(self) -> None:
        """Begin with no job."""
        self.importing = Importing()
        self.queue = MemoryJobQueue({})
        world = self.importing.world
        self.keeper = JobKeeper(
            self.importing.catalog, world.store, self.queue, self.importing.clock, lambda: True
        )

    @property
    def woken(self) -> int:
        """Count how often workers were told of a job."""
        return len(self.queue._asked)

    async def after(self, milliseconds: int) -> None:
        """Look again later."""
        self.importing.clock.advance(milliseconds)
        await self.keeper.look()


@pytest.fixture
async def kept() -> Kept:
    """Give a keeper."""
    made = Kept()
    await step(made.importing.writer)
    return made


async def half_staged(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Leave a job behind whose worker died while it staged; gives the blocks that it named."""

    class Broken(Listed):
        async def read(self, unit):
            async for batch in super().read(unit):
                yield batch
            raise Unavailable("the worker is gone")

    monkeypatch.setattr(staging, "RUN_BYTES", 1)
    await kept.importing.submit(TENANT)
    with pytest.raises(Unavailable):
        await kept.importing.run(TENANT, Broken([[(SERIES, some_rows(0, 9))]]))
    return await Journal(kept.importing.catalog, TENANT, "job1").named()


async def test_a_job_that_nobody_took_up_is_told_again(kept: Kept):
    """After a minute, and every minute, until somebody does."""
    await kept.importing.submit(TENANT)
    await kept.keeper.look()
    assert 0 == kept.woken
    for count in (1, 2):
        await kept.after(WAKE_AGAIN_MS)
        await kept.keeper.look()
        assert count == kept.woken
    assert all(name == RUN_JOB for name, _ in kept.queue._asked.values())


async def test_a_job_whose_worker_died_goes_on(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """After two minutes without a sign of life workers are told; the next one ends it."""
    await half_staged(kept, monkeypatch)
    await kept.after(LOST_MS - 1)
    assert 0 == kept.woken
    await kept.after(1)
    assert 1 == kept.woken
    record = await kept.importing.run(TENANT, Listed([[(SERIES, some_rows(0, 9))]]))
    assert (Phase.DONE, 2) == (record.phase, record.attempt)
    await kept.importing.demand(SERIES, [some_rows(0, 9)])


async def test_a_job_that_kills_its_workers_is_given_up(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """After so many attempts it fails with the reason, and what it staged goes; one that commits goes on."""
    staged = await half_staged(kept, monkeypatch)
    assert staged & await kept.importing.blocks_of(SERIES)
    catalog = kept.importing.catalog
    await job_records.change(
        catalog, TENANT, "job1", lambda r: replaced(r, attempt=ATTEMPTS_MAX, committing=True)
    )
    await kept.after(LOST_MS)
    assert (1, Phase.RUNNING) == (kept.woken, (await kept.importing.record(TENANT)).phase)
    await job_records.change(catalog, TENANT, "job1", lambda r: replaced(r, committing=False))

    await kept.after(LOST_MS)
    record = await kept.importing.record(TENANT)
    assert Phase.FAILED is record.phase
    assert f"Its worker died {ATTEMPTS_MAX} times" in record.message
    await kept.keeper.look()

    assert not staged & await kept.importing.blocks_of(SERIES)
    assert (True, []) == (
        (await kept.importing.record(TENANT)).tidied,
        await catalog.list("core", job_records.OPEN),
    )


async def test_what_a_forgotten_job_staged_is_dropped(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """A line without a record: its door died, or its tenant was erased."""
    staged = await half_staged(kept, monkeypatch)
    catalog = kept.importing.catalog
    document = await catalog.get(TENANT, job_records.KIND, "job1")
    assert await catalog.remove(TENANT, job_records.KIND, "job1", document.version)
    await kept.keeper.look()
    assert staged & await kept.importing.blocks_of(SERIES), "a door may be about to store it"
    await kept.after(WAKE_AGAIN_MS)
    assert not staged & await kept.importing.blocks_of(SERIES)
    assert [] == await catalog.list("core", job_records.OPEN)


async def test_old_jobs_are_forgotten_with_all_that_they_left(kept: Kept):
    """A month after its end nothing of a job is left; what it imported stays."""
    catalog = kept.importing.catalog
    await catalog.create("core", "tenant", TENANT, b"{}")
    await kept.importing.import_whole(TENANT, [[(SERIES, some_rows(0, 9))]])
    await kept.after(JOBS_KEPT_DAYS * DAY_MS - 10_000)
    assert Phase.DONE is (await kept.importing.record(TENANT)).phase
    await kept.after(3_600_000)
    assert [] == [kind for kind in await catalog.kinds(TENANT) if "job" in kind or "attached" in kind]
    await kept.importing.demand(SERIES, [some_rows(0, 9)])


async def test_a_job_that_is_at_work_is_left_alone(kept: Kept):
    """Signs of life keep the keeper away."""
    await kept.importing.submit(TENANT)
    attempt = await Attempt.take_up(kept.importing.catalog, kept.importing.clock, TENANT, "job1")
    for _ in range(3):
        await attempt.change(lambda record: record)
        await kept.after(LOST_MS - 1)
    assert 0 == kept.woken
