"""Agents: programs of devices that send data with credentials of their own (wire 5).

Pure. An agent stands for one asset and has its id. It is onboarded once: with a token that is good for one
use it registers, by a shared secret or by a public key, and from then on it proves with signatures who it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from schemas.assets import Lock
from schemas.codes import INVALID_BODY
from schemas.durations import SECOND_MS
from schemas.errors import Problem
from schemas.ids import AssetId, TenantId
from schemas.limits import AGENT_OFFLINE_S, NAME_CHARACTERS_MAX

AGENT_TYPE: Final = "core.basicagent"
"""Assets of this type, and of those below it, may have an agent (wire 4.5)."""


class SecurityProfile(Enum):
    """How an agent proves who it is."""

    SHARED_SECRET = "SHARED_SECRET"  # noqa: S105 -- the name of a profile
    """By signatures with a secret that both sides have."""
    RSA_3072 = "RSA_3072"
    """By signatures with a private key that only the agent has."""


class BoardingStatus(Enum):
    """How far an agent is on its way in."""

    NOT_ONBOARDED = "NOT_ONBOARDED"
    ONBOARDING = "ONBOARDING"
    """Its configuration was given out and nobody has registered with it yet."""
    ONBOARDED = "ONBOARDED"


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent, as the catalogue keeps it; its row version is its ETag."""

    id: AssetId
    """That of the asset for which it stands (design 8.13)."""
    tenant: TenantId
    name: str
    """Unique in the tenant."""
    security_profile: SecurityProfile
    created_ms: int
    """UTC."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration, or a rotation, gave an agent."""

    sealed_secret: str = ""
    """As the vault keeps it; empty for an agent with a key."""
    jwk: dict[str, str] | None = None
    """The agent's public key; None for an agent with a secret."""
    access_hash: str
    """SHA-256 of the registration access token by which the agent asks for the next ones."""
    given_s: int
    expires_s: int
    """From when on they prove nothing; the registration access token still renews them."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """How far an agent is on its way in, and by what it proves who it is: one for each onboarding."""

    id: str
    """Drawn for each onboarding, a UUID; every token of the agent names it, so that all end with it."""
    agent: AssetId
    tenant: TenantId
    initial_token: str
    """Which registers the agent, once."""
    initial_expires_s: int
    status: BoardingStatus
    current: Credentials | None = None
    """What was given last; None until the agent has registered."""
    previous: Credentials | None = None
    """What was given before that, until the agent has shown that it has the current ones: an answer to a
    rotation may be lost."""

    def candidates(self) -> Iterable[Credentials]:
        """Give what may prove the agent, the newest first."""
        return (each for each in (self.current, self.previous) if each is not None)


class Boarding(msgspec.Struct, frozen=True):
    """What every door remembers of a registration."""

    id: str
    status: BoardingStatus

    @property
    def lock(self) -> Lock:
        """Give what keeps the asset of an onboarded agent from being deleted (wire 4.3)."""
        return Lock(
            id=self.id,
            service="AgentManagement",
            reason="Agent is onboarded, cannot delete asset until offboard finished",
            reason_code="agentmanagement.agent.onboarded",
        )


class Taken(NamedTuple):
    """The last message that was taken of an agent."""

    at_ms: int
    correlation_id: str
    stored: int
    """Values of time series that were stored."""
    refused: int
    """What went to the quarantine: values, and payloads that have none."""
    receipt: str
    """Of what was stored, by the newest entry of each shard; empty where nothing was."""


class Seen(NamedTuple):
    """When an agent was heard of: a run of arrivals without a gap in which it would have been offline."""

    since_ms: int
    last_ms: int
    taken: Taken | None = None
    """None: no message of it was taken (since this is written down)."""

    def is_online(self, now_ms: int) -> bool:
        """Tell whether the run goes on."""
        return now_ms <= self.last_ms + AGENT_OFFLINE_S * SECOND_MS


def joined(one: Seen, other: Seen) -> Seen:
    """Give the run that two doors heard parts of; where there was a gap between them, the later one."""
    first, last = sorted((one, other), key=lambda seen: seen.last_ms)
    goes_on = first.is_online(last.since_ms)
    taken = max((seen.taken for seen in (one, other) if seen.taken is not None), default=None)
    return Seen(min(first.since_ms, last.since_ms) if goes_on else last.since_ms, last.last_ms, taken)


def check_name(name: str) -> list[Problem]:
    """Check what an agent is called."""
    if 1 <= len(name) <= NAME_CHARACTERS_MAX and name.isprintable():
        return []
    words = f"A name has 1 to {NAME_CHARACTERS_MAX} printable characters."
    return [Problem("/name", INVALID_BODY, words)]
