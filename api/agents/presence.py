"""When agents were heard of: kept in the door's memory, told to the other doors once a minute.

Every request of an agent counts; what it costs is an assignment. Once a minute what is new goes into the
catalogue, in sixteen documents a tenant by the first digit of the agent's id: so that a document stays small,
and as many writes are made however many agents there are. Nobody follows these documents; who asks for the
status of an agent reads the one that names it. What was heard in the minute before a door dies is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from runtime.ports import Ports
from schemas.agents import Agent, Seen, Taken, joined
from schemas.errors import NotFound, Unavailable
from schemas.ids import TenantId
from schemas.limits import AGENTS_SEEN_S
from storage.changing import change
from storage.port import Document

log = structlog.get_logger(__name__)

KIND: Final = "agentsseen"
TRIES_MAX: Final = 10
"""Doors that tell of the same sixteenth of a tenant at the same moment."""

_decoder = msgspec.json.Decoder(dict[str, Seen])


class Presence:
    """When the agents of all tenants were heard of; one for each door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex) -> None:
        """Take the ports, for catalogue and clock, and the index that knows which agents there are."""
        self._catalog = ports.catalog
        self._clock = ports.clock
        self._index = index
        self._seen: dict[tuple[TenantId, str], Seen] = {}
        """Heard of here and not stored yet, or still online."""
        self._stored: dict[tuple[TenantId, str], Seen] = {}

    def saw(self, tenant: TenantId, agent_id: str) -> None:
        """Note that an agent was heard of now."""
        now_ms = self._clock.now_ms()
        known = self._seen.get((tenant, agent_id))
        since_ms = known.since_ms if known is not None and known.is_online(now_ms) else now_ms
        self._seen[tenant, agent_id] = Seen(since_ms, now_ms, None if known is None else known.taken)

    def took(self, tenant: TenantId, agent_id: str, taken: Taken) -> None:
        """Note what became of a message of an agent that was heard of a moment ago."""
        known = self._seen.get((tenant, agent_id))
        if known is not None:
            self._seen[tenant, agent_id] = known._replace(taken=taken)

    async def last(self, agent: Agent) -> Seen | None:
        """Tell when an agent was heard of last, at whatever door; None: never since it was made."""
        return (await self.last_of(agent.tenant, [agent])).get(agent.id)

    async def last_of(self, tenant: TenantId, agents: Iterable[Agent]) -> dict[str, Seen]:
        """Tell the same of many agents of a tenant, by id, from sixteen documents at most."""
        wanted = list(agents)
        digits = sorted({agent.id[0] for agent in wanted})
        documents = await asyncio.gather(*(self._catalog.get(tenant, KIND, digit) for digit in digits))
        stored = dict(zip(digits, map(_read, documents), strict=True))
        found: dict[str, Seen] = {}
        for agent in wanted:
            runs = [stored[agent.id[0]].get(agent.id), self._seen.get((tenant, agent.id))]
            # What was heard of an earlier agent of the same asset does not count.
            known = [run for run in runs if run is not None and run.last_ms >= agent.created_ms]
            if known:
                found[agent.id] = joined(known[0], known[-1])
        return found

    async def run(self) -> None:
        """Tell the other doors, until the door ends, and then once more."""
        try:
            while True:
                await asyncio.sleep(AGENTS_SEEN_S)
                await self._try()
        finally:
            await self._try()

    async def flush(self) -> None:
        """Store what is not stored yet, and forget what is."""
        now_ms = self._clock.now_ms()
        changed: dict[tuple[TenantId, str], dict[str, Seen]] = {}
        for key, seen in self._seen.items():
            if self._stored.get(key) != seen:
                tenant, agent_id = key
                changed.setdefault((tenant, agent_id[0]), {})[agent_id] = seen
        for (tenant, digit), seen_here in changed.items():
            stored = await self._store(tenant, digit, seen_here)
            self._stored |= {
                (tenant, agent_id): stored[agent_id] for agent_id in seen_here if agent_id in stored
            }
        self._forget(now_ms)

    # Inside.

    async def _try(self) -> None:
        try:
            await self.flush()
        except Unavailable as error:
            log.warning("agents_seen_not_stored", error=str(error))
        except Exception:
            log.exception("agents_seen_not_stored")

    async def _store(self, tenant: TenantId, digit: str, seen_here: dict[str, Seen]) -> dict[str, Seen]:
        try:
            agents = self._index.of(tenant).agents
        except NotFound:  # Erased meanwhile, with all that is kept of it.
            return {}

        def following(known: dict[str, Seen]) -> dict[str, Seen]:
            both = {agent_id: joined(seen, known.get(agent_id, seen)) for agent_id, seen in seen_here.items()}
            return {agent_id: seen for agent_id, seen in {**known, **both}.items() if agent_id in agents}

        words = "Many doors tell of agents at once."
        place = (tenant, KIND, digit)
        return await change(self._catalog, place, _read, following, tries_max=TRIES_MAX, failed=words)

    def _forget(self, now_ms: int) -> None:
        """Go on with the runs that are stored, and let go of those that are over."""
        for key, stored in list(self._stored.items()):
            seen = self._seen.get(key, stored)
            if not seen.is_online(now_ms):
                self._stored.pop(key)
                self._seen.pop(key, None)
            elif stored.last_ms == seen.last_ms:
                self._seen[key] = joined(stored, seen)  # A message may have been taken meanwhile.


def _read(document: Document | None) -> dict[str, Seen]:
    return {} if document is None else _decoder.decode(document.body)
