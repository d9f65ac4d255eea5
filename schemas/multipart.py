"""Bodies in parts (RFC 2046, 5.1; RFC 7578), read as existing clients write them. Pure.

Strict about sizes: parts, headers, boundary. Loose about form, because clients in the field are (wire 4.7,
6.3): line ends may be LF or CRLF, mixed in one body; a header may have no blank after its colon; anything may
stand before the first delimiter, and nothing need stand after the last one, not even a line end. A body
without its last delimiter was cut off, and is refused.

A part may itself be of parts: `boundary_in` of its type, then `parse_parts` of its body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from schemas.errors import Malformed, TooLarge
from schemas.limits import (
    MULTIPART_BOUNDARY_BYTES_MAX,
    MULTIPART_HEADER_BYTES_MAX,
    MULTIPART_PARTS_MAX,
)

_LINE_FEED: Final = ord("\n")
_BEHIND_MARK: Final = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\Z)")
_BLANK_LINE: Final = re.compile(rb"(?:\A|(?<=\n))\r?\n")
_LINE: Final = re.compile(r"\r?\n")
_OPTION: Final = re.compile(r';[ \t]*([\w*-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;"]*)')
_ESCAPED: Final = re.compile(r'\\(["\\])')


class Part(NamedTuple):
    """One part of a body."""

    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def media(self) -> str:
        """Give its media type without parameters, in lower case; empty where it names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Field(NamedTuple):
    """What `Content-Disposition` says of a part of a form."""

    name: str
    filename: str | None


def boundary_in(content_type: str) -> bytes:
    """Read the boundary out of a media type; Malformed where there is none that could be one."""
    boundary = options_in(content_type).get("boundary", "").encode("latin-1", "replace")
    if not 0 < len(boundary) <= MULTIPART_BOUNDARY_BYTES_MAX or b"\n" in boundary or b"\r" in boundary:
        raise Malformed(
            f"The media type must name a boundary of 1 to {MULTIPART_BOUNDARY_BYTES_MAX} characters."
        )
    return boundary


def field_of(part: Part) -> Field:
    """Read the name of a form's part and the name of its file; Malformed where it has no name."""
    options = options_in(part.headers.get("content-disposition", ""))
    if "name" not in options:
        raise Malformed("A part of the form has no name in its Content-Disposition.")
    return Field(options["name"], options.get("filename"))


def options_in(header: str) -> dict[str, str]:
    """Read the parameters behind a header's value, by name in lower case; of repeated ones the last."""
    found = {}
    for name, value in _OPTION.findall(header):
        text = value.strip()
        if text[:1] == '"':
            text = _ESCAPED.sub(r"\1", text[1:-1]).replace("%22", '"')
        found[name.lower()] = text
    return found


def parse_parts(body: bytes, boundary: bytes, parts_max: int = MULTIPART_PARTS_MAX) -> list[Part]:
    """Divide a body; Malformed for what is none, TooLarge for more parts or headers than are read."""
    parts: list[Part] = []
    begin = -1
    for delimiter in _delimiters(body, b"--" + boundary):
        if begin >= 0:
            if len(parts) == parts_max:
                raise TooLarge(f"A body has at most {parts_max} parts.")
            parts.append(_part(body[begin : delimiter.start]))
        if delimiter.is_last:
            return parts
        begin = delimiter.end
    if begin < 0:
        raise Malformed("The body has no delimiter of the boundary that its media type names.")
    raise Malformed("The body ends before its last delimiter.")


class _Delimiter(NamedTuple):
    """A line between parts."""

    start: int
    end: int
    is_last: bool


def _delimiters(body: bytes, mark: bytes) -> Iterator[_Delimiter]:
    """Find the lines that begin with the mark and end behind it; in one pass, as a search for bytes.

    No line begins inside a mark, so the search goes on behind each.
    """
    start = body.find(mark)
    while start >= 0:
        end = start + len(mark)
        if start == 0 or body[start - 1] == _LINE_FEED:
            rest = _BEHIND_MARK.match(body, end)
            if rest is not None:
                end = rest.end()
                yield _Delimiter(start, end, rest[1] is not None)
        start = body.find(mark, end)


def _part(octets: bytes) -> Part:
    blank = _BLANK_LINE.search(octets, 0, MULTIPART_HEADER_BYTES_MAX + 2)
    if blank is None:
        if len(octets) > MULTIPART_HEADER_BYTES_MAX:
            raise TooLarge(f"The headers of a part have at most {MULTIPART_HEADER_BYTES_MAX} bytes.")
        raise Malformed("A part has no blank line behind its headers.")
    return Part(_headers(octets[: blank.start()]), _without_line_end(octets[blank.end() :]))


def _headers(octets: bytes) -> dict[str, str]:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    headers: dict[str, str] = {}
    for line in filter(None, _LINE.split(text)):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Malformed("A header of a part has no name.")
        headers[name.strip().lower()] = value.strip()
    return headers


def _without_line_end(octets: bytes) -> bytes:
    """Take the line end away that belongs to the delimiter behind it."""
    if octets.endswith(b"\r\n"):
        return octets[:-2]
    return octets[:-1] if octets.endswith(b"\n") else octets
