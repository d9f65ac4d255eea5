"""Chunks of a file → rows of series: columns by their targets, rows by the asset and the aspect they name.

A row is refused as a whole, or each of its values goes to its series; one without any value is refused too,
so that every row is accounted for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.aspects import QUALITY_SUFFIX, Variable, VariableType
from schemas.columns import NO_QUALITY, Bools, Column, ColumnClass, Ints, Texts
from schemas.filetypes.building import Rows
from schemas.filetypes.chunks import Chunk, RefusedRow
from schemas.filetypes.conversion import convert, text_at
from schemas.filetypes.mapping import Mapper, Target, is_quality_of, reserved_columns
from schemas.filetypes.model import FileFormat, FileType, NewColumns
from schemas.limits import QUALITY_CODE_MAX

Find = Callable[[str, str, Target], Variable | None]
"""(asset, aspect, target) → the variable, or None: it is new, and its values go as they look."""

_WHOLE_ROWS = {FileFormat.TEXT, FileFormat.PARQUET, FileFormat.ARROW, FileFormat.BULK_JSON}
NO_VALUE = "the row holds no value"
NO_PLACE = "no rule places the column"
TWO_VALUES = "two columns of the row become this variable; name one of them by a rule"
NO_ASSET = "the row names no asset, and the file type neither"
NO_ASPECT = "the row names no aspect, and the file type neither"


class Placed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rows of one aspect of one asset; all arrays have the same length."""

    asset: str
    """As the file or its type names it: an id or a name."""
    aspect: str
    time_ms: Ints
    lines: Ints
    cells: dict[str, Column]
    """By the variable's name."""
    targets: dict[str, Target]
    """By the variable's name: what new ones are to be."""
    is_partial: bool
    """True: other rows of the file may hold more of a record, so rows are merged and replace none."""
    rows_in: int
    """Rows of the file that they were made of."""


class Aside(NamedTuple):
    """Values of a column that no rule places, kept for the quarantine."""

    column: str
    time_ms: Ints
    lines: Ints
    values: Column


class Placement(NamedTuple):
    """What became of one chunk."""

    placed: list[Placed]
    refused: list[RefusedRow]
    """Those of the reader and those found here, by line."""
    aside: list[Aside]
    rows_stored: int
    """Rows of which at least one value is in `placed` or `aside`."""


class _Piece(NamedTuple):
    """Values of one column that go to one target; `rows` are the rows of the chunk that they stand in."""

    target: Target
    rows: Ints
    values: Column


_Groups = dict[tuple[str, str], list[_Piece]]
"""By asset and aspect."""


class Placer:
    """Places the chunks of one file."""

    def __init__(self, file_type: FileType, mapper: Mapper, find: Find) -> None:
        """Take the rules, and how a variable of the catalogue is found."""
        self._file_type, self._mapper, self._find = file_type, mapper, find

    def place(self, chunk: Chunk) -> Placement:
        """Place every row of a chunk."""
        rows = Rows(chunk.lines)
        unplaced: list[tuple[str, Ints, Column]] = []
        groups: _Groups = {}
        pieces = self._of_sensors(chunk) if self._file_type.narrow else self._of_columns(chunk)
        labels = _Labels(chunk, self._file_type)
        for column, piece_rows, values in pieces:
            target = self._mapper.target(column)
            if target is not None:
                labels.divide(groups, _Piece(target, piece_rows, values), column, rows)
            elif column in self._mapper.unplaced:
                unplaced.append((column, piece_rows, values))
        checked = {
            place: _one_each([self._checked(place, piece, rows) for piece in parts], rows)
            for place, parts in groups.items()
        }
        held = np.zeros(chunk.rows, np.bool_)
        aside = self._set_aside(unplaced, chunk, rows, held)
        for parts in checked.values():
            for piece in parts:
                held[piece.rows if piece.values.present is None else piece.rows[piece.values.present]] = True
        for row in np.flatnonzero(~held).tolist():
            rows.refuse(row, "", NO_VALUE, "")
        keep = rows.kept
        joined = (self._joined(place, parts, keep, chunk) for place, parts in checked.items())
        return Placement(
            [one for one in joined if len(one.time_ms)],
            sorted([*chunk.refused, *rows.refused]),
            [part for one in aside if len((part := _kept(one, keep, chunk)).lines)],
            int(keep.sum()),
        )

    def _of_columns(self, chunk: Chunk) -> Iterator[tuple[str, Ints, Column]]:
        """Give each column of values, its quality codes beside it."""
        every = np.arange(chunk.rows)
        left_out = reserved_columns(self._file_type)
        for name, column in chunk.columns.items():
            if name in left_out or is_quality_of(name, chunk.columns):
                continue
            codes = chunk.columns.get(name + QUALITY_SUFFIX)
            if codes is not None:
                column = self._with_quality(column, codes)  # noqa: PLW2901 - the same column, completed
            yield name, every, column

    def _with_quality(self, column: Column, codes: Column) -> Column:
        """Put codes beside values; a code that is none counts as not given."""
        cells = convert(codes, Variable(name="code", type=VariableType.LONG), self._file_type)
        assert not isinstance(cells.column.values, Texts)
        given = cells.column.values.astype(np.int64)
        lawful = (given >= 0) & (given <= QUALITY_CODE_MAX)
        if cells.column.present is not None:
            lawful &= cells.column.present
        lawful[[one.row for one in cells.wrong]] = False
        return Column(column.values, column.present, None, np.where(lawful, given, NO_QUALITY))

    def _of_sensors(self, chunk: Chunk) -> Iterator[tuple[str, Ints, Column]]:
        """Give the values of each sensor of a narrow chunk."""
        narrow = self._file_type.narrow
        assert narrow is not None
        sensors, values = chunk.columns.get(narrow.sensor), chunk.columns.get(narrow.value)
        if sensors is None or values is None:
            return
        for name, rows in _rows_by_text(sensors).items():
            if name:
                yield name, rows, values.take(rows)

    def _checked(self, place: tuple[str, str], piece: _Piece, rows: Rows) -> _Piece:
        """Make values of a variable of them; a row with one that fits not is refused."""
        target = piece.target
        variable = self._find(*place, target) or _as_it_looks(piece.values, target)
        cells = convert(piece.values, variable, self._file_type)
        for one in cells.wrong:
            rows.refuse(int(piece.rows[one.row]), target.variable, one.reason, text_at(piece.values, one.row))
        quality = piece.values.quality
        return _Piece(target, piece.rows, Column(cells.column.values, cells.column.present, None, quality))

    def _set_aside(
        self, unplaced: list[tuple[str, Ints, Column]], chunk: Chunk, rows: Rows, held: Bools
    ) -> list[_Piece]:
        """Keep or refuse what no rule places, as the file type says."""
        aside: list[_Piece] = []
        for column, of_rows, values in unplaced:
            there = of_rows if values.present is None else of_rows[values.present]
            if self._file_type.new_columns is NewColumns.REFUSE:
                for row in there.tolist():
                    rows.refuse(row, column, NO_PLACE, "")
                continue
            held[there] = True
            aside.append(_Piece(Target(variable=column), of_rows, values))
        return aside

    def _joined(self, place: tuple[str, str], parts: list[_Piece], keep: Bools, chunk: Chunk) -> Placed:
        """Put the values of one series together: rows of the file, or of equal times where it is narrow."""
        first = parts[0].rows
        is_narrow = self._file_type.narrow is not None
        there = np.zeros(chunk.rows, np.bool_)
        for part in parts:
            there[part.rows if part.values.present is None else part.rows[part.values.present]] = True
        kept = np.flatnonzero(there & keep)
        time_ms, lines = chunk.time_ms[kept], chunk.lines[kept]
        if is_narrow:
            time_ms, begins, record = np.unique(time_ms, return_index=True, return_inverse=True)
            lines = lines[begins]
            of_row = np.full(chunk.rows, -1)
            of_row[kept] = record
            cells = {part.target.variable: _spread(part, of_row, len(time_ms)) for part in parts}
        elif len(kept) == len(first):
            cells = {part.target.variable: part.values for part in parts}
        else:
            at = np.searchsorted(first, kept)
            cells = {part.target.variable: part.values.take(at) for part in parts}
        return Placed(
            asset=place[0],
            aspect=place[1],
            time_ms=time_ms,
            lines=lines,
            cells={name: column for name, column in cells.items() if _has_values(column)},
            targets={part.target.variable: part.target for part in parts},
            is_partial=is_narrow or self._file_type.format not in _WHOLE_ROWS,
            rows_in=len(kept),
        )


class _Labels:
    """The asset and the aspect that each row of a chunk names."""

    def __init__(self, chunk: Chunk, file_type: FileType) -> None:
        self._rows = chunk.rows
        self._assets = _label(chunk, file_type.asset_column, file_type.asset)
        self._aspects = _label(chunk, file_type.aspect_column, file_type.aspect)

    def divide(self, groups: _Groups, piece: _Piece, column: str, rows: Rows) -> None:
        """Give a piece to the series that its rows name; a row that names none is refused."""
        target = piece.target
        for asset, of_asset in self._where(self._assets, target.asset):
            for aspect, of_aspect in self._where(self._aspects, target.aspect):
                both = _common(of_asset, of_aspect)
                if both is None:
                    mine, values = piece.rows, piece.values
                else:
                    at = np.flatnonzero(np.isin(piece.rows, both, assume_unique=True))
                    mine, values = piece.rows[at], piece.values.take(at)
                if not len(mine):
                    continue
                if asset and aspect:
                    groups.setdefault((asset, aspect), []).append(_Piece(target, mine, values))
                    continue
                there = mine if values.present is None else mine[values.present]
                for row in there.tolist():
                    rows.refuse(row, column, NO_ASSET if not asset else NO_ASPECT, "")

    @staticmethod
    def _where(labels: str | dict[str, Ints], said: str) -> list[tuple[str, Ints | None]]:
        """Give each name with its rows; None: all."""
        if said or isinstance(labels, str):
            return [(said or str(labels), None)]
        return list(labels.items())


def _common(one: Ints | None, other: Ints | None) -> Ints | None:
    if one is None or other is None:
        return other if one is None else one
    return np.intersect1d(one, other, assume_unique=True)


def _label(chunk: Chunk, column: str, constant: str) -> str | dict[str, Ints]:
    """Give the one name of all rows, or the rows of each name; rows without one have the constant."""
    if not column or column not in chunk.columns:
        return constant
    found = _rows_by_text(chunk.columns[column])
    absent = found.pop("", None)
    if absent is not None:
        found[constant] = np.sort(np.concatenate([found.get(constant, absent[:0]), absent]))
    return found


def _rows_by_text(column: Column) -> dict[str, Ints]:
    """Give the rows of each text, in ascending order; absent ones are of the empty text."""
    if isinstance(column.values, Texts):
        words = column.values.to_list()
    else:
        words = [str(value) for value in column.values.tolist()]
    places: dict[str, int] = {}
    codes = np.fromiter((places.setdefault(word, len(places)) for word in words), np.int64, len(words))
    if column.present is not None:
        codes[~column.present] = places.setdefault("", len(places))
    order = np.argsort(codes, kind="stable")
    borders = np.searchsorted(codes[order], np.arange(len(places) + 1))
    parts = ((word, order[borders[place] : borders[place + 1]]) for word, place in places.items())
    return {word: rows for word, rows in parts if len(rows)}


def _one_each(pieces: list[_Piece], rows: Rows) -> list[_Piece]:
    """Put columns together that are one variable; a row in which two of them have a value is refused."""
    found: dict[str, _Piece] = {}
    for piece in pieces:
        name = piece.target.variable
        found[name] = _both(found[name], piece, rows) if name in found else piece
    return list(found.values())


def _both(one: _Piece, other: _Piece, rows: Rows) -> _Piece:
    every = np.union1d(one.rows, other.rows)
    source = np.full(len(every), -1)
    for piece, begin in ((one, 0), (other, len(one.rows))):
        has = piece.values.present
        there = np.arange(len(piece.rows)) if has is None else np.flatnonzero(has)
        at = np.searchsorted(every, piece.rows[there])
        for place in at[source[at] >= 0].tolist():
            rows.refuse(int(every[place]), piece.target.variable, TWO_VALUES, "")
        source[at] = there + begin
    present = source >= 0
    column = _end_to_end(one.values, other.values).take(np.maximum(source, 0))
    return _Piece(one.target, every, Column(column.values, present, None, column.quality))


def _end_to_end(one: Column, other: Column) -> Column:
    quality = None
    if one.quality is not None or other.quality is not None:
        sides = (one, other)
        none = [
            np.full(len(side.values), NO_QUALITY) if side.quality is None else side.quality for side in sides
        ]
        quality = np.concatenate(none)
    if isinstance(one.values, Texts) and isinstance(other.values, Texts):
        return Column(Texts.joined([one.values, other.values]), None, None, quality)
    assert not isinstance(one.values, Texts) and not isinstance(other.values, Texts)  # noqa: PT018 - for mypy
    return Column(np.concatenate([one.values, other.values]), None, None, quality)


def _as_it_looks(column: Column, target: Target) -> Variable:
    """Make a variable that takes a column: of the type that a rule says, else of the values' own."""
    types = {
        ColumnClass.FLOAT: VariableType.DOUBLE,
        ColumnClass.INTEGER: VariableType.DOUBLE,
        ColumnClass.BOOLEAN: VariableType.BOOLEAN,
        ColumnClass.TEXT: VariableType.STRING,
    }
    type_ = target.type or types[column.column_class]
    return Variable(name=target.variable, type=type_, unit=target.unit)


def _spread(part: _Piece, of_row: Ints, count: int) -> Column:
    """Put values into the records of their times; of two for one record the later row stands."""
    source = np.full(count, -1)
    there = of_row[part.rows] >= 0
    if part.values.present is not None:
        there &= part.values.present
    at = np.flatnonzero(there)
    source[of_row[part.rows[at]]] = at
    has = source >= 0
    column = part.values.take(np.maximum(source, 0))
    return Column(column.values, None if has.all() else has, None, column.quality)


def _kept(aside: _Piece, keep: Bools, chunk: Chunk) -> Aside:
    there = keep[aside.rows]
    if aside.values.present is not None:
        there = there & aside.values.present
    at = np.flatnonzero(there)
    rows = aside.rows[at]
    return Aside(aside.target.variable, chunk.time_ms[rows], chunk.lines[rows], aside.values.take(at))


def _has_values(column: Column) -> bool:
    return column.present is None or bool(column.present.any())
