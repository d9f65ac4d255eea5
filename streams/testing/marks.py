"""The marks that keep a shard honest: proof, applied, trimmed, leases, dead letters (design 4)."""

from __future__ import annotations

import asyncio

from streams.port import Admitted, Applied, Entry, RecordStream, Refusal
from streams.testing.setting import FAR, OTHER_SHARD, SHARD, BackDoor, admission, append, prove, refused

TRIES_MAX = 2_000
"""Of one millisecond, while something waits for a server's clock."""


class MarkContract:
    """Who may write, and how far things are."""

    async def test_an_unproved_shard_admits_nothing(self, stream: RecordStream) -> None:
        """A new server holds nothing, so nothing may be trusted to it yet."""
        assert Refusal.NOT_PROVED is await refused(stream)

        state = await stream.read_state(SHARD)
        assert (0, 0, 0, 0) == (state.last_found, state.applied, state.trimmed, state.backlog_bytes)
        assert (None, None, None) == (state.limit, state.proved, state.incarnation)

    async def test_a_proof_sets_every_mark(self, stream: RecordStream) -> None:
        """The state tells what was proved, for which process."""
        await prove(stream, last=50, limit=FAR, incarnation=3, applied=40)

        state = await stream.read_state(SHARD)
        assert (50, 40, FAR, 3) == (state.last_found, state.applied, state.limit, state.incarnation)
        assert state.run_id == state.proved

    async def test_an_emptied_server_admits_nothing_until_proved(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """FLUSHALL keeps process and connections; the missing marks are found at the next admission (R6)."""
        await prove(stream)
        [lost] = await append(stream)
        await door.wipe()

        assert Refusal.NOT_PROVED is await refused(stream)
        assert not await stream.renew_limit(SHARD, FAR)
        assert not await stream.report_applied(SHARD, Applied(lost))
        assert Refusal.NOT_PROVED is await refused(stream)

        await prove(stream, last=lost, incarnation=2)
        [position] = await append(stream)
        assert position > lost

    async def test_a_restarted_server_admits_nothing_until_proved(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """Another process may have lost entries, even if it has all marks; entries it has are kept (R4)."""
        await prove(stream)
        [kept] = await append(stream)
        before = await stream.read_state(SHARD)
        await door.restart()

        state = await stream.read_state(SHARD)
        assert state.run_id != before.run_id
        assert before.run_id == state.proved
        assert Refusal.NOT_PROVED is await refused(stream)
        assert not await stream.renew_limit(SHARD, FAR)
        assert not await stream.prove(SHARD, before.run_id, last=0, limit=FAR, incarnation=2, applied=0)
        assert [kept] == await door.positions(SHARD)

        await prove(stream, incarnation=2)
        assert (await append(stream))[0] > kept

    async def test_a_restored_server_goes_on_above_everything(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """A server that went back in time is found out, and never gives a position twice."""
        await prove(stream)
        [kept] = await append(stream)
        await door.save()
        [lost] = await append(stream)
        await door.restore()

        assert Refusal.NOT_PROVED is await refused(stream)
        assert kept == (await stream.read_state(SHARD)).last_found
        await prove(stream, last=lost + 1_000_000_000, incarnation=2, applied=kept)

        [answer] = await stream.append([admission()])
        assert isinstance(answer, Admitted)
        assert (2, lost + 1_000_000_001) == (answer.incarnation, answer.position)

    async def test_a_late_proof_does_not_undo_a_newer_one(self, stream: RecordStream) -> None:
        """A writer that was paused before it proved must not take receipts back to its own incarnation."""
        await prove(stream, incarnation=6)
        run_id = (await stream.read_state(SHARD)).run_id

        assert not await stream.prove(SHARD, run_id, last=0, limit=5, incarnation=5, applied=0)
        assert await stream.prove(SHARD, run_id, last=0, limit=FAR, incarnation=6, applied=0)

        assert 6 == (await stream.read_state(SHARD)).incarnation

    async def test_a_proof_never_lowers_the_counter(self, stream: RecordStream) -> None:
        """`last` is the highest of what is there and what is given."""
        await prove(stream, last=FAR - 1_000)
        [position] = await append(stream)

        await prove(stream, last=5, incarnation=2)

        assert [position + 1] == await append(stream)

    async def test_foreign_entries_are_below_the_next_position(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """An entry that no admission made is found by the state and by the proof."""
        await door.put(SHARD, Entry(FAR - 500, 0, b"who put me here?"))

        assert FAR - 500 == (await stream.read_state(SHARD)).last_found
        await prove(stream)

        assert [FAR - 499] == await append(stream)

    async def test_applied_only_rises(self, stream: RecordStream) -> None:
        """A late report changes nothing (design 4)."""
        await prove(stream)
        first, second = await append(stream, admission(), admission())

        assert await stream.report_applied(SHARD, Applied(second))
        assert await stream.report_applied(SHARD, Applied(first))

        assert second == (await stream.read_state(SHARD)).applied

    async def test_reading_goes_on_from_a_position(self, stream: RecordStream) -> None:
        """The writer reads on from its own cursor; nothing is acknowledged to the stream (design 3.6)."""
        await prove(stream)
        await prove(stream, OTHER_SHARD)
        first, second, third = await append(stream, admission(), admission(), admission())
        [other] = await append(stream, admission(shard=OTHER_SHARD))

        found = await stream.read({SHARD: first, OTHER_SHARD: 0}, bytes_max=1_000)
        nothing = await stream.read({SHARD: third}, bytes_max=1_000)

        assert [second, third] == [entry.position for entry in found[SHARD]]
        assert [other] == [entry.position for entry in found[OTHER_SHARD]]
        assert {} == nothing

    async def test_reading_stops_near_its_bytes(self, stream: RecordStream) -> None:
        """A piece is about as large as asked and never empty while something is there."""
        await prove(stream)
        positions = await append(stream, *(admission(body=bytes(100)) for _ in range(39)))

        read: list[int] = []
        pieces = 0
        while found := await stream.read({SHARD: read[-1] if read else 0}, bytes_max=500):
            assert len(found[SHARD]) < 30
            read += [entry.position for entry in found[SHARD]]
            pieces += 1

        assert positions == read
        assert pieces > 1

    async def test_a_waiting_read_wakes_when_something_comes(self, stream: RecordStream) -> None:
        """A reader that waits is told at once, from any of its shards; one that waits in vain ends."""
        await prove(stream, OTHER_SHARD)
        waiting = asyncio.create_task(
            stream.read({SHARD: 0, OTHER_SHARD: 0}, bytes_max=1_000, wait_ms=30_000)
        )
        await asyncio.sleep(0)

        [position] = await append(stream, admission(shard=OTHER_SHARD))

        found = await waiting
        assert [position] == [entry.position for entry in found[OTHER_SHARD]]
        assert {} == await stream.read({SHARD: 0, OTHER_SHARD: position}, bytes_max=1_000, wait_ms=1)

    async def test_one_entry_is_read_by_its_position(self, stream: RecordStream) -> None:
        """A receipt's entry can be looked at; an unknown position is None."""
        await prove(stream)
        first, second = await append(stream, admission(body=b"one"), admission(body=b"two"))

        assert Entry(second, first, b"two") == await stream.read_entry(SHARD, second)
        assert await stream.read_entry(SHARD, second + 1) is None

    async def test_trim_stops_at_applied_and_says_how_far(self, stream: RecordStream, door: BackDoor) -> None:
        """What the store has not is never removed; what was removed is on record (design 4)."""
        await prove(stream)
        first, second, third = await append(stream, admission(), admission(), admission())
        await stream.trim(SHARD, third)
        assert [first, second, third] == await door.positions(SHARD)
        assert 0 == (await stream.read_state(SHARD)).trimmed

        await stream.report_applied(SHARD, Applied(second))
        await stream.trim(SHARD, first)
        assert [second, third] == await door.positions(SHARD)
        assert first == (await stream.read_state(SHARD)).trimmed

        await stream.trim(SHARD, third)
        assert [third] == await door.positions(SHARD)
        assert second == (await stream.read_state(SHARD)).trimmed
        assert {SHARD: second, OTHER_SHARD: 0} == await stream.read_trimmed([SHARD, OTHER_SHARD])
        assert {} == await stream.read_trimmed([])

    async def test_trim_takes_many_pieces(self, stream: RecordStream, door: BackDoor) -> None:
        """A long backlog goes piece by piece and leaves exactly what was not asked for."""
        await prove(stream)
        positions = await append(stream, *(admission(body=b"") for _ in range(5_000)))
        await stream.report_applied(SHARD, Applied(positions[-1]))

        await stream.trim(SHARD, positions[-3])

        assert positions[-2:] == await door.positions(SHARD)
        assert positions[-3] == (await stream.read_state(SHARD)).trimmed

    async def test_positions_go_on_after_everything_was_trimmed(self, stream: RecordStream) -> None:
        """An empty stream is not a new one."""
        await prove(stream, last=FAR - 100)
        [position] = await append(stream)
        await stream.report_applied(SHARD, Applied(position))
        await stream.trim(SHARD, position)

        assert position == (await stream.read_state(SHARD)).last_found
        assert [position + 1] == await append(stream)

    async def test_a_lease_has_one_owner(self, stream: RecordStream) -> None:
        """Its owner keeps it; another gets it when it is given back, which only the owner can do."""
        assert await stream.acquire_lease(SHARD, "one", 60_000)
        assert await stream.acquire_lease(SHARD, "one", 60_000)
        assert not await stream.acquire_lease(SHARD, "two", 60_000)
        assert await stream.acquire_lease(OTHER_SHARD, "two", 60_000)

        await stream.release_lease(SHARD, "two")
        assert not await stream.acquire_lease(SHARD, "two", 60_000)
        await stream.release_lease(SHARD, "one")
        assert await stream.acquire_lease(SHARD, "two", 60_000)

    async def test_a_lease_ends_by_itself(self, stream: RecordStream) -> None:
        """An owner that says nothing more loses it after its time."""
        assert await stream.acquire_lease(SHARD, "one", 20)

        for _ in range(TRIES_MAX):
            if await stream.acquire_lease(SHARD, "two", 60_000):
                break
            await asyncio.sleep(0.001)

        assert not await stream.acquire_lease(SHARD, "one", 60_000)

    async def test_living_writers_are_listed(self, stream: RecordStream) -> None:
        """Who joined and has time left is on the list; who left, or said nothing more, is not."""
        assert ["one"] == await stream.join("one", 60_000)
        await stream.join("brief", 20)
        assert "two" in await stream.join("two", 60_000)
        await stream.leave("one")
        await stream.leave("nobody")

        names = ["brief"]
        for _ in range(TRIES_MAX):
            names = await stream.join("two", 60_000)
            if "brief" not in names:
                break
            await asyncio.sleep(0.001)

        assert ["two"] == names
