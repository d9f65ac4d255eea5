"""The fleet: how a tenant's agents are, from what arrives of them (design 9.9).

Nothing is stored for it. When an agent was heard of stands in sixteen documents a tenant; how it is on its
way in, what of it waits in the quarantine, and into which variables its health goes is in the door's memory;
its health is the newest values of those variables, of a page of agents side by side.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from api.agents.service import AgentService
from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import TenantIndex
from api.identity.tokens import Identity
from api.reading.fresh import last_cell
from api.reading.receipts import Fate
from api.series.service import SeriesService
from api.shares.access import Access
from runtime.ports import Clock
from schemas.agents import Agent, BoardingStatus, Seen
from schemas.devices.health import CHANNELS, HealthValue
from schemas.errors import NotFound
from schemas.ids import SeriesId
from schemas.limits import FLEET_LOOKED_BACK_MS, RECORD_AHEAD_MS_MAX
from schemas.mappings import RoutedAspect
from schemas.quarantine import Quarantined
from storage.spans import Wanted

NO_AGENT: Final = "There is no such agent."

_AT_ONCE: Final = 64
"""Series whose newest values are asked for side by side: they share the round trips to the stream server."""


class Hearing(Enum):
    """Whether an agent is heard of."""

    ONLINE = "online"
    OFFLINE = "offline"
    """Not for five minutes."""
    NEVER = "never"
    """Not since it was made."""


class Waiting(NamedTuple):
    """What of an agent waits in the quarantine."""

    records: int = 0
    values: int = 0
    bytes: int = 0
    oldest_ms: int | None = None

    def more(self, record: Quarantined) -> Waiting:
        """Count one more record."""
        times = [record.request_ms, *([] if self.oldest_ms is None else [self.oldest_ms])]
        size = self.bytes + record.content.size
        return Waiting(self.records + 1, self.values + record.values, size, min(times))


class Condition(NamedTuple):
    """How one agent is."""

    agent: Agent
    hearing: Hearing
    seen: Seen | None
    """None: never."""
    boarding: BoardingStatus
    waiting: Waiting
    health: dict[str, HealthValue]
    """By channel; what no mapping takes, or nobody reported for a month, lacks."""
    fate: Fate | None = None
    """What became of the last message's values; where one agent is asked for."""


class Fleet:
    """The fleets of all tenants; one for each door."""

    def __init__(
        self, clock: Clock, index: CatalogIndex, access: Access, agents: AgentService, series: SeriesService
    ) -> None:
        """Take clock and index, who reaches which assets, who knows the agents, and what reads series."""
        self._clock = clock
        self._index = index
        self._access = access
        self._agents = agents
        self._series = series

    async def page(
        self, caller: Identity, *, hearing: Hearing | None, after: str, limit: int
    ) -> tuple[list[Condition], str | None]:
        """Give the agents of the caller's own assets by id, and where the next page begins."""
        agents = sorted(
            (
                kept.value
                for kept in self._agents.listed(caller.tenant)
                if kept.value.id >= after and self._access.is_own(caller, kept.value.id)
            ),
            key=lambda agent: agent.id,
        )
        if hearing is None:
            agents = agents[: limit + 1]
        seen = await self._agents.presence.last_of(caller.tenant, agents)
        if hearing is not None:
            agents = [agent for agent in agents if self._hearing(seen.get(agent.id)) is hearing]
        following = agents[limit].id if len(agents) > limit else None
        return await self._conditions(caller, agents[:limit], seen), following

    async def one(self, caller: Identity, agent_id: str) -> Condition:
        """Give one agent, and what became of its last message; NotFound for an unknown and a foreign one."""
        agent = await self._agents.find(caller.tenant, agent_id)
        if not self._access.is_own(caller, agent.id):
            raise NotFound(NO_AGENT)
        seen = await self._agents.presence.last_of(caller.tenant, [agent])
        (found,) = await self._conditions(caller, [agent], seen)
        taken = None if found.seen is None else found.seen.taken
        if taken is None or not taken.receipt:
            return found
        receipts = self._series.receipts
        fate, _ = await receipts.fate(receipts.read(caller.tenant, taken.receipt))
        return found._replace(fate=fate)

    # Inside.

    def _hearing(self, seen: Seen | None) -> Hearing:
        if seen is None:
            return Hearing.NEVER
        return Hearing.ONLINE if seen.is_online(self._clock.now_ms()) else Hearing.OFFLINE

    async def _conditions(
        self, caller: Identity, agents: Sequence[Agent], seen: dict[str, Seen]
    ) -> list[Condition]:
        waiting = _waiting(self._index.of(caller.tenant), {agent.id for agent in agents})
        health = await self._health(caller, agents)
        return [
            Condition(
                agent,
                self._hearing(seen.get(agent.id)),
                seen.get(agent.id),
                self._agents.boarding.status(agent),
                waiting[agent.id],
                health[agent.id],
            )
            for agent in agents
        ]

    async def _health(self, caller: Identity, agents: Iterable[Agent]) -> dict[str, dict[str, HealthValue]]:
        """Read what agents reported of themselves, by agent and channel."""
        part = self._index.of(caller.tenant)
        asked = [
            (agent.id, series, channels)
            for agent in agents
            for series, channels in self._reported(caller, part, agent)
        ]
        found: dict[str, dict[str, HealthValue]] = defaultdict(dict)
        for first in range(0, len(asked), _AT_ONCE):
            some = asked[first : first + _AT_ONCE]
            newest = await asyncio.gather(*(self._newest(caller, of, named) for _, of, named in some))
            for (agent_id, _, _), values in zip(some, newest, strict=True):
                found[agent_id] |= values
        return found

    def _reported(
        self, caller: Identity, part: TenantIndex, agent: Agent
    ) -> list[tuple[RoutedAspect, dict[int, tuple[str, str]]]]:
        """Say where an agent's health goes: series, and (channel, unit) by number of the variable.

        Of several places the first one; places that are not the caller's own are none.
        """
        routes = part.mappings.routes_of(agent.id)
        found: dict[int, dict[int, tuple[str, str]]] = {}
        for channel, point_id in routes.points.channels.items():
            for route in routes.by_point.get(point_id, ()):
                if self._access.is_own(caller, routes.aspects[route.place].asset_id):
                    unit = route.variable.unit or CHANNELS[channel]
                    found.setdefault(route.place, {})[route.variable.id] = (channel, unit)
                    break
        return [(routes.aspects[place], channels) for place, channels in found.items()]

    async def _newest(
        self, caller: Identity, of: RoutedAspect, channels: dict[int, tuple[str, str]]
    ) -> dict[str, HealthValue]:
        now_ms = self._clock.now_ms()
        span = now_ms - FLEET_LOOKED_BACK_MS, now_ms + RECORD_AHEAD_MS_MAX + 1
        series = SeriesId(caller.tenant, of.asset_id, of.aspect_id)
        rows = await self._series.reading.latest(series, of.type, Wanted(*span, frozenset(channels)))
        values = {}
        for variable, column in rows.columns.cells.items():
            cell = last_cell(rows.columns.time_ms, column)
            if cell is not None:
                channel, unit = channels[variable]
                values[channel] = HealthValue(cell.value, unit, cell.time_ms)
        return values


def _waiting(part: TenantIndex, agents: set[str]) -> dict[str, Waiting]:
    found: dict[str, Waiting] = defaultdict(Waiting)
    for kept in part.quarantined.values():
        if kept.value.agent in agents:
            found[kept.value.agent] = found[kept.value.agent].more(kept.value)
    return found
