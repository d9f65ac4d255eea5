"""Shares: what a tenant lets others do with its assets, as both sides see it (design 7)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import SHARING_READ, SHARING_WRITE, require
from api.services import Services, Serving
from api.shares.shares import Shares, Side
from api.shares.wire import ShareIn, ShareList, ShareOut, share_from, share_out
from schemas.limits import SHARES_LISTED_MAX
from schemas.shares import Share

PATH = "/api/aspectstore/v1/shares"

_TAGS = ["sharing"]

ShareInPath: TypeAlias = Annotated[str, PathParameter(description="Id of a share.")]
Which: TypeAlias = Annotated[
    Side, QueryParameter(name="side", description="What the tenant gives, or what it receives.")
]
After: TypeAlias = Annotated[str, QueryParameter(description="`next` of the page before.")]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=SHARES_LISTED_MAX, description="Shares of a page.")]


@get(
    PATH,
    opt=require(SHARING_READ),
    responses=refusals(400, 401, 403),
    operation_id="listShares",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_shares(
    request: Caller, services: Serving, *, side: Which = Side.GIVEN, after: After = "", limit: Limit = 100
) -> ShareList:
    """List the shares that the tenant has given, or received, by id; ended ones are among them."""
    found, more = _shares(services).listed(request.user, side, after, limit)
    page = [_out(request, services, kept) for kept in found]
    return ShareList(page, page[-1].id) if more else ShareList(page)


@post(
    PATH,
    opt=require(SHARING_WRITE, action="share.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createShare",
    tags=_TAGS,
)
async def create_share(request: Caller, services: Serving, data: JSONBody[ShareIn]) -> Response[ShareOut]:
    """Give a share; it holds at once at this door, and within a second at every other."""
    asked = share_from(data, request.user, services.ports.clock.now_ms())
    made = await _shares(services).create(request.user, asked)
    answer = _answer(request, services, made, 201)
    answer.headers["location"] = f"{PATH}/{made.value.id}"
    return answer


@get(
    f"{PATH}/{{share_id:str}}",
    opt=require(SHARING_READ),
    responses=refusals(400, 401, 403, 404, 503),
    operation_id="getShare",
    tags=_TAGS,
)
async def get_share(request: Caller, services: Serving, share_id: ShareInPath) -> Response[ShareOut]:
    """Give a share that the tenant has given or received."""
    return _answer(request, services, await _shares(services).get(request.user, share_id))


@put(
    f"{PATH}/{{share_id:str}}",
    opt=require(SHARING_WRITE, action="share.change"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="putShare",
    tags=_TAGS,
)
async def put_share(
    request: Caller, services: Serving, share_id: ShareInPath, data: JSONBody[ShareIn]
) -> Response[ShareOut]:
    """Change a share, under `If-Match`; only its giver may."""
    asked = share_from(data, request.user, services.ports.clock.now_ms())
    changed = await _shares(services).replace(request.user, share_id, asked, preconditions(request))
    return _answer(request, services, changed)


@delete(
    f"{PATH}/{{share_id:str}}",
    status_code=204,
    opt=require(SHARING_WRITE, action="share.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteShare",
    tags=_TAGS,
)
async def delete_share(request: Caller, services: Serving, share_id: ShareInPath) -> None:
    """Take a share back; only its giver may. With `If-Match` only that version."""
    await _shares(services).remove(request.user, share_id, preconditions(request))


ROUTES = (list_shares, create_share, get_share, put_share, delete_share)


def _shares(services: Services) -> Shares:
    ports = services.ports
    return Shares(ports.catalog, services.index, services.access, ports.clock)


def _out(request: Caller, services: Services, kept: Kept[Share]) -> ShareOut:
    return share_out(kept, request.user, services.ports.clock.now_ms())


def _answer(request: Caller, services: Services, kept: Kept[Share], status: int = 200) -> Response[ShareOut]:
    headers = {"etag": f'"{kept.version}"'}
    return Response(_out(request, services, kept), status_code=status, headers=headers)
