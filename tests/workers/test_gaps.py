"""An accepted gap is written down before anything is given up (design 4, stream and store)."""

import pytest

from runtime.clock import ManualClock
from schemas.audit import decode_act, decode_outcome
from schemas.errors import StoreUnavailable
from storage.audit_port import AuditSpan
from storage.memory_audit import MemoryAuditStore
from tests.workers.test_takeover import SHARD, world_with_a_trimmed_entry
from tests.workers.world import memory_world
from workers.gaps import noting
from workers.takeover import take_over

NOW_MS = 1_767_225_600_000


async def lines(store):
    """Read the platform's log."""
    return await store.read(AuditSpan("core", 0, 2**52), 10)


async def test_an_accepted_gap_is_in_the_platforms_log():
    """Which shard, and between which positions entries were given up; once, not again by the next writer."""
    world, log = await world_with_a_trimmed_entry(), MemoryAuditStore()
    world.keep_in(memory_world().store)
    trimmed = (await world.stream.read_state(SHARD)).trimmed
    note = noting(log, ManualClock(NOW_MS))

    for _ in range(2):
        await take_over(world.stream, world.store, SHARD, accept_gap=True, note_gap=note)

    (line,) = await lines(log)
    act = decode_act(line.act)
    assert ("shard.accept_gap", "core", "operator") == (act.action, act.tenant, act.subject)
    assert {"shard": str(SHARD), "applied": "0", "trimmed": str(trimmed)} == act.things
    assert decode_outcome(line.outcome) is not None


async def test_a_gap_that_cannot_be_written_down_is_not_accepted():
    """With the log's store away the shard stays as it was, and the writer tries again later."""
    world = await world_with_a_trimmed_entry()
    world.keep_in(memory_world().store)

    async def away(*places):
        raise StoreUnavailable("the disk is full")

    before = await world.stream.read_state(SHARD), await world.store.read_shard(SHARD)
    with pytest.raises(StoreUnavailable):
        await take_over(world.stream, world.store, SHARD, accept_gap=True, note_gap=away)

    assert before == (await world.stream.read_state(SHARD), await world.store.read_shard(SHARD))


async def test_a_shard_without_a_gap_is_taken_without_a_word():
    """`accept_gap` left on writes nothing where nothing is given up."""
    world, log = memory_world(), MemoryAuditStore()

    note = noting(log, ManualClock(NOW_MS))
    await take_over(world.stream, world.store, SHARD, accept_gap=True, note_gap=note)

    assert [] == await lines(log)
