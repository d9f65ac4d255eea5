"""A body of lines → for each head its times and, by field, the words that stand for values. Pure.

Most lines are plain: no escapes, and texts in quotes hold neither blanks nor commas nor equals signs. Those
of one head (measurement and tags, as they are written) are split together, so that a cell costs a fraction of
a microsecond; every other line is read on its own, by the grammar of files (`filetypes.line_protocol`).
Beside that grammar a text may go over several lines, as clients send it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from schemas.columns import Ints
from schemas.errors import Malformed
from schemas.filetypes.line_protocol import HEAD, parse_fields, parse_head, per_ms, time_of
from schemas.filetypes.model import Precision
from schemas.limits import TIME_MS_MAX

_PAIR: Final = r'[^,=" ]+=(?:[^,=" ]+|"[^,=" ]*")'
_PLAIN: Final = re.compile(f"{_PAIR}(?:,{_PAIR})*")
_TEXT: Final = re.compile(r'"[^"]*"')
_TIME: Final = re.compile(r"-?[0-9]{1,19}")
_ESCAPE: Final = re.compile(r"\\.", re.DOTALL)

_MASK: Final = str.maketrans({" ": "\x01", ",": "\x02", "=": "\x03"})
_UNMASK: Final = str.maketrans({"\x01": " ", "\x02": ",", "\x03": "="})
_MARKS: Final = "\x01\x02\x03"
"""What stands for blanks and marks in texts while lines are split; a body that has them goes without."""

_COMMA, _EQUALS = ord(","), ord("=")

NO_HEAD: Final = "the line has no measurement and fields with a blank between them"
NO_TIME: Final = "the time is no whole number of the declared precision"
TWICE: Final = "a tag stands twice"


class RefusedLine(NamedTuple):
    """A line that cannot be read, or not be stored."""

    line: int
    """From 1."""
    reason: str
    text: str
    """The line."""


class Words(NamedTuple):
    """What one field says, in the order of the lines."""

    rows: Ints
    """Places among the lines of the head, ascending; a line that says it twice stands twice."""
    words: list[str]
    """As written, texts in their quotes but without escapes."""


class Group(NamedTuple):
    """All readable lines of one head; the arrays have the same length."""

    measurement: str
    tags: Mapping[str, str]
    """By name, in the order of names."""
    lines: Ints
    """Numbers from 1, ascending."""
    time_ms: Ints
    fields: dict[str, Words]


class Body(NamedTuple):
    """What a body says."""

    groups: list[Group]
    refused: list[RefusedLine]
    """By line."""
    texts: Mapping[int, str]
    """Every line that is neither blank nor a comment, by its number."""


class _Head:
    """Lines of one head, as they are found."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.fields: list[str] = []
        self.times: list[str] = []


def read_body(body: bytes, precision: Precision, now_ms: int) -> Body:
    """Read a body of lines; a line without time is of the present. Malformed for what is not UTF-8."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    heads: dict[str, _Head] = {}
    texts: dict[int, str] = {}
    refused: list[RefusedLine] = []
    is_masked = '"' in text and not any(mark in text for mark in _MARKS)
    for number, line in _lines(text):
        texts[number] = line
        parts = (_masked(line) if is_masked else line).split(" ")
        if len(parts) == 3 and "\\" not in line and _TIME.fullmatch(parts[2]):
            name, fields, time = parts
        else:
            match = HEAD.match(line)
            if match is None:
                refused.append(RefusedLine(number, NO_HEAD, line))
                continue
            name = line[: match.end()].rstrip(" ")
            fields, time = line[match.end() :], ""
        head = heads.get(name)
        if head is None:
            head = heads[name] = _Head()
        head.lines.append(number)
        head.fields.append(fields)
        head.times.append(time)
    reader = _Reader(precision, now_ms, texts, refused)
    groups = [group for name, head in heads.items() if (group := reader.group(name, head)) is not None]
    refused.sort()
    return Body(groups, refused, texts)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines with their numbers; a text that a line does not end goes on in the next ones."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    lines = enumerate(text.split("\n"), 1)
    if '"' not in text:
        yield from ((number, line) for number, line in lines if line and line[0] != "#" and line.strip())
        return
    for number, line in lines:
        if not line or line[0] == "#" or not line.strip():
            continue
        if not _is_open(line):
            yield number, line
            continue
        held = [line]
        for _, further in lines:
            held.append(further)
            if (_ESCAPE.sub("", further) if "\\" in further else further).count('"') % 2:
                break
        yield number, "\n".join(held)


def _masked(line: str) -> str:
    """Put something else for what divides a line, where it stands in a text; a line with escapes stays."""
    if '"' not in line or "\\" in line or line.find('"') < line.find(" "):
        return line
    parts = line.split('"')
    parts[1::2] = [part.translate(_MASK) for part in parts[1::2]]
    return '"'.join(parts)


def _is_open(line: str) -> bool:
    """Tell whether a text of the line's fields has no end; quotes of tags are letters."""
    if line.count('"') % 2 == 0 and "\\" not in line:
        return False
    match = HEAD.match(line)
    if match is None:
        return False
    return _ESCAPE.sub("", line[match.end() :]).count('"') % 2 == 1


class _Reader:
    """Reads the lines of heads."""

    def __init__(
        self, precision: Precision, now_ms: int, texts: Mapping[int, str], refused: list[RefusedLine]
    ) -> None:
        self._precision = precision
        self._now_ms = now_ms
        self._texts = texts
        self._refused = refused

    def group(self, name: str, head: _Head) -> Group | None:
        """Read all lines of a head; None where none can be read."""
        try:
            measurement, tags = _parsed(name)
        except Malformed as error:
            for number in head.lines:
                self._refuse(number, error.message)
            return None
        plain = [bool(time) for time in head.times]
        flat = _split(head.fields) if all(plain) else None
        if flat is None:
            plain = [is_plain and _PLAIN.fullmatch(text) is not None
                     for is_plain, text in zip(plain, head.fields, strict=True)]  # fmt: skip
            flat = _split([text for text, kept in zip(head.fields, plain, strict=True) if kept])
            assert flat is not None, "each of them is plain"
        good, time_ms, names, words, counts = self._pairs(head, plain, flat)
        if not good:
            return None
        rows = np.repeat(np.arange(len(good)), counts)
        lines = np.array([head.lines[place] for place in good], np.int64)
        return Group(measurement, tags, lines, time_ms, _by_name(names, words, rows, counts[0]))

    def _pairs(
        self, head: _Head, plain: Sequence[bool], flat: tuple[list[str], list[str], list[int]]
    ) -> tuple[list[int], Ints, list[str], list[str], list[int]]:
        """Give the places of all good lines with their times, and their pairs of name and word in order."""
        names, words, counts = flat
        if all(plain):
            times = self._plain_times(head.times)
            if times is not None:
                return list(range(len(plain))), times, names, words, counts
        good: list[int] = []
        times_ms: list[int] = []
        all_names: list[list[str]] = []
        all_words: list[list[str]] = []
        of_plain = iter(_runs(names, words, counts))
        for place, is_plain in enumerate(plain):
            try:
                if is_plain:
                    its_names, its_words = next(of_plain)
                    time_ms = self._time(head.times[place])
                else:
                    text = head.fields[place].translate(_UNMASK) + (
                        f" {head.times[place]}" if head.times[place] else ""
                    )
                    its_names, its_words, time = parse_fields(text)
                    time_ms = self._now_ms if time is None else self._time(time)
            except Malformed as error:
                self._refuse(head.lines[place], error.message)
                continue
            good.append(place)
            times_ms.append(time_ms)
            all_names.append(its_names)
            all_words.append(its_words)
        lengths = [len(each) for each in all_names]
        chained = list(chain.from_iterable(all_names)), list(chain.from_iterable(all_words))
        return good, np.array(times_ms, np.int64), *chained, lengths

    def _plain_times(self, texts: list[str]) -> Ints | None:
        """Read all times at once; None where one is beyond what a time can be."""
        try:
            values = np.array(list(map(int, texts)), np.int64)
        except OverflowError:
            return None
        times, over = per_ms(self._precision)
        most = TIME_MS_MAX // times * over
        if len(values) and not -most <= values.min() <= values.max() <= most:
            return None
        return values * times // over

    def _time(self, text: str) -> int:
        """Read one time; Malformed for what is none."""
        if _TIME.fullmatch(text) is None:
            raise Malformed(NO_TIME)
        return time_of(text, self._precision)

    def _refuse(self, number: int, reason: str) -> None:
        self._refused.append(RefusedLine(number, reason, self._texts[number]))


def _parsed(name: str) -> tuple[str, dict[str, str]]:
    """Read a head: measurement, and tags in the order of their names."""
    measurement, pairs = parse_head(name)
    tags = dict(sorted(pairs))
    if len(tags) != len(pairs):
        raise Malformed(TWICE)
    return measurement, tags


def _split(fields: list[str]) -> tuple[list[str], list[str], list[int]] | None:
    """Split plain fields of many lines: names, words, and how many each line has; None: not all are plain."""
    if not fields:
        return [], [], []
    joined = ",".join(fields)
    octets = np.frombuffer(joined.encode(), np.uint8)
    marks = octets[(octets == _COMMA) | (octets == _EQUALS)]
    if len(marks) % 2 == 0 or (marks[::2] != _EQUALS).any() or (marks[1::2] != _COMMA).any():
        return None
    flat = joined.replace("=", ",").split(",")
    if "" in flat:
        return None
    names, words = flat[::2], flat[1::2]
    if '"' in joined:
        quoted = [word for word in words if '"' in word]
        if '"' in "".join(names) or not all(map(_TEXT.fullmatch, quoted)):
            return None
        if any(mark in joined for mark in _MARKS):
            words = [word.translate(_UNMASK) if '"' in word else word for word in words]
    return names, words, [text.count("=") for text in fields]


def _runs(names: list[str], words: list[str], counts: Iterable[int]) -> Iterator[tuple[list[str], list[str]]]:
    begin = 0
    for count in counts:
        yield names[begin : begin + count], words[begin : begin + count]
        begin += count


def _by_name(names: list[str], words: list[str], rows: Ints, width: int) -> dict[str, Words]:
    """Sort words by the name of their field; the first line has so many."""
    first = names[:width]
    if len(set(first)) == width and names == first * (len(names) // width):  # so has every other line
        return {name: Words(rows[place::width], words[place::width]) for place, name in enumerate(first)}
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    codes = np.fromiter(map(places.__getitem__, names), np.int64, len(names))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(places))).tolist()
    sorted_rows, sorted_words = rows[order], list(map(words.__getitem__, order.tolist()))
    return {
        name: Words(sorted_rows[begin:end], sorted_words[begin:end])
        for name, begin, end in zip(places, [0, *ends[:-1]], ends, strict=True)
    }
