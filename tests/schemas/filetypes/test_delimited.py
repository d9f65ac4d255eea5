"""Delimited text is read by arrays, and each value is what the csv module and `float` read (SM-03, SM-10)."""

import csv
import io
import lzma
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aspects import Variable, VariableType
from schemas.columns import Column, Texts
from schemas.errors import Malformed, Refused, TooLarge
from schemas.filetypes import limits, text
from schemas.filetypes.building import TimeBounds
from schemas.filetypes.chunks import Chunk, RefusedRow
from schemas.filetypes.model import FileType, Narrow
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.reading import open_table, read_table
from schemas.times import format_time, parse_time

PLAIN = FileType(name="plain", time_columns=("t",), zone="UTC")


def read(file_type: FileType, octets: bytes, piece: int = 10_000, **options) -> list[Chunk]:
    """Read bytes that arrive in pieces."""
    pieces = [octets[start : start + piece] for start in range(0, len(octets), piece)]
    return list(read_table(file_type, pieces, **options))


def values_of(column: Column) -> list[object]:
    """Give the values of a column, None where there is none."""
    values = column.values.to_list() if isinstance(column.values, Texts) else column.values.tolist()
    present = [True] * len(values) if column.present is None else column.present.tolist()
    return [value if there else None for value, there in zip(values, present, strict=True)]


def table_of(chunks: list[Chunk]) -> list[dict[str, object]]:
    """Give every row as a dictionary, with its time and its line."""
    rows = []
    for chunk in chunks:
        columns = {name: values_of(column) for name, column in chunk.columns.items()}
        for row in range(chunk.rows):
            cells = {name: values[row] for name, values in columns.items()}
            rows.append(
                {"_time": format_time(int(chunk.time_ms[row])), "_line": int(chunk.lines[row]), **cells}
            )
    return rows


def refused_of(chunks: list[Chunk]) -> list[RefusedRow]:
    """Give every refused row."""
    return [row for chunk in chunks for row in chunk.refused]


def test_every_value_of_a_logger_file_is_what_the_csv_module_reads(test_data: Path) -> None:
    """A TOA5 file of 95,629 rows by its preset: each time, line, number and text is equal (SM-12)."""
    octets = lzma.decompress((test_data / "mast/toa5_full.csv.xz").read_bytes())
    lines = list(csv.reader(io.StringIO(octets.decode("utf-8-sig"), newline="")))
    names, rows = lines[1], lines[4:]
    absent = {"", *PRESETS["campbell-toa5"].na_values}

    chunks = read(PRESETS["campbell-toa5"], octets, 65_536)

    assert refused_of(chunks) == []
    assert [len(rows), len(rows)] == [sum(chunk.rows for chunk in chunks), 95_629]
    times = np.array([row[0].replace(" ", "T") for row in rows], "datetime64[ms]").astype(np.int64)
    assert np.array_equal(times, np.concatenate([chunk.time_ms for chunk in chunks]))
    assert np.array_equal(np.arange(5, 5 + len(rows)), np.concatenate([chunk.lines for chunk in chunks]))
    for name, cells in zip(names[1:], list(zip(*rows, strict=True))[1:], strict=True):
        columns = [chunk.columns[name] for chunk in chunks]
        if name == "Site":
            assert [value for column in columns for value in values_of(column)] == list(cells)
            continue
        expected = np.array([np.nan if cell in absent else float(cell) for cell in cells])
        found = [
            np.where(True if one.present is None else one.present, one.values, np.nan) for one in columns
        ]
        assert np.array_equal(expected, np.concatenate(found), equal_nan=True), name


def test_two_formats_of_one_mast_agree(test_data: Path) -> None:
    """Windographer text and TOA5 files of one mast hold the same values at the same times."""
    with lzma.open(test_data / "mast/toa5_full.csv.xz") as file:
        octets = file.read(100_000).rpartition(b"\n")[0]
    full = {row["_time"]: row for row in table_of(read(PRESETS["campbell-toa5"], octets))}
    small = table_of(read(PRESETS["campbell-toa5"], (test_data / "mast/toa5_small.csv").read_bytes()))
    tool = table_of(
        read(PRESETS["windographer-text"], (test_data / "mast/windographer_small.txt").read_bytes())
    )

    assert len(small) == len(tool) == 188
    for one, other in zip(small, tool, strict=True):
        same = {name: value for name, value in one.items() if name in other and name != "_line"}
        assert same == {name: other[name] for name in same}
        assert same == {name: full[one["_time"]][name] for name in same}


LOGGER = b"""\
station,Tower 7
serial,00123

YYYYMMDD HHMM M(m/s) D(deg) T(C) P(hPa) H(%) B(V) S(m/s) X(m/s) N(m/s)
20151222 0000 20.54 270 4.1 1001.2 88 12.6 1.2 25.1 15.0
20151222 0010 19.99 271 4.0 1001.1 89 12.6 1.1 24.0 14.2
"""


def test_the_header_is_the_first_line_with_all_columns_of_times() -> None:
    """Three lines stand before the header, nine columns and two rows are eighteen readings (SM-04, SM-05)."""
    file_type = FileType(
        name="logger",
        delimiter_pattern=r"\s+",
        time_columns=("YYYYMMDD", "HHMM"),
        time_formats=("%Y%m%d %H%M",),
        zone="UTC",
    )

    table = open_table(file_type, [LOGGER])
    rows = table_of(list(table.chunks()))

    assert (4, 11) == (table.head.header_line, len(table.head.columns))
    assert {"station": "Tower 7", "serial": "00123"} == table.head.attributes
    assert 18 == sum(len(row) - 2 for row in rows)
    assert ("2015-12-22T00:00:00.000Z", 20.54) == (rows[0]["_time"], rows[0]["M(m/s)"])
    assert [5, 6] == [row["_line"] for row in rows]


def test_a_header_that_is_not_there_refuses_the_file() -> None:
    """No line with the columns of times: the file is refused before a row of it is read (SM-04)."""
    with pytest.raises(Malformed, match="No timeColumns 't' found in 2 lines"):
        open_table(PLAIN, [b"a,b\n1,2\n"])


def test_values_that_stand_for_none_are_none() -> None:
    """Declared texts and empty cells are no values, quoted or not (SM-10)."""
    file_type = msgspec.structs.replace(PLAIN, na_values=("NAN", "-999"))

    rows = table_of(
        read(
            file_type, b't,a,b\n2020-01-01,NAN,x\n2020-01-02,"NAN",\n2020-01-03, -999 ,NAN\n2020-01-04,5,y\n'
        )
    )

    assert [None, None, None, 5.0] == [row["a"] for row in rows]
    assert ["x", None, None, "y"] == [row["b"] for row in rows]


def test_a_bad_cell_is_named_by_line_and_column() -> None:
    """A row with a cell that is no number is refused with its place, the others are kept (SM-10)."""
    chunks = read(PLAIN, b"t,a,b\n2020-01-01,1,2\n2020-01-02,1,2x\n2020-01-03,nan,2\n2020-01-04,3,4\n",
                  types={name: Variable(name=name, type=VariableType.DOUBLE) for name in "ab"})  # fmt: skip

    assert [
        RefusedRow(3, "b", "is no number", "2x"),
        RefusedRow(4, "a", "is no number", "nan"),
    ] == refused_of(chunks)
    assert [2, 5] == [row["_line"] for row in table_of(chunks)]


RAGGED = b"""t,a,b
2020-01-01,1,2
2020-01-02,1
2020-01-03,1,2,3

2020-01-04,"1,2
2020-01-05,"7","8"
,1,2
yesterday,1,2
1969-12-31,1,2
2031-01-01,1,2
2020-01-06,5" ,6
"""


def test_every_row_is_accounted_for() -> None:
    """Rows too short or long, with wrong quotes, without or beyond time: each has its reason (SM-10)."""
    bounds = TimeBounds(to_ms=parse_time("2030-01-01T00:00:00Z"))
    texts = {
        "a": Variable(name="a", type=VariableType.STRING),
        "b": Variable(name="b", type=VariableType.DOUBLE),
    }

    chunks = read(PLAIN, RAGGED, types=texts, bounds=bounds)

    assert [(2, "1", 2.0), (7, "7", 8.0), (12, '5" ', 6.0)] == [
        (row["_line"], row["a"], row["b"]) for row in table_of(chunks)
    ]
    reasons = {row.line: row.reason.split(";")[0] for row in refused_of(chunks)}
    assert {
        3: "the row has 2 cells, the header 3",
        4: "the row has 4 cells, the header 3",
        6: "the quotes of the row are not closed on its line",
        8: "there is no time",
        9: "is no time of the declared formats",
        10: "lies before the earliest time that is taken",
        11: "lies after the latest time that is taken",
    } == reasons


def test_cells_go_over_lines_where_that_is_declared() -> None:
    """A quoted cell may hold line ends; the line of a row is the one that it begins on."""
    file_type = msgspec.structs.replace(PLAIN, multiline=True)

    rows = table_of(read(file_type, b't,a\n2020-01-01,"x\ny, ""z"""\n2020-01-02,w\n', 7))

    assert ['x\ny, "z"', "w"] == [row["a"] for row in rows]
    assert [2, 4] == [row["_line"] for row in rows]


def test_decimal_commas_are_read() -> None:
    """Where a comma is the decimal point, 1,5 is a number and so is 7."""
    file_type = msgspec.structs.replace(PLAIN, delimiter=";", decimal_comma=True)

    rows = table_of(read(file_type, b"t;a\n2020-01-01;1,5\n2020-01-02;7\n"))

    assert [1.5, 7.0] == [row["a"] for row in rows]


@pytest.mark.parametrize(
    ("encoding", "declared", "told"),
    [
        ("utf-8", "", "utf-8"), ("utf-8-sig", "", "utf-8-sig"), ("utf-16", "", "utf-16"),
        ("utf-16-le", "", "utf-16-le"), ("cp1252", "", "cp1252"), ("latin-1", "latin-1", "latin-1"),
    ],
)  # fmt: skip
def test_an_encoding_is_declared_or_told(encoding: str, declared: str, told: str) -> None:
    """The same text is read in each encoding, and the head says by which (SM-03)."""
    octets = "t,µ\n2020-01-01,Süd\n".encode(encoding)
    table = open_table(msgspec.structs.replace(PLAIN, encoding=declared), [octets])

    assert (told, "Süd") == (table.head.encoding, table_of(list(table.chunks()))[0]["µ"])


def test_a_wrong_encoding_refuses_the_file_with_the_line() -> None:
    """Bytes that the declared encoding does not know end the reading, with the line and the remedy."""
    octets = b"t,a\n2020-01-01,x\n2020-01-02,S\xfcd\n"
    with pytest.raises(Malformed, match=r"About line 3 the text is not utf-8 .*declare the encoding"):
        read(msgspec.structs.replace(PLAIN, encoding="utf-8"), octets)


def test_line_ends_of_every_kind_are_read() -> None:
    """CRLF, CR alone and LF end lines, wherever the pieces are cut."""
    for end in (b"\r\n", b"\r", b"\n"):
        octets = end.join([b"t,a", b"2020-01-01,1", b"2020-01-02,2", b""])
        for piece in (1, 3, 100):
            assert [(2, 1.0), (3, 2.0)] == [
                (row["_line"], row["a"]) for row in table_of(read(PLAIN, octets, piece))
            ]


def test_one_long_line_is_refused_without_being_held() -> None:
    """A file that is one line of any length ends at the limit of a line, and no more of it is read (S9)."""
    taken = 0

    def endless():
        nonlocal taken
        yield b"t,a\n2020-01-01,"
        while True:
            taken += 65_536
            yield b"9" * 65_536

    with pytest.raises(TooLarge, match="Line 2 is longer than 1048576 bytes"):
        list(read_table(PLAIN, endless()))
    assert taken <= limits.BLOCK_BYTES + limits.LINE_BYTES_MAX


def test_memory_is_bounded_whatever_the_size() -> None:
    """A text is read block by block: no chunk holds more than a block and a line."""
    rows = 200_000
    octets = b"t,a\n" + b"2020-01-01,1\n" * rows

    chunks = read(PLAIN, octets, 65_536)

    assert rows == sum(chunk.rows for chunk in chunks)
    most = (limits.BLOCK_BYTES + 65_536) // len(b"2020-01-01,1\n") + 1
    assert max(chunk.rows for chunk in chunks) <= most < rows
    assert [len(octets)] == [chunk.bytes_in for chunk in chunks[-1:]]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"t,a,a\n", "names 'a' twice"),
        (b"t," + b",".join(b"c%d" % number for number in range(5_000)) + b"\n", "5001 columns"),
        (b"t," + b"x" * 300 + b"\n", "more than 255 characters"),
        (b"x\n" * 5_000 + b"t,a\n", "found in 1000 lines"),
    ],
)
def test_a_head_has_limits(octets: bytes, reason: str) -> None:
    """Names that stand twice, too many or too long ones, and heads without end refuse the file."""
    with pytest.raises(Refused, match=reason):
        open_table(PLAIN, [octets])


def test_units_and_statistics_are_kept() -> None:
    """The lines after the header that say units and statistics are kept by column (SM-20)."""
    file_type = msgspec.structs.replace(PLAIN, units_row=1, statistics_row=2, skip_rows=2)

    table = open_table(file_type, [b"t,a,b\nTS,m/s,\n,Avg,Max\n2020-01-01,1,2\n"])

    assert ({"t": "TS", "a": "m/s"}, {"a": "Avg", "b": "Max"}) == (table.head.units, table.head.statistics)
    assert 1 == sum(chunk.rows for chunk in table.chunks())


def test_a_file_without_header_has_declared_columns() -> None:
    """Where the file type gives the names, rows begin after the lines to skip."""
    file_type = msgspec.structs.replace(PLAIN, columns=("t", "a"), skip_rows=1)

    assert [(2, 1.0)] == [
        (row["_line"], row["a"]) for row in table_of(read(file_type, b"junk\n2020-01-01,1\n"))
    ]


@pytest.mark.parametrize(
    ("type_", "cells", "values", "refused"),
    [
        (VariableType.INT, ["5", "5.0", "5e3", "+7", "5.5", "2147483648", "x"], [5, 5, 5000, 7], [5, 6, 7]),
        (VariableType.LONG, ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e18"],
         [2**63 - 1, -(2**63), 10**18], [3]),
        (VariableType.DOUBLE, ["1e125", "1e126", "1e-131", "1e-400", "1e400", "-0.0", "inf", ".5", "5.", "_"],
         [1e125, -0.0, 0.5, 5.0], [2, 3, 4, 5, 7, 10]),
        (VariableType.BOOLEAN, ["true", "FALSE", "1", "0", "2"], [True, False, True, False], [5]),
        (VariableType.STRING, ["a", "b" * 255, "b" * 256, "🌬" * 127, "🌬" * 128, "a\0"],
         ["a", "b" * 255, "🌬" * 127], [3, 5, 6]),
        (VariableType.TIMESTAMP, ["2020-01-01T00:00:00Z", "2020-13-01"], [1_577_836_800_000], [2]),
    ],
)  # fmt: skip
def test_each_type_takes_its_values_only(
    type_: VariableType, cells: list[str], values: list[object], refused: list[int]
) -> None:
    """What a variable's type cannot hold refuses its row; nothing is rounded or wrapped (MS-02, MS-05)."""
    octets = "t,a\n" + "".join(f"2020-01-01,{cell}\n" for cell in cells)

    chunks = read(PLAIN, octets.encode(), types={"a": Variable(name="a", type=type_)})

    assert values == [row["a"] for row in table_of(chunks)]
    assert refused == [row.line - 1 for row in refused_of(chunks)]


def test_wanted_columns_only_are_read() -> None:
    """Columns that nobody asks for are not looked at, so nothing in them refuses a row."""
    wanted = {"a": Variable(name="a", type=VariableType.DOUBLE)}

    (chunk,) = read(PLAIN, b"t,a,b\n2020-01-01,1,x\n2020-01-02,2,5\n", types=wanted)

    assert (["a"], 2) == (list(chunk.columns), chunk.rows)


def test_a_narrow_file_keeps_its_sensor_as_text() -> None:
    """The names of sensors are texts, also where they look like numbers (SM-06)."""
    file_type = msgspec.structs.replace(PLAIN, narrow=Narrow(sensor="s", value="v"))

    (chunk,) = read(file_type, b"t,s,v\n2020-01-01,007,1.5\n")

    assert (["007"], [1.5]) == (values_of(chunk.columns["s"]), values_of(chunk.columns["v"]))


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs", "Zs", "Cc"]), max_size=6
)
texts_of_rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=30)


@given(texts_of_rows, st.sampled_from([",", ";", "\t", "|"]), st.integers(1, 50))
def test_texts_are_what_the_csv_module_reads(rows: list[tuple[str, str]], delimiter: str, piece: int) -> None:
    """Whatever texts the csv module writes are read as it reads them, in whatever pieces they come."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["t", "a", "b"])
    writer.writerows([("2020-01-01", *row) for row in rows])
    file_type = msgspec.structs.replace(PLAIN, delimiter=delimiter, encoding="utf-8")
    types = {name: Variable(name=name, type=VariableType.STRING) for name in "ab"}

    found = table_of(read(file_type, written.getvalue().encode(), piece, types=types))

    assert [(a or None, b or None) for a, b in rows] == [(row["a"], row["b"]) for row in found]


numbers = st.one_of(
    st.floats(-1e100, 1e100).filter(lambda number: number == 0 or abs(number) > 1e-130).map(repr),
    st.integers(-(10**17), 10**17).map(str),
    st.decimals(-1000, 1000, places=3).map(str),
)


@given(
    st.lists(st.tuples(numbers, st.one_of(numbers, st.sampled_from(["", "NAN", "x", "1.2.3"]))), min_size=1)
)
def test_numbers_are_what_float_reads(rows: list[tuple[str, str]]) -> None:
    """Each number is the nearest double, as `float` reads it; a row with anything else is refused."""
    octets = "t,a,b\n" + "".join(f"2020-01-01,{a},{b}\n" for a, b in rows)
    file_type = msgspec.structs.replace(PLAIN, na_values=("NAN",))
    types = {name: Variable(name=name, type=VariableType.DOUBLE) for name in "ab"}

    chunks = read(file_type, octets.encode(), types=types)

    good = [(a, b) for a, b in rows if b not in {"x", "1.2.3"}]
    expected = [(float(a), None if b in {"", "NAN"} else float(b)) for a, b in good]
    assert expected == [(row["a"], row["b"]) for row in table_of(chunks)]
    assert len(rows) - len(good) == len(refused_of(chunks))


def test_encodings_are_known_by_name() -> None:
    """Names of encodings of text are known, those of other codecs are not."""
    assert [True, True, False, False] == [text.is_encoding(name) for name in ("latin-1", "UTF8", "hex", "x")]
