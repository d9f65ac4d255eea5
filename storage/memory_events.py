"""The memory adapter of the event store: dicts, for tests and as the oracle of the contract."""

from __future__ import annotations

import msgspec

from storage.event_port import EventRow, EventSpan, EventStore


class MemoryEventStore(EventStore):
    """Events of one process; nothing outlives it."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[str, str], EventRow] = {}
        self._versions: dict[tuple[str, str], dict[int, bytes]] = {}

    async def create(self, row: EventRow) -> bool:
        """Store a new event at version 0; False if the tenant has one with its id."""
        if (row.tenant, row.id) in self._rows:
            return False
        self._rows[row.tenant, row.id] = row
        return True

    async def get(self, tenant: str, event_id: str) -> EventRow | None:
        """Read one event; None where there is none."""
        return self._rows.get((tenant, event_id))

    async def read(self, span: EventSpan, limit: int) -> list[EventRow]:
        """Read the newest events of a span, by time and id descending."""
        found = [
            row
            for row in self._rows.values()
            if row.tenant == span.tenant
            and span.entity in {None, row.entity}
            and row.time_ms >= span.start_ms
            and (row.time_ms, row.id) < (span.end_ms, span.end_id)
        ]
        found.sort(key=lambda row: (row.time_ms, row.id), reverse=True)
        return found[:limit]

    async def replace(self, row: EventRow, body: bytes) -> EventRow | None:
        """Store the next version of an event that was read; None if that is not what stands any more."""
        key = (row.tenant, row.id)
        stored = self._rows.get(key)
        if stored is None or stored.version != row.version:
            return None
        self._versions.setdefault(key, {})[row.version] = row.body
        self._rows[key] = msgspec.structs.replace(row, version=row.version + 1, body=body)
        return self._rows[key]

    async def remove(self, row: EventRow) -> bool:
        """Delete an event that was read, with its versions; False if that is not what stands any more."""
        key = (row.tenant, row.id)
        stored = self._rows.get(key)
        if stored is None or stored.version != row.version:
            return False
        del self._rows[key]
        self._versions.pop(key, None)
        return True

    async def read_versions(self, row: EventRow) -> dict[int, bytes]:
        """Give the bodies that an event had before it was as it was read, by their versions, ascending."""
        kept = self._versions.get((row.tenant, row.id), {})
        return {version: body for version, body in kept.items() if version < row.version}

    async def erase(self, tenant: str, entity: str | None = None) -> int:
        """Delete all events of a tenant, or of one entity of it."""
        gone = [key for key, row in self._rows.items() if key[0] == tenant and entity in {None, row.entity}]
        for key in gone:
            del self._rows[key]
            self._versions.pop(key, None)
        return len(gone)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count events and the bodies that they had before."""
        return {
            "events": sum(owner == tenant for owner, _ in self._rows),
            "event_versions": sum(len(kept) for key, kept in self._versions.items() if key[0] == tenant),
        }

    async def close(self) -> None:
        """Release nothing; twice is harmless."""
