"""Erasing a tenant for good, and the proof that nothing is left of it (design 4.16)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, delete, get
from litestar.params import PathParameter, QueryParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import PLATFORM, require
from api.services import Serving
from api.tenants.erasures import ErasureService
from schemas.erasures import Erasure
from schemas.limits import TENANTS_LISTED_MAX
from schemas.times import format_time

TENANT_PATH = "/api/aspectstore/v1/tenants/{tenant:str}"
PATH = "/api/aspectstore/v1/erasures"

_TAGS = ["tenants"]


class ErasureOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """The erasing of a tenant: how far it is, and in the end the proof."""

    id: str
    tenant: str
    state: Literal["ERASING", "ERASED", "PROVED"]
    """ERASED: nothing is left but ids in the change log. PROVED: nothing at all, found two hours later."""
    requested_at: str
    requested_by: str
    shards: int
    shards_done: int
    """In which all series are gone."""
    before: dict[str, int]
    """What was there when the erasing began, by place."""
    left: dict[str, int]
    """What was found at the last look, by place."""
    erased_at: str | None = None
    proved_at: str | None = None
    receipt: str | None = None
    """With PROVED: a signature of all this, the same whenever it is asked for."""


class ErasureList(msgspec.Struct, omit_defaults=True):
    """A page of erasings, by tenant."""

    erasures: list[ErasureOut]
    next: str | msgspec.UnsetType = msgspec.UNSET
    """What `after` must be for the next page; absent on the last one."""


After = Annotated[str, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=TENANTS_LISTED_MAX, description="Erasings of a page.")]
OfTenant = Annotated[str | None, QueryParameter(description="Only that of this tenant, if there is one.")]
Confirm = Annotated[str, QueryParameter(description="The name of the tenant once more.")]
TenantInPath = Annotated[str, PathParameter(description="Name of the tenant.")]
ErasureInPath = Annotated[str, PathParameter(description="Id of an erasing, as its request gave it.")]


@delete(
    TENANT_PATH,
    status_code=202,
    opt=require(PLATFORM, action="tenant.erase"),
    responses=refusals(400, 401, 403, 404, 409, 503),
    operation_id="eraseTenant",
    tags=_TAGS,
)
async def erase_tenant(
    request: Caller, services: Serving, tenant: TenantInPath, confirm: Confirm
) -> Response[ErasureOut]:
    """Erase a suspended tenant with all that it has, for good; its name is never given again.

    Asked once more, it tells how far that is.
    """
    service = ErasureService(services)
    begun = await service.begin(request.user, tenant, confirm)
    shown = _out(begun, service.receipt_of(begun))
    return Response(shown, status_code=202, headers={"location": f"{PATH}/{begun.id}"})


@get(
    f"{PATH}/{{erasure:str}}",
    opt=require(PLATFORM),
    responses=refusals(401, 403, 404),
    operation_id="getErasure",
    tags=_TAGS,
)
async def get_erasure(services: Serving, erasure: ErasureInPath) -> ErasureOut:
    """Tell how far the erasing of a tenant is, and what is left of it in which place."""
    service = ErasureService(services)
    found = await service.get(erasure)
    return _out(found, service.receipt_of(found))


@get(
    PATH,
    opt=require(PLATFORM),
    responses=refusals(400, 401, 403),
    operation_id="listErasures",
    tags=_TAGS,
)
async def list_erasures(
    services: Serving, tenant: OfTenant = None, after: After = "", limit: Limit = 100
) -> ErasureList:
    """List the erasings of tenants, those of long ago too: the proofs are kept."""
    service = ErasureService(services)
    found, more = await service.page(tenant, after, limit)
    shown = [_out(each, service.receipt_of(each)) for each in found]
    return ErasureList(shown, shown[-1].tenant) if more else ErasureList(shown)


ROUTES = (erase_tenant, get_erasure, list_erasures)


def _out(erasure: Erasure, receipt: str | None) -> ErasureOut:
    return ErasureOut(
        erasure.id,
        erasure.tenant,
        erasure.state,
        format_time(erasure.requested_ms),
        erasure.requested_by,
        erasure.shards,
        erasure.shards_done,
        dict(erasure.before),
        dict(erasure.left),
        None if erasure.erased_ms is None else format_time(erasure.erased_ms),
        None if erasure.proved_ms is None else format_time(erasure.proved_ms),
        receipt,
    )
