"""What people call a tenant, and its logo, as existing clients read and change them (wire 10)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Response, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.guard.tenancy import Caller
from api.http.bodies import MULTIPART_TYPES
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import TENANT_READ, TENANT_WRITE, require
from api.services import Serving
from api.tenants.logos import FORM_BYTES_MAX, Logos, logo_in
from api.tenants.service import TenantService
from api.tenants.wire import (
    BASE,
    LogoForm,
    LogoMetaData,
    TenantInfo,
    TenantInfoPatch,
    info_patched,
    tenant_info,
)
from schemas.multipart import boundary_in, parse_parts

PATH = f"{BASE}/tenantInfo"

_TAGS = ["tenant management"]


@get(
    PATH,
    opt=require(TENANT_READ),
    responses=refusals(401, 403),
    operation_id="getTenantInfo",
    tags=_TAGS,
)
async def get_tenant_info(request: Caller, services: Serving) -> TenantInfo:
    """Give what is known of the caller's tenant."""
    kept = await TenantService(services).get(request.user.tenant)
    return tenant_info(kept.value, kept.version)


@patch(
    PATH,
    opt=require(TENANT_WRITE, action="tenant.change"),
    responses=refusals(400, 401, 403, 408, 412, 413, 415, 503),
    operation_id="patchTenantInfo",
    tags=_TAGS,
)
async def patch_tenant_info(
    request: Caller, services: Serving, data: JSONBody[TenantInfoPatch]
) -> TenantInfo:
    """Change company, shown name and country under `If-Match`; members that cannot change are ignored."""
    version = preconditions(request).required()
    service = TenantService(services)
    kept = await service.change(request.user.tenant, lambda old: info_patched(old, data), version)
    return tenant_info(kept.value, kept.version)


@get(
    f"{PATH}/logo",
    opt=require(TENANT_READ),
    responses={
        **refusals(401, 403, 404),
        200: ResponseSpec(bytes, generate_examples=False, description="The picture", media_type="*/*"),
    },
    operation_id="getTenantLogo",
    tags=_TAGS,
)
async def get_logo(request: Caller, services: Serving) -> Response[Any]:
    """Give the tenant's logo, as something to be saved: a browser runs nothing of it (S11)."""
    logo = await Logos(services.ports.catalog).get(request.user.tenant)
    headers = {
        "content-type": logo.type,
        "content-disposition": f"attachment; filename*=UTF-8''{quote(logo.name, safe='')}",
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
    }
    return Response(logo.content, headers=headers, media_type=logo.type)


@post(
    f"{PATH}/logo",
    status_code=201,
    opt={**require(TENANT_WRITE, action="logo.put"), "media": MULTIPART_TYPES, "multipart": LogoForm},
    request_max_body_size=FORM_BYTES_MAX,
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="putTenantLogo",
    tags=_TAGS,
)
async def put_logo(request: Caller, services: Serving) -> LogoMetaData:
    """Store the tenant's logo, over an earlier one: a form with the picture in its field `file`."""
    boundary = boundary_in(request.headers.get("content-type", ""))
    logo = logo_in(parse_parts(await request.body(), boundary))
    await Logos(services.ports.catalog).put(request.user.tenant, logo)
    return LogoMetaData(logo.name, len(logo.content))


@get(
    f"{PATH}/logoMetaData",
    opt=require(TENANT_READ),
    responses=refusals(401, 403),
    operation_id="getTenantLogoMetaData",
    tags=_TAGS,
)
async def get_logo_meta_data(request: Caller, services: Serving) -> LogoMetaData:
    """Tell name and size of the logo; an empty name and no bytes where there is none."""
    logo = await Logos(services.ports.catalog).find(request.user.tenant)
    return LogoMetaData("", 0) if logo is None else LogoMetaData(logo.name, len(logo.content))


ROUTES = (get_tenant_info, patch_tenant_info, get_logo, put_logo, get_logo_meta_data)
