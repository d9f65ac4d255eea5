"""The SQLite store of events keeps the promises of its port, by keys only."""

import apsw
import pytest

from storage.sqlite.events import SCHEMA, SqliteEventStore
from storage.statements import texts
from storage.testing.events import ClosedEventStoreContract, EventStoreContract


class TestSqliteEvents(EventStoreContract, ClosedEventStoreContract):
    """The contract over a file."""

    @pytest.fixture(autouse=True)
    async def _open(self, tmp_path):
        self._opened = []
        self._path = tmp_path / "events.db"
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Open the file once more, as another door does."""
        store = await SqliteEventStore.open(self._path)
        self._opened.append(store)
        return store


@pytest.mark.parametrize("name", texts("storage.sqlite", "events.sql"))
def test_every_step_searches_by_a_key(name):
    """No statement scans or sorts, with millions of events or few (SM-38)."""
    connection = apsw.Connection(":memory:")
    for step in SCHEMA:
        connection.execute(step)
    text = texts("storage.sqlite", "events.sql")[name]
    count = max(number for number in range(1, 10) if f"?{number}" in text)

    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * count)]

    assert [step for step in steps if not step.startswith("SEARCH")] == []
    assert all("tenant=?" in step for step in steps)
