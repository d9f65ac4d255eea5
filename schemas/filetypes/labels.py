"""What rows name: the asset and the aspect that they are of, and in narrow files the sensor (SM-06, IX-08).

Texts are numbered once a chunk, and rows are divided by numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from schemas.columns import Column, Ints
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.conversion import numbered
from schemas.filetypes.limits import COLUMNS_MAX
from schemas.filetypes.mapping import Target, is_quality_of, reserved_columns
from schemas.filetypes.model import FileType


class Piece(NamedTuple):
    """Values of one column that go to one target; `rows` are the rows of the chunk that they stand in."""

    target: Target
    rows: Ints
    values: Column


def pieces_of(chunk: Chunk, file_type: FileType) -> Iterator[tuple[str, Ints, Column]]:
    """Give each column of values, or each sensor of a narrow chunk, and the rows that its values stand in."""
    narrow = file_type.narrow
    if narrow is None:
        every, left_out = np.arange(chunk.rows), reserved_columns(file_type)
        for name, column in chunk.columns.items():
            if name not in left_out and not is_quality_of(name, chunk.columns):
                yield name, every, column
        return
    sensors, values = chunk.columns.get(narrow.sensor), chunk.columns.get(narrow.value)
    if sensors is None or values is None:
        return
    codes, names = numbered(sensors)
    for code, rows in zip(*_rows_by_code(codes), strict=True):
        if names[code]:
            yield names[code], rows, values.take(rows)


def readings_of(chunks: Iterable[Chunk], file_type: FileType) -> dict[str, Column]:
    """Give the values of each sensor that narrow chunks name, those of the first chunk that does."""
    found: dict[str, Column] = {}
    for chunk in chunks if file_type.narrow else ():
        for name, _, values in pieces_of(chunk, file_type):
            if len(found) < COLUMNS_MAX:
                found.setdefault(name, values)
    return found


class Labels:
    """The asset and the aspect that each row of a chunk names."""

    def __init__(self, chunk: Chunk, file_type: FileType) -> None:
        assets, self._assets = _label(chunk, file_type.asset_column, file_type.asset)
        aspects, self._aspects = _label(chunk, file_type.aspect_column, file_type.aspect)
        self._of_row: Ints | None = None
        """Which pair each row names; None: all of them the first."""
        self._divided: tuple[Ints, list[int], list[Ints]] | None = None
        """The rows that were divided last, and how: columns of one table have the same."""
        if assets is not None or aspects is not None:
            of_asset = np.zeros(chunk.rows, np.int64) if assets is None else assets
            self._of_row = of_asset * len(self._aspects) + (0 if aspects is None else aspects)

    def divide(self, piece: Piece) -> Iterator[tuple[str, str, Piece]]:
        """Give the asset, the aspect and the part of a piece of each series; empty: nothing names it."""
        target = piece.target
        for pair, mine in self._pairs(piece):
            asset = target.asset or self._assets[pair // len(self._aspects)]
            aspect = target.aspect or self._aspects[pair % len(self._aspects)]
            yield asset, aspect, mine

    def aspects_of(self, piece: Piece) -> set[str]:
        """Name the aspects that the values of a piece are of."""
        return {aspect for _, aspect, mine in self.divide(piece) if len(rows_given(mine))}

    def _pairs(self, piece: Piece) -> Iterator[tuple[int, Piece]]:
        """Divide a piece by what its rows name, where that matters."""
        if self._of_row is None or (piece.target.asset and piece.target.aspect):
            yield 0, piece
            return
        if self._divided is None or self._divided[0] is not piece.rows:
            self._divided = piece.rows, *_rows_by_code(self._of_row[piece.rows])
        _, pairs, parts = self._divided
        for pair, at in zip(pairs, parts, strict=True):
            yield pair, Piece(piece.target, piece.rows[at], piece.values.take(at))


def _label(chunk: Chunk, column: str, constant: str) -> tuple[Ints | None, list[str]]:
    """Give the names, and which of them each row has, None: all the first; rows without one the constant."""
    if not column or column not in chunk.columns:
        return None, [constant]
    codes, names = numbered(chunk.columns[column])
    return codes, [name or constant for name in names]


def _rows_by_code(codes: Ints) -> tuple[list[int], list[Ints]]:
    """Give the codes that occur, and where each does, ascending."""
    if not len(codes):
        return [], []
    order = np.argsort(codes, kind="stable")
    found, begins = np.unique(codes[order], return_index=True)
    return found.tolist(), np.split(order, begins[1:])


def rows_given(piece: Piece) -> Ints:
    """Give the rows in which a piece has a value."""
    return piece.rows if piece.values.present is None else piece.rows[piece.values.present]
