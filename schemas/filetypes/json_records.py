"""JSON → chunks: an array of flat objects, or one object after the other (SM-06, wire 3.1).

Objects are read one at a time out of what has arrived, so memory does not grow with the file. An error in
the text ends the reading, for nobody knows where the next object would begin.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from schemas.errors import Malformed, TooLarge
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.limits import DETECTION_BYTES_MAX, LINE_BYTES_MAX
from schemas.filetypes.model import FileType
from schemas.filetypes.sparse import Gathering, Value

_BLANKS = " \t\r\n"
NO_TIME = "there is no time"


def read_json(pieces: Iterable[bytes], file_type: FileType, gathering: Gathering) -> Iterator[Chunk]:
    """Read every element; what is no flat object with a time is refused as a row."""
    text = _Text(pieces)
    for line, element in text.elements():
        _add(gathering, line, element, file_type)
        if gathering.is_full:
            yield gathering.take(text.bytes_in)
    yield gathering.take(text.bytes_in)


def _add(gathering: Gathering, line: int, element: Any, file_type: FileType) -> None:
    if not isinstance(element, dict):
        gathering.refuse(line, "", "the element is no object", json.dumps(element))
        return
    values: dict[str, Value] = {}
    absent = {"", *file_type.na_values}
    for name, value in element.items():
        if isinstance(value, (dict, list)):
            gathering.refuse(line, name, "the value is not flat", json.dumps(value))
            return
        if value is not None and value not in absent:
            values[name] = value
    times = [values.pop(name, None) for name in file_type.time_columns]
    if None in times:
        gathering.refuse(line, ", ".join(file_type.time_columns), NO_TIME, json.dumps(element))
        return
    gathering.add(line, " ".join(str(time) for time in times), values)


class _Text:
    """What has arrived of a text, and how far it was read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(parse_constant=_unlawful, object_pairs_hook=_unique)
        self._text = ""
        self._at = self._counted = 0
        self._line = 1
        self._is_whole = False
        self.bytes_in = 0

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Read every element with the line that it begins on."""
        if self._peek() != "[":
            while self._peek():
                yield self._element()
            return
        self._at += 1
        going = self._peek() != "]"
        while going:
            yield self._element()
            if self._peek() not in {",", "]"}:
                raise self._wrong("there is neither a comma nor the end of the array")
            going = self._peek() == ","
            self._at += going
        self._at += 1
        if self._peek():
            raise self._wrong("something follows the array")

    def _element(self) -> tuple[int, Any]:
        self._peek()
        line = self._line_here()
        while True:
            try:
                element, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self._wrong(error.msg) from None
                if len(self._text) - self._at > LINE_BYTES_MAX:
                    raise TooLarge(
                        f"No value ends within {LINE_BYTES_MAX} bytes of line {line}; {error.msg}."
                    ) from None
                continue
            except (ValueError, RecursionError) as error:
                raise self._wrong(str(error)[:100]) from None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return line, element

    def _peek(self) -> str:
        """Give the next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Take more of the text; False: there is none."""
        if self._is_whole:
            return False
        parts, size = [], 0
        while size < DETECTION_BYTES_MAX and not self._is_whole:
            piece = next(self._pieces, None)
            self._is_whole = piece is None
            parts.append(piece or b"")
            size += len(parts[-1])
        self._line_here()
        try:
            more = self._utf8.decode(b"".join(parts), self._is_whole)
        except UnicodeDecodeError:
            raise self._wrong("the text is not UTF-8") from None
        self._text = self._text[self._at :] + more
        self._at = self._counted = 0
        self.bytes_in += size
        return True

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _wrong(self, reason: str) -> Malformed:
        return Malformed(f"At or after line {self._line_here()} the file is no JSON of records: {reason}.")


def _unlawful(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a member twice")
    return members
