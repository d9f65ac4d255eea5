"""Calls about exports, as values, and a walk over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from client.calls import Call, Request, Response, decode
from client.imports import Job

if TYPE_CHECKING:
    from client.blocking import Client

EXPORTS = "/api/aspectstore/v1/exports"
PAGE = 100


class Download(msgspec.Struct):
    """What can be fetched."""

    name: str
    type: str
    size: int
    sha256: str
    until: str


class Export(msgspec.Struct):
    """An export."""

    job: Job
    download: Download | None = None
    """None: it is not done, or not kept any more."""


class _Exports(msgspec.Struct):
    exports: list[Export]
    next: str | None = None


def create_export(asked: Mapping[str, Any]) -> Call[Export]:
    """Ask for an export; `asked` as the service's description has it."""
    request = Request("POST", EXPORTS, {"Content-Type": "application/json"}, msgspec.json.encode(asked))
    return Call(request, lambda response: decode(response, Export), repeatable=False)


def get_export(export_id: str) -> Call[Export]:
    """Tell how far an export is."""
    return Call(Request("GET", _export(export_id)), lambda response: decode(response, Export))


def get_manifest(export_id: str) -> Call[dict[str, Any]]:
    """Tell what an export holds."""
    request = Request("GET", f"{_export(export_id)}/manifest")
    return Call(request, lambda response: decode(response, dict[str, Any]))


def get_part(export_id: str, download: Download, start: int, end: int) -> Call[bytes]:
    """Give the bytes start ≤ place < end of a download."""

    def read(response: Response) -> bytes:
        return response.body if response.status == 206 else response.body[start:end]

    headers = {"Range": f"bytes={start}-{end - 1}", "If-Range": f'"{download.sha256}"'}
    return Call(Request("GET", f"{_export(export_id)}/content", headers), read)


def delete_export(export_id: str) -> Call[None]:
    """Give an export up: its job ends, and its download is kept no more."""
    return Call(Request("DELETE", _export(export_id)), lambda _: None)


def walk_exports(client: Client) -> Iterator[Export]:
    """Walk the tenant's exports, the newest first."""
    before: str | None = None
    while True:
        query = {"limit": PAGE, **({} if before is None else {"before": before})}
        request = Request("GET", f"{EXPORTS}?{urlencode(query)}")
        page = client.call(Call(request, lambda response: decode(response, _Exports)))
        yield from page.exports
        before = page.next
        if before is None:
            return


def _export(export_id: str) -> str:
    return f"{EXPORTS}/{quote(export_id, safe='')}"
