"""The memory adapter of the audit log: a dict, for tests and as the oracle of the contract."""

from __future__ import annotations

from storage.audit_port import AuditLine, AuditSpan, AuditStore


class MemoryAuditStore(AuditStore):
    """Audit lines of one process; nothing outlives it."""

    def __init__(self) -> None:
        """Start empty."""
        self._lines: dict[tuple[str, int, str], AuditLine] = {}

    async def append(self, line: AuditLine) -> None:
        """Add a line."""
        self._lines.setdefault((line.tenant, line.time_ms, line.id), line)

    async def conclude(self, line: AuditLine) -> None:
        """Add the outcome of a line."""
        key = (line.tenant, line.time_ms, line.id)
        if key in self._lines and self._lines[key].outcome is None:
            self._lines[key] = line

    async def read(self, span: AuditSpan, limit: int) -> list[AuditLine]:
        """Read the newest lines of a span, by time and id descending."""
        found = [
            line
            for line in self._lines.values()
            if line.tenant == span.tenant
            and line.time_ms >= span.start_ms
            and (line.time_ms, line.id) < (span.end_ms, span.end_id)
        ]
        found.sort(key=lambda line: (line.time_ms, line.id), reverse=True)
        return found[:limit]

    async def erase(self, tenant: str) -> None:
        """Remove every line of a tenant."""
        self._lines = {key: line for key, line in self._lines.items() if key[0] != tenant}

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count a tenant's lines."""
        return {"audit": sum(key[0] == tenant for key in self._lines)}

    async def close(self) -> None:
        """Release nothing; twice is harmless."""
