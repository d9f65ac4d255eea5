"""How much of its limits a tenant uses, and what it did day by day (design 9.4)."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import PathParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import PLATFORM, USAGE_READ, require
from api.limits.usage import UsageOut, read_usage
from api.services import Serving
from schemas.ids import TenantId

PATH = "/api/aspectstore/v1/usage"
TENANT_PATH = "/api/aspectstore/v1/tenants/{tenant:str}/usage"

_TAGS = ["limits"]

TenantInPath = Annotated[str, PathParameter(description="Name of a tenant.")]


@get(
    PATH,
    opt=require(USAGE_READ),
    responses=refusals(401, 403, 503),
    operation_id="getUsage",
    tags=_TAGS,
)
async def get_usage(request: Caller, services: Serving) -> UsageOut:
    """Tell how much of each limit the caller's tenant uses, and its counters by day."""
    return await read_usage(services, request.user.tenant)


@get(
    TENANT_PATH,
    opt=require(PLATFORM),
    responses=refusals(401, 403, 404, 503),
    operation_id="getUsageOfTenant",
    tags=_TAGS,
)
async def get_usage_of_tenant(services: Serving, tenant: TenantInPath) -> UsageOut:
    """Tell the same of any tenant, to who runs the installation."""
    return await read_usage(services, TenantId(tenant))


ROUTES = (get_usage, get_usage_of_tenant)
