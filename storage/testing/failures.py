"""What is promised when things get mixed or go wrong: tenants, cancelled calls, errors of the driver."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable

import pytest

from schemas.durations import DAY_MS
from schemas.errors import OutcomeUnknown, StoreUnavailable
from schemas.ids import Erased, TenantId
from storage.port import Delta, Head, Pin, SeriesStore, ShardRow, SliceId, Turn
from storage.slices import PlanVersion
from storage.testing.rows import a_block, a_delta, a_series, a_shard, a_slice

STORM_SEED = 20

EVERY_METHOD: dict[str, Callable[[SeriesStore], Awaitable[object]]] = {
    "write_turn": lambda store: store.write_turn(Turn((a_slice(),), (a_delta(a_slice(), 1),), {1: 1})),
    "read_cursor": lambda store: store.read_cursor(1),
    "read_outset": lambda store: store.read_outset(a_series(), 0, 1),
    "read_state": lambda store: store.read_state(a_slice()),
    "read_slices": lambda store: store.read_slices(a_series()),
    "list_series": lambda store: store.list_series(),
    "read_head": lambda store: store.read_head(a_slice()),
    "read_deltas": lambda store: store.read_deltas(a_slice(), 0),
    "swap_head": lambda store: store.swap_head(a_slice(), 0, Head(1, b"")),
    "write_blocks": lambda store: store.write_blocks([a_block(a_slice(), 1, 1)]),
    "read_blocks": lambda store: store.read_blocks(a_slice(), 0, [1], [bytes(16)]),
    "list_blocks": lambda store: store.list_blocks(a_slice(), 0),
    "drop_blocks": lambda store: store.drop_blocks(a_slice(), 0, [bytes(16)]),
    "purge_deltas": lambda store: store.purge_deltas(a_slice(), 1),
    "write_pin": lambda store: store.write_pin(Pin(a_slice(), 1, 1, b"")),
    "read_pins": lambda store: store.read_pins(a_slice()),
    "drop_pin": lambda store: store.drop_pin(a_slice(), 1),
    "write_plan": lambda store: store.write_plan(1, a_series(), PlanVersion(0, DAY_MS)),
    "read_plans": lambda store: store.read_plans(1),
    "read_shard": lambda store: store.read_shard(1),
    "swap_shard": lambda store: store.swap_shard(a_shard(), 0, ShardRow(1, 1, 1)),
    "write_survived": lambda store: store.write_survived(1, 1, 1),
    "read_survived": lambda store: store.read_survived(1),
    "read_erased": lambda store: store.read_erased(1),
    "end_erased": lambda store: store.end_erased(1, Erased(TenantId("tenant_a"))),
    "find_slices": lambda store: store.find_slices(bool),
    "erase_slice": lambda store: store.erase_slice(a_slice(), [0]),
    "erase_plans": lambda store: store.erase_plans(1, a_series()),
    "count_left": lambda store: store.count_left("tenant_a"),
}
"""One call of every method that talks to the driver."""


class TenantContract:
    """Nothing crosses a tenant."""

    async def test_tenants_with_equal_ids_are_strictly_apart(self, store: SeriesStore) -> None:
        """The same asset and aspect ids under two tenants are two series in every table (design 7)."""
        mine = a_slice()
        theirs = SliceId(mine.series._replace(tenant=TenantId("tenant_b")), mine.start_ms)
        await store.write_turn(Turn((mine,), [a_delta(mine, 1, body=b"mine")]))
        await store.swap_head(mine, 0, Head(1, b"mine"))
        await store.write_blocks([a_block(mine, 1, 1)])

        assert await store.read_slices(theirs.series) == {}
        assert await store.read_deltas(theirs, 0) == []
        assert await store.read_head(theirs) == Head(0, b"")
        assert await store.list_blocks(theirs, 0) == {}
        await store.purge_deltas(theirs, 9)
        await store.drop_blocks(theirs, 0, [a_block(mine, 1, 1).block_id])
        assert await store.swap_head(theirs, 1, Head(2, b"theirs")) is False
        assert len(await store.read_deltas(mine, 0)) == 1
        assert len(await store.list_blocks(mine, 0)) == 1
        assert await store.read_head(mine) == Head(1, b"mine")

    async def test_cancelled_calls_never_hand_their_answer_to_another(self, store: SeriesStore) -> None:
        """In a storm of cancelled reads and writes every answer reaches its own caller, or nobody."""
        dice = random.Random(STORM_SEED)  # noqa: S311  # not a secret
        slices = [SliceId(a_series(f"tenant_{n % 7}"), 0) for n in range(100)]
        await store.write_turn(Turn(slices, [a_delta(slice_id, 1) for slice_id in slices]))
        asked = [dice.choice(slices) for _ in range(1_500)]
        tasks: list[asyncio.Task[list[Delta]]] = []
        for n, slice_id in enumerate(asked):
            tasks.append(asyncio.create_task(store.read_deltas(slice_id, 0)))
            if n % 10 == 0:
                write = asyncio.create_task(store.write_turn(Turn((), [a_delta(slice_id, 2)])))
                await asyncio.sleep(0)
                write.cancel()
            dice.choice(tasks).cancel()

        answers = await asyncio.gather(*tasks, return_exceptions=True)

        answered = 0
        for slice_id, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                assert isinstance(answer, asyncio.CancelledError)
            else:
                answered += 1
                assert answer in ([a_delta(slice_id, 1)], [a_delta(slice_id, 1), a_delta(slice_id, 2)])
        assert 0 < answered < len(asked)


class FailureContract:
    """Errors come out as ours."""

    async def test_the_table_of_calls_is_complete(self) -> None:
        """A method that is added to the port is added to the tests of its errors."""
        methods = {name for name, _ in inspect.getmembers(SeriesStore, inspect.iscoroutinefunction)}
        assert set(EVERY_METHOD) == methods - {"close"}

    @pytest.mark.parametrize("method", sorted(EVERY_METHOD))
    async def test_an_error_of_the_driver_is_the_cause_of_ours(
        self, broken: SeriesStore, method: str
    ) -> None:
        """Whatever the driver raises, the caller sees StoreUnavailable (OutcomeUnknown for a swap)."""
        with pytest.raises((StoreUnavailable, OutcomeUnknown)) as caught:
            await EVERY_METHOD[method](broken)

        assert caught.value.__cause__ is not None
        if "swap" not in method and method not in {"write_survived", "write_plan"}:
            assert caught.type is StoreUnavailable

    async def test_a_closed_store_refuses_everything(self, broken: SeriesStore) -> None:
        """After `close`, which may be called twice, every method raises StoreUnavailable."""
        await broken.close()
        await broken.close()

        for call in EVERY_METHOD.values():
            with pytest.raises(StoreUnavailable):
                await call(broken)
