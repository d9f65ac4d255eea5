"""The writer of each format, and what the exporter needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Final, NamedTuple, Protocol

from schemas.exporting.delimited import COMMA, TAB, Delimited
from schemas.exporting.json_records import JsonLines
from schemas.exporting.line_protocol import LineProtocol
from schemas.exporting.model import ExportFormat, ExportPlan, Heading, Layout, Window
from schemas.exporting.tinyflux import TinyFlux
from schemas.zones import zone_of


class Writer(Protocol):
    """Writes one file, window by window."""

    packs: bool
    """True: what it writes is to be compressed; False: it is compressed in itself."""
    resumes: bool
    """True: another writer can go on behind any window; what it begins with is then left out."""

    def begin(self) -> bytes:
        """Write what stands before the first row."""

    def rows(self, window: Window) -> bytes:
        """Write rows."""

    def end(self) -> bytes:
        """Write what stands behind the last row."""


class _File(NamedTuple):
    """A file that is begun, or gone on with."""

    plan: ExportPlan
    headings: Sequence[Heading]
    has_rows: bool

    @property
    def narrow(self) -> bool:
        return self.plan.layout is Layout.NARROW


def writer_of(plan: ExportPlan, headings: Sequence[Heading], *, has_rows: bool) -> Writer:
    """Begin a file, or go on with one that `has_rows`."""
    return _WRITERS[plan.format](_File(plan, headings, has_rows))


def _delimited(file: _File, delimiter: str) -> Writer:
    zone = UTC if file.plan.zone == "UTC" else zone_of(file.plan.zone)
    assert zone is not None, "it was looked at when the export was asked for"
    return Delimited(file.headings, delimiter, zone, file.plan.time_format, narrow=file.narrow)


def _columnar(file: _File, *, parquet: bool) -> Writer:
    # 50 MB and a third of a second that other formats do not need.
    from schemas.exporting.columnar import Columnar  # noqa: PLC0415

    return Columnar(file.headings, parquet=parquet, narrow=file.narrow)


_WRITERS: Final[Mapping[ExportFormat, Callable[[_File], Writer]]] = {
    ExportFormat.CSV: lambda file: _delimited(file, COMMA),
    ExportFormat.TSV: lambda file: _delimited(file, TAB),
    ExportFormat.PARQUET: lambda file: _columnar(file, parquet=True),
    ExportFormat.ARROW: lambda file: _columnar(file, parquet=False),
    ExportFormat.JSON: lambda file: JsonLines(file.headings, narrow=file.narrow, begun=file.has_rows),
    ExportFormat.LINE_PROTOCOL: lambda file: LineProtocol(file.headings),
    ExportFormat.TINYFLUX: lambda file: TinyFlux(file.headings, short=False),
    ExportFormat.TINYFLUX_SHORT: lambda file: TinyFlux(file.headings, short=True),
}
