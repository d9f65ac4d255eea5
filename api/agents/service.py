"""Agents of a tenant: made for assets, changed and removed in the catalogue, each under its ETag (wire 5.1).

An agent is there as long as its asset is. Its name is a document of its own, so that no two agents
of a tenant share it, whichever doors make them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from api.agents.boarding import Boarding
from api.agents.iam import ASSERTIONS, AgentIam
from api.agents.presence import Presence
from api.catalog.index import CatalogIndex
from api.catalog.kinds import AGENT
from api.catalog.tenant_index import Kept, TenantIndex
from api.catalog.versions import STALE, present
from api.http.hal import Preconditions
from api.identity.service import IdentityService
from runtime.ports import Ports
from schemas import codes
from schemas.agents import AGENT_TYPE, Agent, BoardingStatus, SecurityProfile, check_name
from schemas.errors import Conflict, Invalid, PreconditionFailed, Problem
from schemas.ids import AssetId, TenantId
from schemas.limits import AGENTS_OF_TENANT_MAX

Farewell = Callable[[TenantId, str], Awaitable[None]]
"""What removes something that goes with an agent, by tenant and agent id; once more is harmless."""

_NAME: Final = "agentname"


CLAIM_MS: Final = 60_000
"""A name is taken before its agent is stored; one whose agent is still not there after so long is free."""


class _Name(msgspec.Struct, frozen=True):
    """Which agent has a name, stored under a hash of the name."""

    agent: str
    taken_ms: int


class AgentService:
    """The agents of one installation; one for each door."""

    def __init__(self, ports: Ports, index: CatalogIndex, identity: IdentityService) -> None:
        """Take the ports, for catalogue and clock, the index that follows it, and what makes tokens."""
        self.presence = Presence(ports, index)
        self.boarding = Boarding(ports, index, identity)
        self.iam = AgentIam(ports, index, identity, self.boarding, self.presence)
        self._vault = identity.vault
        self._store = ports.catalog
        self._index = index
        self._clock = ports.clock
        self.farewells: list[Farewell] = []
        """Called when an agent is removed, before it is gone; what keeps things of agents adds itself."""

    # Asking.

    async def find(self, tenant: TenantId, agent_id: str) -> Agent:
        """Give an agent; NotFound for an unknown one, another tenant's, and one whose asset is gone."""
        return (await self.get(tenant, agent_id)).value

    async def get(self, tenant: TenantId, agent_id: str) -> Kept[Agent]:
        """Give an agent with its version; NotFound as `find` says."""
        return await self._index.look(tenant, lambda part: part.agent(agent_id))

    def listed(self, tenant: TenantId) -> list[Kept[Agent]]:
        """Give the agents of a tenant, in no order."""
        part = self._index.of(tenant)
        return [kept for agent_id, kept in part.agents.items() if agent_id in part.assets]

    # Changing.

    async def create(
        self, tenant: TenantId, asset_id: str, name: str, security_profile: SecurityProfile
    ) -> Kept[Agent]:
        """Make the agent of an asset; Conflict where the asset has one or another agent has the name."""
        _refuse(check_name(name))
        await self._index.refresh()
        part = self._index.of(tenant)
        _refuse(_check_asset(part, asset_id))
        if asset_id in part.agents:
            raise Conflict("The asset has an agent already.")
        self._demand_vault(security_profile)
        if len(part.agents) >= AGENTS_OF_TENANT_MAX:
            raise Conflict(f"A tenant has at most {AGENTS_OF_TENANT_MAX} agents.")
        new = Agent(
            id=AssetId(asset_id),
            tenant=tenant,
            name=name,
            security_profile=security_profile,
            created_ms=self._clock.now_ms(),
        )
        await self._take_name(new)
        stored = await self._store.create(tenant, AGENT, new.id, msgspec.json.encode(new))
        if stored is None:
            await self._free_name(new)
            raise Conflict("The asset has an agent already.")
        self._index.wrote(stored)
        return Kept(new, stored.version)

    async def replace(
        self,
        tenant: TenantId,
        agent_id: str,
        wanted: Preconditions,
        name: str,
        security_profile: SecurityProfile,
    ) -> Kept[Agent]:
        """Change name or profile; Conflict where another has the name, or a profile is in use."""
        built_on = wanted.required()
        old = await present(self._index, lambda: self.get(tenant, agent_id), built_on)
        _refuse(check_name(name))
        new = msgspec.structs.replace(old.value, name=name, security_profile=security_profile)
        if new.security_profile is not old.value.security_profile:
            self._demand_vault(new.security_profile)
            self._demand_outside(tenant, agent_id)
        await self._take_name(new)
        stored = await self._store.replace(tenant, AGENT, agent_id, msgspec.json.encode(new), built_on)
        if stored is None:
            raise PreconditionFailed(STALE)
        self._index.wrote(stored)
        if name != old.value.name:
            await self._free_name(old.value)
        return Kept(new, stored.version)

    async def remove(self, tenant: TenantId, agent_id: str, wanted: Preconditions) -> None:
        """Remove an agent with all that goes with it; Conflict while it is onboarded."""
        built_on = wanted.required()
        await self._index.refresh()
        kept = await present(self._index, lambda: self.get(tenant, agent_id), built_on)
        self._demand_outside(tenant, agent_id)
        await self._remove(kept)

    async def remove_with_asset(self, tenant: TenantId, asset_id: str) -> None:
        """Remove the agent of an asset that was just deleted, if it had one."""
        kept = self._index.of(tenant).agents.get(asset_id)
        if kept is not None:
            await self._remove(kept)

    # Inside.

    async def _remove(self, kept: Kept[Agent]) -> None:
        agent = kept.value
        for farewell in self.farewells:
            await farewell(agent.tenant, agent.id)
        await self.boarding.offboard(agent)
        used = await self._store.get(agent.tenant, ASSERTIONS, agent.id)
        if used is not None:
            await self._store.remove(agent.tenant, ASSERTIONS, agent.id, used.version)
        if not await self._store.remove(agent.tenant, AGENT, agent.id, kept.version):
            raise PreconditionFailed(STALE)
        self._index.removed(agent.tenant, AGENT, agent.id)
        await self._free_name(agent)

    def _demand_outside(self, tenant: TenantId, agent_id: str) -> None:
        agent = self._index.of(tenant).agent(agent_id).value
        if self.boarding.status(agent) is BoardingStatus.ONBOARDED:
            raise Conflict("The agent is onboarded; offboard it first.")

    def _demand_vault(self, security_profile: SecurityProfile) -> None:
        if security_profile is SecurityProfile.SHARED_SECRET and not self._vault.has_key:
            raise Conflict("Secrets need ASPECTSTORE_SECRETS_KEY at every process; or use RSA_3072.")

    async def _take_name(self, agent: Agent) -> None:
        """Make a name the agent's; Conflict if it is that of another one that is there."""
        place, now_ms = _place_of(agent.name), self._clock.now_ms()
        body = msgspec.json.encode(_Name(agent.id, now_ms))
        if await self._store.create(agent.tenant, _NAME, place, body) is not None:
            return
        document = await self._store.get(agent.tenant, _NAME, place)
        if document is not None:
            taken = msgspec.json.decode(document.body, type=_Name)
            if taken.agent == agent.id:
                return
            # Whoever took the name may have died before its agent was there, or after it was gone.
            is_free = now_ms > taken.taken_ms + CLAIM_MS and not await self._is_called(agent, taken.agent)
            if is_free and await self._store.replace(agent.tenant, _NAME, place, body, document.version):
                return
        raise Conflict("Another agent of the tenant has this name.")

    async def _is_called(self, like: Agent, agent_id: str) -> bool:
        document = await self._store.get(like.tenant, AGENT, agent_id)
        return document is not None and msgspec.json.decode(document.body, type=Agent).name == like.name

    async def _free_name(self, agent: Agent) -> None:
        place = _place_of(agent.name)
        document = await self._store.get(agent.tenant, _NAME, place)
        if document is None or msgspec.json.decode(document.body, type=_Name).agent != agent.id:
            return
        if not await self._is_called(agent, agent.id):
            await self._store.remove(agent.tenant, _NAME, place, document.version)


def _place_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _check_asset(part: TenantIndex, asset_id: str) -> list[Problem]:
    """Check that the asset is there and of a kind that has agents."""
    kept = part.assets.get(asset_id)
    if kept is None:
        return [Problem("/entityId", codes.INVALID_BODY, "There is no such asset.")]
    if all(each.id != AGENT_TYPE for each in part.chain(kept.value.type_id)):
        words = f"An agent's asset is of {AGENT_TYPE} or of a type below it, such as core.mclib."
        return [Problem("/entityId", codes.INVALID_BODY, words)]
    return []


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Invalid(list(problems))
