"""Aspect types: list, get, put, patch, delete (wire 4.1)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, put
from litestar.params import FromPath, JSONBody

from api.assets.wire_changes import AspectTypePatch, VariablePatch
from api.assets.wire_types import BASE, AspectTypeIn, AspectTypeList, AspectTypeOut, aspect_type_out
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.filters import Field, Table
from api.http.hal import answer_list, answer_one, origin_of, preconditions
from api.http.wire import described, refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.services import Serving
from schemas.aspects import AspectType

PATH = f"{BASE}/aspecttypes"

FIELDS: dict[str, Field[Kept[AspectType]]] = {
    "id": Field(lambda kept: kept.value.id),
    "name": Field(lambda kept: kept.value.name),
    "tenantId": Field(lambda kept: kept.value.tenant),
    "category": Field(lambda kept: kept.value.category),
    "scope": Field(lambda kept: kept.value.scope),
    "description": Field(lambda kept: kept.value.description),
}


@get(
    PATH,
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, hal=True),
    operation_id="listAspectTypes",
    tags=["asset management"],
    sync_to_thread=False,
)
def list_aspect_types(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "id,asc",
    filter_text: Filter = "",
) -> Response[AspectTypeList]:
    """List own and built-in aspect types."""
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)
    kept = list(services.index.of(request.user.tenant).aspect_types.values())

    def write(found: Kept[AspectType]) -> AspectTypeOut:
        return aspect_type_out(found, origin)

    listed = page_of(Table(kept, FIELDS), chosen, write)
    return answer_list(request, listed, chosen, name="aspectTypes", origin=origin)


@get(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(401, 403, 404, hal=True),
    operation_id="getAspectType",
    tags=["asset management"],
)
async def get_aspect_type(
    request: Caller, services: Serving, type_id: FromPath[str]
) -> Response[AspectTypeOut]:
    """Give an aspect type."""
    kept = await services.index.look(request.user.tenant, lambda index: index.aspect_type(type_id))
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, aspect_type_out(kept, origin), kept.version)


@put(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="aspect_type.put"),
    media_type=HAL,
    responses=described(201, shape=AspectTypeOut)
    | refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="putAspectType",
    tags=["asset management"],
)
async def put_aspect_type(
    request: Caller, services: Serving, type_id: FromPath[str], data: JSONBody[AspectTypeIn]
) -> Response[AspectTypeOut]:
    """Create an aspect type, or change it under `If-Match`."""
    kept, created = await services.catalogue.put_aspect_type(
        request.user.tenant, type_id, data, preconditions(request)
    )
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, aspect_type_out(kept, origin), kept.version, 201 if created else 200)


@patch(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="aspect_type.change"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="patchAspectType",
    tags=["asset management"],
)
async def patch_aspect_type(
    request: Caller, services: Serving, type_id: FromPath[str], data: JSONBody[AspectTypePatch]
) -> Response[AspectTypeOut]:
    """Change the members of an aspect type that are given, under `If-Match`; lists are replaced whole."""
    kept = await services.catalogue.patch_aspect_type(
        request.user.tenant, type_id, data, preconditions(request)
    )
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, aspect_type_out(kept, origin), kept.version)


@patch(
    f"{PATH}/{{type_id:str}}/variables",
    opt=require(ASSETS_WRITE, action="aspect_type.change"),
    status_code=204,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="patchAspectTypeVariables",
    tags=["asset management"],
)
async def patch_variables(
    request: Caller,
    services: Serving,
    type_id: FromPath[str],
    data: JSONBody[dict[str, VariablePatch | None]],
) -> Response[None]:
    """Add, change, rename and remove variables by their names, under `If-Match`; null removes one."""
    kept = await services.catalogue.patch_aspect_variables(
        request.user.tenant, type_id, data, preconditions(request)
    )
    return Response(None, status_code=204, headers={"etag": f'"{kept.version}"'})


@delete(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="aspect_type.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412, hal=True),
    operation_id="deleteAspectType",
    tags=["asset management"],
)
async def delete_aspect_type(request: Caller, services: Serving, type_id: FromPath[str]) -> None:
    """Remove an aspect type that no asset type has."""
    await services.catalogue.remove_aspect_type(request.user.tenant, type_id, preconditions(request))


ROUTES = (
    list_aspect_types, get_aspect_type, put_aspect_type, patch_aspect_type, patch_variables,
    delete_aspect_type,
)  # fmt: skip
