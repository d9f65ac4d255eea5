"""The contract of `EventStore`, shipped with the port: every adapter's test class inherits it.

An adapter gives `store` (empty or not: every test uses tenants of its own) and `reopen`, which proves that
nothing is remembered by the object alone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from abc import abstractmethod

import pytest

from schemas.durations import DAY_MS
from schemas.errors import StoreUnavailable
from storage.event_port import EventRow, EventSpan, EventStore

BEGIN_MS = 1_767_225_600_000
"""The first moment of a day."""

_names = itertools.count()


def fresh_tenant() -> str:
    """Give a tenant that no other test of this installation uses."""
    return f"t{os.getpid()}_{next(_names)}"


def event(
    tenant: str, number: int, time_ms: int = BEGIN_MS, entity: str = "e", body: bytes = b"{}"
) -> EventRow:
    """Make an event whose id is its number."""
    return EventRow(tenant, entity, time_ms, f"{number:04d}", "a.Type", 0, body)


def always(tenant: str, entity: str | None = None) -> EventSpan:
    """Give a span that holds every event of the tests."""
    return EventSpan(tenant, entity, 0, BEGIN_MS + 10_000 * DAY_MS)


class EventStoreContract:
    """What every store of events promises (wire 9, decision 0023)."""

    store: EventStore

    @abstractmethod
    async def reopen(self) -> EventStore:
        """Open the same store once more."""

    async def keep(self, *rows: EventRow) -> None:
        """Create these events."""
        for row in rows:
            assert await self.store.create(row)

    async def test_absent_event_is_none(self) -> None:
        """An event that was never stored is not found, and there is none to list."""
        tenant = fresh_tenant()

        assert await self.store.get(tenant, "0001") is None
        assert await self.store.read(always(tenant), 10) == []
        assert await self.store.read(always(tenant, "e"), 10) == []

    async def test_an_event_is_found_by_id_entity_and_tenant(self) -> None:
        """What is created reads back alike on every way."""
        tenant = fresh_tenant()
        row = event(tenant, 1, BEGIN_MS + 7, body=bytes(range(256)))

        created = await self.store.create(row)

        assert created is True
        assert await self.store.get(tenant, "0001") == row
        assert await self.store.read(always(tenant), 10) == [row]
        assert await self.store.read(always(tenant, "e"), 10) == [row]
        assert await self.store.read(always(tenant, "other"), 10) == []
        assert await self.store.read_versions(row) == {}

    async def test_a_repeated_creation_changes_nothing(self) -> None:
        """The same event again is refused, and stands as it stood."""
        tenant = fresh_tenant()
        first = event(tenant, 1, body=b"1")
        await self.keep(first)

        again = await self.store.create(event(tenant, 1, body=b"2"))

        assert again is False
        assert await self.store.read(always(tenant), 10) == [first]

    async def test_a_list_is_newest_first(self) -> None:
        """By time, then by id, over days and entities, whatever the order of creation."""
        tenant = fresh_tenant()
        rows = [
            event(tenant, number, BEGIN_MS + (number % 7) * DAY_MS // 2, entity=f"e{number % 3}")
            for number in range(42)
        ]
        await self.keep(*rows)
        rows.sort(key=lambda row: (row.time_ms, row.id), reverse=True)

        assert rows == await self.store.read(always(tenant), 100)
        assert [row for row in rows if row.entity == "e1"] == await self.store.read(always(tenant, "e1"), 100)

    async def test_pages_follow_one_another_without_a_gap(self) -> None:
        """Page after page of any size gives each event once, also many of one millisecond."""
        tenant = fresh_tenant()
        rows = [
            event(tenant, number, BEGIN_MS + number // 9 * DAY_MS, entity=f"e{number % 2}")
            for number in range(30)
        ]
        await self.keep(*rows)
        for entity, limit in itertools.product((None, "e0"), (1, 4, 10)):
            span, found = always(tenant, entity), []
            while page := await self.store.read(span, limit):
                found += page
                span = span.behind(page[-1])
                if len(page) < limit:
                    break

            assert await self.store.read(always(tenant, entity), 100) == found
            assert len(found) == (30 if entity is None else 15)

    async def test_a_span_holds_its_start_and_not_its_end(self) -> None:
        """start_ms ≤ time < end_ms, at the borders of days as anywhere."""
        tenant = fresh_tenant()
        offsets = (-1, 0, 1, DAY_MS - 1, DAY_MS, DAY_MS + 1)
        await self.keep(*(event(tenant, place, BEGIN_MS + each) for place, each in enumerate(offsets)))
        for start_ms, end_ms, expected in (
            (BEGIN_MS, BEGIN_MS + DAY_MS, ["0003", "0002", "0001"]),
            (BEGIN_MS + 1, BEGIN_MS + DAY_MS + 1, ["0004", "0003", "0002"]),
            (BEGIN_MS - 1, BEGIN_MS, ["0000"]),
            (BEGIN_MS, BEGIN_MS, []),
        ):
            for entity in (None, "e"):
                found = await self.store.read(EventSpan(tenant, entity, start_ms, end_ms), 10)

                assert [row.id for row in found] == expected

    async def test_times_long_ago_are_times(self) -> None:
        """An event before 1970 is kept and found."""
        tenant = fresh_tenant()
        row = event(tenant, 1, -DAY_MS - 1)
        await self.keep(row)

        assert await self.store.read(EventSpan(tenant, "e", -2 * DAY_MS, 0), 10) == [row]
        assert await self.store.read(EventSpan(tenant, None, -2 * DAY_MS, 0), 10) == [row]

    async def test_replace_builds_on_one_version(self) -> None:
        """A replacement applies once and keeps what it replaced; a stale one changes nothing."""
        tenant = fresh_tenant()
        row = event(tenant, 1, body=b"0")
        await self.keep(row)

        first = await self.store.replace(row, b"1")
        stale = await self.store.replace(row, b"2")

        assert first is not None
        assert (first.version, first.body) == (1, b"1")
        assert stale is None
        assert await self.store.get(tenant, "0001") == first
        assert await self.store.read(always(tenant), 10) == [first]
        assert await self.store.read_versions(first) == {0: b"0"}

    async def test_every_earlier_body_is_kept(self) -> None:
        """The versions before the one that was read, ascending, and none of the same or later."""
        tenant = fresh_tenant()
        row: EventRow | None = event(tenant, 1, body=b"0")
        assert row is not None
        await self.keep(row)
        seen = [row]
        for number in range(1, 12):
            row = await self.store.replace(row, b"%d" % number)
            assert row is not None
            seen.append(row)

        assert await self.store.read_versions(seen[-1]) == {number: b"%d" % number for number in range(11)}
        assert list(await self.store.read_versions(seen[-1])) == list(range(11))
        assert await self.store.read_versions(seen[2]) == {0: b"0", 1: b"1"}
        assert await self.store.read_versions(seen[0]) == {}

    async def test_remove_builds_on_one_version(self) -> None:
        """A removal with a stale version changes nothing; the right one takes the event and its versions."""
        tenant = fresh_tenant()
        row = event(tenant, 1, body=b"0")
        await self.keep(row, event(tenant, 2))
        newest = await self.store.replace(row, b"1")
        assert newest is not None

        stale = await self.store.remove(row)
        removed = await self.store.remove(newest)
        again = await self.store.remove(newest)

        assert (stale, removed, again) == (False, True, False)
        assert await self.store.get(tenant, "0001") is None
        assert [row.id for row in await self.store.read(always(tenant), 10)] == ["0002"]
        assert [row.id for row in await self.store.read(always(tenant, "e"), 10)] == ["0002"]
        assert await self.store.read_versions(newest) == {}
        assert await self.store.replace(newest, b"2") is None

    async def test_one_of_many_concurrent_changes_wins(self) -> None:
        """Of replacements and removals that build on one version exactly one applies."""
        tenant = fresh_tenant()
        row = event(tenant, 1)
        await self.keep(row)

        changes = [self.store.replace(row, b"%d" % number) for number in range(6)]
        answers = await asyncio.gather(*changes, self.store.remove(row))

        winners = [answer for answer in answers if answer]
        assert len(winners) == 1
        assert await self.store.get(tenant, "0001") == (None if winners[0] is True else winners[0])

    async def test_nothing_crosses_a_tenant(self) -> None:
        """Two tenants may have events of one id, entity and time; each sees and removes its own."""
        ours, theirs = fresh_tenant(), fresh_tenant()
        mine, other = event(ours, 1, body=b"mine"), event(theirs, 1, body=b"theirs")
        await self.keep(mine, other)
        await self.store.replace(mine, b"mine again")

        assert await self.store.read(always(theirs), 10) == [other]
        assert await self.store.get(theirs, "0001") == other
        assert await self.store.read_versions(other) == {}
        assert await self.store.remove(other) is True
        assert [row.body for row in await self.store.read(always(ours, "e"), 10)] == [b"mine again"]

    async def test_hostile_names_are_only_names(self) -> None:
        """Quotes, separators, wildcards and other scripts are kept as they are (S13)."""
        tenant = fresh_tenant()
        for name in ("o'neil", 'a"b', "a;drop", "a/b", "a,b", "ü-名", "{tag}", "*?[x]", "a\nb", "%"):
            row = EventRow(tenant, name, BEGIN_MS, name, name, 0, name.encode())
            await self.keep(row)

            assert await self.store.get(tenant, name) == row
            assert await self.store.read(always(tenant, name), 10) == [row]

    async def test_everything_is_there_after_opening_again(self) -> None:
        """Events and their versions do not live in the object that wrote them."""
        tenant = fresh_tenant()
        row = event(tenant, 1, body=b"0")
        await self.keep(row)
        newest = await self.store.replace(row, b"1")
        assert newest is not None

        again = await self.reopen()

        assert await again.get(tenant, "0001") == newest
        assert await again.read(always(tenant), 10) == [newest]
        assert await again.read_versions(newest) == {0: b"0"}

    async def test_closing_twice_is_harmless(self) -> None:
        """A second close does nothing."""
        again = await self.reopen()

        await again.close()
        await again.close()

    async def test_an_entity_is_erased(self) -> None:
        """Its events go with their versions and all that leads to them; others' stay (design 4.16)."""
        tenant = fresh_tenant()
        await self.keep(*(event(tenant, n, BEGIN_MS + n * DAY_MS, "gone") for n in range(3)))
        await self.keep(event(tenant, 7, entity="stays"))
        changed = await self.store.get(tenant, "0001")
        assert changed is not None
        await self.store.replace(changed, b"later")

        assert 3 == await self.store.erase(tenant, "gone")
        assert 0 == await self.store.erase(tenant, "gone")

        assert [event(tenant, 7, entity="stays")] == await self.store.read(always(tenant), 10)
        assert await self.store.get(tenant, "0001") is None

    async def test_a_tenant_is_erased_and_counts_no_more(self) -> None:
        """Nothing of it is counted in any place; another tenant has what it had (design 4.16)."""
        gone, stays = fresh_tenant(), fresh_tenant()
        for tenant in (gone, stays):
            await self.keep(*(event(tenant, n, BEGIN_MS + n * DAY_MS, f"e{n % 2}") for n in range(5)))
            first = await self.store.get(tenant, "0000")
            assert first is not None
            await self.store.replace(first, b"later")
        before = await self.store.count_left(stays)

        assert 5 == await self.store.erase(gone)

        assert {0} == set((await self.store.count_left(gone)).values())
        assert before == await self.store.count_left(stays)
        assert before["events"] > 0
        assert before["event_versions"] > 0
        assert 5 == len(await self.store.read(always(stays), 10))


class ClosedEventStoreContract:
    """What a store promises that has something to close."""

    store: EventStore

    async def test_a_closed_store_is_unavailable(self) -> None:
        """Every method says so in our own words."""
        row = event("acme", 1)
        await self.store.close()
        for call in (
            self.store.create(row),
            self.store.get("acme", "0001"),
            self.store.read(always("acme"), 1),
            self.store.replace(row, b""),
            self.store.remove(row),
            self.store.read_versions(row),
        ):
            with pytest.raises(StoreUnavailable):
                await call
