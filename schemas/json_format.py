"""Records as JSON: an array of one series' records, or an object that lists several series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.render import render_records
from schemas.tables import Found


class JsonRecords:
    """Writes one series, piece by piece, as one array."""

    def __init__(self) -> None:
        """Begin with no record."""
        self._begun = False

    def begin(self) -> bytes:
        """Open the array."""
        return b"["

    def rows(self, found: Found) -> bytes:
        """Write the records of a piece."""
        if not found.columns.rows:
            return b""
        records = render_records(found.columns, found.aspect, found.parts)[1:-1]
        comma, self._begun = b"," if self._begun else b"", True
        return comma + records

    def end(self) -> bytes:
        """Close the array."""
        return b"]"


class JsonSeries:
    """Writes several series, each whole: `{"series":[{labels…,"records":[…]}…],"next":…}`.

    A series of which there is more has `next`; one that may lack acknowledged records has `readPosition`, one
    of which retention has left only summaries there `summaryOnly`.
    """

    def __init__(self, labels: Sequence[str], following: str | None = None) -> None:
        """Take the names of the labels, and what continues the list where it goes on."""
        self._labels = labels
        self._following = following
        self._begun = False

    def begin(self) -> bytes:
        """Open the list."""
        return b'{"series":['

    def rows(self, found: Found) -> bytes:
        """Write one series."""
        said: dict[str, Any] = dict(zip(self._labels, found.labels, strict=True))
        if found.position is not None:
            said["readPosition"] = str(found.position)
        if found.summary_only is not None:
            said["summaryOnly"] = found.summary_only
        if found.next is not None:
            said["next"] = found.next
        opening = msgspec.json.encode(said)[:-1]
        comma, self._begun = b"," if self._begun else b"", True
        return b'%b%b,"records":%b}' % (
            comma,
            opening,
            render_records(found.columns, found.aspect, found.parts),
        )

    def end(self) -> bytes:
        """Close the list."""
        if self._following is None:
            return b"]}"
        return b'],"next":%b}' % msgspec.json.encode(self._following)
