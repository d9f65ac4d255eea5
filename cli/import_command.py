"""The steps of `aspectstore import`: the file goes among the files of the asset, the job is followed."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from cli.complaints import Complaint
from cli.model import create_asset_with, find_asset, is_asset_id
from cli.progress import Progress
from cli.target import connect
from client import Client, Forbidden, PreconditionFailed
from client import imports as calls
from client.imports import Job

PART_BYTES: Final = 8_388_608
"""Above the least that the service takes for a part, 5 MB."""
LOOK_S: Final = 0.3
PREVIEW_CHARACTERS: Final = 200_000
"""Below what the service takes with a preview."""


ASPECT: Final = "logger"
"""Of an asset that is made for a file, where neither the caller nor the file type names another one."""


@dataclass(slots=True, frozen=True)
class Choices:
    """The options of `import`."""

    type_: str
    asset: str
    aspect: str = ""
    new_columns: str | None = None
    create: bool = False
    again: bool = False
    replaces: str = ""
    key: str = ""
    refused: Path | None = None


class Line(msgspec.Struct):
    """An import in a list."""

    id: str
    state: str
    submitted: str
    rows: int
    stored: int
    duplicates: int
    refused: int
    message: str


def line_of(job: Job) -> Line:
    """Write a job as a line."""
    numbers = {name: job.counts.get(name, 0) for name in ("rows", "stored", "duplicates", "refused")}
    return Line(id=job.id, state=job.state, submitted=job.submitted, message=job.message, **numbers)


def run(files: Sequence[Path], choices: Choices) -> None:
    """Import files one after the other; exits with 1 where one failed."""
    failed = False
    with connect() as client:
        choices = created(client, choices)
        asset_id = asset_of(client, choices.asset)
        for file in files:
            failed |= import_one(client, asset_id, file, choices).state != "done"
    if failed:
        sys.exit(1)


def replay(job_id: str, type_: str) -> None:
    """Read refused rows again, and say what became of them; exits with 1 where the job failed."""
    with connect() as client:
        asked = {"type": type_} if type_ else {}
        job = follow(client, client.call(calls.replay_import(job_id, asked)), "refused rows")
        _say("refused rows", job)
        for path in job.reports:
            print(f"refused once more: {path}")
    if job.state != "done":
        sys.exit(1)


def asset_of(client: Client, named: str) -> str:
    """Give the id of an asset that is named by id or name; a Complaint where there is none.

    An id is taken as it is: who may only upload may not look assets up.
    """
    if is_asset_id(named):
        return named
    asset = find_asset(client, named)
    if asset is None:
        raise Complaint(f"there is no asset {named}")
    return asset.asset_id


def created(client: Client, choices: Choices) -> Choices:
    """Make the asset where it is wanted and not there, with an aspect that grows by what a file has."""
    if not choices.create or find_asset(client, choices.asset) is not None:
        return choices
    declared = client.call(calls.get_file_type(choices.type_)).get("aspect")
    made = create_asset_with(client, choices.asset, choices.aspect or declared or ASPECT, [])
    return replace(choices, asset=made.asset_id, new_columns=choices.new_columns or "extend")


def import_one(client: Client, asset_id: str, file: Path, choices: Choices) -> Job:
    """Import a file, and say what became of it; gives the job at its end."""
    given = {"newColumns": choices.new_columns, "replaces": choices.replaces, "key": choices.key}
    asked = {
        "entity": asset_id,
        "files": [upload(client, asset_id, file)],
        "type": choices.type_,
        "aspect": choices.aspect,
        "again": choices.again,
        **{name: value for name, value in given.items() if value},
    }
    job = follow(client, client.call(calls.create_import(asked)), file.name)
    _say(file, job)
    _fetch_reports(client, asset_id, job, choices.refused)
    return job


def upload(client: Client, asset_id: str, file: Path) -> str:
    """Put a file among those of an asset, where it is not there already; gives its path.

    A Complaint where it changes meanwhile: then nothing is stored.
    """
    with file.open("rb") as read:
        digest = hashlib.file_digest(read, "sha256").hexdigest()
        path = f"imported/{digest[:16]}/{file.name}"
        size = read.tell()
        read.seek(0)
        try:
            if size <= PART_BYTES:
                octets = read.read()
                _demand_same(file.name, hashlib.sha256(octets).hexdigest(), digest)
                client.call(calls.put_file(asset_id, path, octets))
            else:
                _upload_parts(client, asset_id, path, read, size=size, digest=digest)
        except PreconditionFailed:
            pass  # Its path says what it holds, so it is there.
    return path


def _demand_same(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise Complaint(f"{name} was changed while it was being sent")


def _upload_parts(
    client: Client, asset_id: str, path: str, read: IO[bytes], *, size: int, digest: str
) -> None:
    client.call(calls.start_upload(asset_id, path))
    found = hashlib.sha256()
    with Progress(f"sending {Path(path).name}", size, "bytes") as bar:
        for number in range(1, -(-size // PART_BYTES) + 1):
            octets = read.read(PART_BYTES)
            found.update(octets)
            last = number * PART_BYTES >= size
            if last:
                _demand_same(Path(path).name, found.hexdigest(), digest)
            client.call(calls.put_part(asset_id, path, number, octets, last=last))
            bar.advance(len(octets))


def follow(client: Client, job: Job, name: str) -> Job:
    """Show how far a job is until it has ended."""
    with Progress(f"importing {name}", job.progress.bytes_all, "bytes") as bar:
        while not job.has_ended:
            time.sleep(LOOK_S)
            job = client.call(calls.get_job(job.id))
            bar.advance(max(0, job.progress.bytes - bar.done))
    return job


def _say(file: Path | str, job: Job) -> None:
    line = line_of(job)
    if job.state != "done" or job.message:
        print(f"{file}: {job.state}: {job.message} (job {job.id})")
        for reason in job.reasons[1:]:
            print(f"  {reason.message}")
        return
    print(
        f"{file}: {line.rows:,} rows: {line.stored:,} stored, {line.duplicates:,} duplicates,"
        f" {line.refused:,} refused; {job.counts.get('cells', 0):,} cells (job {job.id})"
    )
    if job.replaces:
        removed = job.counts.get("removed", 0)
        print(f"{file}: replaces job {job.replaces}; {removed:,} of its records are no more")


def _fetch_reports(client: Client, asset_id: str, job: Job, target: Path | None) -> None:
    for path in job.reports:
        print(f"refused rows: {path} among the files of asset {asset_id}")
        if target is None:
            continue
        try:
            report = client.call(calls.get_file(asset_id, path))
        except Forbidden:
            raise Complaint(f"the credentials may not read {path}; leave --refused out") from None
        with target.open("ab") as out:
            out.write(report)


def read_declared(path: Path) -> dict[str, Any]:
    """Read a file type of TOML or JSON."""
    try:
        if path.suffix == ".toml":
            return tomllib.loads(path.read_text("utf-8"))
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Complaint(f"{path} cannot be read: {error}") from None


def print_preview(file: Path, type_: str, declared: Path | None) -> None:
    """Show columns with what becomes of them, the first rows, and what is refused."""
    if bool(type_) == (declared is not None):
        raise Complaint("give one of --type and --declared")
    asked: dict[str, Any] = {"text": _beginning(file)}
    asked |= {"type": type_} if declared is None else {"fileType": read_declared(declared)}
    with connect() as client:
        seen = client.call(calls.preview(asked))
    for column in seen["columns"]:
        target = column.get("target") or {}
        words = [column["name"], column["use"], target.get("variable", ""), column.get("unit", "")]
        print("  ".join(filter(None, words)))
    for row in seen["rows"][:5]:
        print("  ".join(row))
    for row in seen["refused"][:5]:
        print(f"line {row[0]}: {row[1]}: {row[2]}: {row[3]}")
    print(f"{seen['rowsRead']:,} rows read, {seen['refusedCount']:,} refused")
    if seen["problem"]:
        print(seen["problem"])
        sys.exit(1)


def _beginning(file: Path) -> str:
    """Read the first whole lines of a text, packed by gzip or xz or not."""
    with file.open("rb") as raw:
        start = raw.read(6)
    opener: Any = gzip if start.startswith(b"\x1f\x8b") else lzma if start == b"\xfd7zXZ\0" else io
    with opener.open(file, "rb") as opened:
        octets: bytes = opened.read(PREVIEW_CHARACTERS)
    if len(octets) == PREVIEW_CHARACTERS:
        octets = octets[: octets.rfind(b"\n") + 1]
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")
