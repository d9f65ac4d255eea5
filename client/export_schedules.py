"""Calls about exports that are made regularly, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from client.calls import JSON, Call, Request, decode

SCHEDULES = "/api/aspectstore/v1/exportschedules"


class ExportRun(msgspec.Struct, rename="camel"):
    """What came of the last moment at which an export was due."""

    due: str
    job: str = ""
    """Also the id of the export; empty where none could be made."""
    state: str = ""
    same_as: str = ""
    """The export that still holds, where nothing has changed."""
    reason: str = ""


class ExportSchedule(msgspec.Struct):
    """A schedule, and how it goes."""

    name: str
    etag: int
    owner: str
    schedule: dict[str, Any]
    """As it can be stored again."""
    next: str = ""
    """Empty while it is paused."""
    waiting: str = ""
    run: ExportRun | None = None


class _Schedules(msgspec.Struct):
    schedules: list[ExportSchedule]


def list_export_schedules() -> Call[list[ExportSchedule]]:
    """List the tenant's schedules by name."""
    return Call(Request("GET", SCHEDULES), lambda response: decode(response, _Schedules).schedules)


def get_export_schedule(name: str) -> Call[ExportSchedule]:
    """Give a schedule with what came of it last."""
    return Call(Request("GET", _schedule(name)), lambda response: decode(response, ExportSchedule))


def put_export_schedule(name: str, asked: Mapping[str, Any], etag: int | None = None) -> Call[ExportSchedule]:
    """Store a schedule, as the service's description has it: a new one, or over the version `etag`."""
    match = {"If-None-Match": "*"} if etag is None else {"If-Match": f'"{etag}"'}
    request = Request("PUT", _schedule(name), {"Content-Type": JSON, **match}, msgspec.json.encode(asked))
    return Call(request, lambda response: decode(response, ExportSchedule), repeatable=False)


def delete_export_schedule(name: str, etag: int) -> Call[None]:
    """Make an export no longer; those that were made stay as long as they are kept."""
    request = Request("DELETE", _schedule(name), {"If-Match": f'"{etag}"'})
    return Call(request, lambda _: None, repeatable=False)


def _schedule(name: str) -> str:
    return f"{SCHEDULES}/{quote(name, safe='')}"
