"""The audit log in Cassandra: each line a row in the partition of its tenant and day, newest first.

A day on which nothing happened is not asked for: `audit_days` names the others. An outcome is written with
the act once more, so that no row can be half a line, whatever was erased meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Final

from schemas.durations import DAY_MS
from storage.audit_port import AuditLine, AuditSpan, AuditStore
from storage.cassandra.calls import Call
from storage.cassandra.migrate import migrate
from storage.cassandra.session import Address, Session
from storage.cassandra.survey import count_left
from storage.recent import Recent
from storage.statements import load

STATEMENTS = load("storage.cassandra", "audit.cql")

DAYS_AT_ONCE: Final = 8
"""Days read side by side: few lines of a quiet tenant lie in many days."""

DAYS_KEPT: Final = 10_000
"""Days of tenants of which a process remembers that it noted them."""

FIRST_DAY: Final = -(2**31)
LAST_DAY: Final = 2**31 - 1


class CassandraAuditStore(AuditStore):
    """Audit lines of one keyspace."""

    def __init__(self, session: Session) -> None:
        """Take a session whose statements are prepared."""
        self.session = session
        self._noted: Recent[tuple[str, int], bool] = Recent(DAYS_KEPT)

    @classmethod
    async def open(cls, address: Address) -> CassandraAuditStore:
        """Connect, bring the keyspace to the present schema, prepare; StoreUnavailable if any of it fails."""
        session = await Session.open(address)
        try:
            await migrate(session)
            await session.prepare(STATEMENTS)
        except BaseException:
            await session.close()
            raise
        return cls(session)

    async def append(self, line: AuditLine) -> None:
        """Add a line, with its outcome where that is known, and note its day."""
        day = (line.tenant, _day(line.time_ms))
        calls = [_whole(line) if line.outcome is not None else _act(line)]
        if self._noted.get(day) is None:
            calls.append(Call("write_audit_day", [day]))
        await self.session.write_all([[call] for call in calls])
        self._noted.put(day, True)

    async def conclude(self, line: AuditLine) -> None:
        """Add the outcome of a line."""
        await self.session.write_all([[_whole(line)]])

    async def read(self, span: AuditSpan, limit: int) -> list[AuditLine]:
        """Read the newest lines of a span, by time and id descending, day by day."""
        days = await self._days(span.tenant, _day(span.start_ms), _day(span.end_ms))
        found: list[AuditLine] = []
        for place in range(0, len(days), DAYS_AT_ONCE):
            count = limit - len(found)
            wave = days[place : place + DAYS_AT_ONCE]
            pages = await asyncio.gather(*(self._read_day(span, day, count) for day in wave))
            found += [line for page in pages for line in page]
            if len(found) >= limit:
                break
        return found[:limit]

    async def erase(self, tenant: str) -> None:
        """Remove every line of a tenant, the days that lead there last."""
        for day in await self._days(tenant, FIRST_DAY, LAST_DAY):
            await self.session.write("erase_audit", tenant, day)
        await self.session.write("erase_audit_days", tenant)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count what names a tenant, by table of the log."""
        return await count_left(self.session, tenant, lambda table: table.startswith("audit"))

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.session.close()

    async def _days(self, tenant: str, first: int, last: int) -> list[int]:
        return [day for (day,) in await self.session.rows("read_audit_days", tenant, first, last)]

    async def _read_day(self, span: AuditSpan, day: int, count: int) -> list[AuditLine]:
        place = (span.start_ms, span.end_ms, span.end_id)
        rows = await self.session.rows("read_audit", span.tenant, day, *place, count)
        return [AuditLine(span.tenant, *row) for row in rows]


def _act(line: AuditLine) -> Call:
    return Call("write_audit_act", [(*_key(line), line.act)])


def _whole(line: AuditLine) -> Call:
    return Call("write_audit_line", [(*_key(line), line.act, line.outcome)])


def _key(line: AuditLine) -> tuple[str, int, int, str]:
    return line.tenant, _day(line.time_ms), line.time_ms, line.id


def _day(time_ms: int) -> int:
    return time_ms // DAY_MS
