"""Bodies of lines: what is read at once is what is read line by line (IX-07, IX-09)."""

import random

import pytest

from schemas.errors import Malformed
from schemas.filetypes.line_protocol import parse_line
from schemas.filetypes.model import Precision
from schemas.filetypes.sparse import FIELD
from schemas.lineprotocol.body import read_body

NOW_MS = 1_000
WORDS = [
    "1.5",
    "-2",
    "7i",
    "7u",
    "t",
    "FALSE",
    '"text"',
    '""',
    '"two words"',
    '"a,b=c"',
    r'"say \"x\" \\"',
    "+.5e3",
]
NAMES = ["v", "w", "x_y", "x-y", r"a\ b", r"a\,b", r"a\=b", "é"]
HEADS = ["m", "m,a=b", "m,b=c,a=b", r"m\ n,a=b\,c", "m,a=é", "other,a=b"]
BAD = [
    "nothing",
    "m,a= v=1 1",
    "m v= 1",
    "m v=1,w 1",
    "m v=1 x",
    "m v=1 1 1",
    "m,=b v=1",
    ",a=b v=1",
    "m =1",
    'm v="x 1',
]


def fields_of(group, row):
    """Give what one line of a group says, as written."""
    return {
        name: words.words[words.rows.tolist().index(row)]
        for name, words in group.fields.items()
        if row in words.rows.tolist()
    }


@pytest.mark.parametrize("seed", range(20))
def test_lines_read_at_once_are_those_read_one_by_one(seed):
    """Of any mixture of lines, good and bad, every line has the outcome that it has alone."""
    rng = random.Random(seed)
    lines = []
    for number in range(rng.randrange(1, 40)):
        if rng.random() < 0.15:
            lines.append(rng.choice(BAD[:-1]))
            continue
        names = rng.sample(NAMES[: rng.choice([2, 4, 8])], rng.randrange(1, 3))
        words = rng.choice([WORDS[:7], WORDS])
        fields = ",".join(f"{name}={rng.choice(words)}" for name in names)
        lines.append(f"{rng.choice(HEADS)} {fields} {number * 1_000_000}")

    body = read_body("\n".join(lines).encode(), Precision.NANOSECONDS, NOW_MS)

    found = {
        int(line): (group, row) for group in body.groups for row, line in enumerate(group.lines.tolist())
    }
    refused = {each.line for each in body.refused}
    assert set(range(1, len(lines) + 1)) == found.keys() | refused
    assert not found.keys() & refused
    for number, line in enumerate(lines, 1):
        try:
            point = parse_line(line, Precision.NANOSECONDS)
        except Malformed:
            assert number in refused
            continue
        group, row = found[number]
        assert point.time_ms == group.time_ms[row]
        said = {name.removeprefix(FIELD) for name in point.values if name.startswith(FIELD)}
        assert said == fields_of(group, row).keys()


def test_heads_are_read_without_escapes_and_tags_in_their_order():
    """The same set of tags, however it is written, is one and the same."""
    body = read_body(b"m\\ n,b=c\\,d,a=1 v=1 1\nm\\ n,a=1,b=c\\,d v=2 2", Precision.MILLISECONDS, NOW_MS)

    assert [("m n", [("a", "1"), ("b", "c,d")])] * 2 == [
        (group.measurement, list(group.tags.items())) for group in body.groups
    ]


def test_texts_may_go_over_several_lines():
    """As clients send them; the numbers of the lines after it stay right."""
    body = read_body(b'm v="one\ntwo, a=b\nthree" 5\nm v=1 x\nm v="" 6', Precision.MILLISECONDS, NOW_MS)

    [group] = body.groups
    assert ([1, 5], ['"one\ntwo, a=b\nthree"', '""']) == (group.lines.tolist(), group.fields["v"].words)
    assert [4] == [each.line for each in body.refused]


@pytest.mark.parametrize(
    ("time", "expected"),
    [("", NOW_MS), ("0", 0), ("-1", -1), ("1999999", 1), ("9223372036854775807", 9_223_372_036_854)],
)
def test_times_are_cut_to_milliseconds(time, expected):
    """Nanoseconds are cut, never rounded; without one the line is of the present (design 8.21)."""
    [group] = read_body(f"m v=1 {time}".encode(), Precision.NANOSECONDS, NOW_MS).groups

    assert [expected] == group.time_ms.tolist()


@pytest.mark.parametrize(
    "text",
    ["99999999999999999999", "9999999999999999999", "-9223372036854775808", "1e3", "١", "1_0", "+1"],
)
def test_what_is_no_time(text):
    """A time that is none, or beyond the year 9999, refuses its line and no other."""
    body = read_body(f"m v=1 {text}\nm v=2 3".encode(), Precision.SECONDS, NOW_MS)

    assert [1] == [each.line for each in body.refused]
    assert [2] == body.groups[0].lines.tolist()


def test_bodies_that_are_no_text():
    """What is not UTF-8 is refused whole, with the reason."""
    with pytest.raises(Malformed, match="UTF-8"):
        read_body(b"m v=1\xff", Precision.NANOSECONDS, NOW_MS)


def test_hostile_bodies_take_time_in_proportion():
    """Quotes without an end, escapes and separators without number are read once (S9)."""
    for text in (
        'm v="' * 20_000,
        'm v="\n' * 20_000,
        "\\" * 100_000,
        "m" + ",a=b" * 20_000 + " v=1",
        "m v=1,=" * 20_000,
        "m v=1" + " " * 400_000 + "x",
        "m v=" + "1" * 400_000 + "x",
    ):
        read_body(text.encode(), Precision.NANOSECONDS, NOW_MS)
