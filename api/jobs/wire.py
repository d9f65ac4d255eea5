"""Jobs on the wire: our own shape, the same for every kind."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from api.jobs.service import Seen
from api.reading.receipts import Fate
from schemas.times import format_time
from storage.job_records import JobRecord


class ReasonOut(msgspec.Struct):
    """One reason why a job failed."""

    pointer: str
    """Where: `/files/0/12/temperature` is the member of record 12 in the first file."""
    message: str


class ProgressOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """How far a job is."""

    rows: int
    bytes: int
    bytes_all: int
    """Of the source; 0 where nobody knows."""
    rows_per_s: float | UnsetType = UNSET
    """Since it began."""
    left_s: int | UnsetType = UNSET
    """About how long its source takes to its end, at this rate."""


class UndoneOut(msgspec.Struct, omit_defaults=True):
    """The undo of an import."""

    state: Fate
    """The worst of its series'."""
    by: str
    at: str
    receipt: str
    reason: str | UnsetType = UNSET


class JobOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A job."""

    id: str
    kind: str
    state: str
    """submitted, running, done, failed or cancelled."""
    by: str
    submitted: str
    progress: ProgressOut
    assets: list[str]
    attempts: int
    """How many workers took it up: more than one where a process died, or something was away."""
    committing: bool = False
    """True: it is running, and too far to be cancelled."""
    started: str | UnsetType = UNSET
    ended: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    reasons: list[ReasonOut] | UnsetType = UNSET
    """With `failed`: the first hundred."""
    counts: dict[str, int] | UnsetType = UNSET
    """What became of every row: `rows` = `stored` + `duplicates` + `refused`, in `series`, with so many
    `cells`. A row of several series is stored in each. `removed`: records of the earlier version of the file
    that this one has no more."""
    reports: list[str] | UnsetType = UNSET
    """Paths of files of the import's asset that tell of refused rows."""
    same_as: str | UnsetType = UNSET
    """The job that imported the same before; this one wrote nothing."""
    replaces: str | UnsetType = UNSET
    """The job that imported the earlier version of the file, whose rows this one replaced."""
    replay_of: str | UnsetType = UNSET
    """The job whose refused rows this one read again."""
    receipt: str | UnsetType = UNSET
    """Of the entries of an import, for Read-After; absent in lists."""
    undoable_until: str | UnsetType = UNSET
    """Absent in lists, and where it cannot be undone."""
    undo: UndoneOut | UnsetType = UNSET


class JobsOut(msgspec.Struct, omit_defaults=True):
    """A page of jobs, the newest first."""

    jobs: list[JobOut]
    next: str | UnsetType = UNSET
    """What `before` must be for the next page; absent on the last one."""


def progress_out(record: JobRecord, now_ms: int) -> ProgressOut:
    """Say how far a job is, and how fast."""
    out = ProgressOut(record.rows, record.bytes, record.bytes_all)
    end_ms = record.ended_ms or record.beat_ms or now_ms
    took_ms = end_ms - record.started_ms if record.started_ms else 0
    if took_ms > 0 and record.rows:
        out.rows_per_s = round(record.rows * 1_000 / took_ms, 1)
        if not record.phase.is_end and record.bytes and record.bytes_all:
            out.left_s = max(0, record.bytes_all - record.bytes) * took_ms // (record.bytes * 1_000)
    return out


def job_out(seen: Seen, now_ms: int) -> JobOut:
    """Write one job."""
    record = seen.record
    out = JobOut(
        id=record.id,
        kind=record.kind,
        state=record.phase.value,
        by=record.by,
        submitted=format_time(record.submitted_ms),
        progress=progress_out(record, now_ms),
        assets=list(record.subject_assets),
        attempts=record.attempt,
        committing=record.committing and not record.phase.is_end,
    )
    if record.started_ms:
        out.started = format_time(record.started_ms)
    if record.ended_ms:
        out.ended = format_time(record.ended_ms)
    if record.message:
        out.message = record.message
    if record.faults:
        out.reasons = [ReasonOut(fault.pointer, fault.message) for fault in record.faults]
    if record.counts:
        out.counts = record.counts
    if record.reports:
        out.reports = list(record.reports)
    if record.same_as:
        out.same_as = record.same_as
    if record.replay_of:
        out.replay_of = record.replay_of
    if record.replaces:
        out.replaces = record.replaces
    if seen.receipt:
        out.receipt = seen.receipt
    if seen.undoable_ms:
        out.undoable_until = format_time(seen.undoable_ms)
    if seen.undo is not None:
        undone = seen.undo
        out.undo = UndoneOut(undone.fate, record.undone_by, format_time(record.undone_ms), undone.receipt)
        if undone.reason:
            out.undo.reason = undone.reason
    return out
