"""Bodies of records: what is taken, what is refused and where, on both sides of every limit."""

import json
import math

import numpy as np
import pytest

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import ColumnClass
from schemas.durations import DAY_MS, YEAR_MS
from schemas.errors import TooLarge
from schemas.limits import (
    KB,
    MB,
    PATCH_BODY_BYTES_MAX,
    PATCH_RECORDS_MAX,
    PROBLEMS_LISTED_MAX,
    PUT_BODY_BYTES_MAX,
)
from schemas.policies import OPEN, STRICT
from schemas.records import WriteMode
from schemas.times import format_time
from tests.schemas.samples import ALL, NOW, NOW_MS, accepted, refused, rows_of, validate

MANY = 40
"""More rows than are checked one by one."""


def body_of(member: str, text: str, rows: int = 1, row: int = 0) -> bytes:
    """Write `rows` records of which one has this member, spelled exactly so."""
    records = [f'{{"_time":"{NOW}"}}'] * rows
    records[row] = f'{{"_time":"{NOW}","{member}":{text}}}'
    return f"[{','.join(records)}]".encode()


TAKEN = [
    ("d", "1", 1.0), ("d", "1.5", 1.5), ("d", '"1.5"', 1.5), ("d", "-0.0", -0.0), ("d", "0", 0.0), ("d",
    "-0", 0.0),
    ("d", '"-0"', 0.0), ("d", '"-0.0"', -0.0), ("d", "0e-999", 0.0), ("d", '"0e-999"', 0.0), ("d",
    "0.0e999999", 0.0),
    ("d", "1e-130", 1e-130), ("d", "-1e-130", -1e-130), ("d", "9.99999999999999e125", 9.99999999999999e125),
    ("d", '"-9.99999999999999E+125"', -9.99999999999999e125), ("d", "1" * 100, float("1" * 100)),
    ("d", "0." + "0" * 100 + "1", 1e-101), ("d", "123456789012345678", 123456789012345680.0), ("d",
    "1e2", 100.0),
    ("i", "2147483647", 2**31 - 1), ("i", "-2147483648", -(2**31)), ("i", "5.0", 5), ("i", '"5.0"', 5),
    ("i", "5e2", 500), ("i", '"15"', 15), ("i", "-0", 0), ("i", "-0.0", 0), ("i", "0e99999", 0), ("i",
    "500e-2", 5),
    ("l", "9223372036854775807", 2**63 - 1), ("l", "-9223372036854775808", -(2**63)),
    ("l", '"9223372036854775807"', 2**63 - 1), ("l", "9007199254740993", 2**53 + 1),
    ("l", "9007199254740993.0", 2**53 + 1), ("l", '"9007199254740993.0"', 2**53 + 1),
    ("l", "9.223372036854775807e18", 2**63 - 1),
    ("b", "true", True), ("b", "false", False), ("b", '"true"', True), ("b", '"false"', False),
    ("s", '"abcde"', "abcde"), ("s", '"5"', "5"), ("s", '"äöüß€"', "äöüß€"),
    ("s", '"\U0001f600\U0001f600x"', "😀😀x"),
    ("s", r'"\ud83d\ude00"', "😀"), ("s", r'"\"\\\/\n"', '"\\/\n'), ("s", r'"\u0022"', '"'),
    ("s", '" "', " "),
    ("big", '"' + "x" * 1000 + '"', "x" * 1000),
    ("t", f'"{NOW}"', NOW_MS), ("t", '"1969-12-31T23:59:59Z"', -1000),
    ("t", '"2027-01-15T13:30:00.0009+05:30"', NOW_MS),
    ("t", '"9999-12-31T23:59:59.999Z"', 253402300799999),
]  # fmt: skip

WRONG = [
    ("d", "NaN"), ("d", "Infinity"), ("d", "-Infinity"), ("d", '"NaN"'), ("d", '"Infinity"'), ("d", '"inf"'),
    ("d", "1e400"), ("d", '"1e400"'), ("d", "1e-400"), ("d", '"1e-400"'), ("d", "-1e-400"), ("d", "1e-324"),
    ("d", "0." + "0" * 400 + "1"), ("d", "9.99e-131"), ("d", "1e126"), ("d", "-1e126"), ("d", "1" * 5000),
    ("d", "true"), ("d", '"true"'), ("d", '"1,5"'), ("d", '" 1"'), ("d", '"1 "'), ("d", '"0x10"'),
    ("d", '"1_0"'),
    ("d", '"+1"'), ("d", '".5"'), ("d", '"1."'), ("d", '"01"'), ("d", '"٣"'), ("d", "[]"), ("d", "{}"),
    ("d", '" "'),
    ("i", "2147483648"), ("i", "-2147483649"), ("i", '"2147483648"'), ("i", "5.5"), ("i", '"5.5"'), ("i",
    "true"),
    ("i", "1e-400"), ("i", "0.99999999999999999999"), ("i", "1e999999999999999999999"),
    ("i", '"1e-999999999999999999999"'),
    ("i", "9" * 5000), ("i", '"' + "9" * 5000 + '"'), ("i", "2147483647.0000000001"),
    ("l", "9223372036854775808"), ("l", "-9223372036854775809"), ("l", "18446744073709551616"), ("l", "1e19"),
    ("l", '"9223372036854775808.0"'), ("l", "9.2233720368547758075e18"), ("l", "1e4000000"),
    ("b", "1"), ("b", "0"), ("b", '"True"'), ("b", '"1"'), ("b", '"yes"'), ("b", "[true]"),
    ("s", "5"), ("s", "true"), ("s", '"abcdef"'), ("s", '"\U0001f600\U0001f600\U0001f600"'),
    ("s", r'"a\u0000"'),
    ("s", r'"\ud800"'), ("s", r'"\udc00\ud800"'), ("s", '["a"]'),
    ("big", '"' + "x" * 1001 + '"'), ("big", r'"\u0000"'),
    ("t", "1800000000000"), ("t", '"2027-01-15T08:00:00"'), ("t", '"2027-01-15 08:00:00Z"'),
    ("t", '"1800000000000"'),
    ("t", '"2027-02-29T00:00:00.000Z"'), ("t", "true"),
    ("d_qc", "0"), ("x", "1"), ("l_qc", "0"), ("_time_qc", "0"), ("", "1"), ("D", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("member", "text", "expected"), TAKEN)
def test_takes_values(member, text, expected):
    """Values at the edge of their type are taken exactly, in small and large bodies (MS-02, MS-05, 8.20)."""
    for rows, row in ((1, 0), (3, 1), (MANY, 0), (MANY, MANY - 1)):
        read = accepted(body_of(member, text, rows, row))
        assert read == [
            {"_time": NOW_MS} | ({member: expected} if place == row else {}) for place in range(rows)
        ]
        assert type(read[row][member]) is type(expected)
        if expected == 0:
            assert math.copysign(1, read[row][member]) == math.copysign(1, expected)


@pytest.mark.parametrize(("member", "text"), WRONG)
def test_refuses_values(member, text):
    """Values beyond their type are refused with their pointer (MS-02, MS-05, MS-31, design 8.10)."""
    for rows, row in ((1, 0), (MANY, 7)):
        problem = refused(body_of(member, text, rows, row))[0]
        not_json = text in ("NaN", "Infinity", "-Infinity")
        assert problem.pointer == ("" if not_json else f"/{row}/{member}")
        assert len(problem.message) < 400
        assert problem.message.isprintable()


@pytest.mark.parametrize("text", ["null", '""'])
@pytest.mark.parametrize("member", ["d", "i", "l", "b", "s", "t", "big", "d_qc", "s_qc"])
def test_null_and_empty_are_absent(member, text):
    """Null and the empty string are as good as not sent; a record of the time alone is kept (MS-28)."""
    for rows in (1, MANY):
        columns, problems = validate(body_of(member, text, rows))
        assert problems == []
        assert columns.cells == {}
        assert columns.rows == rows


MALFORMED = {
    "nothing": b"",
    "blank": b"  ",
    "a byte order mark": b"\xef\xbb\xbf" + body_of("d", "1"),
    "UTF-16": body_of("d", "1").decode().encode("utf-16"),
    "trailing bytes": body_of("d", "1") + b"x",
    "a second body": body_of("d", "1") + body_of("d", "1"),
    "a trailing NUL": body_of("d", "1") + b"\0",
    "a trailing comma": body_of("d", "1")[:-1] + b",]",
    "a comment": b"[/*x*/]",
    "cut off": body_of("d", "1")[:-1],
    "cut in a string": body_of("s", '"abc"')[:-4],
    "bytes that are not UTF-8": body_of("s", '"?"').replace(b"?", b"\xff"),
    "an overlong NUL": body_of("s", '"?"').replace(b"?", b"\xc0\x80"),
    "a surrogate in UTF-8": body_of("s", '"?"').replace(b"?", b"\xed\xa0\x80"),
    "a raw control character": body_of("s", '"?"').replace(b"?", b"\x01"),
    "a raw NUL": body_of("s", '"?"').replace(b"?", b"\0"),
    "an unknown escape": body_of("s", r'"\x41"'),
    "single quotes": b"[{'_time':1}]",
    "a leading zero": body_of("d", "01"),
    "a bare point": body_of("d", ".5"),
    "a plus": body_of("d", "+1"),
    "arrays 10^5 deep": b"[" * 100_000,
    "arrays 10^5 deep in a value": body_of("d", "[" * 100_000 + "]" * 100_000),
    "objects 10^5 deep": b'{"d":' * 100_000,
    "deep unknown member": body_of("zz", "[" * 50_000 + "]" * 50_000),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_refuses_what_is_not_json(body):
    """What RFC 8259 does not know is one problem at the root, never an exception (design 8.10)."""
    [problem] = refused(body)
    assert (problem.pointer, problem.code) == ("", "aspectstore.json.malformed")


SHAPES = {
    b"{}": "", b"null": "", b"5": "", b'"x"': "", b"[]": "", b"true": "",
    b"[[]]": "/0", b"[5]": "/0", b"[null]": "/0",
    b'["x"]': "/0", b"[{}]": "/0/_time", b'[{"_time":null}]': "/0/_time", b'[{"_time":5}]': "/0/_time",
    b'[{"_time":""}]': "/0/_time", b'[{"_time":{}}]': "/0/_time", b'[{"_time":"2027-01-15"}]': "/0/_time",
    b'[{"a/b~c":1,"_time":"2027-01-15T08:00:00Z"}]': "/0/a~1b~0c",
    b'[{"\\ud800":1,"_time":"2027-01-15T08:00:00Z"}]': "/0/\\ud800",
}  # fmt: skip


@pytest.mark.parametrize(("body", "pointer"), SHAPES.items())
def test_points_at_wrong_shapes(body, pointer):
    """What is no array of objects with a time is refused at the place; pointers are escaped (design 6)."""
    problem = refused(body)[0]
    assert problem.pointer == pointer
    json.dumps(problem).encode()


def test_repeated_members_are_refused():
    """A member that is there twice is found, however it is spelled (design 8.10)."""
    for rows in (1, MANY):
        record = f'{{"_time":"{NOW}","d":1}}'
        for twice, member in (
            (f'{{"_time":"{NOW}","d":1,"d":1}}', "d"),
            (f'{{"_time":"{NOW}","d":1,"\\u0064":1}}', "d"),
            (f'{{"_time":"{NOW}","_time":"{NOW}","d":1}}', "_time"),
            (f'{{"_time":"{NOW}","d":"1","d":1}}', "d"),
            (f'{{"_time":"{NOW}","d":null,"d":1}}', "d"),
            (f'{{"_time":"{NOW}","d":1,"d":null}}', "d"),
            (f'{{"_time":"{NOW}","d":1,"d_qc":1,"d_qc":1}}', "d_qc"),
            (f'{{"_time":"{NOW}","s":"\\u0022\\u0022","d":1,"d":1}}', "d"),
            (f'{{"_time":"{NOW}","s":"","s":"a"}}', "s"),
        ):
            body = f"[{','.join([record] * (rows - 1) + [twice])}]".encode()
            [problem] = refused(body)
            assert (problem.pointer, problem.code) == (
                f"/{rows - 1}/{member}",
                "aspectstore.json.duplicateMember",
            )


def test_quotes_inside_strings_are_no_repetition():
    """Escaped quotes and backslashes do not make a body look as if a member were there twice."""
    texts = ['"', '""', '\\"', 'a"b', "\\", "\\u"]
    assert accepted([{"_time": NOW, "s": text} for text in texts * 20]) == [
        {"_time": NOW_MS, "s": text} for text in texts * 20
    ]


def test_quality_codes():
    """Codes from 0 to 2^32 - 1 are taken as number or string; null is none (MS-09, design 8.16)."""
    codes = [0, 1, 192, 2**32 - 1, "0", "4294967295", 5.0, None, ""]
    expected = [0, 1, 192, 2**32 - 1, 0, 2**32 - 1, 5, None, None]
    for times in (1, MANY):
        read = accepted([{"_time": NOW, "d": 1, "d_qc": code} for code in codes * times])
        assert [row.get("d_qc") for row in read] == expected * times
    for wrong in (-1, 2**32, "-1", "4294967296", 1.5, True, "good", [], {}):
        for times in (1, MANY):
            body = [{"_time": NOW, "d": 1, "d_qc": 0}] * times + [{"_time": NOW, "d": 1, "d_qc": wrong}]
            [problem] = refused(body)
            assert problem.pointer == f"/{times}/d_qc"


@pytest.mark.parametrize("given", [{}, {"d": None}, {"d": ""}])
@pytest.mark.parametrize("mode", WriteMode)
def test_a_code_needs_its_value(given, mode):
    """`x_qc` without `x` is refused, also where x is null or empty (MS-09, design 8.16)."""
    for others in (0, 8):
        body = [{"_time": NOW, "d": 1, "d_qc": 0}] * others + [{"_time": NOW, **given, "d_qc": 0}]
        [problem] = refused(body, mode=mode)
        assert (problem.pointer, problem.code) == (
            f"/{others}/d_qc",
            "aspectstore.records.qualityWithoutValue",
        )


def test_a_wrong_value_is_not_called_missing():
    """The code of a faulty value is not complained about: one mistake, one problem."""
    [problem] = refused([{"_time": NOW, "d": "x", "d_qc": 0}])
    assert problem.pointer == "/0/d"


def test_a_code_where_none_is_declared_is_refused():
    """`v_qc` for a variable without qualityCode is refused with that reason (MS-09)."""
    [problem] = refused([{"_time": NOW, "l": 1, "l_qc": 0}])
    assert "without qualityCode" in problem.message


def test_columns_keep_to_their_conventions():
    """A column appears only where a row has a value; bitmaps only where something is absent (design 3.2)."""
    columns, _ = validate(
        [{"_time": NOW, "d": 1, "i": 2, "s": "a", "b": True}, {"_time": NOW, "d": 2, "i_qc": None}]
    )
    by_name = {variable.name: columns.cells.get(variable.id) for variable in ALL.variables}
    assert [name for name, column in by_name.items() if column is None] == ["l", "t", "big"]
    assert by_name["d"].present is None
    assert by_name["i"].present.tolist() == [True, False]
    assert [by_name[name].quality for name in "di"] == [None, None]
    assert by_name["s"].values.to_list() == ["a", ""]
    assert [by_name[name].column_class for name in "disb"] == [
        ColumnClass.FLOAT, ColumnClass.INTEGER, ColumnClass.TEXT, ColumnClass.BOOLEAN,
    ]  # fmt: skip
    assert (columns.time_ms.dtype, by_name["d"].values.dtype, by_name["i"].values.dtype) == (
        "<i8",
        "<f8",
        "<i8",
    )
    assert columns.merges is None


def test_rows_keep_the_order_of_the_body():
    """The same time twice stays two rows in the order sent: the last one wins later (MS-24, MS-26)."""
    at = ["2027-01-15T08:00:00.0011Z", "2027-01-15T08:00:00.0019Z", "2027-01-15T08:00:00.000Z"]
    read = accepted([{"_time": time, "i": place} for place, time in enumerate(at)])
    assert read == [{"_time": NOW_MS + 1, "i": 0}, {"_time": NOW_MS + 1, "i": 1}, {"_time": NOW_MS, "i": 2}]


def test_tyre_record_with_numbers_as_strings():
    """The four wheels of the dialect's own sample, with numbers as strings, come back as numbers (MS-33)."""
    wheels = tuple(
        Variable(id=n, name=f"{corner}Wheel", type=VariableType.DOUBLE)
        for n, corner in enumerate(("FR", "FL", "RR", "RL"), 1)
    )
    tyres = AspectType(id="acme.Tyres", tenant="acme", name="Tyres", category="dynamic", variables=wheels)
    columns, problems = validate(
        [{"_time": NOW, "FRWheel": "93", "FLWheel": "93.5", "RRWheel": 95, "RLWheel": "9.4e1"}], aspect=tyres
    )
    assert problems == []
    assert [column.values.tolist() for column in columns.cells.values()] == [[93.0], [93.5], [95.0], [94.0]]


WINDOWS = [
    (OPEN, WriteMode.REPLACE, 0, NOW_MS + 31 * DAY_MS),
    (OPEN, WriteMode.MERGE, 0, NOW_MS + 31 * DAY_MS),
    (STRICT, WriteMode.REPLACE, NOW_MS - YEAR_MS, NOW_MS + 31 * DAY_MS),
    (STRICT, WriteMode.MERGE, NOW_MS - DAY_MS, NOW_MS),
]


@pytest.mark.parametrize(("profile", "mode", "first_ms", "last_ms"), WINDOWS)
def test_window_of_time(profile, mode, first_ms, last_ms):
    """Both ends of the window are taken, one millisecond beyond is refused (MS-27, wire 1.4, design 7)."""
    for good in (first_ms, last_ms):
        accepted([{"_time": format_time(good), "d": 1}], profile=profile, mode=mode)
    for wrong in (first_ms - 1, last_ms + 1):
        [problem] = refused(
            [{"_time": NOW, "d": 1}, {"_time": format_time(wrong), "d": 1}], profile=profile, mode=mode
        )
        assert (problem.pointer, problem.code) == ("/1/_time", "aspectstore.records.timeWindow")
        assert format_time(first_ms) in problem.message
        assert format_time(last_ms) in problem.message


@pytest.mark.parametrize(("mode", "most"), [(WriteMode.REPLACE, MB), (WriteMode.MERGE, 600 * KB)])
def test_body_bytes(mode, most):
    """A body of exactly the limit is read, one byte more is too large (MS-22, wire 1.4)."""
    assert most == {WriteMode.REPLACE: PUT_BODY_BYTES_MAX, WriteMode.MERGE: PATCH_BODY_BYTES_MAX}[mode]
    body = body_of("d", "1")
    accepted(body + b" " * (most - len(body)), mode=mode)
    with pytest.raises(TooLarge, match=f"{most // KB} KB"):
        validate(body + b" " * (most + 1 - len(body)), mode=mode)


def test_first_hundred_problems():
    """Every problem is listed up to the first hundred (design 8.19)."""
    assert len(refused([{"_time": NOW, "d": "x", "i": 1.5}] * 3)) == 6
    problems = refused([{"_time": NOW, "d": "x"}] * 150)
    assert [problem.pointer for problem in problems] == [f"/{row}/d" for row in range(PROBLEMS_LISTED_MAX)]
    assert len(refused(b"[" + b",".join([b"{}"] * 300_000) + b"]")) == PROBLEMS_LISTED_MAX


def test_pointers_begin_where_the_body_stands():
    """The pointers of a part of a body begin with its place."""
    from schemas.records import validate_records

    _, [problem] = validate_records(ALL, b"[{}]", now_ms=NOW_MS, profile=OPEN, at="/timeseries/1/data")
    assert problem.pointer == "/timeseries/1/data/0/_time"


# Strings and bytes.


@pytest.mark.parametrize(("length", "filler"), [(255, "x"), (255, "ä"), (255, "€")])
def test_string_length(length, filler):
    """A STRING of the declared length is taken, one character more is refused (MS-03)."""
    aspect = _texts(("s", VariableType.STRING, length))
    for rows in (1, MANY):
        good = {"_time": NOW, "s": filler * length}
        validate([good] * rows, aspect=aspect)[0].rows  # noqa: B018 - fails if refused
        [problem] = refused([good] * rows + [{"_time": NOW, "s": filler * (length + 1)}], aspect=aspect)
        assert (problem.pointer, problem.code) == (f"/{rows}/s", "aspectstore.records.tooLong")


@pytest.mark.parametrize("filler", ["x", "ä", "€", "😀"])
def test_record_bytes(filler):
    """A record of 200,000 bytes by the rule of two a character is taken, one byte more refused (MS-04)."""
    aspect = _texts(("a", VariableType.BIG_STRING, 100_000), ("s", VariableType.STRING, 255))
    aspect = _with_boolean(aspect)
    units = len(filler.encode("utf-16-le")) // 2
    text = filler * (100_000 // units)
    columns, problems = validate([{"_time": NOW, "a": text}], aspect=aspect)
    assert problems == []
    assert columns.cells[1].values.to_list() == [text]
    [problem] = refused([{"_time": NOW, "a": text, "flag": True}], aspect=aspect)
    assert (problem.pointer, problem.code) == ("/0", "aspectstore.records.tooLarge")
    assert "200001" in problem.message
    assert validate([{"_time": NOW, "a": text[:-1], "flag": True}], aspect=aspect)[1] == []
    [problem] = refused(
        [{"_time": NOW, "flag": True}, {"_time": NOW, "a": text[:-1], "s": "xx" * units}], aspect=aspect
    )
    assert problem.pointer == "/1"


def _texts(*declared):
    variables = tuple(
        Variable(id=n, name=name, type=type_, length=length)
        for n, (name, type_, length) in enumerate(declared, 1)
    )
    return AspectType(id="acme.T", tenant="acme", name="T", category="dynamic", variables=variables)


def _with_boolean(aspect):
    flag = Variable(id=9, name="flag", type=VariableType.BOOLEAN)
    return AspectType(
        id="acme.TB", tenant="acme", name="TB", category="dynamic", variables=(*aspect.variables, flag)
    )


# PATCH.


def test_patch_keeps_removes_and_sets():
    """In a PATCH what is not given stays, null removes, a value is set (wire 1.4, design 3.2)."""
    body = [
        {"_time": NOW, "d": None, "i": 1, "s": ""},
        {"_time": NOW, "d": 2.0, "d_qc": 7},
        {"_time": NOW, "l": None},
    ]
    columns, problems = validate(body, mode=WriteMode.MERGE)
    assert problems == []
    assert columns.merges.tolist() == [True] * 3
    assert rows_of(columns) == [
        {"_time": NOW_MS, "d": None, "i": 1},
        {"_time": NOW_MS, "d": 2.0, "d_qc": 7},
        {"_time": NOW_MS, "l": None},
    ]
    long_column = columns.cells[3]
    assert (long_column.present.tolist(), long_column.removed.tolist()) == ([False] * 3, [False, False, True])


@pytest.mark.parametrize("text", ["null", '""', "1"])
def test_patch_null_of_every_type(text):
    """Null removes a value of any type but BIG_STRING."""
    for variable in ALL.variables[:-1]:
        if text == "null":
            assert accepted(body_of(variable.name, text), mode=WriteMode.MERGE) == [
                {"_time": NOW_MS, variable.name: None}
            ]
        elif text == '""':
            assert accepted(body_of(variable.name, text), mode=WriteMode.MERGE) == [{"_time": NOW_MS}]


def test_patch_of_ten_records():
    """Ten records are taken, eleven refused (wire 1.4)."""
    record = {"_time": NOW, "d": 1}
    accepted([record] * PATCH_RECORDS_MAX, mode=WriteMode.MERGE)
    [problem] = refused([record] * (PATCH_RECORDS_MAX + 1), mode=WriteMode.MERGE)
    assert (problem.pointer, problem.code) == ("", "aspectstore.records.tooMany")


@pytest.mark.parametrize("value", ["text", None])
def test_patch_refuses_big_strings(value):
    """A PATCH does not touch a BIG_STRING, neither to set nor to remove it (wire 1.4)."""
    [problem] = refused([{"_time": NOW, "big": value}], mode=WriteMode.MERGE)
    assert (problem.pointer, problem.code) == ("/0/big", "aspectstore.records.notPatchable")


# Versions of a type.


def test_a_type_made_again_is_compiled_again():
    """A type deleted and made anew with the same id and version does not meet the old decoder."""
    before = AspectType(id="acme.X", tenant="acme", name="X", category="dynamic", variables=(
        Variable(id=1, name="a", type=VariableType.INT),))  # fmt: skip
    after = AspectType(id="acme.X", tenant="acme", name="X", category="dynamic", variables=(
        Variable(id=1, name="a", type=VariableType.STRING),))  # fmt: skip
    assert validate([{"_time": NOW, "a": 1}], aspect=before)[1] == []
    assert validate([{"_time": NOW, "a": "x"}], aspect=after)[1] == []
    refused([{"_time": NOW, "a": "x"}], aspect=before)


def test_names_that_mean_something_to_python():
    """Variables may be called as keywords, members of objects or our own fields are."""
    names = ["class", "lambda", "__init__", "__slots__", "t", "v0", "q0", "None", "self", "_"]
    variables = tuple(
        Variable(id=n, name=name, type=VariableType.INT, quality_code=True) for n, name in enumerate(names, 1)
    )
    aspect = AspectType(id="acme.K", tenant="acme", name="K", category="dynamic", variables=variables)
    columns, problems = validate([{"_time": NOW} | {name: n for n, name in enumerate(names)}], aspect=aspect)
    assert problems == []
    assert [column.values.tolist() for column in columns.cells.values()] == [[n] for n in range(len(names))]


def test_an_aspect_without_variables_takes_times():
    """An aspect without variables takes records of the time alone."""
    bare = AspectType(id="acme.B", tenant="acme", name="B", category="dynamic", variables=())
    columns, problems = validate([{"_time": NOW}], aspect=bare)
    assert (columns.cells, problems) == ({}, [])
    refused([{"_time": NOW, "a": 1}], aspect=bare)


def test_arrays_are_of_the_declared_kind():
    """Columns of a large body have the same kinds as those of a small one."""
    for rows in (1, MANY):
        columns, _ = validate([{"_time": NOW, "d": 1, "i": 1, "l": 1, "b": True, "t": NOW}] * rows)
        kinds = [columns.cells[n].values.dtype for n in (1, 2, 3, 4, 6)]
        assert kinds == [np.float64, np.int64, np.int64, np.bool_, np.int64]


def test_a_record_of_unknown_members_is_not_read_to_its_end():
    """A hundred problems inside one record are enough, too (design 8.19)."""
    problems = refused([{"_time": NOW} | {f"k{number}": 1 for number in range(1_000)}])
    assert [problem.pointer for problem in problems] == [
        f"/0/k{number}" for number in range(PROBLEMS_LISTED_MAX)
    ]
