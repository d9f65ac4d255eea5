"""Records as a JSON array, one a line: what the dialect's bulk import reads, too (wire 3.1).

Wide: an object a time, a member a variable, `x_qc` behind `x`, as a read answers. Narrow: an object a
reading. What a row does not have is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final

import msgspec

from schemas.aspects import TIME_MEMBER, VariableType
from schemas.columns import Column
from schemas.exporting.cells import code_strings, codes_cell, column_strings, pieces
from schemas.exporting.clocks import ISO, clock_text
from schemas.exporting.model import Heading, Window
from schemas.lines import Cell, lay
from schemas.render import value_text

_QUOTED: Final = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})
_encode = msgspec.json.encode


class JsonLines:
    """Writes one file."""

    packs = True
    resumes = True

    def __init__(self, headings: Sequence[Heading], *, narrow: bool, begun: bool) -> None:
        """Take the columns; `begun`: there are records already."""
        self._headings = headings
        self._narrow = narrow
        self._begun = begun

    def begin(self) -> bytes:
        """Open the array."""
        return b"["

    def rows(self, window: Window) -> bytes:
        """Write records, each behind a comma but for the first one."""
        octets = pieces(window, self._readings if self._narrow else self._records)
        first, self._begun = not self._begun, self._begun or bool(octets)
        return octets[1:] if first else octets

    def end(self) -> bytes:
        """Close the array."""
        return b"\n]\n"

    def _records(self, window: Window) -> bytes:
        opening = Cell(clock_text(window.time_ms, UTC, ISO), b',\n{"%b":"' % TIME_MEMBER.encode(), b'"')
        cells: list[Cell | bytes] = [opening]
        for heading, column in zip(self._headings, window.columns, strict=True):
            if column is None:
                continue
            text = value_text(column, heading.type)
            if text is None:
                return self._slow_records(window)
            quote = b'"' if heading.type in _QUOTED else b""
            cells.append(Cell(text, b",%b:%b" % (_encode(heading.name), quote), quote, column.present))
            if heading.codes and column.quality is not None:
                code = codes_cell(column, column.quality)
                name = _encode(f"{heading.name}_qc")
                cells.append(code._replace(opening=b',%b:"' % name, closing=b'"'))
        return lay(len(window.time_ms), [*cells, b"}"])

    def _slow_records(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        times = column_strings(Column(window.time_ms), VariableType.TIMESTAMP, rows)
        columns = [(_encode(TIME_MEMBER), [_encode(time) for time in times])]
        found: list[tuple[bytes, list[bytes | None]]] = []
        for heading, column in zip(self._headings, window.columns, strict=True):
            found.append((_encode(heading.name), _encoded(column, heading, rows)))
            if heading.codes:
                codes = [None if code is None else _encode(code) for code in code_strings(column, rows)]
                found.append((_encode(f"{heading.name}_qc"), codes))
        lines = []
        for row in range(rows):
            members = [b"%b:%b" % (name, values[row]) for name, values in columns]
            members += [
                b"%b:%b" % (name, value) for name, values in found if (value := values[row]) is not None
            ]
            lines.append(b",\n{%b}" % b",".join(members))
        return b"".join(lines)

    def _readings(self, window: Window) -> bytes:
        times = clock_text(window.time_ms, UTC, ISO)
        cells: list[Cell | bytes] = []
        for heading, column in zip(self._headings, window.columns, strict=True):
            if column is None:
                continue
            text = value_text(column, heading.type)
            if text is None:
                return self._slow_readings(window)
            quote = b'"' if heading.type in _QUOTED else b""
            value = [b',\n{"%b":"' % TIME_MEMBER.encode(), *times, _labels(heading) + quote, *text]
            cells.append(Cell(value, closing=quote, present=column.present))
            if heading.codes and column.quality is not None:
                code = codes_cell(column, column.quality)
                cells.append(code._replace(opening=b',"quality":"', closing=b'"'))
            cells.append(Cell([b"}"], present=column.present))
        return lay(len(window.time_ms), cells) if cells else b""

    def _slow_readings(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        times = [
            _encode(time) for time in column_strings(Column(window.time_ms), VariableType.TIMESTAMP, rows)
        ]
        columns = [
            (_labels(heading)[1:], _encoded(column, heading, rows), code_strings(column, rows), heading.codes)
            for heading, column in zip(self._headings, window.columns, strict=True)
        ]
        lines = []
        for row, time in enumerate(times):
            for labels, values, codes, shown in columns:
                value, said = values[row], codes[row]
                if value is not None:
                    code = b"" if said is None or not shown else b',"quality":"%b"' % said.encode()
                    lines.append(b',\n{"%b":%b%b%b%b}' % (TIME_MEMBER.encode(), time, labels, value, code))
        return b"".join(lines)


def _labels(heading: Heading) -> bytes:
    """Write what stands between the time and the value of a reading, the time's last quote first."""
    words = (heading.asset, heading.asset_name, heading.aspect, heading.variable)
    names = ("assetId", "assetName", "aspect", "variable")
    members = b",".join(b'"%b":%b' % (n.encode(), _encode(w)) for n, w in zip(names, words, strict=True))
    return b'",%b,"value":' % members


def _encoded(column: Column | None, heading: Heading, rows: int) -> list[bytes | None]:
    quoted = heading.type in _QUOTED
    return [
        None if text is None else _encode(text) if quoted else text.encode()
        for text in column_strings(column, heading.type, rows)
    ]
