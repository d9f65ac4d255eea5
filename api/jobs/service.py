"""Jobs of verified callers: asked for, listed, cancelled; imports undone (design 4.14, 9.7).

A job is a document that its worker changes (`storage.job_records`); the door changes it where somebody
cancels. An undo is one entry for each series of the import, judged by the writer of its shard as that of a
delete is.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from api.identity.scopes import SERIES_READ
from api.identity.tokens import Identity
from api.reading.receipts import Fate
from api.reading.tails import decoded
from api.series.ingest import Write, idempotency_of
from api.series.service import SeriesService
from api.shares.access import Access
from runtime.ports import Ports
from schemas import codes
from schemas.aspects import AspectType
from schemas.changes import Attach, Clear, Undo
from schemas.durations import DAY_MS
from schemas.errors import Conflict, Invalid, NotFound, Problem, TooMany, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.jobs import RUN_JOB
from schemas.limits import JOBS_UNFINISHED_MAX
from schemas.receipts import Place
from schemas.times import format_time
from storage import job_records, undoing
from storage.import_journal import Attached, Journal
from storage.job_records import IMPORT, JobRecord, Phase
from streams.job_port import JobQueue
from streams.shards import shard_of

log = structlog.get_logger(__name__)

PATH = "/api/aspectstore/v1/jobs"
UNKNOWN = "There is no such job."
"""Also of another tenant's, or of assets that are not the caller's own."""

SERIES_AT_ONCE = 16
"""Series of an import whose undo is judged, or looked up, side by side."""

RETRY_AFTER_S = 60
"""A job ends within minutes, mostly."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Undone(NamedTuple):
    """How the undo of an import stands."""

    fate: Fate
    """The worst of its series'."""
    reason: str
    receipt: str


class Seen(NamedTuple):
    """A job as a caller sees it."""

    record: JobRecord
    receipt: str = ""
    """Of the entries of an import, once they are appended; looked up for one job only."""
    undoable_ms: int = 0
    """Until when an import can be undone; 0: not, or no more."""
    undo: Undone | None = None


class JobService:
    """The jobs of one installation; one for each door."""

    def __init__(self, ports: Ports, index: CatalogIndex, access: Access, series: SeriesService) -> None:
        """Work over the ports, beside the service of series, whose receipts these are."""
        self._ports = ports
        self._index = index
        self._access = access
        self._series = series

    # -- asking for one ------------------------------------------------------------------------

    async def submit(self, caller: Identity, record: JobRecord) -> None:
        """Store a job and tell the workers; TooMany where the tenant has enough that have not ended."""
        queue = await self._demand_room(caller.tenant)
        await job_records.submit(self._ports.catalog, caller.tenant, record)
        await self._demand_alone(caller, record)
        await self._tell(queue, caller.tenant, record)

    async def submit_once(self, tenant: TenantId, record: JobRecord) -> None:
        """Do the same with a job whose id follows from what it is for; one that is there already stays."""
        queue = await self._demand_room(tenant)
        await job_records.submit_once(self._ports.catalog, tenant, record)
        await self._tell(queue, tenant, record)

    async def _demand_room(self, tenant: TenantId) -> JobQueue:
        known = await job_records.all_of(self._ports.catalog, tenant)
        if sum(not each.phase.is_end for each in known) >= JOBS_UNFINISHED_MAX:
            message = f"The tenant has {JOBS_UNFINISHED_MAX} jobs that have not ended; come again later."
            raise TooMany(message, RETRY_AFTER_S)
        if self._ports.jobs is None:
            raise Unavailable("This door has no job queue.")
        return self._ports.jobs

    async def _tell(self, queue: JobQueue, tenant: TenantId, record: JobRecord) -> None:
        arguments = {"tenant": tenant, "id": record.id}
        try:
            await queue.submit(RUN_JOB, arguments, f"{tenant}-{RUN_JOB}-{record.id}-0")
        except Unavailable as error:
            # It stands in the catalogue, and whoever keeps jobs wakes a worker.
            log.warning("job_not_told", job=record.id, reason=error.message)

    async def _demand_alone(self, caller: Identity, record: JobRecord) -> None:
        """Take a job back where another version of its file was asked for at the same moment; Conflict.

        Whoever looks after having stored sees the other one; where both do, both are taken back.
        """
        if not record.version_of:
            return
        for known in await job_records.all_of(self._ports.catalog, caller.tenant):
            is_other = known.version_of == record.version_of and known.id != record.id
            if is_other and not known.phase.is_end:
                await self.cancel(caller, record.id)
                raise Conflict(f"The job {known.id} imports another version of the file; wait for it.")

    # -- seeing them ---------------------------------------------------------------------------

    async def page(
        self,
        caller: Identity,
        *,
        phase: Phase | None,
        before: str | None,
        limit: int,
        kind: str | None = None,
    ) -> tuple[list[JobRecord], str | None]:
        """Give the newest jobs that the caller may see, older than one of them, and where to go on."""
        if before is not None and _ID.fullmatch(before) is None:
            message = "before: the `next` of an earlier page is expected."
            raise Invalid([Problem("/before", codes.INVALID_PARAMETER, message)])
        found: list[JobRecord] = []
        reached = before is None
        for record in await job_records.all_of(self._ports.catalog, caller.tenant):
            if (
                reached
                and self._may_see(caller, record)
                and phase in {None, record.phase}
                and kind in {None, record.kind}
            ):
                if len(found) == limit:
                    return found, found[-1].id
                found.append(record)
            reached = reached or record.id == before
        return found, None

    async def find(self, caller: Identity, job_id: str) -> JobRecord:
        """Give a job; NotFound also for one of assets that are not the caller's own."""
        record = None
        if _ID.fullmatch(job_id):
            record = await job_records.get(self._ports.catalog, caller.tenant, job_id)
        if record is None or not self._may_see(caller, record):
            raise NotFound(UNKNOWN)
        return record

    def _may_see(self, caller: Identity, record: JobRecord) -> bool:
        """Tell whether a job may be shown: who reads no records sees its own only (SM-15)."""
        if SERIES_READ not in caller.scopes and record.by != caller.subject:
            return False
        if caller.subtenant is None:
            return True
        part = self._index.of(caller.tenant)
        kept = [part.assets.get(asset) for asset in record.subject_assets]
        return bool(kept) and all(
            each is not None and self._access.owns(caller, part, each.value) for each in kept
        )

    async def seen(self, caller: Identity, job_id: str) -> Seen:
        """Give a job with its receipt and how its undo stands."""
        record = await self.find(caller, job_id)
        if record.kind != IMPORT or not record.committing:
            return Seen(record)
        told = [each for each in await self._journal(caller, record).attached() if each.position]
        places = [Place(each.shard, each.incarnation, each.position) for each in told]
        receipts = self._series.receipts
        seen = Seen(record, receipts.give(caller.tenant, places) if places else "")
        asked = [
            Place(each.shard, each.undo_incarnation, each.undo_position)
            for each in told
            if each.undo_position
        ]
        if asked:
            fate, reason = await receipts.fate(asked)
            return seen._replace(undo=Undone(fate, reason, receipts.give(caller.tenant, asked)))
        return seen._replace(undoable_ms=self._undoable_ms(record, told))

    def _undoable_ms(self, record: JobRecord, told: list[Attached]) -> int:
        undo_ms = int(record.told.get("undo_s", 0)) * 1_000
        until_ms = min((each.position // 1_000 for each in told), default=0) + undo_ms
        lives = record.phase.is_end and bool(told) and undo_ms > 0
        return until_ms if lives and self._ports.clock.now_ms() < until_ms else 0

    def _journal(self, caller: Identity, record: JobRecord) -> Journal:
        return Journal(self._ports.catalog, caller.tenant, record.id)

    # -- ending them ---------------------------------------------------------------------------

    async def cancel(self, caller: Identity, job_id: str) -> JobRecord:
        """End a job that has not committed; Conflict for one that has, or has ended.

        One that is at work ends at its next sign of life; the same again changes nothing.
        """
        await self.find(caller, job_id)
        now_ms = self._ports.clock.now_ms()

        def cancelled(known: JobRecord) -> JobRecord:
            if known.phase is Phase.CANCELLED or known.cancelled:
                return known
            if known.phase.is_end or known.committing:
                raise Conflict(
                    "The job has ended, or has come too far to be cancelled; an import can be undone."
                )
            if known.phase is Phase.SUBMITTED:
                message = "It was cancelled before it began."
                return msgspec.structs.replace(
                    known, cancelled=True, phase=Phase.CANCELLED, ended_ms=now_ms, message=message
                )
            return msgspec.structs.replace(known, cancelled=True)

        record = await job_records.change(self._ports.catalog, caller.tenant, job_id, cancelled)
        if record is None:
            raise NotFound(UNKNOWN)
        return record

    # -- the way back --------------------------------------------------------------------------

    async def undo(self, caller: Identity, job_id: str) -> Seen:
        """Ask for every series of an import as it was before; Conflict where that is in vain (design 9.7).

        Every series is looked at before the first one is asked for. The same again asks for nothing new.
        """
        record = await self.find(caller, job_id)
        if record.kind != IMPORT or not record.phase.is_end:
            raise Conflict("Only an import that has ended can be undone.")
        journal = self._journal(caller, record)
        told = [each for each in await journal.attached() if each.position]
        if not told:
            raise Conflict("The import has changed nothing.")
        left = [each for each in told if not each.undo_position]
        if left and not self._undoable_ms(record, told):
            raise Conflict("The time in which the import could be undone is over, or there was none.")
        owned = [(each, *await self._owned(caller, each)) for each in left]
        for first in range(0, len(owned), SERIES_AT_ONCE):
            several = owned[first : first + SERIES_AT_ONCE]
            await asyncio.gather(*(self._demand_undoable(each, series) for each, series, _ in several))
        for each, series, aspect in owned:
            change = Undo(each.position, each.start_ms, each.end_ms)
            key = f"undo\t{record.id}\t{each.asset}\t{each.aspect}"
            once = idempotency_of(caller.tenant, series, key, "UNDO", record.id.encode())
            accepted = await self._series.ingest.append(Write(caller.tenant, series, aspect, change, once))
            await journal.note_undo(each, accepted.places[0])
        now_ms = self._ports.clock.now_ms()
        await job_records.change(
            self._ports.catalog,
            caller.tenant,
            job_id,
            lambda known: (
                known
                if known.undone_ms
                else msgspec.structs.replace(known, undone_by=caller.subject, undone_ms=now_ms)
            ),
        )
        return await self.seen(caller, job_id)

    async def _owned(self, caller: Identity, told: Attached) -> tuple[SeriesId, AspectType]:
        """Give a series of an import, whatever its aspect is called by now; Conflict where it is no more."""
        try:
            kept = await self._access.own_asset(caller, told.asset)
            for held in self._index.of(caller.tenant).aspects_of(kept.value.type_id):
                if held.aspect.aspect_id == told.aspect:
                    return told.series(caller.tenant), held.type
        except NotFound:
            pass
        raise Conflict(f"Asset {told.asset} has no such aspect any more, or is deleted.")

    async def _demand_undoable(self, told: Attached, series: SeriesId) -> None:
        """Raise Conflict where a writer is going to refuse, as far as that can be seen from here."""
        undo = Undo(told.position, told.start_ms, told.end_ms)
        now_ms = self._ports.clock.now_ms()
        live_from_ms = self._index.profile_of(series.tenant).retention.live_from_ms(now_ms)
        if live_from_ms is not None and told.start_ms < live_from_ms:
            raise Conflict(f"Retention has reached the range: records live from {format_time(live_from_ms)}.")
        shard = shard_of(series.tenant, series.asset, self._ports.policy.shards)
        tail = await self._ports.stream.read_tail(shard, series)
        for entry in tail.chain or ():
            change = decoded(entry) if entry.position > undo.position else None
            if isinstance(change, Undo):
                change = Clear(change.start_ms, change.end_ms)  # Whatever comes of it, it is of that range.
            if change is not None and undoing.touches(change, undo):
                raise Conflict(f"The import cannot be undone: {undoing.OVERLAPPED}.")
        if await self._ports.series.read_cursor(shard) < told.position:
            return
        judged = await undoing.judge(
            self._ports.series, series, undo, before=undoing.ANY_POSITION, at_ms=now_ms
        )
        if not isinstance(judged, Attach):
            raise Conflict(f"The import cannot be undone: asset {told.asset}: {judged}.")

    def undo_seconds(self, caller: Identity) -> int:
        """Give how long what the caller imports now can be undone."""
        days = self._index.profile_of(caller.tenant).undo_days
        return (self._ports.policy.undo_days if days is None else days) * DAY_MS // 1_000
