"""Users of the caller's tenant: list, get, make, change, suspend, give a new password, delete."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.accounts import USER, AnyAccount, User
from api.identity.scopes import ACCOUNTS_READ, ACCOUNTS_WRITE, require
from api.services import Serving
from api.tenants.accounts import AccountService, Granted, NewAccount
from api.tenants.wire_accounts import AccountPatch, PasswordIn, UserIn, UserList, UserOut, user_out
from schemas.limits import ACCOUNTS_LISTED_MAX

PATH = "/api/aspectstore/v1/users"

_TAGS = ["accounts"]

After = Annotated[str, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=ACCOUNTS_LISTED_MAX, description="Accounts of a page.")]


@get(
    PATH,
    opt=require(ACCOUNTS_READ),
    responses=refusals(400, 401, 403),
    operation_id="listUsers",
    tags=_TAGS,
)
async def list_users(request: Caller, services: Serving, after: After = "", limit: Limit = 100) -> UserList:
    """List the users of the tenant by name."""
    found, more = await AccountService(services).page(request.user.tenant, USER, after, limit)
    users = [_out(user) for user in found]
    return UserList(users, users[-1].name) if more else UserList(users)


@post(
    PATH,
    opt=require(ACCOUNTS_WRITE, action="user.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createUser",
    tags=_TAGS,
)
async def create_user(request: Caller, services: Serving, data: JSONBody[UserIn]) -> Response[UserOut]:
    """Make a user, who logs in with name and password; a password that is made up is shown once."""
    granted = Granted(data.role, data.scopes)
    wanted = NewAccount(granted, data.name, data.description, data.password, data.subtenant)
    made = await AccountService(services).create_user(request.user, wanted)
    location = f"{PATH}/{made.account.name}"
    return Response(_out(made.account, made.secret), status_code=201, headers={"location": location})


@get(
    f"{PATH}/{{name:str}}",
    opt=require(ACCOUNTS_READ),
    responses=refusals(401, 403, 404),
    operation_id="getUser",
    tags=_TAGS,
)
async def get_user(request: Caller, services: Serving, name: FromPath[str]) -> UserOut:
    """Give a user."""
    return _out(await AccountService(services).get(request.user.tenant, USER, name))


@patch(
    f"{PATH}/{{name:str}}",
    opt=require(ACCOUNTS_WRITE, action="user.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="patchUser",
    tags=_TAGS,
)
async def patch_user(
    request: Caller, services: Serving, name: FromPath[str], data: JSONBody[AccountPatch]
) -> UserOut:
    """Change what a user may do, at once, or what is said of him."""
    granted = granted_in(data)
    changed = await AccountService(services).change(
        request.user, USER, name, granted, data.description, subtenant=data.subtenant
    )
    return _out(changed)


@post(
    f"{PATH}/{{name:str}}/suspend",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="user.suspend"),
    responses=refusals(401, 403, 404, 409),
    operation_id="suspendUser",
    tags=_TAGS,
)
async def suspend_user(request: Caller, services: Serving, name: FromPath[str]) -> UserOut:
    """Shut a user out: he does not log in, his tokens do not hold and his refresh tokens have ended."""
    return _out(await AccountService(services).suspend(request.user, USER, name, suspended=True))


@post(
    f"{PATH}/{{name:str}}/resume",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="user.resume"),
    responses=refusals(401, 403, 404, 409),
    operation_id="resumeUser",
    tags=_TAGS,
)
async def resume_user(request: Caller, services: Serving, name: FromPath[str]) -> UserOut:
    """Let a suspended user in again."""
    return _out(await AccountService(services).suspend(request.user, USER, name, suspended=False))


@post(
    f"{PATH}/{{name:str}}/rotate",
    status_code=200,
    opt=require(ACCOUNTS_WRITE, action="user.rotate"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    operation_id="rotatePassword",
    tags=_TAGS,
)
async def rotate_password(
    request: Caller, services: Serving, name: FromPath[str], data: JSONBody[PasswordIn]
) -> UserOut:
    """Give a user a new password; refresh tokens end, access tokens live their minutes to the end.

    Who must be out at once is suspended.
    """
    made = await AccountService(services).rotate_password(request.user, name, data.password)
    return _out(made.account, made.secret)


@delete(
    f"{PATH}/{{name:str}}",
    opt=require(ACCOUNTS_WRITE, action="user.delete"),
    responses=refusals(401, 403, 404, 409),
    operation_id="deleteUser",
    tags=_TAGS,
)
async def delete_user(request: Caller, services: Serving, name: FromPath[str]) -> None:
    """Delete a user with all tokens; the name may be given anew when the last of these would have ended."""
    await AccountService(services).delete(request.user, USER, name)


ROUTES = (
    list_users, create_user, get_user, patch_user, suspend_user, resume_user, rotate_password, delete_user,
)  # fmt: skip


def granted_in(change: AccountPatch) -> Granted | None:
    """Give what an account is to do from now on; None where the change says nothing of it."""
    if change.role is None and change.scopes is None:
        return None
    return Granted(change.role, change.scopes)


def _out(account: AnyAccount, password: str | None = None) -> UserOut:
    assert isinstance(account, User)
    return user_out(account, password)
