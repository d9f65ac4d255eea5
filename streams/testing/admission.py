"""Admission: one order, refusals, idempotency (design 3.3, 3.4, 8.7, 8.18)."""

from __future__ import annotations

import asyncio

from streams.port import Admitted, Applied, RecordStream, Refusal
from streams.testing.setting import (
    CAPS,
    FAR,
    OTHER_SHARD,
    SHARD,
    BackDoor,
    admission,
    append,
    key,
    prove,
    refused,
)


class AdmissionContract:
    """Who gets a position, and which."""

    async def test_entries_come_back_in_the_order_of_their_positions(self, stream: RecordStream) -> None:
        """Bodies, with any byte in them, are read in the order in which they were admitted (design 8.7)."""
        await prove(stream)
        bodies = [b"", b"\x00\r\n$3\r\n", bytes(range(256)), b"last"]

        positions = await append(stream, *(admission(body=body) for body in bodies))

        entries = (await stream.read({SHARD: 0}, bytes_max=10_000))[SHARD]
        assert sorted(positions) == positions
        assert len(set(positions)) == len(positions)
        assert list(zip(positions, bodies, strict=True)) == [(each.position, each.body) for each in entries]

    async def test_positions_are_the_servers_microseconds(self, stream: RecordStream) -> None:
        """A position is the server's time unless that would not be higher than the last (design 3.4)."""
        before = (await stream.read_state(SHARD)).time_us
        await prove(stream)

        [position] = await append(stream)

        assert before <= position <= (await stream.read_state(SHARD)).time_us

    async def test_positions_rise_while_the_clock_is_behind(self, stream: RecordStream) -> None:
        """A clock that stepped back an hour costs nothing: the counter goes on by one (design 3.4)."""
        ahead = (await stream.read_state(SHARD)).time_us + 3_600_000_000
        await prove(stream, last=ahead)

        positions = await append(stream, *(admission(number) for number in range(5)))

        assert [ahead + 1, ahead + 2, ahead + 3, ahead + 4, ahead + 5] == positions

    async def test_round_positions_keep_all_their_digits(self, stream: RecordStream) -> None:
        """What a careless print would give an exponent is stored and chained as it is (design 3.4)."""
        round_number = 4_000_000_000_000_000
        await prove(stream, last=round_number - 1)

        positions = await append(stream, admission(), admission(), admission())

        tail = await stream.read_tail(SHARD, admission().series)
        assert [round_number, round_number + 1, round_number + 2] == positions
        assert [0, round_number, round_number + 1] == [each.previous for each in tail.chain or ()]

    async def test_shards_do_not_know_each_other(self, stream: RecordStream) -> None:
        """Each shard has its own proof, order and entries."""
        await prove(stream)

        answers = await stream.append([admission(), admission(shard=OTHER_SHARD), admission()])

        assert [False, True, False] == [answer is Refusal.NOT_PROVED for answer in answers]
        assert {SHARD} == set(await stream.read({SHARD: 0, OTHER_SHARD: 0}, bytes_max=1_000))

    async def test_a_series_chain_passes_through_many_calls(self, stream: RecordStream) -> None:
        """Each entry names the one before it of its own series (design 4.17)."""
        await prove(stream)
        first, other = await append(stream, admission(1), admission(2))
        second, third = await append(stream, admission(1), admission(1))

        entries = (await stream.read({SHARD: 0}, bytes_max=1_000))[SHARD]

        assert [(first, 0), (other, 0), (second, first), (third, second)] == [
            (each.position, each.previous) for each in entries
        ]

    async def test_nothing_is_asked_and_nothing_is_answered(self, stream: RecordStream) -> None:
        """Empty lists are no reason to speak to the server."""
        assert [] == await stream.append([])
        assert {} == await stream.read({}, bytes_max=1_000, wait_ms=10_000)

    async def test_positions_end_at_the_limit(self, stream: RecordStream, door: BackDoor) -> None:
        """No position at or above the limit is given (design 4)."""
        ahead = (await stream.read_state(SHARD)).time_us + 3_600_000_000
        await prove(stream, last=ahead, limit=ahead + 3)

        answers = await stream.append([admission() for _ in range(4)])

        assert [ahead + 1, ahead + 2] == await door.positions(SHARD)
        assert [Refusal.LIMIT, Refusal.LIMIT] == answers[2:]

    async def test_a_renewed_limit_lets_positions_go_on_and_never_falls(self, stream: RecordStream) -> None:
        """The holder of the lease renews the limit; a late, lower renewal changes nothing."""
        now = (await stream.read_state(SHARD)).time_us
        await prove(stream, limit=now - 1)
        assert Refusal.LIMIT is await refused(stream)

        assert await stream.renew_limit(SHARD, FAR)
        assert await stream.renew_limit(SHARD, now)

        assert FAR == (await stream.read_state(SHARD)).limit
        assert await refused(stream) is None

    async def test_a_full_backlog_refuses_and_an_applied_one_admits(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """Unapplied bytes are capped; what the store has does not count, trimmed or not (design 4)."""
        await prove(stream)
        half = bytes(CAPS.backlog_bytes_max // 2)
        first, second = await append(stream, admission(body=half), admission(body=half))

        assert Refusal.BACKLOG is await refused(stream)
        assert [first, second] == await door.positions(SHARD)
        assert CAPS.backlog_bytes_max == (await stream.read_state(SHARD)).backlog_bytes
        await stream.report_applied(SHARD, Applied(first))

        assert len(half) == (await stream.read_state(SHARD)).backlog_bytes
        assert await refused(stream) is None

    async def test_one_key_has_one_effect(self, stream: RecordStream, door: BackDoor) -> None:
        """Ten copies at once are one entry and one answer (R13, design 8.18)."""
        await prove(stream)

        answers = await asyncio.gather(*(stream.append([admission(once=key("a"))]) for _ in range(10)))

        admitted = [answer for [answer] in answers if isinstance(answer, Admitted)]
        assert 10 == len(admitted)
        assert 1 == len({(answer.incarnation, answer.position) for answer in admitted})
        assert 9 == sum(answer.repeated for answer in admitted)
        assert 1 == len(await door.positions(SHARD))

    async def test_a_key_with_another_payload_is_refused(self, stream: RecordStream) -> None:
        """Same key, other body: refused; another tenant's key is another key (design 8.18)."""
        await prove(stream)
        await append(stream, admission(once=key("a")))

        assert Refusal.KEY_REUSED is await refused(stream, admission(once=key("a", b"other")))
        assert await refused(stream, admission(once=key("a", b"other", tenant="sunco"))) is None

    async def test_a_repeat_gets_the_first_answer_after_a_restart(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """The receipt of a repeat names the incarnation in which the entry was admitted (design 8.18)."""
        await prove(stream, incarnation=4)
        [first] = await stream.append([admission(once=key("a"))])
        await door.restart()
        assert Refusal.NOT_PROVED is await refused(stream, admission(once=key("a")))
        await prove(stream, incarnation=5)

        [repeat] = await stream.append([admission(once=key("a"))])
        [fresh] = await stream.append([admission(once=key("b"))])

        assert isinstance(first, Admitted)
        assert Admitted(4, first.position, repeated=True) == repeat
        assert isinstance(fresh, Admitted)
        assert 5 == fresh.incarnation

    async def test_a_repeat_is_answered_though_nothing_new_would_be(self, stream: RecordStream) -> None:
        """A known key needs no room: neither limit nor backlog refuses it."""
        await prove(stream)
        await append(stream, admission(body=bytes(CAPS.backlog_bytes_max), once=key("a")))
        assert Refusal.BACKLOG is await refused(stream)

        [repeat] = await stream.append([admission(once=key("a"))])

        assert isinstance(repeat, Admitted)
        assert repeat.repeated

    async def test_a_tenant_may_hold_only_so_many_keys(self, stream: RecordStream) -> None:
        """The cap counts one tenant's living keys; others and entries without a key are not concerned."""
        await prove(stream)
        await append(stream, *(admission(once=key(str(number))) for number in range(CAPS.keys_max)))

        assert Refusal.KEYS_CAP is await refused(stream, admission(once=key("one more")))
        assert await refused(stream, admission(once=key("one more", tenant="sunco"))) is None
        assert await refused(stream) is None

    async def test_a_refused_entry_leaves_no_trace(self, stream: RecordStream, door: BackDoor) -> None:
        """Everything is checked before anything is written: a refused key can be used again (design 3.3)."""
        await prove(stream)
        state = await stream.read_state(SHARD)
        too_large = admission(body=bytes(CAPS.backlog_bytes_max + 1), once=key("a"))

        assert Refusal.BACKLOG is await refused(stream, too_large)

        after = await stream.read_state(SHARD)
        assert [] == await door.positions(SHARD)
        assert (state.last_found, 0) == (after.last_found, after.backlog_bytes)
        assert await refused(stream, admission(once=key("a"))) is None
