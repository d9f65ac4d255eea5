"""A body of one record is written straight into raw columns, as the long way does (MS-01 … MS-33)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.column_codec import encode_columns
from schemas.limits import INT_MAX, LONG_MAX, LONG_MIN
from schemas.policies import PROFILES
from schemas.records import encode_record, validate_records

NOW_MS = 1_790_000_000_000
TIME = '"_time":"2026-01-01T00:00:00.001Z"'


def aspect_of(**types: str) -> AspectType:
    """Make an aspect type; a type ending in + has a quality code."""
    variables = tuple(
        Variable(name=name, type=VariableType(kind.rstrip("+")), quality_code=kind.endswith("+"))
        for name, kind in types.items()
    )
    return with_ids(AspectType(id="acme.a", tenant="acme", name="a", category="dynamic", variables=variables))


MIXED = aspect_of(d="DOUBLE", i="INT", l="LONG+", b="BOOLEAN", s="STRING", t="TIMESTAMP", q="DOUBLE+")


def short_way(body: bytes, aspect: AspectType = MIXED, profile: str = "open") -> bytes | None:
    return encode_record(aspect, body, now_ms=NOW_MS, profile=PROFILES[profile])


def long_way(body: bytes, aspect: AspectType = MIXED, profile: str = "open") -> bytes | None:
    columns, _ = validate_records(aspect, body, now_ms=NOW_MS, profile=PROFILES[profile])
    return None if columns is None else encode_columns(columns)


def body_of(members: str, aspect_time: str = TIME) -> bytes:
    return f"[{{{aspect_time}{',' if members else ''}{members}}}]".encode()


TAKEN = [
    '"d":1.5',
    '"d":1,"i":-2,"l":3,"b":true,"s":"text","t":"2026-01-01T01:00:00+01:00"',
    '"b":false,"d":0',
    '"d":0.0,"i":0',
    '"d":-0.0',
    f'"l":{LONG_MAX}',
    f'"l":{LONG_MIN},"l_qc":0',
    '"q":2.5,"q_qc":4294967295,"d":7',
    '"s":"äöü"',
    '"s":"1234567"',
    '"d" : 1e3 , "i" : 4',
]


@pytest.mark.parametrize("members", TAKEN)
def test_what_devices_send_is_written_as_the_long_way_does(members):
    """Each type, quality codes and gaps: the same bytes come out of both ways."""
    body = body_of(members)
    written = short_way(body)
    assert written is not None
    assert written == long_way(body)


LEFT = [
    "",
    '"d":null',
    '"d":null,"i":1',
    '"q":null,"q_qc":1',
    '"q_qc":1',
    '"q":1,"q_qc":null',
    '"q":1,"q_qc":4294967296',
    '"q":1,"q_qc":-1',
    '"d":1,"d":2',
    '"d":1,"d_qc":2',
    '"x":1',
    f'"i":{INT_MAX + 1}',
    f'"l":{LONG_MAX + 1}',
    '"l":1.5',
    '"d":"1.5"',
    '"b":"true"',
    '"b":1',
    '"s":""',
    '"s":"a\\u0000"',
    '"s":"a\\"b"',
    f'"s":"{"x" * 256}"',
    '"t":"yesterday"',
    '"t":""',
    '"d":1e-400',
    '"d":0e-5',
    '"d":1e400',
    '"d":1e-320',
]


@pytest.mark.parametrize("members", LEFT)
def test_everything_else_is_left_to_the_long_way(members):
    """What is wrong, or not understood beyond doubt, gives None and no reason."""
    assert short_way(body_of(members)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"[1]",
        b"[{}]",
        b"\xff",
        b'[{"_time":"2026-01-01T00:00:00Z","d":1},{"_time":"2026-01-01T00:00:01Z","d":1}]',
        b'[{"_time":"2026-01-01T00:00:00Z","d":1}',
        b'[{"_time":"2026-01-01T00:00:00Z","d":1}]]',
        b'[{"d":1}]',
        b'[{"_time":"2026-01-01T00:00:00Z","_time":"2026-01-01T00:00:01Z","d":1}]',
        b'[{"_time":"2099-01-01T00:00:00Z","d":1}]',
        b'[{"_time":1,"d":1}]',
        b'[{"\\u005ftime":"2026-01-01T00:00:00Z","d":1}]',
    ],
)
def test_a_body_that_is_no_single_lawful_record_is_left(body):
    """No array of one record, broken JSON, repeated times, times beyond the window."""
    assert short_way(body) is None


def test_the_window_of_time_is_that_of_the_profile():
    """An old record is taken under `open` and left under `strict`, as the long way does."""
    old = body_of('"d":1', '"_time":"2019-01-01T00:00:00Z"')
    assert short_way(old) == long_way(old) is not None
    assert short_way(old, profile="strict") is None
    assert long_way(old, profile="strict") is None


def test_a_type_whose_records_can_be_too_large_is_left():
    """Where the byte rule can break (MS-04), only the long way counts."""
    wide = aspect_of(**{f"s{number}": "BIG_STRING" for number in range(3)})
    body = body_of('"s1":"a"')
    assert short_way(body, wide) is None
    assert long_way(body, wide) is not None


DOUBLES = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**20), 10**20))
VALUES = {
    "d": DOUBLES,
    "i": st.integers(-(2**32), 2**32),
    "l": st.integers(-(2**65), 2**65),
    "b": st.booleans(),
    "s": st.text(max_size=300),
    "t": st.sampled_from(
        ["2026-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "", "2026-01-01T00:00:00.1234+05:30"]
    ),
    "q": DOUBLES,
    "q_qc": st.integers(-1, 2**32),
    "l_qc": st.one_of(st.none(), st.integers(0, 9)),
}


@given(
    record=st.fixed_dictionaries({}, optional={name: st.none() | kind for name, kind in VALUES.items()}),
    escaped=st.booleans(),
)
def test_the_two_ways_never_differ(record, escaped):
    """Whatever the record holds: None, or the bytes of the long way."""
    body = json.dumps([{"_time": "2026-01-01T00:00:00.5Z", **record}], ensure_ascii=escaped).encode(
        "utf-8", "surrogatepass"
    )
    written = short_way(body)
    assert written is None or written == long_way(body)
