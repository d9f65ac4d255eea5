"""Registration, rotation and tokens of agents (wire 5.3).

What an agent proves itself with is renewed by rotation. The answer to a rotation may be lost on its way, and
the agent then has nothing but what it had: so both, the credentials before and those after, are good until
the agent shows that it has the new ones. What is older than that is refused.

Whoever is refused is told one sentence, and is braked as all who guess secrets are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from api.agents.boarding import Boarding
from api.agents.presence import Presence
from api.catalog.index import CatalogIndex
from api.identity import agent_tokens
from api.identity.agent_tokens import RENEWAL, Assertion, Named, named_by
from api.identity.brake import Brake
from api.identity.scopes import DEFAULT_AGENT
from api.identity.service import IdentityService
from api.identity.tokens import AGENT, Grant
from runtime.ports import Ports
from schemas import codes
from schemas.agents import Agent, BoardingStatus, Credentials, Registration, SecurityProfile
from schemas.errors import Invalid, Problem, TooMany, Unauthenticated
from schemas.limits import AGENT_CREDENTIALS_S, AGENT_TOKEN_S, ASSERTIONS_KEPT_MAX
from storage.changing import change
from storage.port import Document

ASSERTIONS: Final = "assertions"
"""Kind of the documents that say, under an agent's id, which of its assertions were used."""

TRIES_MAX: Final = 10
"""Tokens that one agent asks for at the same moment."""

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NOT_INITIAL: Final = "The initial access token is unknown, used or expired; fetch a new configuration."
_NOT_RENEWAL: Final = "The registration access token does not hold; with an older one nothing is renewed."
_NOT_PROVED: Final = "The client assertion does not hold, or was used already."
_RUNNING: Final = "Another registration of the agent is running; repeat it."


class Given(NamedTuple):
    """What a registration or a rotation gives an agent, to be shown once."""

    credentials: Credentials
    secret: str
    """Empty for an agent with a key."""
    access_token: str
    """The registration access token."""


class Issued(NamedTuple):
    """An access token of an agent."""

    named: Named
    token: str
    id: str


class _Used(msgspec.Struct, frozen=True):
    """An assertion that was used."""

    hash: str
    issued_s: int
    until_s: int


class _Assertions(msgspec.Struct, frozen=True):
    """The assertions of an agent that were used and still hold."""

    used: tuple[_Used, ...] = ()
    floor_s: int = 0
    """Those issued up to then are refused: nobody knows any more which of them were used."""


class AgentIam:
    """What agents ask for themselves; one for each door."""

    def __init__(
        self, ports: Ports, index: CatalogIndex, identity: IdentityService, boarding: Boarding, seen: Presence
    ) -> None:
        """Take the ports, what knows tenants, tokens and registrations, and who notes what was heard."""
        self._catalog = ports.catalog
        self._clock = ports.clock
        self._index = index
        self._identity = identity
        self._boarding = boarding
        self._seen = seen
        self._brake = Brake()

    async def register(
        self, authorization: str | None, keys: Sequence[Any], address: str
    ) -> tuple[Named, Given]:
        """Take an agent in, by the token of its configuration; what that gives is shown once."""
        token, now_s = _bearer(authorization), self._now_s()
        named, (document, registration) = await self._found(token, address, _NOT_INITIAL)
        right = (
            registration.status is BoardingStatus.ONBOARDING
            and now_s < registration.initial_expires_s
            and agent_tokens.same(registration.initial_token, token)
        )
        agent = self._agent(named) if right else None
        if agent is None:
            raise self._refused(named, address, _NOT_INITIAL)
        given = await asyncio.to_thread(self._give, agent, _key_among(agent, keys), now_s)
        new = msgspec.structs.replace(
            registration, status=BoardingStatus.ONBOARDED, current=given.credentials, previous=None
        )
        if not await self._boarding.store(document, new):
            raise TooMany(_RUNNING)
        self._welcome(named, address)
        return named, given

    async def rotate(
        self, client_id: str, authorization: str | None, keys: Sequence[Any] | None, address: str
    ) -> tuple[Named, Given]:
        """Renew what an agent proves itself with; without a key an agent with a key keeps the one it has."""
        token, now_s = _bearer(authorization), self._now_s()
        named, (document, registration) = await self._found(token, address, _NOT_RENEWAL)
        held = _held_by(registration, token)
        agent = self._agent(named) if held is not None and named.agent == client_id else None
        if agent is None or held is None:
            raise self._refused(named, address, _NOT_RENEWAL)
        jwk = held.jwk if keys is None else _key_among(agent, keys)
        given = await asyncio.to_thread(self._give, agent, jwk, now_s)
        new = msgspec.structs.replace(registration, current=given.credentials, previous=held)
        if not await self._boarding.store(document, new):
            raise TooMany(_RUNNING)
        self._welcome(named, address)
        return named, given

    async def issue(self, form: Mapping[str, str], address: str) -> Issued:
        """Give an agent an access token for an assertion that it has signed, once for each."""
        _check_form(form)
        text, now_s = form["client_assertion"], self._now_s()
        named, (document, registration) = await self._found(text, address, _NOT_PROVED)
        proved = None
        if registration.status is BoardingStatus.ONBOARDED and self._agent(named) is not None:
            proved = await asyncio.to_thread(self._proved, registration, text, now_s)
        if proved is None or not await self._is_first(named, proved[1], now_s):
            raise self._refused(named, address, _NOT_PROVED)
        if proved[0] is registration.current and registration.previous is not None:
            # Where this comes too late another request has changed it, and will say so itself.
            await self._boarding.store(document, msgspec.structs.replace(registration, previous=None))
        grant = Grant(
            named.tenant, named.agent, named.agent, (DEFAULT_AGENT,), AGENT, AGENT_TOKEN_S, registration.id
        )
        token, token_id = await asyncio.to_thread(self._identity.tokens.issue, grant, now_s)
        self._welcome(named, address)
        return Issued(named, token, token_id)

    def known(self, authorization: str | None) -> Named | None:
        """Tell which agent that there is a token names, whether or not it is right: for the audit log."""
        named = named_by((authorization or "").partition(" ")[2].strip())
        if named is None or not self._index.is_active(named.tenant) or self._agent(named) is None:
            return None
        return named

    # Inside.

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1_000

    async def _found(
        self, token: str, address: str, refusal: str
    ) -> tuple[Named, tuple[Document, Registration]]:
        """Find the registration of whom a token names; nothing says yet that the token is right."""
        named = named_by(token)
        self._brake.check(_account(named), address, self._now_s())
        found = None
        if named is not None and self._index.is_active(named.tenant):
            found = await self._boarding.registration(*named)
        if named is None or found is None:
            raise self._refused(named, address, refusal)
        return named, found

    def _agent(self, named: Named) -> Agent | None:
        """Give the agent of a registration; None where it, or its asset, was deleted meanwhile."""
        part = self._index.of(named.tenant)
        kept = part.agents.get(named.agent)
        return kept.value if kept is not None and named.agent in part.assets else None

    def _refused(self, named: Named | None, address: str, words: str) -> Unauthenticated:
        self._brake.failed(_account(named), address, self._now_s())
        return Unauthenticated(words)

    def _welcome(self, named: Named, address: str) -> None:
        self._brake.succeeded(_account(named), address)
        self._seen.saw(*named)

    def _give(self, agent: Agent, jwk: dict[str, str] | None, now_s: int) -> Given:
        secret = "" if jwk is not None else agent_tokens.new_secret()
        named = Named(agent.tenant, agent.id)
        issuer = self._identity.tokens.agent_issuer
        token = agent_tokens.registration_token(self._identity.keys, named, now_s, iss=issuer, cat=RENEWAL)
        credentials = Credentials(
            sealed_secret=self._identity.vault.seal(_account(named), secret) if secret else "",
            jwk=jwk,
            access_hash=agent_tokens.hashed(token),
            given_s=now_s,
            expires_s=now_s + AGENT_CREDENTIALS_S,
        )
        return Given(credentials, secret, token)

    def _proved(
        self, registration: Registration, text: str, now_s: int
    ) -> tuple[Credentials, Assertion] | None:
        named = Named(registration.tenant, registration.agent)
        for credentials in registration.candidates():
            if now_s >= credentials.expires_s:
                continue
            if credentials.jwk is not None:
                assertion = agent_tokens.proved_by_key(text, named, credentials.jwk, now_s)
            else:
                secret = self._identity.vault.open(_account(named), credentials.sealed_secret)
                assertion = agent_tokens.proved_by_secret(text, named, secret, now_s)
            if assertion is not None:
                return credentials, assertion
        return None

    async def _is_first(self, named: Named, assertion: Assertion, now_s: int) -> bool:
        """Write down that an assertion was used; False where it was, or nobody knows any more."""
        used = _Used(sha256(assertion.id.encode()).hexdigest()[:32], assertion.issued_s, assertion.until_s)
        was_used = False

        def following(known: _Assertions) -> _Assertions:
            nonlocal was_used
            was_used = used.issued_s <= known.floor_s or any(each.hash == used.hash for each in known.used)
            return known if was_used else _with(known, used, now_s)

        words = "Many tokens are asked for by one agent at once."
        place = (named.tenant, ASSERTIONS, named.agent)
        await change(self._catalog, place, _read, following, tries_max=TRIES_MAX, failed=words)
        return not was_used


def _read(document: Document | None) -> _Assertions:
    return _Assertions() if document is None else msgspec.json.decode(document.body, type=_Assertions)


def _with(known: _Assertions, used: _Used, now_s: int) -> _Assertions:
    """Add one to those that were used; where that makes too many, those issued first are known no more."""
    alive = sorted(
        (each for each in (*known.used, used) if each.until_s > now_s), key=lambda each: each.issued_s
    )
    gone, kept = alive[:-ASSERTIONS_KEPT_MAX], alive[-ASSERTIONS_KEPT_MAX:]
    return _Assertions(tuple(kept), max([known.floor_s, *(each.issued_s for each in gone)]))


def _held_by(registration: Registration, token: str) -> Credentials | None:
    """Find the credentials that a registration access token was given with, the last or those before."""
    hashed = agent_tokens.hashed(token)
    found = (each for each in registration.candidates() if agent_tokens.same(each.access_hash, hashed))
    return next(found, None)


def _key_among(agent: Agent, keys: Sequence[Any]) -> dict[str, str] | None:
    """Read the key of an agent that has one; Invalid where none that fits was sent."""
    if agent.security_profile is SecurityProfile.SHARED_SECRET:
        return None
    jwk = agent_tokens.public_key(keys[0]) if len(keys) == 1 and isinstance(keys[0], dict) else None
    if jwk is None:
        words = "An agent with the profile RSA_3072 sends one public RSA key of 3072 bits or more."
        raise Invalid([Problem("/jwks/keys", codes.INVALID_BODY, words)])
    return jwk


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Invalid([Problem("", "invalid_authorization_header", "A bearer token is required.")])
    return token.strip()


def _check_form(form: Mapping[str, str]) -> None:
    if form.get("grant_type", "client_credentials") != "client_credentials":
        raise Invalid([Problem("", "unsupported_grant_type", "The grant_type is client_credentials.")])
    is_named = "grant_type" in form and form.get("client_assertion_type") == _ASSERTION_TYPE
    if not is_named or not form.get("client_assertion"):
        words = f"The form needs grant_type, client_assertion and client_assertion_type={_ASSERTION_TYPE}."
        raise Invalid([Problem("", "invalid_request", words)])


def _account(named: Named | None) -> str:
    return "agent:" if named is None else f"agent:{named.tenant}.{named.agent}"
