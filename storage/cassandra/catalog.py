"""The catalogue in Cassandra: documents by lightweight transactions, a change log written before them.

No batch may span the two tables conditionally, so the log's line comes first and the compare-and-set after
it; a line whose change did not come about is harmless, because readers read the named document (design 4).
They read the log with an overlap of 10 s, within which a change follows its line or is given up.
The log is written and read by the server's clock.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from schemas.durations import MINUTE_MS
from schemas.errors import OutcomeUnknown
from storage.cassandra.migrate import migrate
from storage.cassandra.outcomes import settled
from storage.cassandra.session import Address, Session
from storage.cassandra.survey import count_left
from storage.erasing_port import Name
from storage.port import CatalogStore, Change, Document
from storage.statements import load

STATEMENTS = load("storage.cassandra", "catalog.cql")

BUCKETS = 16
"""Partitions of a kind; never changed, as the bucket is part of the key."""

OVERLAP_MS = 10_000
"""How long a change may come after its line: the driver gives an answer up after 10 s."""

BODY_PAGE_ROWS = 1_000

LOG_MINUTES = 25 * 60
"""Minutes of the log that may have lines: they live for a day."""

TABLES = ("documents", "names", "changes")


class CassandraCatalogStore(CatalogStore):
    """Documents, names and the change log in one keyspace."""

    def __init__(self, session: Session) -> None:
        """Take a session whose statements are prepared."""
        self.session = session
        self._quiet: tuple[str, int] | None = None
        """A sequence behind which nothing was found, and up to which moment."""

    @classmethod
    async def open(cls, address: Address) -> CassandraCatalogStore:
        """Connect, bring the keyspace to the present schema, prepare; StoreUnavailable if any of it fails."""
        session = await Session.open(address)
        try:
            await migrate(session)
            await session.prepare(STATEMENTS, {"list_documents": BODY_PAGE_ROWS})
        except BaseException:
            await session.close()
            raise
        return cls(session)

    async def get(self, tenant: str, kind: str, document_id: str) -> Document | None:
        """Read one document; None where there is none."""
        return await self._get(tenant, kind, document_id, serial=False)

    async def list(self, tenant: str, kind: str) -> list[Document]:
        """Read every document of a kind, ordered by id."""
        parts = await asyncio.gather(
            *(self.session.rows("list_documents", tenant, kind, bucket) for bucket in range(BUCKETS))
        )
        rows = sorted((row for part in parts for row in part), key=lambda row: str(row[0]))
        return [Document(tenant, kind, *row) for row in rows]

    async def create(self, tenant: str, kind: str, document_id: str, body: bytes) -> Document | None:
        """Store a new document at version 0; None if the id is taken."""
        wanted = Document(tenant, kind, document_id, 0, body)
        await self._note(wanted)

        async def swap() -> bool:
            return await self.session.swap("create_document", *_key(wanted), body)

        return wanted if await self._settle(wanted, swap) else None

    async def replace(
        self, tenant: str, kind: str, document_id: str, body: bytes, built_on: int
    ) -> Document | None:
        """Store the next version if the stored one is still `built_on`; None if it is not."""
        wanted = Document(tenant, kind, document_id, built_on + 1, body)
        await self._note(wanted)

        async def swap() -> bool:
            values = (wanted.version, body, *_key(wanted), built_on)
            return await self.session.swap("replace_document", *values)

        return wanted if await self._settle(wanted, swap) else None

    async def remove(self, tenant: str, kind: str, document_id: str, built_on: int) -> bool:
        """Delete the document if its version is still `built_on`."""
        gone = Document(tenant, kind, document_id, built_on + 1, b"")
        await self._note(gone)
        try:
            return await self.session.swap("remove_document", *_key(gone), built_on)
        except OutcomeUnknown:
            if await self._get(tenant, kind, document_id, serial=True) is None:
                return True
            return await self.session.swap("remove_document", *_key(gone), built_on)

    async def reserve(self, space: str, name: str, owner: str) -> bool:
        """Take a name that is unique in the installation; True if it is (or already was) the owner's."""
        try:
            if await self.session.swap("reserve_name", space, name, owner):
                return True
        except OutcomeUnknown:
            await self.session.swap("reserve_name", space, name, owner)
        return await self.owner_of(space, name) == owner

    async def owner_of(self, space: str, name: str) -> str | None:
        """Tell who holds a reserved name."""
        rows = await self.session.rows("owner_of_name", space, name, serial=True)
        return str(rows[0][0]) if rows else None

    async def release(self, space: str, name: str, owner: str) -> None:
        """Give a name back; nothing happens if it is another's."""
        await self.session.swap("release_name", space, name, owner)

    async def kinds(self, tenant: str) -> Sequence[str]:
        """Give every kind of which the tenant has a document: a walk over the partitions of all."""
        found: set[str] = set()
        async for page in self.session.pages("walk_documents"):
            found.update(kind for owner, kind, _ in page if owner == tenant)
        return sorted(found)

    async def names_of(self, owner: str) -> Sequence[Name]:
        """Give every reserved name of an owner: a walk over all names."""
        found: set[Name] = set()
        async for page in self.session.pages("walk_names"):
            found.update(Name(space, name) for space, name, holder in page if holder == owner)
        return sorted(found)

    async def forget_changes(self, tenant: str) -> None:
        """Delete the tenant's lines, minute by minute."""
        now_minute = await self._clock() // MINUTE_MS
        long_ago = datetime.fromtimestamp(0, UTC)
        for minute in range(now_minute - LOG_MINUTES, now_minute + 2):
            for at, _, owner, *_ in await self.session.rows("read_changes", minute, long_ago):
                if owner == tenant:
                    await self.session.write("drop_change", minute, at)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count what names a tenant, by table of the catalogue."""
        return await count_left(self.session, tenant, TABLES.__contains__)

    async def changes(self, after: str | None) -> Sequence[Change]:
        """Read the change log after a sequence, overlapping 10 s (None: from 10 s before now)."""
        now_ms = await self._clock()
        from_ms = (now_ms if after is None else self._seen_until(after)) - OVERLAP_MS
        since = datetime.fromtimestamp(from_ms / 1_000, UTC)
        # A minute more on either side: a line's minute was worked out just before its moment was.
        minutes = range(from_ms // MINUTE_MS - 1, now_ms // MINUTE_MS + 2)
        pages = [await self.session.rows("read_changes", minute, since) for minute in minutes]
        lines = [Change(f"{ms:015d}-{at.hex}", *row) for page in pages for at, ms, *row in page]
        lines.sort()
        if after is not None and not (lines and lines[-1].sequence > after):
            self._quiet = (after, now_ms)
        return lines

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.session.close()

    def _seen_until(self, after: str) -> int:
        """Tell until when the log is known to whoever has read up to a sequence."""
        if self._quiet is not None and self._quiet[0] == after:
            return self._quiet[1]
        return int(after.partition("-")[0])

    async def _get(self, tenant: str, kind: str, document_id: str, *, serial: bool) -> Document | None:
        key = (tenant, kind, _bucket(document_id), document_id)
        rows = await self.session.rows("get_document", *key, serial=serial)
        return Document(tenant, kind, document_id, *rows[0]) if rows else None

    async def _note(self, change: Document) -> None:
        minute = await self._clock() // MINUTE_MS
        values = (minute, change.tenant, change.kind, change.id, change.version)
        await self.session.write("note_change", *values)

    async def _clock(self) -> int:
        return int((await self.session.rows("read_clock"))[0][0])

    async def _settle(self, wanted: Document, swap: Callable[[], Awaitable[bool]]) -> bool:
        async def look() -> Document | None:
            return await self._get(wanted.tenant, wanted.kind, wanted.id, serial=True)

        return await settled(swap, look, wanted, f"the {wanted.kind} was stored")


def _key(document: Document) -> tuple[str, str, int, str]:
    return document.tenant, document.kind, _bucket(document.id), document.id


def _bucket(document_id: str) -> int:
    return zlib.crc32(document_id.encode()) % BUCKETS
