"""What reading a file would give, told from its beginning and without storing anything (design 9.7).

A preview never fails for what stands in the file: a file that cannot be of the type says so in `problem`,
beside its first lines, from which the type can be mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from schemas.aspects import VariableType
from schemas.columns import Column, ColumnClass, Texts
from schemas.errors import Refused
from schemas.filetypes.building import ANY_TIME, TimeBounds
from schemas.filetypes.cells import guess_type
from schemas.filetypes.chunks import Chunk, Head, RefusedRow, Seekable, Source, cut
from schemas.filetypes.conversion import array_of, text_at
from schemas.filetypes.labels import Labels, Piece, pieces_of, readings_of
from schemas.filetypes.limits import (
    PREVIEW_BYTES_MAX,
    PREVIEW_REFUSED_MAX,
    PREVIEW_ROWS,
    REFUSED_TEXT_CHARACTERS_MAX,
)
from schemas.filetypes.mapping import Mapper, Target, is_quality_of, plan_columns, reserved_columns
from schemas.filetypes.model import FileType
from schemas.filetypes.reading import open_table
from schemas.sensors import Sensor
from schemas.times import format_time

_LINES = 10
_LOOK = {
    ColumnClass.FLOAT: VariableType.DOUBLE,
    ColumnClass.INTEGER: VariableType.LONG,
    ColumnClass.BOOLEAN: VariableType.BOOLEAN,
    ColumnClass.TEXT: VariableType.STRING,
}


class SeenColumn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One column of the file, and what becomes of it."""

    name: str
    type: VariableType | None = None
    """As its first values look; None: it is a time."""
    unit: str = ""
    statistic: str = ""
    use: str
    """`time`, `place`, `value`, `quality`, `skipped` or `unplaced`."""
    target: Target | None = None
    aspects: tuple[str, ...] = ()
    """Of a file whose rows name aspects: those in which the first rows have values of it."""


class Preview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was found."""

    head: Head
    columns: tuple[SeenColumn, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows: the time, then a text for each column that is no time."""
    rows_read: int = 0
    refused: tuple[RefusedRow, ...] = ()
    """The first of the refused rows."""
    refused_count: int = 0
    problem: str = ""
    """Why the file, or its mapping, would be refused as a whole."""
    lines: tuple[str, ...] = ()
    """The first lines as they stand, where there is a problem."""


def preview(
    file_type: FileType, source: Source, sensors: Iterable[Sensor] = (), bounds: TimeBounds = ANY_TIME
) -> Preview:
    """Read the beginning of a file, at most `PREVIEW_BYTES_MAX` of what comes as a stream."""
    chunks: list[Chunk] = []
    head, guessed, problem = Head(), dict[str, VariableType](), ""
    begun = _Beginning(source)
    try:
        table = open_table(file_type, begun.source)
        head, guessed = table.head, dict(table.guessed)
        for chunk in table.chunks(bounds=bounds):
            chunks.append(chunk)
            if sum(one.rows + len(one.refused) for one in chunks) >= PREVIEW_ROWS:
                break
    except Refused as error:
        problem = error.message
    mapper = Mapper(file_type, sensors, head)
    columns = _columns(head, chunks, guessed, file_type, mapper)
    values = [one.name for one in columns if one.use != "time"]
    try:
        plan_columns(mapper, [one.name for one in columns if one.target is not None], file_type.new_columns)
    except Refused as error:
        problem = problem or error.message
    refused = [row for chunk in chunks for row in chunk.refused]
    return Preview(
        head=head,
        columns=tuple(columns),
        rows=tuple(islice(_rows(chunks, values), PREVIEW_ROWS)),
        rows_read=sum(chunk.rows for chunk in chunks),
        refused=tuple(refused[:PREVIEW_REFUSED_MAX]),
        refused_count=len(refused),
        problem=problem,
        lines=begun.lines if problem else (),
    )


class _Beginning:
    """The beginning of a stream, cut at the end of a line; a file that is sought is left as it is."""

    def __init__(self, source: Source) -> None:
        self.lines: tuple[str, ...] = ()
        self.source = source
        if isinstance(source, Seekable):
            return
        held = b""
        for piece in source:
            held += piece
            if len(held) >= PREVIEW_BYTES_MAX:
                held = held[: held.rfind(b"\n", 0, PREVIEW_BYTES_MAX) + 1] or held[:PREVIEW_BYTES_MAX]
                break
        self.source = [held]
        texts = held[: _LINES * REFUSED_TEXT_CHARACTERS_MAX * 4].decode("utf-8", "replace").splitlines()
        self.lines = tuple(cut(text) for text in texts[:_LINES])


def _columns(
    head: Head, chunks: list[Chunk], guessed: Mapping[str, VariableType], file_type: FileType, mapper: Mapper
) -> list[SeenColumn]:
    found = {name: column for chunk in reversed(chunks) for name, column in chunk.columns.items()}
    names = head.columns or tuple(found)
    seen: list[SeenColumn] = []
    aspects = _aspects(chunks, file_type, mapper)
    for name in filter(None, names):
        target = None
        if name in head.times:
            use = "time"
        elif name in reserved_columns(file_type):
            use = "place"
        elif is_quality_of(name, names):
            use = "quality"
        else:
            target = mapper.target(name)
            use = _use(name, target, mapper)
        looks = _LOOK[found[name].column_class] if name in found else None
        seen.append(
            SeenColumn(
                name=name,
                type=None if use == "time" else guessed.get(name, looks),
                unit=head.units.get(name, ""),
                statistic=head.statistics.get(name, ""),
                use=use,
                target=target,
                aspects=aspects.get(name, ()),
            )
        )
    for name, values in readings_of(chunks, file_type).items():
        target = mapper.target(name)
        told = SeenColumn(name=name, type=_look(values), use=_use(name, target, mapper), target=target)
        seen.append(msgspec.structs.replace(told, aspects=aspects.get(name, ())))
    return seen


def _use(name: str, target: Target | None, mapper: Mapper) -> str:
    if target is not None:
        return "value"
    return "unplaced" if name in mapper.unplaced else "skipped"


def _aspects(chunks: list[Chunk], file_type: FileType, mapper: Mapper) -> dict[str, tuple[str, ...]]:
    """Name the aspects in which columns, or sensors, have values; nothing where rows name none."""
    found: dict[str, set[str]] = {}
    for chunk in chunks if file_type.aspect_column else ():
        labels = Labels(chunk, file_type)
        for name, rows, values in pieces_of(chunk, file_type):
            target = mapper.target(name)
            if target is not None:
                found.setdefault(name, set()).update(labels.aspects_of(Piece(target, rows, values)))
    return {name: tuple(sorted(aspects - {""})) for name, aspects in found.items()}


def _look(values: Column) -> VariableType:
    """Tell of what type values are that may be texts of another one."""
    if not isinstance(values.values, Texts):
        return _LOOK[values.column_class]
    return guess_type(array_of(values))


def _rows(chunks: list[Chunk], names: list[str]) -> Iterator[tuple[str, ...]]:
    for chunk in chunks:
        for row, time_ms in enumerate(chunk.time_ms[:PREVIEW_ROWS].tolist()):
            cells = (text_at(chunk.columns[name], row) if name in chunk.columns else "" for name in names)
            yield format_time(time_ms), *(cut(cell) for cell in cells)
