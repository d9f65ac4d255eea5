"""Users, technical users, tenants and tokens as calls: what an administrator does to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from client.calls import JSON, Call, Request, decode

if TYPE_CHECKING:
    from client.blocking import Client

BASE = "/api/aspectstore/v1"
CHECK = "/oauth/check_token"
PAGE = 1_000
"""The most that the service gives at once."""

Kind = Literal["users", "clients"]
"""People and devices with a password, or programs with a secret: technical users."""


class Account(msgspec.Struct, rename="camel", omit_defaults=True):
    """A user, which has a name, or a technical user, which has an id."""

    name: str = ""
    id: str = ""
    role: str | None = None
    """None: it has scopes of its own choice."""
    scopes: list[str] = []
    """What it may do today."""
    description: str = ""
    grants: list[str] = []
    redirect_uris: list[str] = []
    public: bool = False
    """A technical user without a secret."""
    suspended: bool = False
    created: str | None = None
    old_secret_until: str = ""
    """While the secret before the last rotation is good, too."""
    password: str = ""
    secret: str = ""
    """In the one answer that made it up."""


class Tenant(msgspec.Struct, rename="camel"):
    """A tenant with its settings."""

    name: str
    company_name: str = ""
    display_name: str = ""
    country: str = ""
    timezone: str = ""
    profile: str | None = None
    """None: the installation's."""
    retention_days: int | None = None
    """None: the installation's; 0: for ever."""
    suspended: bool = False
    created: str = ""
    root_asset_id: str = ""


class NewTenant(msgspec.Struct):
    """A tenant that was just made, and its first administrator."""

    tenant: Tenant
    admin: Account


class Claims(msgspec.Struct):
    """What a token says."""

    ten: str
    sub: str
    client_id: str
    scope: list[str]
    jti: str
    exp: int
    """Seconds since 1970."""


class _Page(msgspec.Struct):
    users: list[Account] = []
    clients: list[Account] = []
    tenants: list[Tenant] = []
    next: str | None = None


def list_page(kind: Kind | Literal["tenants"], after: str = "") -> Call[_Page]:
    """Read a page of accounts, or of all tenants, by name."""
    query = urlencode({"after": after, "limit": PAGE}, quote_via=quote)
    return Call(Request("GET", f"{BASE}/{kind}?{query}"), lambda response: decode(response, _Page))


def walk_accounts(client: Client, kind: Kind) -> Iterator[Account]:
    """Walk through all accounts of the tenant by name."""
    page = client.call(list_page(kind))
    yield from getattr(page, kind)
    while page.next is not None:
        page = client.call(list_page(kind, page.next))
        yield from getattr(page, kind)


def walk_tenants(client: Client) -> Iterator[Tenant]:
    """Walk through all tenants of the installation by name."""
    page = client.call(list_page("tenants"))
    yield from page.tenants
    while page.next is not None:
        page = client.call(list_page("tenants", page.next))
        yield from page.tenants


def get_account(kind: Kind, name: str) -> Call[Account]:
    """Read one account."""
    return _call("GET", f"{kind}/{quote(name, '')}", Account)


def create_account(kind: Kind, given: Mapping[str, Any]) -> Call[Account]:
    """Make an account; `given` as the service's description has it."""
    return _call("POST", kind, Account, given)


def change_account(kind: Kind, name: str, given: Mapping[str, Any]) -> Call[Account]:
    """Change what an account may do, or what is said of it."""
    return _call("PATCH", f"{kind}/{quote(name, '')}", Account, given)


def act_on_account(kind: Kind, name: str, act: Literal["suspend", "resume"]) -> Call[Account]:
    """Shut an account out, or let it in again."""
    return _call("POST", f"{kind}/{quote(name, '')}/{act}", Account)


def rotate_account(kind: Kind, name: str, given: Mapping[str, Any]) -> Call[Account]:
    """Give an account a new password or secret."""
    return _call("POST", f"{kind}/{quote(name, '')}/rotate", Account, given)


def delete_account(kind: Kind, name: str) -> Call[None]:
    """Delete an account with all its tokens."""
    return Call(Request("DELETE", f"{BASE}/{kind}/{quote(name, '')}"), lambda _: None)


def get_tenant(name: str | None = None) -> Call[Tenant]:
    """Read a tenant; without a name the caller's own."""
    return _call("GET", _tenant_path(name), Tenant)


def change_tenant(name: str | None, given: Mapping[str, Any]) -> Call[Tenant]:
    """Change a tenant; without a name the caller's own."""
    return _call("PATCH", _tenant_path(name), Tenant, given)


def create_tenant(given: Mapping[str, Any]) -> Call[NewTenant]:
    """Make a tenant and its first administrator."""
    return _call("POST", "tenants", NewTenant, given)


def act_on_tenant(name: str, act: Literal["suspend", "resume"]) -> Call[Tenant]:
    """Shut a tenant out, or let it in again."""
    return _call("POST", f"tenants/{quote(name, '')}/{act}", Tenant)


def add_tenant_admin(name: str) -> Call[Account]:
    """Make one more administrator of a tenant."""
    return _call("POST", f"tenants/{quote(name, '')}/admins", Account)


def check_token(token: str) -> Call[Claims]:
    """Ask what a token of the caller's tenant says; Forbidden for any other."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = Request("POST", CHECK, headers, urlencode({"token": token}).encode())
    return Call(request, lambda response: decode(response, Claims))


def _tenant_path(name: str | None) -> str:
    return "tenant" if name is None else f"tenants/{quote(name, '')}"


def _call(method: str, path: str, shape: type[Any], given: Mapping[str, Any] | None = None) -> Call[Any]:
    headers = {} if given is None else {"Content-Type": JSON}
    body = b"" if given is None else msgspec.json.encode(given)
    request = Request(method, f"{BASE}/{path}", headers, body)
    return Call(request, lambda response: decode(response, shape), repeatable=method != "POST")
