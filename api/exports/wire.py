"""Exports on the wire."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from api.jobs.service import Seen
from api.jobs.wire import JobOut, job_out
from schemas.exporting.model import Aggregated, ExportFormat, Layout, Packing
from schemas.limits import EXPORT_KEPT_HOURS_DEFAULT, EXPORT_KEPT_HOURS_MAX, EXPORT_WORDS_MAX
from schemas.sensors import Selector
from schemas.times import format_time
from storage.export_parts import Download
from storage.job_records import JobRecord

Words = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=255)]], msgspec.Meta(max_length=EXPORT_WORDS_MAX)
]


class Grouping(Enum):
    """What goes into one file."""

    SERIES = "series"
    """One aspect of one asset."""
    ASSET = "asset"
    """Everything of one asset."""
    QUANTITY = "quantity"
    """What sensors of one kind measure, such as all wind speeds (SM-30)."""
    ONE = "one"
    """Everything."""


class ExportIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An export."""

    assets: Words = []
    """Ids, names, or patterns of names with `*` and `?`; none: all assets."""
    aspects: Words = []
    """Names or patterns; none: all."""
    variables: Words = []
    """Names or patterns; none: all."""
    sensors: Selector | None = None
    """Only variables whose sensors are these, such as all wind speeds at 80 m."""
    after: str | None = msgspec.field(default=None, name="from")
    """Records after this time; by default all since 1970."""
    until: str | None = msgspec.field(default=None, name="to")
    """Records up to this time; by default up to now."""
    format: ExportFormat = ExportFormat.CSV
    layout: Layout = Layout.WIDE
    files: Grouping = Grouping.SERIES
    packing: Packing = Packing.ZIP
    aggregate: Aggregated | None = None
    """Aggregates in place of readings: a row an interval, a column a function of a numeric variable."""
    codes: bool = False
    """True: a column of quality codes beside each variable that carries them."""
    timezone: str = "UTC"
    """An IANA zone or an offset, `+01:00`."""
    time_format: str = "iso8601"
    """Of text: `iso8601`, `epoch-s`, `epoch-ms`, or of `%Y %m %d %H %M %S %f %z`, as in `%d/%m/%Y %H:%M`."""
    if_changed: bool = False
    """True: nothing is made where the newest export of the same still holds; it is named by `sameAs`."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")] = "export"
    """Of the download, without its suffix."""
    kept_hours: Annotated[int, msgspec.Meta(ge=1, le=EXPORT_KEPT_HOURS_MAX)] = EXPORT_KEPT_HOURS_DEFAULT
    """How long the download is kept."""


class DownloadOut(msgspec.Struct, rename="camel"):
    """What can be fetched."""

    name: str
    type: str
    size: int
    sha256: str
    until: str
    """It is kept until then."""


class ExportOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """An export."""

    job: JobOut
    asked: dict[str, Any]
    schedule: str | UnsetType = UNSET
    """The name of the schedule that it was made by."""
    download: DownloadOut | UnsetType = UNSET
    """Absent until it is done, and when it is not kept any more."""


class ExportsOut(msgspec.Struct, omit_defaults=True):
    """A page of exports, the newest first."""

    exports: list[ExportOut]
    next: str | UnsetType = UNSET
    """What `before` must be for the next page; absent on the last one."""


def export_out(record: JobRecord, download: Download | None, now_ms: int) -> ExportOut:
    """Write an export."""
    out = ExportOut(job_out(Seen(record), now_ms), record.told["export"]["asked"])
    if record.schedule is not None:
        out.schedule = record.schedule.name
    if download is not None and now_ms < download.until_ms:
        out.download = DownloadOut(
            download.name, download.type, download.size, download.sha256, format_time(download.until_ms)
        )
    return out
