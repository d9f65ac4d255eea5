"""Settings of the caller's own tenant; and, for the platform, all tenants of the installation (design 7)."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.accounts import Client
from api.identity.scopes import PLATFORM, TENANT_READ, TENANT_WRITE, require
from api.routes.clients import PATH as CLIENTS_PATH
from api.services import Services, Serving
from api.tenants.accounts import Made
from api.tenants.service import TenantService
from api.tenants.wire import (
    SettingsPatch,
    TenantIn,
    TenantList,
    TenantMade,
    TenantOut,
    TenantPatch,
    patched,
    tenant_out,
)
from api.tenants.wire_accounts import ClientOut, client_out
from schemas.builtin import root_asset
from schemas.ids import TenantId
from schemas.limits import TENANTS_LISTED_MAX
from schemas.tenants import Tenant

OWN_PATH = "/api/aspectstore/v1/tenant"
PATH = "/api/aspectstore/v1/tenants"

_TAGS = ["tenants"]

After = Annotated[str, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=TENANTS_LISTED_MAX, description="Tenants of a page.")]


@get(
    OWN_PATH,
    opt=require(TENANT_READ),
    responses=refusals(401, 403),
    operation_id="getTenant",
    tags=_TAGS,
)
async def get_own_tenant(request: Caller, services: Serving) -> TenantOut:
    """Give the settings of the caller's tenant."""
    return tenant_out((await TenantService(services).get(request.user.tenant)).value)


@patch(
    OWN_PATH,
    opt=require(TENANT_WRITE, action="tenant.change"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="patchTenant",
    tags=_TAGS,
)
async def patch_own_tenant(request: Caller, services: Serving, data: JSONBody[SettingsPatch]) -> TenantOut:
    """Change settings of the caller's tenant; its limits are the platform's to change."""
    service = TenantService(services)
    kept = await service.change(request.user.tenant, lambda old: patched(old, data))
    return tenant_out(kept.value)


@get(
    PATH,
    opt=require(PLATFORM),
    responses=refusals(400, 401, 403),
    operation_id="listTenants",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_tenants(services: Serving, after: After = "", limit: Limit = 100) -> TenantList:
    """List all tenants by name."""
    found, more = TenantService(services).page(after, limit)
    tenants = [tenant_out(tenant) for tenant in found]
    return TenantList(tenants, tenants[-1].name) if more else TenantList(tenants)


@post(
    PATH,
    opt=require(PLATFORM, action="tenant.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createTenant",
    tags=_TAGS,
)
async def create_tenant(services: Serving, data: JSONBody[TenantIn]) -> Response[TenantMade]:
    """Make a tenant, and a technical user who may do everything in it; the secret is shown once."""
    name = TenantId(data.name)
    new = patched(Tenant(name, root_asset(name).id, services.ports.clock.now_ms()), data)
    made = await TenantService(services).create(new)
    shown = TenantMade(tenant_out(new), _admin(services, made))
    return Response(shown, status_code=201, headers={"location": f"{PATH}/{name}"})


@get(
    f"{PATH}/{{tenant:str}}",
    opt=require(PLATFORM),
    responses=refusals(401, 403, 404),
    operation_id="getAnyTenant",
    tags=_TAGS,
)
async def get_tenant(services: Serving, tenant: FromPath[str]) -> TenantOut:
    """Give a tenant."""
    return tenant_out((await TenantService(services).get(tenant)).value)


@patch(
    f"{PATH}/{{tenant:str}}",
    opt=require(PLATFORM, action="tenant.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="patchAnyTenant",
    tags=_TAGS,
)
async def patch_tenant(services: Serving, tenant: FromPath[str], data: JSONBody[TenantPatch]) -> TenantOut:
    """Change settings and limits of a tenant."""
    return tenant_out((await TenantService(services).change(tenant, lambda old: patched(old, data))).value)


@post(
    f"{PATH}/{{tenant:str}}/suspend",
    status_code=200,
    opt=require(PLATFORM, action="tenant.suspend"),
    responses=refusals(401, 403, 404, 409),
    operation_id="suspendTenant",
    tags=_TAGS,
)
async def suspend_tenant(request: Caller, services: Serving, tenant: FromPath[str]) -> TenantOut:
    """Shut a tenant out: nobody of it logs in, and no token of it holds; its data stays."""
    service = TenantService(services)
    return tenant_out((await service.suspend(request.user.tenant, tenant, suspended=True)).value)


@post(
    f"{PATH}/{{tenant:str}}/resume",
    status_code=200,
    opt=require(PLATFORM, action="tenant.resume"),
    responses=refusals(401, 403, 404, 409),
    operation_id="resumeTenant",
    tags=_TAGS,
)
async def resume_tenant(request: Caller, services: Serving, tenant: FromPath[str]) -> TenantOut:
    """Let a suspended tenant in again; tokens that have not ended hold again."""
    service = TenantService(services)
    return tenant_out((await service.suspend(request.user.tenant, tenant, suspended=False)).value)


@post(
    f"{PATH}/{{tenant:str}}/admins",
    opt=require(PLATFORM, action="admin.create"),
    responses=refusals(401, 403, 404, 409),
    operation_id="createTenantAdmin",
    tags=_TAGS,
)
async def create_tenant_admin(services: Serving, tenant: FromPath[str]) -> Response[ClientOut]:
    """Make one more administrator of a tenant, where all others are lost; the secret is shown once."""
    shown = _admin(services, await TenantService(services).add_admin(tenant))
    return Response(shown, status_code=201, headers={"location": f"{CLIENTS_PATH}/{shown.id}"})


ROUTES = (
    get_own_tenant, patch_own_tenant, list_tenants, create_tenant, get_tenant, patch_tenant, suspend_tenant,
    resume_tenant, create_tenant_admin,
)  # fmt: skip


def _admin(services: Services, made: Made) -> ClientOut:
    assert isinstance(made.account, Client)
    return client_out(made.account, services.ports.clock.now_ms() // 1_000, made.secret)
