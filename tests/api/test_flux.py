"""The part of Flux that `/api/v2/query` answers, as annotated CSV (IX-10, IX-11)."""

import csv
import io

import numpy as np
import pytest

from api.lineprotocol import tables as held
from api.lineprotocol.querying import Dialect, written
from api.lineprotocol.tables import Table
from schemas.columns import Column
from schemas.errors import Malformed
from tests.api.doors import NOW_MS
from tests.api.lines import Lines
from tests.api.masts import at

QUERY = "/api/v2/query"
T0 = NOW_MS - 600_000
ALL = {"header": True, "annotations": ["datatype", "group", "default"]}
FROM = 'from(bucket: "birds") |> range(start: -1h, stop: 1h)'
ROWS = [
    f'track,bird=A lat=1.5,lon=2,ok=t,note="a, b" {T0}',
    f"track,bird=A lat=2.5 {T0 + 60_000}",
    f"track,bird=A lat=4.5,lon=5 {T0 + 120_000}",
    f"track,bird=B lat=7 {T0}",
    f"other,bird=B n=3i {T0}",
]


@pytest.fixture
async def lines(site):
    """Some rows of two birds and two measurements."""
    made = await Lines(site, site.open).begin()
    await made.wrote("\n".join(ROWS))
    return made


async def ask(lines, query, **body):
    """Send a query; the answer."""
    headers = {"authorization": f"Token {lines.key}"}
    return await lines.site.http.post(QUERY, json={"query": query, "dialect": ALL, **body}, headers=headers)


async def tables(lines, query):
    """Give the rows of the answer as dictionaries."""
    answer = await ask(lines, query)
    assert 200 == answer.status_code, answer.text
    found, names = [], []
    for row in csv.reader(io.StringIO(answer.text)):
        if not row or row[0].startswith("#"):
            names = []
        elif not names:
            names = row
        else:
            found.append({name: cell for name, cell in zip(names, row, strict=True) if cell})
    return found


def values(rows, *names):
    """Give some columns of rows."""
    return [tuple(row.get(name) for name in names) for row in rows]


async def test_a_table_for_each_field_of_each_set_of_tags(lines):
    """Without steps: `_time`, `_value`, `_field`, `_measurement` and the tags, a table each."""
    rows = await tables(lines, FROM)

    told = {(row["_measurement"], row["_field"], row["bird"], row["_time"], row["_value"]) for row in rows}
    first, second, third = at(-600_000), at(-540_000), at(-480_000)
    assert {
        ("track", "lat", "A", first, "1.5"), ("track", "lat", "A", second, "2.5"),
        ("track", "lat", "A", third, "4.5"), ("track", "lon", "A", first, "2.0"),
        ("track", "lon", "A", third, "5.0"), ("track", "ok", "A", first, "true"),
        ("track", "note", "A", first, "a, b"), ("track", "lat", "B", first, "7.0"),
        ("other", "n", "B", first, "3"),
    } == told  # fmt: skip
    assert 6 == len({row["table"] for row in rows})


async def test_the_annotations_are_those_that_clients_read(lines):
    """Exact bytes of one table, and of an answer without one."""
    answer = await ask(lines, f'{FROM} |> filter(fn: (r) => r._measurement == "other")')
    empty = await ask(lines, f'{FROM} |> filter(fn: (r) => r._measurement == "none")')

    start, stop = at(-3_600_000), at(3_600_000)
    assert (
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,"
        "string,string,string,dateTime:RFC3339,long\r\n"
        "#group,false,false,true,true,true,true,true,false,false\r\n"
        "#default,_result,,,,,,,,\r\n"
        ",result,table,_start,_stop,_measurement,bird,_field,_time,_value\r\n"
        f",,0,{start},{stop},other,B,n,{at(-600_000)},3\r\n"
    ) == answer.text
    assert "text/csv" == answer.headers["content-type"].partition(";")[0]
    assert "\r\n" == empty.text


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ('r.bird == "B" and r._field == "lat"', ["7.0"]),
        ('r._field == "lat" and r._value > 2', ["2.5", "4.5", "7.0"]),
        ('r["_field"] == "lat" and (r._value < 2 or r._value >= 7.0)', ["1.5", "7.0"]),
        ('r._field == "note" and r._value == "a, b"', ["a, b"]),
        ('r._field == "ok" and r._value == true', ["true"]),
        ('r._measurement != "track"', ["3"]),
        ('not r.bird == "A" and exists r.bird and r._field == "lat"', ["7.0"]),
        ('r.none == "x"', []),
        (f'r._field == "lat" and r._time > {at(-540_000)}', ["4.5"]),
    ],
)
async def test_filters(lines, predicate, expected):
    """Comparisons of columns with literals, with and, or, not and exists; what is not there fulfils none."""
    rows = await tables(lines, f"{FROM} |> filter(fn: (r) => {predicate})")

    assert expected == sorted(row["_value"] for row in rows)


PIVOT = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'


async def test_a_pivot_makes_columns_of_fields(lines):
    """A row a time, blank where a field has no value; no bird is mixed with another (IX-08, IX-11)."""
    wanted = 'filter(fn: (r) => r._measurement == "track" and (r._field == "lat" or r._field == "lon"))'
    rows = await tables(lines, f"{FROM} |> {wanted} |> {PIVOT}")
    held = await tables(lines, f"{FROM} |> {wanted} |> filter(fn: (r) => r._value < 100) |> {PIVOT}")

    expected = [
        ("A", at(-600_000), "1.5", "2.0"), ("A", at(-540_000), "2.5", None),
        ("A", at(-480_000), "4.5", "5.0"), ("B", at(-600_000), "7.0", None),
    ]  # fmt: skip
    assert expected == sorted(values(rows, "bird", "_time", "lat", "lon"), key=lambda row: (row[0], row[1]))
    assert expected == sorted(values(held, "bird", "_time", "lat", "lon"), key=lambda row: (row[0], row[1]))


LAT = f'{FROM} |> filter(fn: (r) => r._measurement == "track" and r.bird == "A" and r._field == "lat")'


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("mean", ["2.0", "4.5"]), ("sum", ["4.0", "4.5"]), ("min", ["1.5", "4.5"]), ("max", ["2.5", "4.5"]),
        ("count", ["2", "1"]), ("first", ["1.5", "4.5"]), ("last", ["2.5", "4.5"]),
    ],
)  # fmt: skip
async def test_windows(lines, function, expected):
    """Values of [start, end) sum up to a row at the end of the window."""
    rows = await tables(lines, f"{LAT} |> aggregateWindow(every: 2m, fn: {function}, createEmpty: false)")

    assert [(at(-480_000), expected[0]), (at(-360_000), expected[1])] == values(rows, "_time", "_value")


@pytest.mark.parametrize("every", ["36500d", "9000w", "900000000000000w"])
async def test_windows_of_any_length(lines, every):
    """All of time may be in one (IX-11)."""
    asked = f'{FROM} |> filter(fn: (r) => r._field == "lat" and r.bird == "A")'
    [row] = await tables(lines, f"{asked} |> aggregateWindow(every: {every}, fn: count)")

    assert int(row["_value"]) > 1


async def test_any_range_is_one(lines):
    """What lies beyond the years that there are is cut (IX-10)."""
    far = 'from(bucket: "birds") |> range(start: -99999999999, stop: 99999999999999) |> count()'
    rows = await tables(lines, far)

    assert {"0001-01-01T00:00:00.000Z"} == {row["_start"] for row in rows}


async def test_empty_windows_are_rows_without_a_value(lines):
    """`createEmpty` is true by default, as in InfluxDB; the last window ends where the range ends."""
    query = f'from(bucket: "birds") |> range(start: {at(-720_000)}, stop: {at(-450_000)})'
    wanted = 'filter(fn: (r) => r._field == "lat" and r.bird == "A")'
    rows = await tables(lines, f"{query} |> {wanted} |> aggregateWindow(every: 2m, fn: mean)")

    assert [
        (at(-600_000), None), (at(-480_000), "2.0"), (at(-450_000), "4.5")
    ] == values(rows, "_time", "_value")  # fmt: skip


async def test_last_limit_and_count(lines):
    """Each of them works table by table."""
    lat = f'{FROM} |> filter(fn: (r) => r._field == "lat")'

    last = await tables(lines, f"{lat} |> last()")
    limited = await tables(lines, f"{lat} |> limit(n: 1, offset: 1)")
    counts = await tables(lines, f"{lat} |> count()")
    none = await tables(lines, f"{lat} |> limit(n: 0)")

    assert {("A", "4.5"), ("B", "7.0")} == set(values(last, "bird", "_value"))
    assert [("A", "2.5")] == values(limited, "bird", "_value")
    assert {("A", "3"), ("B", "1")} == set(values(counts, "bird", "_value"))
    assert [] == none


async def test_keep_drop_and_distinct(lines):
    """Leaving a column of the key out makes one table of several; distinct gives each value once."""
    kept = await tables(lines, f'{FROM} |> keep(columns: ["bird"]) |> distinct(column: "bird")')
    dropped = await tables(
        lines, f'{FROM} |> filter(fn: (r) => r._field == "lat") |> drop(columns: ["_start", "_stop", "bird"])'
    )
    fields = await tables(lines, f'{FROM} |> keep(columns: ["_field"]) |> distinct(column: "_field")')
    clash = await ask(lines, f'{FROM} |> keep(columns: ["_value"])')

    assert {"A", "B"} == {row["_value"] for row in kept}
    assert ({"0"}, 4) == ({row["table"] for row in dropped}, len(dropped))
    assert {"lat", "lon", "ok", "note", "n"} == {row["_value"] for row in fields}
    assert (400, True) == (clash.status_code, "schema collision" in clash.json()["message"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('from(bucket: "birds")', "range(start: …) must follow at once"),
        ('from(bucket: "birds") |> last() |> range(start: -1h)', "range(start: …) must follow at once"),
        (f"{FROM} |> map(fn: (r) => ({{r with x: 1}}))", "the function map is not known here"),
        (f"{FROM} |> derivative(unit: 1s)", "the function derivative is not known here"),
        ('import "join"\nfrom(bucket: "birds")', "import: a query is one pipeline"),
        (f"{FROM} |> aggregateWindow(every: 1m, fn: median)", "aggregateWindow: median is not known"),
        (f"{FROM} |> aggregateWindow(every: 1ms, fn: mean)", "aggregateWindow: more than 100000 windows"),
        (f"{FROM} |> aggregateWindow(every: 1mo, fn: mean)", "months and years have no fixed length"),
        (f"{FROM} |> filter(fn: (r) => r.a =~ /x/)", "regular expressions are not known here"),
        (f'{FROM} |> filter(fn: (r) => strings.has(v: r.a, t: "x"))', "strings is not known here"),
        (f"{FROM} |> filter(fn: (r) => {'(' * 40}r.a == 1{')' * 40})", "nests at most 32 times"),
        (f'{FROM} |> pivot(rowKey: ["_time"], columnKey: ["bird"], valueColumn: "_value")', "pivot: rowKey"),
        (f"{FROM} |> limit(n: -1)", "limit: n is a whole number"),
        (f"{FROM}{' |> last()' * 99}", "at most 100 functions"),
        (f"{FROM} |> limit(n: 1, m: 2)", "limit: the argument m is not known"),
        (f'{FROM} |> count(column: "none")', "count: there is no column 'none'"),
        ('from(bucket: "birds") |> range(start: 1h, stop: now())', "start is not before stop"),
        ('from(bucket: "birds" ☂', "what stands at character"),
        ("", "a function is expected"),
    ],
)
async def test_what_is_not_known_is_refused_by_its_name(lines, query, words):
    """400 `invalid` with the function, the argument or the place; a query without range as well (IX-10)."""
    answer = await ask(lines, query)

    assert (400, "invalid") == (answer.status_code, answer.json()["code"])
    assert words in answer.json()["message"]


async def test_bodies(lines):
    """JSON or plain Flux; parameters from outside and other dialects are refused; no bucket is 404."""
    headers = {"authorization": f"Token {lines.key}", "content-type": "application/vnd.flux"}
    plain = await lines.site.http.post(QUERY, content=f"{FROM} |> count()".encode(), headers=headers)
    extern = await ask(lines, FROM, extern={"body": [{"type": "OptionStatement"}]})
    dialect = await ask(lines, FROM, dialect={"delimiter": ";"})
    missing = await ask(lines, FROM.replace("birds", "none"))
    broken = await ask(lines, 7)

    assert (200, True) == (plain.status_code, plain.text.startswith(",result,table,"))
    assert [400, 400, 404, 400] == [each.status_code for each in (extern, dialect, missing, broken)]
    assert 'bucket "none" not found' == missing.json()["message"]


async def test_what_fails_on_the_way_is_told_in_the_answer():
    """Once a part is out, the reason comes as a table with `error` and `reference`, which clients raise."""

    async def pieces():
        yield {"_value": Column(np.array([1.5, 2.5]))}

    async def broken(*, begins):
        if begins:
            yield Table({"bird": ("string", "A")}, {"_value": "double"}, pieces())
        raise Malformed("no more of it")

    told = b"".join([piece async for piece in written(broken(begins=True), Dialect(), "_result")])
    with pytest.raises(Malformed):
        [piece async for piece in written(broken(begins=False), Dialect(), "_result")]

    head = b",result,table,bird,_value\r\n,,0,A,1.5\r\n,,0,A,2.5\r\n"
    error = b"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n"
    error += b",error,reference\r\n,no more of it,\r\n"
    assert head + b"\r\n" + error == told


@pytest.mark.parametrize(
    "query",
    [
        f'{FROM} |> keep(columns: ["_time", "bird"])',
        f'{FROM} |> distinct(column: "_time")',
        f"{FROM} |> {PIVOT}",
    ],
)
async def test_what_puts_tables_together_is_bounded(lines, monkeypatch, query):
    """Where tables become one, so many cells are held and no more."""
    monkeypatch.setattr(held, "FLUX_CELLS_HELD_MAX", 2)
    answer = await ask(lines, query.replace(FROM, f"{FROM} |> filter(fn: (r) => exists r._value)"))

    assert "cells together" in answer.text


async def test_another_tenant_sees_nothing(lines):
    """A bucket of another tenant is as one that there is not."""
    answer = await lines.site.other.send("POST", QUERY, {"query": FROM})

    assert 404 == answer.status_code
