"""Asset types: list, get, put, delete (wire 4.1)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.errors import HAL
from api.hal import answer_list, answer_one, origin_of, preconditions
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.services import Serving
from api.tenancy import Caller
from api.tenant_index import Kept
from api.wire import described, refusals
from api.wire_types import BASE, AssetTypeIn, AssetTypeList, AssetTypeOut, asset_type_out
from schemas.assets import AssetType

PATH = f"{BASE}/assettypes"

FIELDS = {
    "id": lambda kept: kept.value.id,
    "name": lambda kept: kept.value.name,
    "tenantId": lambda kept: kept.value.tenant,
    "parentTypeId": lambda kept: kept.value.parent_type_id,
    "scope": lambda kept: kept.value.scope,
    "description": lambda kept: kept.value.description,
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

    listed = page_of(index.asset_types.values(), chosen, FIELDS, write)
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
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, asset_type_out(kept, index, origin, exploded=exploded), kept.version)


@put(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE),
    media_type=HAL,
    responses=described(201, shape=AssetTypeOut)
    | refusals(400, 401, 403, 404, 408, 412, 413, 415, 503, hal=True),
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
    origin = origin_of(request, services.ports.policy.public_url)
    shown = asset_type_out(kept, services.index.of(tenant), origin, exploded=exploded)
    return answer_one(request, shown, kept.version, 201 if created else 200)


@delete(
    f"{PATH}/{{type_id:str}}",
    opt=require(ASSETS_WRITE),
    responses=refusals(400, 401, 403, 404, 412, hal=True),
    operation_id="deleteAssetType",
    tags=["asset management"],
)
async def delete_asset_type(request: Caller, services: Serving, type_id: FromPath[str]) -> None:
    """Remove an asset type without child types and assets."""
    await services.catalogue.remove_asset_type(request.user.tenant, type_id, preconditions(request))


ROUTES = (list_asset_types, get_asset_type, put_asset_type, delete_asset_type)
