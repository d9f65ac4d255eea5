"""Bodies of records at random, against a model that shares nothing with the code and against each other."""

import json

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.cells import Built, build
from schemas.decoders import plan_of
from schemas.diagnosis import diagnose
from schemas.limits import RECORD_BYTES_MAX
from schemas.policies import OPEN, STRICT
from schemas.records import WriteMode, _decoded, _read, rules_of
from schemas.times import format_time
from tests.schemas.samples import ALL, NOW, NOW_MS, accepted, rows_of, validate

PLAN = plan_of(ALL, RECORD_BYTES_MAX)

doubles = st.floats(1e-130, 9.99e125) | st.floats(-9.99e125, -1e-130) | st.sampled_from([0.0, -0.0, 1e-130])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=2)
VALUES = {
    "d": doubles | st.integers(-(10**20), 10**20).map(float),
    "i": st.integers(-(2**31), 2**31 - 1),
    "l": st.integers(-(2**63), 2**63 - 1),
    "b": st.booleans(),
    "s": texts,
    "t": st.integers(-(10**13), 10**14),
    "big": texts | st.just("x" * 1000),
}
CODED = ("d", "i", "s")


@st.composite
def rows(draw) -> dict:
    """Draw one record as it will be read: a name that is missing was not sent, None was sent as null."""
    row = {"_time": draw(st.integers(NOW_MS - 10**9, NOW_MS + 10**9))}
    for name, values in VALUES.items():
        if draw(st.booleans()):
            row[name] = draw(values | st.none())
            if name in CODED and row[name] is not None and draw(st.booleans()):
                row[name + "_qc"] = draw(st.integers(0, 2**32 - 1))
    return row


@st.composite
def spelled(draw, row: dict) -> str:
    """Write a record as one of many clients might: numbers as strings, blanks, escapes, empty strings."""
    members = []
    for name, value in row.items():
        if name in ("_time", "t") and value is not None:
            text = json.dumps(format_time(value)[:-1] + draw(st.sampled_from(["", "9", "999999"])) + "Z")
        else:
            text = json.dumps(value, ensure_ascii=draw(st.booleans()))
            if value is not None and not isinstance(value, str) and draw(st.integers(0, 4)) == 0:
                text = f'"{text}"'
        members.append(f"{json.dumps(name)}{draw(st.sampled_from(['', ' ']))}:{text}")
    unsent = [name for name in VALUES if name not in row]
    members += [f'"{name}":""' for name in unsent if draw(st.integers(0, 9)) == 0]
    comma = "," + draw(st.sampled_from(["", " ", "\n"]))
    return "{" + comma.join(draw(st.permutations(members))) + "}"


@st.composite
def bodies(draw) -> tuple[list[dict], bytes]:
    """Draw rows and a body that says them, small or large."""
    drawn = draw(st.lists(rows(), min_size=1, max_size=4)) * draw(st.sampled_from([1, 1, 12]))
    return drawn, f"[{','.join([draw(spelled(row)) for row in drawn])}]".encode()


@settings(max_examples=50, deadline=None)
@given(bodies(), st.sampled_from(WriteMode))
def test_what_was_sent_is_read(rows_and_body, mode):
    """Whatever spelling a client chooses, the columns hold what it meant (MS-02, design 8.20, 8.21)."""
    drawn, body = rows_and_body
    if mode is WriteMode.MERGE:
        drawn = drawn[:10]
        assume(not any("big" in row for row in drawn) and len(rows_and_body[0]) <= 10)
    expected = [
        {name: value for name, value in row.items() if value is not None or mode is WriteMode.MERGE}
        for row in drawn
    ]

    read = accepted(body, mode=mode)

    assert read == expected
    assert [str(row.get("d")) for row in read] == [str(row.get("d")) for row in expected]  # -0.0 is not 0.0


PIECES = [
    "null", "true", '""', '"x"', "1", "-1", "5.0", "5.5", '"5"', '"5.0"', "1e400", "1e-400",
    "0", "-0", "-0.0", "1e2", "2147483648", "9223372036854775808", '"1e-400"', "[]", "{}",
    '"true"', '"null"', '"NaN"', "NaN", '"abcdef"', r'"\u0000"', r'"\u0022"', r'"\""',
    r'"\ud800"', '"é"', '"😀😀😀"', f'"{NOW}"', '"2027-01-15T08:00:00"', '"1970"',
    "0.0000000000000000000000000000000000001", "4294967296", "9007199254740993",
    "9007199254740993.0", "1" * 400,
]  # fmt: skip
names = st.sampled_from(
    ["d", "d_qc", "i", "i_qc", "l", "b", "s", "s_qc", "t", "big", "x", "l_qc", "_time", "\\u0064"]
)
members = st.tuples(names, st.sampled_from(PIECES)).map(lambda member: f'"{member[0]}":{member[1]}')
records = st.lists(members, max_size=3).map(lambda some: "{" + ",".join([f'"_time":"{NOW}"', *some]) + "}")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(records | st.sampled_from(["{}", "null", "[]"]), min_size=1, max_size=3),
    st.sampled_from([0, 0, 0, 40]),
    st.sampled_from(WriteMode),
    st.sampled_from([OPEN, STRICT]),
)
def test_readers_agree(some, more, mode, profile):
    """What the fast readers take, the diagnosis takes too and equal; what it takes, the columns take."""
    body = f"[{','.join(some * (1 + more))}]".encode()
    rules = rules_of(profile, NOW_MS, mode)

    fast = _read(PLAN, body, rules)
    lists, problems = diagnose(body, PLAN, rules, "")

    assert (lists is None) == bool(problems)
    if fast is not None:
        assert lists is not None, (body, problems)
    if lists is not None:
        slow = build(PLAN, lists, merging=rules.merging)
        assert isinstance(slow, Built)
        columns, found = validate(body, mode=mode, profile=profile)
        assert found == []
        assert rows_of(columns) == rows_of(slow.columns)
        assert np.array_equal(columns.time_ms, slow.columns.time_ms)


@settings(max_examples=80, deadline=None)
@given(bodies(), st.data())
def test_damaged_bodies_never_raise(rows_and_body, data):
    """A body with bytes changed, cut or doubled is taken or refused; nothing else ever happens."""
    body = bytearray(rows_and_body[1])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            body[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            body[at:at] = data.draw(
                st.sampled_from([b'"', b",", b"\\", b"]", b"0", b"e-400", b"\xff", b"null"])
            )
        elif kind == 2 and at > 0:
            del body[at:]
        else:
            body[at:at] = body[at : at + 20]

    columns, problems = validate(bytes(body))

    assert (columns is None) == bool(problems)
    if columns is not None:
        assert json.loads(bytes(body))  # an independent reader takes it as well
        rows_of(columns)
    json.dumps(problems).encode()


@settings(max_examples=40, deadline=None)
@given(bodies())
def test_well_formed_bodies_are_not_diagnosed(rows_and_body):
    """The typed decoders take what clients send; the slow reader stays the exception (design 8.20)."""
    body = rows_and_body[1]
    assume(b"\\u0022" not in body and b"e-" not in body)
    assert _decoded(PLAN, body) is not None
    assert _read(PLAN, body, rules_of(OPEN, NOW_MS, WriteMode.REPLACE)) is not None
