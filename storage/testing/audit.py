"""The contract of `AuditStore`, shipped with the port: every adapter's test class inherits it.

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
from storage.audit_port import AuditLine, AuditSpan, AuditStore

BEGIN_MS = 1_767_225_600_000
"""The first moment of a day."""

_names = itertools.count()


def fresh_tenant() -> str:
    """Give a tenant that no other test of this installation uses."""
    return f"a{os.getpid()}_{next(_names)}"


def line(tenant: str, number: int, time_ms: int = BEGIN_MS, outcome: bytes | None = None) -> AuditLine:
    """Make a line whose id and act are its number."""
    return AuditLine(tenant, time_ms, f"{number:04d}", b"act %d" % number, outcome)


def ended(begun: AuditLine, outcome: bytes = b"done") -> AuditLine:
    """Give the line with an outcome."""
    return AuditLine(begun.tenant, begun.time_ms, begun.id, begun.act, outcome)


def always(tenant: str) -> AuditSpan:
    """Give a span that holds every line of the tests."""
    return AuditSpan(tenant, 0, BEGIN_MS + 10_000 * DAY_MS)


class AuditStoreContract:
    """What every store of audit lines promises (decision 0033)."""

    store: AuditStore

    @abstractmethod
    async def reopen(self) -> AuditStore:
        """Open the same store once more."""

    async def keep(self, *lines: AuditLine) -> None:
        """Append these lines."""
        for one in lines:
            await self.store.append(one)

    async def test_an_empty_log_has_no_lines(self) -> None:
        """A tenant of which nothing was written has an empty log."""
        assert await self.store.read(always(fresh_tenant()), 10) == []

    async def test_a_line_is_read_as_it_was_written(self) -> None:
        """Without an outcome, and with one that was known at once; bytes of every value stay."""
        tenant = fresh_tenant()
        octets = bytes(range(256))
        open_line = AuditLine(tenant, BEGIN_MS, "a", octets)
        whole = AuditLine(tenant, BEGIN_MS + 1, "b", octets[::-1], octets)

        await self.keep(open_line, whole)

        assert [whole, open_line] == await self.store.read(always(tenant), 10)

    async def test_an_outcome_comes_later(self) -> None:
        """A line is there from its beginning on, and whole once it is concluded; the others stay open."""
        tenant = fresh_tenant()
        first, second = line(tenant, 1), line(tenant, 2)
        await self.keep(first, second)
        assert [second, first] == await self.store.read(always(tenant), 10)

        await self.store.conclude(ended(first))

        assert [second, ended(first)] == await self.store.read(always(tenant), 10)

    async def test_repeats_are_harmless(self) -> None:
        """An append and a conclusion whose answers were lost are sent again, and nothing is there twice."""
        tenant = fresh_tenant()
        begun = line(tenant, 1)

        await self.keep(begun, begun)
        await self.store.conclude(ended(begun))
        await self.store.conclude(ended(begun))
        await self.store.append(begun)

        assert [ended(begun)] == await self.store.read(always(tenant), 10)

    async def test_a_log_is_newest_first(self) -> None:
        """By time, then by id, over days, whatever the order of writing."""
        tenant = fresh_tenant()
        lines = [line(tenant, number, BEGIN_MS + number % 7 * DAY_MS // 2) for number in range(42)]
        await self.keep(*lines)
        lines.sort(key=lambda one: (one.time_ms, one.id), reverse=True)

        assert lines == await self.store.read(always(tenant), 100)

    async def test_pages_follow_one_another_without_a_gap(self) -> None:
        """Page after page of any size gives each line once, also many of one millisecond."""
        tenant = fresh_tenant()
        lines = [line(tenant, number, BEGIN_MS + number // 9 * DAY_MS) for number in range(30)]
        await self.keep(*lines)
        for limit in (1, 4, 10):
            span, found = always(tenant), []
            while page := await self.store.read(span, limit):
                found += page
                span = span.behind(page[-1])
                if len(page) < limit:
                    break

            assert await self.store.read(always(tenant), 100) == found
            assert len(found) == 30

    async def test_a_span_holds_its_start_and_not_its_end(self) -> None:
        """start_ms ≤ time < end_ms, at the borders of days as anywhere."""
        tenant = fresh_tenant()
        offsets = (-1, 0, 1, DAY_MS - 1, DAY_MS, DAY_MS + 1)
        await self.keep(*(line(tenant, place, BEGIN_MS + each) for place, each in enumerate(offsets)))
        for start_ms, end_ms, expected in (
            (BEGIN_MS, BEGIN_MS + DAY_MS, ["0003", "0002", "0001"]),
            (BEGIN_MS + 1, BEGIN_MS + DAY_MS + 1, ["0004", "0003", "0002"]),
            (BEGIN_MS - 1, BEGIN_MS, ["0000"]),
            (BEGIN_MS, BEGIN_MS, []),
        ):
            found = await self.store.read(AuditSpan(tenant, start_ms, end_ms), 10)

            assert [one.id for one in found] == expected

    async def test_many_write_at_once(self) -> None:
        """Lines that are appended and concluded side by side are all there, each whole."""
        tenant = fresh_tenant()
        lines = [line(tenant, number, BEGIN_MS + number % 3 * DAY_MS) for number in range(60)]

        async def act(one: AuditLine) -> None:
            await self.store.append(one)
            await self.store.conclude(ended(one))

        await asyncio.gather(*(act(one) for one in lines))

        found = await self.store.read(always(tenant), 100)
        assert sorted(one.id for one in lines) == sorted(one.id for one in found)
        assert {b"done"} == {one.outcome for one in found}

    async def test_nothing_crosses_a_tenant(self) -> None:
        """Two tenants may have lines of one time and id; each reads and concludes its own."""
        ours, theirs = fresh_tenant(), fresh_tenant()
        mine, other = line(ours, 1), line(theirs, 1)
        await self.keep(mine, other)

        await self.store.conclude(ended(mine))

        assert [ended(mine)] == await self.store.read(always(ours), 10)
        assert [other] == await self.store.read(always(theirs), 10)

    async def test_an_erased_tenant_leaves_nothing(self) -> None:
        """All lines of a tenant go, open and whole ones, of every day; a repeat is harmless."""
        gone, stays = fresh_tenant(), fresh_tenant()
        lines = [line(gone, number, BEGIN_MS + number * DAY_MS) for number in range(12)]
        await self.keep(*lines, line(stays, 1))
        for one in lines[::2]:
            await self.store.conclude(ended(one))

        await self.store.erase(gone)
        await self.store.erase(gone)

        assert await self.store.read(always(gone), 100) == []
        assert [line(stays, 1)] == await self.store.read(always(stays), 10)

    async def test_hostile_names_are_only_names(self) -> None:
        """Quotes, separators, wildcards and other scripts are kept as they are (S13)."""
        tenant = fresh_tenant()
        names = ("o'neil", 'a"b', "a;drop", "a/b", "a,b", "ü-名", "{tag}", "*?[x]", "a\nb", "%")
        lines = [AuditLine(tenant, BEGIN_MS + place, name, b"x") for place, name in enumerate(names)]

        await self.keep(*lines)

        assert lines[::-1] == await self.store.read(always(tenant), 100)

    async def test_everything_is_there_after_opening_again(self) -> None:
        """Lines and outcomes do not live in the object that wrote them."""
        tenant = fresh_tenant()
        first, second = line(tenant, 1), line(tenant, 2)
        await self.keep(first, second)
        await self.store.conclude(ended(first))

        again = await self.reopen()

        assert [second, ended(first)] == await again.read(always(tenant), 10)

    async def test_closing_twice_is_harmless(self) -> None:
        """A second close does nothing."""
        again = await self.reopen()

        await again.close()
        await again.close()


class ClosedAuditStoreContract:
    """What a store promises that has something to close."""

    store: AuditStore

    async def test_a_closed_store_is_unavailable(self) -> None:
        """Every method says so in our own words."""
        await self.store.close()
        for call in (
            self.store.append(line("acme", 1)),
            self.store.conclude(ended(line("acme", 1))),
            self.store.read(always("acme"), 1),
            self.store.erase("acme"),
        ):
            with pytest.raises(StoreUnavailable):
                await call
