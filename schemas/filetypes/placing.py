"""Chunks of a file → rows of series: columns by their targets, rows by the asset and the aspect they name.

A row is refused as a whole, or each of its values goes to its series; one without any value is refused too,
so that every row is accounted for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.aspects import QUALITY_SUFFIX, Variable, VariableType
from schemas.columns import NO_QUALITY, Bools, Column, ColumnClass, Ints, Texts
from schemas.filetypes.building import Rows
from schemas.filetypes.chunks import Chunk, RefusedRow
from schemas.filetypes.conversion import convert, text_at
from schemas.filetypes.labels import Labels, Piece, pieces_of, rows_given
from schemas.filetypes.mapping import Mapper, Target
from schemas.filetypes.model import FileType, NewColumns
from schemas.limits import QUALITY_CODE_MAX


class NoPlace(NamedTuple):
    """Why rows of a series, or values of one of its variables, cannot be taken."""

    reason: str
    column: str = ""
    text: str = ""


Find = Callable[[str, str, Target], Variable | NoPlace | None]
"""(asset, aspect, target) → the variable; None: it is new, and its values go as they look."""

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
    rows_in: int
    """Rows of the file that they were made of: of a narrow one, each is one value."""


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
    """Rows of which at least one value is in `placed` or `aside` …"""
    rows_placed: int
    """… and those of which one is in `placed`."""


_Groups = dict[tuple[str, str], list[Piece]]
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
        labels = Labels(chunk, self._file_type)
        for column, piece_rows, values in self._pieces(chunk):
            target = self._mapper.target(column)
            if target is not None:
                for *place, piece in labels.divide(Piece(target, piece_rows, values)):
                    _take(groups, place, piece, column, rows)
            elif column in self._mapper.unplaced:
                unplaced.append((column, piece_rows, values))
        checked = {
            place: _one_each([self._checked(place, piece, rows) for piece in parts], rows)
            for place, parts in groups.items()
        }
        placed = np.zeros(chunk.rows, np.bool_)
        for parts in checked.values():
            for piece in parts:
                placed[rows_given(piece)] = True
        held = placed.copy()
        aside = self._set_aside(unplaced, chunk, rows, held)
        for row in np.flatnonzero(~held).tolist():
            rows.refuse(row, "", NO_VALUE, "")
        keep = rows.kept
        joined = (self._joined(place, parts, keep, chunk) for place, parts in checked.items())
        return Placement(
            [one for one in joined if len(one.time_ms)],
            sorted([*chunk.refused, *rows.refused]),
            [part for one in aside if len((part := _kept(one, keep, chunk)).lines)],
            int(keep.sum()),
            int((keep & placed).sum()),
        )

    def _pieces(self, chunk: Chunk) -> Iterator[tuple[str, Ints, Column]]:
        """Give what a chunk has, quality codes beside values."""
        for name, rows, column in pieces_of(chunk, self._file_type):
            codes = None if self._file_type.narrow else chunk.columns.get(name + QUALITY_SUFFIX)
            yield name, rows, column if codes is None else self._with_quality(column, codes)

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

    def _checked(self, place: tuple[str, str], piece: Piece, rows: Rows) -> Piece:
        """Make values of a variable of them; a row with one that fits not is refused."""
        target = piece.target
        variable = self._find(*place, target) or _as_it_looks(piece.values, target)
        if isinstance(variable, NoPlace):
            for row in rows_given(piece).tolist():
                rows.refuse(row, variable.column, variable.reason, variable.text)
            variable = _as_it_looks(piece.values, target)
        cells = convert(piece.values, variable, self._file_type)
        for one in cells.wrong:
            rows.refuse(int(piece.rows[one.row]), target.variable, one.reason, text_at(piece.values, one.row))
        quality = piece.values.quality
        return Piece(target, piece.rows, Column(cells.column.values, cells.column.present, None, quality))

    def _set_aside(
        self, unplaced: list[tuple[str, Ints, Column]], chunk: Chunk, rows: Rows, held: Bools
    ) -> list[Piece]:
        """Keep or refuse what no rule places, as the file type says."""
        aside: list[Piece] = []
        for column, of_rows, values in unplaced:
            there = of_rows if values.present is None else of_rows[values.present]
            if self._file_type.new_columns is NewColumns.REFUSE:
                for row in there.tolist():
                    rows.refuse(row, column, NO_PLACE, "")
                continue
            held[there] = True
            aside.append(Piece(Target(variable=column), of_rows, values))
        return aside

    def _joined(self, place: tuple[str, str], parts: list[Piece], keep: Bools, chunk: Chunk) -> Placed:
        """Put the values of one series together: rows of the file, or of equal times where it is narrow."""
        first = parts[0].rows
        is_narrow = self._file_type.narrow is not None
        there = np.zeros(chunk.rows, np.bool_)
        for part in parts:
            there[rows_given(part)] = True
        kept = np.flatnonzero(there & keep)
        time_ms, lines = chunk.time_ms[kept], chunk.lines[kept]
        if is_narrow:
            time_ms, begins, record = np.unique(time_ms, return_index=True, return_inverse=True)
            lines = lines[begins]
            of_row = np.full(chunk.rows, -1)
            of_row[kept] = record
            cells = {part.target.variable: _spread(part, of_row, len(time_ms)) for part in parts}
        elif any(not np.array_equal(part.rows, first) for part in parts):
            of_row = np.full(chunk.rows, -1)
            of_row[kept] = np.arange(len(kept))
            cells = {part.target.variable: _spread(part, of_row, len(kept)) for part in parts}
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
            rows_in=len(kept),
        )


def _take(groups: _Groups, place: Sequence[str], piece: Piece, column: str, rows: Rows) -> None:
    """Give a piece to its series; rows that name none are refused."""
    asset, aspect = place
    if asset and aspect:
        groups.setdefault((asset, aspect), []).append(piece)
        return
    for row in rows_given(piece).tolist():
        rows.refuse(row, column, NO_ASSET if not asset else NO_ASPECT, "")


def _one_each(pieces: list[Piece], rows: Rows) -> list[Piece]:
    """Put columns together that are one variable; a row in which two of them have a value is refused."""
    found: dict[str, Piece] = {}
    for piece in pieces:
        name = piece.target.variable
        found[name] = _both(found[name], piece, rows) if name in found else piece
    return list(found.values())


def _both(one: Piece, other: Piece, rows: Rows) -> Piece:
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
    return Piece(one.target, every, Column(column.values, present, None, column.quality))


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


def _spread(part: Piece, of_row: Ints, count: int) -> Column:
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


def _kept(aside: Piece, keep: Bools, chunk: Chunk) -> Aside:
    there = keep[aside.rows]
    if aside.values.present is not None:
        there = there & aside.values.present
    at = np.flatnonzero(there)
    rows = aside.rows[at]
    return Aside(aside.target.variable, chunk.time_ms[rows], chunk.lines[rows], aside.values.take(at))


def _has_values(column: Column) -> bool:
    return column.present is None or bool(column.present.any())
