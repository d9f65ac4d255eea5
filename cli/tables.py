"""A logger's file as names and chunks of text cells: plain, `.xz` or `.gz`, read once from start to end.

Nothing is guessed about values here; what a cell means is for `inference` and `file_times`.
A file is never held in memory: a chunk has at most `CHUNK_ROWS` rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, cast

from cli.complaints import Complaint
from cli.inference import has_decimal_comma

CHUNK_ROWS = 2_000
DELIMITERS = ",;\t|"


def _gzip(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb"))  # typeshed gives it no common type


OPENERS: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x1f\x8b": _gzip,
}
"""By the first bytes, whatever the file is called."""
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)


@dataclass(slots=True, frozen=True)
class Layout:
    """Where names and rows stand in a file."""

    header_line: int = 1
    """Line of the column names, counted from 1."""
    skip: int | None = None
    """Lines before the first row; None: everything up to the names."""
    delimiter: str | None = None
    """None: the likeliest of comma, semicolon, tab and bar, by the line of names."""
    encoding: str = "utf-8"
    """A byte order mark is taken off."""
    decimal: str = "."
    """The decimal mark of numbers; a comma becomes a point in every cell that is such a number."""


@dataclass(slots=True, frozen=True)
class Chunk:
    """Some rows in a row, as columns of text."""

    lines: list[int]
    """Line of each row in the file, counted from 1."""
    columns: list[tuple[str, ...]] = field(default_factory=list)


class Table:
    """One file and its column names; `chunks` may be walked through again and again."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Read the names; a Complaint if there are none."""
        self.path = path
        self._layout = layout
        self._skip = layout.header_line if layout.skip is None else layout.skip
        with self._open() as text:
            line = next(islice(text, layout.header_line - 1, None), "")
        if not line.strip():
            raise Complaint(f"{path}: line {layout.header_line} holds no column names; give --header-line")
        self._delimiter = layout.delimiter or max(DELIMITERS, key=line.count)
        self.names = [name.strip() for name in next(csv.reader([line], delimiter=self._delimiter))]

    def chunks(self) -> Iterator[Chunk]:
        """Walk through the rows; a Complaint names the line that does not fit."""
        with self._open() as text:
            rows = self._rows(text)
            while taken := list(islice(rows, CHUNK_ROWS)):
                lines, cells = zip(*taken, strict=True)
                yield Chunk(list(lines), list(zip(*cells, strict=True)))

    def _rows(self, text: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        for _ in islice(text, self._skip):
            pass
        reader = csv.reader(text, delimiter=self._delimiter, strict=True)
        width = len(self.names)
        try:
            for row in reader:
                if len(row) == width:
                    yield self._skip + reader.line_num, self._pointed(row)
                elif any(row):
                    raise self._misfit(self._skip + reader.line_num, len(row))
        except csv.Error as error:
            raise Complaint(f"{self.path}, line {self._skip + reader.line_num}: {error}") from None

    def _pointed(self, row: list[str]) -> list[str]:
        """Write decimal commas as points where the file has them."""
        if self._layout.decimal == ".":
            return row
        return [cell.replace(",", ".") if has_decimal_comma(cell) else cell for cell in row]

    def _misfit(self, line: int, cells: int) -> Complaint:
        hint = "; give --delimiter, --header-line or --skip" if cells == 1 else ""
        return Complaint(
            f"{self.path}, line {line}: {cells} cells where the names are {len(self.names)}{hint}"
        )

    def _open(self) -> _Reading:
        return _Reading(self.path, self._layout.encoding)


class _Reading:
    """An open file whose failures are complaints."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding

    def __enter__(self) -> Iterator[str]:
        try:
            with self._path.open("rb") as probe:
                start = probe.read(6)
            fitting = (opener for magic, opener in OPENERS.items() if start.startswith(magic))
            octets = next(fitting, lambda path: path.open("rb"))(self._path)
        except UNREADABLE as error:
            raise Complaint(f"{self._path} cannot be read: {error}") from None
        encoding = "utf-8-sig" if self._encoding.lower() in {"utf-8", "utf8"} else self._encoding
        try:
            self._text = io.TextIOWrapper(octets, encoding=encoding, newline="")
        except LookupError:
            octets.close()
            raise Complaint(
                f"--encoding {self._encoding} is not known; try utf-8, latin-1 or utf-16"
            ) from None
        return self._text

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._text.close()
        if isinstance(error, UnicodeError):
            raise Complaint(
                f"{self._path} is not {self._encoding}; give --encoding, such as latin-1"
            ) from None
        if isinstance(error, UNREADABLE):
            raise Complaint(f"{self._path} is damaged: {error}") from None
