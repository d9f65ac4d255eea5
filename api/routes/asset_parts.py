"""What changes one thing of an asset: its place in the tree, its location, its files (wire 4.1).

Each answers 200 with the whole asset, deletions too: existing clients read the body.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, delete, post, put
from litestar.params import FromPath, JSONBody, PathParameter

from api.assets.wire import AssetOut, LocationWire
from api.assets.wire_changes import AssignedFile, Move
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_WRITE, require
from api.routes.assets import PATH, show_asset
from api.services import Serving

FileKey: TypeAlias = Annotated[
    str, PathParameter(description="What the file is called where it is assigned.")
]

_CHANGE = refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, hal=True)
_DELETION = refusals(400, 401, 403, 404, 409, 412, 503, hal=True)


@post(
    f"{PATH}/{{asset_id:str}}/move",
    opt=require(ASSETS_WRITE, action="asset.move"),
    media_type=HAL,
    status_code=200,
    responses=_CHANGE,
    operation_id="moveAsset",
    tags=["asset management"],
)
async def move_asset(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[Move]
) -> Response[AssetOut]:
    """Put an asset, with all below it, below another one, under `If-Match`."""
    return await _move(request, services, asset_id, data)


@post(
    f"{PATH}/{{asset_id:str}}",
    opt=require(ASSETS_WRITE, action="asset.move"),
    media_type=HAL,
    status_code=200,
    responses=_CHANGE,
    operation_id="moveAssetByItsId",
    tags=["asset management"],
)
async def move_asset_by_its_id(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[Move]
) -> Response[AssetOut]:
    """Move an asset as `…/move` does: an existing client leaves that word out."""
    return await _move(request, services, asset_id, data)


@put(
    f"{PATH}/{{asset_id:str}}/location",
    opt=require(ASSETS_WRITE, action="asset.locate"),
    media_type=HAL,
    responses=_CHANGE,
    operation_id="putAssetLocation",
    tags=["asset management"],
)
async def put_location(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[LocationWire]
) -> Response[AssetOut]:
    """Give an asset a location of its own, under `If-Match`."""
    tenant = request.user.tenant
    kept = await services.catalogue.put_location(tenant, asset_id, data, preconditions(request))
    return show_asset(request, services, kept)


@delete(
    f"{PATH}/{{asset_id:str}}/location",
    opt=require(ASSETS_WRITE, action="asset.unlocate"),
    media_type=HAL,
    status_code=200,
    responses=_DELETION,
    operation_id="deleteAssetLocation",
    tags=["asset management"],
)
async def delete_location(request: Caller, services: Serving, asset_id: FromPath[str]) -> Response[AssetOut]:
    """Take an asset's own location away, under `If-Match`; it then shows that of an ancestor."""
    tenant = request.user.tenant
    kept = await services.catalogue.put_location(tenant, asset_id, None, preconditions(request))
    return show_asset(request, services, kept)


@put(
    f"{PATH}/{{asset_id:str}}/fileAssignments/{{key:str}}",
    opt=require(ASSETS_WRITE, action="asset.assign_file"),
    media_type=HAL,
    responses=_CHANGE,
    operation_id="putAssetFileAssignment",
    tags=["asset management"],
)
async def put_file(
    request: Caller, services: Serving, asset_id: FromPath[str], key: FileKey, data: JSONBody[AssignedFile]
) -> Response[AssetOut]:
    """Put a file under a key of an asset, under `If-Match`."""
    tenant = request.user.tenant
    kept = await services.catalogue.assign_file(tenant, asset_id, key, data.file_id, preconditions(request))
    return show_asset(request, services, kept)


@delete(
    f"{PATH}/{{asset_id:str}}/fileAssignments/{{key:str}}",
    opt=require(ASSETS_WRITE, action="asset.unassign_file"),
    media_type=HAL,
    status_code=200,
    responses=_DELETION,
    operation_id="deleteAssetFileAssignment",
    tags=["asset management"],
)
async def delete_file(
    request: Caller, services: Serving, asset_id: FromPath[str], key: FileKey
) -> Response[AssetOut]:
    """Take the file under a key of an asset away, under `If-Match`; the file itself stays."""
    tenant = request.user.tenant
    kept = await services.catalogue.assign_file(tenant, asset_id, key, None, preconditions(request))
    return show_asset(request, services, kept)


ROUTES = (move_asset, move_asset_by_its_id, put_location, delete_location, put_file, delete_file)


async def _move(request: Caller, services: Serving, asset_id: str, move: Move) -> Response[AssetOut]:
    tenant, wanted = request.user.tenant, preconditions(request)
    await services.access.demand_parent(request.user, move.new_parent_id, "/newParentId")
    kept = await services.catalogue.move_asset(tenant, asset_id, move.new_parent_id, wanted)
    return show_asset(request, services, kept)
