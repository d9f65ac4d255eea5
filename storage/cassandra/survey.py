"""The proof's look at a keyspace: every table that the cluster knows, whoever made it.

Shares nothing with what erases. Rows that were deleted are not seen, nor counted: tombstones, and files on
disk that a compaction has yet to rewrite, are Cassandra's own matter (docs/operations.md).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Final

from storage.cassandra.session import Session
from storage.statements import Statement, load

STATEMENTS: Final = load("storage.cassandra", "survey.cql")

OWNERS: Final = ("tenant", "owner")
"""Columns that say whose a row is."""


async def count_left(session: Session, tenant: str, is_ours: Callable[[str], bool]) -> dict[str, int]:
    """Count what names a tenant in every table that is ours: partitions where its key does, else rows."""
    await session.prepare({"tables_of": STATEMENTS["tables_of"]})
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in await session.rows("tables_of", session.address.keyspace):
        tables.setdefault(table, {})[column] = kind
    left: dict[str, int] = {}
    for table, columns in sorted(tables.items()):
        owner = next((name for name in OWNERS if name in columns), None)
        if owner is not None and is_ours(table):
            left[table] = await _count(session, table, columns, owner, tenant)
    return left


async def _count(session: Session, table: str, columns: Mapping[str, str], owner: str, tenant: str) -> int:
    """Walk over one table."""
    by_key = columns[owner] == "partition_key"
    key = [column for column, kind in columns.items() if kind == "partition_key"] if by_key else [owner]
    found = STATEMENTS["of_partitions" if by_key else "of_rows"]
    text = string.Template(found.text).substitute(table=table, columns=", ".join(key), column=owner)
    name = f"survey_{table}"
    await session.prepare({name: Statement(name, found.sentence, text)})
    place, found_rows = key.index(owner), 0
    async for page in session.pages(name):
        found_rows += sum(row[place] == tenant for row in page)
    return found_rows
