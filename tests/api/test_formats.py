"""Reads in JSON, CSV, Arrow and Parquet, compressed or not, of any length (design 9, TB-80)."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from api.http import formats
from api.http.negotiation import Coding, Format, choose_coding, choose_format
from api.series import querying
from api.shares.access import Granted
from schemas.arrow_format import schema_of
from schemas.aspects import AspectType, Variable, VariableType
from schemas.changes import Upsert
from schemas.columns import Column, Columns
from schemas.errors import NotAcceptable
from schemas.ids import SeriesId
from schemas.queries import RangeQuery, ReadKind, SeriesQuery, TimeRange
from schemas.tables import fields_of
from tests.api.masts import MAST, NOW_MS, aspect_type, at, problems
from tests.api.served import served_site

OWN = "/api/aspectstore/v1/timeseries"
CSV, ARROW, PARQUET = (each.value for each in (Format.CSV, Format.ARROW, Format.PARQUET))
RECORDS = [
    {"_time": at(0), "temperature": 1.5, "temperature_qc": "0", "count": 7, "running": True, "label": "a,b"},
    {"_time": at(1), "temperature": -2.0, "level": 3, "since": at(-5), "note": 'é "x"'},
    {"_time": at(2), "count": -(2**63), "count_qc": "4294967295", "running": False},
]
TYPES = ["timestamp[ms, tz=UTC]", "double", "uint32", "double", "int64", "uint32", "int32", "bool"]
TYPES += ["string", "string", "timestamp[ms, tz=UTC]"]
HEAD = "_time,temperature,temperature_qc,pressure,count,count_qc,level,running,label,note,since"


def own(mast):
    """Give the path of our own read of a series."""
    return f"{OWN}/{mast.asset}/{mast.aspect}"


async def read(mast, parameters=None, **headers):
    """Read by our own route what must be answered."""
    answer = await mast.send("GET", own(mast), None, parameters, **headers)
    assert answer.status_code == 200, answer.text
    return answer


def table_of(answer):
    """Read an Arrow or Parquet answer."""
    if answer.headers["content-type"] == ARROW:
        return pa.ipc.open_stream(answer.content).read_all()
    return pq.read_table(io.BytesIO(answer.content))


async def many(mast, rows):
    """Write more rows than a page has, in a few entries, and let the writer store them."""
    times = NOW_MS - rows + np.arange(rows)
    for start in range(0, rows, 5_000):
        part = times[start : start + 5_000]
        await mast.site.world.write(mast.series, Upsert(Columns(part, {1: Column(part / 8)})))
    while await mast.site.step():
        pass
    return times


# -- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Format.JSON), ("", Format.JSON), ("*/*", Format.JSON), ("application/json", Format.JSON),
        ("application/json; charset=utf-8", Format.JSON), ("text/csv", Format.CSV), ("TEXT/CSV", Format.CSV),
        ("text/*", Format.CSV), ("application/*", Format.JSON), (ARROW, Format.ARROW),
        (PARQUET, Format.PARQUET),
        ("text/html, text/csv;q=0.1", Format.CSV), ("text/csv;q=0.5, */*;q=0.1", Format.CSV),
        ("*/*, application/json;q=0", Format.CSV), ("application/json;q=0.3,text/csv;q=0.4", Format.CSV),
        (f"text/csv, {ARROW}", Format.CSV), ("text/csv;q=2, */*", Format.JSON),
        ("a,,b,*/*;q=0.001", Format.JSON),
    ],
)  # fmt: skip
def test_accept_chooses_the_format(accept, expected):
    """The weights of RFC 9110: the most exact range counts, ties go to the first of our list."""
    assert expected is choose_format(accept)


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "application/xml, image/*", "text/csv;q=0", ";"])
def test_no_format_that_the_caller_reads_is_406(accept):
    """The refusal lists what there is."""
    with pytest.raises(NotAcceptable, match=r"application/json, text/csv, .*arrow\.stream, .*parquet"):
        choose_format(accept)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, Coding.IDENTITY), ("", Coding.IDENTITY), ("gzip", Coding.GZIP),
        ("gzip, deflate, br", Coding.GZIP),
        ("gzip, zstd", Coding.ZSTD), ("gzip;q=1, zstd;q=0.9", Coding.GZIP), ("X-GZIP", Coding.GZIP),
        ("*", Coding.ZSTD), ("zstd;q=0, *", Coding.GZIP), ("br", Coding.IDENTITY),
        ("gzip;q=0", Coding.IDENTITY), ("gzip;q=x", Coding.IDENTITY),
        ("identity;q=0, gzip;q=0.001", Coding.GZIP), ("identity, gzip;q=0.5", Coding.IDENTITY),
        ("*;q=0, gzip", Coding.GZIP), ("identity;q=0.5, *;q=0", Coding.IDENTITY),
    ],
)  # fmt: skip
def test_accept_encoding_chooses_the_coding(accepted, expected):
    """The weights of RFC 9110, `identity;q=0` and `*` among them."""
    assert expected is choose_coding(accepted)


@pytest.mark.parametrize(
    "accepted", ["identity;q=0", "*;q=0", "br, identity;q=0", "identity;q=0.0, gzip;q=0"]
)
def test_no_coding_that_the_caller_reads_is_406(accepted):
    """Who refuses the plain answer must take another."""
    with pytest.raises(NotAcceptable, match="zstd, gzip"):
        choose_coding(accepted)


async def test_a_refusal_is_json_whatever_is_asked_for(site):
    """406 and all other refusals have the one shape (design 6)."""
    for answer, status in (
        (await site.open.get({"accept": "image/png"}), 406),
        (await site.open.send("GET", own(site.open), accept="image/png"), 406),
        (await site.open.send("GET", own(site.open), accept_encoding="identity;q=0"), 406),
        (await site.open.get({"accept": CSV}, limit="0"), 400),
    ):
        assert (status, "application/json") == (answer.status_code, answer.headers["content-type"])
        assert answer.json()["errors"]


# -- the formats -----------------------------------------------------------------------------------


async def test_json_is_the_same_on_both_routes(site):
    """An array of records; the own route shows all of them without a range."""
    await site.open.wrote(RECORDS)

    answer = await read(site.open)

    assert RECORDS == answer.json() == await site.open.rows()
    assert "application/json" == answer.headers["content-type"]


@pytest.mark.parametrize("stored", [False, True], ids=["tail", "store"])
async def test_csv(site, stored):
    """A head line, codes beside their variables, CRLF, quotes where needed (RFC 4180)."""
    await site.open.wrote(RECORDS)
    if stored:
        await site.step()

    answers = [await read(site.open, accept=CSV), await site.open.get({"accept": CSV}, to=at(9))]

    expected = [
        HEAD,
        f'{at(0)},1.5,0,,7,,,true,"a,b",,',
        f'{at(1)},-2.0,,,,,3,,,"é ""x""",{at(-5)}',
        f"{at(2)},,,,-9223372036854775808,4294967295,,false,,,",
    ]
    for answer in answers:
        assert "text/csv; charset=utf-8" == answer.headers["content-type"]
        assert expected == answer.text.split("\r\n")[:-1]


@pytest.mark.parametrize("media", [ARROW, PARQUET])
async def test_arrow_and_parquet(site, media):
    """Typed columns with nulls, codes as unsigned integers, times as instants; metadata name the series."""
    await site.open.wrote(RECORDS)

    for answer in (await read(site.open, accept=media), await site.open.get({"accept": media}, to=at(9))):
        table = table_of(answer)
        assert media == answer.headers["content-type"]
        assert HEAD.split(",") == table.column_names
        assert TYPES == [str(each) for each in table.schema.types]
        shown = [
            {name: _plain(value) for name, value in row.items() if value is not None}
            for row in table.to_pylist()
        ]
        expected = [
            {name: int(value) if name.endswith("_qc") else value for name, value in record.items()}
            for record in RECORDS
        ]
        assert expected == shown
        named = json.loads(table.schema.metadata[b"aspectstore.series"])
        assert [{"assetId": MAST, "aspectName": "weather", "aspectId": "1" * 32}] == named
        assert b"aspectstore.read_position" not in table.schema.metadata
        assert b"LONG" == table.field("count").metadata[b"type"]


def _plain(value):
    return (
        value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if hasattr(value, "isoformat")
        else value
    )


@pytest.mark.parametrize("media", [None, CSV, ARROW, PARQUET])
async def test_nothing_found_is_an_empty_table(site, media):
    """No rows, and still the head and the schema."""
    answer = await read(site.open, **({"accept": media} if media else {}))

    if media is None:
        assert [] == answer.json()
    elif media == CSV:
        assert f"{HEAD}\r\n" == answer.text
    else:
        assert (0, HEAD.split(",")) == (table_of(answer).num_rows, table_of(answer).column_names)


@pytest.mark.parametrize("select", ["count_qc", "level,temperature"])
async def test_select_chooses_the_columns(site, select):
    """In the order of the aspect type; a code can be asked for alone (MS-42)."""
    await site.open.wrote(RECORDS)

    csv_rows = list(csv.DictReader(io.StringIO((await read(site.open, {"select": select}, accept=CSV)).text)))
    table = table_of(await read(site.open, {"select": select}, accept=ARROW))

    heads = {
        "count_qc": ["_time", "count_qc"],
        "level,temperature": ["_time", "temperature", "temperature_qc", "level"],
    }
    assert heads[select] == list(csv_rows[0]) == table.column_names
    assert len((await read(site.open, {"select": select})).json()) == len(csv_rows) == table.num_rows == 2


def test_units_are_in_the_schema():
    """The unit of a variable goes along as metadata of its field."""
    warm = Variable(name="t", type=VariableType.DOUBLE, unit="°C", id=1)
    aspect = AspectType(id="a.b", tenant="a", name="b", category="dynamic", variables=(warm,))

    schema = schema_of(fields_of(aspect), (), [], 17)

    assert "°C".encode() == schema.field("t").metadata[b"unit"]
    assert b"17" == schema.metadata[b"aspectstore.read_position"]


# -- length ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("media", [None, CSV, ARROW, PARQUET])
async def test_any_number_of_records_comes_in_pieces(site, media, sort, monkeypatch):
    """Every record once and in order, read in pieces of bounded size, also where blocks and tail meet."""
    monkeypatch.setattr(querying, "PIECE_ROWS_MAX", 1_000)
    monkeypatch.setattr(formats, "STREAMED_BYTES_MIN", 10_000)
    times = await many(site.open, 12_345)
    await site.open.wrote([{"_time": at(5), "temperature": 0.25}])
    sizes = []
    take = site.series.reading._read

    async def watched(series, wanted, tail):
        found = await take(series, wanted, tail)
        sizes.append(found.columns.rows)
        return found

    site.series.reading._read = watched

    parameters = {"sort": sort, "select": "temperature"}

    answer = await read(site.open, parameters, **({"accept": media} if media else {}))

    assert "content-length" not in answer.headers
    expected = [*(time / 8 for time in times.tolist()), 0.25]
    expected = expected if sort == "asc" else expected[::-1]
    assert expected == _temperatures(answer, media)
    # Backwards, the oldest record is asked for first: what retention left of the range goes into the head.
    assert (1_000, 13 + (sort == "desc")) == (max(sizes), len(sizes))


def _temperatures(answer, media):
    if media is None:
        return [each["temperature"] for each in answer.json()]
    if media == CSV:
        return [float(each["temperature"]) for each in csv.DictReader(io.StringIO(answer.text))]
    return table_of(answer).column("temperature").to_pylist()


async def test_a_limit_of_our_own_route_is_any_number(site, monkeypatch):
    """Exactly so many records, beyond a piece and beyond the dialect's 2,000 (design 8.6)."""
    monkeypatch.setattr(querying, "PIECE_ROWS_MAX", 1_000)
    await many(site.open, 4_000)

    for limit in (1, 999, 1_000, 1_001, 3_999, 4_000, 9_999):
        answer = await read(site.open, {"limit": str(limit), "select": "temperature"})
        assert min(limit, 4_000) == len(answer.json())
        assert "link" not in answer.headers


def test_pieces_are_small_where_records_may_be_large():
    """A piece has at most 8,192 rows, and fewer of many members or long strings: memory has a bound."""
    query = RangeQuery(TimeRange(0, 1), None, descending=False, parts=None)

    assert 8_192 == querying.piece_rows(aspect_type("acme", "tyres"), query)
    assert 523 == querying.piece_rows(aspect_type("acme", "wide"), query)
    assert 256 == querying.piece_rows(aspect_type("acme", "weather"), query)


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        (["tyres"], ReadKind.RANGE, 8), (["tyres", "wide"], ReadKind.RANGE, 4),
        (["tyres", "weather"], ReadKind.RANGE, 1), (["weather"], ReadKind.NEWEST, 8), ([], ReadKind.RANGE, 8),
    ],
)  # fmt: skip
def test_few_pages_are_read_ahead_where_they_may_be_large(names, kind, expected):
    """Eight pages of the longest strings would be 3 GB for one request."""
    query = SeriesQuery(kind, TimeRange(0, 1))
    chosen = [
        querying.Chosen((MAST, name), Granted(SeriesId("acme", MAST, "a"), aspect_type("acme", name)), query)
        for name in names
    ]

    assert expected == querying.pages_at_once(chosen)


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"limit": "0"}, "/limit"), ({"limit": "-1"}, "/limit"), ({"limit": "1e3"}, "/limit"),
        ({"limit": "9999999999"}, "/limit"), ({"from": "yesterday"}, "/from"), ({"sort": "up"}, "/sort"),
        ({"select": "nothing"}, "/select"), ({"from": at(1), "to": at(0)}, "/from"), ({"unknown": "1"}, ""),
        ({"latestValue": "true"}, ""),
    ],
)  # fmt: skip
async def test_wrong_parameters_of_our_own_route_are_400(site, parameters, pointer):
    """Unknown ones, too (design 8.22)."""
    answer = await site.open.send("GET", own(site.open), None, parameters)

    assert 400 == answer.status_code
    assert [(pointer, "invalidParameter")] == problems(answer)


async def test_ranges_of_our_own_route(site):
    """(from, to]; open on the side that is not given, also into the future (design 8.5)."""
    await site.open.wrote([{"_time": at(n), "level": n} for n in (-1, 0, 1)])

    found = [
        [each["level"] for each in (await read(site.open, parameters)).json()]
        for parameters in ({}, {"from": at(-1)}, {"to": at(0)}, {"from": at(-1), "to": at(0)})
    ]

    assert [[-1, 0, 1], [0, 1], [-1, 0], [0]] == found


async def test_the_strict_profile_bounds_our_own_route(site):
    """90 days of records at a time (MS-47)."""
    too_long = await site.strict.send("GET", own(site.strict), None, {"from": at(0, hours=-24 * 91)})
    fits = await site.strict.send("GET", own(site.strict), None, {"from": at(0, hours=-24 * 89)})

    assert [400, 200] == [too_long.status_code, fits.status_code]


async def test_a_long_read_is_as_fresh_as_a_short_one(site):
    """What was acknowledged is in it, and `Read-Position` says where that cannot be (design 4.17)."""
    receipt = await site.open.wrote(RECORDS)
    await site.step()
    site.stream.stop()

    answer = await read(site.open, accept=ARROW)

    position = str(site.series.places("acme", receipt)[0].position)
    assert position == answer.headers["read-position"]
    assert position.encode() == table_of(answer).schema.metadata[b"aspectstore.read_position"]
    refused = await site.open.send("GET", own(site.open), read_after="x")
    assert 404 == refused.status_code


async def test_a_failure_at_the_beginning_has_a_status(site):
    """The head leaves after the first pieces: a store that is down is 503, not a broken answer."""
    site.store.failure = OSError("gone")

    answer = await site.open.send("GET", own(site.open))

    assert 503 == answer.status_code


async def test_another_tenants_series_is_404(site):
    """As unknown ones are (MS-31)."""
    for asset, aspect in (("b" * 32, "weather"), (MAST, "nothing"), ("x", "weather")):
        assert 404 == (await site.open.send("GET", f"{OWN}/{asset}/{aspect}")).status_code


# -- codings ---------------------------------------------------------------------------------------

DECODERS = {
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().stream_reader(body).read(),
}


async def raw(mast, path, **headers):
    """Read without the client's own decoding."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with mast.site.http.stream("GET", path, headers={**mast.headers, **named}) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_answers_are_compressed_on_demand(site, coding, streamed, monkeypatch):
    """Whole or streamed, the same body under the coding; `Vary` names what it depends on."""
    if streamed:
        monkeypatch.setattr(formats, "STREAMED_BYTES_MIN", 10_000)
    await many(site.open, 2_000)

    plain, expected = await raw(site.open, own(site.open), accept_encoding="identity")
    answer, body = await raw(site.open, own(site.open), accept_encoding=coding)

    assert coding == answer.headers["content-encoding"]
    assert "content-encoding" not in plain.headers
    assert expected == DECODERS[coding](body)
    assert len(body) < len(expected) / 4
    assert streamed is ("content-length" not in answer.headers)
    for each in (plain, answer):
        assert {"authorization", "accept", "accept-encoding"} == set(each.headers["vary"].lower().split(", "))


async def test_dialect_pages_are_compressed_too(site):
    """TB-80: with its length, and its link."""
    await many(site.open, 3_000)

    answer, body = await raw(site.open, f"{site.open.path}?to={at(0)}", accept_encoding="gzip, deflate")

    assert ("gzip", str(len(body))) == (answer.headers["content-encoding"], answer.headers["content-length"])
    assert 2_000 == len(json.loads(gzip.decompress(body)))
    assert "next" in answer.headers["link"]


async def test_small_answers_and_parquet_are_sent_as_they_are(site):
    """What fits a packet gains nothing; Parquet is compressed inside."""
    small, _ = await raw(site.open, own(site.open), accept_encoding="gzip")
    await many(site.open, 2_000)
    parquet, body = await raw(site.open, own(site.open), accept_encoding="gzip", accept=PARQUET)

    assert "content-encoding" not in small.headers
    assert "content-encoding" not in parquet.headers
    assert 2_000 == pq.read_table(io.BytesIO(body)).num_rows


# -- through the real server -----------------------------------------------------------------------


async def test_a_stream_reaches_the_client_piece_by_piece():
    """Chunked, complete and ended; who leaves in the middle ends the reading, too."""
    async with served_site() as site:
        await many(site.open, 300_000)
        read_on = []
        take = site.series.reading._read

        async def watched(series, wanted, tail):
            read_on.append(wanted)
            return await take(series, wanted, tail)

        site.series.reading._read = watched
        parameters = {"select": "temperature"}
        address = f"http://127.0.0.1:{site.port}"
        async with httpx.AsyncClient(base_url=address, headers=site.open.headers) as http:
            answer = await http.get(own(site.open), params=parameters)
            pieces = len(read_on)
            async with http.stream("GET", own(site.open), params=parameters) as left:
                await anext(left.aiter_raw(1_000))
        while site.server.server_state.tasks:
            await asyncio.sleep(0.001)

        assert 300_000 == len(answer.json())
        assert "chunked" == answer.headers["transfer-encoding"]
        assert pieces == 300_000 // querying.PIECE_ROWS_MAX + 1
        assert pieces < len(read_on) < 2 * pieces


@pytest.mark.parametrize("media", [Format.JSON.value, CSV])
@pytest.mark.parametrize("own_route", [True, False], ids=["stream", "page"])
async def test_many_values_are_written_in_a_thread(site, monkeypatch, media, own_route):
    """Who reads 30,000 values holds nobody up; three are written at once."""
    beside = []
    to_thread = asyncio.to_thread

    async def noted(write):
        beside.append(write)
        return await to_thread(write)

    monkeypatch.setattr(formats.asyncio, "to_thread", noted)
    wide = site.open.of(aspect="wide")
    few, many = {"v1": 1.0}, {f"v{number}": float(number) for number in range(1_000)}
    await wide.wrote([{"_time": at(n), **few} for n in range(3)])
    path = own(wide) if own_route else wide.path
    answers = [await wide.send("GET", path, None, {"to": at(99)}, accept=media)]
    assert not beside
    await wide.wrote([{"_time": at(n), **many} for n in range(30)])
    answers.append(await wide.send("GET", path, None, {"to": at(99)}, accept=media))

    assert [200, 200] == [answer.status_code for answer in answers]
    assert 1 == len(beside)
