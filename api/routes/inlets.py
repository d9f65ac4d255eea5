"""Inlets with their rules: list, get, create, replace, delete (IX-08)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_WRITE, SERIES_READ, require
from api.routes.parts import named_header
from api.services import Serving
from schemas import codes
from schemas.errors import Invalid, Problem
from schemas.lineprotocol.inlets import Inlet, inlet_id

PATH: Final = "/api/aspectstore/v1/inlets"

ETAG = named_header("ETag", "Version of the inlet.")

_TAGS = ["line protocol"]

InletInPath = Annotated[str, PathParameter(description="Id of the inlet: that of its bucket.")]


class InletOut(msgspec.Struct):
    """An inlet in a list."""

    id: str
    etag: int
    inlet: Inlet


class InletsOut(msgspec.Struct):
    """The inlets of a tenant, by name."""

    inlets: list[InletOut]


@get(
    PATH,
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 503),
    operation_id="listInlets",
    tags=_TAGS,
)
async def list_inlets(request: Caller, services: Serving) -> InletsOut:
    """List the tenant's inlets with their rules."""
    await services.index.refresh()
    kept = services.lines.inlets.all_of(request.user.tenant)
    return InletsOut([InletOut(each.value.document_id, each.version, each.value) for each in kept])


@post(
    PATH,
    opt=require(ASSETS_WRITE, action="inlet.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    response_headers=[ETAG],
    operation_id="createInlet",
    tags=_TAGS,
)
async def create_inlet(request: Caller, services: Serving, data: JSONBody[Inlet]) -> Response[Inlet]:
    """Store a new inlet; every problem of it is told."""
    return _answer(await services.lines.inlets.create(request.user.tenant, data), 201)


@get(
    f"{PATH}/{{inlet:str}}",
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 404, 503),
    response_headers=[ETAG],
    operation_id="getInlet",
    tags=_TAGS,
)
async def get_inlet(request: Caller, services: Serving, inlet: InletInPath) -> Response[Inlet]:
    """Give an inlet with its rule."""
    return _answer(await services.lines.inlets.find_id(request.user.tenant, inlet))


@put(
    f"{PATH}/{{inlet:str}}",
    opt=require(ASSETS_WRITE, action="inlet.put"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    response_headers=[ETAG],
    operation_id="putInlet",
    tags=_TAGS,
)
async def put_inlet(
    request: Caller, services: Serving, inlet: InletInPath, data: JSONBody[Inlet]
) -> Response[Inlet]:
    """Replace an inlet's rule under `If-Match`; what was written by the old one stays where it is."""
    await services.lines.inlets.find_id(request.user.tenant, inlet)
    if inlet_id(data.name) != inlet:
        message = "An inlet keeps its name; make another one."
        raise Invalid([Problem("/name", codes.INVALID_BODY, message)])
    return _answer(await services.lines.inlets.put(request.user.tenant, data, preconditions(request)))


@delete(
    f"{PATH}/{{inlet:str}}",
    opt=require(ASSETS_WRITE, action="inlet.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteInlet",
    tags=_TAGS,
)
async def delete_inlet(request: Caller, services: Serving, inlet: InletInPath) -> None:
    """Delete an inlet under `If-Match`; the assets that it made stay, with all their records."""
    kept = await services.lines.inlets.find_id(request.user.tenant, inlet)
    version = preconditions(request).required()
    await services.lines.inlets.remove(request.user.tenant, kept, version)


ROUTES = (list_inlets, create_inlet, get_inlet, put_inlet, delete_inlet)


def _answer(kept: Kept[Inlet], status: int = 200) -> Response[Inlet]:
    return Response(kept.value, status_code=status, headers={"etag": f'"{kept.version}"'})
