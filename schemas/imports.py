"""What an import is told, and what its source gives: rows of series, unit by unit (MS-80, SM-07)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from typing import Final, NamedTuple, Protocol

import msgspec

from schemas.aspects import AspectType
from schemas.columns import Columns
from schemas.errors import Problem
from schemas.files import Content
from schemas.filetypes.model import FileType
from schemas.ids import AspectId, AssetId, SeriesId


class ImportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of records as it was when the job was asked for."""

    path: str
    contents: tuple[Content, ...]
    from_ms: int | None = None
    """The first time that it may have; None: nobody said."""
    to_ms: int | None = None
    """The last one."""

    @property
    def size(self) -> int:
        """Give its length in bytes."""
        return sum(content.size for content in self.contents)


def report_path(job_id: str, number: int) -> str:
    """Give the path of the report of refused rows of one file of an import, counted from 1."""
    return f"imports/{job_id}/{number}.csv"


class BulkImport(msgspec.Struct, frozen=True, kw_only=True):
    """An import of the dialect: files of records of one aspect of one asset (wire 3.1)."""

    source: str = "records"
    asset: AssetId
    aspect_id: AspectId
    aspect: AspectType
    """As it was when the job was asked for."""
    files: tuple[ImportFile, ...]
    now_ms: int
    """When it was asked for: what its rules are held against, at every attempt."""
    latest_ms: int
    """The last time that a record may have, by the policy of the tenant (MS-83)."""
    least_ms: int
    """The first one: where retention has not been, and will not come while the job runs."""
    ascends: bool
    """True: the records of each file ascend, and all lie in one day of UTC (MS-81)."""
    undo_s: int

    @property
    def assets(self) -> tuple[AssetId, ...]:
        """Name the assets that it writes to."""
        return (self.asset,)


class ImportSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A series that an import of logger files may write to."""

    asset: AssetId
    asset_name: str
    """A file names an asset by this, or by its id."""
    aspect: str
    aspect_id: AspectId
    type: int
    """Which of the import's aspect types it has."""


LOGGER: Final = "logger"


class LoggerImport(msgspec.Struct, frozen=True, kw_only=True):
    """An import of logger files by their declared type (SM-03)."""

    source: str = LOGGER
    entity: AssetId
    """The asset among whose files they lie, and the reports of refused rows."""
    by: str
    """Who asked for it, and so for the reports."""
    files: tuple[ImportFile, ...]
    file_type: FileType
    """As it was when the job was asked for, with the asset and the aspect that it left open."""
    series: tuple[ImportSeries, ...]
    types: tuple[AspectType, ...]
    latest_ms: int
    """The last time that a row may have, by the policy of the tenant (MS-83)."""
    least_ms: int
    """The first one: where retention has not been, and will not come while the job runs."""
    again: bool = False
    """True: whether the same was imported before is not asked."""
    undo_s: int
    replaces: str = ""
    """The import of an earlier version of the file; empty: there is none."""
    key: str = ""
    """The name of the key of encrypted archives; empty: they are not encrypted."""
    only: tuple[ImportFile, ...] = ()
    """A replay: reports of refused rows, one a file, whose rows alone are read; empty: it is none."""
    replaces_asked: bool = False
    """True: somebody named it, and the job fails where it cannot be replaced."""


class Correction(NamedTuple):
    """What an import corrects."""

    earlier: str
    """The job that imported the earlier version."""
    asked: bool
    """True: somebody named it: all that it wrote is replaced, or the import fails. False: it has the same
    name; a file without a time in common with it replaces nothing."""
    inside_only: bool
    """True: rows outside the times from the first to the last row of the later version stay."""


class Tally(NamedTuple):
    """What became of the rows of a unit before any was staged."""

    rows: int
    """Of the source, refused ones included …"""
    refused: int
    """… of which so many were refused."""
    report: str = ""
    """The path of the file that tells of each; empty where none was refused."""


class RowKind(Enum):
    """What a row of a source is: that decides how rows of one time meet, and when one is a duplicate."""

    WHOLE = "whole"
    """A record: the later one of a time stands, and it takes the place of what the series had."""
    PART = "part"
    """Some values of a record: they are merged, and a row of which every value is given again is a
    duplicate."""
    READING = "reading"
    """A part of one value; several of them may have been put together before they are staged."""


class Batch(NamedTuple):
    """Rows of one series, as they come out of a source."""

    series: SeriesId
    rows: Columns
    octets: int
    """How many bytes of the source came with them."""
    tally: Tally | None = None
    """With the last batch of a unit whose rows may be refused one by one."""
    made_of: int | None = None
    """Of how many rows of the source the rows were put together; None: each is one."""


class BadSource(Exception):  # what it says are the reasons
    """A source that cannot be taken: every reason, the first hundred of them."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the reasons."""
        super().__init__(problems[0].message)
        self.problems = problems


class Source(Protocol):
    """What an import reads. The same unit read again gives the same rows."""

    @property
    def units(self) -> int:
        """Count the units: files, which are staged one after the other, a later one over an earlier one."""

    @property
    def kind(self) -> RowKind:
        """Tell what each of its rows is."""

    def read(self, unit: int) -> AsyncIterator[Batch]:
        """Give the rows of a unit; raises BadSource where it is not to be taken at all."""
