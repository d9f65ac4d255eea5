"""The fleet on the wire: how agents are, in the service's own words."""

from __future__ import annotations

import msgspec

from api.agents.fleet import Condition, Hearing
from api.reading.receipts import Fate
from schemas.agents import BoardingStatus, SecurityProfile
from schemas.times import format_time


class HealthValueOut(msgspec.Struct):
    """The newest value of one channel."""

    value: float | int | bool | str
    unit: str
    """Empty for what is counted in itself."""
    at: str
    """When the agent measured it, by its clock."""


class QuarantineOut(msgspec.Struct, omit_defaults=True):
    """What of an agent waits as recoverable records."""

    records: int
    values: int
    bytes: int
    oldest: str | msgspec.UnsetType = msgspec.UNSET
    """When the oldest came; absent where nothing waits."""


class LastMessageOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """The last message that was taken of an agent."""

    at: str
    correlation_id: str
    stored: int
    """Values of time series that were stored …"""
    refused: int
    """… and what went to the quarantine."""
    receipt: str | msgspec.UnsetType = msgspec.UNSET
    """Of what was stored; absent where nothing was."""
    state: Fate | msgspec.UnsetType = msgspec.UNSET
    """What became of it; where one agent is asked for."""


class FleetAgentOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """How an agent is."""

    id: str
    name: str
    state: Hearing
    boarding: BoardingStatus
    security_profile: SecurityProfile
    health: dict[str, HealthValueOut]
    """What it reported of itself, by channel: `backlog`, `clock_offset`, `firmware`, `sensor_faults` …"""
    quarantine: QuarantineOut
    since: str | msgspec.UnsetType = msgspec.UNSET
    """Since when it is online, or was before it went offline; absent where it was never heard of."""
    last_seen: str | msgspec.UnsetType = msgspec.UNSET
    reported: str | msgspec.UnsetType = msgspec.UNSET
    """When it measured the newest of its health; absent where it has reported nothing."""
    last_message: LastMessageOut | msgspec.UnsetType = msgspec.UNSET


class FleetOneOut(FleetAgentOut, kw_only=True, rename="camel", omit_defaults=True):
    """How an agent is now."""

    at: str
    """When this was said, by the service's clock."""


class FleetOut(msgspec.Struct, omit_defaults=True):
    """A page of agents, by id."""

    at: str
    """When this was said, by the service's clock."""
    agents: list[FleetAgentOut]
    next: str | msgspec.UnsetType = msgspec.UNSET
    """What `after` must be for the next page; absent on the last one."""


def fleet_agent_out(condition: Condition) -> FleetAgentOut:
    """Write how an agent is."""
    agent, seen, waiting = condition.agent, condition.seen, condition.waiting
    reported = [value.time_ms for value in condition.health.values()]
    return FleetAgentOut(
        id=agent.id,
        name=agent.name,
        state=condition.hearing,
        boarding=condition.boarding,
        security_profile=agent.security_profile,
        health={
            channel: HealthValueOut(value.value, value.unit, format_time(value.time_ms))
            for channel, value in sorted(condition.health.items())
        },
        quarantine=QuarantineOut(waiting.records, waiting.values, waiting.bytes, _time(waiting.oldest_ms)),
        since=_time(None if seen is None else seen.since_ms),
        last_seen=_time(None if seen is None else seen.last_ms),
        reported=_time(max(reported, default=None)),
        last_message=_message(condition),
    )


def fleet_one_out(condition: Condition, now_ms: int) -> FleetOneOut:
    """Write how an agent is now."""
    return FleetOneOut(**msgspec.structs.asdict(fleet_agent_out(condition)), at=format_time(now_ms))


def _message(condition: Condition) -> LastMessageOut | msgspec.UnsetType:
    taken = None if condition.seen is None else condition.seen.taken
    if taken is None:
        return msgspec.UNSET
    return LastMessageOut(
        format_time(taken.at_ms),
        taken.correlation_id,
        taken.stored,
        taken.refused,
        taken.receipt or msgspec.UNSET,
        msgspec.UNSET if condition.fate is None else condition.fate,
    )


def _time(time_ms: int | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if time_ms is None else format_time(time_ms)
