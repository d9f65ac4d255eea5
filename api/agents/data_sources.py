"""What agents say of their signals: configurations, each replaced as a whole under its number (wire 5.1).

A configuration is one document of the catalogue. A mapping that is not to outlive it names the number under
which it was made, so that it ends in the moment in which the next configuration is stored, at every door;
taking it out of the store is tidying up.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from api.agents.mappings import MappingService
from api.agents.service import AgentService
from api.catalog.index import CatalogIndex
from api.catalog.kinds import DATA_SOURCES
from runtime.ports import Ports
from schemas.data_sources import Configuration, check_configuration, etag_of
from schemas.errors import Invalid, PreconditionFailed
from schemas.ids import TenantId

STALE: Final = "The eTag is not that of the present configuration; read it again."


class KeptConfiguration(NamedTuple):
    """A configuration and its number; none before the first one."""

    value: Configuration | None
    etag: int


class DataSourceService:
    """The configurations of one installation; one for each door."""

    def __init__(
        self, ports: Ports, index: CatalogIndex, agents: AgentService, mappings: MappingService
    ) -> None:
        """Take the catalogue's port, the index that follows it, who knows the agents and the mappings."""
        self._store = ports.catalog
        self._index = index
        self._agents = agents
        self._mappings = mappings
        agents.farewells.append(self._forget)

    async def get(self, tenant: TenantId, agent_id: str) -> KeptConfiguration:
        """Give an agent's configuration, whole, from the store; NotFound if there is no such agent."""
        agent = await self._agents.find(tenant, agent_id)
        document = await self._store.get(tenant, DATA_SOURCES, agent.id)
        if document is None:
            return KeptConfiguration(None, 0)
        kept = msgspec.json.decode(document.body, type=Configuration)
        return KeptConfiguration(kept, etag_of(document.version))

    async def put(self, tenant: TenantId, new: Configuration, built_on: int | None) -> KeptConfiguration:
        """Replace a configuration; mappings that are not to be kept end with the one before.

        `built_on` is the number that must be the present one (None: whatever it is). NotFound without the
        agent, Invalid for what a rule forbids, PreconditionFailed for another number or a faster writer.
        """
        agent = await self._agents.find(tenant, new.agent_id)
        problems = check_configuration(new)
        if problems:
            raise Invalid(problems)
        document = await self._store.get(tenant, DATA_SOURCES, agent.id)
        present = 0 if document is None else etag_of(document.version)
        if built_on not in {None, present}:
            raise PreconditionFailed(STALE)
        body = msgspec.json.encode(new)
        if document is None:
            stored = await self._store.create(tenant, DATA_SOURCES, agent.id, body)
        else:
            stored = await self._store.replace(tenant, DATA_SOURCES, agent.id, body, document.version)
        if stored is None:
            raise PreconditionFailed(STALE)
        self._index.wrote(stored)
        await self._mappings.tidy(tenant, agent.id)
        return KeptConfiguration(new, etag_of(stored.version))

    async def _forget(self, tenant: TenantId, agent_id: str) -> None:
        document = await self._store.get(tenant, DATA_SOURCES, agent_id)
        if document is not None:
            await self._store.remove(tenant, DATA_SOURCES, agent_id, document.version)
            self._index.removed(tenant, DATA_SOURCES, agent_id)
