"""Exports of verified callers: asked for, seen, fetched, given up (SM-30, SM-31).

What an export has is looked up when it is asked for, by what the caller may read then; only assets of the
caller's own tenant, or of its subtenant where it is bound to one, are exported.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

import msgspec

from api.assets.writes import ZONES
from api.events.service import new_id
from api.exports.selection import select
from api.exports.wire import ExportIn
from api.files.service import FileService
from api.guard.tenancy import demand
from api.identity.scopes import SERIES_WRITE
from api.identity.tokens import Identity
from api.services import Services
from schemas.codes import INVALID_BODY
from schemas.durations import HOUR_MS, SECOND_MS
from schemas.errors import Conflict, Gone, Invalid, Malformed, NotFound, Problem
from schemas.exporting.clocks import ISO, is_time_format
from schemas.exporting.model import (
    FUNCTIONS,
    ExportFormat,
    ExportPlan,
    Layout,
    Packing,
    headings_of,
)
from schemas.exporting.narrow import narrow_value
from schemas.exporting.schedules import ExportSchedule, Moment, Scheduled
from schemas.files import Span, cut
from schemas.intervals import VALUES_V3
from schemas.times import parse_time
from schemas.zones import zone_of
from storage.export_parts import Download, downloads, drop_download, find_download
from storage.job_records import EXPORT, JobRecord, Phase

UNKNOWN: Final = "There is no such export."
"""Also of another tenant's, or of assets that are not the caller's own."""
OVER: Final = "The download is not kept any more; export once more."
NOT_YET: Final = "The export is not done; its job says how far it is."


class Exports:
    """Exports at one door."""

    def __init__(self, services: Services) -> None:
        """Take what finds series, what keeps jobs, and what keeps bytes."""
        self._ports = services.ports
        self._index = services.index
        self._access = services.access
        self._files: FileService = services.files
        self._jobs = services.jobs

    async def submit(self, caller: Identity, asked: ExportIn) -> JobRecord:
        """Make a job; Invalid with every problem that can be seen now, TooMany where there is no room."""
        now_ms = self._ports.clock.now_ms()
        record = self.record(caller, self.plan(caller, asked, now_ms), new_id(), now_ms)
        await self._files.demand_room(caller.tenant)
        await self._jobs.submit(caller, record)
        return record

    async def submit_due(
        self, owner: Identity, schedule: ExportSchedule, due: Moment, asked: ExportIn
    ) -> None:
        """Make the job of a schedule for a moment, unless there is one; raises as `submit` does."""
        plan = self.plan(owner, asked, due.time_ms)
        plan = msgspec.structs.replace(plan, slides=schedule.timing.last is not None)
        record = self.record(owner, plan, schedule.job_id(due), self._ports.clock.now_ms())
        record.told["schedule"] = msgspec.to_builtins(Scheduled(schedule.id, schedule.name, schedule.keep))
        await self._files.demand_room(owner.tenant)
        await self._jobs.submit_once(owner.tenant, record)

    def record(self, caller: Identity, plan: ExportPlan, job_id: str, now_ms: int) -> JobRecord:
        """Write down the job of a plan."""
        return JobRecord(
            id=job_id,
            kind=EXPORT,
            by=caller.subject,
            submitted_ms=now_ms,
            told={
                "export": msgspec.to_builtins(plan),
                "assets": sorted({series.asset for series in plan.series}),
                "running_max": self._index.profile_of(caller.tenant).jobs_running_max,
            },
        )

    def plan(self, caller: Identity, asked: ExportIn, now_ms: int) -> ExportPlan:
        """Decide everything; Invalid."""
        problems: list[Problem] = []
        start_ms = _time("/from", asked.after, -1, problems) + 1
        end_ms = _time("/to", asked.until, now_ms, problems) + 1
        if not problems and start_ms >= end_ms:
            problems.append(Problem("/from", INVALID_BODY, "`from` lies before `to`."))
        if zone_of(asked.timezone) is None:
            message = "timezone is no IANA zone and no offset; write it as Europe/Berlin, UTC or +01:00."
            problems.append(Problem("/timezone", INVALID_BODY, message))
        if not is_time_format(asked.time_format):
            message = "Times are written by iso8601, epoch-s, epoch-ms, or %Y, %m, %d and %H, %M, %S, %f, %z."
            problems.append(Problem("/timeFormat", INVALID_BODY, message))
        problems += _unfit(asked)
        if problems:
            raise Invalid(problems)
        part = self._index.of(caller.tenant)
        assets = [kept.value for kept in self._access.own_assets(caller)]
        selected = select(part, assets, asked, asked.format.suffix)
        if asked.packing is Packing.FILE and len(selected.files) != 1:
            message = f"It has {len(selected.files)} files; only one goes without an archive."
            raise Invalid([Problem("/packing", INVALID_BODY, message)])
        plan = ExportPlan(
            asked=msgspec.to_builtins(asked),
            series=selected.series,
            types=selected.types,
            files=selected.files,
            start_ms=start_ms,
            end_ms=end_ms,
            format=asked.format,
            layout=asked.layout,
            packing=asked.packing,
            codes=asked.codes,
            aggregate=asked.aggregate,
            zone=asked.timezone,
            time_format=asked.time_format,
            name=asked.name,
            bytes_max=self._index.profile_of(caller.tenant).files_bytes_max,
            kept_s=asked.kept_hours * HOUR_MS // SECOND_MS,
            is_open=asked.until is None,
            if_changed=asked.if_changed,
        )
        if plan.layout is Layout.NARROW and plan.format in {ExportFormat.PARQUET, ExportFormat.ARROW}:
            for file in plan.files:
                narrow_value(headings_of(plan, file))
        return plan

    # -- seeing them -------------------------------------------------------------------------------

    async def page(
        self, caller: Identity, *, before: str | None, limit: int
    ) -> tuple[list[tuple[JobRecord, Download | None]], str | None]:
        """Give the newest exports that the caller may see, older than one of them, and where to go on."""
        found, following = await self._jobs.page(caller, phase=None, before=before, limit=limit, kind=EXPORT)
        kept = await downloads(self._ports.catalog, caller.tenant)
        return [
            (record, self._shown(record, kept.get(record.same_as or record.id))) for record in found
        ], following

    async def find(self, caller: Identity, export_id: str) -> tuple[JobRecord, Download | None]:
        """Give an export; NotFound."""
        try:
            record = await self._jobs.find(caller, export_id)
        except NotFound:
            raise NotFound(UNKNOWN) from None
        if record.kind != EXPORT:
            raise NotFound(UNKNOWN)
        kept = await find_download(self._ports.catalog, caller.tenant, record.same_as or record.id)
        return record, self._shown(record, kept)

    async def download(self, caller: Identity, export_id: str) -> Download:
        """Give what can be fetched; Conflict where it is not done, Gone where it is not kept any more."""
        record, kept = await self.find(caller, export_id)
        if not record.phase.is_end:
            raise Conflict(NOT_YET)
        if record.phase is not Phase.DONE:
            raise Conflict(f"Nothing came of the export: {record.message}")
        if kept is None:
            raise Gone(OVER)
        return kept

    def _shown(self, record: JobRecord, kept: Download | None) -> Download | None:
        is_over = kept is None or self._ports.clock.now_ms() >= kept.until_ms
        return None if is_over or record.phase is not Phase.DONE else kept

    async def blocks(self, caller: Identity, kept: Download, span: Span) -> AsyncGenerator[bytes]:
        """Begin to read a part of a download; the first block is there already. Gone where it is not kept."""
        found = self._blocks(caller, kept, span)
        try:
            first = await anext(found, b"")
        except NotFound:
            raise Gone(OVER) from None

        async def chained() -> AsyncGenerator[bytes]:
            async with aclosing(found):
                if first:
                    yield first
                async for block in found:
                    yield block

        return chained()

    async def _blocks(self, caller: Identity, kept: Download, span: Span) -> AsyncGenerator[bytes]:
        for content, start, end in cut(kept.contents, span):
            async with aclosing(self._files.store.read(caller.tenant, content, start, end)) as blocks:
                async for block in blocks:
                    yield block

    # -- ending them -------------------------------------------------------------------------------

    async def remove(self, caller: Identity, export_id: str) -> None:
        """Give an export up: cancel it where it has not ended, and keep its download no more.

        Forbidden for one that another caller asked for, where the token may change nothing.
        """
        record, _ = await self.find(caller, export_id)
        if record.by != caller.subject:
            demand(caller, SERIES_WRITE)
        if not record.phase.is_end:
            with suppress(Conflict):  # It may just have ended.
                await self._jobs.cancel(caller, export_id)
        kept = await drop_download(self._ports.catalog, caller.tenant, record.id)
        if kept is not None:
            await self._files.drop(caller.tenant, kept.contents)


def _unfit(asked: ExportIn) -> list[Problem]:
    """Say what does not go together."""
    problems = []
    has_zone = asked.timezone != "UTC" and asked.aggregate is None
    if not asked.format.has_clock and (has_zone or asked.time_format != ISO):
        message = "timezone and timeFormat are for csv and tsv; other formats have instants."
        problems.append(Problem("/format", INVALID_BODY, message))
    if not asked.format.has_layouts and asked.layout is Layout.NARROW:
        problems.append(Problem("/layout", INVALID_BODY, f"{asked.format.value} has a record a row."))
    if asked.aggregate is None:
        return problems
    unit, value, functions = asked.aggregate.unit, asked.aggregate.value, asked.aggregate.functions
    if value not in VALUES_V3[unit]:
        message = f"value of {unit.value} is one of {VALUES_V3[unit].start} to {VALUES_V3[unit].stop - 1}."
        problems.append(Problem("/aggregate/value", INVALID_BODY, message))
    if not functions or len(set(functions)) < len(functions) or not set(functions) <= FUNCTIONS.keys():
        message = f"functions are some of {', '.join(FUNCTIONS)}, each once."
        problems.append(Problem("/aggregate/functions", INVALID_BODY, message))
    if asked.timezone not in ZONES:
        message = "Intervals need an IANA zone, such as Europe/Berlin or UTC."
        problems.append(Problem("/timezone", INVALID_BODY, message))
    return problems


def _time(pointer: str, text: str | None, default_ms: int, problems: list[Problem]) -> int:
    if text is None:
        return default_ms
    try:
        return parse_time(text)
    except Malformed as error:
        problems.append(Problem(pointer, INVALID_BODY, error.message))
        return default_ms
