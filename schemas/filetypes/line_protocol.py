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
from schemas.limits import TIME_MS_MAX

_ESCAPED = re.compile(r"\\([,= ])")
HEAD = re.compile(r"((?:[^, \\]|\\.)+)((?:,(?:[^,= \\]|\\.)+=(?:[^,= \\]|\\.)+)*) +", re.DOTALL)
_TAG = re.compile(r",((?:[^,= \\]|\\.)+)=((?:[^,= \\]|\\.)+)", re.DOTALL)
_FIELD = re.compile(
    r'((?:[^,= \\]|\\.)+)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))(?:,|(?=\s|$))',
    re.DOTALL,
)
_TIME = re.compile(r" *+(-?[0-9]{1,19})? *")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
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
    head = HEAD.match(line)
    if head is None:
        raise Malformed("the line has no measurement and fields with a blank between them")
    values: dict[str, Value] = {MEASUREMENT: _bare(head[1])}
    for tag in _TAG.finditer(head[2]):
        values[TAG + _bare(tag[1])] = _bare(tag[2])
    names, words, time = parse_fields(line, head.end())
    for name, word in zip(names, words, strict=True):
        values[FIELD + name] = word[1:-1] if word[0] == '"' else value_of(word)
    if time is None:
        return Point(None, values)
    return Point(time_of(time, precision), values)


def parse_head(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Read measurement and tags, in their order; Malformed with the reason."""
    head = HEAD.fullmatch(text + " ")
    if head is None:
        raise Malformed("what stands before the first blank is no measurement with tags")
    return _bare(head[1]), [(_bare(tag[1]), _bare(tag[2])) for tag in _TAG.finditer(head[2])]


def parse_fields(line: str, at: int = 0) -> tuple[list[str], list[str], str | None]:
    """Read fields from a place on, and the time if there is one; Malformed with the reason.

    Gives names and words; a text stands in its quotes, without escapes.
    """
    names, words = [], []
    while (field := _FIELD.match(line, at)) is not None:
        name, text, word = field.groups()
        names.append(_bare(name))
        words.append(f'"{_string(text)}"' if word is None else word)
        at = field.end()
        if not field[0].endswith(","):
            break
    if not names or (line[at - 1] == "," and field is None):
        raise Malformed(f"the field at character {at + 1} is not name=value")
    time = _TIME.fullmatch(line, at)
    if time is None:
        raise Malformed(f"what stands at character {at + 1} is neither a field nor a time")
    return names, words, time[1]


def time_of(text: str, precision: Precision) -> int:
    """Read a whole number of a precision as milliseconds; Malformed where it lies beyond what a time can be.

    What is finer than a millisecond is cut (design 8.21).
    """
    times, over = per_ms(precision)
    time_ms = int(text) * times // over
    if abs(time_ms) > TIME_MS_MAX:
        raise Malformed("the time is beyond the year 9999; is the precision as declared?")
    return time_ms


def per_ms(precision: Precision) -> tuple[int, int]:
    """Give by what a time of this precision is multiplied, then divided, to be one of milliseconds."""
    return _PER_MS[precision]


def _bare(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _string(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text) if "\\" in text else text


def value_of(word: str) -> Value:
    """Read a word that is no text; Malformed for what is none."""
    if _FLOAT.fullmatch(word):
        return float(word)
    whole = _WHOLE.fullmatch(word)
    if whole is not None:
        return int(whole[1])
    if word in _TRUTH:
        return _TRUTH[word]
    raise Malformed(f"{word[:40]!r} is no value; text stands in quotes")
