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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from cli.complaints import Complaint
from cli.model import find_asset
from cli.progress import Progress
from cli.target import connect
from client import Client, PreconditionFailed
from client import imports as calls
from client.imports import Job

PART_BYTES: Final = 8_388_608
"""Above the least that the service takes for a part, 5 MB."""
LOOK_S: Final = 0.3
PREVIEW_CHARACTERS: Final = 200_000
"""Below what the service takes with a preview."""


@dataclass(slots=True, frozen=True)
class Choices:
    """The options of `import`."""

    type_: str
    asset: str
    aspect: str = ""
    new_columns: str | None = None
    again: bool = False
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
        asset = find_asset(client, choices.asset)
        if asset is None:
            raise Complaint(f"there is no asset {choices.asset}")
        for file in files:
            path = upload(client, asset.asset_id, file)
            asked = {
                "entity": asset.asset_id,
                "files": [path],
                "type": choices.type_,
                "aspect": choices.aspect,
                "again": choices.again,
                **({} if choices.new_columns is None else {"newColumns": choices.new_columns}),
            }
            job = follow(client, client.call(calls.create_import(asked)), file.name)
            _say(file, job)
            _fetch_reports(client, asset.asset_id, job, choices.refused)
            failed |= job.state != "done"
    if failed:
        sys.exit(1)


def upload(client: Client, asset_id: str, file: Path) -> str:
    """Put a file among those of an asset, where it is not there already; gives its path."""
    with file.open("rb") as read:
        digest = hashlib.file_digest(read, "sha256").hexdigest()
        path = f"imported/{digest[:16]}/{file.name}"
        size = file.stat().st_size
        read.seek(0)
        try:
            if size <= PART_BYTES:
                client.call(calls.put_file(asset_id, path, read.read()))
            else:
                _upload_parts(client, asset_id, path, read, size)
        except PreconditionFailed:
            pass  # Its path says what it holds, so it is there.
    return path


def _upload_parts(client: Client, asset_id: str, path: str, read: IO[bytes], size: int) -> None:
    client.call(calls.start_upload(asset_id, path))
    with Progress(f"sending {Path(path).name}", size, "bytes") as bar:
        for number in range(1, -(-size // PART_BYTES) + 1):
            octets = read.read(PART_BYTES)
            last = number * PART_BYTES >= size
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


def _say(file: Path, job: Job) -> None:
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


def _fetch_reports(client: Client, asset_id: str, job: Job, target: Path | None) -> None:
    for path in job.reports:
        print(f"refused rows: {path} among the files of asset {asset_id}")
        if target is not None:
            with target.open("ab") as out:
                out.write(client.call(calls.get_file(asset_id, path)))


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
