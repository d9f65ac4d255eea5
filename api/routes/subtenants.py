"""Subtenants (wire 10), and to which of them an asset belongs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, PathParameter

from api.assets.wire import AssetOut
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http import spring
from api.http.errors import HAL
from api.http.filters import Field, Table
from api.http.hal import Wanted, preconditions
from api.http.wire import refusals
from api.identity.scopes import TENANT_READ, TENANT_WRITE, require
from api.routes.assets import show_asset
from api.routes.listing import SIZE, Filter, PageNumber, PageSize, Sort
from api.services import Services, Serving
from api.tenants.subtenants import Subtenants
from schemas.subtenants import Subtenant

PATH = "/api/tenantmanagement/v4/subtenants"

_TAGS = ["tenant management"]

SubtenantInPath: TypeAlias = Annotated[str, PathParameter(description="As its creation named it.")]

_FIELDS: dict[str, Field[Kept[Subtenant]]] = {
    "id": Field(lambda kept: kept.value.id),
    "displayName": Field(lambda kept: kept.value.display_name),
    "description": Field(lambda kept: kept.value.description),
    "entityId": Field(lambda kept: kept.value.entity_id),
}


class SubtenantChange(msgspec.Struct, rename="camel"):
    """What people call a subtenant; other members are ignored."""

    display_name: str
    description: str = ""


class SubtenantIn(SubtenantChange, rename="camel", kw_only=True):
    """A new subtenant; members that only the service sets are ignored."""

    id: str
    """Begins with a letter; at most 64 of a-z, 0-9, _ and -."""


class SubtenantOut(msgspec.Struct, rename="camel"):
    """A subtenant."""

    id: str
    display_name: str
    description: str
    entity_id: str
    """Drawn by the service."""
    etag: int = msgspec.field(name="ETag")


class SubtenantPage(spring.SpringPage, rename="camel", kw_only=True):
    """A page of subtenants."""

    content: list[SubtenantOut]


class SubtenantOfAsset(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """To which subtenant an asset belongs."""

    sub_tenant: str | None
    """Its id; null: to none of its own, so that it follows the asset above."""


@get(
    PATH,
    opt=require(TENANT_READ),
    responses=refusals(400, 401, 403),
    operation_id="listSubtenants",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_subtenants(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> SubtenantPage:
    """List the subtenants, by id unless `sort` names something else."""
    table = Table(_subtenants(services).listed(request.user), _FIELDS, ("id",))
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    return SubtenantPage(content=[_out(kept) for kept in found], **said)


@post(
    PATH,
    opt=require(TENANT_WRITE, action="subtenant.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createSubtenant",
    tags=_TAGS,
)
async def create_subtenant(
    request: Caller, services: Serving, data: JSONBody[SubtenantIn]
) -> Response[SubtenantOut]:
    """Make a subtenant."""
    made = await _subtenants(services).create(
        request.user.tenant, data.id, data.display_name, data.description
    )
    return _answer(made, 201)


@get(
    f"{PATH}/{{subtenant_id:str}}",
    opt=require(TENANT_READ),
    responses=refusals(401, 403, 404, 503),
    operation_id="getSubtenant",
    tags=_TAGS,
)
async def get_subtenant(
    request: Caller, services: Serving, subtenant_id: SubtenantInPath
) -> Response[SubtenantOut]:
    """Give a subtenant."""
    return _answer(await _subtenants(services).get(request.user, subtenant_id))


@put(
    f"{PATH}/{{subtenant_id:str}}",
    opt=require(TENANT_WRITE, action="subtenant.change"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="putSubtenant",
    tags=_TAGS,
)
async def put_subtenant(
    request: Caller, services: Serving, subtenant_id: SubtenantInPath, data: JSONBody[SubtenantChange]
) -> Response[SubtenantOut]:
    """Change what people call a subtenant, under `If-Match`."""
    changed = await _subtenants(services).replace(
        request.user, subtenant_id, preconditions(request), data.display_name, data.description
    )
    return _answer(changed)


@delete(
    f"{PATH}/{{subtenant_id:str}}",
    status_code=204,
    opt=require(TENANT_WRITE, action="subtenant.delete"),
    responses=refusals(401, 403, 404, 409, 412, 503),
    operation_id="deleteSubtenant",
    tags=_TAGS,
)
async def delete_subtenant(request: Caller, services: Serving, subtenant_id: SubtenantInPath) -> None:
    """Remove a subtenant to which neither assets nor accounts belong; with `If-Match` only that version."""
    await _subtenants(services).remove(request.user, subtenant_id, preconditions(request))


@put(
    "/api/aspectstore/v1/assets/{asset_id:str}/subtenant",
    opt=require(TENANT_WRITE, action="asset.assign_subtenant"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503),
    operation_id="putAssetSubtenant",
    tags=_TAGS,
)
async def put_asset_subtenant(
    request: Caller, services: Serving, asset_id: FromPath[str], data: JSONBody[SubtenantOfAsset]
) -> Response[AssetOut]:
    """Make an asset, with all below it, a subtenant's, under `If-Match`; null takes it back."""
    tenant, wanted = request.user.tenant, preconditions(request)
    kept = await services.catalogue.assign_subtenant(tenant, asset_id, data.sub_tenant, wanted)
    return show_asset(request, services, kept)


ROUTES = (
    list_subtenants, create_subtenant, get_subtenant, put_subtenant, delete_subtenant, put_asset_subtenant,
)  # fmt: skip


def _subtenants(services: Services) -> Subtenants:
    return Subtenants(services.ports.catalog, services.index, services.ports.clock)


def _answer(kept: Kept[Subtenant], status: int = 200) -> Response[SubtenantOut]:
    return Response(_out(kept), status_code=status, headers={"etag": f'"{kept.version}"'})


def _out(kept: Kept[Subtenant]) -> SubtenantOut:
    value = kept.value
    return SubtenantOut(value.id, value.display_name, value.description, value.entity_id, kept.version)
