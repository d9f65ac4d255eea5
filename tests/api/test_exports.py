"""Exports: asked for, run as jobs, fetched in parts, given up (SM-30, SM-31)."""

import csv
import hashlib
import io
import json
from base64 import b64encode

import pytest

from schemas.durations import HOUR_MS
from schemas.times import format_time
from tests.api.downloads import EXPORTS, FIRST_MS, Exports, at
from tests.api.masts import MAST, SECOND, technical_user
from workers.exports.expiring import expire_downloads


@pytest.fixture
async def exports(site):
    """A site that exports, with some records."""
    await site.step()
    made = Exports(site)
    await site.open.put(
        [
            {"_time": at(1), "temperature": 1.5, "temperature_qc": 7, "level": 3},
            {"_time": at(2), "temperature": -2, "label": "=cmd()", "note": 'a,"b"\r\nc'},
            {"_time": at(3), "running": True, "since": at(0)},
        ]
    )
    await site.step()
    return made


def table(octets):
    """Read a table."""
    return list(csv.reader(io.StringIO(octets.decode(), newline="")))


async def test_an_aspect_is_exported_as_a_table(exports):
    """A row a time, a column a variable; texts that a spreadsheet would run are made harmless (SM-30)."""
    mast = exports.site.open
    files = await exports.files(mast, variables=["temperature", "l*", "running", "note", "since"])

    assert ["weather.csv", "manifest.json"] == list(files)
    head = ["_time", "temperature", "level", "running", "label", "note", "since"]
    assert [
        head,
        [at(1), "1.5", "3", "", "", "", ""],
        [at(2), "-2.0", "", "", "'=cmd()", 'a,"b"\r\nc', ""],
        [at(3), "", "", "true", "", "", at(0)],
    ] == table(files["weather.csv"])
    manifest = json.loads(files["manifest.json"])
    [told] = manifest["files"]
    assert (3, 7) == (told["rows"], told["values"])
    assert hashlib.sha256(files["weather.csv"]).hexdigest() == told["sha256"]
    assert len(files["weather.csv"]) == told["bytes"]
    assert (at(1), at(3)) == (told["first"], told["last"])
    assert "weather" == manifest["series"][0]["aspect"]


async def test_a_download_is_fetched_in_parts_and_gone_on_with(exports):
    """Range, If-Range and a strong ETag that is the checksum; `Repr-Digest` and `Digest` say it too."""
    mast = exports.site.open
    export = await exports.export(mast)
    whole = await exports.fetch(mast, export)
    digest = hashlib.sha256(whole.content)
    assert f'"{digest.hexdigest()}"' == whole.headers["etag"]
    assert export["download"]["sha256"] == digest.hexdigest()
    told = b64encode(digest.digest()).decode()
    assert (f"sha-256=:{told}:", f"sha-256={told}") == (whole.headers["repr-digest"], whole.headers["digest"])
    assert 'attachment; filename="export.zip"' == whole.headers["content-disposition"]

    part = await exports.fetch(mast, export, Range="bytes=5-", If_Range=whole.headers["etag"])
    assert (206, whole.content[5:]) == (part.status_code, part.content)
    assert f"bytes 5-{len(whole.content) - 1}/{len(whole.content)}" == part.headers["content-range"]
    other = await exports.fetch(mast, export, Range="bytes=5-", If_Range='"other"')
    assert (200, whole.content) == (other.status_code, other.content)
    assert 304 == (await exports.fetch(mast, export, If_None_Match=whole.headers["etag"])).status_code
    beyond = await exports.fetch(mast, export, Range=f"bytes={len(whole.content)}-")
    assert (416, f"bytes */{len(whole.content)}") == (beyond.status_code, beyond.headers["content-range"])


async def test_one_file_goes_without_an_archive(exports):
    """With `packing` `file`; several files need an archive."""
    mast = exports.site.open
    export = await exports.export(mast, packing="file", layout="narrow", name="w", codes=True)
    answer = await exports.fetch(mast, export)
    assert "text/csv; charset=utf-8" == answer.headers["content-type"]
    assert "w.csv" == export["download"]["name"]
    head, *rows = table(answer.content)
    assert ["_time", "assetId", "assetName", "aspect", "variable", "value", "quality"] == head
    assert [at(1), MAST, "M", "weather", "temperature", "1.5", "7"] == rows[0]
    assert [at(2), MAST, "M", "weather", "note", 'a,"b"\r\nc', ""] == rows[4]
    assert 7 == len(rows)

    refused = await exports.ask(mast, packing="file", aspects=[], assets=[MAST, SECOND])
    assert (400, "/packing") == (refused.status_code, refused.json()["errors"][0]["pointer"])


async def test_several_assets_lie_side_by_side(exports):
    """A wide file of all: rows of the same time are one row, and names say which is whose."""
    mast = exports.site.open
    await mast.of(asset=SECOND).put([{"_time": at(2), "temperature": 9}, {"_time": at(4), "temperature": 8}])
    files = await exports.files(mast, assets=["M"], variables=["temp*"], files="one")
    head, *rows = table(files["readings.csv"])
    assert ["_time", f"{MAST}.weather.temperature", f"{SECOND}.weather.temperature"] == head
    assert [[at(1), "1.5", ""], [at(2), "-2.0", "9.0"], [at(4), "", "8.0"]] == rows


async def test_what_is_acknowledged_is_in_it(exports):
    """Records that no writer came to yet are waited for (design 4.17)."""
    mast = exports.site.open
    await mast.wrote([{"_time": at(5), "level": 5}])
    files = await exports.files(mast, variables=["level"])
    assert [[at(1), "3"], [at(5), "5"]] == table(files["weather.csv"])[1:]


HOURLY = {"unit": "hour", "functions": ["countgood", "average", "maxvalue", "lasttime"]}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("unit", ["hour", "minute", "second"])
async def test_aggregates_are_those_that_reads_give(exports, sealed, unit):
    """Of numeric variables, in the zone's intervals; out of summaries or rows, never stale (design 4.11)."""
    mast = exports.site.open
    records = [
        {"_time": format_time(FIRST_MS + 6_000 * n), "temperature": n, "level": n % 7} for n in range(600)
    ]
    for start in range(0, 600, 100):
        await mast.wrote(records[start : start + 100])
    await exports.site.step()
    if sealed:
        await exports.site.seal()
    asked = {**HOURLY, "unit": unit, "value": {"hour": 1, "minute": 7, "second": 45}[unit]}
    files = await exports.files(mast, aggregate=asked, variables=["temperature", "level"], codes=True)
    head, *rows = table(files["weather.csv"])
    names = [f"{name}.{function}" for name in ("temperature", "level") for function in asked["functions"]]
    assert ["_time", *names] == head
    answer = await mast.send(
        "GET",
        f"/api/iottimeseries/v3/aggregates/{mast.asset}/weather",
        parameters={
            "from": at(-60),
            "to": at(120),
            "intervalUnit": unit,
            "intervalValue": str(asked["value"]),
        },
    )
    expected = {each["starttime"]: each for each in answer.json()}
    assert len(expected) == len(rows)
    for row in rows:
        told = dict(zip(head, row, strict=True))
        for name in ("temperature", "level"):
            known = expected[told["_time"]].get(name)
            assert (known is None) == (not told[f"{name}.average"])
            if known is not None:
                assert known["countgood"] == int(told[f"{name}.countgood"])
                assert known["lasttime"] == told[f"{name}.lasttime"]
                for function in ("average", "maxvalue"):
                    assert known[function] == pytest.approx(float(told[f"{name}.{function}"]))


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"assets": ["nobody"]}, "/assets"),
        ({"variables": ["nope*"]}, "/assets"),
        ({"from": at(3), "to": at(3)}, "/from"),
        ({"from": "yesterday"}, "/from"),
        ({"timezone": "Mars"}, "/timezone"),
        ({"timeFormat": "%H:%M"}, "/timeFormat"),
        ({"timeFormat": "%Y-%m-%d %q"}, "/timeFormat"),
        ({"name": "../x"}, None),
        ({"aggregate": {"unit": "hour", "functions": []}}, "/aggregate/functions"),
        ({"aggregate": {"unit": "hour", "functions": ["p95"]}}, "/aggregate/functions"),
        ({"aggregate": {**HOURLY, "value": 25}}, "/aggregate/value"),
        ({"aggregate": HOURLY, "timezone": "+01:00"}, "/timezone"),
        ({"aggregate": HOURLY, "variables": ["label"]}, "/assets"),
        ({"format": "parquet", "layout": "narrow"}, "/variables"),
        ({"format": "tinyflux", "layout": "narrow"}, "/layout"),
        ({"format": "json", "timezone": "Europe/Berlin"}, "/format"),
        ({"format": "xls"}, None),
        ({"unknown": 1}, None),
    ],
)
async def test_what_cannot_be_is_refused_at_once(exports, asked, pointer):
    """With the place of the reason."""
    answer = await exports.ask(exports.site.open, **asked)
    assert 400 == answer.status_code, answer.text
    if pointer is not None:
        assert pointer == answer.json()["errors"][0]["pointer"]


async def test_times_are_written_as_clocks_of_a_zone_show_them(exports):
    """In the zone and by the format of the request; a range is (from, to] (SM-30, TB-74)."""
    mast = exports.site.open
    asked = {"timezone": "Europe/Berlin", "timeFormat": "%d/%m/%Y %H:%M:%S%z", "format": "tsv"}
    files = await exports.files(mast, **asked, **{"from": at(1), "to": at(2)}, variables=["temperature"])
    assert b"_time\ttemperature\r\n01/01/2026 00:02:00+01:00\t-2.0\r\n" == files["weather.tsv"]


async def test_another_tenant_finds_nothing(exports):
    """Neither the export nor a word of it; ids are the same in both tenants."""
    mast, other = exports.site.open, exports.site.other
    export = await exports.export(mast)
    place = f"{EXPORTS}/{export['job']['id']}"
    for method, path in (("GET", ""), ("GET", "/content"), ("GET", "/manifest"), ("DELETE", "")):
        answer = await other.send(method, place + path)
        assert (404, "There is no such export.") == (
            answer.status_code,
            answer.json()["errors"][0]["message"],
        )
    assert [] == (await other.send("GET", EXPORTS)).json()["exports"]
    assert 200 == (await exports.fetch(mast, export)).status_code


async def test_a_download_is_kept_for_a_time_and_can_be_given_up(exports):
    """Afterwards it is 410, and its bytes are gone (SM-31)."""
    mast = exports.site.open
    first, second = await exports.export(mast, keptHours=2), await exports.export(mast)
    assert 204 == (await mast.send("DELETE", f"{EXPORTS}/{second['job']['id']}")).status_code
    assert 410 == (await exports.fetch(mast, second)).status_code
    assert 200 == (await exports.fetch(mast, first)).status_code

    exports.site.clock.advance(2 * HOUR_MS)
    await exports.site.renew()
    assert 410 == (await exports.fetch(mast, first)).status_code
    ports = exports.site.door.services.ports
    assert 1 == await expire_downloads(ports.catalog, ports.files, "acme", ports.clock.now_ms())
    assert [] == await ports.files.kept("acme")
    listed = (await mast.send("GET", EXPORTS)).json()["exports"]
    assert {second["job"]["id"], first["job"]["id"]} == {each["job"]["id"] for each in listed}
    assert not any("download" in each for each in listed)


async def test_who_only_looks_gives_up_no_export_of_somebody_else(exports):
    """A viewer's own export is theirs; another's needs a token that may write."""
    mast = exports.site.open
    export = await exports.export(mast)
    path = f"{EXPORTS}/{export['job']['id']}"
    viewer = await technical_user(exports.site, "viewer", "viewer")
    assert 403 == (await viewer.send("DELETE", path)).status_code
    assert 200 == (await exports.fetch(mast, export)).status_code
    own = await exports.export(viewer)
    assert 204 == (await viewer.send("DELETE", f"{EXPORTS}/{own['job']['id']}")).status_code


async def test_an_export_that_waits_is_given_up(exports):
    """Its job is cancelled, and nothing can be fetched."""
    mast = exports.site.open
    asked = (await exports.ask(mast)).json()
    place = f"{EXPORTS}/{asked['job']['id']}"
    assert 409 == (await mast.send("GET", f"{place}/content")).status_code
    assert 204 == (await mast.send("DELETE", place)).status_code
    await exports.run()
    assert "cancelled" == (await mast.send("GET", place)).json()["job"]["state"]
    assert 409 == (await mast.send("GET", f"{place}/content")).status_code


async def test_an_import_is_no_export(exports):
    """Jobs of other kinds are not found here."""
    mast = exports.site.open
    answer = await mast.send("GET", f"{EXPORTS}/{'0' * 8}-0000-4000-8000-{'0' * 12}")
    assert 404 == answer.status_code
    assert 400 == (await mast.send("GET", EXPORTS, parameters={"before": "x"})).status_code
    assert 400 == (await mast.send("GET", EXPORTS, parameters={"unknown": "x"})).status_code


async def test_nothing_is_made_where_nothing_has_changed(exports):
    """With `ifChanged`: the earlier one is named and fetched; a record or a wish makes it anew (SM-31)."""
    mast = exports.site.open
    await exports.site.seal()

    async def same(**asked):
        return (await exports.export(mast, ifChanged=True, **asked))["job"].get("sameAs")

    first = await exports.export(mast, ifChanged=True)
    assert "sameAs" not in first["job"]
    again = await exports.export(mast, ifChanged=True)
    assert (first["job"]["id"], first["download"]) == (again["job"]["sameAs"], again["download"])
    assert (await exports.fetch(mast, first)).content == (await exports.fetch(mast, again)).content
    assert await same(variables=["level"]) is None
    assert first["job"]["id"] == await same()
    bounded = {"to": at(30)}
    assert await same(**bounded) is None
    assert await same(**bounded) is not None

    await mast.wrote([{"_time": at(5), "level": 9}])
    assert await same() is None
    assert await same(**bounded) is None
    assert 204 == (await mast.send("DELETE", mast.path, parameters={"from": at(4), "to": at(5)})).status_code
    await exports.site.step()
    assert await same(**bounded) is None
    await exports.site.seal()
    await same(**bounded)
    kept = await exports.export(mast, ifChanged=True, **bounded)
    assert kept["job"]["sameAs"]
    assert 204 == (await mast.send("DELETE", f"{EXPORTS}/{kept['job']['sameAs']}")).status_code
    assert 410 == (await exports.fetch(mast, kept)).status_code
    assert await same(**bounded) is None


async def test_rows_that_lie_behind_an_open_end_are_a_change_once_it_has_passed_them(exports):
    """What was in the future at the first export is in the second one."""
    mast = exports.site.open
    await mast.wrote([{"_time": at(90), "level": 9}])
    await exports.site.seal()
    first = await exports.export(mast, ifChanged=True)
    exports.site.clock.advance(HOUR_MS)
    await exports.site.renew()
    second = await exports.export(mast, ifChanged=True)
    assert "sameAs" not in second["job"]
    assert first["job"]["counts"]["rows"] + 1 == second["job"]["counts"]["rows"]


async def test_a_name_is_no_pattern_but_for_two_marks(exports):
    """`*` and `?` alone mean something, so an asset is found by its own name, whatever it is."""
    mast = exports.site.open
    await mast.rename("mast [1]")

    assert "weather.csv" in await exports.files(mast, assets=["mast [1]"], variables=["level"])
    refused = await exports.ask(mast, assets=["mast [!2]"])
    assert 400 == refused.status_code


@pytest.mark.parametrize("name", ["manifest", "Manifest"])
async def test_no_file_of_an_archive_hides_another(exports, name):
    """Not the manifest, nor that of an asset whose name is another one once it is lawful."""
    mast, second = exports.site.open, exports.site.open.of(SECOND)
    await mast.rename(name)
    alone = await exports.files(mast, files="asset", format="json", variables=["level"])
    assert [f"{name}_.json", "manifest.json"] == list(alone)

    await mast.rename("a b")
    await second.rename("A_b")
    both = await exports.files(mast, assets=[], files="asset", variables=["level"])
    assert {f"a_b-{MAST}.csv", f"A_b-{SECOND}.csv", "manifest.json"} == both.keys()
