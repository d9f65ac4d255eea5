"""The Cassandra store of events keeps the promises of its port; a row that leads nowhere means nothing."""

import pytest

from schemas.durations import DAY_MS
from schemas.errors import OutcomeUnknown
from storage.cassandra.events import CassandraEventStore
from storage.cassandra.session import Address
from storage.testing.events import (
    BEGIN_MS,
    ClosedEventStoreContract,
    EventStoreContract,
    always,
    event,
    fresh_tenant,
)


class TestCassandraEvents(EventStoreContract, ClosedEventStoreContract):
    """The contract over a real server; all tests share a keyspace and use tenants of their own."""

    @pytest.fixture(autouse=True)
    async def _open(self, cassandra):
        self._opened = []
        self._address = Address([cassandra.host], cassandra.port, "events_contract")
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Connect once more, as another door does."""
        store = await CassandraEventStore.open(self._address)
        self._opened.append(store)
        return store

    async def test_what_leads_nowhere_is_passed_over(self):
        """A creation that died halfway leaves places without an event: lists and pages go past them."""
        tenant = fresh_tenant()
        rows = [event(tenant, number, BEGIN_MS + number) for number in range(6)]
        for row in rows[::2]:
            await self.store.create(row)
        for row in rows[1::2]:
            day = row.time_ms // DAY_MS
            await self.store.session.write("write_place", tenant, row.id, "e", row.time_ms)
            await self.store.session.write("write_time", tenant, day, row.time_ms, row.id, "e")

        assert await self.store.read(always(tenant), 2) == [rows[4], rows[2]]
        assert await self.store.read(always(tenant), 10) == [rows[4], rows[2], rows[0]]
        assert await self.store.get(tenant, rows[1].id) is None

    async def test_days_without_events_are_not_read(self):
        """A span of a century asks for the days that have something."""
        tenant = fresh_tenant()
        rows = [event(tenant, number, BEGIN_MS + number * 1_000 * DAY_MS) for number in range(3)]
        for row in rows:
            await self.store.create(row)

        assert await self.store.read(always(tenant), 10) == rows[::-1]
        assert await self.store.read(always(tenant, "e"), 2) == [rows[2], rows[1]]


class Session:
    """A session over one event; `fates` says for each compare-and-set whether it applies and is answered."""

    def __init__(self, *fates, stored=None):
        self.fates = list(fates)
        self.stored = stored

    async def rows(self, name, *values, serial=False):
        """Answer the question after the event at its place."""
        assert (name, serial) == ("read_event", True)
        return [] if self.stored is None else [self.stored]

    async def write(self, name, *values):
        """Take what leads to the event."""

    async def write_all(self, lanes):
        """Take what leads to the event."""

    async def swap(self, name, *values):
        """Apply by the rules of Cassandra, if fate wills."""
        applies, answered = self.fates.pop(0) if self.fates else (True, True)
        done = applies and self._apply(name, values)
        if not answered:
            raise OutcomeUnknown("no answer")
        return done

    def _apply(self, name, values):
        if name == "create_event" and self.stored is None:
            self.stored = values[5:]
        elif name == "replace_event" and self.stored is not None and self.stored[1] == values[-1]:
            self.stored = ("a.Type", values[0], values[1])
        elif name == "remove_event" and self.stored is not None and self.stored[1] == values[-1]:
            self.stored = None
        else:
            return False
        return True


LOST, NEVER_SENT = (True, False), (False, False)


@pytest.mark.parametrize("fates", [(LOST,), (NEVER_SENT,), (LOST, LOST), (NEVER_SENT, LOST)])
async def test_lost_answers_end_in_one_effect(fates):
    """Whether the lost one applied or not, the change is made once and said to be made (design 4.6)."""
    row = event("acme", 1, body=b"0")
    stored = ("a.Type", 0, b"0")
    replacing, removing = Session(*fates, stored=stored), Session(*fates, stored=stored)

    created = await CassandraEventStore(Session(*fates)).create(row)
    replaced = await CassandraEventStore(replacing).replace(row, b"1")
    removed = await CassandraEventStore(removing).remove(row)

    assert created is True
    assert replaced is not None
    assert replacing.stored == ("a.Type", 1, b"1")
    assert removed is True
    assert removing.stored is None


async def test_without_any_answer_nobody_knows():
    """Three compare-and-sets without an answer are not taken for a success nor for a failure."""
    with pytest.raises(OutcomeUnknown):
        await CassandraEventStore(Session(NEVER_SENT, NEVER_SENT, NEVER_SENT)).create(event("acme", 1))


async def test_a_change_built_on_a_lost_one_leaves_it_unknown():
    """Where another version stands on top, nobody can tell whose is below."""
    session = Session(NEVER_SENT, stored=("a.Type", 5, b"5"))

    with pytest.raises(OutcomeUnknown):
        await CassandraEventStore(session).replace(event("acme", 1, body=b"0"), b"1")
