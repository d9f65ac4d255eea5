"""Columns on their way out: JSON that an independent reader understands as what was stored."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import Column, Columns, Texts
from schemas.queries import Part
from schemas.render import render_records
from schemas.times import format_time
from tests.schemas.samples import ALL, NOW, NOW_MS, validate
from tests.schemas.test_records_properties import bodies


def test_form_of_a_record():
    """`_time` first with three digits and Z, codes as strings behind their value, absent ones left out."""
    columns, _ = validate(
        [
            {
                "i": 5.0,
                "d_qc": 192,
                "d": 1,
                "_time": "2027-01-15T08:00:00Z",
                "t": "2027-01-15T13:30:00+05:30",
            },
            {"_time": NOW, "b": False, "s": 'ä"\\', "d": -0.0, "l": -(2**63)},
        ]
    )
    assert render_records(columns, ALL).decode() == (
        f'[{{"_time":"{NOW}","d":1.0,"d_qc":"192","i":5,"t":"{NOW}"}},'
        f'{{"_time":"{NOW}","d":-0.0,"l":-9223372036854775808,"b":false,"s":"ä\\"\\\\"}}]'
    )


def test_no_rows():
    """No rows are an empty array."""
    assert render_records(Columns(np.zeros(0, np.int64)), ALL) == b"[]"


@settings(max_examples=40, deadline=None)
@given(bodies())
def test_what_was_sent_is_read_back(rows_and_body):
    """Every row reads back equal through another JSON reader, doubles bit by bit (design 8.16)."""
    drawn, body = rows_and_body
    columns, _ = validate(body)

    read = json.loads(render_records(columns, ALL))

    expected = []
    for row in drawn:
        shown = {name: value for name, value in row.items() if value is not None}
        for name in ("_time", "t"):
            if name in shown:
                shown[name] = format_time(shown[name])
        expected.append({name: str(v) if name.endswith("_qc") else v for name, v in shown.items()})
    assert read == expected
    assert [repr(row.get("d")) for row in read] == [repr(row.get("d")) for row in expected]
    assert all(next(iter(row)) == "_time" for row in read)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_doubles_are_shortest(numbers):
    """A double is written so that it reads back the same, and no longer than Python would."""
    columns = Columns(np.zeros(len(numbers), np.int64), {1: Column(np.array(numbers))})
    text = render_records(columns, ALL).decode()
    assert [repr(row["d"]) for row in json.loads(text)] == [repr(number) for number in numbers]
    assert len(text) <= sum(len(repr(number)) for number in numbers) + 50 * len(numbers)


def test_widened_types_write_as_the_type_of_today():
    """Integers of a variable that became DOUBLE read as 5.0; removed variables are left out (8.12)."""
    today = AspectType(id="acme.W", tenant="acme", name="W", category="dynamic", variables=(
        Variable(id=1, name="x", type=VariableType.DOUBLE), Variable(id=2, name="y", type=VariableType.LONG),
    ))  # fmt: skip
    cells = {number: Column(np.array([5, 6])) for number in (1, 2, 3)}
    columns = Columns(np.array([NOW_MS, NOW_MS]), cells)
    assert render_records(columns, today).decode() == (
        f'[{{"_time":"{NOW}","x":5.0,"y":5}},{{"_time":"{NOW}","x":6.0,"y":6}}]'
    )


def test_shows_only_the_parts():
    """Only what was selected is written: values with codes, or codes alone (MS-42, wire 1.5)."""
    columns, _ = validate([{"_time": NOW, "d": 1, "d_qc": 3, "i": 2, "i_qc": 4, "l": 9}])
    parts = (Part(2, values=False, codes=True), Part(1, values=True, codes=True))
    assert (
        render_records(columns, ALL, parts).decode() == f'[{{"_time":"{NOW}","d":1.0,"d_qc":"3","i_qc":"4"}}]'
    )
    assert render_records(columns, ALL, (Part(1, values=True, codes=False),)).decode() == (
        f'[{{"_time":"{NOW}","d":1.0}}]'
    )


def test_what_stands_in_absent_cells_never_shows():
    """Rows without a value may hold anything there, also no time and no number."""
    gaps = np.array([True, False])
    columns = Columns(
        np.array([NOW_MS, NOW_MS]),
        {
            1: Column(np.array([1.0, np.nan]), gaps, quality=np.array([7, 7])),
            6: Column(np.array([NOW_MS, 2**62]), gaps),
            5: Column(Texts.of(["a", None]), gaps),
        },
    )
    first, second = json.loads(render_records(columns, ALL))
    assert (first, second) == ({"_time": NOW, "d": 1.0, "d_qc": "7", "s": "a", "t": NOW}, {"_time": NOW})
