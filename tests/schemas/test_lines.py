"""Arrays write what the slow, obvious way writes, byte for byte."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import render
from schemas.columns import Column, Columns, Texts
from schemas.csv_format import CsvFormat
from schemas.lines import Cell, double_text, integer_text, lay
from schemas.render import render_records
from schemas.tables import Found, fields_of
from schemas.times import TIME_MS_MAX, TIME_MS_MIN, format_time, time_text
from tests.schemas.samples import ALL, NOW_MS

COMMON = st.builds(
    lambda number, digits: number / 10**digits, st.integers(-(10**9), 10**9), st.integers(0, 7)
)
ANY = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.sampled_from(
    [0.0, -0.0, 1e15, 999_999_999_999_999.0, 1e16, 1e-5, 9.99e-6, 1e-6, 0.1 + 0.2, 5e-324, 1.7e308, 2.0**53]
)
LONGS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-20_000, 20_000))


def texts_of(text, rows):
    """Lay one column and cut it into its texts."""
    return lay(rows, [Cell(text, b"", b"\n")]).decode().split("\n")[:-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(COMMON, ANY, EDGES), min_size=1, max_size=80))
def test_doubles_are_written_as_the_json_encoder_writes_them(numbers):
    """Short decimals by arrays, all others one by one: the same text for every double (design 8.16)."""
    expected = [msgspec.json.encode(number).decode() for number in numbers]

    assert expected == texts_of(double_text(np.array(numbers)), len(numbers))


@settings(max_examples=60, deadline=None)
@given(st.lists(LONGS, min_size=1, max_size=50))
def test_integers_are_written_in_digits(numbers):
    """Also the least LONG, whose magnitude is no LONG."""
    assert [str(number) for number in numbers] == texts_of(
        integer_text(np.array(numbers, "<i8")), len(numbers)
    )


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(TIME_MS_MIN, TIME_MS_MAX), min_size=1, max_size=50),
        st.lists(st.integers(NOW_MS, NOW_MS + 10**9), min_size=1, max_size=50),
    )
)
def test_times_are_written_as_one_by_one(times):
    """All of one day, of neighbouring days, of any year."""
    assert [format_time(time) for time in times] == texts_of(time_text(np.array(times)), len(times))


@st.composite
def columns(draw):
    """Rows of every type with gaps, codes, and anything where no value is."""
    rows = draw(st.integers(1, 30))
    some = lambda of: st.lists(of, min_size=rows, max_size=rows)  # noqa: E731
    # What the aspect of the samples has: see there for the ids.
    words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
    plain = st.text("abc äé", max_size=9)
    kinds = {
        "d": lambda: np.array(draw(some(st.one_of(COMMON, ANY)))),
        "i": lambda: np.array(draw(some(st.integers(-(2**31), 2**31 - 1)))),
        "l": lambda: np.array(draw(some(LONGS)), "<i8"),
        "b": lambda: np.array(draw(some(st.booleans()))),
        "t": lambda: np.array(draw(some(st.integers(TIME_MS_MIN, TIME_MS_MAX)))),
        "s": lambda: Texts.of(draw(some(draw(st.sampled_from([words, plain]))))),
    }
    cells = {}
    for variable in ALL.variables:
        if variable.name not in kinds or not draw(st.booleans()):
            continue
        present = np.array(draw(some(st.booleans()))) if draw(st.booleans()) else None
        quality = None
        if variable.quality_code and draw(st.booleans()):
            quality = np.array(draw(some(st.integers(-1, 2**32 - 1))))
        cells[variable.id] = Column(kinds[variable.name](), present, quality=quality)
    times = np.cumsum(np.array(draw(some(st.integers(1, 10**8)))))
    return Columns(NOW_MS + times, cells)


def slow_rows(rows):
    """Give the records as dicts, one cell at a time, in the order in which they are written."""
    found = []
    for row in range(rows.rows):
        record = {"_time": format_time(int(rows.time_ms[row]))}
        for variable in ALL.variables:
            column = rows.cells.get(variable.id)
            if column is None or (column.present is not None and not column.present[row]):
                continue
            value = (
                column.values.to_list()[row]
                if isinstance(column.values, Texts)
                else column.values[row].item()
            )
            if variable.type.value == "TIMESTAMP":
                value = format_time(value)
            elif variable.type.value == "DOUBLE":
                value = float(value)
            record[variable.name] = value
            if column.quality is not None and column.quality[row] >= 0:
                record[variable.quality_name] = str(int(column.quality[row]))
        found.append(record)
    return found


@settings(max_examples=50, deadline=None)
@given(columns())
def test_arrays_write_the_bytes_that_one_record_at_a_time_would(rows):
    """Whatever the types, gaps, codes and strings (design 3, 8.16)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "ARRAYS_FROM_ROWS", 1)
        written = render_records(rows, ALL)

    assert msgspec.json.encode(slow_rows(rows)) == written
    assert render_records(rows, ALL) == written


def test_pieces_of_many_rows_are_one_array():
    """Rows beyond a piece follow with a comma, whatever the size of pieces."""
    rows = 2 * render.PIECE_ROWS + 7
    table = Columns(NOW_MS + np.arange(rows), {1: Column(np.arange(rows) / 4), 6: Column(np.arange(rows))})

    written = render_records(table, ALL)

    assert [format_time(NOW_MS + row) for row in range(rows)] == [
        each["_time"] for each in json.loads(written)
    ]
    assert msgspec.json.encode(slow_rows(table)) == written


@settings(max_examples=50, deadline=None)
@given(columns())
def test_csv_reads_back_cell_by_cell(rows):
    """A head of all columns, empty where nothing is, quotes where a string needs them (RFC 4180)."""
    fields = fields_of(ALL)
    writer = CsvFormat(fields)

    written = b"".join((writer.begin(), writer.rows(Found(ALL, rows)), writer.end()))
    head, *lines = list(csv.reader(io.StringIO(written.decode(), newline="")))

    assert ["_time", *(field.name for field in fields)] == head
    expected = [[_shown(record.get(name)) for name in head] for record in slow_rows(rows)]
    assert expected == lines
    assert written.count(b"\r\n") >= rows.rows + 1


def _shown(value):
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
