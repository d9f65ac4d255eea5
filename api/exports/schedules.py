"""Schedules of exports of verified callers: documents with a version each (SM-31).

Whoever stores one is its owner, and what its exports have is what this account may read when they are due:
another who changes a schedule takes it over. They are the whole tenant's, as subscriptions are.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from api.events.service import new_id
from api.exports.schedule_wire import ScheduleIn, SeenSchedule
from api.exports.service import Exports
from api.http.hal import Preconditions
from api.identity.accounts import CLIENT, USER, Accounts
from api.identity.tokens import USER as USER_TOKEN
from api.identity.tokens import Identity
from api.services import Services
from schemas.codes import INVALID_BODY
from schemas.durations import DAY_MS, HOUR_MS
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem, TooMany
from schemas.exporting.schedules import (
    KIND,
    RUN_KIND,
    ExportRun,
    ExportSchedule,
    Owner,
    Timing,
    check_name,
    check_timing,
)
from schemas.ids import TenantId
from schemas.limits import EXPORT_SCHEDULES_MAX
from storage import job_records
from storage.port import Document

UNKNOWN: Final = "There is no such schedule."
SLACK_MS: Final = DAY_MS
"""How much longer than its interval a schedule keeps a download at least: the service may be away."""

_STALE: Final = "The schedule has another version; read its etag again and send it as If-Match."
_TAKEN: Final = "There is a schedule of this name; change it under If-Match."
_RETRY_S: Final = 3_600


class Schedules:
    """The schedules of one installation, at one door."""

    def __init__(self, services: Services) -> None:
        """Take what plans exports, and the catalogue."""
        self._catalog = services.ports.catalog
        self._clock = services.ports.clock
        self._index = services.index
        self._exports = Exports(services)
        self._accounts = Accounts(services.ports.catalog)

    async def all_of(self, tenant: TenantId) -> list[SeenSchedule]:
        """List the tenant's by name, each with what came of it last."""
        documents, runs = await asyncio.gather(
            self._catalog.list(tenant, KIND), self._catalog.list(tenant, RUN_KIND)
        )
        by_name = {run.id: _run_in(run) for run in runs}
        kept = sorted(documents, key=lambda document: document.id)
        return await asyncio.gather(
            *(self._seen(document, by_name.get(document.id, ExportRun())) for document in kept)
        )

    async def find(self, tenant: TenantId, name: str) -> SeenSchedule:
        """Give one with what came of it last; NotFound."""
        document = await self._catalog.get(tenant, KIND, name)
        if document is None:
            raise NotFound(UNKNOWN)
        run = await self._catalog.get(tenant, RUN_KIND, name)
        return await self._seen(document, ExportRun() if run is None else _run_in(run))

    async def put(
        self, caller: Identity, name: str, asked: ScheduleIn, wanted: Preconditions
    ) -> tuple[SeenSchedule, bool]:
        """Store one, under If-Match where there is one of the name; tells whether it is new.

        Raises Invalid with every problem, NotFound, PreconditionFailed, TooMany; Conflict where the caller is
        no account of the tenant.
        """
        tenant = caller.tenant
        document = await self._catalog.get(tenant, KIND, name)
        if document is None and wanted.version is not None:
            raise NotFound(UNKNOWN)
        self._demand_sound(caller, name, asked)
        if document is not None:
            _judge(document, wanted)
        if document is None and len(await self._catalog.list(tenant, KIND)) >= EXPORT_SCHEDULES_MAX:
            message = f"A tenant has at most {EXPORT_SCHEDULES_MAX} schedules of exports; delete some."
            raise TooMany(message, _RETRY_S)
        made = self._made(name, asked, await self._owner(caller), document)
        body = msgspec.json.encode(made)
        if document is None:
            stored = await self._catalog.create(tenant, KIND, name, body)
        else:
            stored = await self._catalog.replace(tenant, KIND, name, body, document.version)
        if stored is None:
            raise PreconditionFailed(_TAKEN if document is None else _STALE)
        self._index.wrote(stored)
        return await self.find(tenant, name), document is None

    async def remove(self, tenant: TenantId, name: str, wanted: Preconditions) -> None:
        """Delete one under If-Match; exports that it made stay as long as they are kept."""
        seen = await self.find(tenant, name)
        if wanted.required() != seen.version or not await self._catalog.remove(
            tenant, KIND, name, seen.version
        ):
            raise PreconditionFailed(_STALE)
        self._index.removed(tenant, KIND, name)
        run = await self._catalog.get(tenant, RUN_KIND, name)
        if run is not None:
            await self._catalog.remove(tenant, RUN_KIND, name, run.version)

    # Inside.

    async def _seen(self, document: Document, run: ExportRun) -> SeenSchedule:
        schedule = schedule_in(document)
        if run.schedule != schedule.id:
            run = ExportRun()  # Of an earlier one of this name.
        job = await job_records.get(self._catalog, document.tenant, run.job) if run.job else None
        return SeenSchedule(schedule, document.version, run, job)

    def _demand_sound(self, caller: Identity, name: str, asked: ScheduleIn) -> None:
        timing, export = asked.timing, asked.export
        problems = check_name(name) + check_timing(timing)
        if export.until is not None:
            message = "An export that is made regularly ends when it is due; leave `to` out."
            problems.append(Problem("/export/to", INVALID_BODY, message))
        if export.after is not None and timing.last is not None:
            message = "`from` and `last` both say where it begins; leave one of them out."
            problems.append(Problem("/last", INVALID_BODY, message))
        if export.kept_hours * HOUR_MS < timing.every.length_ms + SLACK_MS:
            message = "A download is kept for its interval and a day at least, so that there always is one."
            problems.append(Problem("/export/keptHours", INVALID_BODY, message))
        try:
            self._exports.plan(caller, export, self._clock.now_ms())
        except Invalid as refused:
            problems += [each._replace(pointer=f"/export{each.pointer}") for each in refused.problems]
        if problems:
            raise Invalid(problems)

    def _made(self, name: str, asked: ScheduleIn, owner: Owner, over: Document | None) -> ExportSchedule:
        now_ms = self._clock.now_ms()
        before = None if over is None else schedule_in(over)
        goes_on = before is not None and _goes_on(before, asked.timing)
        return ExportSchedule(
            id=new_id() if before is None else before.id,
            name=name,
            owner=owner,
            export=msgspec.to_builtins(asked.export),
            timing=asked.timing,
            keep=asked.keep,
            paused=asked.paused,
            since_ms=before.since_ms if before is not None and goes_on else now_ms,
            changed_ms=now_ms,
        )

    async def _owner(self, caller: Identity) -> Owner:
        kind = USER if caller.category == USER_TOKEN else CLIENT
        found = await self._accounts.read(caller.tenant, kind, caller.subject)
        if found is None:
            raise Conflict("A schedule has an owner: store it as a user or a technical user of the tenant.")
        return Owner(kind, caller.subject, found[1].created_ms)


def schedule_in(document: Document) -> ExportSchedule:
    """Read a schedule."""
    return msgspec.json.decode(document.body, type=ExportSchedule)


def _run_in(document: Document) -> ExportRun:
    return msgspec.json.decode(document.body, type=ExportRun)


def _judge(document: Document, wanted: Preconditions) -> None:
    """Hold the preconditions against what is there."""
    if wanted.absent:
        raise PreconditionFailed(_TAKEN)
    if wanted.required() != document.version:
        raise PreconditionFailed(_STALE)


def _goes_on(before: ExportSchedule, timing: Timing) -> bool:
    """Tell whether what was due before a change is still due; who pauses or moves it begins anew."""
    return not before.paused and before.timing == timing
