"""Access tokens: RS256 JWTs (design 8.14), issued from the newest key, verified once and remembered.

Verification trusts nothing of the token's header but the key id, and that only to choose among our
own keys: the algorithm is fixed, embedded keys and addresses of keys are refused by the library's
strict header registry. `joserfc` checks no claim by itself; the claims registry below does.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidClaimError, JoseError
from joserfc.jwk import RSAKey

from api.identity.keys import KeyRing
from schemas.errors import Unauthenticated
from schemas.ids import TenantId

ALGORITHM = "RS256"

CLIENT, USER, AGENT = "client-token:v1", "user-token:v1", "agent-token:v1"
"""Whose a token is, as existing clients read it (wire 5.3, 7.2)."""

TOKEN_BYTES_MAX = 8_192
"""Ours have about 1 kB; longer ones are refused before anything parses them (S5)."""

CACHE_S_MAX = 30
"""A verified token is trusted so long without looking again, unless the change log names its tenant."""

CACHE_ENTRIES_MAX = 16_384
"""About 1.5 kB each: 25 MB at most."""

CLOCK_SKEW_S_MAX = 60
"""Doors whose clocks differ by less accept each other's fresh tokens."""


@dataclass(slots=True, frozen=True)
class Identity:
    """Who calls, as the token says; `request.user` in every guarded handler."""

    tenant: TenantId
    subject: str
    client_id: str
    scopes: frozenset[str]
    token_id: str
    expires_s: int
    category: str = ""
    """As of a grant."""
    session: str = ""
    """The login that it descends from; empty where a secret was shown and nothing goes on."""
    subtenant: str | None = None
    """What the caller is bound to; None: the whole tenant is its own (`api.shares.access`)."""
    issued_s: int = 0
    """When the token was given."""

    @property
    def agent(self) -> str | None:
        """Give the id of the agent that calls; None where an account does."""
        return self.subject if self.category == AGENT else None


@dataclass(slots=True, frozen=True)
class Grant:
    """What is put into a token."""

    tenant: TenantId
    subject: str
    client_id: str
    scopes: tuple[str, ...]
    category: str
    """`CLIENT` or `USER`."""
    lifetime_s: int
    session: str = ""
    """The family of refresh tokens that a user's login began."""
    subtenant: str | None = None


class _Claims(jwt.JWTClaimsRegistry):
    """Expiry to the second; issue time with a little patience."""

    def validate_iat(self, value: object) -> None:
        """Refuse tokens from the future, beyond what clocks differ by."""
        if isinstance(value, bool) or not isinstance(value, int) or value > self.now + CLOCK_SKEW_S_MAX:
            raise InvalidClaimError("iat")

    def validate_scope(self, value: object) -> None:
        """Demand a list of texts."""
        if not isinstance(value, list) or not all(isinstance(scope, str) for scope in value):
            raise InvalidClaimError("scope")

    def validate_ten(self, value: object) -> None:
        """Demand a text."""
        if not isinstance(value, str):
            raise InvalidClaimError("ten")

    def validate_jti(self, value: object) -> None:
        """Demand a text."""
        if not isinstance(value, str):
            raise InvalidClaimError("jti")

    def validate_sid(self, value: object) -> None:
        """Demand a text."""
        if not isinstance(value, str):
            raise InvalidClaimError("sid")

    def validate_subtenant(self, value: object) -> None:
        """Demand a text."""
        if not isinstance(value, str):
            raise InvalidClaimError("subtenant")

    def validate_client_id(self, value: object) -> None:
        """Demand a text."""
        if not isinstance(value, str):
            raise InvalidClaimError("client_id")


_OF_AGENTS: Final = {
    "aud": ["southgate"],
    "zid": "agentiam",
    "schemas": ["urn:siemens:mindsphere:iam:v1"],
    "ten_ctx": "main-tenant",
    "grant_type": "client_credentials",
}
"""What agents' tokens say beside what all say (wire 5.3)."""


class NoTwins(json.JSONDecoder):
    """A decoder that refuses duplicate members: two readers must not see two tokens."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_without_twins)


class Tokens:
    """Issue and verify; one for each door."""

    def __init__(
        self,
        keys: KeyRing,
        issuer: str,
        is_active: Callable[[TenantId], bool],
        is_revoked: Callable[[str], bool] = lambda _: False,
        admit: Callable[[Identity], Identity] = lambda identity: identity,
    ) -> None:
        """Take the keys and the `iss` of this installation.

        And the questions whether a tenant may act, whether a token or session was taken back, and what the
        accounts of a token may do today.
        """
        self._keys = keys
        self._issuer = issuer
        self.agent_issuer = f"{issuer.removesuffix('/oauth/token')}/api/agentmanagement/"
        """The `iss` of agents' tokens (wire 5.3)."""
        self._is_active = is_active
        self._is_revoked = is_revoked
        self._admit = admit
        self._verified: dict[bytes | str, tuple[Identity, float]] = {}

    def issue(self, grant: Grant, now_s: int) -> tuple[str, str]:
        """Sign a token; give it and its id. Takes about a millisecond: call it in a thread."""
        token_id = secrets.token_hex(16)
        key = self._keys.signing(now_s * 1_000)
        claims: dict[str, Any] = {
            "jti": token_id,
            "sub": grant.subject,
            "scope": list(grant.scopes),
            "client_id": grant.client_id,
            "iat": now_s,
            "exp": now_s + grant.lifetime_s,
            "iss": self._issuer,
            "ten": grant.tenant,
            "cat": grant.category,
        }
        if grant.category == AGENT:
            claims |= {**_OF_AGENTS, "iss": self.agent_issuer}
        if grant.category == USER:
            claims["user_name"] = grant.subject
        if grant.session:
            claims["sid"] = grant.session
        if grant.subtenant is not None:
            claims["subtenant"] = grant.subtenant
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, [ALGORITHM]), token_id

    def identify(self, authorization: bytes | str | None, now_s: float) -> Identity:
        """Tell who sends this Authorization header; Unauthenticated if it proves nobody.

        A header seen in the last 30 s costs one dictionary look-up. The scheme may be written in
        any case (TB-11).
        """
        known = self._verified.get(authorization) if authorization is not None else None
        if known is not None and now_s < known[1]:
            return known[0]
        return self._identify_afresh(authorization, now_s)

    def verify(self, token: str, now_s: float) -> Identity:
        """Check signature and claims; Unauthenticated for everything that is not wholly right."""
        try:
            claims = jwt.decode(token, self._key_of, [ALGORITHM], decoder_cls=NoTwins).claims
            self._registry(now_s).validate(claims)
        except (JoseError, ValueError, TypeError, RecursionError, KeyError) as error:
            raise Unauthenticated("The token does not hold.") from error
        identity = _identity(claims)
        if (claims["iss"] == self.agent_issuer) != (identity.category == AGENT):
            raise Unauthenticated("The token does not hold.")
        if not self._is_active(identity.tenant):
            raise Unauthenticated("The token's tenant is unknown or suspended.")
        if self._is_revoked(identity.token_id) or self._is_revoked(identity.session):
            raise Unauthenticated("The token was revoked.")
        return self._admit(identity)

    def forget(self) -> None:
        """Drop everything remembered, after a tenant or a key changed."""
        self._verified.clear()

    def _identify_afresh(self, authorization: bytes | str | None, now_s: float) -> Identity:
        if authorization is None:
            raise Unauthenticated("A bearer token is required.")
        text = _text(authorization)
        scheme, _, token = text.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("A bearer token is required.")
        identity = self.verify(token.strip(), now_s)
        # The oldest entry goes first: entries live 30 s at most, so age is as good as use.
        while len(self._verified) >= CACHE_ENTRIES_MAX:
            self._verified.pop(next(iter(self._verified)))
        self._verified.pop(authorization, None)
        self._verified[authorization] = (identity, min(identity.expires_s, now_s + CACHE_S_MAX))
        return identity

    def _key_of(self, signature: Any) -> RSAKey:
        key = self._keys.find(signature.headers().get("kid"))
        if key is None:
            raise ValueError("unknown key")
        return key

    def _registry(self, now_s: float) -> _Claims:
        return _Claims(
            now=int(now_s),
            exp={"essential": True},
            iat={"essential": True},
            iss={"essential": True, "values": [self._issuer, self.agent_issuer]},
            sub={"essential": True},
            jti={"essential": True},
            ten={"essential": True},
            client_id={"essential": True},
            scope={"essential": True},
        )


def _identity(claims: dict[str, Any]) -> Identity:
    return Identity(
        tenant=TenantId(claims["ten"]),
        subject=claims["sub"],
        client_id=claims["client_id"],
        scopes=frozenset(claims["scope"]),
        token_id=claims["jti"],
        expires_s=int(claims["exp"]),
        category=str(claims.get("cat", "")),
        session=claims.get("sid", ""),
        subtenant=claims.get("subtenant"),
        issued_s=int(claims["iat"]),
    )


def _text(authorization: bytes | str) -> str:
    if len(authorization) > TOKEN_BYTES_MAX:
        raise Unauthenticated("The token is too long.")
    return authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a claim stands twice")
    return claims
