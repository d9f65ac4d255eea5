"""A device's message: parts of parts, each a tuple of what it brings and the payload itself (wire 6.3). Pure.

    multipart/mixed                       the message
      multipart/related                   one tuple
        …meta+json                        what it is: type, version, details
        any media type                    the payload

`schemas.multipart` divides bodies, as loosely as clients write them; here it is said what must be inside.
Nothing is read of a payload.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.errors import Malformed, TooLarge
from schemas.files import OCTETS
from schemas.limits import EXCHANGE_DETAILS_BYTES_MAX, EXCHANGE_TUPLES_MAX, KB
from schemas.multipart import Part, boundary_in, parse_parts

TIME_SERIES: Final = "standardTimeSeries"
EVENT: Final = "businessEvent"
FILE: Final = "file"
CONFIGURATION: Final = "dataSourceConfiguration"

RELATED: Final = "multipart/related"
META: Final = "application/vnd.siemens.mindsphere.meta+json"
TYPE_CHARACTERS_MAX: Final = 128
"""Of the name of a payload type; the service's own have 23."""

VERSION_CHARACTERS_MAX: Final = 32

_TUPLE_PARTS: Final = 2
_META_BYTES_MAX: Final = EXCHANGE_DETAILS_BYTES_MAX + KB
_MEDIA: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")


class Tuple(NamedTuple):
    """One thing that a device sends."""

    type: str
    """What the payload is: one of the four above, or a device's own word."""
    version: str
    details: bytes
    """A JSON object that belongs to the type, as it was sent."""
    media: str
    """Without parameters; that of mere bytes where none was named that is one."""
    payload: bytes


def write_message(tuples: Sequence[Tuple], boundary: str) -> bytes:
    """Write a message that `parse_message` reads as these tuples.

    The boundary is part of none of them.
    """
    return b"".join(
        (*(_written(each, boundary.encode()) for each in tuples), b"--%b--\r\n" % boundary.encode())
    )


def _written(each: Tuple, boundary: bytes) -> bytes:
    details = msgspec.Raw(each.details)
    meta = msgspec.json.encode(_Meta(_Payload(each.type, each.version, details)))
    inner = b"tuple-" + boundary
    return (
        b"--%b\r\nContent-Type: multipart/related; boundary=%b\r\n\r\n" % (boundary, inner)
        + b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (inner, META.encode(), meta)
        + b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n--%b--\r\n"
        % (inner, each.media.encode(), each.payload, inner)
    )


class _Payload(msgspec.Struct):
    type: str
    version: str = "1.0"
    details: msgspec.Raw = msgspec.Raw(b"{}")


class _Meta(msgspec.Struct):
    payload: _Payload


_meta = msgspec.json.Decoder(_Meta)
_details = msgspec.json.Decoder(dict[str, object])


def parse_message(body: bytes, content_type: str) -> list[Tuple]:
    """Read a whole message; in time linear to its size.

    Malformed for what is none, and for a tuple that does not say what it is; TooLarge beyond
    EXCHANGE_TUPLES_MAX tuples or EXCHANGE_DETAILS_BYTES_MAX of details.
    """
    outer = parse_parts(body, boundary_in(content_type), EXCHANGE_TUPLES_MAX)
    if not outer:
        raise Malformed("The message has no part; send at least one.")
    return [_tuple(part, f"/{place}") for place, part in enumerate(outer)]


def _tuple(part: Part, at: str) -> Tuple:
    if part.media != RELATED:
        raise Malformed(f"A part of the message must be {RELATED}: what it brings, and the payload.", at)
    try:
        inner = parse_parts(part.body, boundary_in(part.headers["content-type"]))
    except Malformed as error:
        raise Malformed(error.message, at) from None
    if len(inner) != _TUPLE_PARTS:
        raise Malformed("A tuple has two parts: what it brings, and the payload.", at)
    meta, payload = inner
    return _described(meta.body, payload, at)


def _described(meta: bytes, payload: Part, at: str) -> Tuple:
    if len(meta) > _META_BYTES_MAX:
        raise _too_large()
    try:
        found = _meta.decode(meta).payload
        details = bytes(found.details)
        _details.decode(details)  # raw members are checked by nobody else
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"What describes the payload is not as it must be: {error}.", f"{at}/0") from None
    if len(details) > EXCHANGE_DETAILS_BYTES_MAX:
        raise _too_large()
    if not 0 < len(found.type) <= TYPE_CHARACTERS_MAX or not found.type.isprintable():
        raise Malformed(f"The type of a payload has 1 to {TYPE_CHARACTERS_MAX} characters.", f"{at}/0")
    if len(found.version) > VERSION_CHARACTERS_MAX or not found.version.isprintable():
        raise Malformed(f"Its version has at most {VERSION_CHARACTERS_MAX} characters.", f"{at}/0")
    media = payload.media if _MEDIA.fullmatch(payload.media) else OCTETS
    return Tuple(found.type, found.version, details, media, payload.body)


def _too_large() -> TooLarge:
    return TooLarge(f"What describes a payload has at most {EXCHANGE_DETAILS_BYTES_MAX} bytes.")
