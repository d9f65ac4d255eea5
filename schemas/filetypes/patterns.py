"""Regular expressions of file types: which are taken, and how much work they may be (ReDoS). Pure.

What takes long is to go one of several ways at one place and again at the next, as the ways multiply. So a
pattern has few such places and none within a repeat; and the ways of all patterns over all names of a file
are counted before anything is matched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from re import _constants as ops  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]  # the same
from typing import Any, Final, NamedTuple

from schemas.errors import TooLarge
from schemas.filetypes.limits import (
    DELIMITER_WAYS_MAX,
    PATTERN_CHARACTERS_MAX,
    PATTERN_CHOICES_MAX,
    PATTERN_REPEATS_MAX,
    PATTERN_WAYS_MAX,
)

_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)
_FEW = 10
"""A repeat of at most so many is no repeat without end."""

TOO_MANY_WAYS: Final = (
    "The patterns of the file type would take too long over the names of this file's columns;"
    " write them with fewer repeats, or fewer of them."
)


def against_pattern(pattern: str) -> str:
    """Say why a regular expression is not taken, empty: it is.

    A repeat inside a repeat can take longer than anyone waits, and so can many in a row (ReDoS).
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        return f"At most {PATTERN_CHARACTERS_MAX} characters."
    try:
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"It is no regular expression: {error}."
    choices = list(_choices(parsed, is_repeated=False))
    if any(choice.is_repeated for choice in choices):
        return "A repeat or an alternative inside a repeat is not taken; it could run for ever."
    if (
        len(choices) > PATTERN_CHOICES_MAX
        or sum(choice.is_endless for choice in choices) > PATTERN_REPEATS_MAX
    ):
        return f"At most {PATTERN_REPEATS_MAX} repeats without end and {PATTERN_CHOICES_MAX} choices."
    if any(op in {ops.GROUPREF, ops.GROUPREF_EXISTS, ops.ASSERT, ops.ASSERT_NOT} for op, _ in _all(parsed)):
        return "References to groups and looking around are not taken."
    if any(op in _REPEATS and not arguments[2].getwidth()[0] for op, arguments in _all(parsed)):
        return "A repeat of what may be nothing is not taken; it could run for ever."
    return ""


def against_delimiter(pattern: str) -> str:
    """Say why a delimiter is not taken: it must also cut a line of a megabyte in one go."""
    reason = against_pattern(pattern)
    if reason:
        return reason
    parsed = parser.parse(pattern)
    if parsed.getwidth()[0] == 0:
        return "A delimiter has at least one character."
    endings = [parsed]
    if len(parsed) == 1 and parsed[0][0] is ops.BRANCH:
        endings = parsed[0][1][1]
    before_last = [
        choice for ending in endings for choice in _choices(ending[: len(ending) - 1], is_repeated=False)
    ]
    if any(choice.is_endless for choice in before_last):
        return "A repeat without end stands last in a delimiter."
    if math.prod(choice.ways for choice in before_last) > DELIMITER_WAYS_MAX:
        return f"A delimiter can be read in at most {DELIMITER_WAYS_MAX} ways; write it with fewer repeats."
    if any(op is ops.SUBPATTERN and arguments[0] is not None for op, arguments in _all(parsed)):
        return "Groups are not taken in a delimiter; write (?:…)."
    return ""


class Work:
    """What the patterns of a file type take over the names of one file."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self._ways_left = PATTERN_WAYS_MAX

    def match(self, pattern: str, name: str) -> re.Match[str] | None:
        """Match a name as a whole; TooLarge where all that is matched would take too long."""
        compiled, choices = _compiled(pattern)
        self._ways_left -= math.prod(choice.ways_within(len(name)) for choice in choices)
        if self._ways_left < 0:
            raise TooLarge(TOO_MANY_WAYS)
        return compiled.fullmatch(name)


class _Choice(NamedTuple):
    """A place of a pattern where a matcher can go more than one way."""

    is_repeated: bool
    """It stands in a repeat."""
    ways: int
    is_endless: bool
    """It is a repeat that ends where the text does."""

    def ways_within(self, characters: int) -> int:
        """Give the ways in a text of so many characters."""
        return min(self.ways, characters + 1) if self.is_endless else self.ways


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> tuple[re.Pattern[str], tuple[_Choice, ...]]:
    return re.compile(pattern), tuple(_choices(parser.parse(pattern), is_repeated=False))


def _all(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Give every operation of a parsed pattern."""
    for op, arguments in parsed:
        yield op, arguments
        for inner in _inside(op, arguments):
            yield from _all(inner)


def _inside(op: Any, arguments: Any) -> list[Any]:
    if op in _REPEATS:
        return [arguments[2]]
    if op is ops.SUBPATTERN:
        return [arguments[3]]
    if op is ops.ATOMIC_GROUP:
        return [arguments]
    return list(arguments[1]) if op is ops.BRANCH else []


def _choices(parsed: Iterable[Any], *, is_repeated: bool) -> Iterator[_Choice]:
    for op, arguments in parsed:
        inside = is_repeated
        if op in _REPEATS:
            least, most = arguments[0], arguments[1]
            if least != most:
                yield _Choice(is_repeated, int(most) - int(least) + 1, is_endless=most > _FEW)
            inside = is_repeated or most is ops.MAXREPEAT or most > 1
        elif op is ops.BRANCH:
            yield _Choice(is_repeated, len(arguments[1]), is_endless=False)
        for inner in _inside(op, arguments):
            yield from _choices(inner, is_repeated=inside)
