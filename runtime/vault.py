"""Secrets that must be read again: encrypted at rest by a key that does not lie beside them.

A password is hashed, as nobody needs it; the secret of a signature is needed for every one. It is stored as a
JWE (RFC 7516: `dir`, A256GCM, compact) under the installation's own key, `ASPECTSTORE_SECRETS_KEY` or, with
the embedded store, the file `secrets.key` in the data folder: whoever gets hold of the catalogue alone can
sign nothing. Written over the bare cipher: a library for JWE takes ten times as long to load, in each writer.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PARTS: Final = 5
"""Of a compact JWE: header, wrapped key (empty for `dir`), nonce, text, tag."""


class _Sealed(msgspec.Struct, frozen=True):
    """What is encrypted: a secret, and whose it is, so that none can stand in another's place."""

    of: str
    secret: str


class Vault:
    """Seals and opens secrets; safe to call from any thread."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes; empty: there is none, and nothing can be sealed."""
        self._cipher = AESGCM(key) if key else None
        self._name = hashlib.sha256(key).hexdigest()[:16]

    @property
    def has_key(self) -> bool:
        """Tell whether anything can be sealed."""
        return self._cipher is not None

    def seal(self, of: str, secret: str) -> str:
        """Encrypt a secret of something; Conflict where the installation has no key."""
        if self._cipher is None:
            raise Conflict("No such secrets are kept here; set ASPECTSTORE_SECRETS_KEY at every process.")
        header = _encoded(msgspec.json.encode({"alg": "dir", "enc": "A256GCM", "kid": self._name}))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(_Sealed(of, secret)), header)
        parts = (header, b"", *map(_encoded, (nonce, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:])))
        return b".".join(parts).decode()

    def open(self, of: str, sealed: str) -> str:
        """Decrypt the secret of something; Unavailable for one of another key, or of something else."""
        found = self._opened(sealed)
        if found is None or found.of != of:
            log.error("secret_not_opened", of=of, key=self._name)
            raise Unavailable("A stored secret cannot be read; ASPECTSTORE_SECRETS_KEY differs.")
        return found.secret

    def _opened(self, sealed: str) -> _Sealed | None:
        parts = sealed.encode().split(b".")
        if self._cipher is None or len(parts) != _PARTS:
            return None
        try:
            nonce, text, tag = map(_decoded, parts[2:])
            plain = self._cipher.decrypt(nonce, text + tag, parts[0])
            return msgspec.json.decode(plain, type=_Sealed)
        except (InvalidTag, ValueError):
            return None


def _encoded(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def _decoded(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
