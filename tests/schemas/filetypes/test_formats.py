"""Historian formats are read to the columns that delimited text gives (TF-10, SM-06, IX-07, wire 3.1)."""

import csv
import io

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Texts
from schemas.errors import Malformed, Refused, TooLarge
from schemas.filetypes import columnar
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.line_protocol import parse_line
from schemas.filetypes.model import FileFormat, FileType, Precision
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.reading import open_table, read_table
from schemas.times import format_time


def rows_of(chunks: list[Chunk]) -> list[dict[str, object]]:
    """Give every row as a dictionary of what it holds."""
    rows: list[dict[str, object]] = []
    for chunk in chunks:
        found: list[dict[str, object]] = [{"_time": format_time(time)} for time in chunk.time_ms.tolist()]
        for name, column in chunk.columns.items():
            values = column.values.to_list() if isinstance(column.values, Texts) else column.values.tolist()
            for row, value in enumerate(values):
                if column.present is None or column.present[row]:
                    found[row][name] = value
        rows += found
    return rows


def refused_of(chunks: list[Chunk]) -> dict[int, str]:
    """Give the reason of each refused line."""
    return {row.line: row.reason for chunk in chunks for row in chunk.refused}


def read(preset: str, octets: bytes, piece: int = 37) -> list[Chunk]:
    """Read by a preset, in small pieces."""
    return list(read_table(PRESETS[preset], [octets[at : at + piece] for at in range(0, len(octets), piece)]))


# Line protocol.

LINES = rb"""# a comment
weather,place=Pt\ Reyes,kind=a\=b temp=8.5,rain=0i,ok=t,note="wet, \"cold\"" 1577836800000000000

weather temp=-1e3 1577836801999999999
weather temp=x 1577836800000000000
weather temp=1
weather,place temp=1 1577836800000000000
weather temp=nan 1577836800000000000
weather count=9223372036854775808i 1577836800000000000
"""


def test_line_protocol_is_read_by_its_grammar() -> None:
    """Tags, fields of four kinds and escapes are read; what is no line has its reason (TF-56)."""
    chunks = read("line-protocol", LINES)

    assert [
        {"_time": "2020-01-01T00:00:00.000Z", "measurement": "weather", "tags.place": "Pt Reyes",
         "tags.kind": "a=b", "fields.temp": 8.5, "fields.rain": 0, "fields.ok": True,
         "fields.note": 'wet, "cold"'},
        {"_time": "2020-01-01T00:00:01.999Z", "measurement": "weather", "fields.temp": -1000.0},
    ] == rows_of(chunks)  # fmt: skip
    assert {
        5: "'x' is no value; text stands in quotes",
        6: "the line has no time",
        7: "the line has no measurement and fields with a blank between them",
        8: "'nan' is no value; text stands in quotes",
        9: "is beyond a LONG",
    } == refused_of(chunks)


@pytest.mark.parametrize("text", ["m", "m f=", "m f=1,", "m f=1 1 2", 'm f="x 1', "m,t f=1 1", ",t=1 f=1 1"])
def test_a_line_that_is_none_is_malformed(text: str) -> None:
    """What the grammar does not know is refused, never guessed."""
    with pytest.raises(Malformed):
        parse_line(text, Precision.SECONDS)


def test_a_precision_says_what_a_time_counts() -> None:
    """The same number is another time by each precision; finer digits are cut."""
    times = [parse_line("m f=1 1999", precision).time_ms for precision in Precision]

    assert [1_999_000, 1_999, 1, 0] == times


@pytest.mark.parametrize("number", ["9223372036854775807", "-9223372036854775808", "-9999999999999999999"])
def test_a_time_that_is_none_refuses_its_line_alone(number: str) -> None:
    """Seconds beyond the year 9999 are refused, whatever they would be as an integer."""
    kind = msgspec.structs.replace(PRESETS["line-protocol"], precision=Precision.SECONDS)
    chunks = list(read_table(kind, [f"m f=1 {number}\nm f=2 1\n".encode()]))

    assert [2] == [row["fields.f"] for row in rows_of(chunks)]
    assert {1: "the time is beyond the year 9999; is the precision as declared?"} == refused_of(chunks)


def test_whole_numbers_beside_fractions_stay_exact() -> None:
    """A column of both is one of doubles only where each of them is one."""
    large, small = (b"m f=%di 1000000000\nm f=1.5 2000000000\n" % number for number in (2**53 + 1, 2**53))

    assert [str(2**53 + 1), "1.5"] == [row["fields.f"] for row in rows_of(read("line-protocol", large))]
    assert [2.0**53, 1.5] == [row["fields.f"] for row in rows_of(read("line-protocol", small))]


POINT = b"1970-01-01T00:00:01,m,_field_f,1\n"


@pytest.mark.parametrize(
    ("preset", "octets"),
    [
        ("line-protocol", b"m f=" + b"1" * 400_000 + b"x 1\nm f=1 1000000000\n"),
        ("line-protocol", b"m f=1" + b" " * 400_000 + b"x\nm f=1 1000000000\n"),
        ("tinyflux", b"1970-01-01T00:00:01,m,_field_f,%bx\n" % (b"1" * 100_000) + POINT),
        ("tinyflux", b"1970-01-01T00:00:01,m,_tag_t,%b\n" % (b"x" * 200_000) + POINT),
        (
            "annotated-csv",
            b"#datatype,string,long,dateTime:RFC3339,double,string\n,result,table,_time,_value,_field\n"
            b",,0,1970-01-01T00:00:01Z,1,%b\n,,0,1970-01-01T00:00:01Z,1,f\n" % (b"x" * 200_000),
        ),
    ],
)  # fmt: skip
def test_a_hostile_row_is_refused_alone(preset: str, octets: bytes) -> None:
    """Digits, blanks and letters without number are read once, and the row behind them is read (S9)."""
    chunks = list(read_table(PRESETS[preset], [octets]))

    assert ([1.0], 1) == ([row["fields.f"] for row in rows_of(chunks)], len(refused_of(chunks)))


# TinyFlux: what its writer makes, by its rules; both prefixes in one file (TF-10).


def tinyflux_row(time: str, measurement: str, tags: dict, fields: dict, *, compact: bool) -> list[str]:
    """Write a point as TinyFlux does: None is `_none`, numbers are written as floats."""
    tag, field = ("t_", "f_") if compact else ("_tag_", "_field_")
    row = [time, measurement]
    for key, value in tags.items():
        row += [tag + key, "_none" if value is None else value]
    for key, value in fields.items():
        row += [field + key, "_none" if value is None else str(float(value))]
    return row


keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
keys = st.one_of(keys, st.sampled_from(["_tag_x", "t_x", "f_", "_field_y", "a b", 'q"', "n\nl"]))
points = st.lists(
    st.tuples(
        st.dictionaries(keys, st.one_of(st.none(), keys), max_size=3),
        st.dictionaries(
            keys, st.one_of(st.none(), st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9))
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


@given(points, st.integers(1, 60))
def test_a_tinyflux_store_is_read_exactly(points: list, piece: int) -> None:
    """Any keys, any texts, None and both prefixes come back as they were put in (TF-06 … TF-08, TF-10)."""
    written = io.StringIO(newline="")
    for tags, fields, compact in points:
        csv.writer(written).writerow(tinyflux_row("2020-01-01T00:00:00", "m", tags, fields, compact=compact))

    chunks = read("tinyflux", written.getvalue().encode(), piece)

    expected = []
    for tags, fields, _ in points:
        row = {"_time": "2020-01-01T00:00:00.000Z", "measurement": "m"}
        row |= {f"tags.{key}": value for key, value in tags.items() if value not in {None, "_none"}}
        row |= {f"fields.{key}": float(value) for key, value in fields.items() if value is not None}
        expected.append(row)
    assert ({}, expected) == (refused_of(chunks), rows_of(chunks))


def test_a_row_that_is_no_point_is_refused() -> None:
    """Odd cells, unknown prefixes, fields that are no numbers and wrong times are told by line."""
    octets = (
        b"2020-01-01T00:00:00,m,_field_a,1.0\nx\n2020-01-01,m,a,1\n2020-01-01,m,f_a,text\nnever,m,f_a,1\n"
    )

    reasons = refused_of(chunks := read("tinyflux", octets))

    assert [2, 3, 4, 5] == list(reasons)
    assert [{"_time": "2020-01-01T00:00:00.000Z", "measurement": "m", "fields.a": 1.0}] == rows_of(chunks)


# Annotated CSV.

ANNOTATED = b"""#datatype,string,long,dateTime:RFC3339,double,string,string,string\r
#group,false,false,false,false,true,true,true\r
#default,mean,,,,,,\r
,result,table,_time,_value,_field,_measurement,host\r
,,0,2020-01-01T00:00:00Z,1.5,temp,weather,a\r
,,0,2020-01-01T00:00:10.5Z,,temp,weather,a\r
,,0,2020-01-01T00:00:20Z,x,temp,weather,a\r
\r
#datatype,string,long,dateTime:RFC3339Nano,string,long,boolean,string\r
#group,false,false,false,true,false,false,true\r
#default,_result,,,,,,\r
,result,table,_time,_measurement,count,ok,host\r
,,1,2020-01-01T00:00:00.123456789Z,weather,7,true,b\r
"""


def test_annotated_csv_is_read_narrow_and_wide() -> None:
    """Tables with `_field` and `_value` and pivoted ones give the columns of line protocol."""
    chunks = read("annotated-csv", ANNOTATED)

    assert [
        {"_time": "2020-01-01T00:00:00.000Z", "measurement": "weather", "tags.host": "a", "fields.temp": 1.5},
        {"_time": "2020-01-01T00:00:10.500Z", "measurement": "weather", "tags.host": "a"},
        {"_time": "2020-01-01T00:00:00.123Z", "measurement": "weather", "tags.host": "b", "fields.count": 7,
         "fields.ok": True},
    ] == rows_of(chunks)  # fmt: skip
    assert {7: "is no value of its datatype"} == refused_of(chunks)


@pytest.mark.parametrize(
    "octets",
    [b"_time,a\n2020-01-01T00:00:00Z,1\n", b"#datatype,string,string\n,error,reference\n,no such bucket,\n",
     b"#datatype,string,double\n,x,y\n"],
)  # fmt: skip
def test_tables_without_annotations_or_times_are_refused(octets: bytes) -> None:
    """A header without types, a failed query and a table without times hold nothing that can be stored."""
    with pytest.raises(Malformed):
        read("annotated-csv", octets)


# JSON.


def test_json_readings_are_read() -> None:
    """An array of timestamp, sensor_name and reading is a narrow file (SM-06)."""
    octets = b"""[{"timestamp":"2015-12-22T00:00:00","sensor_name":"M(m/s)","reading":20.54},
        {"timestamp":"2015-12-22","sensor_name":"T","reading":null}]"""

    assert [
        {"_time": "2015-12-22T00:00:00.000Z", "sensor_name": "M(m/s)", "reading": 20.54},
        {"_time": "2015-12-22T00:00:00.000Z", "sensor_name": "T"},
    ] == rows_of(read("json-records", octets, 5))


def test_bulk_files_of_the_dialect_are_read() -> None:
    """Records with values as numbers or as texts and with codes are read; wrong ones are told (wire 3.1)."""
    octets = b"""[{"_time":"2020-01-01T00:00:00.000Z","a":"1.5","a_qc":"192"},
{"a":1},
{"_time":"2020-01-01","a":1},
5,
{"_time":"2020-01-01T00:00:00Z","a":[1]}]"""

    chunks = read("bulk-json", octets, 11)

    assert [{"_time": "2020-01-01T00:00:00.000Z", "a": "1.5", "a_qc": "192"}] == rows_of(chunks)
    assert {
        2: "there is no time",
        3: "has no zone; declare the zone of the file",
        4: "the element is no object",
        5: "the value is not flat",
    } == refused_of(chunks)


@pytest.mark.parametrize(
    "text",
    ['[{"a":1}', '[{"a":1} {"b":2}]', '[{"a":1}] x', '[{"a":NaN}]', '[{"a":1,"a":2}]', '{"a":', "[1,]",
     "[" * 5000, '[{"a":' + "9" * 5000 + "}]"],
)  # fmt: skip
def test_what_is_no_json_refuses_the_file(text: str) -> None:
    """Nobody knows where the next record would begin, so the file is refused as a whole."""
    with pytest.raises(Malformed, match="no JSON of records"):
        read("bulk-json", text.encode())


def test_an_element_without_end_is_refused() -> None:
    """A text that never ends is not held: it is refused at the limit of a line (S9)."""

    def endless():
        yield b'[{"a":"'
        while True:
            yield b"x" * 65_536

    with pytest.raises(TooLarge, match="No value ends within"):
        list(read_table(PRESETS["bulk-json"], endless()))


@pytest.mark.parametrize(
    "row",
    [
        rb'{"_time":"\ud800","a":1}', rb'{"_time":"2020-01-01T00:00:00Z","a":"\udfff"}',
        rb'{"_time":"2020-01-01T00:00:00Z","\ud800":1}', rb'{"_time":"2020-01-01T00:00:00Z","\ud800":[]}',
    ],
)  # fmt: skip
def test_half_a_character_refuses_its_row_alone(row: bytes) -> None:
    """JSON can write what no text can hold; what is told of it is a text."""
    chunks = read("bulk-json", row + b'\n{"_time":"2020-01-01T00:00:01Z","a":1}\n')

    assert [1] == [found["a"] for found in rows_of(chunks)]
    [refused] = [one for chunk in chunks for one in chunk.refused]
    assert 1 == refused.line
    assert msgspec.json.encode(refused)


values = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(min_size=1, max_size=5), st.just(0.25)
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=20), st.booleans(), st.integers(1, 40)
)
def test_json_is_what_the_library_reads(elements: list[dict], as_lines: bool, piece: int) -> None:
    """Objects come back whatever they hold, as an array or as lines, in whatever pieces they come."""
    elements = [{"_time": "2020-01-01T00:00:00.000Z", **one} for one in elements]
    encoded = [msgspec.json.encode(one) for one in elements]
    octets = b"\n".join(encoded) if as_lines else b"[" + b",".join(encoded) + b"]"

    found = rows_of(read("bulk-json", octets, piece))

    assert len(elements) == len(found)
    kinds = {name: {type(one[name]) for one in elements if name in one} for name in "abc"}
    for one, row in zip(elements, found, strict=True):
        assert one.keys() == row.keys()
        for name in row.keys() - {"_time"}:
            if len(kinds[name]) == 1:
                assert one[name] == row[name]


# Parquet and Arrow.

TABLE = pa.table(
    {
        "_time": pa.array([0, 1_500, None], pa.timestamp("us", "UTC")),
        "a": pa.array([1.5, None, 2.0], pa.float32()),
        "n": pa.array([1, 2**63 - 1, 3], pa.uint64()),
        "ok": pa.array([True, False, None]),
        "text": pa.array(["x", None, "z"]).dictionary_encode(),
        "big": pa.array(["x", "y", "z"], pa.large_string()),
        "when": pa.array([0, 86_400_000, 0], pa.timestamp("ms")),
        "list": pa.array([[1], [2], [3]]),
    }
).replace_schema_metadata()


def parquet(table: pa.Table, **options) -> bytes:
    """Write a table as Parquet."""
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def arrow(table: pa.Table, *, as_file: bool) -> bytes:
    """Write a table as an Arrow stream or file."""
    out = io.BytesIO()
    with (pa.ipc.new_file if as_file else pa.ipc.new_stream)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize(
    ("preset", "octets"),
    [
        ("parquet", parquet(TABLE)),
        ("arrow", arrow(TABLE, as_file=False)),
        ("arrow", arrow(TABLE, as_file=True)),
    ],
)
@pytest.mark.parametrize("sought", [True, False])
def test_columns_stay_the_columns_they_are(preset: str, octets: bytes, sought: bool) -> None:
    """Numbers, texts, truth and times keep their values; a row without time is refused."""
    source = io.BytesIO(octets) if sought else [octets[at : at + 100] for at in range(0, len(octets), 100)]

    table = open_table(PRESETS[preset], source)
    chunks = list(table.chunks())

    assert [
        {
            "_time": "1970-01-01T00:00:00.000Z",
            "a": 1.5,
            "n": 1,
            "ok": True,
            "text": "x",
            "big": "x",
            "when": 0,
        },
        {"_time": "1970-01-01T00:00:00.001Z", "n": 2**63 - 1, "ok": False, "big": "y", "when": 86_400_000},
    ] == rows_of(chunks)
    assert {3: "there is no time"} == refused_of(chunks)
    assert {"list": "not read: list<item: int64>"} == dict(table.head.attributes) or preset == "parquet"
    assert "list" not in table.head.columns


def test_whole_numbers_beyond_long_are_refused() -> None:
    """An unsigned number that no LONG holds refuses its row."""
    table = pa.table({"_time": pa.array([0], pa.timestamp("ms", "UTC")), "n": pa.array([2**63], pa.uint64())})

    assert {1: "is beyond a LONG"} == refused_of(read("parquet", parquet(table)))


@pytest.mark.parametrize(
    ("times", "formats", "expected"),
    [
        (pa.array(["2020-01-01 00:00:00"]), (), "2019-12-31T23:00:00.000Z"),
        (pa.array([0], pa.timestamp("s")), (), "1969-12-31T23:00:00.000Z"),
        (pa.array([0], pa.date32()), (), "1969-12-31T23:00:00.000Z"),
        (pa.array([1_500]), ("epoch-ms",), "1970-01-01T00:00:01.500Z"),
    ],
)
def test_times_of_every_kind_are_placed(times: pa.Array, formats: tuple[str, ...], expected: str) -> None:
    """Texts, naive times, dates and numbers are times by the formats and the zone of the file type."""
    file_type = FileType(
        name="x", format=FileFormat.PARQUET, time_columns=("t",), time_formats=formats, zone="+01:00"
    )
    octets = parquet(pa.table({"t": times, "a": [1.0]}))
    from_ms = -(10**9)

    chunks = list(
        read_table(file_type, io.BytesIO(octets), None, columnar.ANY_TIME._replace(from_ms=from_ms))
    )

    assert [{"_time": expected, "a": 1.0}] == rows_of(chunks)


@pytest.mark.parametrize(("preset", "octets"), [
    ("parquet", parquet(TABLE)[:-20]), ("parquet", b"junk" * 10), ("parquet", b""), ("arrow", b"junk" * 10),
    ("arrow", arrow(TABLE, as_file=False)[:900]), ("arrow", b""),
    ("parquet", parquet(pa.table({"a": [1.0]}))),
])  # fmt: skip
def test_damaged_columnar_files_are_refused(preset: str, octets: bytes) -> None:
    """Truncated files, other bytes and files without times say so and give nothing else."""
    with pytest.raises(Refused):
        list(read_table(PRESETS[preset], io.BytesIO(octets)))


@pytest.mark.parametrize(
    ("times", "reasons"),
    [
        (pa.array([1.5, None]), {1: "is no time of the declared formats", 2: "there is no time"}),
        (pa.array([True, False]), dict.fromkeys((1, 2), "is no time of the declared formats")),
        (pa.array([None, None]), dict.fromkeys((1, 2), "there is no time")),
        (pa.array([2**62, -(2**62)], pa.timestamp("s", "UTC")), {1: "lies after", 2: "lies before"}),
    ],
)
def test_columns_that_are_no_times_refuse_their_rows(times: pa.Array, reasons: dict[int, str]) -> None:
    """Whatever their type is, and however far they are beyond what a time can be."""
    chunks = list(
        read_table(PRESETS["arrow"], [arrow(pa.table({"_time": times, "a": [1.0, 2.0]}), as_file=False)])
    )
    told = refused_of(chunks)

    assert [] == rows_of(chunks)
    assert reasons.keys() == told.keys()
    assert all(told[line].startswith(reason) for line, reason in reasons.items()), told


def test_times_may_be_numbered_texts() -> None:
    """What repeats is often written as a dictionary."""
    times = pa.array(["2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"]).dictionary_encode()
    chunks = read_table(PRESETS["arrow"], [arrow(pa.table({"_time": times, "a": [1.0, 2.0]}), as_file=False)])

    assert [1.0, 2.0] == [row["a"] for row in rows_of(list(chunks))]


def test_parquet_is_bounded_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that tells of endless rows is refused by their number, which it cannot hide (S9)."""
    rows = 500_000
    table = pa.table({"_time": pa.array([0] * rows, pa.timestamp("ms", "UTC")), "a": [1.0] * rows})
    octets = parquet(table)
    monkeypatch.setattr(columnar, "UNPACKED_BYTES_MAX", 1_000_000)

    assert len(octets) < 10_000
    with pytest.raises(TooLarge, match="unpacks to 8000000 bytes"):
        list(read_table(PRESETS["parquet"], io.BytesIO(octets)))


def test_a_stream_of_parquet_is_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Parquet file out of an archive is held in memory, and refused beyond the limit with the remedy."""
    monkeypatch.setattr(columnar, "PARQUET_HELD_BYTES_MAX", 100)

    with pytest.raises(TooLarge, match="send it as it is"):
        open_table(PRESETS["parquet"], iter([parquet(TABLE)]))
