"""Policies: limits of tenants by name; made, changed and deleted by who runs the installation (design 7)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from api.catalog.policies import BUILT_IN, KeptPolicy, PolicyWrites
from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import PLATFORM, require
from api.routes.parts import named_header
from api.services import Services, Serving
from schemas.policies import Policy

PATH = "/api/aspectstore/v1/policies"

_TAGS = ["limits"]

NameInPath = Annotated[str, PathParameter(description="Name of a policy.")]

ETAG = named_header("ETag", "Version of the policy; `If-Match` names it.")


class PoliciesOut(msgspec.Struct, rename="camel"):
    """All policies, the built-in ones first."""

    policies: list[Policy]
    built_in: list[str]
    """The names of those that cannot be changed."""


@get(
    PATH,
    opt=require(PLATFORM),
    responses=refusals(401, 403),
    operation_id="listPolicies",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_policies(services: Serving) -> PoliciesOut:
    """List the limits that a tenant can be given; null means: no such limit."""
    return PoliciesOut([_plain(kept) for kept in services.index.policies.all()], list(BUILT_IN))


@get(
    f"{PATH}/{{name:str}}",
    opt=require(PLATFORM),
    responses=refusals(401, 403, 404),
    response_headers=[ETAG],
    operation_id="getPolicy",
    tags=_TAGS,
)
async def get_policy(services: Serving, name: NameInPath) -> Response[Policy]:
    """Give one policy."""
    return _answer(await _writes(services).find(name))


@post(
    PATH,
    status_code=201,
    opt=require(PLATFORM, action="policy.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415),
    response_headers=[ETAG],
    operation_id="createPolicy",
    tags=_TAGS,
)
async def create_policy(services: Serving, data: JSONBody[Policy]) -> Response[Policy]:
    """Make a policy; what the body leaves out is as in `open`."""
    kept = await _writes(services).create(data)
    return _answer(kept, 201, {"location": f"{PATH}/{data.name}"})


@put(
    f"{PATH}/{{name:str}}",
    opt=require(PLATFORM, action="policy.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415),
    response_headers=[ETAG],
    operation_id="putPolicy",
    tags=_TAGS,
)
async def put_policy(
    request: Caller, services: Serving, name: NameInPath, data: JSONBody[Policy]
) -> Response[Policy]:
    """Change a policy whole, for every tenant that has it; `If-Match` is needed."""
    return _answer(await _writes(services).replace(name, data, _version(request)))


@delete(
    f"{PATH}/{{name:str}}",
    opt=require(PLATFORM, action="policy.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412),
    operation_id="deletePolicy",
    tags=_TAGS,
)
async def delete_policy(request: Caller, services: Serving, name: NameInPath) -> None:
    """Delete a policy that no tenant has; `If-Match` is needed."""
    await _writes(services).remove(name, _version(request))


ROUTES = (list_policies, get_policy, create_policy, put_policy, delete_policy)


def _writes(services: Services) -> PolicyWrites:
    return PolicyWrites(services.ports.catalog, services.index)


def _version(request: Request[Any, Any, Any]) -> int:
    return preconditions(request).required()


def _plain(kept: KeptPolicy) -> Policy:
    """Leave out what is the tenant's and not the policy's."""
    return Policy(**{name: getattr(kept.value, name) for name in Policy.__struct_fields__})


def _answer(kept: KeptPolicy, status: int = 200, headers: dict[str, str] | None = None) -> Response[Policy]:
    etag = {} if kept.version < 0 else {"etag": f'"{kept.version}"'}
    return Response(_plain(kept), status_code=status, headers={**etag, **(headers or {})})
