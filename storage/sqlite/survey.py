"""The proof's look at a SQLite file: every table that the file has, known to this program or not.

Shares nothing with what erases. A table whose rows say by no column whose they are would go unseen; the test
of the proof holds that there is none but those of shards.
"""

from __future__ import annotations

import string

import apsw

from storage.sqlite.connection import Database
from storage.statements import texts

STATEMENTS = texts("storage.sqlite", "survey.sql")


async def count_left(database: Database, tenant: str) -> dict[str, int]:
    """Count the rows of a tenant by table; those of slices that no table lists count for every tenant."""

    def tables(connection: apsw.Connection) -> list[tuple[str, str]]:
        return [(str(table), str(column)) for table, column in connection.execute(STATEMENTS["tables"])]

    left: dict[str, int] = {}
    for table, column in await database.read(tables):
        name = "by_slice" if column == "slice" else "by_column"
        text = string.Template(STATEMENTS[name]).substitute(table=table, column=column)

        def job(connection: apsw.Connection, text: str = text) -> int:
            return int(connection.execute(text, (tenant,)).get)

        left[table] = left.get(table, 0) + await database.read(job)
    return left
