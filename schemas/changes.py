"""What one entry, or one delta, does to a series: the three kinds of change (design 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.columns import Columns


@dataclass(slots=True, frozen=True)
class Upsert:
    """Rows that replace, or merge into, those of the same time."""

    columns: Columns


@dataclass(slots=True, frozen=True)
class Clear:
    """Removal of every row with start_ms ≤ time < end_ms."""

    start_ms: int
    end_ms: int


@dataclass(slots=True, frozen=True)
class Attach:
    """Staged blocks that become part of the series at this place in the order."""

    blocks: bytes
    """The block list as `storage.heads` encodes it."""


Change = Upsert | Clear | Attach
