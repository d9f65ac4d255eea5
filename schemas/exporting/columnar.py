"""Tables as Parquet and Arrow: columns go out as the columns they are, in the form of the reads.

A wide table has a column a variable; a narrow one has labels, the time, `value` and perhaps `quality`, and
needs variables whose values fit one type.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas import arrow_format
from schemas.aspects import DYNAMIC, AspectType, Variable
from schemas.columns import NO_QUALITY, Column, Columns, Ints, Texts, Values
from schemas.exporting.model import Heading, Window
from schemas.exporting.narrow import LABELS, narrow_value
from schemas.tables import Found, TableFormat, fields_of


class Columnar:
    """Writes one file."""

    def __init__(self, headings: Sequence[Heading], *, parquet: bool, narrow: bool) -> None:
        """Take the columns; Invalid where a narrow table could not hold them."""
        self.packs = not parquet
        self.resumes = not parquet
        self._headings = headings
        self._narrow = narrow
        variables = [_variable(number, heading) for number, heading in enumerate(headings, 1)]
        if narrow:
            variables = [narrow_value(headings)]
        self._aspect = AspectType(id="", tenant="", name="", category=DYNAMIC, variables=tuple(variables))
        fields = fields_of(self._aspect)
        labels = LABELS if narrow else ()
        series = {
            (heading.asset, heading.aspect): {
                "assetId": heading.asset, "assetName": heading.asset_name, "aspectName": heading.aspect
            }
            for heading in headings
        }  # fmt: skip
        schema = arrow_format.schema_of(fields, labels, list(series.values()), None)
        kind = arrow_format.ParquetFormat if parquet else arrow_format.ArrowFormat
        self._format: TableFormat = kind(fields, schema)
        # The library writes what a stream begins with when the first rows come.
        self._head = b"" if parquet else schema.serialize().to_pybytes()

    def begin(self) -> bytes:
        """Write what stands before the first row."""
        return self._format.begin() + self._head

    def rows(self, window: Window) -> bytes:
        """Write rows."""
        return self._behind_head(
            self._format.rows(self._melted(window) if self._narrow else self._found(window))
        )

    def end(self) -> bytes:
        """Write what stands behind the last row."""
        return self._behind_head(self._format.end())

    def _behind_head(self, octets: bytes) -> bytes:
        head, self._head = self._head, b""
        return octets.removeprefix(head)

    def _found(self, window: Window) -> Found:
        cells = {number: column for number, column in enumerate(window.columns, 1) if column is not None}
        return Found(self._aspect, Columns(window.time_ms, cells))

    def _melted(self, window: Window) -> Found:
        """Make a row of each value, in the order of time, then of the columns."""
        rows: list[Ints] = []
        columns: list[Column] = []
        numbers: list[int] = []
        for number, column in enumerate(window.columns):
            if column is None:
                continue
            has = np.arange(len(window.time_ms)) if column.present is None else np.flatnonzero(column.present)
            rows.append(has)
            columns.append(column.take(has))
            numbers.append(number)
        of_column = np.repeat(np.array(numbers, np.int64), [len(has) for has in rows])
        of_row = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        order = np.lexsort((of_column, of_row))
        labels = tuple(
            Texts.of(words).take(of_column[order])
            for words in zip(
                *((h.asset, h.asset_name, h.aspect, h.variable) for h in self._headings), strict=True
            )
        )
        cells = {1: _joined(columns).take(order)} if columns else {}
        return Found(self._aspect, Columns(window.time_ms[of_row[order]], cells), label_columns=labels)


def _variable(number: int, heading: Heading) -> Variable:
    return Variable(
        name=heading.name, type=heading.type, unit=heading.unit, id=number, quality_code=heading.codes
    )


def _joined(columns: Sequence[Column]) -> Column:
    texts = [column.values for column in columns if isinstance(column.values, Texts)]
    values: Values
    if texts:
        values = Texts.joined(texts)
    else:
        values = np.concatenate([column.values for column in columns if not isinstance(column.values, Texts)])
    quality = None
    if any(column.quality is not None for column in columns):
        quality = np.concatenate([_codes_of(column) for column in columns])
    return Column(values, quality=quality)


def _codes_of(column: Column) -> Ints:
    if column.quality is not None:
        return column.quality
    return np.full(len(column.values), NO_QUALITY, np.int64)
