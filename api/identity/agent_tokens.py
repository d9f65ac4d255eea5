"""By what agents prove who they are (wire 5.3): registration tokens, keys, and signed assertions.

Registration tokens look like JWTs, as clients expect, and are compared as whole texts with what was stored:
nothing that they say is believed but who asks, and that only to find what they are compared with. So they
outlive the key that signed them. An assertion is signed by the agent itself, with its secret (HS256) or with
its private key (RS256, RS384, RS512); which of the two decides the agent's profile, never the assertion.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey

from api.identity.keys import KeyRing
from api.identity.tokens import ALGORITHM, TOKEN_BYTES_MAX, NoTwins
from schemas.ids import TenantId, is_hex_id, is_tenant_id
from schemas.limits import (
    AGENT_CLOCK_SKEW_S_MAX,
    AGENT_KEY_BITS_MAX,
    AGENT_KEY_BITS_MIN,
    ASSERTION_ID_CHARACTERS_MAX,
    ASSERTION_LIFE_S_MAX,
)

AUDIENCE: Final = "southgate"
"""What existing agents write into every assertion, whatever the service is called."""

INITIAL, RENEWAL = "initial-access-token:v1", "registration-access-token:v1"
"""Categories of registration tokens."""

_SECRET_ALGORITHMS: Final = ("HS256",)
_KEY_ALGORITHMS: Final = ("RS256", "RS384", "RS512")


class Named(NamedTuple):
    """Whom a token says that it is of; nothing says yet that this is true."""

    tenant: TenantId
    agent: str


class Assertion(NamedTuple):
    """What an assertion that holds is known by."""

    id: str
    issued_s: int
    until_s: int
    """From when on it would be refused anyway."""


def named_by(token: str) -> Named | None:
    """Read whom a token names, without believing it; None where it names nobody who could be there."""
    if len(token) > TOKEN_BYTES_MAX or not token.isascii():
        return None
    payload = token.split(".")[1:2]
    try:
        text = payload[0] if payload else ""
        claims = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    tenant, agent = (claims.get("ten"), claims.get("sub")) if isinstance(claims, dict) else (None, None)
    if not isinstance(tenant, str) or not isinstance(agent, str):
        return None
    return Named(TenantId(tenant), agent) if is_tenant_id(tenant) and is_hex_id(agent) else None


def registration_token(keys: KeyRing, named: Named, now_s: int, **more: str | int) -> str:
    """Make a token that registers an agent, or renews its registration; call it in a thread."""
    claims = {
        "jti": secrets.token_hex(16),
        "sub": named.agent,
        "aud": [AUDIENCE],
        "iat": now_s,
        "ten": named.tenant,
        **more,
    }
    key = keys.signing(now_s * 1_000)
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, key, [ALGORITHM])


def hashed(token: str) -> str:
    """Give what is kept of a token that nobody needs to read again; it has 128 random bits."""
    return sha256(token.encode()).hexdigest()


def same(stored: str, given: str) -> bool:
    """Compare two texts in a time that tells nothing."""
    return compare_digest(stored.encode(), given.encode())


def new_secret() -> str:
    """Draw the secret of an agent."""
    return secrets.token_urlsafe(48)


def public_key(jwk: Mapping[str, Any]) -> dict[str, str] | None:
    """Read the public key that an agent sends; None for anything else.

    Some clients put a zero byte before the modulus (wire 5.3); what is kept has none. A private key is
    refused: it should never have left its device.
    """
    modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
    if jwk.get("kty") != "RSA" or "d" in jwk or modulus is None or exponent is None:
        return None
    is_fit = AGENT_KEY_BITS_MIN <= modulus.bit_length() <= AGENT_KEY_BITS_MAX and modulus % 2 == 1
    if not is_fit or not 3 <= exponent < 2**32 or exponent % 2 == 0:
        return None
    return {"kty": "RSA", "n": _text(modulus), "e": _text(exponent)}


def proved_by_secret(token: str, named: Named, secret: str, now_s: int) -> Assertion | None:
    """Read an assertion that an agent signed with its secret; None where it does not hold."""
    return _read(token, named, OctKey.import_key(secret), _SECRET_ALGORITHMS, now_s)


def proved_by_key(token: str, named: Named, jwk: dict[str, str], now_s: int) -> Assertion | None:
    """Read an assertion that an agent signed with its private key; None where it does not hold."""
    return _read(token, named, RSAKey.import_key(dict(jwk)), _KEY_ALGORITHMS, now_s)


def _read(
    token: str, named: Named, key: OctKey | RSAKey, algorithms: tuple[str, ...], now_s: int
) -> Assertion | None:
    try:
        claims = jwt.decode(token, key, list(algorithms), decoder_cls=NoTwins).claims
        _registry(named, now_s).validate(claims)
    except (JoseError, ValueError, TypeError, RecursionError, KeyError):
        return None
    until_s = int(claims["exp"]) + AGENT_CLOCK_SKEW_S_MAX
    is_short = until_s <= now_s + ASSERTION_LIFE_S_MAX + 2 * AGENT_CLOCK_SKEW_S_MAX
    if not is_short or len(claims["jti"]) > ASSERTION_ID_CHARACTERS_MAX:
        return None
    return Assertion(claims["jti"], int(claims["iat"]), until_s)


def _registry(named: Named, now_s: int) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now_s,
        leeway=AGENT_CLOCK_SKEW_S_MAX,
        iss={"essential": True, "value": named.agent},
        sub={"essential": True, "value": named.agent},
        ten={"essential": True, "value": named.tenant},
        aud={"essential": True, "value": AUDIENCE},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    )


def _number(text: object) -> int | None:
    if not isinstance(text, str) or not text.isascii() or len(text) > AGENT_KEY_BITS_MAX // 4:
        return None
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
    except (binascii.Error, ValueError):
        return None


def _text(number: int) -> str:
    plain = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()
