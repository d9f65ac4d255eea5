"""Assets: the billboard, list, root, get, create, change, delete, and what an asset has (wire 4.1)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.assets.lists import assets_table
from api.assets.views import AssetView, table_of
from api.assets.wire import (
    AssetAspectList,
    AssetChange,
    AssetIn,
    AssetList,
    AssetOut,
    AssetVariableList,
    variables_out,
)
from api.assets.wire_changes import AssetPatch
from api.assets.wire_types import BASE
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.filters import Field, Table
from api.http.hal import Link, answer_list, answer_one, origin_of, preconditions
from api.http.wire import described, refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort, page_of, wanted
from api.services import Services, Serving
from api.shares.access import Reached
from schemas.assets import Asset
from schemas.shares import Action

PATH = f"{BASE}/assets"

PART_FIELDS: dict[str, Field[Any]] = {"name": Field(lambda part: part.name)}

IncludeShared: TypeAlias = Annotated[
    bool, QueryParameter(name="includeShared", description="Also what other tenants share with this one.")
]
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
    include_shared: IncludeShared = False,
) -> Response[AssetList]:
    """List the tenant's assets; deleted ones only where the filter has a condition on `deleted`."""
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)
    view = AssetView(services.access, request.user, origin)
    shared = services.access.shared_assets(request.user, Action.ASSET_READ) if include_shared else []

    def write(reached: Reached) -> AssetOut:
        return view.show(reached, single=False, basic=basic)

    index = services.index.of(request.user.tenant)
    own = assets_table(index, chosen.filter)
    if shared or request.user.subtenant is not None:
        listed = page_of(table_of(view, index, own, shared), chosen, write)
    else:
        listed = page_of(own, chosen, lambda kept: write(Reached(index, kept)))
    extra = f"basicFieldsOnly={str(basic).lower()}&{'includeShared=true&' if include_shared else ''}"
    return answer_list(request, listed, chosen, name="assets", origin=origin, extra=extra)


@post(
    PATH,
    opt=require(ASSETS_WRITE, action="asset.create"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503, hal=True),
    operation_id="createAsset",
    tags=["asset management"],
)
async def create_asset(request: Caller, services: Serving, data: JSONBody[AssetIn]) -> Response[AssetOut]:
    """Create an asset."""
    await services.access.demand_parent(request.user, data.parent_id, "/parentId")
    kept = await services.catalogue.create_asset(request.user.tenant, data)
    view = AssetView(services.access, request.user, origin_of(request, services.ports.policy.public_url))
    shown = view.show(Reached(services.index.of(request.user.tenant), kept))
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
    root = services.index.tenant(request.user.tenant).root_asset
    return _answer(request, services, await _reach(request, services, root, shared=False))


@get(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=described(304) | refusals(400, 401, 403, 404, hal=True),
    operation_id="getAsset",
    tags=["asset management"],
)
async def get_asset(
    request: Caller, services: Serving, asset_id: FromPath[str], *, include_shared: IncludeShared = False
) -> Response[AssetOut]:
    """Give an asset."""
    return _answer(request, services, await _reach(request, services, asset_id, shared=include_shared))


@put(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_WRITE, action="asset.change"),
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
    opt=require(ASSETS_WRITE, action="asset.change"),
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
    opt=require(ASSETS_WRITE, action="asset.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412, hal=True),
    operation_id="deleteAsset",
    tags=["asset management"],
)
async def delete_asset(request: Caller, services: Serving, asset_id: FromPath[str]) -> None:
    """Delete an asset without children, under `If-Match`; its series are not found from then on."""
    await services.catalogue.delete_asset(request.user.tenant, asset_id, preconditions(request))
    await services.agents.remove_with_asset(request.user.tenant, asset_id)


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
    include_shared: IncludeShared = False,
) -> Response[AssetVariableList]:
    """List an asset's static variables with their values."""
    reached = await _reach(request, services, asset_id, shared=include_shared)
    chosen = wanted(page, size, sort, filter_text)
    table = Table(variables_out(reached.kept.value, reached.part), PART_FIELDS)
    listed = page_of(table, chosen, lambda part: part)
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
    include_shared: IncludeShared = False,
) -> Response[AssetAspectList]:
    """List an asset's aspects; static ones with their values."""
    reached = await _reach(request, services, asset_id, shared=include_shared)
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, size, sort, filter_text)
    view = AssetView(services.access, request.user, origin)
    listed = page_of(Table(view.aspects(reached), PART_FIELDS), chosen, lambda part: part)
    return answer_list(request, listed, chosen, name="aspects", origin=origin)


ROUTES = (
    get_billboard, list_assets, create_asset, get_root_asset, get_asset, put_asset, patch_asset,
    delete_asset, list_variables, list_aspects,
)  # fmt: skip


def show_asset(request: Caller, services: Serving, kept: Kept[Asset]) -> Response[AssetOut]:
    """Answer with an asset, its way from the root and its ETag."""
    return _answer(request, services, Reached(services.index.of(request.user.tenant), kept))


def _answer(request: Caller, services: Services, reached: Reached) -> Response[AssetOut]:
    view = AssetView(services.access, request.user, origin_of(request, services.ports.policy.public_url))
    return answer_one(request, view.show(reached), reached.kept.version)


async def _reach(request: Caller, services: Services, asset_id: str, *, shared: bool) -> Reached:
    """Give an own asset, and a shared one only to who asks for such (wire 4.1); else NotFound."""
    if shared:
        return await services.access.asset(request.user, asset_id, Action.ASSET_READ)
    kept = await services.access.own_asset(request.user, asset_id)
    return Reached(services.index.of(request.user.tenant), kept)
