"""What readers give: the head of a file, then chunks of rows as arrays, with every refused row beside them.

Rows in = rows of chunks + refused rows: none is lost and none is there twice. Which of the rows are
duplicates is decided by whoever stores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from schemas.columns import Column, Ints
from schemas.filetypes.limits import REFUSED_TEXT_CHARACTERS_MAX


@runtime_checkable
class Seekable(Protocol):
    """A file that can be read from any place; Parquet and zip begin at their end."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, fewer only at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""

    def tell(self) -> int:
        """Tell the place."""


Source = Iterable[bytes] | Seekable
"""Bytes of one file, unpacked: pieces of any size in order, or a file to read from."""


class RefusedRow(NamedTuple):
    """One row that is not stored, and why (SM-10)."""

    line: int
    """Counted from 1 in lines of text, in rows where the format has no lines."""
    column: str
    """Empty: the row as a whole."""
    reason: str
    """A sentence that names the remedy where there is one."""
    text: str
    """What stood there, cut to `REFUSED_TEXT_CHARACTERS_MAX`."""


def cut(text: str) -> str:
    """Shorten a refused text to what is kept of it."""
    most = REFUSED_TEXT_CHARACTERS_MAX
    return text if len(text) <= most else text[: most - 1] + "…"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says before its first row."""

    columns: tuple[str, ...] = ()
    """Names in order, those of times included; empty for formats that name columns row by row."""
    times: tuple[str, ...] = ()
    """Those of them that make the time."""
    units: Mapping[str, str] = {}
    statistics: Mapping[str, str] = {}
    metadata: tuple[str, ...] = ()
    """The lines before the header, as they stand."""
    attributes: Mapping[str, str] = {}
    """What of them is told by a name."""
    encoding: str = ""
    """Of text: as declared, or as told from the bytes."""
    header_line: int = 0
    """0: the file has none."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rows of one file, in its order; all arrays have the same length N."""

    time_ms: Ints
    lines: Ints
    """The line each row stands on, from 1; of several lines the first."""
    columns: dict[str, Column] = {}
    """By the name of the column, in the file's order; without those that are only times or skipped. Of narrow
    files: the sensor's and the value's column, and those of asset and aspect."""
    refused: tuple[RefusedRow, ...] = ()
    """Of the same part of the file, by line."""
    bytes_in: int = 0
    """Bytes of the source, as unpacked, that this chunk and those before it were read from; 0 where the file
    is read from places (Parquet, Arrow), which whoever holds it can ask."""

    @property
    def rows(self) -> int:
        """Count the rows that can be stored."""
        return len(self.time_ms)
