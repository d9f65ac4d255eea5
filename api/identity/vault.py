"""Secrets that must be read again: encrypted at rest by a key that does not lie beside them.

A password is hashed, as nobody needs it; the secret of a signature is needed for every check. It is stored as
a JWE (A256GCM) under the installation's own key, `ASPECTSTORE_SECRETS_KEY` or, with the embedded store, the
file `secrets.key` in the data folder: whoever gets hold of the catalogue alone can sign nothing.
"""

from __future__ import annotations

import hashlib

import msgspec
import structlog
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from schemas.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

_ALGORITHMS = ("dir", "A256GCM")


class _Sealed(msgspec.Struct, frozen=True):
    """What is encrypted: a secret, and whose it is, so that none can stand in another's place."""

    of: str
    secret: str


class Vault:
    """Seals and opens secrets; safe to call from any thread."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes; empty: there is none, and nothing can be sealed."""
        self._key = OctKey.import_key(key) if key else None
        self._name = hashlib.sha256(key).hexdigest()[:16]

    def seal(self, of: str, secret: str) -> str:
        """Encrypt a secret of something; Conflict where the installation has no key."""
        if self._key is None:
            raise Conflict("No such secrets are kept here; set ASPECTSTORE_SECRETS_KEY at every door.")
        header = {"alg": "dir", "enc": "A256GCM", "kid": self._name}
        return jwe.encrypt_compact(header, msgspec.json.encode(_Sealed(of, secret)), self._key, _ALGORITHMS)

    def open(self, of: str, sealed: str) -> str:
        """Decrypt the secret of something; Unavailable for one of another key, or of something else."""
        found = self._opened(sealed)
        if found is None or found.of != of:
            log.error("secret_not_opened", of=of, key=self._name)
            raise Unavailable("A stored secret cannot be read; ASPECTSTORE_SECRETS_KEY differs.")
        return found.secret

    def _opened(self, sealed: str) -> _Sealed | None:
        if self._key is None:
            return None
        try:
            plain = jwe.decrypt_compact(sealed, self._key, _ALGORITHMS).plaintext or b""
            return msgspec.json.decode(plain, type=_Sealed)
        except (JoseError, ValueError):
            return None
