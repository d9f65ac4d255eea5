"""The catalogue in one SQLite file: a change and its line in the log are one transaction.

Every process opens the file for writing: writers queue at SQLite's lock (BEGIN IMMEDIATE).
Sequences are given under that lock, so the log's order is the order of the commits and no overlap is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from storage.erasing_port import Name
from storage.port import CatalogStore, Change, Document
from storage.sqlite.connection import Database
from storage.sqlite.survey import count_left
from storage.statements import read, texts

SCHEMA = (read("storage.sqlite", "catalog_schema.sql"),)
"""Step n brings a file from version n to n + 1."""

STATEMENTS = texts("storage.sqlite", "catalog.sql")

PAGE_ROWS = 4_096
"""Documents a read transaction: some 4 MB, far below its 250 ms (design 4, SQLite)."""

CHANGES_PER_TRIM = 1_024


class SqliteCatalogStore(CatalogStore):
    """Documents, names and the change log in one file."""

    def __init__(self, database: Database) -> None:
        """Take the open file."""
        self.database = database

    @classmethod
    async def open(cls, path: Path, *, durable: bool = True) -> SqliteCatalogStore:
        """Open or make the file; StoreUnavailable if that fails. `durable` False is for control tests."""
        return cls(await Database.open(path, SCHEMA, durable=durable))

    async def get(self, tenant: str, kind: str, document_id: str) -> Document | None:
        """Read one document; None where there is none."""

        def job(connection: apsw.Connection) -> Document | None:
            row = connection.execute(STATEMENTS["get"], (tenant, kind, document_id)).fetchone()
            return None if row is None else Document(tenant, kind, document_id, *row)

        return await self.database.read(job)

    async def list(self, tenant: str, kind: str) -> list[Document]:
        """Read every document of a kind, ordered by id, in as many short transactions as that takes."""
        documents: list[Document] = []
        while True:
            page = await self._page(tenant, kind, documents[-1].id if documents else "")
            documents += page
            if len(page) < PAGE_ROWS:
                return documents

    async def create(self, tenant: str, kind: str, document_id: str, body: bytes) -> Document | None:
        """Store a new document at version 0; None if the id is taken."""
        stored = await self._change("create", tenant, kind, document_id, (body,), version=0)
        return Document(tenant, kind, document_id, 0, body) if stored else None

    async def replace(
        self, tenant: str, kind: str, document_id: str, body: bytes, built_on: int
    ) -> Document | None:
        """Store the next version if the stored one is still `built_on`; None if it is not."""
        values = (body, built_on)
        stored = await self._change("replace", tenant, kind, document_id, values, version=built_on + 1)
        return Document(tenant, kind, document_id, built_on + 1, body) if stored else None

    async def remove(self, tenant: str, kind: str, document_id: str, built_on: int) -> bool:
        """Delete the document if its version is still `built_on`."""
        return await self._change("remove", tenant, kind, document_id, (built_on,), version=built_on + 1)

    async def reserve(self, space: str, name: str, owner: str) -> bool:
        """Take a name that is unique in the installation; True if it is (or already was) the owner's."""

        def job(connection: apsw.Connection) -> bool:
            connection.execute(STATEMENTS["reserve"], (space, name, owner))
            return bool(connection.execute(STATEMENTS["owner_of"], (space, name)).get == owner)

        return await self.database.write(job, swap=True)

    async def owner_of(self, space: str, name: str) -> str | None:
        """Tell who holds a reserved name."""

        def job(connection: apsw.Connection) -> str | None:
            row = connection.execute(STATEMENTS["owner_of"], (space, name)).fetchone()
            return None if row is None else str(row[0])

        return await self.database.read(job)

    async def release(self, space: str, name: str, owner: str) -> None:
        """Give a name back; nothing happens if it is another's."""

        def job(connection: apsw.Connection) -> None:
            connection.execute(STATEMENTS["release"], (space, name, owner))

        await self.database.write(job)

    async def kinds(self, tenant: str) -> Sequence[str]:
        """Give every kind of which the tenant has a document, in steps along the key."""
        found = [""]

        def job(connection: apsw.Connection) -> str | None:
            row = connection.execute(STATEMENTS["next_kind"], (tenant, found[-1])).fetchone()
            return None if row is None else str(row[0])

        while (kind := await self.database.read(job)) is not None:
            found.append(kind)
        return found[1:]

    async def names_of(self, owner: str) -> Sequence[Name]:
        """Give every reserved name of an owner."""

        def job(connection: apsw.Connection) -> Sequence[Name]:
            rows = connection.execute(STATEMENTS["names_of"], (owner,))
            return [Name(str(space), str(name)) for space, name in rows]

        return await self.database.read(job)

    async def forget_changes(self, tenant: str) -> None:
        """Delete the tenant's lines of the log."""

        def job(connection: apsw.Connection) -> None:
            connection.execute(STATEMENTS["forget_changes"], (tenant,))

        await self.database.write(job)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count rows of a tenant, by table of the file."""
        return await count_left(self.database, tenant)

    async def changes(self, after: str | None) -> Sequence[Change]:
        """Read the change log after a sequence (None: from 10 s before now, at least the last line)."""

        def position(connection: apsw.Connection) -> int:
            return int(connection.execute(STATEMENTS["position_before_overlap"]).get)

        behind = await self.database.read(position) if after is None else int(after)
        lines: Sequence[Change] = ()
        while True:
            page = await self._log_page(behind)
            lines = (*lines, *page)
            if len(page) < PAGE_ROWS:
                return lines
            behind = int(page[-1].sequence)

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.database.close()

    async def _page(self, tenant: str, kind: str, behind: str) -> Sequence[Document]:
        def job(connection: apsw.Connection) -> list[Document]:
            rows = connection.execute(STATEMENTS["list"], (tenant, kind, behind, PAGE_ROWS))
            return [Document(tenant, kind, *row) for row in rows]

        return await self.database.read(job)

    async def _log_page(self, behind: int) -> Sequence[Change]:
        def job(connection: apsw.Connection) -> Sequence[Change]:
            rows = connection.execute(STATEMENTS["changes_after"], (behind, PAGE_ROWS))
            return [Change(f"{sequence:020d}", *row) for sequence, *row in rows]

        return await self.database.read(job)

    async def _change(
        self,
        statement: str,
        tenant: str,
        kind: str,
        document_id: str,
        values: tuple[Any, ...],
        *,
        version: int,
    ) -> bool:
        """Run a conditional statement and, if it applied, write the log beside it."""
        key = (tenant, kind, document_id)

        def job(connection: apsw.Connection) -> bool:
            connection.execute(STATEMENTS[statement], (*key, *values))
            if connection.changes() == 0:
                return False
            connection.execute(STATEMENTS["note"], (*key, version))
            if connection.last_insert_rowid() % CHANGES_PER_TRIM == 0:
                connection.execute(STATEMENTS["trim"])
            return True

        return await self.database.write(job, swap=True)
