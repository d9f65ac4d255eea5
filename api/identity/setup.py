"""The first start: a tenant with its root asset, and a technical user with every scope (design 7).

There is no default password: either the operator names one, or one is made and shown once.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

import msgspec

from api.identity.accounts import CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN, Accounts, Client, User
from api.identity.passwords import Passwords
from api.identity.roles import PLATFORM_ADMIN, ROLES, TENANT_ADMIN
from api.identity.scopes import DEVICE_SCOPES
from schemas.builtin import root_asset
from schemas.erasures import ERASED_NAMES
from schemas.errors import Conflict, Malformed
from schemas.ids import CORE, TenantId, is_tenant_id
from schemas.tenants import Tenant
from storage.port import CatalogStore

FIRST_TENANT = TenantId("main")
DEVICE_CLIENT = "web"
"""The client that boards with TimeBase's agent name (TB-01); its secret is public, its users' are not."""
DEVICE_CLIENT_SECRET = "secret"  # noqa: S105 - printed in the article that every agent follows


@dataclass(slots=True, frozen=True)
class Credentials:
    """What the caller prints once."""

    tenant: TenantId
    client_id: str
    client_secret: str


def parse_bootstrap(text: str) -> Credentials:
    """Read `tenant:client:secret`; Malformed, naming the part, for anything else."""
    tenant, colon, rest = text.partition(":")
    client_id, second_colon, secret = rest.partition(":")
    if not (colon and second_colon and client_id and secret):
        raise Malformed("ASPECTSTORE_BOOTSTRAP must be tenant:client:secret.")
    if not is_tenant_id(tenant):
        raise Malformed("The tenant must be 2 to 8 of a-z, 0-9 and _, begin with a letter and not be 'core'.")
    return Credentials(TenantId(tenant), client_id, secret)


async def bootstrap(
    catalog: CatalogStore, passwords: Passwords, now_ms: int, wanted: Credentials | None = None
) -> Credentials | None:
    """Make the first tenant and its technical user, if the installation has no tenant yet.

    Returns the credentials only if they were made up here: print them, they are shown once.
    The tenant's document is written last, so a start that was cut off is simply repeated.
    """
    await _make_device_client(catalog, passwords)
    if await catalog.list(CORE, "tenant"):
        return None
    made = wanted or Credentials(FIRST_TENANT, f"technical-{secrets.token_hex(3)}", secrets.token_urlsafe(24))
    await _put_client(catalog, passwords, made, now_ms)
    if await create_tenant(catalog, made.tenant, now_ms):
        return None if wanted else made
    if wanted is None:  # Another door was first; its credentials are the ones that somebody saw.
        await _remove_client(catalog, made)
    return None


async def create_tenant(catalog: CatalogStore, name: TenantId, now_ms: int, company: str = "") -> bool:
    """Make a tenant and its root asset; False if the name is taken."""
    return await store_tenant(catalog, Tenant(name, root_asset(name).id, now_ms, company))


async def store_tenant(catalog: CatalogStore, tenant: Tenant) -> bool:
    """Store a new tenant, after its root asset; False if the name is taken, or was that of an erased one."""
    if await catalog.owner_of(ERASED_NAMES, tenant.name) is not None:
        return False
    root = root_asset(tenant.name)
    await catalog.create(tenant.name, "asset", root.id, msgspec.json.encode(root))
    stored = await catalog.create(CORE, "tenant", tenant.name, msgspec.json.encode(tenant))
    # Whoever is erased just now gave its name up before its document went: then it is seen here.
    if stored is not None and await catalog.owner_of(ERASED_NAMES, tenant.name) is not None:
        await catalog.remove(CORE, "tenant", tenant.name, stored.version)
        return False
    return stored is not None


async def add_user(
    catalog: CatalogStore, passwords: Passwords, tenant: TenantId, name: str, password: str, *,
    scopes: tuple[str, ...] = DEVICE_SCOPES,
) -> None:  # fmt: skip
    """Make a user who logs in with the password grant (TB-01); Conflict if the name is taken."""
    hashed = await asyncio.to_thread(passwords.hash, password)
    await Accounts(catalog).add(User(name, tenant, hashed, scopes))


async def add_client(
    catalog: CatalogStore, passwords: Passwords, credentials: Credentials,
    scopes: tuple[str, ...] = ROLES[TENANT_ADMIN], grants: tuple[str, ...] = (CLIENT_CREDENTIALS,), *,
    role: str = "", created_ms: int = 0,
) -> None:  # fmt: skip
    """Make a technical user, who may do everything in the tenant; Conflict if the id is taken.

    With a role its scopes are those that the role has at any time.
    """
    hashed = await asyncio.to_thread(passwords.hash, credentials.client_secret)
    client = Client(
        credentials.client_id, credentials.tenant, hashed, () if role else scopes, grants,
        role=role, created_ms=created_ms,
    )  # fmt: skip
    await Accounts(catalog).add(client)


async def _make_device_client(catalog: CatalogStore, passwords: Passwords) -> None:
    if await catalog.owner_of("client", DEVICE_CLIENT) is not None:
        return
    credentials = Credentials(CORE, DEVICE_CLIENT, DEVICE_CLIENT_SECRET)
    try:
        await add_client(catalog, passwords, credentials, DEVICE_SCOPES, (PASSWORD, REFRESH_TOKEN))
    except Conflict:
        return  # Another door made it at the same time.


async def _put_client(catalog: CatalogStore, passwords: Passwords, made: Credentials, now_ms: int) -> None:
    """Make the client, or give it the new secret if a start that was cut off has left it behind."""
    try:
        await add_client(catalog, passwords, made, role=PLATFORM_ADMIN, created_ms=now_ms)
    except Conflict:
        document = await catalog.get(made.tenant, "client", made.client_id)
        if document is None:
            raise
        hashed = await asyncio.to_thread(passwords.hash, made.client_secret)
        client = msgspec.json.decode(document.body, type=Client)
        body = msgspec.json.encode(msgspec.structs.replace(client, secret_hash=hashed))
        await catalog.replace(made.tenant, "client", made.client_id, body, document.version)


async def _remove_client(catalog: CatalogStore, made: Credentials) -> None:
    if await catalog.remove(made.tenant, "client", made.client_id, 0):
        await catalog.release("client", made.client_id, made.tenant)
