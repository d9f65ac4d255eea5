"""Bulk jobs on the wire, as the dialect's clients read them (wire 3.1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.times import format_time
from storage.job_records import JobRecord, Phase

_STATUS: dict[Phase, Literal["SUBMITTED", "IN_PROGRESS", "SUCCESS", "ERROR"]] = {
    Phase.SUBMITTED: "SUBMITTED",
    Phase.RUNNING: "IN_PROGRESS",
    Phase.DONE: "SUCCESS",
    Phase.FAILED: "ERROR",
    Phase.CANCELLED: "ERROR",
}


class BulkProblem(msgspec.Struct):
    """One reason why nothing was imported."""

    pointer: str
    """`/files/0/12/temperature` is the member of record 12 in the first file."""
    message: str


class BulkJobOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """An import job of the dialect; `/api/aspectstore/v1/jobs` tells more of it."""

    id: str
    status: Literal["SUBMITTED", "IN_PROGRESS", "SUCCESS", "ERROR"]
    message: str
    start_time: str
    last_modified: str
    problems: list[BulkProblem] | msgspec.UnsetType = msgspec.UNSET
    """With ERROR: every reason, the first hundred."""


def bulk_job_out(record: JobRecord) -> BulkJobOut:
    """Write a job."""
    out = BulkJobOut(
        record.id,
        _STATUS[record.phase],
        record.message or _words(record),
        format_time(record.started_ms or record.submitted_ms),
        format_time(record.ended_ms or record.beat_ms or record.submitted_ms),
    )
    if record.faults:
        out.problems = [BulkProblem(fault.pointer, fault.message) for fault in record.faults]
    return out


def _words(record: JobRecord) -> str:
    if record.phase is Phase.SUBMITTED:
        return "It waits."
    if record.phase is Phase.RUNNING:
        return f"{record.rows} records read."
    return f"{record.counts['stored']} records imported, {record.counts['duplicates']} given twice."
