"""API keys: secrets by which requests of a user or client are signed, for programs without tokens (TB-13).

A key belongs to a tenant and stands for one of its users or clients: it may do what it was given when it was
made, as far as its owner may still do it. Its id says the tenant, so that a stranger's id asks nothing of
anybody's. What a signature covers says `api.identity.signatures`; it has no nonce, so the same request may
be sent again by whoever saw it: keys belong on TLS, with few scopes and an end.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from api.identity import signatures
from api.identity.accounts import CLIENT, USER, Accounts, AnyAccount, scopes_of
from api.identity.tokens import CLIENT as CLIENT_TOKEN
from api.identity.tokens import USER as USER_TOKEN
from api.identity.tokens import Identity
from runtime.vault import Vault
from schemas.errors import Conflict, NotFound, Unauthenticated
from schemas.ids import TenantId
from schemas.limits import API_KEYS_MAX
from storage.port import CatalogStore, Document

KIND: Final = "apikey"

_ID: Final = re.compile(r"([a-z][a-z0-9_]{1,7})\.([0-9a-f]{32})", re.ASCII)

_NEVER_S: Final = 253_402_300_799
"""The last second that can be written (9999-12-31)."""

CACHE_S_MAX: Final = 30
"""A key is trusted so long without looking again, unless the change log names something that it hangs on."""

CACHE_ENTRIES_MAX: Final = 4_096
"""About 1 kB each."""

_REFUSED: Final = "The API key or its signature does not hold."
"""One sentence for every reason, so that none can be told from another."""


class ApiKey(msgspec.Struct, frozen=True):
    """One key as stored."""

    id: str
    tenant: TenantId
    owner: str
    """Name of the user or id of the client that it stands for."""
    owner_ms: int
    """When that account was made: a later one of the same name is another."""
    of_user: bool
    scopes: tuple[str, ...]
    sealed: str
    """The secret, as the vault keeps it."""
    created_ms: int
    expires_s: int = 0
    """0: never."""
    label: str = ""


class NewKey(NamedTuple):
    """What is asked for."""

    owner: AnyAccount
    of_user: bool
    scopes: tuple[str, ...]
    expires_s: int
    label: str


class Signer(NamedTuple):
    """Who signs with a key, and with what."""

    identity: Identity
    secret: str
    until_s: float

    def demand(self, signature: str, method: str, target: tuple[str, bytes, bytes], body: bytes) -> None:
        """Raise Unauthenticated unless the signature is that of the request."""
        if not signatures.holds(self.secret, signature, method, target, body):
            raise Unauthenticated(_REFUSED)


class ApiKeys:
    """The keys of all tenants; one for each door."""

    def __init__(self, catalog: CatalogStore, vault: Vault, is_active: Callable[[TenantId], bool]) -> None:
        """Take the catalogue, what opens secrets, and the question whether a tenant may act."""
        self._catalog = catalog
        self._accounts = Accounts(catalog)
        self._vault = vault
        self._is_active = is_active
        self._signers: dict[str, Signer] = {}

    # Administration.

    async def find_owner(self, tenant: TenantId, name: str, *, of_user: bool) -> AnyAccount | None:
        """Look a user or client of the tenant up, by name, and in no other tenant."""
        found = await self._accounts.read(tenant, USER if of_user else CLIENT, name)
        return None if found is None else found[1]

    async def create(self, tenant: TenantId, new: NewKey, now_ms: int) -> tuple[ApiKey, str]:
        """Store a new key and give its secret, to be shown once; Conflict over the limit or without vault."""
        if len(await self._catalog.list(tenant, KIND)) >= API_KEYS_MAX:
            raise Conflict(f"A tenant has at most {API_KEYS_MAX} API keys; delete one first.")
        number, secret = secrets.token_hex(16), secrets.token_urlsafe(36)
        key_id = f"{tenant}.{number}"
        key = ApiKey(
            key_id, tenant, new.owner.name, new.owner.created_ms, new.of_user, new.scopes,
            self._vault.seal(key_id, secret), now_ms, new.expires_s, new.label,
        )  # fmt: skip
        await self._catalog.create(tenant, KIND, number, msgspec.json.encode(key))
        return key, secret

    async def list(self, tenant: TenantId) -> Sequence[ApiKey]:
        """List the tenant's keys, oldest first."""
        keys = [_decode(document) for document in await self._catalog.list(tenant, KIND)]
        return sorted(keys, key=lambda key: (key.created_ms, key.id))

    async def remove(self, tenant: TenantId, key_id: str) -> None:
        """Delete a key, which ends its signatures; NotFound for another tenant's as for an unknown one."""
        named = _ID.fullmatch(key_id)
        if named is not None and named[1] == tenant:
            document = await self._catalog.get(tenant, KIND, named[2])
            if document is not None:
                await self._catalog.remove(tenant, KIND, named[2], document.version)
                self._signers.pop(key_id, None)
                return
        raise NotFound("There is no such API key.")

    # Requests.

    async def signer(self, key_id: str, now_s: float) -> Signer:
        """Find who signs with this key; Unauthenticated for an unknown, ended or orphaned one."""
        known = self._signers.get(key_id)
        if known is not None and now_s < known.until_s:
            return known
        named = _ID.fullmatch(key_id)
        if named is None or not self._is_active(TenantId(named[1])):
            raise Unauthenticated(_REFUSED)
        document = await self._catalog.get(named[1], KIND, named[2])
        if document is None:
            raise Unauthenticated(_REFUSED)
        found = await self._signer(_decode(document), now_s)
        while len(self._signers) >= CACHE_ENTRIES_MAX:
            self._signers.pop(next(iter(self._signers)))
        self._signers[key_id] = found
        return found

    @staticmethod
    def is_id(text: str) -> bool:
        """Tell whether a text could be the id of a key."""
        return _ID.fullmatch(text) is not None

    async def shown(self, key_id: str, secret: str, now_s: float) -> Identity:
        """Tell who shows a key with its secret, as clients do that cannot sign; Unauthenticated."""
        signer = await self.signer(key_id, now_s)
        if not hmac.compare_digest(signer.secret.encode(), secret.encode()):
            raise Unauthenticated(_REFUSED)
        return signer.identity

    def forget(self) -> None:
        """Drop everything remembered, after a key, its owner or a tenant changed."""
        self._signers.clear()

    async def _signer(self, key: ApiKey, now_s: float) -> Signer:
        owner = await self.find_owner(key.tenant, key.owner, of_user=key.of_user)
        ends_s = key.expires_s or _NEVER_S
        if owner is None or owner.suspended or owner.created_ms != key.owner_ms or now_s >= ends_s:
            raise Unauthenticated(_REFUSED)
        identity = Identity(
            tenant=key.tenant,
            subject=key.owner,
            client_id=key.id if key.of_user else key.owner,
            scopes=frozenset(key.scopes) & frozenset(scopes_of(owner.role, owner.scopes)),
            token_id=key.id,
            expires_s=ends_s,
            category=USER_TOKEN if key.of_user else CLIENT_TOKEN,
            subtenant=owner.subtenant,
        )
        return Signer(identity, self._vault.open(key.id, key.sealed), min(ends_s, now_s + CACHE_S_MAX))


def _decode(document: Document) -> ApiKey:
    return msgspec.json.decode(document.body, type=ApiKey)
