"""The SQLite store of the audit log keeps the promises of its port, by keys only, and changes no line."""

import re

import apsw
import pytest

from storage.sqlite import audit
from storage.sqlite.audit import SCHEMA, SqliteAuditStore
from storage.statements import texts
from storage.testing.audit import (
    AuditStoreContract,
    ClosedAuditStoreContract,
    always,
    ended,
    fresh_tenant,
    line,
)

STATEMENTS = texts("storage.sqlite", "audit.sql")


class TestSqliteAudit(AuditStoreContract, ClosedAuditStoreContract):
    """The contract over a file."""

    @pytest.fixture(autouse=True)
    async def _open(self, tmp_path):
        self._opened = []
        self._path = tmp_path / "audit.db"
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Open the file once more, as another door does."""
        store = await SqliteAuditStore.open(self._path)
        self._opened.append(store)
        return store

    async def test_an_erase_of_many_goes_in_several_steps(self, monkeypatch):
        """More lines than one transaction takes go in several, to the last one."""
        monkeypatch.setattr(audit, "ERASED_AT_ONCE", 3)
        tenant = fresh_tenant()
        await self.keep(*(ended(line(tenant, number)) for number in range(9)), line(tenant, 9))

        await self.store.erase(tenant)

        assert await self.store.read(always(tenant), 100) == []
        counts = "SELECT (SELECT count(*) FROM lines) + (SELECT count(*) FROM outcomes)"
        assert await self.store.database.read(lambda connection: connection.execute(counts).get) == 0

    @pytest.mark.parametrize("table", ["lines", "outcomes"])
    async def test_the_file_itself_refuses_a_change(self, table):
        """Whatever statement a program may run, what stands in the log is not changed by it."""
        tenant = fresh_tenant()
        await self.keep(ended(line(tenant, 1)))

        def change(connection):
            connection.execute(f"UPDATE {table} SET time_ms = 0")

        with pytest.raises(Exception, match="never changed"):
            await self.store.database.write(change)
        assert [ended(line(tenant, 1))] == await self.store.read(always(tenant), 10)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_step_searches_by_a_key(name):
    """No statement scans or sorts, with millions of lines or few (SM-38)."""
    connection = apsw.Connection(":memory:")
    for step in SCHEMA:
        connection.execute(step)
    count = max(number for number in range(1, 10) if f"?{number}" in STATEMENTS[name])

    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", (None,) * count)]

    searches = [step for step in steps if not step.startswith("LIST SUBQUERY")]
    assert [step for step in searches if not step.startswith("SEARCH")] == []
    assert all("tenant=?" in step for step in searches)


def test_only_an_erase_takes_away():
    """No statement changes a line, and only those of the erase remove any (append-only)."""
    changing = [name for name, text in STATEMENTS.items() if re.search(r"\b(UPDATE|REPLACE|DELETE)\b", text)]

    assert ["erase_outcomes", "erase_lines"] == changing
