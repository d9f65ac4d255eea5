"""What is promised of tenants that are erased (design 4.16)."""

from __future__ import annotations

from schemas.changes import Clear
from schemas.ids import SeriesId, TenantId
from streams.entries import SeriesEntry, encode_entry
from streams.port import Admission, Admitted, Applied, DeadLetter, Idempotency, Rate, RecordStream, Settled
from streams.testing.setting import OTHER_SHARD, SHARD, append, prove, series

RATE = Rate(bytes_per_s=10, burst_bytes=1_000, cost_bytes=900)
GONE, STAYS = "windco", "windcorp"
"""The one name begins with the other."""


def of(tenant: str, number: int = 1) -> SeriesId:
    """Name the n-th series of a tenant."""
    return series(number)._replace(tenant=TenantId(tenant))


def asked(tenant: str, *, key: str = "k", payload: bytes = b"hash") -> Admission:
    """Ask to append an entry with a key and a rate."""
    body = encode_entry(SeriesEntry(of(tenant), 1, Clear(0, 1)))
    return Admission(SHARD, of(tenant), body, Idempotency(tenant, key, payload), (), RATE)


async def furnish(stream: RecordStream, tenant: str) -> int:
    """Leave something of every kind for a tenant; gives the position of its entry."""
    [position] = await append(stream, asked(tenant))
    letter = DeadLetter(SHARD, position + 10_000, "broken", asked(tenant).body)
    await stream.bury(letter)
    await stream.report_applied(SHARD, Applied(position, {of(tenant): b"latest"}))
    return position


class ForgetContract:
    """Forgetting a tenant, and counting what is left of it."""

    async def test_a_tenant_is_forgotten(self, stream: RecordStream) -> None:
        """Caches, keys and buckets go; another tenant's, named alike, stay; a repeat is harmless."""
        await prove(stream)
        for tenant in (GONE, STAYS):
            await furnish(stream, tenant)

        await stream.forget(GONE)
        await stream.forget(GONE)

        latest = [(await stream.read_tail(SHARD, of(tenant))).latest for tenant in (GONE, STAYS)]
        assert [None, b"latest"] == latest
        [anew] = await stream.append([asked(GONE, payload=b"other")])
        assert isinstance(anew, Admitted)
        assert not anew.repeated
        [again] = await stream.append([asked(STAYS)])
        assert isinstance(again, Admitted)
        assert again.repeated
        assert (await stream.read_state(SHARD)).proved is not None

    async def test_what_is_left_of_a_tenant_is_counted(self, stream: RecordStream) -> None:
        """Nothing at first; each kind in a place of its own; nothing when all of it is gone (design 4.16)."""
        await prove(stream)
        await prove(stream, OTHER_SHARD)
        await furnish(stream, STAYS)
        assert {0} >= set((await stream.count_left(GONE)).values())
        position = await furnish(stream, GONE)
        before = await stream.count_left(GONE)
        others = await stream.count_left(STAYS)

        await stream.forget(GONE)
        await stream.settle(SHARD, position + 10_000, Settled())
        waiting = await stream.count_left(GONE)
        await stream.trim(SHARD, position)

        assert sum(1 for found in before.values() if found) >= 4
        assert 1 == sum(waiting.values())
        assert {0} == set((await stream.count_left(GONE)).values())
        assert sum(others.values()) - 1 == sum((await stream.count_left(STAYS)).values())
