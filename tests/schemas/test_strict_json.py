"""Numbers to the letter: exact where they are whole, in range where they are not."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Malformed
from schemas.limits import LONG_MAX, LONG_MIN
from schemas.strict_json import Members, Number, is_number, parse_json, read_double, read_integer

lexemes = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
).filter(str.isascii)


@given(lexemes)
def test_integers_are_exact(text):
    """A whole number is read as exact arithmetic reads it, everything else is none (design 8.20)."""
    exact = Decimal(text)
    whole = exact if abs(exact) < 10**20 and exact == exact.to_integral_value() else None
    expected = int(whole) if whole is not None and LONG_MIN <= whole <= LONG_MAX else None
    assert read_integer(text, LONG_MIN, LONG_MAX) == expected


@given(lexemes)
def test_doubles_are_the_nearest(text):
    """A number in range is the nearest double; what would become zero or too large is refused (MS-05)."""
    exact, nearest = abs(Decimal(text)), float(Decimal(text))
    if exact == 0:
        assert read_double(text) == 0.0
    elif 1e-130 <= abs(nearest) < 1e126:
        assert read_double(text) == nearest
    else:
        assert read_double(text) is None


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "+1", "01", "1.", ".1", "1e", "0x1", "1_0", "NaN", "inf", "١", "--1"]
)
def test_only_the_grammar_of_json(text):
    """Text that Python would read and JSON would not is no number (design 8.20)."""
    assert not is_number(text)
    assert read_double(text) is None
    assert read_integer(text, LONG_MIN, LONG_MAX) is None


@pytest.mark.parametrize(
    "text",
    ["9" * 10_000, "-" + "9" * 10_000, "1e999999999", "1e-999999999", "1." + "1" * 10_000, "1e" + "9" * 100],
)
def test_monsters_are_refused_at_once(text):
    """Numbers of thousands of digits cost no time and raise nothing (design 8.10)."""
    assert read_integer(text, LONG_MIN, LONG_MAX) is None
    assert is_number(text)


def test_keeps_what_was_written():
    """Numbers stay text, members stay in order, repeated ones stay."""
    assert parse_json(b' {"a":[1.50,null,true,"1"],"a":-0} ') == Members(
        [("a", [Number("1.50"), None, True, "1"]), ("a", Number("-0"))]
    )
    assert type(parse_json(b"1")) is Number
    assert type(parse_json(b'"1"')) is str


@settings(max_examples=30)
@given(
    st.recursive(st.none() | st.booleans() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c))
)
def test_agrees_with_the_library(value):
    """What the library writes is read back as the library reads it."""

    def plain(thing):
        if isinstance(thing, Members):
            return {name: plain(inner) for name, inner in thing}
        return [plain(inner) for inner in thing] if isinstance(thing, list) else thing

    assert plain(parse_json(json.dumps(value).encode())) == value


@pytest.mark.parametrize(
    "body", [b"", b"\xef\xbb\xbf1", b"\xff", b"NaN", b"[" * 100_000, b"1 2", b'{"a"}', "1".encode("utf-16")]
)
def test_refuses(body):
    """What RFC 8259 does not know is Malformed, with one printable line."""
    with pytest.raises(Malformed) as refusal:
        parse_json(body)
    assert refusal.value.message.isprintable()
