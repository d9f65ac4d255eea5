"""The Cassandra store of the audit log keeps the promises of its port, and changes no line."""

import re

import pytest

from schemas.durations import DAY_MS
from storage.cassandra.audit import STATEMENTS, CassandraAuditStore
from storage.cassandra.migrate import schema_files
from storage.cassandra.session import Address
from storage.testing.audit import (
    BEGIN_MS,
    AuditStoreContract,
    ClosedAuditStoreContract,
    always,
    ended,
    fresh_tenant,
    line,
)


class TestCassandraAudit(AuditStoreContract, ClosedAuditStoreContract):
    """The contract over a real server; all tests share a keyspace and use tenants of their own."""

    @pytest.fixture(autouse=True)
    async def _open(self, cassandra):
        self._opened = []
        self._address = Address([cassandra.host], cassandra.port, "audit_contract")
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Connect once more, as another door does."""
        store = await CassandraAuditStore.open(self._address)
        self._opened.append(store)
        return store

    async def test_days_without_lines_are_not_read(self):
        """A span of a century asks for the days that have something."""
        tenant = fresh_tenant()
        lines = [line(tenant, number, BEGIN_MS + number * 1_000 * DAY_MS) for number in range(3)]
        await self.keep(*lines)

        assert lines[::-1] == await self.store.read(always(tenant), 10)
        assert lines[:0:-1] == await self.store.read(always(tenant), 2)

    async def test_an_outcome_that_comes_after_the_erase_makes_no_half_line(self):
        """What is still on its way when a tenant is erased is a whole line or none, never a half."""
        tenant = fresh_tenant()
        begun = line(tenant, 1)
        await self.keep(begun)
        await self.store.erase(tenant)

        await self.store.conclude(ended(begun))

        assert await self.store.read(always(tenant), 10) in ([], [ended(begun)])


def test_statements_name_their_partitions():
    """Every reading and erasing statement names whole partitions; none filters (decision 0023)."""
    keys = {"audit": ("tenant = ?", "day = ?"), "audit_days": ("tenant = ?",)}
    for statement in STATEMENTS.values():
        found = re.search(r"FROM (\w+)\s+WHERE (.*)", statement.text, re.DOTALL)
        assert "ALLOW FILTERING" not in statement.text
        if found is not None:
            assert all(part in found[2] for part in keys[found[1]]), statement.name


def test_only_an_erase_takes_away():
    """No statement changes a line, and only those of the erase remove any (append-only)."""
    changing = [
        name
        for name, statement in STATEMENTS.items()
        if re.search(r"\b(UPDATE|DELETE|TRUNCATE|TTL)\b", statement.text)
    ]

    assert ["erase_audit", "erase_audit_days"] == changing


def test_no_line_ends_by_itself():
    """The tables have no time to live: a line stays until its tenant is erased."""
    assert "time_to_live" not in schema_files()["0005_audit.cql"]
