"""Who makes scheduled exports: every door looks, and whichever comes first makes the job of a moment (SM-31).

Doors have in memory what exports are planned with, and there is always one. The id of a job follows from the
schedule and the moment, so that several doors, and one that goes on after it was away, make the same one.
What was seen to is noted afterwards, so that a kill leaves the moment to the next look. Of moments that
nobody saw to, the last one is made up for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import structlog

from api.catalog.tenant_index import Kept
from api.exports.schedule_wire import RegularExportIn
from api.exports.schedules import schedule_in
from api.exports.service import Exports
from api.identity.accounts import USER, Accounts, scopes_of
from api.identity.scopes import SERIES_READ
from api.identity.tokens import CLIENT as CLIENT_TOKEN
from api.identity.tokens import USER as USER_TOKEN
from api.identity.tokens import Identity
from api.services import Services
from schemas.durations import SECOND_MS
from schemas.errors import Forbidden, Invalid, Malformed, Refused, TooMany, Unavailable
from schemas.exporting.schedules import KIND, RUN_KIND, ExportRun, ExportSchedule, Moment
from schemas.ids import TenantId
from schemas.times import format_time
from storage import job_records
from storage.changing import change
from storage.port import Document

log = structlog.get_logger(__name__)

LOOK_S: Final = 10.0
"""Between two looks; most of them ask the memory only."""

NOTE_TRIES_MAX: Final = 20
"""Doors that see to the same moment at once."""

OWNER_GONE: Final = "Its owner's account is suspended or gone; somebody else may store the schedule again."
OWNER_LESS: Final = f"Its owner may not read all records of the tenant any more (scope {SERIES_READ})."

_run = msgspec.json.Decoder(ExportRun)


class _Looked(NamedTuple):
    """What a door knows of a schedule."""

    version: int
    due_ms: int
    """When it is to be looked at next; 0: at once."""


class ExportTimer:
    """The schedules of all tenants; one for each door, used on its event loop only."""

    def __init__(self, services: Services) -> None:
        """Know of no schedule."""
        self._services = services
        self._catalog = services.ports.catalog
        self._clock = services.ports.clock
        self._exports = Exports(services)
        self._looked: dict[tuple[TenantId, str], _Looked] = {}

    async def run(self) -> None:
        """Look again and again until the door ends."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:
                log.exception("schedules_not_looked_at")

    async def look(self) -> None:
        """Make the exports that are due; what cannot be done now is tried at the next look."""
        now_ms = self._clock.now_ms()
        for tenant, (schedule, version) in self._due(now_ms):
            name = schedule.name
            try:
                if await self._see_to(tenant, name, now_ms):
                    following_ms = schedule.timing.following(now_ms).time_ms
                    self._looked[tenant, name] = _Looked(version, following_ms)
            except Unavailable as error:
                log.warning("schedule_waits", tenant=tenant, schedule=name, reason=error.message)
            except Exception:
                log.exception("schedule_failed", tenant=tenant, schedule=name)

    def _due(self, now_ms: int) -> list[tuple[TenantId, Kept[ExportSchedule]]]:
        """List what may be due, and forget what is there no more."""
        index, looked = self._services.index, self._looked
        self._looked, found = {}, []
        for tenant in index.tenants():
            if not index.is_active(tenant):
                continue  # What falls into this time is made up for once, when it is awake again.
            for name, kept in index.of(tenant).export_schedules.items():
                known = looked.get((tenant, name))
                if known is None or known.version != kept.version:
                    known = _Looked(kept.version, 0)
                self._looked[tenant, name] = known
                if now_ms >= known.due_ms and not kept.value.paused:
                    found.append((tenant, kept))
        return found

    async def _see_to(self, tenant: TenantId, name: str, now_ms: int) -> bool:
        """Make the job of the last moment of a schedule; False where it is to be tried again."""
        document = await self._catalog.get(tenant, KIND, name)
        if document is None:
            return True
        schedule = schedule_in(document)
        due = schedule.due(now_ms)
        if due is None or await self._is_seen_to(tenant, schedule, due):
            return True
        run = ExportRun(schedule.id, due.time_ms, schedule.job_id(due))
        try:
            if await job_records.get(self._catalog, tenant, run.job) is None:
                await self._begin(tenant, schedule, due)
        except TooMany as full:
            waiting = f"What was due at {format_time(due.time_ms)} waits: {full.message}"
            await self._note(tenant, name, lambda known: _waits(known, schedule.id, due, waiting))
            return False
        except Refused as refused:
            run = msgspec.structs.replace(run, job="", reason=_words(refused))
        await self._note(tenant, name, lambda known: _ran(known, run))
        log.info("schedule_seen_to", tenant=tenant, schedule=name, job=run.job, reason=run.reason)
        return True

    async def _is_seen_to(self, tenant: TenantId, schedule: ExportSchedule, due: Moment) -> bool:
        document = await self._catalog.get(tenant, RUN_KIND, schedule.name)
        return document is not None and _covers(_run.decode(document.body), schedule.id, due.time_ms)

    async def _begin(self, tenant: TenantId, schedule: ExportSchedule, due: Moment) -> None:
        """Plan the export by what its owner may read now, and make its job."""
        await self._services.index.refresh()
        if not self._services.index.is_active(tenant):
            raise Unavailable("The tenant has just been suspended.")
        owner = await self._owner(tenant, schedule)
        try:
            asked = msgspec.convert(schedule.export, RegularExportIn)
        except msgspec.ValidationError as error:  # It was stored by an earlier version of the service.
            raise Malformed(f"The export is not understood any more: {error}") from None
        after_ms = schedule.timing.after_ms(due)
        if after_ms is not None:
            asked.after = format_time(after_ms)
        await self._exports.submit_due(owner, schedule, due, asked)

    async def _owner(self, tenant: TenantId, schedule: ExportSchedule) -> Identity:
        """Give the caller that the owner of a schedule would be now; Forbidden."""
        told = schedule.owner
        found = await Accounts(self._catalog).read(tenant, told.kind, told.name)
        if found is None or found[1].suspended or found[1].created_ms != told.created_ms:
            raise Forbidden(OWNER_GONE)
        account = found[1]
        scopes = frozenset(scopes_of(account.role, account.scopes))
        if account.subtenant is not None or SERIES_READ not in scopes:
            raise Forbidden(OWNER_LESS)
        return Identity(
            tenant=tenant,
            subject=told.name,
            client_id=told.name,
            scopes=scopes,
            token_id="",
            expires_s=self._clock.now_ms() // SECOND_MS,
            category=USER_TOKEN if told.kind == USER else CLIENT_TOKEN,
        )

    async def _note(self, tenant: TenantId, name: str, following: Callable[[ExportRun], ExportRun]) -> None:
        failed = f"what came of the schedule {name} could not be noted: others note it all the time"
        place = (tenant, RUN_KIND, name)
        await change(self._catalog, place, _read, following, tries_max=NOTE_TRIES_MAX, failed=failed)


def _read(document: Document | None) -> ExportRun:
    return ExportRun() if document is None else _run.decode(document.body)


def _covers(known: ExportRun, schedule: str, due_ms: int) -> bool:
    return known.schedule == schedule and known.due_ms >= due_ms


def _ran(known: ExportRun, run: ExportRun) -> ExportRun:
    """Note what came of a moment; a job counts more than a door that could make none."""
    if not _covers(known, run.schedule, run.due_ms):
        return run
    return run if known.due_ms == run.due_ms and run.job and not known.job else known


def _waits(known: ExportRun, schedule: str, due: Moment, waiting: str) -> ExportRun:
    if _covers(known, schedule, due.time_ms):
        return known
    return msgspec.structs.replace(
        known if known.schedule == schedule else ExportRun(schedule), waiting=waiting
    )


def _words(refused: Refused) -> str:
    """Say why no export could be planned: every reason."""
    if not isinstance(refused, Invalid):
        return refused.message
    return " ".join(f"{problem.pointer}: {problem.message}" for problem in refused.problems)
