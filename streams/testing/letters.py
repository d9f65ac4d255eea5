"""What is kept beside the order: dead letters and what became of them, figures of living processes."""

from __future__ import annotations

import asyncio

from streams.port import OPENING_BYTES, DeadLetter, RecordStream, Settled
from streams.testing.marks import TRIES_MAX
from streams.testing.setting import OTHER_SHARD, SHARD

LATE = DeadLetter(SHARD, 2_000_000_000_000_000, "no such aspect ☃", bytes(range(256)))
EARLY = DeadLetter(SHARD, 900, "checksum", b"")


class LetterContract:
    """Dead letters (R14) and published figures."""

    async def test_dead_letters_are_kept_once_and_whole(self, stream: RecordStream) -> None:
        """A letter is listed in order without its body, and read with it (R14)."""
        await stream.bury(LATE)
        await stream.bury(EARLY)
        await stream.bury(DeadLetter(SHARD, 900, "again", b"again"))

        assert [EARLY.head, LATE.head] == await stream.dead_letters(SHARD)
        assert LATE.head.opening == LATE.body[:OPENING_BYTES]
        assert (256, 0) == (LATE.head.bytes_count, EARLY.head.bytes_count)
        assert [] == await stream.dead_letters(OTHER_SHARD)
        assert (EARLY, LATE) == (
            await stream.read_letter(SHARD, 900),
            await stream.read_letter(*_place(LATE)),
        )
        assert LATE.head == await stream.find_letter(*_place(LATE))
        assert await stream.read_letter(OTHER_SHARD, 900) is None
        assert await stream.find_letter(SHARD, 901) is None

    async def test_a_settled_letter_is_gone_and_remembered(self, stream: RecordStream) -> None:
        """What became of it can be asked for; settling it twice, or another, is nothing."""
        await stream.bury(LATE)
        await stream.bury(EARLY)
        moved = Settled(incarnation=3, position=2**52)

        assert await stream.settle(SHARD, 900, Settled())
        assert await stream.settle(*_place(LATE), moved)
        assert not await stream.settle(*_place(LATE), Settled())
        assert not await stream.settle(OTHER_SHARD, 900, Settled())

        assert [] == await stream.dead_letters(SHARD)
        assert await stream.read_letter(*_place(LATE)) is None
        assert Settled(0, 0) == await stream.find_letter(SHARD, 900)
        assert moved == await stream.find_letter(*_place(LATE))

    async def test_a_settled_letter_is_not_buried_again(self, stream: RecordStream) -> None:
        """A writer that died before its cursor was stored comes upon the entry once more."""
        await stream.bury(EARLY)
        await stream.settle(SHARD, 900, Settled())

        await stream.bury(EARLY)

        assert [] == await stream.dead_letters(SHARD)
        assert await stream.read_letter(SHARD, 900) is None

    async def test_figures_are_shown_for_their_time(self, stream: RecordStream) -> None:
        """Each process has its newest figures there, until it says nothing more."""
        assert {} == await stream.published()
        await stream.publish("writer-1", b"old", 60_000)
        await stream.publish("writer-1", b"\x00 new \xff", 60_000)
        await stream.publish("brief", b"{}", 20)

        found: dict[str, bytes] = {}
        for _ in range(TRIES_MAX):
            found = await stream.published()
            if "brief" not in found:
                break
            await asyncio.sleep(0.001)

        assert {"writer-1": b"\x00 new \xff"} == found


def _place(letter: DeadLetter) -> tuple[int, int]:
    return letter.shard, letter.position
