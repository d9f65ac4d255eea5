"""The audit log: pages and exports of the caller's tenant, and of the platform's own log (S10, S16)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal, TypeAlias

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from api.guard.audit import Shown
from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import AUDIT_READ, PLATFORM, require
from api.routes.parts import From, To
from api.services import Services, Serving
from schemas import codes
from schemas.audit import AuditFilter, csv_line, decode_cursor, encode_cursor
from schemas.errors import Invalid, Malformed, Problem
from schemas.ids import CORE
from schemas.limits import AUDIT_LINES_MAX, AUDIT_WORD_CHARACTERS_MAX, TIME_MS_MAX
from schemas.times import format_time, parse_time
from storage.audit_port import AuditSpan

PATH = "/api/aspectstore/v1/audit"
PLATFORM_PATH = "/api/aspectstore/v1/platform/audit"

_TAGS = ["audit log"]
_READING = refusals(400, 401, 403, 503)

LINES: Literal["jsonl"] = "jsonl"
TABLE: Literal["csv"] = "csv"
MEDIA = {LINES: "application/x-ndjson", TABLE: "text/csv; charset=utf-8; header=present"}

Action: TypeAlias = Annotated[
    str,
    QueryParameter(
        max_length=AUDIT_WORD_CHARACTERS_MAX, description="An action, `asset.move`, or a thing: `asset`."
    ),
]
Subject: TypeAlias = Annotated[
    str, QueryParameter(max_length=AUDIT_WORD_CHARACTERS_MAX, description="A user, or a client.")
]
Thing: TypeAlias = Annotated[
    str,
    QueryParameter(
        max_length=AUDIT_WORD_CHARACTERS_MAX, description="An id in the path, or of what was made."
    ),
]
Limit: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=AUDIT_LINES_MAX, description="Lines of a page at most.")
]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Form: TypeAlias = Annotated[
    Literal["jsonl", "csv"], QueryParameter(name="format", description="JSON lines, or a table.")
]


class AuditLineOut(msgspec.Struct, rename="camel", frozen=True):
    """One act: who set out to do what to which thing, by which token, and what came of it."""

    time: str
    """When it began."""
    id: str
    """Of the request, as `X-Request-Id` and the logs have it."""
    action: str
    """Thing and verb."""
    status: int | None
    """Of the answer; null: nobody wrote down what came of it, because a process died, or it is under way."""
    created: str
    """Id of what was made; empty where nothing was."""
    tenant: str
    """Of the caller; `core` is the platform."""
    subject: str
    client_id: str
    token_id: str
    """`jti` of the access token."""
    address: str
    things: dict[str, str]
    """The ids in the path, by the names of its parameters."""
    parameters: dict[str, str]
    """Of the query, those few that say what was meant."""
    ended: str | None


class AuditPage(msgspec.Struct, omit_defaults=True):
    """Lines, the newest first."""

    lines: list[AuditLineOut]
    next: str | msgspec.UnsetType = msgspec.UNSET
    """What `cursor` must be to go on; absent at the end. A page may be short, and even empty, before it."""


@get(PATH, opt=require(AUDIT_READ), responses=_READING, operation_id="listAuditLines", tags=_TAGS)
async def list_lines(
    request: Caller,
    services: Serving,
    *,
    from_: From = None,
    to: To = None,
    action: Action = "",
    subject: Subject = "",
    thing: Thing = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AuditPage:
    """Read the tenant's log of (from, to], the newest line first."""
    span = _span(services, request.user.tenant, from_, to, cursor)
    return await _page(services, AuditFilter(action, subject, thing), span, limit)


@get(
    PLATFORM_PATH,
    opt=require(PLATFORM),
    responses=_READING,
    operation_id="listPlatformAuditLines",
    tags=_TAGS,
)
async def list_platform_lines(
    services: Serving,
    *,
    from_: From = None,
    to: To = None,
    action: Action = "",
    subject: Subject = "",
    thing: Thing = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AuditPage:
    """Read the platform's own log: what was done to tenants, and to the installation."""
    span = _span(services, CORE, from_, to, cursor)
    return await _page(services, AuditFilter(action, subject, thing), span, limit)


_EXPORTING = {
    **_READING,
    200: ResponseSpec(bytes, generate_examples=False, description="The log", media_type=MEDIA[LINES]),
}
_TABLES = {"tables": ("text/csv",)}


@get(
    f"{PATH}/export",
    opt={**require(AUDIT_READ), **_TABLES},
    responses=_EXPORTING,
    operation_id="exportAuditLines",
    tags=_TAGS,
)
async def export_lines(
    request: Caller,
    services: Serving,
    *,
    from_: From = None,
    to: To = None,
    action: Action = "",
    subject: Subject = "",
    thing: Thing = "",
    form: Form = LINES,
) -> Stream:
    """Give all of the tenant's log of (from, to] as JSON lines or CSV, the newest line first.

    In CSV a cell that begins with `=`, `+`, `-`, `@`, a tab, a line end or `'` has a `'` in front.
    """
    span = _span(services, request.user.tenant, from_, to, None)
    return await _export(services, AuditFilter(action, subject, thing), span, form)


@get(
    f"{PLATFORM_PATH}/export",
    opt={**require(PLATFORM), **_TABLES},
    responses=_EXPORTING,
    operation_id="exportPlatformAuditLines",
    tags=_TAGS,
)
async def export_platform_lines(
    services: Serving,
    *,
    from_: From = None,
    to: To = None,
    action: Action = "",
    subject: Subject = "",
    thing: Thing = "",
    form: Form = LINES,
) -> Stream:
    """Give all of the platform's log of (from, to] as JSON lines or CSV, the newest line first."""
    span = _span(services, CORE, from_, to, None)
    return await _export(services, AuditFilter(action, subject, thing), span, form)


ROUTES = (list_lines, export_lines, list_platform_lines, export_platform_lines)


async def _page(services: Services, wanted: AuditFilter, span: AuditSpan, limit: int) -> AuditPage:
    found = await services.audit.page(wanted, span, limit)
    lines = [_line_out(shown) for shown in found.shown]
    if found.rest is None:
        return AuditPage(lines)
    place = (found.rest.end_ms, found.rest.end_id)
    return AuditPage(lines, encode_cursor(place, span.tenant, services.series.receipts.key))


async def _export(
    services: Services, wanted: AuditFilter, span: AuditSpan, form: Literal["jsonl", "csv"]
) -> Stream:
    walk = services.audit.walk(wanted, span)
    # Before the answer begins: a store that is away is still a 503.
    first: list[Shown] = await anext(walk, [])
    write = _WRITERS[form]

    async def pieces() -> AsyncIterator[bytes]:
        head = csv_line(AuditLineOut.__struct_encode_fields__) if form == TABLE else b""
        yield head + b"".join(write(_line_out(each)) for each in first)
        async for shown in walk:
            yield b"".join(write(_line_out(each)) for each in shown)

    headers = {
        "content-type": MEDIA[form],
        "content-disposition": f'attachment; filename="audit.{form}"',
        "x-content-type-options": "nosniff",
    }
    return Stream(pieces(), headers=headers)


def _as_json(line: AuditLineOut) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _as_cells(line: AuditLineOut) -> bytes:
    return csv_line(msgspec.structs.astuple(line))


_WRITERS: dict[str, Callable[[AuditLineOut], bytes]] = {LINES: _as_json, TABLE: _as_cells}


def _span(
    services: Services, tenant: str, start: str | None, end: str | None, cursor: str | None
) -> AuditSpan:
    """Read the range, (from, to] on the wire; a cursor moves its end."""
    start_ms = 0 if start is None else _moment(start, "from") + 1
    end_ms = TIME_MS_MAX + 1 if end is None else _moment(end, "to") + 1
    if end_ms <= start_ms and start is not None and end is not None:
        raise _refused("from: it must be before to.")
    span = AuditSpan(tenant, start_ms, end_ms)
    if cursor is None:
        return span
    place = decode_cursor(cursor, tenant, services.series.receipts.key)
    return span._replace(end_ms=place[0], end_id=place[1])


def _moment(text: str, name: str) -> int:
    try:
        return parse_time(text)
    except Malformed as error:
        raise _refused(f"{name}: {error.message}") from error


def _refused(message: str) -> Invalid:
    return Invalid([Problem("", codes.INVALID_PARAMETER, message)])


def _line_out(shown: Shown) -> AuditLineOut:
    line, act, outcome = shown
    return AuditLineOut(
        time=format_time(line.time_ms),
        id=line.id,
        action=act.action,
        status=None if outcome is None else outcome.status,
        created="" if outcome is None else outcome.created,
        tenant=act.tenant,
        subject=act.subject,
        client_id=act.client_id,
        token_id=act.token_id,
        address=act.address,
        things=act.things,
        parameters=act.parameters,
        ended=None if outcome is None else format_time(outcome.ended_ms),
    )
