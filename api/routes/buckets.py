"""Inlets and the tenant as clients of InfluxDB 2 know them: buckets and an organisation (IX-05)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.wire import line_refusals
from api.identity.scopes import ANY, ASSETS_WRITE, SERIES_READ, require
from api.routes.line_protocol import Org, OrgId, demand_org, find_bucket
from api.services import Serving
from schemas import codes
from schemas.errors import Conflict, Invalid, NotFound, Problem
from schemas.ids import TenantId
from schemas.lineprotocol.inlets import Inlet, inlet_id
from schemas.lineprotocol.limits import INLETS_MAX

BUCKETS: Final = "/api/v2/buckets"
ORGS: Final = "/api/v2/orgs"

_TAGS = ["line protocol"]
_SHOWN: Final[dict[str, Any]] = {"shown": True}

BucketInPath = Annotated[str, PathParameter(name="bucket_id", description="Id of the inlet.")]
NameSought = Annotated[str | None, QueryParameter(description="Only the one of this name.")]
IdSought = Annotated[str | None, QueryParameter(name="id", description="Only the one of this id.")]

Offset = Annotated[int, QueryParameter(description="How many are left out.")]
Limit = Annotated[int, QueryParameter(description="How many are given at most.")]


class RetentionRule(msgspec.Struct, rename="camel"):
    """How long a bucket keeps what it has: without end, beside the tenant's retention."""

    type: str = "expire"
    every_seconds: int = 0


class BucketIn(msgspec.Struct):
    """A new bucket as it is sent; other members are ignored."""

    name: str
    org_id: str = msgspec.field(name="orgID", default="")
    description: str | None = None
    retention_rules: list[RetentionRule] | None = msgspec.field(name="retentionRules", default=None)


class BucketOut(msgspec.Struct, rename="camel"):
    """A bucket."""

    id: str
    name: str
    org_id: str = msgspec.field(name="orgID")
    description: str = ""
    type: str = "user"
    retention_rules: list[RetentionRule] = msgspec.field(default_factory=list)


class BucketsOut(msgspec.Struct):
    """Buckets by name."""

    buckets: list[BucketOut]
    links: dict[str, str] = msgspec.field(default_factory=lambda: {"self": BUCKETS})


class OrganisationOut(msgspec.Struct):
    """An organisation: the caller's tenant."""

    id: str
    name: str
    status: str = "active"


class OrganisationsOut(msgspec.Struct):
    """Organisations that the caller may know: one."""

    orgs: list[OrganisationOut]
    links: dict[str, str] = msgspec.field(default_factory=lambda: {"self": ORGS})


@get(
    BUCKETS,
    opt={**require(SERIES_READ), **_SHOWN},
    responses=line_refusals(400, 401, 403, 404, 503),
    operation_id="listBuckets",
    tags=_TAGS,
)
async def list_buckets(
    request: Caller,
    services: Serving,
    *,
    org: Org = "",
    org_id: OrgId = "",
    name: NameSought = None,
    sought_id: IdSought = None,
    offset: Offset = 0,
    limit: Limit = INLETS_MAX,
) -> BucketsOut:
    """List the tenant's inlets by name; 404 where the one that is sought is not there."""
    tenant = request.user.tenant
    demand_org(org or org_id, tenant)
    if name is not None:
        return BucketsOut([_bucket((await find_bucket(services, tenant, name)), tenant)])
    await services.index.refresh()
    kept = services.lines.inlets.all_of(tenant)
    found = [each for each in kept if sought_id in {None, each.value.document_id}]
    first = max(0, offset)
    return BucketsOut([_bucket(each, tenant) for each in found[first : first + max(0, limit)]])


@post(
    BUCKETS,
    status_code=201,
    opt={**require(ASSETS_WRITE, action="inlet.create"), **_SHOWN},
    responses=line_refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="createBucket",
    tags=_TAGS,
)
async def create_bucket(request: Caller, services: Serving, data: JSONBody[BucketIn]) -> BucketOut:
    """Make an inlet with the rule that holds where nothing is said: every set of tags is an asset."""
    tenant = request.user.tenant
    demand_org(data.org_id, tenant)
    if any(rule.every_seconds for rule in data.retention_rules or ()):
        message = "Records are kept as the tenant's retention says; leave retentionRules out."
        raise Invalid([Problem("/retentionRules", codes.INVALID_BODY, message)])
    inlet = new_inlet(data.name, data.description or "")
    try:
        return _bucket(await services.lines.inlets.create(tenant, inlet), tenant)
    except Conflict as taken:
        raise Conflict(f"bucket with name {data.name} already exists") from taken


@get(
    f"{BUCKETS}/{{bucket_id:str}}",
    opt={**require(SERIES_READ), **_SHOWN},
    responses=line_refusals(401, 403, 404, 503),
    operation_id="getBucket",
    tags=_TAGS,
)
async def get_bucket(request: Caller, services: Serving, bucket_id: BucketInPath) -> BucketOut:
    """Give an inlet as a bucket."""
    return _bucket(await _known(services, request.user.tenant, bucket_id), request.user.tenant)


@delete(
    f"{BUCKETS}/{{bucket_id:str}}",
    opt={**require(ASSETS_WRITE, action="inlet.delete"), **_SHOWN},
    responses=line_refusals(401, 403, 404, 503),
    operation_id="deleteBucket",
    tags=_TAGS,
)
async def delete_bucket(request: Caller, services: Serving, bucket_id: BucketInPath) -> None:
    """Delete an inlet; the assets that it made stay, with all their records."""
    kept = await _known(services, request.user.tenant, bucket_id)
    await services.lines.inlets.remove(request.user.tenant, kept, kept.version)


@get(
    ORGS,
    opt={**require(ANY), **_SHOWN},
    responses=line_refusals(400, 401, 403, 404, 503),
    operation_id="listOrganisations",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_organisations(request: Caller, *, org: Org = "", org_id: OrgId = "") -> OrganisationsOut:
    """List the organisations of the caller: its tenant."""
    tenant = request.user.tenant
    demand_org(org, tenant)
    demand_org(org_id, tenant)
    return OrganisationsOut([OrganisationOut(inlet_id(tenant), tenant)])


ROUTES = (list_buckets, create_bucket, get_bucket, delete_bucket, list_organisations)


def new_inlet(name: str, description: str = "") -> Inlet:
    """Make an inlet of this name; Invalid where it is no name."""
    try:
        return msgspec.convert({"name": name, "description": description}, Inlet)
    except msgspec.ValidationError as error:
        raise Invalid([Problem("/name", codes.INVALID_BODY, str(error))]) from error


async def _known(services: Serving, tenant: TenantId, bucket_id: str) -> Kept[Inlet]:
    try:
        return await services.lines.inlets.find_id(tenant, bucket_id)
    except NotFound as missing:
        raise NotFound("bucket not found") from missing


def _bucket(kept: Kept[Inlet], tenant: TenantId) -> BucketOut:
    inlet = kept.value
    return BucketOut(inlet.document_id, inlet.name, inlet_id(tenant), inlet.description)
