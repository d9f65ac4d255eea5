"""Parquet and Arrow → chunks: columns stay the columns they are.

A Parquet file begins at its end, so it is read from a place that can be sought; one that arrives as a stream
is held, up to a limit. An Arrow stream is read as it comes, and an Arrow file is such a stream between a mark
and a footer.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.aspects import Variable, VariableType
from schemas.columns import Column, Ints
from schemas.errors import Malformed, TooLarge
from schemas.filetypes.building import ANY_TIME, Rows, TimeBounds
from schemas.filetypes.cells import present_of, texts_of
from schemas.filetypes.chunks import Chunk, Head, Seekable, Source
from schemas.filetypes.limits import (
    BATCH_BYTES_MAX,
    CHUNK_CELLS_MAX,
    COLUMNS_MAX,
    FRAGMENT_ROWS,
    PARQUET_HELD_BYTES_MAX,
    UNPACKED_BYTES_MAX,
)
from schemas.filetypes.model import FileFormat, FileType
from schemas.filetypes.moments import REASONS, Times, place_times, read_times
from schemas.limits import LONG_MAX, TIME_MS_MAX, TIME_MS_MIN

_ARROW_FILE = b"ARROW1\0\0"
_UNIT_KEY = b"unit"
_VALUE_BYTES = 8
_BUFFER_BYTES = 1_048_576
_PIECE_BYTES = 1_048_576
NO_TIME = "there is no time"


class ColumnarTable:
    """A Parquet or Arrow file that is open."""

    def __init__(self, file_type: FileType, source: Source) -> None:
        """Read the schema; Malformed where it is no such file or has no such time."""
        self._file_type = file_type
        with _in_our_words(file_type):
            if file_type.format is FileFormat.PARQUET:
                # With a buffer a column is read page by page, without one a row group at once.
                self._parquet: pq.ParquetFile | None = pq.ParquetFile(
                    _seekable(source), pre_buffer=False, buffer_size=_BUFFER_BYTES
                )
                schema = self._parquet.schema_arrow
            else:
                self._parquet = None
                self._stream = _open_stream(source)
                schema = self._stream.schema
            self.head = _head_of(schema, file_type)
        self.guessed: Mapping[str, VariableType] = {}

    def chunks(
        self, types: Mapping[str, Variable] | None = None, bounds: TimeBounds = ANY_TIME
    ) -> Iterator[Chunk]:
        """Read the wanted columns, `types` by name; None: all. The types are those that the file has."""
        others = [name for name in self.head.columns if name not in self.head.times]
        wanted = [name for name in others if types is None or name in types]
        read = [*self.head.times, *wanted]
        first = 1
        batches = self._batches(read)
        while True:
            with _in_our_words(self._file_type):
                batch = next(batches, None)
                if batch is None:
                    return
                # Offsets and indices of a damaged file point anywhere; what follows trusts them.
                batch.validate(full=True)
                chunk = self._chunk(batch, wanted, first, bounds)
            yield chunk
            first += batch.num_rows

    def _batches(self, read: list[str]) -> Iterator[pa.RecordBatch]:
        rows = max(1, min(FRAGMENT_ROWS, CHUNK_CELLS_MAX // max(1, len(read))))
        if self._parquet is not None:
            _check_size(self._parquet, read)
            yield from self._parquet.iter_batches(rows, columns=read, use_threads=False)
            return
        for batch in self._stream:
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def _chunk(self, batch: pa.RecordBatch, wanted: list[str], first: int, bounds: TimeBounds) -> Chunk:
        rows = Rows(np.arange(first, first + batch.num_rows))
        times = self._read_times(batch, rows)
        columns: dict[str, Column] = {}
        for name in wanted:
            array = batch.column(name)
            columns[name] = _column_of(array)
            for row in _beyond(array):
                rows.refuse(row, name, "is beyond a LONG", str(array[row].as_py()))
        label = ", ".join(self.head.times)
        rows.check_bounds(times, bounds, label, lambda row: self._time_text(batch, row))
        return rows.chunk(times, columns, 0)

    def _time_text(self, batch: pa.RecordBatch, row: int) -> str:
        try:
            return " ".join(str(batch.column(name)[row]) for name in self.head.times)
        except (OverflowError, ValueError):
            return "beyond the years 1 to 9999"

    def _read_times(self, batch: pa.RecordBatch, rows: Rows) -> Ints:
        names = self.head.times
        array = batch.column(names[0])
        kind = array.type
        if len(names) == 1 and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            local_ms = _milliseconds(array)
            is_aware = pa.types.is_timestamp(kind) and kind.tz is not None
            times = place_times(local_ms, self._file_type) if not is_aware else _as_they_are(local_ms)
        else:
            parts = [pc.cast(batch.column(name), pa.string()) for name in names]
            array = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, " ")
            times = read_times(texts_of(array), self._file_type)
        present = present_of(array)
        for row in np.flatnonzero(times.reasons).tolist():
            absent = present is not None and not present[row]
            reason = NO_TIME if absent else REASONS[times.reasons[row]]
            rows.refuse(row, ", ".join(names), reason, "" if absent else self._time_text(batch, row))
        if present is not None:
            for row in np.flatnonzero(~present).tolist():
                rows.refuse(row, ", ".join(names), NO_TIME, "")
        return times.time_ms


class _Piped:
    """Pieces of bytes as a file that is read from its beginning."""

    closed = False

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        if size > BATCH_BYTES_MAX:
            raise TooLarge(f"A batch of the file has {size} bytes; at most {BATCH_BYTES_MAX} are read.")
        parts, have = [self._held], len(self._held)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        held = b"".join(parts)
        end = have if size < 0 else min(size, have)
        self._held = held[end:]
        return held[:end]


def _seekable(source: Source) -> pa.NativeFile:
    if isinstance(source, Seekable):
        return pa.PythonFile(source, "r")
    held = io.BytesIO()
    for piece in source:
        held.write(piece)
        if held.tell() > PARQUET_HELD_BYTES_MAX:
            raise TooLarge(
                f"A Parquet file of more than {PARQUET_HELD_BYTES_MAX} bytes is read from a file only, not"
                " out of an archive; send it as it is."
            )
    held.seek(0)
    return pa.PythonFile(held, "r")


def _open_stream(source: Source) -> pa.ipc.RecordBatchStreamReader:
    if isinstance(source, Seekable):
        source.seek(0)
        source = iter(partial(source.read, _PIECE_BYTES), b"")
    pieces = iter(source)
    start = b""
    while len(start) < len(_ARROW_FILE) and (piece := next(pieces, None)) is not None:
        start += piece
    return pa.ipc.open_stream(pa.PythonFile(_Piped(chain([start.removeprefix(_ARROW_FILE)], pieces)), "r"))


@contextmanager
def _in_our_words(file_type: FileType) -> Iterator[None]:
    """Say Malformed where the library says that the bytes are wrong."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the library's
        first = (str(error).splitlines() or ["it ends too early"])[0][:200]
        raise Malformed(f"The file is no whole {file_type.format.value} file: {first}.") from None


def _head_of(schema: pa.Schema, file_type: FileType) -> Head:
    names = tuple(field.name for field in schema if _is_read(field.type))
    missing = [name for name in file_type.time_columns if name not in names]
    if missing:
        raise Malformed(f"The file has no column {missing[0]!r} of times; it has {', '.join(names[:20])}.")
    if len(schema) > COLUMNS_MAX:
        raise TooLarge(f"The file has {len(schema)} columns; at most {COLUMNS_MAX} are read.")
    if len(set(names)) != len(names):
        raise Malformed("The file names a column twice.")
    units = {field.name: field.metadata[_UNIT_KEY].decode("utf-8", "replace")
             for field in schema if field.metadata and _UNIT_KEY in field.metadata}  # fmt: skip
    unread = {field.name: f"not read: {field.type}" for field in schema if not _is_read(field.type)}
    return Head(columns=names, times=file_type.time_columns, units=units, attributes=unread)


def _is_read(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    are = pa.types
    tests = (
        are.is_floating, are.is_integer, are.is_boolean, are.is_string, are.is_large_string,
        are.is_timestamp, are.is_date, are.is_decimal, are.is_null,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _check_size(file: pq.ParquetFile, read: list[str]) -> None:
    """Refuse a file of more rows than are read of any (S9).

    What its footer says of bytes is not asked: it may lie, and details of a damaged one end the process.
    """
    whole = file.metadata.num_rows * len(read) * _VALUE_BYTES
    if whole > UNPACKED_BYTES_MAX:
        raise TooLarge(f"The file unpacks to {whole} bytes; at most {UNPACKED_BYTES_MAX} are read.")


def _column_of(array: pa.Array) -> Column:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind, present = array.type, present_of(array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Column(texts_of(array), present)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Column(_milliseconds(array), present)
    if pa.types.is_boolean(kind):
        return Column(array.fill_null(False).to_numpy(zero_copy_only=False), present)
    if pa.types.is_integer(kind):
        whole = pc.cast(array, pa.int64(), safe=False)
        return Column(whole.fill_null(0).to_numpy(zero_copy_only=False), present)
    return Column(pc.cast(array, pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False), present)


def _milliseconds(array: pa.Array) -> Ints:
    """Give instants as milliseconds; what is finer is cut, what lies beyond all times is beyond them."""
    if pa.types.is_date(array.type):
        array = pc.cast(array, pa.timestamp("ms"))
    unit = array.type.unit
    numbers: Ints = array.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if unit == "s":
        return np.clip(numbers, TIME_MS_MIN // 1_000 - 1, TIME_MS_MAX // 1_000 + 1) * 1_000
    per_ms = {"ms": 1, "us": 1_000, "ns": 1_000_000}[unit]
    return numbers // per_ms


def _as_they_are(time_ms: Ints) -> Times:
    return Times(time_ms, np.zeros(len(time_ms), np.int8))


def _beyond(array: pa.Array) -> list[int]:
    """Give the rows of whole numbers above LONG."""
    if not pa.types.is_uint64(array.type):
        return []
    above = pc.fill_null(pc.greater(array, pa.scalar(LONG_MAX, pa.uint64())), fill_value=False)
    rows: list[int] = np.flatnonzero(above.to_numpy(zero_copy_only=False)).tolist()
    return rows
