"""File types of logger files: list, get, create, replace, delete, and look at a file by one (SM-03)."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from api.catalog.sensor_index import sensors_of
from api.files.service import Place
from api.guard.tenancy import Caller, demand
from api.http.budget import HOLDING
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_WRITE, FILES_READ, SERIES_WRITE, require
from api.imports.file_types import FileTypes, KeptType, preview_file, preview_of
from api.routes.parts import named_header
from api.services import Serving
from schemas import codes
from schemas.errors import Invalid, Problem
from schemas.files import parse_path
from schemas.filetypes.model import FileType
from schemas.filetypes.preview import Preview
from schemas.filetypes.sensor_rules import with_sensors
from schemas.limits import PREVIEW_FETCHED_BYTES_MAX, PREVIEW_TEXT_CHARACTERS_MAX

PATH = "/api/aspectstore/v1/filetypes"

ETAG = named_header("ETag", "Version of the file type; absent where it is a preset.")

_TAGS = ["imports"]

NameInPath = Annotated[str, PathParameter(description="Name of a file type, or of a preset.")]


class FileTypeOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A file type in a list."""

    name: str
    format: str
    preset: bool
    description: str = ""
    etag: int | None = None
    """Absent where it is a preset."""


class FileTypesOut(msgspec.Struct, rename="camel"):
    """The file types that a tenant can name."""

    file_types: list[FileTypeOut]


class PreviewIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is to be looked at, and by which file type."""

    type: str = ""
    """The name of one; or …"""
    file_type: FileType | None = None
    """… one that is not stored."""
    entity: str = ""
    """The asset among whose files it lies; or nothing, and `text`."""
    path: str = ""
    text: str = ""
    """The beginning of a file."""


@get(
    PATH,
    opt=require(SERIES_WRITE),
    responses=refusals(401, 403, 503),
    operation_id="listFileTypes",
    tags=_TAGS,
)
async def list_file_types(request: Caller, services: Serving) -> FileTypesOut:
    """List the tenant's file types by name, then the presets."""
    kept = await FileTypes(services.ports.catalog).all_of(request.user.tenant)
    return FileTypesOut([_listed(each) for each in kept])


@post(
    PATH,
    opt=require(ASSETS_WRITE, action="file_type.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 429, 503),
    response_headers=[ETAG],
    operation_id="createFileType",
    tags=_TAGS,
)
async def create_file_type(
    request: Caller, services: Serving, data: JSONBody[FileType]
) -> Response[FileType]:
    """Store a new file type; every problem of it is told."""
    kept = await FileTypes(services.ports.catalog).create(request.user.tenant, data)
    return _answer(kept, 201)


@get(
    f"{PATH}/{{name:str}}",
    opt=require(SERIES_WRITE),
    responses=refusals(401, 403, 404, 503),
    response_headers=[ETAG],
    operation_id="getFileType",
    tags=_TAGS,
)
async def get_file_type(request: Caller, services: Serving, name: NameInPath) -> Response[FileType]:
    """Give a file type, or a preset."""
    return _answer(await FileTypes(services.ports.catalog).find(request.user.tenant, name))


@put(
    f"{PATH}/{{name:str}}",
    opt=require(ASSETS_WRITE, action="file_type.put"),
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503),
    response_headers=[ETAG],
    operation_id="putFileType",
    tags=_TAGS,
)
async def put_file_type(
    request: Caller, services: Serving, name: NameInPath, data: JSONBody[FileType]
) -> Response[FileType]:
    """Replace a file type under `If-Match`; jobs that were asked for before read by what it was."""
    types = FileTypes(services.ports.catalog)
    return _answer(await types.put(request.user.tenant, name, data, preconditions(request)))


@delete(
    f"{PATH}/{{name:str}}",
    opt=require(ASSETS_WRITE, action="file_type.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412, 503),
    operation_id="deleteFileType",
    tags=_TAGS,
)
async def delete_file_type(request: Caller, services: Serving, name: NameInPath) -> None:
    """Delete a file type under `If-Match`."""
    await FileTypes(services.ports.catalog).remove(request.user.tenant, name, preconditions(request))


@post(
    f"{PATH}/preview",
    status_code=200,
    opt=require(SERIES_WRITE, action="file_type.preview"),
    responses=refusals(400, 401, 403, 404, 408, 413, 415, 503),
    operation_id="previewFile",
    tags=_TAGS,
)
async def preview_a_file(request: Caller, services: Serving, data: JSONBody[PreviewIn]) -> Preview:
    """Tell what reading a file would give, from its beginning; nothing is stored.

    The file is one of an asset's, for which the scope `iot.fil.r` is needed too, or `text`.
    """
    tenant = request.user.tenant
    _demand_whole(data)
    file_type = data.file_type
    if file_type is None:
        file_type = (await FileTypes(services.ports.catalog).find(tenant, data.type)).file_type
    if not data.entity:
        told = msgspec.structs.replace(file_type, encoding="")  # JSON has read it already
        return await asyncio.to_thread(preview_of, told, "text", data.text.encode())
    demand(request.user, FILES_READ)
    await services.access.own_asset(request.user, data.entity)
    request.scope["state"][HOLDING].add(PREVIEW_FETCHED_BYTES_MAX)
    file_type = with_sensors(file_type, sensors_of(services.index.of(tenant), data.entity))
    path = parse_path(data.path.removeprefix("/"))
    return await preview_file(services.files, Place(tenant, data.entity, path), file_type)


ROUTES = (
    list_file_types,
    create_file_type,
    get_file_type,
    put_file_type,
    delete_file_type,
    preview_a_file,
)


def _listed(kept: KeptType) -> FileTypeOut:
    one = kept.file_type
    return FileTypeOut(one.name, one.format.value, kept.version is None, one.description, kept.version)


def _answer(kept: KeptType, status: int = 200) -> Response[FileType]:
    headers = {} if kept.version is None else {"etag": f'"{kept.version}"'}
    return Response(kept.file_type, status_code=status, headers=headers)


def _demand_whole(data: PreviewIn) -> None:
    """Refuse what names no file type, or no file, or two of one of them."""
    problems = []
    if bool(data.type) == (data.file_type is not None):
        problems.append(Problem("/type", codes.INVALID_BODY, "One of type and fileType is expected."))
    if bool(data.entity) == bool(data.text) or bool(data.entity) != bool(data.path):
        problems.append(Problem("/entity", codes.INVALID_BODY, "entity and path are expected, or text."))
    if len(data.text) > PREVIEW_TEXT_CHARACTERS_MAX:
        message = f"At most {PREVIEW_TEXT_CHARACTERS_MAX} characters."
        problems.append(Problem("/text", codes.INVALID_BODY, message))
    if problems:
        raise Invalid(problems)
