"""Those who can log in: clients and users, and the families of refresh tokens they hold.

Client ids and user names are unique in the installation, as people log in without naming a tenant
(design 8.13); the name's reservation says whose tenant it is, for ever. The shared client of simple
devices (TB-01) belongs to `core` and serves users of every tenant.

A deleted account leaves its document, emptied, until the last token that was given to it has ended: so every
door refuses them, also one that starts in between, and no new account of that name is taken for the old one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from api.identity.roles import ROLES
from schemas.errors import Conflict, NotFound
from schemas.ids import CORE, TenantId
from schemas.tenants import Tenant
from schemas.times import format_time
from storage.changing import change_document
from storage.port import CatalogStore, Document

CLIENT_CREDENTIALS = "client_credentials"
PASSWORD = "password"  # noqa: S105 - the name of a grant
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
AUTHORIZATION_CODE = "authorization_code"

CLIENT: Final = "client"
USER: Final = "user"
"""Kinds of documents, and the spaces in which their names are unique."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What clients and users have in common."""

    role: str = ""
    """One of `api.identity.roles`, with the scopes that it has today; empty: scopes are named one by one."""
    subtenant: str | None = None
    """Its tokens reach what belongs to this subtenant, and nothing else of the tenant (`shares.access`)."""
    description: str = ""
    created_ms: int = 0
    suspended: bool = False
    """True: it neither logs in nor acts with a token that it has."""
    free_s: int = 0
    """Not 0: it was deleted, and its name may be given again from this second on."""
    since_s: int = 0
    """Access tokens that were given before this second hold no more."""


class Client(Account, frozen=True):
    """A program with a secret of its own: a technical user."""

    id: str
    tenant: TenantId
    secret_hash: str
    scopes: tuple[str, ...]
    grants: tuple[str, ...] = (CLIENT_CREDENTIALS,)
    redirect_uris: tuple[str, ...] = ()
    """Where the login page may send a user back to (`api.identity.redirects`)."""
    old_secret_hash: str = ""
    """The secret before the last rotation …"""
    old_until_s: int = 0
    """… which is good until then."""

    @property
    def name(self) -> str:
        """Give the id, under the word that users have for it."""
        return self.id

    def hashes(self, now_s: int) -> tuple[str, ...]:
        """Give the hashes of the secrets that are good now, the newest first."""
        has_two = self.old_secret_hash and now_s < self.old_until_s
        return (self.secret_hash, self.old_secret_hash) if has_two else (self.secret_hash,)


class User(Account, frozen=True):
    """A person or a device with a name and a password."""

    name: str
    tenant: TenantId
    password_hash: str
    scopes: tuple[str, ...]


AnyAccount: TypeAlias = Client | User

FORMS: Final[dict[str, type[Any]]] = {CLIENT: Client, USER: User}

CHANGE_TRIES_MAX: Final = 5
"""Two administrators at once are rare, five in the same moment are a program that goes wrong."""


class Standing(msgspec.Struct, frozen=True):
    """What a door remembers of an account: whether it may act, and what it may do."""

    scopes: tuple[str, ...] = ()
    role: str = ""
    subtenant: str | None = None
    suspended: bool = False
    free_s: int = 0
    since_s: int = 0

    @property
    def may_act(self) -> bool:
        """Tell whether tokens of the account hold."""
        return not (self.suspended or self.free_s)

    @property
    def granted(self) -> frozenset[str]:
        """Give what the account may do."""
        return _granted(self.role, self.scopes)


class Family(msgspec.Struct, frozen=True):
    """The refresh tokens that descend from one login, and the code before them; only the youngest is good.

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
    code_challenge: str = ""
    """While the youngest is a code: what its verifier hashes to (RFC 7636)."""
    redirect_uri: str = ""
    """Where the code was sent to; empty for a login without a page."""

    def holds(self, secret: str) -> bool:
        """Tell whether the secret is that of the youngest token."""
        return hmac.compare_digest(self.secret_sha256, _sha256(secret))


S = TypeVar("S", Client, User)


def _living(document: Document | None, kind: str) -> AnyAccount | None:
    """Read an account that was not deleted."""
    if document is None:
        return None
    account: AnyAccount = msgspec.json.decode(document.body, type=FORMS[kind])
    return None if account.free_s else account


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

    async def add(self, account: AnyAccount, now_s: int = 0) -> Document:
        """Store a new account; Conflict if its name is taken anywhere in the installation.

        A name that was deleted is free once the last token of the deleted account has ended.
        """
        kind = CLIENT if isinstance(account, Client) else USER
        if not await self._catalog.reserve(kind, account.name, account.tenant):
            raise Conflict(f"The {kind} name is taken; choose another.")
        body = msgspec.json.encode(account)
        stored = await self._catalog.create(account.tenant, kind, account.name, body)
        return stored or await self._follow_deleted(kind, account, body, now_s)

    async def read(self, tenant: TenantId, kind: str, name: str) -> tuple[Document, AnyAccount] | None:
        """Read an account of a tenant as it is stored; None for an unknown, a foreign and a deleted one."""
        document = await self._catalog.get(tenant, kind, name)
        account = _living(document, kind)
        return None if document is None or account is None else (document, account)

    async def all_of(self, tenant: TenantId, kind: str) -> list[AnyAccount]:
        """Give the accounts of a tenant by name, without deleted ones."""
        documents = await self._catalog.list(tenant, kind)
        accounts = (_living(document, kind) for document in documents)
        return [account for account in accounts if account is not None]

    async def change(
        self,
        tenant: TenantId,
        kind: str,
        name: str,
        following: Callable[[AnyAccount], AnyAccount],
        *,
        unknown: str,
    ) -> tuple[Document, AnyAccount]:
        """Store what follows on an account, and give it as it is stored.

        NotFound, with the words `unknown`, where there is none; Conflict if others are always faster.
        """

        def read(document: Document | None) -> AnyAccount:
            account = _living(document, kind)
            if account is None:
                raise NotFound(unknown)
            return account

        failed = Conflict(f"Others change this {kind} all the time; try again.")
        changed = await change_document(
            self._catalog, (tenant, kind, name), read, following, tries_max=CHANGE_TRIES_MAX, failed=failed
        )
        assert changed.document is not None
        return changed.document, changed.value

    async def end_families(self, tenant: TenantId, kind: str, name: str) -> int:
        """Remove all refresh tokens of a user, or of everybody who has one through a client; gives how many.

        What is renewed meanwhile goes, too.
        """
        ended = 0
        for document in await self._catalog.list(tenant, "token"):
            family = msgspec.json.decode(document.body, type=Family)
            if name == (family.client_id if kind == CLIENT else family.user):
                ended += await self._remove(document)
        return ended

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
            await self.end_family(family, document)
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

    async def know_family(self, token: str) -> tuple[Family, Document] | None:
        """Give the family that a refresh token or code names, whatever its secret and its fate."""
        tenant, family_id, _ = _parts(token)
        document = await self._catalog.get(tenant, "token", family_id) if family_id else None
        return None if document is None else (msgspec.json.decode(document.body, type=Family), document)

    async def sweep(self, tenant: TenantId, now_s: int) -> int:
        """Remove the tenant's families and deleted accounts that are past their time; gives how many."""
        swept = 0
        for kind in FORMS:
            for document in await self._catalog.list(tenant, kind):
                free_s = msgspec.json.decode(document.body, type=Standing).free_s
                if free_s and now_s >= free_s:
                    # A login that was under way at the deletion may have begun a family after it.
                    await self.end_families(tenant, kind, document.id)
                    swept += await self._catalog.remove(tenant, kind, document.id, document.version)
        for document in await self._catalog.list(tenant, "token"):
            if now_s >= msgspec.json.decode(document.body, type=Family).expires_s:
                swept += await self._catalog.remove(tenant, "token", document.id, document.version)
        return swept

    async def end_family(self, family: Family, document: Document) -> None:
        """End a family before its time: none of its tokens is good from then on."""
        body = msgspec.json.encode(msgspec.structs.replace(family, revoked=True))
        while await self._catalog.replace(family.tenant, "token", family.id, body, document.version) is None:
            found = await self._catalog.get(family.tenant, "token", family.id)
            if found is None:
                return
            document = found

    async def _remove(self, document: Document) -> bool:
        """Remove a document whatever its version is by then; False if it is gone already."""
        found: Document | None = document
        while found is not None:
            if await self._catalog.remove(found.tenant, found.kind, found.id, found.version):
                return True
            found = await self._catalog.get(found.tenant, found.kind, found.id)
        return False

    async def _may_act(self, account: Client | User) -> bool:
        # From the catalogue itself: a door's own knowledge of tenants may be a second old.
        document = await self._catalog.get(CORE, "tenant", account.tenant)
        tenant = None if document is None else msgspec.json.decode(document.body, type=Tenant)
        gone = account.suspended or account.free_s
        return not (gone or (tenant is not None and tenant.suspended))

    async def _find(self, kind: str, name: str, form: type[S]) -> S | None:
        tenant = await self._catalog.owner_of(kind, name)
        document = await self._catalog.get(tenant, kind, name) if tenant is not None else None
        if document is None:
            return None
        found = msgspec.json.decode(document.body, type=form)
        return msgspec.structs.replace(found, scopes=scopes_of(found.role, found.scopes))

    async def _follow_deleted(self, kind: str, account: AnyAccount, body: bytes, now_s: int) -> Document:
        """Put a new account in the place of a deleted one; Conflict where there is another."""
        found = await self._catalog.get(account.tenant, kind, account.name)
        free_s = 0 if found is None else msgspec.json.decode(found.body, type=Standing).free_s
        if now_s < free_s:
            words = f"A {kind} of this name was deleted; the name is free again at"
            raise Conflict(f"{words} {format_time(free_s * 1_000)}, when its last token has ended.")
        if found is not None and free_s:
            await self.end_families(account.tenant, kind, account.name)
            stored = await self._catalog.replace(account.tenant, kind, account.name, body, found.version)
            if stored is not None:
                return stored
        raise Conflict(f"The {kind} exists already.")


def scopes_of(role: str, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Give what an account may do: by its role, as it is today, or as named; a role that is gone: nothing."""
    return ROLES.get(role, ()) if role else scopes


@lru_cache(maxsize=1_024)
def _granted(role: str, scopes: tuple[str, ...]) -> frozenset[str]:
    # Thousands of accounts share few sets.
    return frozenset(scopes_of(role, scopes))


def _sha256(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii() or len(token) > 200:
        return "", "", ""
    return parts[0], parts[1], parts[2]
