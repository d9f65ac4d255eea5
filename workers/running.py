"""One attempt at a job: taken up, told of as it goes, ended; by compare-and-set, so only one counts (R21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from runtime.ports import Clock
from schemas.limits import JOBS_RUNNING_DEFAULT
from storage import changing, job_records
from storage.job_records import JobRecord, Phase
from storage.port import CatalogStore, Document

log = structlog.get_logger("jobs")

BEAT_S: Final = 1.0
"""How often the record says how far a job is: what a person who watches can follow."""

LOST_MS: Final = 120_000
"""After so long without a sign of life an attempt counts as dead: its longest step takes some seconds."""

ATTEMPTS_MAX: Final = 8
"""Attempts at a job that has not committed: what kills its worker so often is the job's own doing."""

SLOTS: Final = "jobslots"
"""Kind and id of the document that names the running jobs of a tenant."""

CHANGE_TRIES_MAX: Final = 20


class Superseded(Exception):  # no error: somebody else goes on
    """Another attempt has taken the job up, it has ended, or there is none any more."""


class Cancelled(Exception):  # no error: it was asked for
    """Somebody wants the job to end."""


class Attempt:
    """What a worker holds of the job that it is at."""

    def __init__(self, catalog: CatalogStore, clock: Clock, document: Document) -> None:
        """Begin with the record as it was stored last."""
        self._catalog = catalog
        self._clock = clock
        self._version = document.version
        self._beat_s = clock.monotonic_s()
        self.tenant = document.tenant
        self.record = job_records.record_in(document)

    @classmethod
    async def take_up(cls, catalog: CatalogStore, clock: Clock, tenant: str, job_id: str) -> Attempt | None:
        """Begin an attempt; None where there is nothing to do (any more)."""
        while True:
            document = await catalog.get(tenant, job_records.KIND, job_id)
            if document is None:
                return None
            record = job_records.record_in(document)
            if record.phase.is_end:
                return None
            now_ms = clock.now_ms()
            begun = msgspec.structs.replace(
                record,
                phase=Phase.RUNNING,
                attempt=record.attempt + 1,
                beat_ms=now_ms,
                started_ms=record.started_ms or now_ms,
            )
            body = msgspec.json.encode(begun)
            stored = await catalog.replace(tenant, job_records.KIND, job_id, body, document.version)
            if stored is not None:
                return cls(catalog, clock, stored)

    async def told(self, *, rows: int, octets: int, octets_all: int | None = None) -> None:
        """Say how far the job is, at most once a second; raises as `change` does.

        `octets_all` where it is an estimate that gets better.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._beat_s + BEAT_S:
            return
        self._beat_s = now_s
        known = self.record.bytes_all if octets_all is None else octets_all
        await self.change(
            lambda record: msgspec.structs.replace(record, rows=rows, bytes=octets, bytes_all=known)
        )

    async def change(self, changed: Callable[[JobRecord], JobRecord]) -> None:
        """Change the record with a sign of life; raises Cancelled or Superseded where it is to stop."""
        while True:
            wanted = msgspec.structs.replace(changed(self.record), beat_ms=self._clock.now_ms())
            stored = await self._catalog.replace(
                self.tenant, job_records.KIND, wanted.id, msgspec.json.encode(wanted), self._version
            )
            if stored is not None:
                self._version, self.record = stored.version, wanted
                return
            await self._read_again()

    async def end(
        self,
        phase: Phase,
        *,
        message: str = "",
        faults: tuple[job_records.Fault, ...] = (),
        counts: dict[str, int] | None = None,
    ) -> None:
        """Say what came of the job."""
        now_ms = self._clock.now_ms()
        await self.change(
            lambda record: msgspec.structs.replace(
                record, phase=phase, ended_ms=now_ms, message=message, faults=faults, counts=counts or {}
            )
        )
        log.info("job_ended", tenant=self.tenant, job=self.record.id, phase=phase.value, message=message)

    async def _read_again(self) -> None:
        document = await self._catalog.get(self.tenant, job_records.KIND, self.record.id)
        found = None if document is None else job_records.record_in(document)
        if document is None or found is None or found.phase.is_end or found.attempt != self.record.attempt:
            raise Superseded
        self._version, self.record = document.version, found
        if found.cancelled and not found.committing:
            raise Cancelled


async def take_slot(catalog: CatalogStore, tenant: str, job_id: str, now_ms: int, most: int | None) -> bool:
    """Count a job among the running ones of its tenant; False where there are as many as may be (SM-14).

    Those of which nobody has heard for two minutes count no more.
    """
    most = JOBS_RUNNING_DEFAULT if most is None else most
    records = {record.id: record for record in await job_records.all_of(catalog, tenant)}

    def runs(held: str) -> bool:
        record = records.get(held)
        return record is not None and record.phase is Phase.RUNNING and now_ms < record.beat_ms + LOST_MS

    taken = False

    def following(known: tuple[str, ...]) -> tuple[str, ...]:
        nonlocal taken
        # One that came in between is not among the records; it counts.
        others = tuple(held for held in known if held != job_id and (held not in records or runs(held)))
        taken = len(others) < most
        return (*others, job_id) if taken else others

    await _change_slots(catalog, tenant, following)
    return taken


async def give_slot(catalog: CatalogStore, tenant: str, job_id: str) -> None:
    """Count a job no more."""
    await _change_slots(catalog, tenant, lambda known: tuple(held for held in known if held != job_id))


async def _change_slots(
    catalog: CatalogStore, tenant: str, following: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> None:
    def read(document: Document | None) -> tuple[str, ...]:
        return () if document is None else tuple(msgspec.json.decode(document.body, type=list[str]))

    failed = f"the running jobs of tenant {tenant} could not be counted: others change them all the time"
    await changing.change(
        catalog, (tenant, SLOTS, SLOTS), read, following, tries_max=CHANGE_TRIES_MAX, failed=failed
    )
