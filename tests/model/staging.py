"""An import job of a program, on a real store."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.ids import SeriesId
from storage.heads import BlockRef
from storage.port import SeriesStore, SliceId


@dataclass
class Staging:
    """An import job."""

    refs: list[BlockRef] = field(default_factory=list)
    rows: dict[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    position: int = 0
    """Of its last attach entry."""
    lost: bool = False
    finished: bool = False

    async def lose(self, store: SeriesStore, series: SeriesId) -> None:
        """Have all that was staged swept."""
        self.lost = True
        for ref in self.refs:
            await store.drop_blocks(SliceId(series, ref.slice_start_ms), ref.part, [ref.block_id])
