"""Agents and what they are told, as they stand on the wire (wire 5.1-5.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from api.agents.iam import Given, Issued
from api.catalog.tenant_index import Kept
from api.http.filters import Field
from api.http.spring import SpringPage
from api.identity.agent_tokens import Named
from api.identity.scopes import DEFAULT_AGENT
from schemas.agents import Agent, BoardingStatus, Registration, SecurityProfile, Seen
from schemas.durations import SECOND_MS
from schemas.limits import AGENT_TOKEN_S
from schemas.times import format_time


class AgentChange(msgspec.Struct, rename="camel"):
    """What can be changed of an agent; other members are ignored."""

    name: str
    """Unique in the tenant; at most 128 characters."""
    security_profile: SecurityProfile
    """How the agent proves who it is; fixed while it is onboarded."""


class AgentIn(AgentChange, rename="camel", kw_only=True):
    """A new agent; other members are ignored."""

    entity_id: str
    """The asset for which it stands, of `core.basicagent` or of a type below it."""


class AgentOut(msgspec.Struct, rename="camel"):
    """An agent."""

    id: str
    """That of its asset."""
    e_tag: str
    """For `If-Match`."""
    name: str
    security_profile: SecurityProfile
    entity_id: str


class AgentPage(SpringPage, rename="camel", kw_only=True):
    """A page of agents."""

    content: list[AgentOut]


class AgentStatusOut(msgspec.Struct):
    """Whether an agent is heard of."""

    status: str
    """`ONLINE` or `OFFLINE`."""
    since: str
    """When it was first heard of in this run, or last in the run before; or when it was made."""


class BoardingStatusOut(msgspec.Struct):
    """How far an agent is on its way in."""

    status: BoardingStatus


class BoardingContent(msgspec.Struct, rename="camel"):
    """By what an agent registers, once."""

    base_url: str
    """The only address that an agent ever uses."""
    iat: str
    """The initial access token."""
    client_credential_profile: list[SecurityProfile]
    client_id: str
    tenant: str


class BoardingConfiguration(msgspec.Struct):
    """What an agent's device is given."""

    content: BoardingContent
    expiration: str
    """Until when it can be used."""


class JsonWebKeys(msgspec.Struct):
    """Keys, of which an agent has one."""

    keys: list[dict[str, Any]]


class RegistrationIn(msgspec.Struct):
    """What an agent registers with: its public key, or nothing."""

    jwks: JsonWebKeys | msgspec.UnsetType = msgspec.UNSET


class RotationIn(RegistrationIn):
    """What an agent renews."""

    client_id: str | msgspec.UnsetType = msgspec.UNSET
    """Its own."""


class RegistrationOut(msgspec.Struct, kw_only=True):
    """What an agent proves itself with from now on."""

    client_id: str
    client_secret: str | msgspec.UnsetType = msgspec.UNSET
    """Shown once; absent where the agent has a key."""
    client_secret_expires_at: int
    """Seconds since 1970; for a key, too."""
    grant_types: list[str]
    registration_access_token: str
    """By which the agent renews it."""
    registration_client_uri: str
    token_endpoint_auth_method: str
    """`client_secret_jwt` or `private_key_jwt`."""


class AgentTokenForm(msgspec.Struct):
    """By what an agent asks for an access token."""

    grant_type: str
    """`client_credentials`."""
    client_assertion_type: str
    """`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`."""
    client_assertion: str
    """A JWT that the agent has signed: HS256 with its secret, RS256, RS384 or RS512 with its key."""


class AgentToken(msgspec.Struct):
    """An access token of an agent."""

    access_token: str
    token_type: str
    """`bearer`."""
    expires_in: int
    """Seconds."""
    jti: str
    scope: list[str]


FIELDS: dict[str, Field[Kept[Agent]]] = {
    "id": Field(lambda kept: kept.value.id),
    "name": Field(lambda kept: kept.value.name),
    "securityProfile": Field(lambda kept: kept.value.security_profile.value),
    "entityId": Field(lambda kept: kept.value.id),
}
"""What lists are filtered and sorted by."""


def agent_out(kept: Kept[Agent]) -> AgentOut:
    """Write an agent."""
    agent = kept.value
    return AgentOut(agent.id, str(kept.version), agent.name, agent.security_profile, agent.id)


def status_out(agent: Agent, seen: Seen | None, now_ms: int) -> AgentStatusOut:
    """Write whether an agent is heard of."""
    if seen is None:
        return AgentStatusOut("OFFLINE", format_time(agent.created_ms))
    if seen.is_online(now_ms):
        return AgentStatusOut("ONLINE", format_time(seen.since_ms))
    return AgentStatusOut("OFFLINE", format_time(seen.last_ms))


def configuration_out(agent: Agent, registration: Registration, origin: str) -> BoardingConfiguration:
    """Write a boarding configuration."""
    content = BoardingContent(
        origin, registration.initial_token, [agent.security_profile], agent.id, agent.tenant
    )
    return BoardingConfiguration(content, format_time(registration.initial_expires_s * SECOND_MS))


def registration_out(named: Named, given: Given, origin: str) -> RegistrationOut:
    """Write what a registration or a rotation gave."""
    return RegistrationOut(
        client_id=named.agent,
        client_secret_expires_at=given.credentials.expires_s,
        grant_types=["client_credentials"],
        registration_access_token=given.access_token,
        registration_client_uri=f"{origin}/api/agentmanagement/v3/register/{named.agent}",
        token_endpoint_auth_method="client_secret_jwt" if given.secret else "private_key_jwt",
        client_secret=given.secret or msgspec.UNSET,
    )


def token_out(issued: Issued) -> AgentToken:
    """Write an access token."""
    return AgentToken(issued.token, "bearer", AGENT_TOKEN_S, issued.id, [DEFAULT_AGENT])
