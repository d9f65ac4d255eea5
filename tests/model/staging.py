"""An import job of a program, on a real store, and the rows that go there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.columns import Column, Columns
from schemas.ids import SeriesId
from storage.heads import BlockRef
from storage.port import SeriesStore, SliceId
from tests.model.program import VARIABLES


def row_of(kind: str, time_ms: int, cells: Sequence[tuple[str, int | None]]) -> Columns:
    """Make a row: a patch is merged, anything else replaces."""
    columns = {
        VARIABLES.index(name) + 1: Column(
            np.array([value or 0], "<i8"),
            None if value is not None else np.array([False]),
            np.array([True]) if value is None else None,
        )
        for name, value in cells
    }
    return Columns(np.array([time_ms], "<i8"), columns, np.array([True]) if kind == "patch" else None)


@dataclass
class Staging:
    """An import job."""

    refs: list[BlockRef] = field(default_factory=list)
    rows: dict[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    position: int = 0
    """Of its last attach entry."""
    lost: bool = False
    finished: bool = False
    merges: bool = False

    def note(
        self, ref: BlockRef, time: int, cells: Sequence[tuple[str, int | None]], *, merges: bool
    ) -> None:
        """Note a block of one row."""
        self.refs.append(ref)
        self.merges = merges
        row = {name: value for name, value in cells if value is not None}
        below = dict(self.rows.get(time, ())) if merges else {}
        self.rows[time] = tuple({**below, **row}.items())

    async def lose(self, store: SeriesStore, series: SeriesId) -> None:
        """Have all that was staged swept."""
        self.lost = True
        for ref in self.refs:
            await store.drop_blocks(SliceId(series, ref.slice_start_ms), ref.part, [ref.block_id])
