"""Exports: asked for as jobs, listed, fetched in parts, given up (SM-30, SM-31)."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any, Final

from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from api.exports.service import Exports
from api.exports.wire import ExportIn, ExportOut, ExportsOut, export_out
from api.guard.tenancy import Caller
from api.http.ranges import span_of, streamed
from api.http.wire import refusals
from api.identity.scopes import SERIES_READ, require
from api.routes.parts import named_header
from api.services import Serving
from schemas.limits import JOBS_LISTED_MAX
from storage.export_parts import Download

PATH: Final = "/api/aspectstore/v1/exports"

LOCATION = named_header("Location", "Where the export can be asked for.")
ETAG = named_header("ETag", "The checksum of the whole download: SHA-256 in hexadecimal digits, in quotes.")

_TAGS = ["exports"]

ExportInPath = Annotated[str, PathParameter(description="Id of the export, which is that of its job.")]
Before = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=JOBS_LISTED_MAX, description="Exports of a page.")]
Range = Annotated[str | None, HeaderParameter(name="Range", description="One range: `bytes=200-600`.")]
IfRange = Annotated[
    str | None, HeaderParameter(name="If-Range", description="The ETag of what is gone on with.")
]
NoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="The ETag that the client has.")
]


@post(
    PATH,
    status_code=201,
    opt=require(SERIES_READ, action="export.create"),
    responses=refusals(400, 401, 403, 408, 413, 415, 429, 503),
    response_headers=[LOCATION],
    operation_id="createExport",
    tags=_TAGS,
)
async def create_export(request: Caller, services: Serving, data: JSONBody[ExportIn]) -> Response[ExportOut]:
    """Export series into files, as a job.

    Everything acknowledged before is in them; what comes while the job runs may be. What the assets, aspects
    and variables are is decided now.
    """
    record = await Exports(services).submit(request.user, data)
    shown = export_out(record, None, services.ports.clock.now_ms())
    return Response(shown, status_code=201, headers={"location": f"{PATH}/{record.id}"})


@get(
    PATH,
    opt=require(SERIES_READ),
    responses=refusals(400, 401, 403, 503),
    operation_id="listExports",
    tags=_TAGS,
)
async def list_exports(
    request: Caller, services: Serving, before: Before = None, limit: Limit = 50
) -> ExportsOut:
    """List the tenant's exports of the last weeks, the newest first."""
    found, following = await Exports(services).page(request.user, before=before, limit=limit)
    now_ms = services.ports.clock.now_ms()
    listed = [export_out(record, kept, now_ms) for record, kept in found]
    return ExportsOut(listed) if following is None else ExportsOut(listed, following)


@get(
    f"{PATH}/{{export_id:str}}",
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 404, 503),
    operation_id="getExport",
    tags=_TAGS,
)
async def get_export(request: Caller, services: Serving, export_id: ExportInPath) -> ExportOut:
    """Tell how far an export is, and what can be fetched."""
    record, kept = await Exports(services).find(request.user, export_id)
    return export_out(record, kept, services.ports.clock.now_ms())


@get(
    f"{PATH}/{{export_id:str}}/manifest",
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 404, 409, 410, 503),
    operation_id="getExportManifest",
    tags=_TAGS,
)
async def get_manifest(request: Caller, services: Serving, export_id: ExportInPath) -> dict[str, Any]:
    """Tell what an export holds: files with rows, bytes and checksums, series, settings."""
    return (await Exports(services).download(request.user, export_id)).manifest


@get(
    f"{PATH}/{{export_id:str}}/content",
    opt=require(SERIES_READ),
    responses={
        **refusals(401, 403, 404, 409, 410, 416, 503),
        200: ResponseSpec(bytes, generate_examples=False, description="The download", media_type="*/*"),
        206: ResponseSpec(bytes, generate_examples=False, description="A part of it", media_type="*/*"),
        304: ResponseSpec(None, description="The client has it"),
    },
    response_headers=[ETAG],
    operation_id="getExportContent",
    tags=_TAGS,
)
async def get_content(
    request: Caller,
    services: Serving,
    export_id: ExportInPath,
    *,
    range_: Range = None,
    if_range: IfRange = None,
    if_none_match: NoneMatch = None,
) -> Response[Any]:
    """Give the download, or one range of it; it never changes, so it can be gone on with at any time."""
    exports = Exports(services)
    kept = await exports.download(request.user, export_id)
    headers = _described(kept)
    if if_none_match is not None and _names(if_none_match, headers["etag"]):
        return Response(b"", status_code=304, headers={"etag": headers["etag"]}, media_type="text/plain")
    span = span_of(range_ if if_range in {None, headers["etag"]} else None, kept.size, "download")
    return streamed(await exports.blocks(request.user, kept, span), span, kept.size, headers)


@delete(
    f"{PATH}/{{export_id:str}}",
    status_code=204,
    opt=require(SERIES_READ, action="export.delete"),
    responses=refusals(401, 403, 404, 503),
    operation_id="deleteExport",
    tags=_TAGS,
)
async def delete_export(request: Caller, services: Serving, export_id: ExportInPath) -> None:
    """Give an export up: its job ends, and its download is kept no more."""
    await Exports(services).remove(request.user, export_id)


ROUTES = (create_export, list_exports, get_export, get_manifest, get_content, delete_export)


def _described(kept: Download) -> dict[str, str]:
    digest = b64encode(bytes.fromhex(kept.sha256)).decode("ascii")
    return {
        "content-type": kept.type,
        "etag": f'"{kept.sha256}"',
        "digest": f"sha-256={digest}",
        "repr-digest": f"sha-256=:{digest}:",
        "content-disposition": f'attachment; filename="{kept.name}"',
    }


def _names(listed: str, etag: str) -> bool:
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in listed.split(","))
