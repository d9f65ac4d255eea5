"""Who the agent is: registration once, assertions signed with HMAC-SHA-256, renewal with a recovery secret.

What is kept: `base` (the only address), `tenant`, `client_id`, `secret`, `access` (which renews it) and
`expires_s`; in `old` the secret and access of before, until a token was given for the new ones. An answer
that was lost leaves the old ones, which the server takes until it has seen the new: a renewal may be cut
anywhere.
"""

import hashlib
import json
from binascii import b2a_base64, hexlify

RENEW_BEFORE_S = 25 * 3600
ASSERTION_S = 600
"""The server takes each once, and a clock may be off by five minutes."""

NAME = "identity"
BOARDING = "boarding"

_BLOCK_BYTES = 64


def hmac_sha256(key, message):
    """Authenticate a message (RFC 2104)."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    key = key + bytes(_BLOCK_BYTES - len(key))
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in key))
    inner.update(message)
    outer = hashlib.sha256(bytes(each ^ 0x5C for each in key))
    outer.update(inner.digest())
    return outer.digest()


def base64url(octets):
    """Write octets as JWTs do."""
    text = b2a_base64(octets).decode().strip().rstrip("=")
    return text.replace("+", "-").replace("/", "_")


def assertion(client_id, tenant, secret, now_s, unique):
    """Sign who the agent is (wire 5.3); `unique` is 16 random bytes, for one use."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ["southgate"],
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + ASSERTION_S,
        "jti": hexlify(unique).decode(),
        "schemas": ["urn:siemens:mindsphere:v1"],
        "ten": tenant,
    }
    text = base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + base64url(json.dumps(claims).encode())
    return text + "." + base64url(hmac_sha256(secret.encode(), text.encode()))


class Identity:
    """What the agent proves itself with, as it is in flash."""

    def __init__(self, store):
        """Take the store; `boarding` in it is the boarding configuration that the operator put there."""
        self._store = store
        self.kept = store.load(NAME)
        self._by_old = False

    def boarding(self):
        """Give the boarding configuration's content; None where the board was given none."""
        given = self._store.load(BOARDING)
        return given.get("content", given) if given else None

    def base(self):
        """Give the only address; None for a board that was never told one."""
        known = self.kept or {}
        given = self.boarding() or {}
        return known.get("base") or given.get("baseUrl")

    def registered(self, content, answer):
        """Keep what a registration gave."""
        self._keep(
            {"base": content["baseUrl"], "tenant": content["tenant"], "old": None}, _credentials(answer)
        )

    def renewed(self, answer):
        """Keep what a renewal gave, and what was there before it beside that."""
        old = {"secret": self.kept["secret"], "access": self.kept["access"]}
        credentials = _credentials(answer)
        credentials["old"] = old
        self._keep(self.kept, credentials)
        self._by_old = False

    def is_due(self, now_s):
        """Tell whether the credentials are to be renewed."""
        return self.kept["expires_s"] - now_s < RENEW_BEFORE_S

    def proof(self, now_s, unique):
        """Sign an assertion with what is thought to hold."""
        return assertion(
            self.kept["client_id"], self.kept["tenant"], self._holding()["secret"], now_s, unique
        )

    def access(self):
        """Give what renews the credentials."""
        return self._holding()["access"]

    def worked(self):
        """Hear that the server took the proof: what was before the new is not needed any more."""
        if self.kept["old"] is not None and not self._by_old:
            self._keep(self.kept, {"old": None})

    def failed(self):
        """Hear that it did not: try what was before next, and then the new again."""
        self._by_old = self.kept["old"] is not None and not self._by_old

    def _holding(self):
        return self.kept["old"] if self._by_old else self.kept

    def _keep(self, known, changed):
        new = dict(known)
        new.update(changed)
        self._store.save(NAME, new)
        self.kept = new


def _credentials(answer):
    return {
        "client_id": answer["client_id"],
        "secret": answer["client_secret"],
        "access": answer["registration_access_token"],
        "expires_s": answer["client_secret_expires_at"],
    }
