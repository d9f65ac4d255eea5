"""Files of an asset (wire 8): what is known of one, its name, its headers, and which part of it is read.

Pure. The bytes lie in a `storage.files.FileStore` as contents, each one request's body under an id of its
own; a file is a row of the catalogue that names its contents in their order, so replacing a file or joining
its parts moves no byte. A name is a text in that row and never becomes a path of anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.limits import (
    DESCRIPTION_CHARACTERS_MAX,
    FILE_BYTES_MAX,
    FILE_NAME_CHARACTERS_MAX,
    FILE_PART_BYTES_MIN,
    FILE_PATH_CHARACTERS_MAX,
    FILE_TYPE_CHARACTERS_MAX,
)
from schemas.times import parse_time

OCTETS = "application/octet-stream"
"""The type of a file whose type nobody named."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_PRINTABLE = re.compile("[\x20-\x7e]*")
_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}"
    r"(?: *; *[A-Za-z0-9!#$&^_.+-]{1,64}=(?:[A-Za-z0-9!#$&^_.+-]{1,64}|\"[^\"\\\x00-\x1f\x7f]{0,64}\"))*"
)
_SCRIPT_DATE = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{4}) ([0-9:]{8}) GMT([+-][0-9]{2})([0-9]{2})(?: \(.*\))?"
)
"""A date as JavaScript writes it: one client sends it as it is (wire 8)."""
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9:]{8}) GMT")
_MONTHS = {
    "Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06",
    "Jul": "07", "Aug": "08", "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12",
}  # fmt: skip
_RANGE = re.compile(r"bytes *= *(?:([0-9]{1,18}) *- *([0-9]{0,18})|- *([0-9]{1,18}))")


class Content(Struct, frozen=True):
    """The bytes of one request, as a file store keeps them."""

    id: str
    """32 hexadecimal digits, drawn for this request and never used again."""
    size: int
    """In bytes, at least one."""


class StoredFile(Struct, frozen=True, kw_only=True):
    """What the catalogue knows of a file; its row version is the ETag."""

    contents: tuple[Content, ...]
    """In the order of the bytes; none for an empty file."""
    type: str
    description: str
    timestamp_ms: int
    """What the client says the file is of."""
    created_ms: int
    updated_ms: int
    created_by: str
    updated_by: str

    @property
    def size(self) -> int:
        """Give the file's length in bytes."""
        return sum(content.size for content in self.contents)


class FileEntry(NamedTuple):
    """A file of an asset with its place and its version."""

    path: str
    """Folders and name, divided by slashes: what its row is called."""
    file: StoredFile
    version: int

    @property
    def name(self) -> str:
        """Give what stands behind the last slash."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Give what stands before the name: nothing at the top, else it ends with a slash (wire 8)."""
        return self.path[: -len(self.name)]


class Described(Struct, frozen=True, kw_only=True):
    """What the headers of an upload say of the file; None where they say nothing."""

    type: str | None = None
    description: str | None = None
    timestamp_ms: int | None = None

    def over(self, other: Described) -> Described:
        """Give this, and what the other says where this says nothing."""
        return Described(
            type=other.type if self.type is None else self.type,
            description=other.description if self.description is None else self.description,
            timestamp_ms=other.timestamp_ms if self.timestamp_ms is None else self.timestamp_ms,
        )


class Upload(Struct, frozen=True, kw_only=True):
    """An upload in parts that has begun and not ended."""

    id: str
    """32 hexadecimal digits: its parts are rows under it."""
    started_ms: int
    described: Described


class UploadPart(Struct, frozen=True, kw_only=True):
    """One part of an upload, as it was sent once."""

    number: int
    content: Content
    updated_ms: int


class Span(NamedTuple):
    """Bytes [start, end) of a file."""

    start: int
    end: int


def parse_path(path: str) -> str:
    """Give the path of a file if it is a sound one, Invalid else.

    Each folder and the name is there, is not `.` or `..`, and holds no control character and nothing that
    stands for bytes that were no UTF-8.
    """
    names = path.split("/")
    if len(path) > FILE_PATH_CHARACTERS_MAX or len(names[-1]) > FILE_NAME_CHARACTERS_MAX:
        longest = f"{FILE_PATH_CHARACTERS_MAX} characters, its name {FILE_NAME_CHARACTERS_MAX}"
        raise _refused(f"A path has at most {longest}.")
    if any(name in {"", ".", ".."} for name in names) or _CONTROL.search(path):
        raise _refused("A path has no empty part, no `.` or `..`, and no control character or wrong byte.")
    return path


def describe_file(type_: str | None, description: str | None, timestamp: str | None) -> Described:
    """Read the headers `type`, `description` and `timestamp` of an upload; Invalid with every reason.

    Headers come as Latin-1; a description that is UTF-8 is read as such. A type need not be one: a client
    that does not know it says `false`.
    """
    problems = []
    if type_ is not None and not (len(type_) <= FILE_TYPE_CHARACTERS_MAX and _PRINTABLE.fullmatch(type_)):
        problems.append(_problem(f"`type` has at most {FILE_TYPE_CHARACTERS_MAX} characters of ASCII."))
    text = None if description is None else _as_utf8(description)
    if text is not None and (len(text) > DESCRIPTION_CHARACTERS_MAX or _CONTROL.search(text)):
        problems.append(_problem(f"`description` has at most {DESCRIPTION_CHARACTERS_MAX} characters."))
    timestamp_ms = None
    try:
        timestamp_ms = None if timestamp is None else parse_date(timestamp)
    except Malformed as error:
        problems.append(_problem(f"`timestamp`: {error.message}"))
    if problems:
        raise Invalid(problems)
    return Described(type=type_, description=text, timestamp_ms=timestamp_ms)


def is_plain(text: str) -> bool:
    """Tell whether a text has no control character and nothing that stands for bytes that were no UTF-8."""
    return _CONTROL.search(text) is None


def media_type(type_: str) -> str:
    """Give the media type to serve a file with: its own if it is one, else that of mere bytes."""
    return type_ if _TYPE.fullmatch(type_) else OCTETS


def parse_date(text: str) -> int:
    """Read an instant as RFC 3339, HTTP or JavaScript writes it, in milliseconds; Malformed for all else."""
    found = _SCRIPT_DATE.fullmatch(text)
    if found is not None:
        month, day, year, clock, hours, minutes = found.groups()
        return parse_time(f"{year}-{_MONTHS.get(month, month)}-{day}T{clock}{hours}:{minutes}")
    found = _HTTP_DATE.fullmatch(text)
    if found is not None:
        day, month, year, clock = found.groups()
        return parse_time(f"{year}-{_MONTHS.get(month, month)}-{day}T{clock}Z")
    return parse_time(text)


def parse_range(header: str | None, size: int) -> Span | None:
    """Read a `Range` over a file of so many bytes (RFC 9110, 14.2); None where the whole file is meant.

    A span of nothing where no byte of the file is asked for, or the text is no range (wire 8: 416). Several
    ranges, and units other than bytes, are answered with the whole, as the RFC allows.
    """
    if header is None or not header.startswith("bytes") or "," in header:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        return Span(0, 0)
    first, last, tail = found.groups()
    if tail is not None:
        return Span(max(size - int(tail), 0), size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return Span(start, end) if start < end else Span(0, 0)


def cut(contents: Sequence[Content], span: Span) -> Iterator[tuple[Content, int, int]]:
    """Give what to read for a span of the file: each content that it touches, and from where to where."""
    begin = 0
    for content in contents:
        first, last = max(span.start - begin, 0), min(span.end - begin, content.size)
        if first < last:
            yield content, first, last
        begin += content.size


def newest_of(sent: Iterable[UploadPart]) -> list[UploadPart]:
    """Give what was sent last of each number, by number."""
    newest: dict[int, UploadPart] = {}
    for part in sorted(sent, key=lambda part: (part.number, part.updated_ms, part.content.id)):
        newest[part.number] = part
    return list(newest.values())


def joined(parts: Sequence[UploadPart], last: Content | None) -> tuple[Content, ...]:
    """Join parts, by number, and what came with the completion; Invalid if they are no file.

    The numbers run from 1 without a gap; every part but the very last has `FILE_PART_BYTES_MIN`.
    """
    if [part.number for part in parts] != list(range(1, len(parts) + 1)):
        raise _refused("Parts are missing: their numbers run from 1 without a gap.")
    contents = [part.content for part in parts]
    if last is not None:
        contents.append(last)
    if any(content.size < FILE_PART_BYTES_MIN for content in contents[:-1]):
        raise _refused(f"Each part but the last has at least {FILE_PART_BYTES_MIN} bytes.")
    if sum(content.size for content in contents) > FILE_BYTES_MAX:
        raise _refused(f"A file has at most {FILE_BYTES_MAX} bytes.")
    return tuple(contents)


def _as_utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _problem(message: str) -> Problem:
    return Problem("", codes.INVALID_PARAMETER, message)


def _refused(message: str) -> Invalid:
    return Invalid([_problem(message)])
