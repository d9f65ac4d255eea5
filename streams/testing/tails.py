"""Fresh reads: the chain of unapplied entries and the latest caches (design 4.12, 4.17)."""

from __future__ import annotations

from streams.port import Applied, Entry, RecordStream, Tail
from streams.testing.setting import CAPS, SHARD, BackDoor, admission, append, prove, series

MANY, APPLIED = 2_600, 1_800
"""Series that wait, and those of them that a report tells of: more than one call of an adapter takes."""


class TailContract:
    """What a read gets first."""

    async def test_a_series_without_entries_has_an_empty_chain(self, stream: RecordStream) -> None:
        """Nothing unapplied is a known fact, not an unknown."""
        await prove(stream, applied=5)

        assert Tail(5, None, []) == await stream.read_tail(SHARD, series(1))

    async def test_the_chain_holds_what_is_not_applied_ascending(self, stream: RecordStream) -> None:
        """Acknowledged and not yet stored: all of it, of this series only (design 4.17)."""
        await prove(stream)
        first, _, second, third = await append(
            stream, admission(1, b"a"), admission(2), admission(1, b"b"), admission(1, b"c")
        )

        assert Tail(
            0, None, [Entry(first, 0, b"a"), Entry(second, first, b"b"), Entry(third, second, b"c")]
        ) == await stream.read_tail(SHARD, series(1))

    async def test_the_chain_ends_at_applied(self, stream: RecordStream) -> None:
        """What the store has is not fetched again; a series that is wholly applied has an empty chain."""
        await prove(stream)
        first, other, second = await append(stream, admission(1), admission(2), admission(1))

        await stream.report_applied(SHARD, Applied(other))

        assert Tail(other, None, [Entry(second, first, b"body")]) == await stream.read_tail(SHARD, series(1))
        assert Tail(other, None, []) == await stream.read_tail(SHARD, series(2))

    async def test_a_chain_starts_anew_after_it_was_applied(self, stream: RecordStream) -> None:
        """The tail of an applied series is forgotten: its next entry has nothing before it (design 4.17)."""
        await prove(stream)
        [first] = await append(stream)
        await stream.report_applied(SHARD, Applied(first))
        await stream.trim(SHARD, first)

        [second] = await append(stream)

        assert Tail(first, None, [Entry(second, 0, b"body")]) == await stream.read_tail(SHARD, series(1))

    async def test_a_long_chain_is_not_fetched(self, stream: RecordStream) -> None:
        """At the cap of entries it comes, one above it does not: the store answers alone (design 4.17)."""
        await prove(stream)
        await append(stream, *(admission() for _ in range(CAPS.chain_entries_max)))
        tail = await stream.read_tail(SHARD, series(1))
        assert CAPS.chain_entries_max == len(tail.chain or ())

        await append(stream)

        assert (await stream.read_tail(SHARD, series(1))).chain is None

    async def test_a_large_chain_is_not_fetched(self, stream: RecordStream) -> None:
        """The same for its bytes."""
        await prove(stream)
        await append(stream, admission(body=bytes(CAPS.chain_bytes_max - 1)), admission(body=b"1"))
        assert 2 == len((await stream.read_tail(SHARD, series(1))).chain or ())

        await append(stream, admission(body=b"1"))

        assert (await stream.read_tail(SHARD, series(1))).chain is None

    async def test_a_broken_chain_is_not_taken_for_a_short_one(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """A missing link means that the chain is not known (design 4.17)."""
        await prove(stream)
        _, second, _ = await append(stream, admission(), admission(), admission())

        await door.remove(SHARD, second)

        assert (await stream.read_tail(SHARD, series(1))).chain is None

    async def test_an_emptied_server_knows_no_chain(self, stream: RecordStream, door: BackDoor) -> None:
        """After FLUSHALL "nothing unapplied" would be a lie."""
        await prove(stream)
        [position] = await append(stream)
        await stream.report_applied(SHARD, Applied(position, {series(1): b"newest"}))
        await door.wipe()

        assert Tail(0, None, None) == await stream.read_tail(SHARD, series(1))

    async def test_a_report_tells_of_many_series(self, stream: RecordStream) -> None:
        """However many wait: applied ones are forgotten, others kept, and caches are as reported."""
        await prove(stream)
        positions = await append(stream, *(admission(number, b"") for number in range(MANY)))
        before = {series(number): b"before" for number in range(0, MANY, 3)}
        await stream.report_applied(SHARD, Applied(positions[0], dict(before)))
        told = {series(number): None if number % 2 else b"newest" for number in range(APPLIED)}

        assert await stream.report_applied(SHARD, Applied(positions[APPLIED - 1], dict(told)))

        following = await append(stream, *(admission(number, b"") for number in range(MANY)))
        for number in range(0, MANY, 7):
            tail = await stream.read_tail(SHARD, series(number))
            assert (told if number < APPLIED else before).get(series(number)) == tail.latest
            waiting = [] if number < APPLIED else [Entry(positions[number], 0, b"")]
            last = waiting[0].position if waiting else 0
            assert tail.chain == [*waiting, Entry(following[number], last, b"")]

    async def test_the_latest_cache_is_what_the_writer_left(self, stream: RecordStream) -> None:
        """Stored with the report, for many series at once; dropped by None (design 4.12)."""
        await prove(stream)
        positions = await append(stream, *(admission(number, b"") for number in range(3)))
        caches = {series(number): f"newest {number} \x00".encode() for number in range(3_000)}
        await stream.report_applied(SHARD, Applied(positions[0], dict(caches)))
        assert b"newest 2999 \x00" == (await stream.read_tail(SHARD, series(2_999))).latest

        await stream.report_applied(
            SHARD, Applied(positions[1], {series(2_999): None, series(1): b"newer", series(9_999): None})
        )

        assert (await stream.read_tail(SHARD, series(2_999))).latest is None
        assert b"newer" == (await stream.read_tail(SHARD, series(1))).latest
        assert b"newest 2 \x00" == (await stream.read_tail(SHARD, series(2))).latest

    async def test_a_late_report_changes_no_cache(self, stream: RecordStream) -> None:
        """Caches are stored only over a lower position, also over a dropped one (design 4.12)."""
        await prove(stream)
        first, second = await append(stream, admission(1), admission(2))
        await stream.report_applied(SHARD, Applied(second, {series(1): b"new", series(2): None}))

        await stream.report_applied(SHARD, Applied(first, {series(1): b"old", series(2): b"old"}))
        assert b"new" == (await stream.read_tail(SHARD, series(1))).latest
        assert (await stream.read_tail(SHARD, series(2))).latest is None

        await stream.report_applied(SHARD, Applied(second, {series(2): b"filled"}))
        assert b"filled" == (await stream.read_tail(SHARD, series(2))).latest

    async def test_an_unproved_server_shows_no_cache(self, stream: RecordStream, door: BackDoor) -> None:
        """A server that went back in time would show a value that was overwritten since."""
        await prove(stream)
        [first] = await append(stream)
        await stream.report_applied(SHARD, Applied(first, {series(1): b"old"}))
        await door.save()
        [second] = await append(stream)
        await stream.report_applied(SHARD, Applied(second, {series(1): b"new"}))

        await door.restore()
        assert (await stream.read_tail(SHARD, series(1))).latest is None

        assert not await stream.report_applied(SHARD, Applied(second, {}))
        await prove(stream, last=second, incarnation=2, applied=second)
        assert Tail(second, None, []) == await stream.read_tail(SHARD, series(1))

    async def test_caches_survive_a_restart_that_lost_nothing(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """Same entries, same applied: what was cached holds, and so does the chain, proved or not."""
        await prove(stream)
        [first] = await append(stream)
        await stream.report_applied(SHARD, Applied(first, {series(1): b"newest"}))
        [second] = await append(stream)
        await door.restart()
        chain = [Entry(second, 0, b"body")]
        assert Tail(first, None, chain) == await stream.read_tail(SHARD, series(1))

        await prove(stream, incarnation=2, applied=first)

        assert Tail(first, b"newest", chain) == await stream.read_tail(SHARD, series(1))

    async def test_a_store_that_went_back_makes_chains_unknown(self, stream: RecordStream) -> None:
        """Tails were dropped when entries were applied; if the store lost them again, only replay helps."""
        await prove(stream)
        first, second = await append(stream, admission(1), admission(1))
        await stream.report_applied(SHARD, Applied(second, {series(1): b"newest"}))

        await prove(stream, incarnation=2, applied=first)
        assert Tail(first, None, None) == await stream.read_tail(SHARD, series(1))

        await stream.report_applied(SHARD, Applied(second))
        assert Tail(second, None, []) == await stream.read_tail(SHARD, series(1))

    async def test_a_proof_counts_the_backlog_anew(self, stream: RecordStream) -> None:
        """What the store turned out to have does not count against new entries."""
        await prove(stream)
        _, second, _ = await append(stream, *(admission(body=bytes(1_000)) for _ in range(3)))

        await prove(stream, incarnation=2, applied=second)

        assert 1_000 == (await stream.read_state(SHARD)).backlog_bytes
