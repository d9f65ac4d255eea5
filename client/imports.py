"""Logger files as calls: put among the files of an asset, looked at, imported; jobs followed and undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from client.calls import JSON, Call, Request, decode

if TYPE_CHECKING:
    from client.blocking import Client

OWN = "/api/aspectstore/v1"
JOBS = f"{OWN}/jobs"
FILES = "/api/iotfile/v3/files"
PAGE = 100
"""The most jobs that the service gives at once."""


class Progress(msgspec.Struct, rename="camel"):
    """How far a job is."""

    rows: int
    bytes: int
    bytes_all: int
    rows_per_s: float = 0.0
    left_s: int | None = None


class Reason(msgspec.Struct):
    """One reason why a job failed."""

    pointer: str
    message: str


class Job(msgspec.Struct, rename="camel"):
    """A job, as far as imports need it."""

    id: str
    kind: str
    state: str
    """submitted, running, done, failed or cancelled."""
    submitted: str
    progress: Progress
    message: str = ""
    reasons: list[Reason] = []
    counts: dict[str, int] = {}
    reports: list[str] = []
    """Paths of files of the asset that tell of refused rows."""
    same_as: str = ""
    replaces: str = ""
    """The job that imported the earlier version of the file."""
    undoable_until: str = ""

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more comes of it."""
        return self.state not in {"submitted", "running"}


class _Jobs(msgspec.Struct):
    jobs: list[Job]
    next: str | None = None


def start_upload(asset_id: str, path: str) -> Call[None]:
    """Begin to put a file, part by part, among the files of an asset."""
    return _nothing(Request("PUT", f"{file_path(asset_id, path)}?upload=start"))


def put_part(asset_id: str, path: str, number: int, octets: bytes, *, last: bool) -> Call[None]:
    """Send a part, from 1 on; the last one completes the file."""
    step = "upload=complete" if last else f"part={number}"
    headers = {"content-type": "application/octet-stream"}
    return _nothing(Request("PUT", f"{file_path(asset_id, path)}?{step}", headers, octets))


def put_file(asset_id: str, path: str, octets: bytes) -> Call[None]:
    """Put a new file whole."""
    return _nothing(
        Request("PUT", file_path(asset_id, path), {"content-type": "application/octet-stream"}, octets)
    )


def get_file(asset_id: str, path: str) -> Call[bytes]:
    """Give the bytes of a file."""
    return Call(Request("GET", file_path(asset_id, path)), lambda response: response.body)


def file_path(asset_id: str, path: str) -> str:
    """Give the address of a file."""
    return f"{FILES}/{quote(asset_id, safe='')}/{quote(path)}"


def create_import(asked: Mapping[str, Any]) -> Call[Job]:
    """Ask for an import; `asked` as the service's description has it."""
    body = msgspec.json.encode(asked)
    request = Request("POST", f"{OWN}/imports", {"content-type": JSON}, body)
    return Call(request, lambda response: decode(response, Job), repeatable=False)


def get_file_type(name: str) -> Call[dict[str, Any]]:
    """Give a file type, or a preset."""
    return Call(
        Request("GET", f"{OWN}/filetypes/{quote(name, safe='')}"), lambda response: decode(response, dict)
    )


def create_file_type(file_type: Mapping[str, Any]) -> Call[None]:
    """Store a new file type."""
    return _nothing(
        Request("POST", f"{OWN}/filetypes", {"content-type": JSON}, msgspec.json.encode(file_type))
    )


def preview(asked: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Look at the beginning of a file; `asked` as the service's description has it."""
    request = Request("POST", f"{OWN}/filetypes/preview", {"content-type": JSON}, msgspec.json.encode(asked))
    return Call(request, lambda response: decode(response, dict[str, Any]))


def get_job(job_id: str) -> Call[Job]:
    """Give a job."""
    return Call(Request("GET", _job(job_id)), lambda response: decode(response, Job))


def replay_import(job_id: str, asked: Mapping[str, Any]) -> Call[Job]:
    """Read the refused rows of an import again; `asked` as the service's description has it."""
    path, body = f"{OWN}/imports/{quote(job_id, safe='')}/replay", msgspec.json.encode(asked)
    request = Request("POST", path, {"content-type": JSON}, body)
    return Call(request, lambda response: decode(response, Job), repeatable=False)


def undo_import(job_id: str) -> Call[Job]:
    """Put every series of an import back as it was before."""
    return Call(Request("POST", f"{_job(job_id)}/undo"), lambda response: decode(response, Job))


def walk_jobs(client: Client) -> Iterator[Job]:
    """Walk the tenant's jobs, the newest first."""
    before: str | None = None
    while True:
        query = {"limit": PAGE, **({} if before is None else {"before": before})}
        request = Request("GET", f"{JOBS}?{urlencode(query)}")
        page = client.call(Call(request, lambda response: decode(response, _Jobs)))
        yield from page.jobs
        before = page.next
        if before is None:
            return


def _job(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"


def _nothing(request: Request) -> Call[None]:
    return Call(request, lambda _: None, repeatable=request.method != "POST")
