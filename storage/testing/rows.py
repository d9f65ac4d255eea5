"""What the contract tests are made of: fresh names, rows that tell where they belong, and the back door."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import count

from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.port import BlockRow, Delta, SliceId

POSITION_MAX = 2**53 - 1
ODD_IDS = ("ä€𝄞", "a/b", "a'b\"c", "a;--", "%_*?", " ", "x" * 300)
EVERY_BYTE = bytes(range(256))

_fresh = count(1)


class SeriesBackDoor(ABC):
    """The rows as they really lie in the store."""

    @abstractmethod
    def put_delta(self, delta: Delta) -> None:
        """Store a delta as the adapter would."""

    @abstractmethod
    def deltas(self, slice_id: SliceId) -> list[Delta]:
        """Give the stored deltas of a slice, in any order."""

    @abstractmethod
    def blocks(self, slice_id: SliceId, part: int) -> dict[tuple[bytes, int], bytes]:
        """Give the stored block rows of a part by (block id, variable)."""

    @abstractmethod
    def cursor(self, shard: int) -> int | None:
        """Give the stored applied position of a shard."""


def a_series(tenant: str = "tenant_a") -> SeriesId:
    """Name a series that no other test uses."""
    number = next(_fresh)
    return SeriesId(TenantId(tenant), AssetId(f"{number:032x}"), AspectId(f"{number + 2**64:032x}"))


def a_slice() -> SliceId:
    """Name a slice that no other test uses."""
    return SliceId(a_series(), 0)


def a_shard() -> int:
    """Number a shard that no other test uses."""
    return next(_fresh)


def a_delta(slice_id: SliceId, last: int, first: int | None = None, body: bytes | None = None) -> Delta:
    """Make a delta; its body tells its slice and position unless one is given."""
    text = f"{slice_id.series.text}@{slice_id.start_ms}:{last}".encode() if body is None else body
    return Delta(slice_id, last if first is None else first, last, text)


def a_block(slice_id: SliceId, number: int, variable: int, part: int = 0) -> BlockRow:
    """Make one row of a block."""
    return BlockRow(slice_id, part, variable, number.to_bytes(16, "big"), f"{number}.{variable}".encode())
