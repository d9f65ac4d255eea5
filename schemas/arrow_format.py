"""Records as Arrow and Parquet: columns go out as the columns they are.

The library takes 50 MB and a third of a second to load, so this module is loaded when the first caller asks
for one of its formats (`schemas.formats`).

The schema's metadata say what the table holds: `aspectstore.series` (JSON: which series), each field's `unit`
and `type` (the variable's), and `aspectstore.read_position` where acknowledged entries may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.aspects import TIME_MEMBER, VariableType
from schemas.columns import Bools, Column, Texts
from schemas.tables import Field, Found, fill

SERIES_KEY = "aspectstore.series"
POSITION_KEY = "aspectstore.read_position"

GROUP_BYTES = 8 * 1_048_576
"""Of a row group of Parquet, held until then: in smaller ones statistics and dictionaries weigh more."""

_TIME = pa.timestamp("ms", "UTC")
_TYPES = {
    VariableType.BOOLEAN: pa.bool_(),
    VariableType.INT: pa.int32(),
    VariableType.LONG: pa.int64(),
    VariableType.DOUBLE: pa.float64(),
    VariableType.STRING: pa.utf8(),
    VariableType.BIG_STRING: pa.utf8(),
    VariableType.TIMESTAMP: _TIME,
}
_CODE = pa.uint32()
_NUMPY = {VariableType.INT: "<i4", VariableType.LONG: "<i8", VariableType.DOUBLE: "<f8"}


def schema_of(
    fields: Sequence[Field], labels: Sequence[str], series: Sequence[Mapping[str, str]], position: int | None
) -> pa.Schema:
    """Describe the table."""
    metadata = {SERIES_KEY: msgspec.json.encode(series)}
    if position is not None:
        metadata[POSITION_KEY] = str(position).encode()
    columns = [pa.field(label, pa.utf8(), nullable=False) for label in labels]
    columns.append(pa.field(TIME_MEMBER, _TIME, nullable=False))
    for field in fields:
        said = {"type": field.type.value} if not field.code else {"type": "QUALITY_CODE"}
        if field.unit:
            said["unit"] = field.unit
        columns.append(pa.field(field.name, _CODE if field.code else _TYPES[field.type], metadata=said))
    return pa.schema(columns, metadata=metadata)


class _Drain:
    """What was written since the last look; the writers want a file."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, octets: Any) -> int:
        self._parts.append(bytes(octets))
        return len(octets)

    def flush(self) -> None:
        """Have nothing to flush."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class ArrowFormat:
    """Writes one answer as an Arrow IPC stream, a batch a piece."""

    def __init__(self, fields: Sequence[Field], schema: pa.Schema) -> None:
        """Take the columns and their schema."""
        self._fields, self._schema = fields, schema
        self._drain = _Drain()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._drain, "w"), schema)

    def begin(self) -> bytes:
        """Write the schema."""
        return self._drain.take()

    def rows(self, found: Found) -> bytes:
        """Write a batch."""
        self._writer.write_batch(_batch(found, self._fields, self._schema))
        return self._drain.take()

    def end(self) -> bytes:
        """Write the end of the stream."""
        self._writer.close()
        return self._drain.take()


class ParquetFormat:
    """Writes one answer as a Parquet file with zstd inside; row groups are filled over several pieces."""

    def __init__(self, fields: Sequence[Field], schema: pa.Schema) -> None:
        """Take the columns and their schema."""
        self._fields, self._schema = fields, schema
        self._drain = _Drain()
        self._writer = pq.ParquetWriter(pa.PythonFile(self._drain, "w"), schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0

    def begin(self) -> bytes:
        """Write the magic bytes."""
        return self._drain.take()

    def rows(self, found: Found) -> bytes:
        """Hold the rows until a row group is full, then write it."""
        batch = _batch(found, self._fields, self._schema)
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes >= GROUP_BYTES:
            self._write_group()
        return self._drain.take()

    def end(self) -> bytes:
        """Write the last row group and the footer."""
        if self._held:
            self._write_group()
        self._writer.close()
        return self._drain.take()

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._held, self._schema)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._held, self._held_bytes = [], 0


def _batch(found: Found, fields: Sequence[Field], schema: pa.Schema) -> pa.RecordBatch:
    rows = found.columns.rows
    arrays = [_strings(texts, None) for texts in found.label_columns]
    arrays.append(pa.array(found.columns.time_ms, pa.int64()).view(_TIME))
    for field, column in fill(found, fields):
        arrays.append(_array(field, column, rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(field: Field, column: Column | None, rows: int) -> pa.Array:
    kind = _CODE if field.code else _TYPES[field.type]
    if column is None:
        return pa.nulls(rows, kind)
    absent = None if column.present is None else ~column.present
    if isinstance(column.values, Texts):
        return _strings(column.values, column.present)
    if field.code:
        return pa.array(np.maximum(column.values, 0).astype("<u4"), kind, mask=absent)
    if field.type is VariableType.TIMESTAMP:
        return pa.array(column.values.astype("<i8"), pa.int64(), mask=absent).view(kind)
    if field.type is VariableType.BOOLEAN:
        return pa.array(column.values.astype(np.bool_), kind, mask=absent)
    return pa.array(column.values.astype(_NUMPY[field.type]), kind, mask=absent)


def _strings(texts: Texts, present: Bools | None) -> pa.Array:
    begin, end = int(texts.offsets[0]), int(texts.offsets[-1])
    offsets = (texts.offsets - begin).astype("<i4")
    validity = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))
    octets = np.ascontiguousarray(texts.octets[begin:end])
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(octets), validity)
