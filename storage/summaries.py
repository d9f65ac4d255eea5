"""What a block says of its own cells of 15 minutes, and of itself as a whole (design 4.11). Pure.

A summary is written with the rows that it is made of and never changes, so an aggregate over it cannot be
stale. It lists numeric variables, each with records of one size:

    plain u8 (1) or compressed u8 (2) · then for each variable:
    id i32 · flags u8 (1: DOUBLE, 2: has uncertain values) · records u32 · the records, byte by byte

"Byte by byte" is the first byte of every record, then the second of every record, and so on: what is equal
in all of them packs to nothing, and many blocks are read as one array. Times are relative to the first of a
record. The number of a record's group is the cell of its first time (`schemas.partials.cell_of`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.aspects import VariableType
from schemas.columns import Column, Columns, Floats, Ints, Texts
from schemas.errors import Corrupt
from schemas.folding import cells_of
from schemas.partials import CELL_MS, ClassPartials, Numbers, Partials, cell_of, joined, regrouped
from schemas.stacks import Stack
from storage import packing

CELL_ROWS_MIN = 64
"""Rows a cell below which no summary is kept: it would take as much as the rows (design 4.11)."""

SPAN_MS_MAX = 2**32 - 1
"""Times of a record are kept in 32 bits: a block over more than 49 days has no summary."""

HEAD_BYTES_MAX = 32 * 1024
"""Summaries of whole blocks that a head keeps: it is written with each seal and read with each read."""

_PLAIN, _COMPRESSED = 1, 2
_VARIABLE = struct.Struct("<iBI")
_DOUBLE, _UNCERTAIN = 1, 2

_COUNTS = ("gap_ms_max", "bad", "bad_held_ms")
_GROUP = [("first_ms", "<i8"), ("last_ms", "<u4"), *((field, "<u4") for field in _COUNTS)]
_TIMES = ("minimum_ms", "maximum_ms", "first_ms", "last_ms")
_VALUES = ("minimum", "maximum", "first", "last")
_REALS = ("offset", "m2", "integral")

Summary = dict[int, Partials]
"""By variable: what is read."""


def _class_fields(name: str, *, double: bool) -> list[tuple[str, str]]:
    value = "<f8" if double else "<i8"
    sums = [("sum", "<f8")] if double else [("sum", "<u4"), ("sum_high", "<i8")]
    fields = [("count", "<u4"), *sums, *((field, value) for field in _VALUES)]
    fields += [(field, "<u4") for field in (*_TIMES, "held_ms")]
    fields += [(field, "<f8") for field in _REALS]
    return [(f"{name}_{field}", kind) for field, kind in fields]


def _record(flags: int) -> np.dtype[np.void]:
    double = bool(flags & _DOUBLE)
    fields = [*_GROUP, *_class_fields("good", double=double)]
    if flags & _UNCERTAIN:
        fields += _class_fields("uncertain", double=double)
    return np.dtype(fields)


_RECORDS = {flags: _record(flags) for flags in range(4)}


class Section(NamedTuple):
    """The records of one variable."""

    flags: int
    records: NDArray[np.void]


Sections = dict[int, Section]
"""By variable: what is written."""


class BlockSummary(NamedTuple):
    """What a block says of itself."""

    cells: Sections
    """By 15-minute cells."""
    whole: Sections
    """In one group, named by the first cell."""


def of_block(columns: Columns) -> BlockSummary | None:
    """Summarise ascending rows: by cells, and as a whole; None where that is not worth its bytes."""
    time_ms = columns.time_ms
    if int(time_ms[-1]) - int(time_ms[0]) > SPAN_MS_MAX:
        return None
    cells = (time_ms - 1) // CELL_MS
    if columns.rows < CELL_ROWS_MIN * (1 + np.count_nonzero(cells[1:] != cells[:-1])):
        return None
    return by_cells(columns)


def by_cells(columns: Columns) -> BlockSummary:
    """Summarise the numeric variables of ascending rows: by cells, and as a whole.

    Variables of one type are folded as one long column, each behind the one before it in time: a fold of
    some thousand rows costs its calls, not its rows.
    """
    summary = BlockSummary({}, {})
    stacks: dict[tuple[str, bool], list[int]] = {}
    for variable, column in columns.cells.items():
        if not isinstance(column.values, Texts) and column.values.dtype.kind in "fi":
            stacks.setdefault((column.values.dtype.kind, column.quality is None), []).append(variable)
    for (kind, _), variables in stacks.items():
        _fold_stack(columns, variables, VariableType.DOUBLE if kind == "f" else VariableType.LONG, summary)
    return summary


def _fold_stack(
    columns: Columns, variables: Sequence[int], kind: VariableType, summary: BlockSummary
) -> None:
    time_ms = columns.time_ms
    first_cell = cell_of(int(time_ms[0]))
    apart = cell_of(int(time_ms[-1])) - first_cell + 1
    size = len(variables)
    shifts = np.repeat(np.arange(size) * apart * CELL_MS, columns.rows)
    found = [columns.cells[variable] for variable in variables]
    present = None
    if any(column.present is not None for column in found):
        everywhere = np.ones(columns.rows, np.bool_)
        present = np.concatenate([everywhere if each.present is None else each.present for each in found])
    values = np.concatenate([each.values for each in found])
    quality = [each.quality for each in found if each.quality is not None]
    column = Column(values, present, quality=np.concatenate(quality) if quality else None)
    partials = cells_of(Columns(np.tile(time_ms, size) + shifts, {1: column}), 1, kind)
    owners = (partials.groups - first_cell) // apart
    starts = np.searchsorted(owners, np.arange(size))
    wholes = regrouped(partials, partials.groups[starts[owners]])
    for kept, folded in ((summary.cells, partials), (summary.whole, wholes)):
        section = _section(folded)
        places = (folded.groups - first_cell) // apart
        section.records["first_ms"] -= places * apart * CELL_MS
        edges = np.searchsorted(places, np.arange(size + 1)).tolist()
        for variable, start, end in zip(variables, edges[:-1], edges[1:], strict=True):
            if start < end:
                kept[variable] = Section(section.flags, section.records[start:end])


def whole_of(cells: Summary) -> Sections:
    """Fold the cells of a block into one group a variable, named by the first cell."""
    return {
        variable: _section(regrouped(partials, np.repeat(partials.groups[:1], len(partials))))
        for variable, partials in cells.items()
    }


def encode_summary(sections: Sections, *, compress: bool) -> bytes:
    """Write the records of some variables."""
    parts = []
    for variable, (flags, records) in sorted(sections.items()):
        planes = np.ascontiguousarray(records.view(np.uint8).reshape(len(records), -1).T)
        parts += [_VARIABLE.pack(variable, flags, len(records)), planes.tobytes()]
    body = b"".join(parts)
    return bytes([_COMPRESSED]) + packing.compress(body) if compress else bytes([_PLAIN]) + body


def _section(partials: Partials) -> Section:
    flags = (0 if partials.good.sum_high is not None else _DOUBLE) | (
        0 if partials.uncertain is None else _UNCERTAIN
    )
    return Section(flags, _records_of(partials, _RECORDS[flags]))


def _records_of(partials: Partials, kind: np.dtype[np.void]) -> NDArray[np.void]:
    records = np.zeros(len(partials), kind)
    records["first_ms"] = partials.first_ms
    records["last_ms"] = partials.last_ms - partials.first_ms
    for name in _COUNTS:
        records[name] = getattr(partials, name)
    for name, part in (("good", partials.good), ("uncertain", partials.uncertain)):
        if part is None:
            continue
        for field in ("count", "sum", "held_ms", *_VALUES, *_REALS):
            records[f"{name}_{field}"] = getattr(part, field)
        if part.sum_high is not None:
            records[f"{name}_sum_high"] = part.sum_high
        for field in _TIMES:
            records[f"{name}_{field}"] = np.where(part.count, getattr(part, field) - partials.first_ms, 0)
    return records


def decode_summaries(
    bodies: Iterable[bytes | memoryview], variables: frozenset[int] | None = None
) -> Summary:
    """Read summaries that follow one another in time as one; Corrupt if one does not decode.

    A cell that two blocks share becomes one group. Where a variable was widened in between, all of it is
    DOUBLE (design 8.12).
    """
    return {
        variable: joined(
            [partials], VariableType.LONG if partials.good.sum_high is not None else VariableType.DOUBLE
        )
        for stack in decode_stacks(bodies, variables)
        for variable, partials in stack.split().items()
    }


def decode_stacks(
    bodies: Iterable[bytes | memoryview], variables: frozenset[int] | None = None
) -> list[Stack]:
    """Read summaries as `decode_summaries` does, variables of one form as one; shared cells stay apart."""
    found: dict[int, list[_Run]] = {}
    for body in bodies:
        _read_into(found, body, variables)
    alike: dict[int, list[int]] = {}
    stacks = []
    for variable, runs in found.items():
        if len(runs) == 1:
            alike.setdefault(runs[0].flags, []).append(variable)
        else:
            partials = _joined(runs)
            stacks.append(Stack([variable], np.array([0, len(partials)]), partials))
    for flags, members in alike.items():
        bodies_of = [b"".join(found[variable][0].records) for variable in members]
        sizes = [len(body) // _RECORDS[flags].itemsize for body in bodies_of]
        partials = _partials(flags, np.frombuffer(b"".join(bodies_of), _RECORDS[flags]))
        stacks.append(Stack(members, np.cumsum([0, *sizes]), partials))
    return stacks


class _Run(NamedTuple):
    """Records of one form that follow one another."""

    flags: int
    records: list[bytes | memoryview]


def _read_into(
    found: dict[int, list[_Run]], body: bytes | memoryview, variables: frozenset[int] | None
) -> None:
    try:
        if body[0] not in (_PLAIN, _COMPRESSED):
            message = f"a summary of form {body[0]} is from a newer release"
            raise Corrupt(message)
        content = memoryview(body)[1:]
        if body[0] == _COMPRESSED:
            content = memoryview(packing.decompress(content))
        at = 0
        while at < len(content):
            variable, flags, count = _VARIABLE.unpack_from(content, at)
            size = _RECORDS[flags].itemsize
            planes = content[at + _VARIABLE.size : at + _VARIABLE.size + size * count]
            at += _VARIABLE.size + size * count
            if variables is None or variable in variables:
                runs = found.setdefault(variable, [])
                if not runs or runs[-1].flags != flags:
                    runs.append(_Run(flags, []))
                runs[-1].records.append(planes if count == 1 else _records_in(planes, size, count))
    except (struct.error, ValueError, KeyError, IndexError) as broken:
        message = f"a summary of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


def _records_in(planes: memoryview, size: int, count: int) -> bytes:
    return np.frombuffer(planes, np.uint8).reshape(size, count).T.tobytes()


def _joined(runs: Sequence[_Run]) -> Partials:
    """Join the records of one variable; a run is read as one array."""
    parts = [_partials(flags, np.frombuffer(b"".join(each), _RECORDS[flags])) for flags, each in runs]
    double = any(run.flags & _DOUBLE for run in runs)
    return joined(parts, VariableType.DOUBLE if double else VariableType.LONG)


def _partials(flags: int, records: NDArray[np.void]) -> Partials:
    first_ms = _ints(records, "first_ms")
    return Partials(
        (first_ms - 1) // CELL_MS,
        first_ms,
        first_ms + _ints(records, "last_ms"),
        _ints(records, "gap_ms_max"),
        _ints(records, "bad"),
        _ints(records, "bad_held_ms"),
        _class(records, "good", first_ms),
        _class(records, "uncertain", first_ms) if flags & _UNCERTAIN else None,
    )


def _class(records: NDArray[np.void], name: str, first_ms: Ints) -> ClassPartials:
    def numbers(field: str) -> Numbers:
        return np.ascontiguousarray(records[f"{name}_{field}"])

    count = _ints(records, f"{name}_count")
    double = f"{name}_sum_high" not in (records.dtype.names or ())
    minimum, maximum, first, last = (numbers(field) for field in _VALUES)
    minimum_ms, maximum_ms, start_ms, end_ms = (
        np.where(count, _ints(records, f"{name}_{field}") + first_ms, 0) for field in _TIMES
    )
    return ClassPartials(
        count=count,
        sum=numbers("sum") if double else _ints(records, f"{name}_sum"),
        sum_high=None if double else _ints(records, f"{name}_sum_high"),
        offset=_reals(records, f"{name}_offset"),
        m2=_reals(records, f"{name}_m2"),
        minimum=minimum,
        maximum=maximum,
        first=first,
        last=last,
        minimum_ms=minimum_ms,
        maximum_ms=maximum_ms,
        first_ms=start_ms,
        last_ms=end_ms,
        held_ms=_ints(records, f"{name}_held_ms"),
        integral=_reals(records, f"{name}_integral"),
    )


def _reals(records: NDArray[np.void], field: str) -> Floats:
    return records[field].astype(np.float64)


def _ints(records: NDArray[np.void], field: str) -> Ints:
    return records[field].astype(np.int64)
