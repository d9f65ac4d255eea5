"""Mappings as tenants and agents make and remove them (wire 6.1, MS-85).

The mappings of an agent into one aspect of one asset are one document, changed by compare-and-set: the rules
that two mappings can break together bind no others, so they hold whichever doors write at the same moment.
A document that has lost its last mapping stays, because a new one in its place would begin at version 0 again
and a slow writer could take it for the one that it read.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from api.agents.service import AgentService
from api.catalog.index import CatalogIndex
from api.catalog.kinds import DATA_SOURCES, MAPPING
from api.catalog.mapping_index import MappingIndex, Placed
from api.identity.tokens import Identity
from runtime.ports import Ports
from schemas import codes
from schemas.aspects import AspectType, Variable
from schemas.data_sources import NO_POINTS, POINT_ID_CHARACTERS_MAX, Points, etag_of, points_in
from schemas.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutcomeUnknown,
    Problem,
    StoreUnavailable,
    Unavailable,
)
from schemas.ids import SeriesId, TenantId
from schemas.mappings import (
    MAPPINGS_OF_AGENT_MAX,
    MAPPINGS_OF_POINT_MAX,
    MAPPINGS_OF_TENANT_MAX,
    FedAspect,
    MappedAspect,
    Mapping,
    find_clash,
)
from storage.port import Document

UNKNOWN: Final = "There is no such mapping."
"""The words for an unknown one, another tenant's, and for an agent another agent's."""

TRIES_MAX: Final = 20
"""Of one change, where other doors change the same mappings: one of them succeeds each time."""

_LEFT: Final = (NotFound, Unavailable, OutcomeUnknown)
"""How tidying up may fail: the agent is gone with all it had, or the store is for a moment."""

TIDIED_AT_ONCE: Final = 16
"""Documents that are rewritten side by side after a change of configuration."""


class Asked(NamedTuple):
    """A mapping as it is asked for: by the names that things have."""

    agent_id: str
    data_point_id: str
    asset_id: str
    aspect_name: str
    variable_name: str
    keep: bool


class _Joined(NamedTuple):
    """What a mapping joins, as it was found."""

    points: Points
    series: SeriesId
    aspect: AspectType
    variable: Variable


class MappingService:
    """The mappings of one installation; one for each door."""

    def __init__(self, ports: Ports, index: CatalogIndex, agents: AgentService) -> None:
        """Take the catalogue's port, the index that follows it, and who knows the agents."""
        self._store = ports.catalog
        self._index = index
        self._agents = agents
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        """By tenant and document: this door's own writers wait for one another, and do not race."""
        agents.farewells.append(self._forget)

    # Asking.

    def of(self, tenant: TenantId) -> MappingIndex:
        """Give all mappings of a tenant, and the routes of its agents, from memory."""
        return self._index.of(tenant).mappings

    async def get(self, caller: Identity, mapping_id: str) -> Placed:
        """Give a mapping; NotFound if there is none, or it is another agent's than the one that asks."""
        return await self._index.look(caller.tenant, lambda part: _found(part.mappings, caller, mapping_id))

    # Changing.

    async def create(self, caller: Identity, asked: Asked, *, agent_validation: bool) -> Placed:
        """Make a mapping.

        Forbidden to another agent. Invalid if agent, data point, asset, aspect or variable are not there or
        the types differ; without `agent_validation` the data point may be missing. Conflict if the agent
        feeds the variable already, or the data point another variable of the same aspect.
        """
        if caller.agent not in {None, asked.agent_id}:
            raise Forbidden("The token is an agent's; it makes mappings of its own only.")
        found = await self._joined(caller.tenant, asked, agent_validation=agent_validation)
        self._demand_room(caller.tenant, asked)
        mapping = Mapping(
            id=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            data_point_id=asked.data_point_id,
            variable_id=found.variable.id,
            variable_name=found.variable.name,
            keep=asked.keep,
            made_under=found.points.etag,
        )
        fed = FedAspect.of(asked.aspect_name, found.aspect)
        first = MappedAspect(
            agent_id=self._index.of(caller.tenant).agent(asked.agent_id).value.id,
            asset_id=found.series.asset,
            aspect_id=found.series.aspect,
            aspect_name=asked.aspect_name,
        )

        def with_it(group: MappedAspect) -> Sequence[Mapping]:
            left = [each for each in group.living(found.points) if not each.gives_way(mapping, fed)]
            clash = find_clash(mapping, left)
            if clash:
                raise Conflict(clash)
            return (*left, mapping)

        group = await self._change(caller.tenant, first.id, with_it, first)
        return Placed(group, mapping)

    async def remove(self, caller: Identity, mapping_id: str) -> None:
        """Remove a mapping; NotFound as `get` says."""
        placed = await self.get(caller, mapping_id)

        def without_it(group: MappedAspect) -> Sequence[Mapping]:
            left = [each for each in group.mappings if each.id != mapping_id]
            if len(left) == len(group.mappings):
                raise NotFound(UNKNOWN)
            return left

        await self._change(caller.tenant, placed.group.id, without_it)

    async def tidy(self, tenant: TenantId, agent_id: str) -> None:
        """Take out of the store what changes of an agent's configuration have taken away.

        What cannot be taken out now goes with the next change: nobody sees it any more.
        """
        index = self.of(tenant)
        points = index.points_of(agent_id)

        def living(group: MappedAspect) -> Sequence[Mapping]:
            return group.living(points)

        groups = [group for group in index.groups_of(agent_id) if living(group) != list(group.mappings)]
        for place in range(0, len(groups), TIDIED_AT_ONCE):
            some = groups[place : place + TIDIED_AT_ONCE]
            changes = (self._change(tenant, group.id, living) for group in some)
            for outcome in await asyncio.gather(*changes, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, _LEFT):
                    raise outcome

    # Inside.

    async def _joined(self, tenant: TenantId, asked: Asked, *, agent_validation: bool) -> _Joined:
        """Find what a mapping is to join; what memory says against it is looked at once more."""
        points = await self._points(tenant, asked.agent_id)
        problems, joined = await self._look(tenant, asked, points, agent_validation=agent_validation)
        if problems:
            await self._index.refresh()
            problems, joined = await self._look(tenant, asked, points, agent_validation=agent_validation)
        if joined is None:
            raise Invalid(problems)
        return joined

    async def _points(self, tenant: TenantId, agent_id: str) -> Points:
        """Give the present configuration: another door may have changed it a moment ago."""
        try:
            await self._agents.find(tenant, agent_id)
        except NotFound as error:
            raise Invalid([Problem("/agentId", codes.INVALID_BODY, error.message)]) from error
        document = await self._store.get(tenant, DATA_SOURCES, agent_id)
        if document is None:
            return NO_POINTS
        known = self.of(tenant).points_of(agent_id)
        is_known = known.etag == etag_of(document.version)
        return known if is_known else points_in(document.body, document.version)

    async def _look(
        self, tenant: TenantId, asked: Asked, points: Points, *, agent_validation: bool
    ) -> tuple[list[Problem], _Joined | None]:
        problems = []
        point = points.by_id.get(asked.data_point_id)
        if not 1 <= len(asked.data_point_id) <= POINT_ID_CHARACTERS_MAX:
            problems.append(_problem("/dataPointId", f"It has 1 to {POINT_ID_CHARACTERS_MAX} characters."))
        elif point is None and agent_validation:
            problems.append(_problem("/dataPointId", "The agent's configuration has no such data point."))
        try:
            await self._index.find_asset(tenant, asked.asset_id)
        except NotFound as error:
            return [*problems, _problem("/entityId", error.message)], None
        try:
            series, aspect = await self._index.find_series(tenant, asked.asset_id, asked.aspect_name)
        except NotFound as error:
            return [*problems, _problem("/propertySetName", error.message)], None
        variable = aspect.variable(asked.variable_name)
        if variable is None:
            return [*problems, _problem("/propertyName", "The aspect has no such variable.")], None
        if point is not None and point.type is not variable.type:
            words = f"The data point is {point.type.value} and the variable {variable.type.value}."
            problems.append(_problem("/dataPointId", f"{words} Their types must be the same."))
        return problems, None if problems else _Joined(points, series, aspect, variable)

    def _demand_room(self, tenant: TenantId, asked: Asked) -> None:
        """Raise Conflict where there are too many mappings; two doors at once may each let one in."""
        index = self.of(tenant)
        placed = index.placed_of(asked.agent_id)
        of_point = sum(each.mapping.data_point_id == asked.data_point_id for each in placed)
        if of_point >= MAPPINGS_OF_POINT_MAX:
            raise Conflict(f"A data point has at most {MAPPINGS_OF_POINT_MAX} mappings.")
        if len(placed) >= MAPPINGS_OF_AGENT_MAX:
            raise Conflict(f"An agent has at most {MAPPINGS_OF_AGENT_MAX} mappings.")
        if index.count >= MAPPINGS_OF_TENANT_MAX:
            raise Conflict(f"A tenant has at most {MAPPINGS_OF_TENANT_MAX} mappings.")

    async def _change(
        self,
        tenant: TenantId,
        group_id: str,
        following: Callable[[MappedAspect], Sequence[Mapping]],
        first: MappedAspect | None = None,
    ) -> MappedAspect:
        """Store what follows on the mappings of a group, and give it; `first` is what begins one.

        `following` is asked again with what another door stored meanwhile. NotFound without a group.
        """
        async with self._turns.setdefault((tenant, group_id), asyncio.Lock()):
            for _ in range(TRIES_MAX):
                document = await self._store.get(tenant, MAPPING, group_id)
                known = first if document is None else msgspec.json.decode(document.body, type=MappedAspect)
                if known is None:
                    raise NotFound(UNKNOWN)
                wanted = msgspec.structs.replace(known, mappings=tuple(following(known)))
                if wanted == known:
                    return known
                stored = await self._put(tenant, wanted, document)
                if stored is not None:
                    self._index.wrote(stored)
                    return wanted
        raise StoreUnavailable("Other doors change the same mappings without end.")

    async def _put(self, tenant: TenantId, wanted: MappedAspect, over: Document | None) -> Document | None:
        body = msgspec.json.encode(wanted)
        if over is None:
            return await self._store.create(tenant, MAPPING, wanted.id, body)
        return await self._store.replace(tenant, MAPPING, wanted.id, body, over.version)

    async def _forget(self, tenant: TenantId, agent_id: str) -> None:
        """Remove all mappings of an agent that goes."""
        for group in self.of(tenant).groups_of(agent_id):
            while document := await self._store.get(tenant, MAPPING, group.id):
                if await self._store.remove(tenant, MAPPING, group.id, document.version):
                    break
            self._index.removed(tenant, MAPPING, group.id)


def _found(index: MappingIndex, caller: Identity, mapping_id: str) -> Placed:
    placed = index.find(mapping_id)
    if placed is None or caller.agent not in {None, placed.group.agent_id}:
        raise NotFound(UNKNOWN)
    return placed


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, codes.INVALID_BODY, message)
