"""Event mappings as tenants and agents make, change and remove them, and as events go by them (wire 6.2).

All mappings of an agent are one document, changed by compare-and-set: so the rules that bind them together
hold whichever doors write at the same moment. Each mapping has a version of its own beside the document's,
which is its ETag. Whether a mapping is valid is not stored: it follows from its asset and its event type.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from api.agents.service import AgentService
from api.catalog.event_mapping_index import EventMappingIndex, PlacedEvent
from api.catalog.index import CatalogIndex
from api.catalog.kinds import EVENT_MAPPING
from api.catalog.versions import STALE
from api.events.types import EventTypes
from api.identity.tokens import Identity
from api.shares.access import Access
from runtime.ports import Ports
from schemas import codes
from schemas.devices.event_mappings import (
    AgentEvents,
    EventMapping,
    EventReason,
    Target,
    check_event_value,
    find_event_clash,
    judge_event_mapping,
    targets_of,
)
from schemas.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    StoreUnavailable,
)
from schemas.event_types import EventField
from schemas.ids import AssetId, TenantId
from storage.changing import change_document
from storage.port import Document

UNKNOWN: Final = "There is no such event mapping."
"""The words for an unknown one, another tenant's, and for an agent another agent's."""

TRIES_MAX: Final = 20
"""Of one change, where other doors change the mappings of the same agent: one of them succeeds each time."""


class AskedEvents(NamedTuple):
    """An event mapping as it is asked for."""

    agent_id: str
    asset_id: str
    type_id: str
    type_name: str
    field_name: str
    value: str


class ShownEvents(NamedTuple):
    """An event mapping as it is now."""

    placed: PlacedEvent
    type_name: str
    reasons: tuple[EventReason, ...]
    """Empty: it is valid."""


class EventMappingService:
    """The event mappings of one installation; one for each door."""

    def __init__(self, ports: Ports, index: CatalogIndex, access: Access, agents: AgentService) -> None:
        """Take the catalogue's port, its index, who reaches which assets, and who knows the agents."""
        self._store = ports.catalog
        self._index = index
        self._access = access
        self._agents = agents
        self._types = EventTypes(ports.catalog)
        agents.farewells.append(self._forget)

    # Asking.

    def of(self, tenant: TenantId) -> EventMappingIndex:
        """Give all event mappings of a tenant, from memory."""
        return self._index.of(tenant).mappings.events

    async def get(self, caller: Identity, mapping_id: str) -> PlacedEvent:
        """Give a mapping; NotFound if there is none, or it is another agent's than the one that asks."""
        return await self._index.look(
            caller.tenant, lambda part: _found(part.mappings.events, caller, mapping_id)
        )

    async def shown(self, tenant: TenantId, found: Sequence[PlacedEvent]) -> list[ShownEvents]:
        """Hold mappings against their assets and event types, each type read once."""
        known: dict[str, tuple[str, list[EventField]] | None] = {}
        for type_id in {placed.mapping.type_id for placed in found}:
            known[type_id] = await self._type(tenant, type_id)
        assets = self._index.of(tenant).assets
        shown = []
        for placed in found:
            mapping, kept = placed.mapping, known[placed.mapping.type_id]
            fields = None if kept is None else kept[1]
            reasons = judge_event_mapping(mapping, fields, has_asset=mapping.asset_id in assets)
            shown.append(ShownEvents(placed, mapping.type_name if kept is None else kept[0], reasons))
        return shown

    async def follow(self) -> None:
        """Take in what other doors have changed: an event that was stored at a wrong asset stays there."""
        await self._index.refresh()

    def targets(self, tenant: TenantId, agent_id: AssetId, members: dict[str, Any]) -> list[Target]:
        """Say to which assets an event of an agent goes, by what is known here."""
        return targets_of(self.of(tenant).of(agent_id), agent_id, members)

    # Changing.

    async def create(self, caller: Identity, asked: AskedEvents) -> PlacedEvent:
        """Make a mapping.

        Forbidden to another agent. Invalid if agent, asset, event type or field are not there, or the field
        has no such value; Conflict where there is such a mapping, or there are too many.
        """
        if caller.agent not in {None, asked.agent_id}:
            raise Forbidden("The token is an agent's; it makes event mappings of its own only.")
        try:
            agent = await self._agents.find(caller.tenant, asked.agent_id)
        except NotFound as error:
            raise Invalid([Problem("/agentId", codes.INVALID_BODY, error.message)]) from error
        new = await self._checked(caller, asked, _new_id(), 0)

        def with_it(known: AgentEvents) -> AgentEvents:
            _demand_room(new, known.mappings)
            return msgspec.structs.replace(known, mappings=(*known.mappings, new))

        await self._change(caller.tenant, agent.id, with_it)
        return PlacedEvent(agent.id, new)

    async def change(
        self, caller: Identity, mapping_id: str, wanted: int, asked: Callable[[PlacedEvent], AskedEvents]
    ) -> PlacedEvent:
        """Change a mapping of this version; `asked` says what it is to be, by what it is.

        NotFound as `get` says, PreconditionFailed for another version, Invalid and Conflict as `create` says.
        """
        placed = await self._of_version(caller, mapping_id, wanted)
        new = await self._checked(caller, asked(placed), mapping_id, wanted + 1)

        def with_it(known: AgentEvents) -> AgentEvents:
            _demand_version(known, mapping_id, wanted)
            _demand_room(new, [each for each in known.mappings if each.id != mapping_id])
            mappings = tuple(new if each.id == mapping_id else each for each in known.mappings)
            return msgspec.structs.replace(known, mappings=mappings)

        await self._change(caller.tenant, placed.agent_id, with_it)
        return PlacedEvent(placed.agent_id, new)

    async def remove(self, caller: Identity, mapping_id: str, wanted: int) -> None:
        """Remove a mapping of this version; NotFound and PreconditionFailed as `change` says."""
        placed = await self._of_version(caller, mapping_id, wanted)

        def without_it(known: AgentEvents) -> AgentEvents:
            _demand_version(known, mapping_id, wanted)
            mappings = tuple(each for each in known.mappings if each.id != mapping_id)
            return msgspec.structs.replace(known, mappings=mappings)

        await self._change(caller.tenant, placed.agent_id, without_it)

    # Inside.

    async def _checked(
        self, caller: Identity, asked: AskedEvents, mapping_id: str, version: int
    ) -> EventMapping:
        """Make what is asked for, if all that it names is there; else Invalid."""
        problems: list[Problem] = []
        try:
            await self._access.own_asset(caller, asked.asset_id)
        except NotFound as error:
            problems.append(_problem("/assetId", error.message))
        kept = await self._type(caller.tenant, asked.type_id)
        if kept is None:
            raise Invalid([*problems, _problem("/eventTypeId", "There is no such event type.")])
        name, fields = kept
        if name != asked.type_name:
            problems.append(_problem("/eventTypeName", f"The event type is called {name}."))
        field = next((each for each in fields if each.name == asked.field_name), None)
        if field is None:
            raise Invalid([*problems, _problem("/eventTypeFieldName", "The event type has no such field.")])
        problems += check_event_value(field, asked.value)
        if problems:
            raise Invalid(problems)
        return EventMapping(
            id=mapping_id,
            asset_id=AssetId(asked.asset_id),
            type_id=asked.type_id,
            type_name=name,
            field=field,
            value=asked.value,
            version=version,
        )

    async def _type(self, tenant: TenantId, type_id: str) -> tuple[str, list[EventField]] | None:
        """Give name and fields of an event type; None if there is none."""
        try:
            kept = await self._types.get(tenant, type_id)
        except NotFound:
            return None
        return kept.value.name, await self._types.fields_of(tenant, type_id) or []

    async def _of_version(self, caller: Identity, mapping_id: str, wanted: int) -> PlacedEvent:
        """Give a mapping of this version; what memory says against it is looked at once more."""
        placed = await self.get(caller, mapping_id)
        if placed.mapping.version != wanted:
            await self._index.refresh()
            placed = _found(self.of(caller.tenant), caller, mapping_id)
        if placed.mapping.version != wanted:
            raise PreconditionFailed(STALE)
        return placed

    async def _change(
        self, tenant: TenantId, agent_id: AssetId, following: Callable[[AgentEvents], AgentEvents]
    ) -> None:
        def read(document: Document | None) -> AgentEvents:
            if document is None:
                return AgentEvents(agent_id)
            return msgspec.json.decode(document.body, type=AgentEvents)

        changed = await change_document(
            self._store,
            (tenant, EVENT_MAPPING, agent_id),
            read,
            following,
            tries_max=TRIES_MAX,
            failed=StoreUnavailable("Other doors change the same event mappings without end."),
        )
        if changed.document is not None:
            self._index.wrote(changed.document)

    async def _forget(self, tenant: TenantId, agent_id: str) -> None:
        """Remove all event mappings of an agent that goes."""
        while document := await self._store.get(tenant, EVENT_MAPPING, agent_id):
            if await self._store.remove(tenant, EVENT_MAPPING, agent_id, document.version):
                break
        self._index.removed(tenant, EVENT_MAPPING, agent_id)


def _found(index: EventMappingIndex, caller: Identity, mapping_id: str) -> PlacedEvent:
    placed = index.find(mapping_id)
    if placed is None or caller.agent not in {None, placed.agent_id}:
        raise NotFound(UNKNOWN)
    return placed


def _demand_version(known: AgentEvents, mapping_id: str, wanted: int) -> None:
    present = next((each for each in known.mappings if each.id == mapping_id), None)
    if present is None:
        raise NotFound(UNKNOWN)
    if present.version != wanted:
        raise PreconditionFailed(STALE)


def _demand_room(new: EventMapping, others: Iterable[EventMapping]) -> None:
    clash = find_event_clash(new, list(others))
    if clash:
        raise Conflict(clash)


def _new_id() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, codes.INVALID_BODY, message)
