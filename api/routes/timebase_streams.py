"""What is declared of TimeBase streams: list, get, put, delete (TB-20, TB-24)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, put
from litestar.params import JSONBody, PathParameter

from api.catalog.stream_index import KeptStream
from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.parts import named_header
from api.services import Services, Serving
from api.timebase.declared import DeclaredStreams
from schemas.timebase.streams import DeclaredStream

PATH = "/api/aspectstore/v1/timebase/streams"

_TAGS = ["TimeBase"]

KeyInPath = Annotated[str, PathParameter(description="Key of a stream.")]

ETAG = named_header("ETag", "Version of the declaration; `If-Match` names it.")


class DeclaredStreamOut(DeclaredStream, frozen=True, kw_only=True, rename="camel"):
    """What is declared of a stream, in a list."""

    etag: int


class DeclaredStreamsOut(msgspec.Struct):
    """What a tenant has declared, by key."""

    streams: list[DeclaredStreamOut]


@get(
    PATH,
    opt=require(ASSETS_READ),
    responses=refusals(401, 403),
    operation_id="listDeclaredStreams",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_streams(request: Caller, services: Serving) -> DeclaredStreamsOut:
    """List what the tenant has declared of streams, by key."""
    listed = [
        DeclaredStreamOut(**msgspec.structs.asdict(kept.value), etag=kept.version)
        for kept in _declared(services).all_of(request.user.tenant)
    ]
    return DeclaredStreamsOut(listed)


@get(
    f"{PATH}/{{stream:str}}",
    opt=require(ASSETS_READ),
    responses=refusals(401, 403, 404, 503),
    response_headers=[ETAG],
    operation_id="getDeclaredStream",
    tags=_TAGS,
)
async def get_stream(request: Caller, services: Serving, stream: KeyInPath) -> Response[DeclaredStream]:
    """Give what is declared of a stream."""
    return _answer(await _declared(services).find(request.user.tenant, stream))


@put(
    f"{PATH}/{{stream:str}}",
    opt=require(ASSETS_WRITE, action="timebase_stream.put"),
    responses=refusals(400, 401, 403, 408, 412, 413, 415, 429, 503),
    response_headers=[ETAG],
    operation_id="putDeclaredStream",
    tags=_TAGS,
)
async def put_stream(
    request: Caller, services: Serving, stream: KeyInPath, data: JSONBody[DeclaredStream]
) -> Response[DeclaredStream]:
    """Declare a stream (201), or change what is declared of it under `If-Match`."""
    wanted = preconditions(request)
    kept, is_new = await _declared(services).put(request.user.tenant, stream, data, wanted)
    return _answer(kept, 201 if is_new else 200)


@delete(
    f"{PATH}/{{stream:str}}",
    opt=require(ASSETS_WRITE, action="timebase_stream.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteDeclaredStream",
    tags=_TAGS,
)
async def delete_stream(request: Caller, services: Serving, stream: KeyInPath) -> None:
    """Delete what is declared of a stream under `If-Match`; no record goes with it."""
    await _declared(services).remove(request.user.tenant, stream, preconditions(request))


ROUTES = (list_streams, get_stream, put_stream, delete_stream)


def _declared(services: Services) -> DeclaredStreams:
    return DeclaredStreams(services.ports.catalog, services.index)


def _answer(kept: KeptStream, status: int = 200) -> Response[DeclaredStream]:
    return Response(kept.value, status_code=status, headers={"etag": f'"{kept.version}"'})
