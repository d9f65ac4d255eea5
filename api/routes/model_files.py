"""Files of asset management: store, list, show, fetch, change, delete (wire 4.1, 4.7).

Forms come as existing clients write them, which usual parsers refuse (`schemas.multipart`). Bytes go out as
something to be saved, never as something that a browser would run (S11).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream

from api.assets.wire_types import BASE
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.bodies import MULTIPART_TYPES
from api.http.errors import HAL
from api.http.filters import Field, Table, time_text
from api.http.hal import Link, Page, answer_list, answer_one, origin_of, preconditions
from api.http.wire import described, refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.services import Services, Serving
from schemas.errors import NotAcceptable
from schemas.files import OCTETS
from schemas.limits import MODEL_FILE_BODY_BYTES_MAX
from schemas.model_files import Form, ModelFile, read_form
from schemas.multipart import boundary_in, parse_parts
from schemas.times import format_time
from storage.files import in_blocks

PATH = f"{BASE}/files"

BASE64 = "application/base64"
BASE64_BLOCK_BYTES = 3 * 65_536
"""A multiple of three: every block is written without filling."""

_TAGS = ["asset management"]
_CHANGING = refusals(400, 401, 403, 404, 408, 412, 413, 415, 429, 503, hal=True)


class ModelFileForm(msgspec.Struct):
    """The parts of the form; the file is a part with a filename, of 5 MB at most."""

    file: str | msgspec.UnsetType = msgspec.UNSET
    """Required for a new file; without it the bytes stay as they are."""
    name: str | msgspec.UnsetType = msgspec.UNSET
    """Without it a new file is called as the part's filename says."""
    description: str | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType = msgspec.UNSET
    """`private` (default) or `public`, in any case."""


_FORM = {"media": MULTIPART_TYPES, "multipart": ModelFileForm}


class ModelFileLinks(msgspec.Struct):
    """Where a file is known, and where its bytes are."""

    self: Link
    download: Link


class ModelFileOut(msgspec.Struct, rename="camel"):
    """What is known of a file."""

    id: str
    name: str
    original_file_name: str
    description: str | None
    tenant_id: str
    sub_tenant: str | None
    uploaded: str
    last_modified: str
    is_assigned: bool
    """Whether an asset or a type refers to it."""
    scope: str
    """`PRIVATE` or `PUBLIC`."""
    etag: int
    links: ModelFileLinks = msgspec.field(name="_links")


class EmbeddedModelFiles(msgspec.Struct):
    """The things of the page."""

    files: list[ModelFileOut]


class ModelFileList(msgspec.Struct):
    """A page of files."""

    embedded: EmbeddedModelFiles = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


FIELDS: dict[str, Field[Kept[ModelFile]]] = {
    "name": Field(lambda kept: kept.value.name),
    "id": Field(lambda kept: kept.value.id),
    "originalFileName": Field(lambda kept: kept.value.original_name),
    "description": Field(lambda kept: kept.value.description or None),
    "tenantId": Field(lambda kept: kept.value.tenant),
    "scope": Field(lambda kept: kept.value.scope, str.upper),
    "uploaded": Field(lambda kept: format_time(kept.value.uploaded_ms), time_text, is_time=True),
    "lastModified": Field(lambda kept: format_time(kept.value.modified_ms), time_text, is_time=True),
}


@post(
    PATH,
    opt={**require(ASSETS_WRITE, action="model_file.create"), **_FORM},
    request_max_body_size=MODEL_FILE_BODY_BYTES_MAX,
    media_type=HAL,
    responses=refusals(400, 401, 403, 408, 413, 415, 429, 503, hal=True),
    operation_id="createModelFile",
    tags=_TAGS,
)
async def create_file(request: Caller, services: Serving) -> Response[ModelFileOut]:
    """Store a file that assets and types can refer to."""
    form = await _form(request)
    answer = _show(request, services, await services.model_files.create(request.user.tenant, form), 201)
    answer.headers["location"] = answer.content.links.self.href
    return answer


@get(
    PATH,
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, hal=True),
    operation_id="listModelFiles",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_files(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "name,id,asc",
    filter_text: Filter = "",
) -> Response[ModelFileList]:
    """List the tenant's files."""
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)
    assigned = index.assigned_files()

    def write(kept: Kept[ModelFile]) -> ModelFileOut:
        return _file_out(kept, origin, is_assigned=kept.value.id in assigned)

    listed = page_of(Table(list(index.model_files.values()), FIELDS), chosen, write)
    return answer_list(request, listed, chosen, name="files", origin=origin)


@get(
    f"{PATH}/{{file_id:str}}",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(401, 403, 404, hal=True),
    operation_id="getModelFile",
    tags=_TAGS,
)
async def get_file(request: Caller, services: Serving, file_id: FromPath[str]) -> Response[ModelFileOut]:
    """Tell what is known of a file."""
    return _show(request, services, await services.model_files.find(request.user.tenant, file_id))


@get(
    f"{PATH}/{{file_id:str}}/file",
    opt=require(ASSETS_READ),
    responses={
        **refusals(401, 403, 404, 406, 503, hal=True),
        200: ResponseSpec(bytes, generate_examples=False, description="The file", media_type=OCTETS),
    },
    operation_id="downloadModelFile",
    tags=_TAGS,
)
async def download_file(request: Caller, services: Serving, file_id: FromPath[str]) -> Response[Any]:
    """Give the bytes of a file, or their base64 where `Accept` asks for that."""
    in_base64 = _wants_base64(request.headers.get("accept", "*/*"))
    kept, blocks = await services.model_files.open(request.user.tenant, file_id)
    size = 0 if kept.value.content is None else kept.value.content.size
    headers = {
        "content-type": BASE64 if in_base64 else OCTETS,
        "content-length": str(-(-size // 3) * 4 if in_base64 else size),
        "etag": f'"{kept.version}"',
        "content-disposition": f"attachment; filename*=UTF-8''{quote(kept.value.name, safe='')}",
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "vary": "Authorization, Accept",
    }
    return Stream(_as_base64(blocks) if in_base64 else blocks, headers=headers)


@put(
    f"{PATH}/{{file_id:str}}",
    opt={**require(ASSETS_WRITE, action="model_file.change"), **_FORM},
    request_max_body_size=MODEL_FILE_BODY_BYTES_MAX,
    media_type=HAL,
    responses=_CHANGING,
    operation_id="putModelFile",
    tags=_TAGS,
)
async def put_file(request: Caller, services: Serving, file_id: FromPath[str]) -> Response[ModelFileOut]:
    """Change a file under `If-Match`: what the form does not have stays as it is."""
    built_on = preconditions(request)
    form = await _form(request)
    tenant = request.user.tenant
    return _show(request, services, await services.model_files.change(tenant, file_id, form, built_on))


@delete(
    f"{PATH}/{{file_id:str}}",
    opt=require(ASSETS_WRITE, action="model_file.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503, hal=True),
    operation_id="deleteModelFile",
    tags=_TAGS,
)
async def delete_file(request: Caller, services: Serving, file_id: FromPath[str]) -> None:
    """Delete a file under `If-Match`; not while an asset or a type refers to it."""
    await services.model_files.remove(request.user.tenant, file_id, preconditions(request))


ROUTES = (create_file, list_files, get_file, download_file, put_file, delete_file)


async def _form(request: Caller) -> Form:
    boundary = boundary_in(request.headers.get("content-type", ""))
    return read_form(parse_parts(await request.body(), boundary))


def _show(
    request: Caller, services: Services, kept: Kept[ModelFile], status: int = 200
) -> Response[ModelFileOut]:
    assigned = services.index.of(request.user.tenant).assigned_files()
    origin = origin_of(request, services.ports.policy.public_url)
    shown = _file_out(kept, origin, is_assigned=kept.value.id in assigned)
    return answer_one(request, shown, kept.version, status)


def _file_out(kept: Kept[ModelFile], origin: str, *, is_assigned: bool) -> ModelFileOut:
    file, place = kept.value, f"{origin}{PATH}/{kept.value.id}"
    return ModelFileOut(
        id=file.id,
        name=file.name,
        original_file_name=file.original_name,
        description=file.description or None,
        tenant_id=file.tenant,
        sub_tenant=None,
        uploaded=format_time(file.uploaded_ms),
        last_modified=format_time(file.modified_ms),
        is_assigned=is_assigned,
        scope=file.scope,
        etag=kept.version,
        links=ModelFileLinks(Link(place), Link(f"{place}/file")),
    )


def _wants_base64(accept: str) -> bool:
    """Tell which of the two forms is asked for; NotAcceptable where neither is."""
    ranges = [part.strip().lower() for part in accept.split(",")]
    if any("base64" in part for part in ranges):
        return True
    if {part.partition(";")[0].strip() for part in ranges}.isdisjoint({"*/*", "application/*", OCTETS, ""}):
        raise NotAcceptable(f"A file goes out as {OCTETS} or {BASE64}.")
    return False


async def _as_base64(blocks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async for block in in_blocks(blocks, BASE64_BLOCK_BYTES):
        yield b64encode(block)
