"""A file type: how a file of readings is laid out, and which series its columns belong to (SM-03).

It is a document: from the API as JSON, from a folder as TOML, in the catalogue with a version. What it says
is checked once, by `schemas.filetypes.checking`; the readers then trust it.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec

from schemas.aspects import VariableType
from schemas.filetypes.limits import DOCUMENT_ITEMS_MAX, HEAD_LINES_MAX
from schemas.zones import Repeated, Skipped

FileTypeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Names = Annotated[tuple[str, ...], msgspec.Meta(max_length=DOCUMENT_ITEMS_MAX)]
LineNumber = Annotated[int, msgspec.Meta(ge=1, le=HEAD_LINES_MAX)]
LineCount = Annotated[int, msgspec.Meta(ge=0, le=HEAD_LINES_MAX)]


class FileFormat(Enum):
    """What the bytes are."""

    TEXT = "text"
    """Delimited text with a line that names the columns."""
    PARQUET = "parquet"
    ARROW = "arrow"
    """An IPC stream or file."""
    JSON = "json"
    """An array of flat objects, or one object a line (SM-06)."""
    BULK_JSON = "bulk-json"
    """Files of the dialect's bulk import: an array of its records, values perhaps as text (wire 3.1)."""
    ANNOTATED_CSV = "annotated-csv"
    """What a Flux query answers: tables with lines `#datatype`, `#group`, `#default`."""
    LINE_PROTOCOL = "line-protocol"
    TINYFLUX = "tinyflux"
    """A TinyFlux store, with long or compact prefixes (TF-10)."""


class NewColumns(Enum):
    """What becomes of a column that no rule places (SM-09)."""

    REFUSE = "refuse"
    """The file is refused before anything of it is stored."""
    QUARANTINE = "quarantine"
    """The rest is stored, the column is kept aside."""
    EXTEND = "extend"
    """It becomes a variable of the aspect that the file type names."""


class Versions(Enum):
    """What a file is to the one of the same name that was imported before."""

    REPLACE = "replace"
    """A later version: all rows that it has no more disappear."""
    WINDOW = "window"
    """A later part of what the logger holds: rows that it has no more disappear from its first time to its
    last one, older ones stay."""
    SEPARATE = "separate"
    """Another file; both stand, and rows of one time are the later one's."""


class Precision(Enum):
    """The unit of whole-number times."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


class Narrow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each row is one reading: which columns say of which sensor, and what it read (SM-06)."""

    sensor: str
    value: str


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Where columns belong; the first rule that fits a column places it.

    Exactly one of `column`, `pattern` and `sensors` says which columns. `asset`, `aspect` and `variable` may
    hold the named groups of the pattern in braces, `{height}`; what is left out is the file type's.
    """

    column: str | None = None
    """This name."""
    pattern: str | None = None
    """Every name that this regular expression matches whole."""
    sensors: bool = False
    """Every name that a sensor's metadata names as its source column (SM-20)."""
    asset: str = ""
    aspect: str = ""
    variable: str = ""
    """Empty: the column's name, made lawful."""
    type: VariableType | None = None
    """None: the type of the variable, else told from the first rows."""
    unit: str = ""
    skip: bool = False
    """The column is left out on purpose."""


class FileType(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """How files of one kind are read."""

    name: FileTypeName
    format: FileFormat = FileFormat.TEXT
    description: str = ""

    delimiter: str = ","
    """One character."""
    delimiter_pattern: str = ""
    """A regular expression in its place, `\\s+` for instance; such text knows no quotes."""
    quote: str = '"'
    """One character, or empty: quotes have no meaning."""
    multiline: bool = False
    """A quoted cell may go over several lines."""
    encoding: str = ""
    """Empty: told from the bytes."""
    decimal_comma: bool = False

    header_line: LineNumber | None = None
    """None: the first line that names all time columns is the header (SM-04)."""
    columns: Names = ()
    """The names of the columns, for a file without header; `skip_rows` lines stand before its rows."""
    metadata_names: Names = ()
    """What the cells of the first line mean, where it is a row of metadata."""
    units_row: LineNumber | None = None
    """Which line after the header holds units, counted from 1; it is one of `skip_rows`."""
    statistics_row: LineNumber | None = None
    """The same for the statistic that each column is."""
    skip_rows: LineCount = 0
    """Lines between the header and the first row."""
    na_values: Names = ()
    """What a cell holds in place of a value; an empty cell is none in any case."""

    time_columns: Names = ()
    """One or several, whose texts are joined by a blank."""
    time_formats: Names = ()
    """Tried in order: `strptime` formats, `iso8601`, or `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`."""
    zone: str = ""
    """Of times without one: an IANA name or `+01:00`. Empty: a time without zone is refused."""
    repeated_hour: Repeated = Repeated.REFUSE
    skipped_hour: Skipped = Skipped.REFUSE
    precision: Precision = Precision.NANOSECONDS
    """Of line protocol."""

    narrow: Narrow | None = None
    asset: str = ""
    """The asset that all rows are of, by id or by name …"""
    asset_column: str = ""
    """… or the column that says so row by row."""
    aspect: str = ""
    aspect_column: str = ""
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=DOCUMENT_ITEMS_MAX)] = ()
    new_columns: NewColumns = NewColumns.REFUSE
    versions: Versions = Versions.REPLACE
    """Files of one name, for one asset and aspect, by this file type, are versions of one file."""
