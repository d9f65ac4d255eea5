"""Lines of line protocol: `measurement,tag=value field=1i,other="text" 1465839830100400200` (TF-56).

The grammar is that of its public documentation: in names and tags a backslash escapes a comma, a blank or
an equals sign, in strings a quote or itself; a time is a whole number of the declared precision. A line
without time is refused: a file is not written now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.errors import Malformed
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.model import Precision
from schemas.filetypes.sparse import FIELD, MEASUREMENT, TAG, Gathering, Value
from schemas.filetypes.text import Block

_ESCAPED = re.compile(r"\\([,= ])")
_HEAD = re.compile(r"((?:[^, \\]|\\.)+)((?:,(?:[^,= \\]|\\.)+=(?:[^,= \\]|\\.)+)*) +", re.DOTALL)
_TAG = re.compile(r",((?:[^,= \\]|\\.)+)=((?:[^,= \\]|\\.)+)", re.DOTALL)
_FIELD = re.compile(
    r'((?:[^,= \\]|\\.)+)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))(?:,|(?=\s|$))',
    re.DOTALL,
)
_TIME = re.compile(r" *(-?[0-9]{1,19})? *")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"([+-]?[0-9]{1,20})[iu]")
_TRUTH = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)
_PER_MS = {
    Precision.SECONDS: (1_000, 1), Precision.MILLISECONDS: (1, 1),
    Precision.MICROSECONDS: (1, 1_000), Precision.NANOSECONDS: (1, 1_000_000),
}  # fmt: skip


class Point(NamedTuple):
    """One line."""

    time_ms: int | None
    """None: the line says none."""
    values: dict[str, Value]
    """`measurement`, `tags.NAME`, `fields.NAME`."""


def read_lines(blocks: Iterator[Block], precision: Precision, gathering: Gathering) -> Iterator[Chunk]:
    """Read every line but comments; a text of a field ends on its line."""
    bytes_in = 0
    for block in blocks:
        for number, line in enumerate(block.octets.decode().split("\n"), block.first_line):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                point = parse_line(line, precision)
            except Malformed as error:
                gathering.refuse(number, "", error.message, line)
                continue
            if point.time_ms is None:
                gathering.refuse(number, "", "the line has no time", line)
            else:
                gathering.add(number, point.time_ms, point.values)
            if gathering.is_full:
                yield gathering.take(block.bytes_in)
        bytes_in = block.bytes_in
    yield gathering.take(bytes_in)


def parse_line(line: str, precision: Precision) -> Point:
    """Read one line; Malformed with the reason."""
    head = _HEAD.match(line)
    if head is None:
        raise Malformed("the line has no measurement and fields with a blank between them")
    values: dict[str, Value] = {MEASUREMENT: _bare(head[1])}
    for tag in _TAG.finditer(head[2]):
        values[TAG + _bare(tag[1])] = _bare(tag[2])
    at = head.end()
    fields = 0
    while (field := _FIELD.match(line, at)) is not None:
        name, text, word = field.groups()
        values[FIELD + _bare(name)] = _string(text) if word is None else _value(word)
        at = field.end()
        fields += 1
        if not field[0].endswith(","):
            break
    if not fields or (line[at - 1] == "," and field is None):
        raise Malformed(f"the field at character {at + 1} is not name=value")
    time = _TIME.fullmatch(line, at)
    if time is None:
        raise Malformed(f"what stands at character {at + 1} is neither a field nor a time")
    if time[1] is None:
        return Point(None, values)
    times, over = _PER_MS[precision]
    return Point(int(time[1]) * times // over, values)


def _bare(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _string(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text) if "\\" in text else text


def _value(word: str) -> Value:
    if _FLOAT.fullmatch(word):
        return float(word)
    whole = _WHOLE.fullmatch(word)
    if whole is not None:
        return int(whole[1])
    if word in _TRUTH:
        return _TRUTH[word]
    raise Malformed(f"{word[:40]!r} is no value; text stands in quotes")
