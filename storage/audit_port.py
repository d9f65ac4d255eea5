"""What a store of audit lines is, whichever it is: lines are added and read, newest first, and never changed.

A line is an act and, once it is known, its outcome; the store looks into neither. There is no way to change
a line or to remove one: only what a tenant leaves behind when all of it is erased. Every adapter passes
`storage.testing.audit`; its driver's errors come out as `StoreUnavailable`. What a method has acknowledged is
as durable as the store is, and every later read sees it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import msgspec

from storage.erasing_port import Counted


class AuditLine(msgspec.Struct, frozen=True, gc=False):
    """One act in the log of a tenant."""

    tenant: str
    """Whose log it stands in."""
    time_ms: int
    """When the act was set out to be done: milliseconds since 1970, UTC."""
    id: str
    """Of the request; with the time unique in the log."""
    act: bytes
    outcome: bytes | None = None
    """None: nobody wrote down what came of it."""


class AuditSpan(NamedTuple):
    """Which lines to read: start_ms ≤ time, and (time, id) before (end_ms, end_id)."""

    tenant: str
    start_ms: int
    end_ms: int
    end_id: str = ""
    """Empty: end_ms itself is outside, whatever the id."""

    def behind(self, line: AuditLine) -> AuditSpan:
        """Give what is left when this line was the last that was read."""
        return self._replace(end_ms=line.time_ms, end_id=line.id)


class AuditStore(Counted):
    """Audit lines of all tenants. Tenant first, always."""

    @abstractmethod
    async def append(self, line: AuditLine) -> None:
        """Add a line, with its outcome where that is known; a repeat with the same line is harmless."""

    @abstractmethod
    async def conclude(self, line: AuditLine) -> None:
        """Add the outcome of a line that was appended without one; it is given whole.

        A repeat with the same outcome is harmless; a second one with another is the caller's error.
        """

    @abstractmethod
    async def read(self, span: AuditSpan, limit: int) -> list[AuditLine]:
        """Read the newest lines of a span, by time and id descending; fewer than `limit` are all."""

    @abstractmethod
    async def erase(self, tenant: str) -> None:
        """Remove every line of a tenant that is erased for good; a repeat is harmless."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and threads; twice is harmless."""
