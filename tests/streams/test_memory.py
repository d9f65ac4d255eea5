"""The memory adapter against the contract of the stream port."""

import pytest

from streams.memory import MemoryRecordStream, put_raw
from streams.port import Entry
from streams.testing import CAPS, BackDoor, RecordStreamContract


class MemoryBackDoor(BackDoor):
    def __init__(self, stream: MemoryRecordStream) -> None:
        self.stream = stream
        self.saved = stream.save()

    async def positions(self, shard):
        return list(self.stream._shards[shard].positions) if shard in self.stream._shards else []

    async def put(self, shard: int, entry: Entry):
        put_raw(self.stream.shard(shard), entry)

    async def remove(self, shard, position):
        held = self.stream.shard(shard)
        held.positions.remove(position)
        del held.entries[position]

    async def wipe(self):
        self.stream.wipe()

    async def restart(self):
        self.stream.restart()

    async def save(self):
        self.saved = self.stream.save()

    async def restore(self):
        self.stream.restore(self.saved)

    async def stop(self):
        self.stream.stop()


class Clock:
    """Moves on a little each time it is looked at, as clocks do."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        self.now_us += 100
        return self.now_us


class TestMemory(RecordStreamContract):
    @pytest.fixture
    def stream(self):
        return MemoryRecordStream(Clock(1_790_000_000_000_000), caps=CAPS)

    @pytest.fixture
    def door(self, stream):
        return MemoryBackDoor(stream)


async def test_keys_are_forgotten_after_their_time():
    """An idempotency key is remembered for 48 hours, then it is new again (design 8.18, R13)."""
    from streams.testing.setting import admission, append, key, prove

    clock = Clock(1_790_000_000_000_000)
    stream = MemoryRecordStream(clock)
    await prove(stream)
    [first] = await append(stream, admission(once=key("a")))

    clock.now_us += 47 * 3_600_000_000
    assert [first] == await append(stream, admission(once=key("a")))
    clock.now_us += 2 * 3_600_000_000

    assert [first] != await append(stream, admission(once=key("a", b"other")))
