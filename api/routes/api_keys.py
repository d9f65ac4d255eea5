"""API keys of the caller's tenant: make, list, delete (TB-13); `docs/reference/identity.md` says how to sign.

A key can never do more than whoever made it could, nor more than the account that it stands for.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.accounts import AnyAccount, scopes_of
from api.identity.api_keys import ApiKey, NewKey
from api.identity.scopes import ACCOUNTS_READ, ACCOUNTS_WRITE, ALL_SCOPES, require
from api.services import Services, Serving
from schemas import codes
from schemas.errors import Invalid, Problem
from schemas.limits import API_KEY_LABEL_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from schemas.times import format_time, parse_time

PATH = "/api/aspectstore/v1/api-keys"

_TAGS = ["accounts"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]


class ApiKeyIn(msgspec.Struct, forbid_unknown_fields=True):
    """For whom a key is, and what it may do."""

    user: Name | None = None
    """Name of a user of the tenant: either this …"""
    client: Name | None = None
    """… or the id of a client of it."""
    scopes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)] | None = None
    """Of the scopes that caller and account both have; all of them by default."""
    expires: str | None = None
    """When it ends, RFC 3339; never by default."""
    label: Annotated[str, msgspec.Meta(max_length=API_KEY_LABEL_CHARACTERS_MAX)] = ""
    """For people."""


class ApiKeyOut(msgspec.Struct, omit_defaults=True):
    """A key, without its secret."""

    id: str
    """What `X-Deltix-ApiKey` says."""
    scopes: list[str]
    created: str
    user: str | msgspec.UnsetType = msgspec.UNSET
    client: str | msgspec.UnsetType = msgspec.UNSET
    expires: str | msgspec.UnsetType = msgspec.UNSET
    label: str = ""


class NewApiKeyOut(ApiKeyOut, kw_only=True):
    """A key with its secret, which is shown here and never again."""

    secret: str


class ApiKeysOut(msgspec.Struct):
    """All keys of the tenant, oldest first."""

    api_keys: list[ApiKeyOut] = msgspec.field(name="apiKeys")


KeyInPath = Annotated[str, PathParameter(description="Id of a key, as the list has it.")]


@post(
    PATH,
    status_code=201,
    opt=require(ACCOUNTS_WRITE, action="api_key.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createApiKey",
    tags=_TAGS,
)
async def create_api_key(
    request: Caller, services: Serving, data: JSONBody[ApiKeyIn]
) -> Response[NewApiKeyOut]:
    """Make a key for a user or client of the tenant; its secret is in this answer only."""
    owner = await _owner(request, services, data)
    new = NewKey(
        owner,
        data.user is not None,
        _scopes(request, owner, data.scopes),
        _expiry_s(data.expires, services.ports.clock.now_ms()),
        data.label,
    )
    keys, now_ms = services.identity.api_keys, services.ports.clock.now_ms()
    key, secret = await keys.create(request.user.tenant, new, now_ms)
    made = NewApiKeyOut(**msgspec.structs.asdict(_out(key)), secret=secret)
    return Response(made, status_code=201, headers={"location": f"{PATH}/{key.id}"})


@get(
    PATH,
    opt=require(ACCOUNTS_READ),
    responses=refusals(401, 403),
    operation_id="listApiKeys",
    tags=_TAGS,
)
async def list_api_keys(request: Caller, services: Serving) -> ApiKeysOut:
    """List the keys of the tenant."""
    return ApiKeysOut([_out(key) for key in await services.identity.api_keys.list(request.user.tenant)])


@delete(
    f"{PATH}/{{key_id:str}}",
    opt=require(ACCOUNTS_WRITE, action="api_key.delete"),
    responses=refusals(401, 403, 404),
    operation_id="deleteApiKey",
    tags=_TAGS,
)
async def delete_api_key(request: Caller, services: Serving, key_id: KeyInPath) -> None:
    """Delete a key: what it signs is refused, here at once and within a second at other doors."""
    await services.identity.api_keys.remove(request.user.tenant, key_id)


ROUTES = (create_api_key, list_api_keys, delete_api_key)


async def _owner(request: Caller, services: Services, asked: ApiKeyIn) -> AnyAccount:
    if (asked.user is None) == (asked.client is None):
        raise _invalid("", "Name either a user or a client.")
    of_user, name = asked.user is not None, asked.user or asked.client or ""
    owner = await services.identity.api_keys.find_owner(request.user.tenant, name, of_user=of_user)
    if owner is None:
        kind = "user" if of_user else "client"
        raise _invalid(f"/{kind}", f"There is no such {kind}.")
    return owner


def _scopes(request: Caller, owner: AnyAccount, wanted: list[str] | None) -> tuple[str, ...]:
    allowed = request.user.scopes & frozenset(scopes_of(owner.role, owner.scopes))
    for number, scope in enumerate(wanted or ()):
        if scope not in allowed:
            raise _invalid(f"/scopes/{number}", "Caller and account do not both have this scope.")
    asked = allowed if wanted is None else frozenset(wanted)
    if not asked:
        raise _invalid("/scopes", "Caller and account have no scope in common.")
    return tuple(scope for scope in ALL_SCOPES if scope in asked)


def _expiry_s(text: str | None, now_ms: int) -> int:
    if text is None:
        return 0
    time_ms = parse_time(text)
    if time_ms <= now_ms:
        raise _invalid("/expires", "The key would have ended already.")
    return -(-time_ms // 1_000)


def _out(key: ApiKey) -> ApiKeyOut:
    return ApiKeyOut(
        id=key.id,
        scopes=list(key.scopes),
        created=format_time(key.created_ms),
        user=key.owner if key.of_user else msgspec.UNSET,
        client=msgspec.UNSET if key.of_user else key.owner,
        expires=format_time(key.expires_s * 1_000) if key.expires_s else msgspec.UNSET,
        label=key.label,
    )


def _invalid(pointer: str, words: str) -> Invalid:
    return Invalid([Problem(pointer, codes.INVALID_BODY, words)])
