"""Requests as a whole: several entries in one admission, and the rate of a series (MS-23, design 3.2)."""

from __future__ import annotations

from streams.port import Admitted, Applied, Rate, RecordStream, Refusal, Throttled
from streams.testing.setting import (
    CAPS,
    OTHER_SHARD,
    SHARD,
    BackDoor,
    admission,
    append,
    key,
    prove,
    refused,
)

SLOW = 1_000_000
"""Bytes a second at which a byte is a microsecond; a burst of ten seconds does not flow back unseen."""


def rate(cost_bytes: int, burst_bytes: int = 10 * SLOW) -> Rate:
    """Ask for this many bytes."""
    return Rate(SLOW, burst_bytes, cost_bytes)


class RequestContract:
    """All of a request or none of it; no series faster than its rate."""

    async def test_entries_of_one_request_stand_together(self, stream: RecordStream, door: BackDoor) -> None:
        """They get neighbouring positions and are chained in their order (design 3.2, 4.17)."""
        await prove(stream)
        [before] = await append(stream)

        [admitted] = await stream.append([admission(body=b"a", more=(b"b", b"c"))])

        assert isinstance(admitted, Admitted)
        first = admitted.position
        assert 3 == admitted.entries
        assert [before, first, first + 1, first + 2] == await door.positions(SHARD)
        tail = await stream.read_tail(SHARD, admission().series)
        expected = [
            (before, 0, b"body"),
            (first, before, b"a"),
            (first + 1, first, b"b"),
            (first + 2, first + 1, b"c"),
        ]
        assert expected == [(each.position, each.previous, each.body) for each in tail.chain or ()]
        assert 7 == (await stream.read_state(SHARD)).backlog_bytes

    async def test_a_request_in_part_applied_leaves_the_backlog_of_its_rest(
        self, stream: RecordStream
    ) -> None:
        """A turn may end between the entries of a request."""
        await prove(stream)
        [first] = await append(stream, admission(body=bytes(10), more=(bytes(20), bytes(30))))

        await stream.report_applied(SHARD, Applied(first))

        assert 50 == (await stream.read_state(SHARD)).backlog_bytes

    async def test_a_request_is_admitted_whole_or_not_at_all(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """Cap and limit count all of its entries: one that only half fits leaves no trace (design 6)."""
        await prove(stream)
        half = bytes(CAPS.backlog_bytes_max // 2)

        assert Refusal.BACKLOG is await refused(stream, admission(body=half, more=(half, b"x")))
        assert [] == await door.positions(SHARD)
        assert await refused(stream, admission(body=half, more=(half,))) is None

        ahead = (await stream.read_state(SHARD)).time_us + 3_600_000_000
        await prove(stream, OTHER_SHARD, last=ahead, limit=ahead + 3)
        three = admission(shard=OTHER_SHARD, more=(b"b", b"c"))
        assert Refusal.LIMIT is await refused(stream, three)
        assert [] == await door.positions(OTHER_SHARD)
        assert await refused(stream, admission(shard=OTHER_SHARD, more=(b"b",))) is None

    async def test_one_key_stands_for_all_entries_of_a_request(
        self, stream: RecordStream, door: BackDoor
    ) -> None:
        """A repeat gets the first answer, which names all positions (design 8.18)."""
        await prove(stream)
        asked = admission(more=(b"b", b"c"), once=key("a"))
        [first] = await stream.append([asked])

        [repeat] = await stream.append([asked])

        assert isinstance(first, Admitted)
        assert Admitted(first.incarnation, first.position, repeated=True, entries=3) == repeat
        assert 3 == len(await door.positions(SHARD))

    async def test_a_series_has_its_burst_and_then_waits(self, stream: RecordStream, door: BackDoor) -> None:
        """What the bucket holds is admitted at once; beyond it the answer tells the wait (MS-23)."""
        await prove(stream)

        answers = await stream.append(
            [
                admission(rate=rate(9 * SLOW)),
                admission(rate=rate(SLOW + 1_000)),
                admission(2, rate=rate(10 * SLOW)),
                admission(),
            ]
        )

        debts = [answer.debt_us for answer in answers if not isinstance(answer, Refusal)]
        assert [Admitted, Throttled, Admitted, Admitted] == [type(answer) for answer in answers]
        assert 9_000_000 == debts[0]
        assert 8_990_000 < debts[1] <= 9_000_000
        assert [10_000_000, 0] == debts[2:]
        assert 3 == len(await door.positions(SHARD))

    async def test_each_lane_of_a_series_has_a_bucket(self, stream: RecordStream) -> None:
        """What catches up takes nothing of what live data may send (design 7)."""
        await prove(stream)
        late = Rate(SLOW, 20 * SLOW, 20 * SLOW, "late")

        answers = await stream.append(
            [
                admission(rate=rate(10 * SLOW)),
                admission(rate=late),
                admission(rate=late),
                admission(rate=rate(SLOW)),
            ]
        )

        assert [Admitted, Admitted, Throttled, Throttled] == [type(answer) for answer in answers]

    async def test_a_bucket_fills_with_time(self, stream: RecordStream) -> None:
        """Twenty milliseconds of rate are back after twenty milliseconds (MS-23)."""
        await prove(stream)
        whole = admission(rate=rate(20_000, 20_000))
        began_us = (await stream.read_state(SHARD)).time_us
        await append(stream, whole)

        while await refused(stream, whole) is not None:
            pass

        took_us = (await stream.read_state(SHARD)).time_us - began_us
        assert took_us >= 20_000

    async def test_what_is_refused_or_repeated_takes_nothing(self, stream: RecordStream) -> None:
        """A bucket pays for what was admitted, once (MS-23, design 8.18)."""
        await prove(stream)
        asked = admission(once=key("a"), rate=rate(6 * SLOW))
        too_large = admission(body=bytes(CAPS.backlog_bytes_max + 1), rate=rate(3 * SLOW))

        answers = await stream.append([asked, asked, too_large, admission(rate=rate(11 * SLOW))])

        assert Refusal.BACKLOG is answers[2]
        debts = [answer.debt_us for answer in answers if not isinstance(answer, Refusal)]
        assert [Admitted, Admitted, Refusal, Throttled] == [type(answer) for answer in answers]
        assert 6_000_000 == debts[0]
        assert all(5_990_000 < debt_us <= 6_000_000 for debt_us in debts[1:])
