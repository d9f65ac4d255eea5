"""Technical users of the caller's tenant: list, get, make, change, suspend, give a new secret, delete."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.accounts import CLIENT, AnyAccount, Client
from api.identity.scopes import ACCOUNTS_READ, ACCOUNTS_WRITE, require
from api.routes.users import After, Limit, granted_in
from api.services import Services, Serving
from api.tenants.accounts import AccountService, Granted, LogsIn, NewAccount
from api.tenants.wire_accounts import AccountPatch, ClientIn, ClientList, ClientOut, SecretIn, client_out

PATH = "/api/aspectstore/v1/clients"

_TAGS = ["accounts"]


@get(
    PATH,
    opt=require(ACCOUNTS_READ),
    responses=refusals(400, 401, 403),
    operation_id="listClients",
    tags=_TAGS,
)
async def list_clients(
    request: Caller, services: Serving, after: After = "", limit: Limit = 100
) -> ClientList:
    """List the technical users of the tenant by id."""
    found, more = await AccountService(services).page(request.user.tenant, CLIENT, after, limit)
    clients = [_out(services, client) for client in found]
    return ClientList(clients, clients[-1].id) if more else ClientList(clients)


@post(
    PATH,
    opt=require(ACCOUNTS_WRITE, action="client.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createClient",
    tags=_TAGS,
)
async def create_client(request: Caller, services: Serving, data: JSONBody[ClientIn]) -> Response[ClientOut]:
    """Make a technical user; its secret is shown once."""
    granted = Granted(data.role, data.scopes)
    wanted = NewAccount(granted, data.id, data.description, subtenant=data.subtenant)
    logs_in = LogsIn(data.grants, data.redirect_uris, data.public)
    made = await AccountService(services).create_client(request.user, wanted, logs_in)
    shown = _out(services, made.account, made.secret)
    return Response(shown, status_code=201, headers={"location": f"{PATH}/{shown.id}"})


@get(
    f"{PATH}/{{client_id:str}}",
    opt=require(ACCOUNTS_READ),
    responses=refusals(401, 403, 404),
    operation_id="getClient",
    tags=_TAGS,
)
async def get_client(request: Caller, services: Serving, client_id: FromPath[str]) -> ClientOut:
    """Give a technical user."""
    return _out(services, await AccountService(services).get(request.user.tenant, CLIENT, client_id))


@patch(
    f"{PATH}/{{client_id:str}}",
    opt=require(ACCOUNTS_WRITE, action="client.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="patchClient",
    tags=_TAGS,
)
async def patch_client(
    request: Caller, services: Serving, client_id: FromPath[str], data: JSONBody[AccountPatch]
) -> ClientOut:
    """Change what a technical user may do, at once, or what is said of it."""
    service = AccountService(services)
    granted = granted_in(data)
    changed = await service.change(
        request.user, CLIENT, client_id, granted, data.description, subtenant=data.subtenant
    )
    return _out(services, changed)


@post(
    f"{PATH}/{{client_id:str}}/suspend",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="client.suspend"),
    responses=refusals(401, 403, 404, 409),
    operation_id="suspendClient",
    tags=_TAGS,
)
async def suspend_client(request: Caller, services: Serving, client_id: FromPath[str]) -> ClientOut:
    """Shut a technical user out: it does not log in, and no token that was given through it holds."""
    changed = await AccountService(services).suspend(request.user, CLIENT, client_id, suspended=True)
    return _out(services, changed)


@post(
    f"{PATH}/{{client_id:str}}/resume",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="client.resume"),
    responses=refusals(401, 403, 404, 409),
    operation_id="resumeClient",
    tags=_TAGS,
)
async def resume_client(request: Caller, services: Serving, client_id: FromPath[str]) -> ClientOut:
    """Let a suspended technical user in again."""
    changed = await AccountService(services).suspend(request.user, CLIENT, client_id, suspended=False)
    return _out(services, changed)


@post(
    f"{PATH}/{{client_id:str}}/rotate",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="client.rotate"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="rotateSecret",
    tags=_TAGS,
)
async def rotate_secret(
    request: Caller, services: Serving, client_id: FromPath[str], data: JSONBody[SecretIn]
) -> ClientOut:
    """Give a technical user a new secret, shown once; the old one stays good for `graceSeconds`.

    Without them refresh tokens that were given through it end. Access tokens live their minutes to the end:
    what must be out at once is suspended.
    """
    service = AccountService(services)
    made = await service.rotate_secret(request.user, client_id, data.grace_seconds)
    return _out(services, made.account, made.secret)


@delete(
    f"{PATH}/{{client_id:str}}",
    opt=require(ACCOUNTS_WRITE, action="client.delete"),
    responses=refusals(401, 403, 404, 409),
    operation_id="deleteClient",
    tags=_TAGS,
)
async def delete_client(request: Caller, services: Serving, client_id: FromPath[str]) -> None:
    """Delete a technical user with all tokens; its id may be given anew when the last would have ended."""
    await AccountService(services).delete(request.user, CLIENT, client_id)


ROUTES = (
    list_clients, create_client, get_client, patch_client, suspend_client, resume_client, rotate_secret,
    delete_client,
)  # fmt: skip


def _out(services: Services, account: AnyAccount, secret: str | None = None) -> ClientOut:
    assert isinstance(account, Client)
    return client_out(account, services.ports.clock.now_ms() // 1_000, secret)
