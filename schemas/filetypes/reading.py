"""A file type and the bytes of a file → its head, then its rows: the one door to all readers.

`open_table` reads the head and refuses a file that cannot be of its type. `Table.chunks` then gives every row
once, in a chunk or as refused. Memory is bounded by the limits of one block, whatever the size of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

import msgspec

from schemas.aspects import TIME_MEMBER, Variable, VariableType
from schemas.filetypes.annotated import read_annotated
from schemas.filetypes.building import ANY_TIME, TimeBounds
from schemas.filetypes.chunks import Chunk, Head, Seekable, Source
from schemas.filetypes.columnar import ColumnarTable
from schemas.filetypes.delimited import TextReader
from schemas.filetypes.head import read_head
from schemas.filetypes.json_records import read_json
from schemas.filetypes.limits import BLOCK_BYTES
from schemas.filetypes.line_protocol import read_lines
from schemas.filetypes.model import FileFormat, FileType
from schemas.filetypes.sparse import Gathering
from schemas.filetypes.text import Block, read_blocks
from schemas.filetypes.tinyflux import read_tinyflux

_PIECE_BYTES = 1_048_576
_COLUMNAR = (FileFormat.PARQUET, FileFormat.ARROW)
_JSON = (FileFormat.JSON, FileFormat.BULK_JSON)


class Table(Protocol):
    """A file whose head was read."""

    head: Head
    guessed: Mapping[str, VariableType]
    """The types of delimited text's columns, by its first rows; empty for formats that say them."""

    def chunks(
        self, types: Mapping[str, Variable] | None = None, bounds: TimeBounds = ANY_TIME
    ) -> Iterator[Chunk]:
        """Read every row, once.

        `types` names the wanted columns; in delimited text it also says what their cells are, and a cell
        that is none refuses its row. None: every column, as it looks. In other formats values have the types
        that the file gives them, and `schemas.filetypes.placing` makes of them what a variable takes.
        """


def open_table(file_type: FileType, source: Source) -> Table:
    """Read the head of a file; Malformed or TooLarge, before any row, if it cannot be of this type."""
    if file_type.format in _COLUMNAR:
        return ColumnarTable(file_type, source)
    pieces = pieces_of(source)
    if file_type.format is FileFormat.TEXT:
        return _TextTable(file_type, pieces)
    return _SparseTable(file_type, pieces)


def read_table(
    file_type: FileType,
    source: Source,
    types: Mapping[str, Variable] | None = None,
    bounds: TimeBounds = ANY_TIME,
) -> Iterator[Chunk]:
    """Read a file from its head to its last row."""
    return open_table(file_type, source).chunks(types, bounds)


def pieces_of(source: Source) -> Iterable[bytes]:
    """Read a source from its beginning, whatever it is."""
    return _read_on(source) if isinstance(source, Seekable) else source


def _read_on(file: Seekable) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece


class _TextTable:
    """Delimited text."""

    def __init__(self, file_type: FileType, pieces: Iterable[bytes]) -> None:
        self._file_type = file_type
        blocks = read_blocks(
            pieces, file_type.encoding, multiline=file_type.multiline, block_bytes=BLOCK_BYTES
        )
        encoding, first = next(blocks, (file_type.encoding or "utf-8", Block(b"", 1, 0)))
        self.head, begin = read_head(first.octets, file_type, encoding)
        skipped = first.octets.count(b"\n", 0, begin)
        rest = Block(first.octets[begin:], first.first_line + skipped, first.bytes_in)
        reader = TextReader(file_type, self.head, {}, ANY_TIME)
        self.guessed: Mapping[str, VariableType] = reader.guess_types(rest)
        self._blocks = chain([rest], (block for _, block in blocks))

    def chunks(
        self, types: Mapping[str, Variable] | None = None, bounds: TimeBounds = ANY_TIME
    ) -> Iterator[Chunk]:
        wanted = {name: Variable(name=name, type=kind) for name, kind in self.guessed.items()}
        if types is not None:
            labels = self._labels()
            wanted = {
                name: types.get(name, guess)
                for name, guess in wanted.items()
                if name in types or name in labels
            }
        for name in self._labels():
            wanted[name] = Variable(name=name, type=VariableType.STRING)
        reader = TextReader(self._file_type, self.head, wanted, bounds)
        for block in self._blocks:
            yield reader.chunk(block)

    def _labels(self) -> set[str]:
        """Name the columns by which rows are placed: their cells are texts whatever they look like."""
        file_type = self._file_type
        narrow = (file_type.narrow.sensor,) if file_type.narrow else ()
        labels = {*narrow, file_type.asset_column, file_type.aspect_column} - {""}
        return labels - set(file_type.time_columns)


class _SparseTable:
    """A format whose rows name their columns."""

    def __init__(self, file_type: FileType, pieces: Iterable[bytes]) -> None:
        self._file_type, self._pieces = _as_written(file_type), pieces
        self.head = Head(times=self._file_type.time_columns)
        self.guessed: Mapping[str, VariableType] = {}

    def chunks(
        self, types: Mapping[str, Variable] | None = None, bounds: TimeBounds = ANY_TIME
    ) -> Iterator[Chunk]:
        file_type = self._file_type
        wanted = None if types is None else frozenset([*types, *_labels_of(file_type)])
        gathering = Gathering(wanted, bounds, file_type)
        if file_type.format in _JSON:
            return read_json(self._pieces, file_type, gathering)
        multiline = file_type.format is not FileFormat.LINE_PROTOCOL
        told = read_blocks(self._pieces, file_type.encoding, multiline=multiline)
        blocks = (block for _, block in told)
        if file_type.format is FileFormat.LINE_PROTOCOL:
            return read_lines(blocks, file_type.precision, gathering)
        if file_type.format is FileFormat.TINYFLUX:
            return read_tinyflux(blocks, gathering)
        return read_annotated(blocks, gathering)


def _labels_of(file_type: FileType) -> list[str]:
    narrow = (file_type.narrow.sensor, file_type.narrow.value) if file_type.narrow else ()
    return [name for name in (*narrow, file_type.asset_column, file_type.aspect_column) if name]


def _as_written(file_type: FileType) -> FileType:
    """Say of formats that fix how times are written how they do."""
    if file_type.format is FileFormat.BULK_JSON:
        return msgspec.structs.replace(file_type, time_columns=(TIME_MEMBER,), time_formats=(), zone="")
    if file_type.format is FileFormat.TINYFLUX:
        return msgspec.structs.replace(file_type, time_formats=(), zone="UTC")
    if file_type.format is FileFormat.ANNOTATED_CSV:
        return msgspec.structs.replace(file_type, time_formats=(), zone="")
    return file_type
