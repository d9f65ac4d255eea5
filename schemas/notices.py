"""Notices: what a subscriber is told, as JSON, one by one and as deliveries (MS-84, wire 11).

A notice is kept without its number, which it gets when it is kept: its id for ever, by which a receiver knows
one that comes twice, and the cursor from which he reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from schemas.limits import TIME_MS_MAX, TIME_MS_MIN
from schemas.queries import TimeRange
from schemas.shares import Spans
from schemas.times import format_time, parse_time


class DataNotice(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="type", tag="data"
):
    """Records of one series came, or went."""

    change: str
    """`written`, `deleted`, `restored` (a deletion was undone) or `imported`."""
    asset_id: str
    aspect_id: str
    aspect: str = ""
    """Its name; absent where the type is gone."""
    aspect_type: str = ""
    variables: tuple[str, ...] = ()
    """That have values among these records, and that the subscription asks for."""
    start: str = msgspec.field(default="", name="from")
    """Time of the oldest of the records; the range of what was deleted or restored is (from, to]."""
    end: str = msgspec.field(default="", name="to")
    records: int = 0
    """How many: all that were written, or those that the threshold and the variables let through."""
    values: msgspec.Raw = msgspec.Raw()
    """The records, where the subscription asks for values."""
    truncated: bool = False
    """True: there are more records than `values` has room for; read them."""
    giver: str = ""
    """The tenant that shares the asset with the subscriber's; absent: it is the subscriber's own."""


class ModelNotice(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="model"):
    """An asset or a type was made, changed or removed."""

    change: str
    """`created`, `changed` or `deleted`."""
    kind: str
    resource_id: str
    etag: int


class GapNotice(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="gap"):
    """Changes happened of which there are no notices: read what they would have told of."""

    reason: str


class Digest(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="digest"):
    """Aspect types with new data, until they are told together (MS-84)."""

    aspect_types: tuple[str, ...]


class Published(msgspec.Struct, frozen=True, tag_field="type", tag="published"):
    """What was published on a topic."""

    body: msgspec.Raw


class SharedNotice(msgspec.Struct, frozen=True, rename="camel"):
    """What says whether a notice is of a shared asset, and may still be told."""

    giver: str = ""
    asset_id: str = ""
    aspect: str = ""
    start: str = msgspec.field(default="", name="from")
    end: str = msgspec.field(default="", name="to")
    change: str = ""

    @property
    def range(self) -> TimeRange:
        """Give the times it is about; what was deleted or restored lies behind its `from`."""
        start_ms = parse_time(self.start) if self.start else TIME_MS_MIN - 1
        end_ms = parse_time(self.end) if self.end else TIME_MS_MAX
        return TimeRange(start_ms + (self.change in {"deleted", "restored"}), end_ms + 1)


_encoder = msgspec.json.Encoder()
_decode_shared = msgspec.json.Decoder(SharedNotice).decode
_decode_digest = msgspec.json.Decoder(Digest).decode
_decode_published = msgspec.json.Decoder(Published).decode


def encode_notice(notice: msgspec.Struct) -> bytes:
    """Write a notice as it is kept."""
    return _encoder.encode(notice)


def may_tell(body: bytes, times_of: Callable[[SharedNotice], Spans | None]) -> bool:
    """Tell whether a kept notice may be told: an own one always, a shared one while its times are shared.

    `times_of` gives the times that are shared now of the series of a notice; None: nothing is.
    """
    notice = _decode_shared(body)
    if not notice.giver:
        return True
    times = times_of(notice)
    about = notice.range
    return times is not None and any(
        span.start_ms <= about.start_ms and about.end_ms <= span.end_ms for span in times
    )


def numbered(number: int, body: bytes) -> bytes:
    """Write a notice as it is told: its id first."""
    return b'{"id":"%d",%b' % (number, body[1:])


def lost(after: int, upto: int) -> bytes:
    """Write what is told in place of notices that were dropped before they could be told."""
    gap = encode_notice(GapNotice("More notices waited than are kept; those in between were dropped."))
    return b'{"id":"%d","after":"%d",%b' % (upto, after, gap[1:])


def delivery(subscription: str, tenant: str, notices: Sequence[bytes], cursor: int) -> bytes:
    """Write the body of one delivery."""
    head = _encoder.encode({"subscription": subscription, "tenant": tenant, "cursor": str(cursor)})
    return b'%b,"notices":[%b]}' % (head[:-1], b",".join(notices))


def broker_message(topic: str, tenant: str, body: bytes) -> bytes:
    """Write what the broker sends of something published: its members beside the header (wire 11)."""
    sent: Any = msgspec.json.decode(_decode_published(body).body)
    members = {name: value for name, value in sent.items() if name != "header"}
    return _encoder.encode(_header(topic, tenant) | members)


def broker_digest(topic: str, tenant: str, bodies: Iterable[bytes], minute_ms: int) -> bytes:
    """Write the notice of a minute: the aspect types with new data in it, and no data (MS-84)."""
    types = sorted({each for body in bodies for each in _decode_digest(body).aspect_types})
    told = {"from": format_time(minute_ms), "to": format_time(minute_ms + 60_000), "aspectTypes": types}
    return _encoder.encode(_header(topic, tenant) | {"newData": told})


def _header(topic: str, tenant: str) -> dict[str, Any]:
    return {"header": {"topic": topic, "tenantContext": [tenant]}}
