"""What one entry, or one delta, does to a series: the three kinds of change (design 4.1)."""

from __future__ import annotations

import msgspec

from schemas.columns import Columns


class Upsert(msgspec.Struct, frozen=True, gc=False):
    """Rows that replace, or merge into, those of the same time."""

    columns: Columns


class Clear(msgspec.Struct, frozen=True, gc=False):
    """Removal of every row with start_ms ≤ time < end_ms."""

    start_ms: int
    end_ms: int


class Attach(msgspec.Struct, frozen=True, gc=False):
    """Staged blocks that become part of the series at this place in the order."""

    blocks: bytes
    """The block list as `storage.heads` encodes it."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """An upsert of one record that is raw columns already, on its way into an entry."""

    content: bytes


Change = Upsert | Clear | Attach
