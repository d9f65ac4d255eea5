"""The keys that sign tokens: RSA, made once, kept in the catalogue.

Every door reads the same keys, so a token of one is good at all of them and a restart ends no
session (TB-10). The private key lies in the catalogue unencrypted: whoever can read the database
can sign, so the embedded store's folder is the service's alone and backups are secrets.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from joserfc.jwk import RSAKey

from schemas.ids import CORE
from storage.port import CatalogStore

_KIND = "key"
_PREFIX = "token-"


class _TokenKey(msgspec.Struct, frozen=True):
    """One signing key as stored."""

    pem: str
    created_ms: int


class KeyRing:
    """The token keys, newest first."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue; `load` before use."""
        self._catalog = catalog
        self._keys: list[RSAKey] = []
        self._by_id: dict[str, RSAKey] = {}

    async def load(self, now_ms: int, bits: int) -> None:
        """Read the keys; make the first one if there is none. Doors that start together agree."""
        if not await self._read():
            await self._make(number=1, now_ms=now_ms, bits=bits)
            await self._read()

    async def rotate(self, now_ms: int, bits: int) -> None:
        """Put a new key in front; tokens of the older keys stay good until they expire."""
        await self._make(number=len(self._keys) + 1, now_ms=now_ms, bits=bits)
        await self._read()

    async def reload(self) -> None:
        """Read the keys again, after another door changed them."""
        await self._read()

    @property
    def signing(self) -> RSAKey:
        """Give the newest key."""
        return self._keys[0]

    def find(self, key_id: object) -> RSAKey | None:
        """Give the key with this id; None for any other value, whatever its type."""
        return self._by_id.get(key_id) if isinstance(key_id, str) else None

    def public(self) -> list[dict[str, Any]]:
        """Give the public halves in the shape of wire 7.1, newest first; `value` is a multi-line PEM."""
        return [
            {
                "kid": key.kid,
                "alg": "RS256",
                "use": "sig",
                "kty": "RSA",
                "n": key.as_dict(private=False)["n"],
                "e": key.as_dict(private=False)["e"],
                "value": key.as_pem(private=False).decode().strip(),
            }
            for key in self._keys
        ]

    async def _read(self) -> bool:
        documents = await self._catalog.list(CORE, _KIND)
        stored = [document for document in documents if document.id.startswith(_PREFIX)]
        keys = [_import(document.body) for document in reversed(stored)]
        self._keys = keys
        self._by_id = {str(key.kid): key for key in keys}
        return bool(keys)

    async def _make(self, number: int, now_ms: int, bits: int) -> None:
        key = await asyncio.to_thread(RSAKey.generate_key, bits)
        body = msgspec.json.encode(_TokenKey(key.as_pem(private=True).decode(), now_ms))
        # Another door may be first; then its key is ours too.
        await self._catalog.create(CORE, _KIND, f"{_PREFIX}{number:06d}", body)


def _import(body: bytes) -> RSAKey:
    key = RSAKey.import_key(msgspec.json.decode(body, type=_TokenKey).pem)
    key.ensure_kid()
    return key
