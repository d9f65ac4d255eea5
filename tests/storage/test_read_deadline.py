"""A read of a slice ends before purge may take away what it began with (design 4.7)."""

from pathlib import Path

import pytest

from runtime import wiring
from runtime.settings import Settings
from schemas.errors import StoreUnavailable
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.memory import MemorySeriesStore
from storage.port import SliceId, Turn
from storage.reader import read_series
from storage.spans import EVERYTHING

SERIES = SeriesId(TenantId("alpha"), AssetId("a" * 32), AspectId("b" * 32))


async def test_a_read_that_takes_longer_than_its_deadline_is_refused() -> None:
    """It could have read an older head, and then deltas that were purged since."""
    store = MemorySeriesStore()
    await store.write_turn(Turn(slices=[SliceId(SERIES, 0)]))

    assert 0 == (await read_series(store, SERIES, EVERYTHING)).rows
    with pytest.raises(StoreUnavailable, match="longer than 0 s"):
        await read_series(store, SERIES, EVERYTHING, deadline_s=0)


async def test_the_deadline_of_the_settings_reaches_the_door(tmp_path: Path) -> None:
    """A grace of two seconds with the built-in deadline would purge under the readers."""
    settings = Settings(
        data=str(tmp_path), stream="unix:///nowhere", seal_grace_s=2, read_deadline_s=1, shards=1
    )

    async with wiring.opened(settings, writes_series=True) as ports:
        assert 1 == ports.policy.read_deadline_s
