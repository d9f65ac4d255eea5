"""Those who can log in: clients and users, and the families of refresh tokens they hold.

Client ids and user names are unique in the installation, as people log in without naming a tenant
(design 8.13); the name's reservation says whose tenant it is. The shared client of simple devices
(TB-01) belongs to `core` and serves users of every tenant.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TypeVar

import msgspec

from schemas.errors import Conflict
from schemas.ids import CORE, TenantId
from schemas.tenants import Tenant
from storage.port import CatalogStore, Document

CLIENT_CREDENTIALS = "client_credentials"
PASSWORD = "password"  # noqa: S105 - the name of a grant
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant


class Client(msgspec.Struct, frozen=True):
    """A program with a secret of its own: a technical user."""

    id: str
    tenant: TenantId
    secret_hash: str
    scopes: tuple[str, ...]
    grants: tuple[str, ...] = (CLIENT_CREDENTIALS,)
    suspended: bool = False


class User(msgspec.Struct, frozen=True):
    """A person or a device with a name and a password."""

    name: str
    tenant: TenantId
    password_hash: str
    scopes: tuple[str, ...]
    suspended: bool = False


class Family(msgspec.Struct, frozen=True):
    """The refresh tokens that descend from one login; only the youngest is good.

    A token of an older generation that comes back was stolen, or its successor was: the whole
    family then ends (RFC 9700, 4.14).
    """

    id: str
    tenant: TenantId
    client_id: str
    user: str
    scopes: tuple[str, ...]
    secret_sha256: str
    expires_s: int
    revoked: bool = False

    def holds(self, secret: str) -> bool:
        """Tell whether the secret is that of the youngest token."""
        return hmac.compare_digest(self.secret_sha256, _sha256(secret))


S = TypeVar("S", Client, User, Family)


class Accounts:
    """Clients, users and families in the catalogue."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue."""
        self._catalog = catalog

    async def find_client(self, client_id: str) -> Client | None:
        """Look a client up by its id alone; None if there is none, or it or its tenant is suspended."""
        client = await self._find("client", client_id, Client)
        return client if client is not None and await self._may_act(client) else None

    async def find_user(self, name: str) -> User | None:
        """Look a user up by name alone; None if there is none, or it or its tenant is suspended."""
        user = await self._find("user", name, User)
        return user if user is not None and await self._may_act(user) else None

    async def add_client(self, client: Client) -> None:
        """Store a new client; Conflict if the id is taken anywhere in the installation."""
        await self._add("client", client.id, client.tenant, msgspec.json.encode(client))

    async def add_user(self, user: User) -> None:
        """Store a new user; Conflict if the name is taken anywhere in the installation."""
        await self._add("user", user.name, user.tenant, msgspec.json.encode(user))

    async def start_family(self, family: Family) -> str:
        """Store a new family and give its first refresh token."""
        family_id, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
        stored = msgspec.structs.replace(family, id=family_id, secret_sha256=_sha256(secret))
        await self._catalog.create(family.tenant, "token", family_id, msgspec.json.encode(stored))
        return f"{family.tenant}.{family_id}.{secret}"

    async def find_family(self, token: str, now_s: int) -> tuple[Family, Document] | None:
        """Find the family whose youngest refresh token this is; None for every other token.

        A known family's older token revokes the family; an expired family is swept away.
        """
        tenant, family_id, secret = _parts(token)
        document = await self._catalog.get(tenant, "token", family_id) if family_id else None
        if document is None:
            return None
        family = msgspec.json.decode(document.body, type=Family)
        if now_s >= family.expires_s:
            await self._catalog.remove(tenant, "token", family_id, document.version)
            return None
        if family.revoked:
            return None
        if not family.holds(secret):
            await self._revoke(family, document)
            return None
        return family, document

    async def renew_family(self, family: Family, document: Document, expires_s: int) -> str | None:
        """Replace the youngest refresh token by the next; None if another request was first."""
        secret = secrets.token_urlsafe(32)
        renewed = msgspec.structs.replace(family, secret_sha256=_sha256(secret), expires_s=expires_s)
        stored = await self._catalog.replace(
            family.tenant, "token", family.id, msgspec.json.encode(renewed), document.version
        )
        return None if stored is None else f"{family.tenant}.{family.id}.{secret}"

    async def sweep(self, tenant: TenantId, now_s: int) -> int:
        """Remove the tenant's families that are past their time; gives how many there were."""
        swept = 0
        for document in await self._catalog.list(tenant, "token"):
            if now_s >= msgspec.json.decode(document.body, type=Family).expires_s:
                swept += await self._catalog.remove(tenant, "token", document.id, document.version)
        return swept

    async def _revoke(self, family: Family, document: Document) -> None:
        body = msgspec.json.encode(msgspec.structs.replace(family, revoked=True))
        while await self._catalog.replace(family.tenant, "token", family.id, body, document.version) is None:
            found = await self._catalog.get(family.tenant, "token", family.id)
            if found is None:
                return
            document = found

    async def _may_act(self, account: Client | User) -> bool:
        # From the catalogue itself: a door's own knowledge of tenants may be a second old.
        document = await self._catalog.get(CORE, "tenant", account.tenant)
        tenant = None if document is None else msgspec.json.decode(document.body, type=Tenant)
        return not (account.suspended or (tenant is not None and tenant.suspended))

    async def _find(self, kind: str, name: str, form: type[S]) -> S | None:
        tenant = await self._catalog.owner_of(kind, name)
        document = await self._catalog.get(tenant, kind, name) if tenant is not None else None
        return None if document is None else msgspec.json.decode(document.body, type=form)

    async def _add(self, kind: str, name: str, tenant: TenantId, body: bytes) -> None:
        if not await self._catalog.reserve(kind, name, tenant):
            raise Conflict(f"The {kind} name is taken; choose another.")
        if await self._catalog.create(tenant, kind, name, body) is None:
            raise Conflict(f"The {kind} exists already.")


def _sha256(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii() or len(token) > 200:
        return "", "", ""
    return parts[0], parts[1], parts[2]
