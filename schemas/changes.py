"""What one entry, or one delta, does to a series: the three kinds of change (design 4.1), and the undo."""

from __future__ import annotations

import msgspec

from schemas.columns import Columns

NO_TIME_MS = -(2**62)
"""Before every time."""
END_MS = 2**62
"""After every time."""


class Upsert(msgspec.Struct, frozen=True, gc=False):
    """Rows that replace, or merge into, those of the same time."""

    columns: Columns


class Clear(msgspec.Struct, frozen=True, gc=False):
    """Removal of every row with start_ms ≤ time < end_ms."""

    start_ms: int
    end_ms: int
    undo_s: int = 0
    """How many seconds after its position an entry can be undone; 0: never. A delta says nothing of it."""


class Attach(msgspec.Struct, frozen=True, gc=False):
    """Blocks that become part of the series at this place in the order.

    An import attaches those that it staged, whole; an undo those of the head that was pinned, of which only
    the rows with start_ms ≤ time < end_ms count.
    """

    blocks: bytes
    """The block list as `storage.heads` encodes it."""
    start_ms: int = NO_TIME_MS
    end_ms: int = END_MS
    clears: bool = False
    """True: every row of the range goes first. So does the undo of an import, which found rows there."""
    undo_s: int = 0
    """As in a clear: how long the entry of an import can be undone."""

    @property
    def is_whole(self) -> bool:
        """Tell whether every row of the blocks counts."""
        return self.start_ms == NO_TIME_MS and self.end_ms == END_MS


class Undo(msgspec.Struct, frozen=True, gc=False):
    """What an entry asks for: the series as it was before a clear, or an import, in its range (design 4.14).

    Only the shard's writer can tell what comes of it: an attach of pinned blocks, or nothing.
    """

    position: int
    """Of the clear, or of the attach."""
    start_ms: int
    end_ms: int


class Row(msgspec.Struct, frozen=True, gc=False):
    """An upsert of one record that is raw columns already, on its way into an entry."""

    content: bytes


Change = Upsert | Clear | Attach
