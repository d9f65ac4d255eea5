"""The aggregate routes over HTTP: both versions, the alias, the worked example, zones (wire 2)."""

from __future__ import annotations

import random

import msgspec
import pytest

from schemas.assets import Asset
from schemas.times import format_time, parse_time
from storage import merge
from tests.api.doors import NOW_MS
from tests.api.masts import SECOND, at, problems
from tests.schemas import aggregate_oracle as oracle
from tests.schemas.aggregate_oracle import Row

V4 = "/api/iottsaggregates/v4/aggregates"
V3 = "/api/iottsaggregates/v3/aggregates"
ALIAS = "/api/iottimeseries/v3/aggregates"
OWN = "/api/aspectstore/v1/aggregates"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
UNCERTAIN, BAD = 1 << 30, 1 << 31
SIDES = pytest.mark.parametrize("stored", [False, True], ids=["in the tail", "in the store"])


async def ask(mast, route, headers=None, **parameters):
    """Ask one of the routes; `from_` stands for `from`."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    path = route
    if route in (V3, ALIAS):
        path = f"{route}/{mast.asset}/{mast.aspect}"
    else:
        named = {"assetId": mast.asset, "aspectName": mast.aspect, **named}
    return await mast.send("GET", path, None, named, **(headers or {}))


async def items(mast, route=V4, **parameters):
    """Give the intervals of an answer."""
    answer = await ask(mast, route, **parameters)
    assert 200 == answer.status_code, answer.text
    return answer.json() if route in (V3, ALIAS) else answer.json()["aggregates"]


@SIDES
@pytest.mark.parametrize("route", [V4, V3, ALIAS, OWN])
async def test_the_worked_example(site, route, stored):
    """4-minute intervals from 00:08: 93 … 95 from 00:09 to 00:12, average 93.75, sum 375 (MS-62)."""
    mast = site.open.of(aspect="tyres")
    pressures = {9: 93.0, 10: 95.0, 11: 93.0, 12: 94.0, 13: 90.0, 8: 1.0}
    await mast.wrote(
        [{"_time": f"2017-05-01T00:{minute:02}:00Z", "FLWheel": value} for minute, value in pressures.items()]
    )
    if stored:
        await site.step()

    first, second = await items(
        mast,
        route,
        from_="2017-05-01T00:08:00Z",
        to="2017-05-01T00:16:00Z",
        intervalUnit="minute",
        intervalValue="4",
    )

    assert first == {
        "starttime": "2017-05-01T00:08:00.000Z",
        "endtime": "2017-05-01T00:12:00.000Z",
        "FLWheel": {
            "countgood": 4, "countuncertain": 0, "countbad": 0, "sum": 375.0, "average": 93.75,
            "minvalue": 93.0, "maxvalue": 95.0, "firstvalue": 93.0, "lastvalue": 94.0,
            "firsttime": "2017-05-01T00:09:00.000Z", "lasttime": "2017-05-01T00:12:00.000Z",
            "mintime": "2017-05-01T00:09:00.000Z", "maxtime": "2017-05-01T00:10:00.000Z",
            "sd": pytest.approx(0.6875**0.5, rel=1e-12),
        },
    }  # fmt: skip
    assert ("2017-05-01T00:16:00.000Z", 1) == (second["endtime"], second["FLWheel"]["countgood"])


@pytest.mark.parametrize("route", [V3, ALIAS])
async def test_version_3_answers_an_array_and_knows_seconds(site, route):
    """The old path and its alias: an array, seconds and odd minutes (wire 1.7, 2.1)."""
    await site.open.wrote([{"_time": at(-n * 1_000), "level": n} for n in range(10)])

    seconds = await items(
        site.open, route, from_=at(-9_000), to=at(0), intervalUnit="second", intervalValue="3"
    )
    odd = await items(site.open, route, from_=at(-9_000), to=at(0), intervalUnit="MINUTE", intervalValue="7")
    refused = await ask(site.open, route, from_=at(-9_000), intervalUnit="second", intervalValue="121")

    assert [(at(-6_000), 8 + 7 + 6), (at(-3_000), 5 + 4 + 3), (at(0), 2 + 1 + 0)] == [
        (each["endtime"], each["level"]["sum"]) for each in seconds
    ]
    assert [(at(-5 * 60_000), 45)] == [(each["starttime"], each["level"]["sum"]) for each in odd]
    assert (400, [("/intervalValue", "invalidParameter")]) == (refused.status_code, problems(refused))


async def test_version_4_does_not_know_seconds(site):
    """Its units begin with two minutes (MS-63)."""
    for unit, value, name in (("second", "2", "intervalUnit"), ("minute", "3", "intervalValue")):
        answer = await ask(site.open, V4, from_=at(-1), intervalUnit=unit, intervalValue=value)

        assert (400, [(f"/{name}", "invalidParameter")]) == (answer.status_code, problems(answer))


async def test_parameters_fill_themselves_in(site):
    """Without any: seven days by day; with `from` alone, as the command line client asks (MS-66)."""
    await site.open.wrote([{"_time": at(0, hours=-24 * day), "level": day} for day in range(10)])

    nothing = await items(site.open)
    since_yesterday = await items(site.open, from_=at(0, hours=-24))
    counted = await items(site.open, to=at(0), intervalUnit="day", intervalValue="2", count="2")

    assert [6, 5, 4, 3, 2, 1, 0] == [each["level"]["sum"] for each in nothing]
    assert [0] == [each["level"]["sum"] for each in since_yesterday]
    assert [3 + 2, 1 + 0] == [each["level"]["sum"] for each in counted]


async def test_functions_can_be_selected(site):
    """`select=a`, `a.sum,b.average`, and a count of bad values only where it is asked for (MS-68, 8.27)."""
    await site.open.wrote(
        [
            {"_time": at(-1), "level": 2, "pressure": 4},
            {"_time": at(0), "level": 4, "pressure": 6, "temperature": 9, "temperature_qc": 1 << 31},
        ]
    )
    hourly = {"from_": at(-HOUR_MS), "intervalUnit": "hour", "intervalValue": "1"}

    [fields] = await items(site.open, select="level.sum,pressure.average,temperature.countbad", **hourly)
    [whole] = await items(site.open, select="pressure,temperature", **hourly)

    assert {"level": {"sum": 6}, "pressure": {"average": 5.0}, "temperature": {"countbad": 1}} == {
        name: value for name, value in fields.items() if not name.endswith("time")
    }
    assert ["starttime", "endtime", "pressure"] == list(whole)
    assert 14 == len(whole["pressure"])


async def put_zone(site, zone):
    """Give the second mast of the open tenant a zone, as at its creation."""
    document = await site.catalog.get("acme", "asset", SECOND)
    asset = msgspec.structs.replace(msgspec.json.decode(document.body, type=Asset), timezone=zone)
    await site.catalog.replace("acme", "asset", SECOND, msgspec.json.encode(asset), document.version)
    await site.door.services.index.load()
    return site.open.of(SECOND)


@pytest.mark.parametrize(
    ("zone", "switch", "hours"),
    [
        ("Europe/Berlin", "2025-03-29T23:00:00.000Z", 23),
        ("Europe/Berlin", "2025-10-25T22:00:00.000Z", 25),
        ("America/New_York", "2025-11-02T04:00:00.000Z", 25),
        ("Australia/Lord_Howe", "2025-04-05T13:00:00.000Z", 24.5),
        ("Asia/Kathmandu", "2025-04-05T18:15:00.000Z", 24),
    ],
)
async def test_days_are_those_of_the_assets_zone(site, zone, switch, hours):
    """Days of 23, 24.5 and 25 hours, in half and quarter hours; hours of them are whole (8.11, MS-64)."""
    mast, start = await put_zone(site, zone), parse_time(switch)
    every = range(start - 2 * DAY_MS, start + 2 * DAY_MS, HOUR_MS // 2)
    await mast.wrote([{"_time": format_time(time + HOUR_MS // 2), "level": 1} for time in every])
    ends = {"from_": switch, "to": format_time(start + int(hours * HOUR_MS))}

    days = await items(mast, intervalUnit="day", intervalValue="1", **ends)
    by_hour = await items(mast, intervalUnit="hour", intervalValue="1", **ends)

    assert [(switch, ends["to"], 2 * hours)] == [
        (day["starttime"], day["endtime"], day["level"]["sum"]) for day in days
    ]
    assert 2 * hours == sum(hour["level"]["sum"] for hour in by_hour)
    assert [2] * int(hours) == [hour["level"]["sum"] for hour in by_hour][: int(hours)]


async def test_the_requests_zone_comes_before_the_assets(site):
    """Request, else asset; the dialect's routes do not know the parameter and ignore it (8.11, 8.22)."""
    mast = await put_zone(site, "Asia/Tokyo")
    await mast.wrote([{"_time": at(0, hours=-12), "level": 1}])
    daily = {
        "from_": at(-HOUR_MS // 2, hours=-12),
        "to": at(HOUR_MS // 2, hours=-12),
        "intervalUnit": "day",
        "intervalValue": "1",
    }

    of_asset = await items(mast, OWN, **daily)
    of_request = await items(mast, OWN, timezone="America/New_York", **daily)
    ignored = await items(mast, V4, timezone="America/New_York", **daily)
    unknown = await ask(mast, OWN, timezone="Mars/Olympus", **daily)

    assert ["2025-12-30T15:00:00.000Z"] == [each["starttime"] for each in of_asset]
    assert ["2025-12-31T05:00:00.000Z"] == [each["starttime"] for each in of_request]
    assert of_asset == ignored
    assert (400, [("/timezone", "invalidParameter")]) == (unknown.status_code, problems(unknown))


@pytest.mark.parametrize("route", [V4, V3, ALIAS, OWN])
async def test_unknown_and_foreign_series_are_404(site, route):
    """Another tenant's asset is like an unknown one, on every route (MS-31)."""
    theirs = "d" * 32
    asset = Asset(id=theirs, tenant="other", name="M", type_id="other.Mast")
    await site.catalog.create("other", "asset", theirs, msgspec.json.encode(asset))
    await site.door.services.index.load()

    answers = [
        await ask(mast, route)
        for mast in (site.open.of(theirs), site.open.of("e" * 32), site.open.of(aspect="wind"))
    ]

    assert 200 == (await ask(site.other.of(theirs), route)).status_code
    assert [404] * 3 == [answer.status_code for answer in answers]
    assert answers[0].json()["errors"][0]["message"] == answers[1].json()["errors"][0]["message"]


@pytest.mark.parametrize("route", [V4, V3, ALIAS, OWN])
async def test_a_read_is_fresh_or_says_how_far_it_is(site, route):
    """`Read-After` is obeyed, `Read-Position` names what the answer is sure of (design 4.17)."""
    stored = await site.open.wrote([{"_time": at(0), "level": 1}])
    await site.step()
    newer = await site.open.wrote([{"_time": at(-1), "level": 2}])
    fresh = await ask(site.open, route, {"read_after": newer})
    site.stream.stop()

    behind = await ask(site.open, route, {"read_after": stored})
    missed = await ask(site.open, route, {"read_after": newer})

    assert '"sum":3' in fresh.text
    assert "read-position" not in fresh.headers
    assert '"sum":1' in behind.text
    assert str(site.series.places("acme", stored)[0].position) == behind.headers["read-position"]
    assert 503 == missed.status_code


async def test_strict_bounds_ranges_by_unit(site):
    """48 hours of minutes, 30 days of hours, 365 days of days; one hour more is 400 (MS-65, design 7)."""
    for unit, hours in (("minute", 48), ("hour", 720), ("day", 365 * 24)):
        named = {"intervalUnit": unit, "intervalValue": "2", "to": at(0)}

        assert [] == await items(site.strict, from_=at(0, hours=-hours), **named)
        refused = await ask(site.strict, V4, from_=at(0, hours=-hours - 1), **named)
        assert (400, [("/from", "invalidParameter")]) == (refused.status_code, problems(refused))


async def test_a_large_answer_is_whole(site):
    """Thousands of intervals of two variables, over several pieces of reading, in order."""
    minutes = range(0, 60 * 24 * 60, 30)
    for start in range(0, len(minutes), 1_440):
        await site.open.wrote(
            [{"_time": at(-m * 60_000), "level": m, "pressure": 1} for m in minutes[start : start + 1_440]]
        )
    await site.step()

    found = await items(site.open, from_=at(0, hours=-60 * 24), intervalUnit="minute", intervalValue="30")

    assert [at(-m * 60_000) for m in reversed(minutes)] == [each["endtime"] for each in found]
    assert [*reversed(minutes)] == [each["level"]["sum"] for each in found]
    assert len(minutes) == sum(each["pressure"]["countgood"] for each in found)


@pytest.mark.parametrize(
    ("unit", "value"),
    [("minute", "2"), ("minute", "30"), ("hour", "1"), ("hour", "5"), ("day", "1"), ("month", "1")],
)
async def test_sealed_blocks_answer_as_rows_do(site, unit, value):
    """Summaries speak where intervals are made of whole cells; late rows and deletes count (MS-69)."""
    dice = random.Random(9)
    rows = {
        -n * 2_000: (round(dice.gauss(20, 5), 2), dice.choice([0, 0, 0, UNCERTAIN, BAD]))
        for n in range(9_000)
    }
    ends = {"from_": at(0, hours=-12), "to": at(0), "intervalUnit": unit, "intervalValue": value}

    async def wrote(some):
        records = [
            {"_time": at(t), "temperature": v, "temperature_qc": code} for t, (v, code) in some.items()
        ]
        for start in range(0, len(records), 3_000):
            await site.open.wrote(records[start : start + 3_000])
        await site.step()

    def expected(end):
        interval = [
            Row(time, *rows[time]) for time in sorted(rows) if starts[end] < NOW_MS + time <= parse_time(end)
        ]
        return {
            name: found for name, found in oracle.functions(interval).items() if not name.endswith("time")
        }

    await wrote(rows)
    before = await items(site.open, **ends)
    late = {-n * 2_000 - 700: (1e6 + n, 0) for n in range(0, 9_000, 1_500)}
    await site.open.wrote([{"_time": at(t), "temperature": v} for t, (v, _) in late.items()])
    await site.open.delete(from_=at(-2 * HOUR_MS), to=at(-HOUR_MS))
    after = await items(site.open, **ends)
    kept = rows

    for answer, rows in ((before, kept), (after, {
        time: row for time, row in {**kept, **late}.items() if not -2 * HOUR_MS < time <= -HOUR_MS
    })):  # fmt: skip
        starts = {item["endtime"]: parse_time(item["starttime"]) for item in answer}
        assert sum(item["temperature"]["countgood"] for item in answer) == sum(
            not row[1] for row in rows.values()
        )
        for item in answer:
            found = {name: item["temperature"][name] for name in expected(item["endtime"])}
            assert expected(item["endtime"]) == pytest.approx(found, rel=1e-9, abs=1e-9)


async def test_summaries_spare_the_rows(site, monkeypatch):
    """Hours of what is sealed are answered without reading a row; two minutes are not (design 4.11)."""
    await site.open.wrote([{"_time": at(-n * 1_000), "level": n} for n in range(9_000)])
    await site.step()
    read = []

    def state(layers, merged=merge.state):
        read.extend(layers)
        return merged(layers)

    monkeypatch.setattr(merge, "state", state)
    ends = {"from_": at(0, hours=-2), "to": at(0), "intervalUnit": "hour", "intervalValue": "1"}

    hours = await items(site.open, **ends)
    by_cells = len(read)
    minutes = await items(site.open, **ends | {"intervalUnit": "minute", "intervalValue": "2"})

    assert [sum(range(3_600, 7_200)), sum(range(3_600))] == [each["level"]["sum"] for each in hours]
    assert sum(range(7_200)) == sum(each["level"]["sum"] for each in minutes)
    assert 0 == by_cells < len(read)


def test_the_present_of_these_tests_is_a_midnight():
    """What is said above about days rests on it."""
    assert 0 == NOW_MS % DAY_MS
