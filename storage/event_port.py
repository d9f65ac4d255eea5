"""What a store of events is, whichever it is: documents with a time, found by id and read newest first.

The store does not look into a document's body. An event never moves: entity, time and type stay as they were
created; a replacement adds one to the version and keeps the body before it. Every adapter passes
`storage.testing.events`; its driver's errors come out as `StoreUnavailable`, or as `OutcomeUnknown` where
nobody knows whether a change was stored. What a method has acknowledged, every later read sees.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import msgspec

from storage.erasing_port import ErasableEvents


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """One event as it stands."""

    tenant: str
    entity: str
    """Asset id."""
    time_ms: int
    """When it happened, by its sender: milliseconds since 1970, UTC."""
    id: str
    """Unique in the tenant."""
    type: str
    """Id of its event type."""
    version: int
    """0 as created; the ETag. As many earlier bodies are kept."""
    body: bytes
    """JSON of its other members."""


class EventSpan(NamedTuple):
    """Which events to read: start_ms ≤ time, and (time, id) before (end_ms, end_id)."""

    tenant: str
    entity: str | None
    """None: those of every entity of the tenant."""
    start_ms: int
    end_ms: int
    end_id: str = ""
    """Empty: end_ms itself is outside, whatever the id."""

    def behind(self, row: EventRow) -> EventSpan:
        """Give what is left when this event was the last that was read."""
        return self._replace(end_ms=row.time_ms, end_id=row.id)


class EventStore(ErasableEvents):
    """Events of all tenants. Tenant first, always."""

    @abstractmethod
    async def create(self, row: EventRow) -> bool:
        """Store a new event at version 0; False if the tenant has one with its id at its place.

        A repeat with the same row is harmless. Ids are random: one id at two places is the caller's error.
        """

    @abstractmethod
    async def get(self, tenant: str, event_id: str) -> EventRow | None:
        """Read one event; None where there is none."""

    @abstractmethod
    async def read(self, span: EventSpan, limit: int) -> list[EventRow]:
        """Read the newest events of a span, by time and id descending; fewer than `limit` are all."""

    @abstractmethod
    async def replace(self, row: EventRow, body: bytes) -> EventRow | None:
        """Store the next version of an event that was read; None if that is not what stands any more."""

    @abstractmethod
    async def remove(self, row: EventRow) -> bool:
        """Delete an event that was read, with its versions; False if that is not what stands any more."""

    @abstractmethod
    async def read_versions(self, row: EventRow) -> dict[int, bytes]:
        """Give the bodies that an event had before it was as it was read, by their versions, ascending."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and threads; twice is harmless."""
