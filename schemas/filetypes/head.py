"""The lines before the rows of a text: metadata, the header, units, statistics (SM-04).

The header is the first line that names all columns of times, or the line that the file type says. What
stands before it is kept: as lines, and as attributes where a line says what it tells.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from schemas.errors import Malformed, TooLarge
from schemas.filetypes.chunks import Head
from schemas.filetypes.limits import (
    COLUMN_NAME_CHARACTERS_MAX,
    COLUMNS_MAX,
    HEAD_BYTES_MAX,
    HEAD_LINES_MAX,
    METADATA_LINE_CHARACTERS_MAX,
)
from schemas.filetypes.model import FileFormat, FileType

_ATTRIBUTE = re.compile(r"[\s#]*([A-Za-z][^=:\t;,]{0,63}?)\s*(?:[=\t;,]|:(?=\s))\s*+(\S.*?)\s*")
_MENTIONED_MAX = 5


def read_head(text: bytes, file_type: FileType, encoding: str) -> tuple[Head, int]:
    """Read the head of a text that starts here; give it and where the rows begin.

    Malformed, before anything is stored, where the header is not found or names a column twice (SM-04).
    """
    lines = _Lines(text)
    after: list[str] = []
    if file_type.columns:
        metadata = lines.take(file_type.skip_rows)
        names, number = list(file_type.columns), 0
    else:
        metadata, names = _find_header(lines, file_type)
        number = lines.number
        after = lines.take(file_type.skip_rows)
    times = _times_among(names, file_type)
    assert times is not None
    _check_names(names, file_type)
    head = Head(
        columns=tuple(names),
        times=times,
        units=_told(names, after, file_type.units_row, file_type),
        statistics=_told(names, after, file_type.statistics_row, file_type),
        metadata=tuple(line[:METADATA_LINE_CHARACTERS_MAX] for line in metadata),
        attributes=_attributes(metadata, file_type),
        encoding=encoding,
        header_line=number,
    )
    return head, lines.at


def _split_line(line: str, file_type: FileType) -> list[str]:
    """Cut a line into its cells, without quotes and without blanks around them."""
    if file_type.delimiter_pattern:
        cells = delimiter_of(file_type.delimiter_pattern).split(line.strip())
    elif file_type.quote:
        cells = _quoted_cells(line, file_type)
    else:
        cells = line.split(file_type.delimiter)
    return [cell.strip() for cell in cells]


def _quoted_cells(line: str, file_type: FileType) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=file_type.delimiter, quotechar=file_type.quote), [""])
    except csv.Error:  # A cell of more characters than any name has: it is no header, quotes or not.
        return line.split(file_type.delimiter)


@lru_cache(maxsize=64)
def delimiter_of(pattern: str) -> re.Pattern[str]:
    """Compile the regular expression of a delimiter."""
    return re.compile(pattern)


class _Lines:
    """The first lines of a text, one after the other, no further than a head may reach."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.at = 0
        self.number = 0

    def next(self) -> str | None:
        """Give the next line; None at the end. TooLarge where the head does not end."""
        if self.at >= len(self._text):
            return None
        if self.number >= 2 * HEAD_LINES_MAX or self.at >= HEAD_BYTES_MAX:
            raise TooLarge(f"The head of the file is longer than {HEAD_LINES_MAX} lines or 1 MiB.")
        end = self._text.find(b"\n", self.at)
        end = len(self._text) if end < 0 else end
        line = self._text[self.at : end]
        self.at = min(end + 1, len(self._text))
        self.number += 1
        return line.decode()

    def take(self, count: int) -> list[str]:
        """Give so many lines, fewer at the end."""
        taken: list[str] = []
        while len(taken) < count and (line := self.next()) is not None:
            taken.append(line)
        return taken


def _find_header(lines: _Lines, file_type: FileType) -> tuple[list[str], list[str]]:
    """Give the lines before the header, and the names that it holds."""
    before: list[str] = []
    if file_type.header_line is not None:
        before = lines.take(file_type.header_line - 1)
        line = lines.next()
        names = [] if line is None else _split_line(line, file_type)
        if not names or _times_among(names, file_type) is None:
            shown = _shown(file_type.time_columns)
            raise Malformed(f"Line {file_type.header_line} does not name the timeColumns {shown}.")
        return before, names
    wanted = [name.lower() for name in file_type.time_columns]
    while len(before) < HEAD_LINES_MAX and (line := lines.next()) is not None:
        if all(name in line.lower() for name in wanted):
            names = _split_line(line, file_type)
            if _times_among(names, file_type) is not None:
                return before, names
        before.append(line)
    raise Malformed(
        f"No timeColumns {_shown(file_type.time_columns)} found in {len(before)} lines; is the delimiter"
        " right, and do the columns have these names?"
    )


def _times_among(names: Sequence[str], file_type: FileType) -> tuple[str, ...] | None:
    """Find the columns of times, if need be in other letters: loggers write TIMESTAMP, tools Timestamp."""
    lower = {name.lower(): name for name in reversed(names)}
    found = [name if name in names else lower.get(name.lower()) for name in file_type.time_columns]
    known = [name for name in found if name is not None]
    return tuple(known) if len(known) == len(found) else None


def _check_names(names: Sequence[str], file_type: FileType) -> None:
    if len(names) > COLUMNS_MAX:
        raise TooLarge(f"The file has {len(names)} columns; at most {COLUMNS_MAX} are read.")
    long = next((name for name in names if len(name) > COLUMN_NAME_CHARACTERS_MAX), None)
    if long is not None:
        raise TooLarge(f"The column {long[:40]}… has more than {COLUMN_NAME_CHARACTERS_MAX} characters.")
    seen = set(names)
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise Malformed(f"The header names {_shown(twice)} twice; give the file columns of its own names.")
    narrow = (file_type.narrow.sensor, file_type.narrow.value) if file_type.narrow else ()
    wanted = (*narrow, file_type.asset_column, file_type.aspect_column)
    missing = [name for name in wanted if name and name not in seen]
    if missing and file_type.format is FileFormat.TEXT:
        raise Malformed(f"The file has no column {_shown(missing)}, which its file type names.")


def _told(names: Sequence[str], after: Sequence[str], row: int | None, file_type: FileType) -> dict[str, str]:
    """Read what one line after the header says of each column."""
    if row is None or row > len(after):
        return {}
    cells = _split_line(after[row - 1], file_type)
    return {name: cell for name, cell in zip(names, cells, strict=False) if name and cell}


def _attributes(metadata: Sequence[str], file_type: FileType) -> dict[str, str]:
    """Read what metadata lines tell by a name; the first line by the names that the file type gives."""
    found: dict[str, str] = {}
    if file_type.metadata_names and metadata:
        cells = _split_line(metadata[0], file_type)
        found |= {name: cell for name, cell in zip(file_type.metadata_names, cells, strict=False) if cell}
        metadata = metadata[1:]
    for line in metadata:
        match = _ATTRIBUTE.fullmatch(line[:METADATA_LINE_CHARACTERS_MAX])
        if match is not None:
            found.setdefault(match[1], match[2])
    return found


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:_MENTIONED_MAX])
    return shown + (" …" if len(names) > _MENTIONED_MAX else "")
