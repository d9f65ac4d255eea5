"""Rows of one logger file → rows of series, by the catalogue as it was when it was asked for (SM-09)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from schemas.aspects import AspectType, Variable, VariableType
from schemas.codes import INVALID_BODY
from schemas.columns import Column, Columns
from schemas.errors import Invalid, Problem
from schemas.filetypes.building import TimeBounds
from schemas.filetypes.chunks import Chunk, RefusedRow, Source, cut
from schemas.filetypes.conversion import text_at
from schemas.filetypes.mapping import Mapper, Target, is_quality_of, plan_columns
from schemas.filetypes.model import FileFormat, FileType
from schemas.filetypes.placing import Aside, NoPlace, Placed, Placer
from schemas.filetypes.reading import Table, open_table
from schemas.filetypes.unpacking import unpack
from schemas.ids import SeriesId, TenantId
from schemas.imports import Batch, LoggerImport, RowKind
from workers.imports.refused_rows import Report, ToldRows

NO_SERIES = "there is no such asset among those of the import, or it has no such aspect"
NO_VARIABLE = "the aspect has no such variable"
TWO_ASSETS = "several assets have this name; write the id"
SET_ASIDE = "no rule places the column, or its aspect has no such variable; the value is kept here only"

_PARQUET = b"PAR1"
_WHOLE_ROWS = {FileFormat.TEXT, FileFormat.PARQUET, FileFormat.ARROW, FileFormat.BULK_JSON}
"""Formats of which a row is a record, where it is not narrow."""
_EXACT_AS_DOUBLES = (VariableType.DOUBLE, VariableType.INT)


class _Series(NamedTuple):
    """A series, and what it takes."""

    id: SeriesId
    aspect: AspectType


def kind_of(file_type: FileType) -> RowKind:
    """Tell what the rows of such files are."""
    if file_type.narrow is not None:
        return RowKind.READING
    return RowKind.WHOLE if file_type.format in _WHOLE_ROWS else RowKind.PART


class LoggerRows:
    """Reads one file."""

    def __init__(
        self, told: LoggerImport, tenant: TenantId, report: Report, only: ToldRows | None = None
    ) -> None:
        """Know every series that a row may go to, by what a file may call it; `only`: the rows to read."""
        self._only = only
        self._told = told
        self.kind = kind_of(told.file_type)
        self._report = report
        self._twice: set[tuple[str, str]] = set()
        self._series: dict[tuple[str, str], _Series] = {}
        for each in told.series:
            found = _Series(SeriesId(tenant, each.asset, each.aspect_id), told.types[each.type])
            self._series[each.asset, each.aspect] = found
            named = (each.asset_name, each.aspect)
            if self._series.setdefault(named, found).id != found.id:
                self._twice.add(named)
        self.rows = 0
        """Of the file, so far; refused ones included."""
        self.refused = 0

    def parts(self, name: str, held: IO[bytes], passwords: Sequence[bytes] = ()) -> Iterator[list[Batch]]:
        """Give the rows chunk by chunk, of each file of an archive; Refused where one fails as a whole."""
        held.seek(0)
        if self._told.file_type.format is FileFormat.PARQUET and held.read(4) == _PARQUET:
            yield from self._of_table(name.rpartition("/")[2], held)
            return
        for member in unpack(name, held, passwords):
            yield from self._of_table(member.name, member.pieces)

    def _of_table(self, name: str, source: Source) -> Iterator[list[Batch]]:
        only = self._only
        if only is not None and name not in only:
            return
        file_type, told = self._told.file_type, self._told
        table = open_table(file_type, source)
        mapper = _KnownMapper(self, table)
        types = self._types(mapper, table)
        placer = Placer(file_type, mapper, self.find)
        for chunk in table.chunks(types, TimeBounds(told.least_ms, told.latest_ms)):
            yield self._placed(name, placer, chunk if only is None else only.of(name, chunk))

    def _types(self, mapper: Mapper, table: Table) -> dict[str, Variable] | None:
        """Say what the cells of the head's columns are; None where rows name their columns themselves."""
        columns = [column for column in table.head.columns if column]
        if not columns:
            return None
        targets = plan_columns(mapper, columns, self._told.file_type.new_columns)
        types = {column: self._type(self.variables(target)) for column, target in targets.items()}
        codes = [column for column in columns if is_quality_of(column, columns)]
        problems = []
        for column in codes:
            target = targets.get(column.removesuffix("_qc"))
            if target is None:
                continue
            if not all(variable.quality_code for variable in self.variables(target)):
                message = f"Column {column!r}: {target.variable} has no quality codes; let it have some."
                problems.append(Problem("", INVALID_BODY, message))
            types[column] = Variable(name=column, type=VariableType.LONG)
        if problems:
            raise Invalid(problems)
        narrow, guessed = self._told.file_type.narrow, table.guessed
        if narrow is not None:
            every = [variable for one in self._told.types for variable in one.variables]
            types[narrow.value] = self._type(every)
        for column in mapper.unplaced:
            types[column] = Variable(name=column, type=guessed.get(column, VariableType.STRING))
        return types

    @staticmethod
    def _type(variables: Sequence[Variable]) -> Variable:
        """Give what all of some variables take; texts where that is not the same."""
        found = {(variable.type, variable.length): variable for variable in variables}
        if len(found) == 1:
            return next(iter(found.values()))
        if found and all(type_ in _EXACT_AS_DOUBLES for type_, _ in found):
            return Variable(name="value", type=VariableType.DOUBLE)
        return Variable(name="value", type=VariableType.BIG_STRING)

    def variables(self, target: Target) -> list[Variable]:
        """Give the variables that a column of this target may go to."""
        file_type = self._told.file_type
        asset = target.asset or ("" if file_type.asset_column else file_type.asset)
        aspect = target.aspect or ("" if file_type.aspect_column else file_type.aspect)
        found = (
            series.aspect.variable(target.variable)
            for place, series in self._series.items()
            if asset in {"", place[0]} and aspect in {"", place[1]}
        )
        return [variable for variable in found if variable is not None]

    def find(self, asset: str, aspect: str, target: Target) -> Variable | NoPlace:
        """Give the variable of a series, or why its values cannot be taken (`Placer`)."""
        place = (asset, aspect)
        series = self._series.get(place)
        if series is None or place in self._twice:
            reason = NO_SERIES if series is None else TWO_ASSETS
            return NoPlace(reason, text=cut(f"{asset} {aspect}"))
        return series.aspect.variable(target.variable) or NoPlace(NO_VARIABLE, target.variable)

    def _placed(self, name: str, placer: Placer, chunk: Chunk) -> list[Batch]:
        """Place a chunk, and count and tell of what is refused of it."""
        placement = placer.place(chunk)
        aside = [row for part in placement.aside for row in _told_aside(part)]
        self._report.add(name, sorted([*placement.refused, *aside]))
        count = chunk.rows + len(chunk.refused)
        self.rows += count
        self.refused += count - placement.rows_placed
        return [self._batch(placed) for placed in placement.placed]

    def _batch(self, placed: Placed) -> Batch:
        series = self._series[placed.asset, placed.aspect]
        cells: dict[int, Column] = {}
        for name, column in placed.cells.items():
            variable = series.aspect.variable(name)
            assert variable is not None, "every value was found a variable"
            cells[variable.id] = column
        return Batch(series.id, Columns(placed.time_ms, cells), 0, made_of=placed.rows_in)


class _KnownMapper(Mapper):
    """Places only what a series of the import takes; the rest is unplaced, as if no rule had named it."""

    def __init__(self, rows: LoggerRows, table: Table) -> None:
        super().__init__(rows._told.file_type, (), table.head)
        self._rows = rows

    def target(self, column: str) -> Target | None:
        found = super().target(column)
        if found is not None and not self._rows.variables(found):
            self.unplaced[column] = None
            return None
        return found


def _told_aside(aside: Aside) -> Sequence[RefusedRow]:
    lines = aside.lines.tolist()
    return [
        RefusedRow(line, aside.column, SET_ASIDE, cut(text_at(aside.values, row)))
        for row, line in enumerate(lines)
    ]
