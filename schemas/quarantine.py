"""Quarantine: what devices sent and nothing took, kept to be replayed or until its time is over (wire 6.5).

Pure. A record is what one message left behind: again a message, of the tuples that were refused and with the
values that were refused, so that a replay is that message once more. Its id follows from its content and its
sender: a device that did not hear the answer and sends again leaves no second record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from schemas.device_records import Reason, Sorted
from schemas.diagnosis import shown
from schemas.files import Content
from schemas.ids import AssetId, TenantId
from schemas.limits import DROP_REASON_CHARACTERS_MAX

KIND: Final = "quarantined"
"""Of the documents of records."""

LOSSES_KIND: Final = "quarantine-losses"
LOSSES_ID: Final = "all"
"""The document of what a tenant's quarantine had no room for."""

NAMED_MAX: Final = 20
"""Data points that a reason names."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One record, as the catalogue keeps it."""

    id: str
    """A UUID."""
    tenant: TenantId
    agent: AssetId
    correlation_id: str
    """Of the request that brought it."""
    request_ms: int
    """When it came: milliseconds since 1970, UTC."""
    reason: str
    values: int
    """How many values were refused; payloads that have none count as one."""
    boundary: str
    content: Content
    """The message."""
    door: str = ""
    """Through which it came, where no agent sent it; empty: by the agents' exchange."""

    @property
    def content_type(self) -> str:
        """Give the media type of the message."""
        return f"multipart/mixed; boundary={self.boundary}"


class Losses(msgspec.Struct, frozen=True):
    """What a tenant's quarantine has lost since there is one, because it was full."""

    records: int = 0
    bytes: int = 0


class Name(NamedTuple):
    """What a record is called."""

    id: str
    boundary: str


def name_of(agent: str, parts: Iterable[bytes]) -> Name:
    """Derive id and boundary from what a record is made of; the boundary is in none of the parts."""
    digest = hashlib.blake2b(agent.encode(), digest_size=32, person=b"quarantine")
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    text = digest.hexdigest()
    return Name("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32])), text[32:])


def dropped(what: str, reason: str) -> str:
    """Say that a payload was dropped, as the dialect does."""
    return f"<[Dropped] {what} is dropped. Validation failed for reason <{reason}>>"


def dropped_values(found: Sorted, configuration: str = "") -> str:
    """Say which values of a payload were refused and why, as the dialect does.

    `configuration` is the one that the payload named, where it is not the agent's.
    """
    total, refused = len(found.values), found.refused
    issues = "; ".join(_issues(found, configuration))
    reason = (
        f"Pre-processing of <{total}> data points ended with <{total - refused}> valid and <{refused}> "
        f"dropped data points. Following issues found: {issues}."
    )
    return dropped("TimeSeries Data", reason)


def joined(reasons: Sequence[str]) -> str:
    """Put the reasons of a message together, no longer than they may be."""
    text = " ".join(reasons)
    if len(text) <= DROP_REASON_CHARACTERS_MAX:
        return text
    return text[: DROP_REASON_CHARACTERS_MAX - 1] + "…"


def _issues(found: Sorted, configuration: str) -> Iterable[str]:
    for number in np.unique(found.reasons[found.reasons != Reason.STORED]).tolist():
        places = np.flatnonzero(found.reasons == number).tolist()
        if number == Reason.CONFIGURATION:
            yield f"configurationId {shown(configuration)} is not that of the agent's configuration"
            continue
        names = list(dict.fromkeys(found.values[place].data_point_id for place in places))
        listed = ", ".join(_plain(name) for name in names[:NAMED_MAX])
        more = ", ..." if len(names) > NAMED_MAX else ""
        yield f"{_WORDS[Reason(number)]} count is <{len(places)}>, including <[{listed}{more}]>"


_WORDS: Final = {
    Reason.NO_MAPPING: "Data point with no mapping",
    Reason.INVALID_MAPPING: "Data point with an invalid mapping",
    Reason.VALUE: "Value that is not of the property's type",
    Reason.QUALITY: "Quality code that is none",
    Reason.TIMESTAMP: "Timestamp that is no time",
    Reason.WINDOW: "Timestamp outside the time that is taken",
    Reason.SIZE: "Value in a record that is too large",
    Reason.HELD: "Value whose place has another value by now",
}


def _plain(name: str) -> str:
    return shown(name)[1:-1]
