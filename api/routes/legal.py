"""Legal information of the caller's tenant, as existing clients keep and read it (wire 10)."""

from __future__ import annotations

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import TENANT_READ, TENANT_WRITE, require
from api.services import Services, Serving
from api.tenants.legal import Legal
from api.tenants.service import UNKNOWN
from api.tenants.wire import BASE
from api.tenants.wire_legal import (
    LegalConfigurationIn,
    LegalConfigurationOut,
    LegalInfoLink,
    RegionIn,
    RegionOut,
    region_from,
    region_out,
)
from schemas.errors import NotFound
from schemas.legal import links_by_language, region_of

PATH = f"{BASE}/legalConfigRegions"

_TAGS = ["tenant management"]


@get(
    PATH,
    opt=require(TENANT_READ),
    responses=refusals(401, 403),
    operation_id="listLegalConfigRegions",
    tags=_TAGS,
)
async def list_regions(request: Caller, services: Serving) -> LegalConfigurationOut:
    """Give the legal information of the tenant by regions."""
    regions = await _legal(services).regions(request.user.tenant)
    return LegalConfigurationOut([region_out(region) for region in regions])


@post(
    PATH,
    opt=require(TENANT_WRITE, action="legal.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createLegalConfigRegions",
    tags=_TAGS,
)
async def create_regions(
    request: Caller, services: Serving, data: JSONBody[LegalConfigurationIn]
) -> LegalConfigurationOut:
    """Store legal information where there is none yet."""
    wanted = [region_from(region) for region in data.regions]
    regions = await _legal(services).create(request.user.tenant, wanted)
    return LegalConfigurationOut([region_out(region) for region in regions])


@put(
    f"{PATH}/{{region_id:str}}",
    opt=require(TENANT_WRITE, action="legal.change"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="putLegalConfigRegion",
    tags=_TAGS,
)
async def put_region(
    request: Caller, services: Serving, region_id: FromPath[str], data: JSONBody[RegionIn]
) -> RegionOut:
    """Replace one region under `If-Match`."""
    version = preconditions(request).required()
    tenant = request.user.tenant
    return region_out(await _legal(services).replace(tenant, region_id, region_from(data), version))


@delete(
    PATH,
    opt=require(TENANT_WRITE, action="legal.delete"),
    responses=refusals(401, 403),
    operation_id="deleteLegalConfigRegions",
    tags=_TAGS,
)
async def delete_regions(request: Caller, services: Serving) -> None:
    """Delete all legal information of the tenant."""
    await _legal(services).remove(request.user.tenant)


@get(
    f"{BASE}/legalInfo",
    opt=require(TENANT_READ),
    responses=refusals(401, 403),
    operation_id="getLegalInfo",
    tags=_TAGS,
)
async def get_legal_info(request: Caller, services: Serving) -> dict[str, list[LegalInfoLink]]:
    """Give the links for the region of the tenant's country, else for its first region, by language."""
    return await _links(services, request)


@get(
    f"{BASE}/legalInfo/{{tenant:str}}",
    opt=require(TENANT_READ),
    responses=refusals(401, 403, 404),
    operation_id="getLegalInfoOfTenant",
    tags=_TAGS,
)
async def get_legal_info_of(
    request: Caller, services: Serving, tenant: FromPath[str]
) -> dict[str, list[LegalInfoLink]]:
    """Give the links of a tenant, which is the caller's own."""
    return await _links(services, request, tenant)


@get(
    f"{BASE}/legalInfoForSpecificTenant/{{tenant:str}}",
    opt=require(TENANT_READ),
    responses=refusals(401, 403, 404),
    operation_id="getLegalInfoOfTenantAlone",
    tags=_TAGS,
)
async def get_legal_info_alone(
    request: Caller, services: Serving, tenant: FromPath[str]
) -> dict[str, list[LegalInfoLink]]:
    """Give the links of a tenant, which is the caller's own, and of nobody in its place."""
    return await _links(services, request, tenant)


ROUTES = (
    list_regions, create_regions, put_region, delete_regions, get_legal_info, get_legal_info_of,
    get_legal_info_alone,
)  # fmt: skip


def _legal(services: Services) -> Legal:
    return Legal(services.ports.catalog)


async def _links(
    services: Services, request: Caller, tenant: str | None = None
) -> dict[str, list[LegalInfoLink]]:
    own = request.user.tenant
    if tenant is not None and tenant != own:
        raise NotFound(UNKNOWN)
    regions = await _legal(services).regions(own)
    shown = links_by_language(region_of(regions, services.index.tenant(own).country))
    return {language: [LegalInfoLink(**link) for link in links] for language, links in shown.items()}
