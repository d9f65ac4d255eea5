"""Events as devices send them, and as event management keeps them (wire 6.3, 9). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from schemas.errors import Malformed
from schemas.limits import EXCHANGE_TUPLES_MAX

EVENTS_MAX: Final = EXCHANGE_TUPLES_MAX
"""Of one payload; each is a row of the store of events."""

_SERVICES_OWN: Final = frozenset({"id", "type", "version", "typeVersion"})
"""Members that say something else in event management, or nothing."""

_decoder = msgspec.json.Decoder(list[dict[str, Any]])


class DeviceEvent(NamedTuple):
    """One event."""

    id: str
    """A UUID that follows from sender and content."""
    sent: dict[str, Any]
    """As it came."""
    members: dict[str, Any]
    """As event management takes it, but for the asset."""

    def of(self, asset: str, sender: str) -> DeviceEvent:
        """Give the event as it is kept for an asset; a sender's own asset has the id that it always had."""
        event_id = self.id if asset == sender else _uuid(asset, self.id.encode())
        return self._replace(id=event_id, members={**self.members, "entityId": asset})


def read_events(payload: bytes, asset: str) -> list[DeviceEvent]:
    """Read the events of a payload that an agent sends for its asset; Malformed for what is no list.

    The device's word for the type of its event becomes the `code` of a standard event, its number for how bad
    it is may be a text.
    """
    try:
        events = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the payload has no events: {error}") from None
    if len(events) > EVENTS_MAX:
        raise Malformed(f"a payload has at most {EVENTS_MAX} events")
    return [
        DeviceEvent(_uuid(asset, msgspec.json.encode(sent, order="sorted")), sent, _members(sent))
        for sent in events
    ]


def _members(sent: Mapping[str, Any]) -> dict[str, Any]:
    members = {name: value for name, value in sent.items() if name not in _SERVICES_OWN}
    if "type" in sent:
        members.setdefault("code", sent["type"])
    return members


def _uuid(asset: str, octets: bytes) -> str:
    text = hashlib.blake2b(asset.encode() + octets, digest_size=16, person=b"event").hexdigest()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
