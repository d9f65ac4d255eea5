"""The memory adapter under the contract of the port."""

import pytest

from storage.memory import MemorySeriesStore
from storage.port import Delta, SliceId
from storage.testing import SeriesBackDoor, SeriesStoreContract


class MemoryBackDoor(SeriesBackDoor):
    """The dicts themselves."""

    def __init__(self, store: MemorySeriesStore) -> None:
        self.store = store

    def put_delta(self, delta: Delta) -> None:
        stored = self.store.deltas.setdefault(delta.slice, [])
        stored.append(delta)
        stored.sort(key=lambda each: (each.last, each.first))

    def deltas(self, slice_id: SliceId) -> list[Delta]:
        return list(self.store.deltas.get(slice_id, []))

    def blocks(self, slice_id: SliceId, part: int) -> dict[tuple[bytes, int], bytes]:
        return dict(self.store.blocks.get((slice_id, part), {}))

    def cursor(self, shard: int) -> int | None:
        return self.store.cursors.get(shard)


class GoneError(Exception):
    """What a driver would raise."""


class TestMemorySeries(SeriesStoreContract):
    """Every promise of the port, in memory."""

    @pytest.fixture
    def store(self) -> MemorySeriesStore:
        return MemorySeriesStore()

    @pytest.fixture
    def back_door(self, store: MemorySeriesStore) -> MemoryBackDoor:
        return MemoryBackDoor(store)

    @pytest.fixture
    def broken(self) -> MemorySeriesStore:
        store = MemorySeriesStore()
        store.failure = GoneError("the memory is gone")
        return store
