"""Files of assets as existing clients store, fetch, list and delete them (wire 8).

Bodies pass through both ways: the door holds no more of one than the file store says. A file goes out as
something to be saved, never as something that a browser would run (S11).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from litestar import Response, delete, get, put
from litestar.exceptions import HTTPException, InternalServerException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from api.files.service import NO_FILE, Place
from api.guard.tenancy import Caller
from api.http.bodies import ANY_TYPE
from api.http.budget import HOLDING
from api.http.hal import Preconditions, version_in
from api.http.ranges import span_of, streamed
from api.http.watch import ARRIVAL
from api.http.wire import refusals
from api.identity.scopes import FILES_DELETE, FILES_READ, FILES_WRITE, require
from api.routes.parts import named_header
from api.services import Serving
from schemas import codes
from schemas.errors import Invalid, NotFound, Problem
from schemas.file_queries import parse_filter, path_in, predicate_of, sorter
from schemas.files import FileEntry, Span, describe_file, media_type, parse_path
from schemas.limits import (
    FILE_BODY_BYTES_MAX,
    FILE_BODY_S_MAX,
    FILE_PARTS_MAX,
    FILES_LISTED_MAX,
    FILES_OFFSET_MAX,
)
from schemas.shares import Action, Spans, within
from schemas.times import format_time

BASE = "/api/iotfile/v3"
LIST_PATH = f"{BASE}/files/{{entity:str}}"
FILE_PATH = f"{LIST_PATH}/{{path:path}}"
PARTS_PATH = f"{BASE}/fileslist/{{entity:str}}/{{path:path}}"

ETAG = named_header("ETag", "Version of the file: a number, without quotes.")
TOTAL = named_header("X-Total-Count", "With `count`: how many files the filter finds.")

_TAGS = ["files"]

Entity = Annotated[str, PathParameter(description="Asset id, 32 lowercase hexadecimal digits.")]
FilePath = Annotated[str, PathParameter(description="Folders and name, divided by slashes.")]
Step = Annotated[
    Literal["start", "complete", "abort"] | None,
    QueryParameter(
        name="upload", description="Begins or ends an upload in parts; `complete` brings the last."
    ),
]
PartNumber = Annotated[
    int | None,
    QueryParameter(name="part", ge=1, le=FILE_PARTS_MAX, description="Which part the body is."),
]
Type = Annotated[str | None, HeaderParameter(name="type", description="Media type of the file.")]
Description = Annotated[str | None, HeaderParameter(name="description", description="A few words on it.")]
Timestamp = Annotated[str | None, HeaderParameter(name="timestamp", description="What instant it is of.")]
Match = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The version that is replaced; `ifMatch` too.")
]
NoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="The version that the client has.")
]
Range = Annotated[str | None, HeaderParameter(name="Range", description="One range: `bytes=200-600`.")]
Filter = Annotated[
    str,
    QueryParameter(name="filter", description="`name eq a.txt and path eq bulk/`; `*` stands for any text."),
]
Order = Annotated[
    str, QueryParameter(name="order", description="`name`, `path` or `updated`, then `asc` or `desc`.")
]
Offset = Annotated[int, QueryParameter(name="offset", ge=0, le=FILES_OFFSET_MAX)]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=FILES_LISTED_MAX)]
Count = Annotated[bool, QueryParameter(name="count", description="Tell the total in `X-Total-Count`.")]


class FileOut(msgspec.Struct, rename="camel"):
    """A file in a list."""

    name: str
    path: str
    """Its folder with a slash at the end; empty at the top."""
    type: str
    size: int
    timestamp: str
    created: str
    updated: str
    created_by: str
    """Empty in a list of another tenant's asset."""
    updated_by: str
    description: str
    etag: int


class PartOut(msgspec.Struct):
    """A part that has come."""

    part: int
    size: int
    timestamp: str


@put(
    FILE_PATH,
    status_code=201,
    opt={**require(FILES_WRITE, action="file.put"), "media": ANY_TYPE, "octets": True},
    request_max_body_size=FILE_BODY_BYTES_MAX,
    responses={
        **refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 503),
        200: ResponseSpec(None, description="The part is stored"),
        201: ResponseSpec(None, description="Stored; or begun, with `upload=start`"),
        204: ResponseSpec(None, description="Replaced; or ended, with `upload=abort`"),
    },
    response_headers=[ETAG],
    operation_id="putFile",
    tags=_TAGS,
)
async def put_file(
    request: Caller,
    services: Serving,
    *,
    entity: Entity,
    path: FilePath,
    upload: Step = None,
    part: PartNumber = None,
    type_: Type = None,
    description: Description = None,
    timestamp: Timestamp = None,
    if_match: Match = None,
) -> Response[bytes]:
    """Store a file: in one body, or in parts between `upload=start` and `upload=complete`.

    Replacing one demands If-Match. Parts come in any order, several at once, each as often as it takes; all
    but the last have at least 5 MB.
    """
    place, body = _place(request, entity, path), _body(request, services)
    if upload is not None and part is not None:
        raise Invalid([Problem("", codes.INVALID_PARAMETER, "`upload` and `part` do not go together.")])
    if part is not None:
        await services.uploads.put_part(place, part, body)
        return _empty(200)
    if upload == "abort":
        await services.uploads.abort(place)
        return _empty(204)
    wanted = _preconditions(request, if_match)
    described = describe_file(type_, description, timestamp)
    if upload == "start":
        await services.uploads.start(place, wanted, described)
        return _empty(201)
    store = services.files.put if upload is None else services.uploads.complete
    written = await store(request.user, place, wanted, described, body)
    return _empty(201 if written.created else 204, written.version)


@get(
    FILE_PATH,
    opt=require(FILES_READ),
    responses={
        **refusals(400, 401, 403, 404, 416, 503),
        200: ResponseSpec(bytes, generate_examples=False, description="The file", media_type="*/*"),
        206: ResponseSpec(bytes, generate_examples=False, description="A part of it", media_type="*/*"),
        304: ResponseSpec(None, description="The client has this version"),
    },
    response_headers=[ETAG],
    operation_id="getFile",
    tags=_TAGS,
)
async def get_file(
    request: Caller,
    services: Serving,
    *,
    entity: Entity,
    path: FilePath,
    range_: Range = None,
    if_none_match: NoneMatch = None,
) -> Response[Any]:
    """Give a file, or one range of it."""
    reached = await services.access.asset(request.user, entity, Action.FILES_READ)
    place = Place(reached.part.tenant, entity, _path(path))
    tags = if_none_match or request.headers.get("ifnonematch")
    if tags is not None:
        version = _shown(await services.files.find(place), reached.spans).version
        if any(tag.strip().removeprefix("W/").strip('"') in {str(version), "*"} for tag in tags.split(",")):
            return _empty(304, version)

    def choose(entry: FileEntry) -> Span:
        return _span(request, range_, _shown(entry, reached.spans))

    entry, span, blocks = await services.files.open(place, choose)
    headers = {
        "content-type": media_type(entry.file.type),  # as it was told: the framework would add a charset
        "etag": str(entry.version),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(entry.name, safe='')}",
    }
    return streamed(blocks, span, entry.file.size, headers)


@delete(
    FILE_PATH,
    status_code=204,
    opt=require(FILES_DELETE, action="file.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteFile",
    tags=_TAGS,
)
async def delete_file(
    request: Caller, services: Serving, *, entity: Entity, path: FilePath, if_match: Match = None
) -> None:
    """Delete a file; with If-Match only this version."""
    await services.files.remove(_place(request, entity, path), _preconditions(request, if_match))


@get(
    LIST_PATH,
    opt=require(FILES_READ),
    responses=refusals(400, 401, 403, 404, 503),
    response_headers=[TOTAL],
    operation_id="listFiles",
    tags=_TAGS,
)
async def list_files(
    request: Caller,
    services: Serving,
    *,
    entity: Entity,
    filter_text: Filter = "",
    order: Order = "path asc",
    offset: Offset = 0,
    limit: Limit = FILES_LISTED_MAX,
    count: Count = False,
) -> Response[list[FileOut]]:
    """List the files of an asset."""
    conditions = parse_filter(filter_text)
    test, sort = predicate_of(conditions), sorter(order)
    reached = await services.access.asset(request.user, entity, Action.FILES_READ)
    entries = await services.files.entries(reached.part.tenant, entity, path_in(conditions))
    spans = reached.spans
    found = sort(entry for entry in entries if test(entry) and within(entry.file.timestamp_ms, spans))
    headers = {"x-total-count": str(len(found))} if count else {}
    page = [_file_out(entry) for entry in found[offset : offset + limit]]
    if reached.shares:
        for each in page:
            each.created_by = each.updated_by = ""
    return Response(page, headers=headers)


@get(
    PARTS_PATH,
    opt=require(FILES_READ),
    responses=refusals(400, 401, 403, 404, 503),
    operation_id="listFileParts",
    tags=_TAGS,
)
async def list_parts(request: Caller, services: Serving, *, entity: Entity, path: FilePath) -> list[PartOut]:
    """List the parts that have come of an upload that is under way."""
    parts = await services.uploads.parts(_place(request, entity, path))
    return [PartOut(part.number, part.content.size, format_time(part.updated_ms)) for part in parts]


ROUTES = (put_file, get_file, delete_file, list_files, list_parts)


def _place(request: Caller, entity: str, path: str) -> Place:
    """Give the place of a file; the framework has decoded the path and taken slashes together."""
    return Place(request.user.tenant, entity, _path(path))


def _path(path: str) -> str:
    return parse_path(path.removeprefix("/"))


def _shown(entry: FileEntry, spans: Spans | None) -> FileEntry:
    """Give a file back; NotFound for one of a time that is not shared."""
    if not within(entry.file.timestamp_ms, spans):
        raise NotFound(NO_FILE)
    return entry


def _preconditions(request: Caller, if_match: str | None) -> Preconditions:
    """Read If-Match and If-None-Match; one client calls them by its own names (wire 8)."""
    match = request.headers.get("ifmatch") if if_match is None else if_match
    none_match = request.headers.get("if-none-match", request.headers.get("ifnonematch", ""))
    return Preconditions(version_in(match), none_match.strip() == "*")


async def _body(request: Caller, services: Serving) -> AsyncGenerator[bytes]:
    """Give the body as it comes. The room for what the store holds of it is held until the answer."""
    state = request.scope["state"]
    state[HOLDING].add(services.files.store.held_bytes)
    state[ARRIVAL].deadline_s = FILE_BODY_S_MAX
    try:
        async for piece in request.stream():
            state[HOLDING].pass_on(len(piece))
            yield piece
    except InternalServerException as error:  # The framework's word for a client that has gone.
        raise HTTPException(status_code=400, detail="The body ended early.") from error


def _span(request: Caller, wanted: str | None, entry: FileEntry) -> Span:
    """Give what of a file is asked for; 416 where that is nothing, all where `If-Range` means another."""
    unchanged = request.headers.get("if-range", str(entry.version)).strip('"') == str(entry.version)
    return span_of(wanted if unchanged else None, entry.file.size, "file")


def _empty(status: int, version: int | None = None) -> Response[bytes]:
    """Answer without a body, and as text, so that nobody takes it for JSON."""
    headers = {} if version is None else {"etag": str(version)}
    return Response(b"", status_code=status, headers=headers, media_type="text/plain")


def _file_out(entry: FileEntry) -> FileOut:
    file = entry.file
    return FileOut(
        name=entry.name,
        path=entry.folder,
        type=file.type,
        size=file.size,
        timestamp=format_time(file.timestamp_ms),
        created=format_time(file.created_ms),
        updated=format_time(file.updated_ms),
        created_by=file.created_by,
        updated_by=file.updated_by,
        description=file.description,
        etag=entry.version,
    )
