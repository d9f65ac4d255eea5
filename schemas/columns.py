"""Records as columns: the only form in which values travel between the decoder and the store.

Rows as Python objects exist only between the JSON decoder and the arrays made here (design 3).
All arrays of one `Columns` have the same length N, the number of rows. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

type_float = np.dtype("<f8")
type_int = np.dtype("<i8")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_Flags = TypeVar("_Flags", Bools, Ints)

NO_QUALITY = -1
"""In `Column.quality`: this row has no code (codes are 0 … 2^32 − 1)."""


class ColumnClass(IntEnum):
    """How values of a variable type are held: INT, LONG and TIMESTAMP share one class."""

    FLOAT = 1
    INTEGER = 2
    BOOLEAN = 3
    TEXT = 4


LONG_TEXT_BYTES = 512
"""From strings of this length on, one by one is faster than byte by byte, and needs no index of each byte."""


class Texts(msgspec.Struct, frozen=True, gc=False):
    """N strings as UTF-8: string i is `octets[offsets[i]:offsets[i + 1]]`; absent ones are empty."""

    offsets: Ints
    octets: NDArray[np.uint8]

    def __len__(self) -> int:
        """Count the strings."""
        return len(self.offsets) - 1

    @classmethod
    def of(cls, strings: Sequence[str | None]) -> Texts:
        """Encode strings; None becomes empty."""
        encoded = [b"" if text is None else text.encode() for text in strings]
        offsets = np.zeros(len(encoded) + 1, type_int)
        np.cumsum([len(octets) for octets in encoded], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(encoded), np.uint8))

    def to_list(self) -> list[str]:
        """Decode every string."""
        octets = self.octets.tobytes()
        ends = self.offsets.tolist()
        return [octets[start:end].decode() for start, end in pairwise(ends)]

    def take(self, rows: Ints) -> Texts:
        """Gather the strings of these rows, in this order."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        offsets = np.zeros(len(rows) + 1, type_int)
        np.cumsum(lengths, out=offsets[1:])
        if offsets[-1] > LONG_TEXT_BYTES * len(rows):
            spans = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
            return Texts(offsets, np.concatenate([self.octets[start:end] for start, end in spans]))
        source = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Texts(offsets, self.octets[source])

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """Put several runs of strings end to end."""
        sizes = np.cumsum([0] + [int(part.offsets[-1]) for part in parts])
        shifted = [part.offsets[1:] + size for part, size in zip(parts, sizes, strict=False)]
        offsets = np.concatenate([np.zeros(1, type_int), *shifted])
        return cls(offsets, np.concatenate([part.octets[: part.offsets[-1]] for part in parts]))


Values = Floats | Ints | Bools | Texts


class Column(msgspec.Struct, frozen=True, gc=False):
    """One variable over N rows; a value and its quality code are one cell (design 3.2)."""

    values: Values
    """float64, int64, bool or Texts; what stands in rows without a value is not defined."""
    present: Bools | None = None
    """True where the row has a value; None: everywhere."""
    removed: Bools | None = None
    """True where a merge row takes the value away (explicit null); None: nowhere."""
    quality: Ints | None = None
    """The code of each row, NO_QUALITY where there is none; None: nowhere."""

    @property
    def column_class(self) -> ColumnClass:
        """Tell how the values are held."""
        if isinstance(self.values, Texts):
            return ColumnClass.TEXT
        return _CLASS_OF_KIND[self.values.dtype.kind]

    def take(self, rows: Ints) -> Column:
        """Gather these rows, in this order."""
        values = self.values.take(rows) if isinstance(self.values, Texts) else self.values[rows]
        return Column(
            values,
            _picked(self.present, rows),
            _picked(self.removed, rows),
            _picked(self.quality, rows),
        )

    def part(self, start: int, end: int) -> Column:
        """Give the rows start ≤ row < end, as views where there are no strings."""
        if isinstance(self.values, Texts):
            return self.take(np.arange(start, end))
        return Column(
            self.values[start:end],
            _cut(self.present, start, end),
            _cut(self.removed, start, end),
            _cut(self.quality, start, end),
        )


_CLASS_OF_KIND = {"f": ColumnClass.FLOAT, "i": ColumnClass.INTEGER, "b": ColumnClass.BOOLEAN}


def _picked(array: _Flags | None, rows: Ints) -> _Flags | None:
    return None if array is None else array[rows]


def _cut(array: _Flags | None, start: int, end: int) -> _Flags | None:
    return None if array is None else array[start:end]


class Columns(msgspec.Struct, frozen=True, gc=False):
    """Rows of one series: a time each, and a column a variable that occurs at all."""

    time_ms: Ints
    """Milliseconds since 1970 in UTC; any order, repetitions allowed until they are folded."""
    cells: dict[int, Column] = {}
    """By variable id (≥ 1, never reused). A variable that no row has is left out."""
    merges: Bools | None = None
    """True: the row is merged into an older one (absent = kept); False: it replaces it. None: all replace."""

    @property
    def rows(self) -> int:
        """Count the rows."""
        return len(self.time_ms)

    def take(self, rows: Ints) -> Columns:
        """Gather these rows, in this order."""
        return Columns(
            self.time_ms[rows],
            {variable: column.take(rows) for variable, column in self.cells.items()},
            _picked(self.merges, rows),
        )

    def part(self, start: int, end: int) -> Columns:
        """Give the rows start ≤ row < end as views of the same arrays."""
        cells = {variable: column.part(start, end) for variable, column in self.cells.items()}
        return Columns(self.time_ms[start:end], cells, _cut(self.merges, start, end))

    @property
    def raw_bytes(self) -> int:
        """Estimate the size of the raw columns, the measure of entry and delta caps (design 3.2)."""
        return 9 * self.rows + sum(_raw_bytes(column) for column in self.cells.values())


def _raw_bytes(column: Column) -> int:
    if isinstance(column.values, Texts):
        size = 4 * len(column.values) + int(column.values.offsets[-1])
    else:
        size = int(column.values.nbytes)
    return size + (0 if column.quality is None else int(column.quality.nbytes))
