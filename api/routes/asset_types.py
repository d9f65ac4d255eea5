"""Asset types: list, get, put, patch, delete, and their files (wire 4.1)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, delete, get, patch, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.assets.wire_changes import AssetTypePatch, AssignedFile, StaticVariablePatch
from api.assets.wire_types import BASE, AssetTypeIn, AssetTypeList, AssetTypeOut, asset_type_out
from api.catalog.tenant_index import Kept, canonical
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.filters import Field, Table
from api.http.hal import answer_list, answer_one, origin_of, preconditions
from api.http.wire import described, refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.asset_parts import FileKey
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.services import Serving
from schemas.assets import AssetType

PATH = f"{BASE}/assettypes"

FIELDS: dict[str, Field[Kept[AssetType]]] = {
    "id": Field(lambda kept: kept.value.id),
    "name": Field(lambda kept: kept.value.name),
    "tenantId": Field(lambda kept: kept.value.tenant),
    "parentTypeId": Field(lambda kept: kept.value.parent_type_id, canonical),
    "scope": Field(lambda kept: kept.value.scope),
    "description": Field(lambda kept: kept.value.description),
}

Exploded: TypeAlias = Annotated[bool, QueryParameter(name="exploded", description="With what is inherited.")]


@get(
    PATH,
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, hal=True),
    operation_id="listAssetTypes",
    tags=["asset management"],
    sync_to_thread=False,
)
def list_asset_types(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "id,asc",
    filter_text: Filter = "",
    exploded: Exploded = False,
) -> Response[AssetTypeList]:
    """List own and built-in asset types."""
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)

    def write(kept: Kept[AssetType]) -> AssetTypeOut:
        return asset_type_out(kept, index, origin, exploded=exploded)

    listed = page_of(Table(list(index.asset_types.values()), FIELDS), chosen, write)
    extra = f"exploded={str(exploded).lower()}&"
    return answer_list(request, listed, chosen, name="assetTypes", origin=origin, extra=extra)


@get(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, 404, hal=True),
    operation_id="getAssetType",
    tags=["asset management"],
)
async def get_asset_type(
    request: Caller, services: Serving, type_id: FromPath[str], *, exploded: Exploded = False
) -> Response[AssetTypeOut]:
    """Give an asset type."""
    kept = await services.index.look(request.user.tenant, lambda index: index.asset_type(type_id))
    return _show(request, services, kept, exploded=exploded)


@put(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="asset_type.put"),
    media_type=HAL,
    responses=described(201, shape=AssetTypeOut)
    | refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="putAssetType",
    tags=["asset management"],
)
async def put_asset_type(
    request: Caller,
    services: Serving,
    type_id: FromPath[str],
    data: JSONBody[AssetTypeIn],
    *,
    exploded: Exploded = False,
) -> Response[AssetTypeOut]:
    """Create an asset type, or change it under `If-Match`."""
    tenant = request.user.tenant
    kept, created = await services.catalogue.put_asset_type(tenant, type_id, data, preconditions(request))
    return _show(request, services, kept, exploded=exploded, status=201 if created else 200)


@patch(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="asset_type.change"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="patchAssetType",
    tags=["asset management"],
)
async def patch_asset_type(
    request: Caller,
    services: Serving,
    type_id: FromPath[str],
    data: JSONBody[AssetTypePatch],
    *,
    exploded: Exploded = False,
) -> Response[AssetTypeOut]:
    """Change the members of an asset type that are given, under `If-Match`; lists are replaced whole."""
    tenant = request.user.tenant
    kept = await services.catalogue.patch_asset_type(tenant, type_id, data, preconditions(request))
    return _show(request, services, kept, exploded=exploded)


@patch(
    f"{PATH}/{{type_id:str}}/variables",
    opt=require(ASSETS_WRITE, action="asset_type.change"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="patchAssetTypeVariables",
    tags=["asset management"],
)
async def patch_variables(
    request: Caller,
    services: Serving,
    type_id: FromPath[str],
    data: JSONBody[dict[str, StaticVariablePatch]],
) -> Response[AssetTypeOut]:
    """Change a type's own variables by their names, under `If-Match`; none comes and none goes.

    Answers with the whole type, because an existing client reads the body.
    """
    tenant, wanted = request.user.tenant, preconditions(request)
    kept = await services.catalogue.patch_asset_type_variables(tenant, type_id, data, wanted)
    return _show(request, services, kept)


@put(
    f"{PATH}/{{type_id:str}}/fileAssignments/{{key:str}}",
    opt=require(ASSETS_WRITE, action="asset_type.assign_file"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="putAssetTypeFileAssignment",
    tags=["asset management"],
)
async def put_file(
    request: Caller, services: Serving, type_id: FromPath[str], key: FileKey, data: JSONBody[AssignedFile]
) -> Response[AssetTypeOut]:
    """Put a file under a key of an asset type, under `If-Match`."""
    tenant, wanted = request.user.tenant, preconditions(request)
    kept = await services.catalogue.assign_type_file(tenant, type_id, key, data.file_id, wanted)
    return _show(request, services, kept)


@delete(
    f"{PATH}/{{type_id:str}}/fileAssignments/{{key:str}}",
    opt=require(ASSETS_WRITE, action="asset_type.unassign_file"),
    media_type=HAL,
    status_code=200,
    responses=refusals(400, 401, 403, 404, 409, 412, 503, hal=True),
    operation_id="deleteAssetTypeFileAssignment",
    tags=["asset management"],
)
async def delete_file(
    request: Caller, services: Serving, type_id: FromPath[str], key: FileKey
) -> Response[AssetTypeOut]:
    """Take the file under a key of an asset type away, under `If-Match`; the file itself stays."""
    tenant, wanted = request.user.tenant, preconditions(request)
    kept = await services.catalogue.assign_type_file(tenant, type_id, key, None, wanted)
    return _show(request, services, kept)


@delete(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE, action="asset_type.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412, hal=True),
    operation_id="deleteAssetType",
    tags=["asset management"],
)
async def delete_asset_type(request: Caller, services: Serving, type_id: FromPath[str]) -> None:
    """Remove an asset type without child types and assets."""
    await services.catalogue.remove_asset_type(request.user.tenant, type_id, preconditions(request))


ROUTES = (
    list_asset_types, get_asset_type, put_asset_type, patch_asset_type, patch_variables, put_file,
    delete_file, delete_asset_type,
)  # fmt: skip


def _show(
    request: Caller, services: Serving, kept: Kept[AssetType], *, exploded: bool = False, status: int = 200
) -> Response[AssetTypeOut]:
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, asset_type_out(kept, index, origin, exploded=exploded), kept.version, status)
