"""Assets: the billboard, list, root, get, create, change, delete, and what an asset has (wire 4.1)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.asset_lists import assets_table
from api.errors import HAL
from api.filters import Field, Table
from api.hal import Link, answer_list, answer_one, origin_of, preconditions
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.services import Serving
from api.tenancy import Caller
from api.tenant_index import Kept
from api.wire import described, refusals
from api.wire_assets import (
    AssetAspectList,
    AssetChange,
    AssetIn,
    AssetList,
    AssetOut,
    AssetVariableList,
    aspects_out,
    asset_out,
    variables_out,
)
from api.wire_changes import AssetPatch
from api.wire_types import BASE
from schemas.assets import Asset

PATH = f"{BASE}/assets"

PART_FIELDS: dict[str, Field[Any]] = {"name": Field(lambda part: part.name)}

Basic: TypeAlias = Annotated[
    bool, QueryParameter(name="basicFieldsOnly", description="Without location, values and files.")
]


class Billboard(msgspec.Struct, rename="camel"):
    """Where the collections are."""

    self: Link
    aspect_types: Link
    asset_types: Link
    assets: Link
    files: Link


@get(
    f"{BASE}/",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=refusals(401, 403, hal=True),
    operation_id="getBillboard",
    tags=["asset management"],
    sync_to_thread=False,
)
def get_billboard(request: Caller, services: Serving) -> Billboard:
    """Tell where the collections are."""
    base = origin_of(request, services.ports.policy.public_url) + BASE
    names = ("/", "/aspecttypes", "/assettypes", "/assets", "/files")
    return Billboard(*(Link(f"{base}{name}") for name in names))


@get(
    PATH,
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, hal=True),
    operation_id="listAssets",
    tags=["asset management"],
    sync_to_thread=False,
)
def list_assets(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "name,id,asc",
    filter_text: Filter = "",
    basic: Basic = False,
) -> Response[AssetList]:
    """List the tenant's assets; deleted ones only where the filter has a condition on `deleted`."""
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)

    def write(kept: Kept[Asset]) -> AssetOut:
        return asset_out(kept, index, origin, single=False, basic=basic)

    listed = page_of(assets_table(index, chosen.filter), chosen, write)
    extra = f"basicFieldsOnly={str(basic).lower()}&"
    return answer_list(request, listed, chosen, name="assets", origin=origin, extra=extra)


@post(
    PATH,
    opt=require(ASSETS_WRITE),
    media_type=HAL,
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503, hal=True),
    operation_id="createAsset",
    tags=["asset management"],
)
async def create_asset(request: Caller, services: Serving, data: JSONBody[AssetIn]) -> Response[AssetOut]:
    """Create an asset."""
    kept = await services.catalogue.create_asset(request.user.tenant, data)
    origin = origin_of(request, services.ports.policy.public_url)
    shown = asset_out(kept, services.index.of(request.user.tenant), origin)
    answer = answer_one(request, shown, kept.version, 201)
    answer.headers["location"] = shown.links.self.href
    return answer


@get(
    f"{PATH}/root",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(401, 403, 404, hal=True),
    operation_id="getRootAsset",
    tags=["asset management"],
)
async def get_root_asset(request: Caller, services: Serving) -> Response[AssetOut]:
    """Give the asset that all others stand below."""
    return await _show(request, services, services.index.tenant(request.user.tenant).root_asset)


@get(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(401, 403, 404, hal=True),
    operation_id="getAsset",
    tags=["asset management"],
)
async def get_asset(request: Caller, services: Serving, asset_id: FromPath[str]) -> Response[AssetOut]:
    """Give an asset."""
    return await _show(request, services, asset_id)


@put(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_WRITE),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="putAsset",
    tags=["asset management"],
)
async def put_asset(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[AssetChange]
) -> Response[AssetOut]:
    """Change an asset under `If-Match`; members that cannot change are ignored."""
    tenant = request.user.tenant
    kept = await services.catalogue.replace_asset(tenant, asset_id, data, preconditions(request))
    return show_asset(request, services, kept)


@patch(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_WRITE),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True),
    operation_id="patchAsset",
    tags=["asset management"],
)
async def patch_asset(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[AssetPatch]
) -> Response[AssetOut]:
    """Change the members of an asset that are given, under `If-Match`; lists are replaced whole."""
    tenant = request.user.tenant
    kept = await services.catalogue.patch_asset(tenant, asset_id, data, preconditions(request))
    return show_asset(request, services, kept)


@delete(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_WRITE),
    responses=refusals(400, 401, 403, 404, 409, 412, hal=True),
    operation_id="deleteAsset",
    tags=["asset management"],
)
async def delete_asset(request: Caller, services: Serving, asset_id: FromPath[str]) -> None:
    """Delete an asset without children, under `If-Match`; its series are not found from then on."""
    await services.catalogue.delete_asset(request.user.tenant, asset_id, preconditions(request))


@get(
    f"{PATH}/{{asset_id:str}}/variables",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, 404, hal=True),
    operation_id="listAssetVariables",
    tags=["asset management"],
)
async def list_variables(
    request: Caller,
    services: Serving,
    asset_id: FromPath[str],
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> Response[AssetVariableList]:
    """List an asset's static variables with their values."""
    index = services.index.of(request.user.tenant)
    asset = (await services.index.find_asset(request.user.tenant, asset_id)).value
    chosen = wanted(page, size, sort, filter_text)
    listed = page_of(Table(variables_out(asset, index), PART_FIELDS), chosen, lambda part: part)
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_list(request, listed, chosen, name="variables", origin=origin)


@get(
    f"{PATH}/{{asset_id:str}}/aspects",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, 404, hal=True),
    operation_id="listAssetAspects",
    tags=["asset management"],
)
async def list_aspects(
    request: Caller,
    services: Serving,
    asset_id: FromPath[str],
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> Response[AssetAspectList]:
    """List an asset's aspects; static ones with their values."""
    index = services.index.of(request.user.tenant)
    asset = (await services.index.find_asset(request.user.tenant, asset_id)).value
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)
    listed = page_of(Table(aspects_out(asset, index, origin), PART_FIELDS), chosen, lambda part: part)
    return answer_list(request, listed, chosen, name="aspects", origin=origin)


ROUTES = (
    get_billboard, list_assets, create_asset, get_root_asset, get_asset, put_asset, patch_asset,
    delete_asset, list_variables, list_aspects,
)  # fmt: skip


def show_asset(request: Caller, services: Serving, kept: Kept[Asset]) -> Response[AssetOut]:
    """Answer with an asset, its way from the root and its ETag."""
    index = services.index.of(request.user.tenant)
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, asset_out(kept, index, origin), kept.version)


async def _show(request: Caller, services: Serving, asset_id: str) -> Response[AssetOut]:
    kept = await services.index.find_asset(request.user.tenant, asset_id)
    return show_asset(request, services, kept)
