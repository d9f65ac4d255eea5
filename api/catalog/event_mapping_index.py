"""The event mappings of one tenant in a door's memory: part of its index, fed as that is, without I/O."""

from __future__ import annotations

from typing import NamedTuple

from schemas.devices.event_mappings import AgentEvents, EventMapping
from schemas.ids import AssetId


class KeptEvents(NamedTuple):
    """The event mappings of an agent, and the row version of their document."""

    value: AgentEvents
    version: int


class PlacedEvent(NamedTuple):
    """An event mapping and the agent whose it is."""

    agent_id: AssetId
    mapping: EventMapping


class EventMappingIndex:
    """The event mappings of all agents of one tenant."""

    def __init__(self) -> None:
        """Start empty."""
        self._of: dict[str, KeptEvents] = {}
        """By agent."""
        self._places: dict[str, PlacedEvent] = {}
        """By id of the mapping."""

    def put(self, kept: KeptEvents) -> None:
        """Take in the mappings of an agent, in the place of those that were known."""
        agent_id = kept.value.agent_id
        self.drop(agent_id)
        self._of[agent_id] = kept
        self._places |= {each.id: PlacedEvent(agent_id, each) for each in kept.value.mappings}

    def drop(self, agent_id: str) -> None:
        """Forget the mappings of an agent."""
        kept = self._of.pop(agent_id, None)
        for mapping in () if kept is None else kept.value.mappings:
            self._places.pop(mapping.id, None)

    def kept(self, agent_id: str) -> KeptEvents | None:
        """Find the document of an agent's mappings."""
        return self._of.get(agent_id)

    def of(self, agent_id: str) -> tuple[EventMapping, ...]:
        """Give the mappings of an agent."""
        kept = self._of.get(agent_id)
        return () if kept is None else kept.value.mappings

    def find(self, mapping_id: str) -> PlacedEvent | None:
        """Find a mapping by its id."""
        return self._places.get(mapping_id)

    def placed(self, agent_id: str | None) -> list[PlacedEvent]:
        """List the mappings of an agent, else of all, in the same order at every door."""
        if agent_id is not None:
            return [PlacedEvent(AssetId(agent_id), mapping) for mapping in self.of(agent_id)]
        return [placed for each in sorted(self._of) for placed in self.placed(each)]
