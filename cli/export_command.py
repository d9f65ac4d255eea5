"""What `aspectstore export` does: ask, wait, fetch in parts, check (SM-30)."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from cli.complaints import Complaint
from cli.progress import Progress
from cli.target import connect
from client import Client
from client import exports as calls
from client.export_schedules import ExportRun, ExportSchedule
from client.exports import Download, Export

PART_BYTES: Final = 8_388_608
LOOK_S: Final = 0.3
_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,3})?(minute|hour|day|week|month)")


@dataclass(slots=True, frozen=True)
class Choices:
    """The options of `export`."""

    assets: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    quantity: str | None = None
    height: float | None = None
    start: str | None = None
    end: str | None = None
    form: str = "csv"
    layout: str = "wide"
    files: str = "series"
    bare: bool = False
    interval: str | None = None
    functions: tuple[str, ...] = ()
    codes: bool = False
    if_changed: bool = False
    timezone: str | None = None
    time_format: str | None = None
    resume: str | None = None
    output: Path | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """Give the request; what was not said is left out."""
        sensors = {"quantity": self.quantity, "heightM": self.height}
        asked = {
            "assets": self.assets,
            "aspects": self.aspects,
            "variables": self.variables,
            "sensors": {name: value for name, value in sensors.items() if value is not None},
            "from": self.start,
            "to": self.end,
            "format": self.form,
            "layout": self.layout,
            "files": self.files,
            "packing": "file" if self.bare else "zip",
            "aggregate": self._aggregate(),
            "codes": self.codes,
            "ifChanged": self.if_changed,
            "timezone": self.timezone,
            "timeFormat": self.time_format,
        }
        return {name: value for name, value in asked.items() if value}

    def _aggregate(self) -> dict[str, Any] | None:
        """Give what is folded of each interval; a Complaint where that is not said whole."""
        if self.interval is None:
            if self.functions:
                raise Complaint("--function needs an --interval, such as 10minute or hour")
            return None
        found = _INTERVAL.fullmatch(self.interval)
        if found is None:
            raise Complaint(f"--interval: {self.interval!r} is none; write 10minute, hour, day or month")
        count, unit = found.groups()
        return {"unit": unit, "value": int(count or 1), "functions": self.functions or ("average",)}


class Line(msgspec.Struct):
    """An export in a list."""

    id: str
    state: str
    submitted: str
    rows: int
    size: int
    name: str
    until: str
    message: str


def line_of(export: Export) -> Line:
    """Write an export as a line."""
    job, download = export.job, export.download
    return Line(
        id=job.id,
        state=job.state,
        submitted=job.submitted,
        rows=job.progress.rows,
        size=0 if download is None else download.size,
        name="" if download is None else download.name,
        until="" if download is None else download.until,
        message=job.message,
    )


class ScheduleLine(msgspec.Struct):
    """A schedule in a list."""

    name: str
    every: str
    at: str
    timezone: str
    last: str
    next: str
    due: str
    state: str
    job: str
    reason: str


def schedule_line(told: ExportSchedule) -> ScheduleLine:
    """Write a schedule as a line."""
    run, words = told.run or ExportRun(""), told.schedule
    return ScheduleLine(
        name=told.name,
        every=words["every"],
        at=words["at"],
        timezone=words["timezone"],
        last=words.get("last", ""),
        next=told.next or "paused",
        due=run.due,
        state=run.state,
        job=run.same_as or run.job,
        reason=told.waiting or run.reason,
    )


def run(choices: Choices) -> None:
    """Export and fetch; exits with 1 where nothing came of it."""
    with connect() as client:
        export = _begun(client, choices)
        export = follow(client, export)
        job, download = export.job, export.download
        if job.state != "done" or download is None:
            reason = job.message or "the download is not kept any more"
            print(f"{job.state}: {reason} (export {job.id})")
            sys.exit(1)
        target = choices.output or Path(download.name)
        if _is_there(target, download):
            print(f"{target}: {job.message or f'it is that of the export {job.id} already'}")
            return
        fetch(client, job.id, download, target)
        files = job.counts.get("files", 0)
        print(
            f"{target}: {job.counts.get('rows', 0):,} rows in {files:,} files, {download.size:,} bytes,"
            f" sha256 {download.sha256} (export {job.id})"
        )


def _begun(client: Client, choices: Choices) -> Export:
    if choices.resume is not None:
        return client.call(calls.get_export(choices.resume))
    demand_assets(choices)
    return client.call(calls.create_export(choices.asked))


def demand_assets(choices: Choices) -> None:
    """Complain where nobody says which assets: nothing is exported by mistake."""
    if not choices.assets and choices.quantity is None:
        raise Complaint("say which assets, by --asset; '*' stands for all")


def _is_there(target: Path, download: Download) -> bool:
    if not target.is_file() or target.stat().st_size != download.size:
        return False
    with target.open("rb") as known:
        return hashlib.file_digest(known, "sha256").hexdigest() == download.sha256


def follow(client: Client, export: Export) -> Export:
    """Show how far an export is until it has ended."""
    job = export.job
    with Progress("exporting", job.progress.bytes_all, "bytes") as bar:
        while not export.job.has_ended:
            time.sleep(LOOK_S)
            export = client.call(calls.get_export(job.id))
            progress = export.job.progress
            bar.expect(progress.bytes_all)
            bar.advance(max(0, progress.bytes - bar.done))
    return export


def fetch(client: Client, export_id: str, download: Download, target: Path) -> None:
    """Fetch what is missing of a download beside its target, check it, and put it there.

    A Complaint where it is not what the service made; then nothing is left to be gone on with.
    """
    beside = target.with_name(f"{target.name}.{download.sha256[:16]}.part")
    digest = hashlib.sha256()
    if beside.exists():
        with beside.open("rb") as known:
            while octets := known.read(PART_BYTES):
                digest.update(octets)
    with beside.open("ab") as out, Progress(f"fetching {target.name}", download.size, "bytes") as bar:
        bar.advance(min(out.tell(), download.size))
        while out.tell() < download.size:
            end = min(out.tell() + PART_BYTES, download.size)
            octets = client.call(calls.get_part(export_id, download, out.tell(), end))
            if not octets:
                raise Complaint(f"nothing came from byte {out.tell()} on; go on with --resume {export_id}")
            out.write(octets)
            digest.update(octets)
            bar.advance(len(octets))
    if beside.stat().st_size != download.size or digest.hexdigest() != download.sha256:
        beside.unlink()
        raise Complaint(f"{target} came damaged; fetch it once more with --resume {export_id}")
    beside.replace(target)
