"""What an export is told: which columns of which series go into which files, and how (SM-30, design 9.1).

Everything was decided when it was asked for; whoever runs it looks nothing up. A plan says the same however
often it is run.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import Column, Ints
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from schemas.intervals import Unit


class ExportFormat(Enum):
    """What the bytes of a file are."""

    CSV = "csv"
    TSV = "tsv"
    """The same with tabs."""
    PARQUET = "parquet"
    ARROW = "arrow"
    """An IPC stream."""
    JSON = "json"
    """An array of records."""
    LINE_PROTOCOL = "line-protocol"
    """A line a record; times in nanoseconds."""
    TINYFLUX = "tinyflux"
    """A TinyFlux store with long prefixes, …"""
    TINYFLUX_SHORT = "tinyflux-compact"
    """… and with short ones."""

    @property
    def suffix(self) -> str:
        """Give the end of a file's name."""
        return _KINDS[self][0]

    @property
    def media_type(self) -> str:
        """Give the media type of a file that goes out as it is, in no archive."""
        return _KINDS[self][1]

    @property
    def has_clock(self) -> bool:
        """Tell whether times are written in a zone and by a format of one's own."""
        return self in {ExportFormat.CSV, ExportFormat.TSV}

    @property
    def has_layouts(self) -> bool:
        """Tell whether readings can lie in another way than a record a row."""
        return self not in {ExportFormat.LINE_PROTOCOL, ExportFormat.TINYFLUX, ExportFormat.TINYFLUX_SHORT}


_KINDS: Final = {
    ExportFormat.CSV: ("csv", "text/csv; charset=utf-8"),
    ExportFormat.TSV: ("tsv", "text/tab-separated-values; charset=utf-8"),
    ExportFormat.PARQUET: ("parquet", "application/vnd.apache.parquet"),
    ExportFormat.ARROW: ("arrows", "application/vnd.apache.arrow.stream"),
    ExportFormat.JSON: ("json", "application/json"),
    ExportFormat.LINE_PROTOCOL: ("lp", "text/plain; charset=utf-8"),
    ExportFormat.TINYFLUX: ("csv", "text/csv; charset=utf-8"),
    ExportFormat.TINYFLUX_SHORT: ("csv", "text/csv; charset=utf-8"),
}


class Layout(Enum):
    """How readings lie in a table."""

    WIDE = "wide"
    """A row a time, a column a variable."""
    NARROW = "narrow"
    """A row a reading: time, asset, aspect, variable, value, perhaps a quality code."""


class Packing(Enum):
    """What is downloaded."""

    ZIP = "zip"
    """One archive with all files and a manifest."""
    FILE = "file"
    """The one file that there is, as it is."""


FUNCTIONS: Final[dict[str, VariableType]] = {
    **dict.fromkeys(("countgood", "countuncertain", "countbad"), VariableType.LONG),
    **dict.fromkeys(
        ("sum", "average", "minvalue", "maxvalue", "firstvalue", "lastvalue", "sd"), VariableType.DOUBLE
    ),
    **dict.fromkeys(("firsttime", "lasttime", "mintime", "maxtime"), VariableType.TIMESTAMP),
}
"""Of aggregates, and what each gives; those that weigh by time and percentiles are for reads."""


class Aggregated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Aggregates in place of readings."""

    unit: Unit
    functions: tuple[str, ...]
    value: int = 1

    def type_of(self, function: str) -> VariableType:
        """Give the type of what a function gives."""
        return FUNCTIONS[function]


class ExportSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A series of an export."""

    asset: AssetId
    asset_name: str
    aspect: str
    aspect_id: AspectId
    type: int
    """Which of the plan's aspect types it has."""

    def named(self, tenant: TenantId) -> SeriesId:
        """Name the series."""
        return SeriesId(tenant, self.asset, self.aspect_id)


class ExportColumn(msgspec.Struct, frozen=True, array_like=True):
    """A variable in a file."""

    series: int
    """Which of the plan's series."""
    variable: int
    """Its id."""
    name: str
    """What the column is called."""


class ExportFile(msgspec.Struct, frozen=True):
    """A file of an export."""

    name: str
    columns: tuple[ExportColumn, ...]
    """Those of one series stand together."""


class ExportPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An export."""

    asked: dict[str, Any]
    """The request as it came, for the manifest."""
    series: tuple[ExportSeries, ...]
    types: tuple[AspectType, ...]
    files: tuple[ExportFile, ...]
    start_ms: int
    end_ms: int
    """start_ms ≤ time < end_ms."""
    format: ExportFormat
    layout: Layout
    packing: Packing
    codes: bool
    """True: a column of quality codes stands beside each variable that carries them."""
    zone: str
    time_format: str
    name: str
    """What the download is called, without its suffix."""
    aggregate: Aggregated | None = None
    """None: readings."""
    bytes_max: int | None
    """What the tenant's files may take, by its policy; None: nobody says."""
    kept_s: int
    """How long the download is kept."""
    is_open: bool = False
    """True: nobody named the end; it is the moment of the request."""
    slides: bool = False
    """True: nobody named the beginning either; it lies as far back as a schedule says."""
    if_changed: bool = False
    """True: nothing is made where the newest export of the same still holds."""

    def variable(self, column: ExportColumn) -> Variable:
        """Give the variable of a column."""
        kind = self.types[self.series[column.series].type]
        return next(each for each in kind.variables if each.id == column.variable)

    @property
    def download_name(self) -> str:
        """Give the name of the download."""
        suffix = "zip" if self.packing is Packing.ZIP else self.format.suffix
        return f"{self.name}.{suffix}"

    @property
    def media_type(self) -> str:
        """Give the media type of the download."""
        return "application/zip" if self.packing is Packing.ZIP else self.format.media_type


class Heading(NamedTuple):
    """A column of a table that is written."""

    name: str
    type: VariableType
    unit: str
    codes: bool
    """True: a column of its quality codes follows."""
    asset: str
    asset_name: str
    aspect: str
    variable: str


class Window(NamedTuple):
    """Rows of a file: those of all its series, side by side by time."""

    time_ms: Ints
    """Strictly ascending."""
    columns: tuple[Column | None, ...]
    """One a heading; None: no row has a value of it."""


def headings_of(plan: ExportPlan, file: ExportFile) -> tuple[Heading, ...]:
    """Give the columns of a file."""
    headings: list[Heading] = []
    for column in file.columns:
        series, variable = plan.series[column.series], plan.variable(column)
        reading = Heading(
            name=column.name,
            type=variable.type,
            unit=variable.unit,
            codes=plan.codes and variable.quality_code and plan.aggregate is None,
            asset=series.asset,
            asset_name=series.asset_name,
            aspect=series.aspect,
            variable=variable.name,
        )
        headings += [reading] if plan.aggregate is None else _aggregated(reading, plan.aggregate)
    return tuple(headings)


def _aggregated(reading: Heading, asked: Aggregated) -> list[Heading]:
    return [
        reading._replace(
            name=f"{reading.name}.{function}",
            variable=f"{reading.variable}.{function}",
            type=asked.type_of(function),
            unit=reading.unit if asked.type_of(function) is VariableType.DOUBLE else "",
        )
        for function in asked.functions
    ]
