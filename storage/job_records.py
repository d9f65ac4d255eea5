"""Jobs as things: a document each in the catalogue, which says all that a tenant may see of one.

The queue only wakes workers (`streams.job_port`): what a job is told, how far it is and what came of it stand
here, and are changed by compare-and-set. An attempt of a job works as long as the record names it: a worker
that was paused and goes on finds another attempt, or an end, and stops (R21).

A line of `OPEN` names every job of the installation that has not ended, or has still something to tidy up, so
that whoever keeps jobs finds them without asking every tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

import msgspec

from schemas.errors import Problem
from schemas.exporting.schedules import Scheduled
from schemas.ids import CORE
from storage import changing
from storage.port import CatalogStore, Document

KIND: Final = "job"
OPEN: Final = "openjob"
"""Of `CORE`; named `<tenant>-<job>`."""

CHANGE_TRIES_MAX: Final = 20
"""A record is changed by its worker, some times a second at the most, and by doors that cancel."""

IMPORT: Final = "import"
"""Records out of files, through `workers.imports`."""
EXPORT: Final = "export"
"""Files out of series, through `workers.exports`."""


class Phase(Enum):
    """How far a job is."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Tell whether nothing more comes of the job."""
        return self not in {Phase.SUBMITTED, Phase.RUNNING}


class Fault(msgspec.Struct, frozen=True):
    """One reason why a job failed: place and words."""

    pointer: str
    message: str


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job."""

    id: str
    kind: str
    by: str
    """Whose token asked for it."""
    submitted_ms: int
    told: dict[str, Any]
    """What the kind needs (`schemas.imports`)."""
    phase: Phase = Phase.SUBMITTED
    attempt: int = 0
    """How many workers took it up; the last one alone may change it."""
    beat_ms: int = 0
    """The last sign of life of the attempt."""
    started_ms: int = 0
    ended_ms: int = 0
    rows: int = 0
    """Taken in so far …"""
    bytes: int = 0
    """… of which many bytes of the source …"""
    bytes_all: int = 0
    """… out of so many."""
    cancelled: bool = False
    """True: somebody wants it to end."""
    committing: bool = False
    """True: it is past the point up to which it can be cancelled; what is left is done for certain."""
    tidied: bool = False
    """True: nothing of its staging is left."""
    message: str = ""
    faults: tuple[Fault, ...] = ()
    """With `FAILED`: the first reasons."""
    counts: dict[str, int] = {}
    """With an end: what became of the rows."""
    reports: tuple[str, ...] = ()
    """Paths of files, among those of the asset whose files were read, that tell of refused rows."""
    fingerprint: str = ""
    """Of what logger files say and how they are read: the same once more changes nothing."""
    same_as: str = ""
    """The job that imported the same before; this one wrote nothing."""
    version_of: tuple[str, ...] = ()
    """What names the logical file of an import: imports of equal ones are versions of each other."""
    replay_of: str = ""
    """The import whose refused rows this one reads again."""
    replaces: str = ""
    """The import of an earlier version, whose rows this one takes the place of."""
    undone_by: str = ""
    undone_ms: int = 0

    @property
    def subject_assets(self) -> tuple[str, ...]:
        """Give the assets that it is about, by whose owner it is shown."""
        return tuple(self.told.get("assets", ()))

    @property
    def schedule(self) -> Scheduled | None:
        """Give the schedule that it was made by; None: somebody asked for it."""
        told = self.told.get("schedule")
        return None if told is None else msgspec.convert(told, Scheduled)


_decoder = msgspec.json.Decoder(JobRecord)


class OpenJob(msgspec.Struct, frozen=True):
    """A line of `OPEN`."""

    tenant: str
    id: str


open_decoder = msgspec.json.Decoder(OpenJob)


def record_in(document: Document) -> JobRecord:
    """Read a document."""
    return _decoder.decode(document.body)


def faults_of(problems: list[Problem]) -> tuple[Fault, ...]:
    """Keep problems in a record."""
    return tuple(Fault(problem.pointer, problem.message) for problem in problems)


async def submit(catalog: CatalogStore, tenant: str, record: JobRecord) -> None:
    """Store a new job: the line first, so that none is forgotten."""
    await _open(catalog, tenant, record.id)
    await catalog.create(tenant, KIND, record.id, msgspec.json.encode(record))


async def submit_once(catalog: CatalogStore, tenant: str, record: JobRecord) -> None:
    """Store a job whose id follows from what it is for, unless somebody has, whatever came of it."""
    if await catalog.get(tenant, KIND, record.id) is not None:
        return
    await submit(catalog, tenant, record)
    # Who died half way left a line without a job, which whoever keeps jobs may have taken away just now.
    await _open(catalog, tenant, record.id)


async def _open(catalog: CatalogStore, tenant: str, job_id: str) -> None:
    await catalog.create(CORE, OPEN, f"{tenant}-{job_id}", msgspec.json.encode(OpenJob(tenant, job_id)))


async def close(catalog: CatalogStore, tenant: str, job_id: str) -> None:
    """Take the line of a job away: it has ended, and nothing of it is left to be tidied."""
    line = await catalog.get(CORE, OPEN, f"{tenant}-{job_id}")
    if line is not None:
        await catalog.remove(CORE, OPEN, line.id, line.version)


async def get(catalog: CatalogStore, tenant: str, job_id: str) -> JobRecord | None:
    """Read a job; None where there is none (any more)."""
    document = await catalog.get(tenant, KIND, job_id)
    return None if document is None else record_in(document)


async def all_of(catalog: CatalogStore, tenant: str) -> list[JobRecord]:
    """Read every job of a tenant, the newest first."""
    records = map(record_in, await catalog.list(tenant, KIND))
    return sorted(records, key=lambda record: (record.submitted_ms, record.id), reverse=True)


def replaced_in(records: Iterable[JobRecord]) -> dict[str, str]:
    """Name the imports whose rows a later version of their file replaced, and by which import that stands."""
    return {
        record.replaces: record.id
        for record in records
        if record.replaces and record.committing and not record.undone_ms
    }


async def change(
    catalog: CatalogStore, tenant: str, job_id: str, changed: Callable[[JobRecord], JobRecord]
) -> JobRecord | None:
    """Change a record, whoever else does so meanwhile; None where there is none (any more)."""

    def read(document: Document | None) -> JobRecord | None:
        return None if document is None else record_in(document)

    def following(known: JobRecord | None) -> JobRecord | None:
        return None if known is None else changed(known)

    failed = f"the record of the job {job_id} could not be changed: others change it all the time"
    place = (tenant, KIND, job_id)
    return await changing.change(catalog, place, read, following, tries_max=CHANGE_TRIES_MAX, failed=failed)
