"""A new secret for an account whose own is lost, from the machine: who may open the store needs no token.

What the old secret gave ends with it: refresh tokens, and access tokens from the second of the reset on.
API keys are secrets of their own and stay.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

import msgspec

from api.identity.accounts import Accounts, AnyAccount, Client, User
from api.identity.passwords import Passwords
from api.identity.roles import PLATFORM_ADMIN
from schemas.errors import Conflict, NotFound
from schemas.ids import CORE, TenantId
from storage.port import CatalogStore

SECRET_BYTES: Final = 24
"""Of a made-up secret: 192 random bits, 32 characters."""


class Found(NamedTuple):
    """An account, and whose it is."""

    kind: str
    tenant: TenantId
    name: str

    @property
    def unknown(self) -> str:
        """Say that there is no such account."""
        return f"There is no such {self.kind}: {self.name}"


class Resets:
    """New secrets over the catalogue itself."""

    def __init__(self, catalog: CatalogStore, passwords: Passwords) -> None:
        """Take the catalogue and what hashes secrets."""
        self._catalog = catalog
        self._accounts = Accounts(catalog)
        self._passwords = passwords

    async def find(self, kind: str, name: str) -> Found:
        """Find an account of any tenant but `core`; NotFound for an unknown and a deleted one."""
        tenant = await self._catalog.owner_of(kind, name)
        found = Found(kind, TenantId(tenant or CORE), name)
        if found.tenant == CORE:  # The shared client's secret is no secret.
            raise NotFound(found.unknown)
        if await self._accounts.read(found.tenant, kind, name) is None:
            raise NotFound(found.unknown)
        return found

    async def platform_admins(self, kind: str) -> list[Found]:
        """Give the accounts that manage the installation, of all tenants, by tenant and name."""
        tenants = [TenantId(document.id) for document in await self._catalog.list(CORE, "tenant")]
        return [
            Found(kind, tenant, account.name)
            for tenant in tenants
            for account in await self._accounts.all_of(tenant, kind)
            if account.role == PLATFORM_ADMIN
        ]

    async def reset(self, account: Found, now_s: int, *, resumed: bool) -> str:
        """Give the account a new secret, which is the answer; it is stored as a hash only.

        Conflict for a public client, which has none, for one that is suspended unless it is to be resumed,
        and where others change the account all the time.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        hashed = self._passwords.hash(secret)
        await self._accounts.change(
            account.tenant,
            account.kind,
            account.name,
            lambda old: _reset(old, hashed, now_s + 1, resumed=resumed),
            unknown=account.unknown,
        )
        await self._accounts.end_families(account.tenant, account.kind, account.name)
        return secret


def _reset(old: AnyAccount, hashed: str, since_s: int, *, resumed: bool) -> AnyAccount:
    if old.suspended and not resumed:
        raise Conflict("The account is suspended; say --resume to let it in again.")
    if isinstance(old, User):
        return msgspec.structs.replace(old, password_hash=hashed, suspended=False, since_s=since_s)
    assert isinstance(old, Client)
    if not old.secret_hash:
        raise Conflict("The client is a public one: it has no secret.")
    return msgspec.structs.replace(
        old, secret_hash=hashed, old_secret_hash="", old_until_s=0, suspended=False, since_s=since_s
    )
