"""The fleet as calls: how a tenant's agents are."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from client.calls import Call, Request, decode

FLEET = "/api/aspectstore/v1/fleet"

PAGE_AGENTS = 100
"""The most that the service gives at once."""


class HealthValue(msgspec.Struct):
    """The newest value of one channel."""

    value: float | int | bool | str
    unit: str
    at: str


class Waiting(msgspec.Struct):
    """What of an agent waits in the quarantine."""

    records: int = 0
    values: int = 0
    bytes: int = 0
    oldest: str | None = None


class LastMessage(msgspec.Struct, rename="camel"):
    """The last message that was taken of an agent."""

    at: str
    correlation_id: str
    stored: int
    refused: int
    receipt: str | None = None
    state: str | None = None


class FleetAgent(msgspec.Struct, rename="camel"):
    """How an agent is."""

    id: str
    name: str
    state: str
    """`online`, `offline` or `never`."""
    boarding: str
    security_profile: str
    health: dict[str, HealthValue] = {}
    quarantine: Waiting = msgspec.field(default_factory=Waiting)
    since: str | None = None
    last_seen: str | None = None
    reported: str | None = None
    last_message: LastMessage | None = None
    at: str = ""
    """When it was said, where one agent was asked for."""


class FleetPage(msgspec.Struct):
    """Agents, by id."""

    at: str
    agents: list[FleetAgent]
    next: str | None = None
    """What `after` must be for the next page; None at the end."""


def fleet_page(
    wanted: Mapping[str, str], after: str | None = None, *, limit: int = PAGE_AGENTS
) -> Call[FleetPage]:
    """Read a page of the fleet; `wanted` may have `state`."""
    query = {**wanted, "limit": str(limit)} | ({} if after is None else {"after": after})
    path = f"{FLEET}?{urlencode(query, quote_via=quote)}"
    return Call(Request("GET", path), lambda response: decode(response, FleetPage))


def fleet_agent(agent_id: str) -> Call[FleetAgent]:
    """Read how one agent is; NotFound for an unknown one."""
    path = f"{FLEET}/{quote(agent_id, safe='')}"
    return Call(Request("GET", path), lambda response: decode(response, FleetAgent))
