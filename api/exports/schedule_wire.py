"""Schedules of exports on the wire."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from api.exports.wire import ExportIn
from schemas.exporting.schedules import Every, ExportRun, ExportSchedule, Timing, Weekday
from schemas.limits import EXPORT_KEEP_DEFAULT, EXPORT_KEEP_MAX, EXPORT_KEPT_HOURS_MAX
from schemas.times import format_time
from storage.job_records import JobRecord


class RegularExportIn(ExportIn):
    """An export that is made again and again."""

    if_changed: bool = True
    """False: one is made each time, even if nothing has changed."""
    kept_hours: Annotated[int, msgspec.Meta(ge=1, le=EXPORT_KEPT_HOURS_MAX)] = EXPORT_KEPT_HOURS_MAX
    """How long a download is kept at most; begun anew where nothing has changed."""


class ScheduleIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A schedule."""

    export: RegularExportIn
    """What is made each time; without `to`, as it ends when it is due."""
    every: Every
    at: str = "00:00"
    """A time of day at which one is due."""
    on: Weekday | None = None
    """The day of what is made every `1w`; Monday, if nobody says."""
    timezone: str | None = None
    """Whose clocks `every`, `at` and `last` mean: an IANA zone or an offset; by default the export's."""
    last: str | None = None
    """How far each goes back, in hours, days or weeks: `12h`, `7d`, `4w`; in place of `from`."""
    keep: Annotated[int, msgspec.Meta(ge=1, le=EXPORT_KEEP_MAX)] = EXPORT_KEEP_DEFAULT
    """How many downloads are kept: the newest."""
    paused: bool = False
    """True: nothing is made, and nothing is made up for later."""

    @property
    def timing(self) -> Timing:
        """Give when its exports are due."""
        zone = self.export.timezone if self.timezone is None else self.timezone
        return Timing(every=self.every, at=self.at, on=self.on, timezone=zone, last=self.last)


class RunOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """What came of the last moment at which an export was due."""

    due: str
    job: str | UnsetType = UNSET
    """Also the id of the export; absent where none could be made."""
    state: str | UnsetType = UNSET
    """Of the job; absent where it is not kept any more."""
    same_as: str | UnsetType = UNSET
    """The export whose download still holds, where nothing has changed."""
    reason: str | UnsetType = UNSET
    """Why nothing came of it."""


class ScheduleOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A schedule, and how it goes."""

    name: str
    etag: int
    owner: str
    """The account that stored it last, and whose right to read counts."""
    schedule: dict[str, Any]
    """As it can be stored again."""
    next: str | UnsetType = UNSET
    """When an export is due next; absent while it is paused."""
    waiting: str | UnsetType = UNSET
    """Why what is due already is not made yet."""
    run: RunOut | UnsetType = UNSET
    """Absent before the first."""


class SchedulesOut(msgspec.Struct):
    """The schedules of a tenant, by name."""

    schedules: list[ScheduleOut]


class SeenSchedule(msgspec.Struct, frozen=True):
    """A schedule with what came of it last."""

    schedule: ExportSchedule
    version: int
    run: ExportRun
    job: JobRecord | None


def schedule_out(seen: SeenSchedule, now_ms: int) -> ScheduleOut:
    """Write a schedule."""
    schedule = seen.schedule
    out = ScheduleOut(schedule.name, seen.version, schedule.owner.name, _definition(schedule))
    if not schedule.paused:
        out.next = format_time(schedule.timing.following(now_ms).time_ms)
    due = schedule.due(now_ms)
    if due is not None and due.time_ms > seen.run.due_ms:
        out.waiting = seen.run.waiting or UNSET
    if seen.run.due_ms:
        out.run = _run_out(seen.run, seen.job)
    return out


def _definition(schedule: ExportSchedule) -> dict[str, Any]:
    timing = {
        name: value for name, value in msgspec.to_builtins(schedule.timing).items() if value is not None
    }
    return {"export": schedule.export, **timing, "keep": schedule.keep, "paused": schedule.paused}


def _run_out(run: ExportRun, job: JobRecord | None) -> RunOut:
    out = RunOut(format_time(run.due_ms), run.job or UNSET, reason=run.reason or UNSET)
    if job is not None:
        out.state, out.same_as = job.phase.value, job.same_as or UNSET
        if job.phase.is_end and not job.same_as:
            out.reason = job.message or UNSET
    return out
