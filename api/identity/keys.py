"""The keys that sign tokens: RSA, kept in the catalogue, one after the other without logging anyone out.

Every door reads the same keys, so a token of one is good at all of them and a restart ends no
session (TB-10). The private key lies in the catalogue unencrypted: whoever can read the database
can sign, so the embedded store's folder is the service's alone and backups are secrets.

A rotation publishes a new key before the moment from which it signs, so that every door and every client
that keeps a list of keys knows it by then. Published first is always the one that signs, as existing clients
look at no other (wire 7.1). A key that signs no more verifies until the last of its tokens has ended.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from joserfc.jwk import RSAKey

from schemas.durations import SECOND_MS
from schemas.errors import Conflict, NotFound
from schemas.ids import CORE
from schemas.limits import TOKEN_LIFE_S_MAX
from storage.port import CatalogStore, Document

_KIND: Final = "key"
_PREFIX: Final = "token-"

RETIRED_MS: Final = (TOKEN_LIFE_S_MAX + 3_600) * SECOND_MS
"""After its successor began to sign, a key is kept for as long as any token may live, and an hour more."""


class _TokenKey(msgspec.Struct, frozen=True):
    """One signing key as stored."""

    pem: str
    created_ms: int
    signs_from_ms: int = 0


class Key(msgspec.Struct, frozen=True):
    """One signing key as known here."""

    id: str
    """Of its document; they ascend."""
    rsa: RSAKey
    created_ms: int
    signs_from_ms: int
    version: int

    @property
    def number(self) -> int:
        """Give the number by which operators name it."""
        return int(self.id.removeprefix(_PREFIX))

    @property
    def kid(self) -> str:
        """Give the id that tokens name it by: its thumbprint (RFC 7638)."""
        return str(self.rsa.kid)

    def public(self, *, lines: bool) -> dict[str, Any]:
        """Give the public half: a PEM of several lines for wire 7.1, of one for wire 5.3."""
        pem = self.rsa.as_pem(private=False).decode()
        numbers = self.rsa.as_dict(private=False)
        return {
            "kid": self.kid,
            "alg": "RS256",
            "use": "sig",
            "kty": "RSA",
            "n": numbers["n"],
            "e": numbers["e"],
            "value": pem if lines else "".join(pem.splitlines()),
        }


class KeyRing:
    """The token keys of an installation."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue; `load` before use."""
        self._catalog = catalog
        self._keys: list[Key] = []
        self._by_id: dict[str, RSAKey] = {}

    async def load(self, now_ms: int, bits: int) -> None:
        """Read the keys; make the first one if there is none. Doors that start together agree."""
        if not await self._read():
            await self._make(1, _TokenKey(await _drawn(bits), now_ms))
            await self._read()

    async def rotate(self, now_ms: int, bits: int, overlap_s: int = 0) -> Key:
        """Publish a new key that signs from `overlap_s` on; Conflict while another one waits to sign.

        Tokens of the older keys stay good until they expire.
        """
        await self._read()
        if self._keys and self._keys[0].signs_from_ms > now_ms:
            raise Conflict("A new key waits to sign already; wait for it, or remove it.")
        number = 1 + max((key.number for key in self._keys), default=0)
        stored = _TokenKey(await _drawn(bits), now_ms, now_ms + overlap_s * SECOND_MS)
        await self._make(number, stored)
        await self._read()
        return self._keys[0]

    async def remove(self, number: int, now_ms: int) -> None:
        """Take a key away at once: what it signed holds no more.

        NotFound for an unknown one, Conflict for the one that signs.
        """
        await self._read()
        key = next((key for key in self._keys if key.number == number), None)
        if key is None:
            raise NotFound("There is no such key.")
        if key is self._signing(now_ms):
            raise Conflict("This key signs; rotate without an overlap first.")
        await self._catalog.remove(CORE, _KIND, key.id, key.version)
        await self._read()

    async def sweep(self, now_ms: int) -> None:
        """Remove keys of which no token can be alive; several doors may do so at once."""
        later = None
        for key in list(self._keys):
            if later is not None and now_ms > max(later.signs_from_ms, later.created_ms) + RETIRED_MS:
                await self._catalog.remove(CORE, _KIND, key.id, key.version)
            later = key

    async def reload(self) -> None:
        """Read the keys again, after another process changed them."""
        await self._read()

    def signing(self, now_ms: int) -> RSAKey:
        """Give the newest key whose time to sign has come."""
        return self._signing(now_ms).rsa

    def find(self, key_id: object) -> RSAKey | None:
        """Give the key with this id; None for any other value, whatever its type."""
        return self._by_id.get(key_id) if isinstance(key_id, str) else None

    def published(self, now_ms: int) -> list[Key]:
        """List the keys: the one that signs, then the others, newest first; [] before there is any."""
        if not self._keys:
            return []
        first = self._signing(now_ms)
        return [first, *(key for key in self._keys if key is not first)]

    def _signing(self, now_ms: int) -> Key:
        # With a clock behind all of them the oldest key signs: the doors that know better verify it, too.
        return next((key for key in self._keys if key.signs_from_ms <= now_ms), self._keys[-1])

    async def _read(self) -> bool:
        documents = await self._catalog.list(CORE, _KIND)
        stored = [document for document in documents if document.id.startswith(_PREFIX)]
        self._keys = [_read_key(document) for document in reversed(stored)]
        self._by_id = {key.kid: key.rsa for key in self._keys}
        return bool(self._keys)

    async def _make(self, number: int, stored: _TokenKey) -> None:
        # Another door may be first; then its key is ours too.
        await self._catalog.create(CORE, _KIND, f"{_PREFIX}{number:06d}", msgspec.json.encode(stored))


async def _drawn(bits: int) -> str:
    key = await asyncio.to_thread(RSAKey.generate_key, bits)
    return key.as_pem(private=True).decode()


def _read_key(document: Document) -> Key:
    stored = msgspec.json.decode(document.body, type=_TokenKey)
    rsa = _import(document.body)
    return Key(document.id, rsa, stored.created_ms, stored.signs_from_ms, document.version)


def _import(body: bytes) -> RSAKey:
    key = RSAKey.import_key(msgspec.json.decode(body, type=_TokenKey).pem)
    key.ensure_kid()
    return key
