"""Aggregates of version 4 by hour: edges, classes, exact sums, what is left out (MS-60 … MS-69, 8.27)."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest

from tests.api.doors import NOW_MS
from tests.api.masts import MAST, at, problems

ROUTE = "/api/iottsaggregates/v4/aggregates"
HOUR_MS = 3_600_000
UNCERTAIN, BAD = 1 << 30, 1 << 31
SIDES = pytest.mark.parametrize("stored", [False, True], ids=["in the tail", "in the store"])


async def ask(mast, headers=None, **parameters):
    """Ask for aggregates of a mast, by hour where nothing is said."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    hourly = {"intervalUnit": "hour", "intervalValue": "1"}
    named = {"assetId": mast.asset, "aspectName": mast.aspect, **hourly, **named}
    return await mast.send("GET", ROUTE, None, named, **(headers or {}))


async def items(mast, **parameters):
    """Give the intervals."""
    answer = await ask(mast, **parameters)
    assert 200 == answer.status_code, answer.text
    assert ["aggregates"] == list(answer.json())
    return answer.json()["aggregates"]


@SIDES
async def test_an_interval_goes_out_byte_for_byte(site, stored):
    """Names in lower case, times with three digits, all functions of one variable (MS-61, wire 2)."""
    await site.open.wrote(
        [
            {"_time": at(-minute * 60_000), "pressure": value}
            for minute, value in ((50, 20), (40, 21), (30, 22))
        ]
    )
    if stored:
        await site.step()

    answer = await ask(site.open, from_=at(0, hours=-1), to=at(0))

    assert "application/json" == answer.headers["content-type"]
    assert (
        '{"aggregates":[{"starttime":"2025-12-31T23:00:00.000Z","endtime":"2026-01-01T00:00:00.000Z",'
        '"pressure":{"countgood":3,"countuncertain":0,"countbad":0,"sum":63.0,"average":21.0,'
        '"minvalue":20.0,"maxvalue":22.0,"firstvalue":20.0,"lastvalue":22.0,'
        '"firsttime":"2025-12-31T23:10:00.000Z","lasttime":"2025-12-31T23:30:00.000Z",'
        '"mintime":"2025-12-31T23:10:00.000Z","maxtime":"2025-12-31T23:30:00.000Z",'
        '"sd":0.816496580927726}}]}'
    ) == answer.text
    assert "read-position" not in answer.headers


@SIDES
async def test_an_interval_begins_behind_its_start_and_ends_with_its_end(site, stored):
    """Data of 3:00:00.001 to 4:00 belong to the hour that ends at 4:00 (MS-62)."""
    for number, time_ms in enumerate((-HOUR_MS, -HOUR_MS + 1, 0, 1)):
        await site.open.wrote([{"_time": at(time_ms), "level": 10**number}])
    if stored:
        await site.step()

    found = await items(site.open, from_=at(-HOUR_MS), to=at(0))

    assert [(at(-HOUR_MS), at(0), 110)] == [
        (each["starttime"], each["endtime"], each["level"]["sum"]) for each in found
    ]
    assert at(-HOUR_MS + 1) == found[0]["level"]["firsttime"]


async def test_ends_move_out_to_whole_intervals(site):
    """A range within an hour answers that hour; several hours count from midnight (MS-66)."""
    await site.open.wrote([{"_time": at(-30 * 60_000), "level": 1}, {"_time": at(-90 * 60_000), "level": 2}])

    inside = await items(site.open, from_=at(-31 * 60_000), to=at(-29 * 60_000))
    across = await items(site.open, from_=at(-91 * 60_000), to=at(-29 * 60_000))
    double = await items(site.open, from_=at(-31 * 60_000), intervalValue="2", intervalUnit="HOUR")

    assert [1] == [each["level"]["sum"] for each in inside]
    assert [2, 1] == [each["level"]["sum"] for each in across]
    assert [(at(-2 * HOUR_MS), 3)] == [(each["starttime"], each["level"]["sum"]) for each in double]


async def test_without_an_end_the_range_ends_now(site):
    """The command line client sends assetId, aspectName and from only (wire 2.2)."""
    await site.open.wrote([{"_time": at(0), "level": 1}, {"_time": at(1), "level": 7}])

    assert [1] == [each["level"]["sum"] for each in await items(site.open, from_=at(0, hours=-24))]


@SIDES
async def test_bad_values_are_counted_and_nothing_else(site, stored):
    """Good and uncertain ones enter every function; a variable of bad values only is left out (8.27)."""
    hours = [(0, 1, 0), (1, 2, UNCERTAIN), (2, 1_000, BAD), (3, 2_000, BAD | UNCERTAIN), (4, 5, None)]
    await site.open.wrote(
        [
            {"_time": at(-HOUR_MS // 2 + n), "temperature": value, "temperature_qc": code, "pressure": 1}
            for n, value, code in hours
        ]
        + [
            {"_time": at(-2 * HOUR_MS), "temperature": 3, "temperature_qc": BAD, "level": 4},
            {"_time": at(-3 * HOUR_MS), "temperature": 3, "temperature_qc": BAD},
        ]
    )
    if stored:
        await site.step()

    found = await items(site.open, from_=at(-5 * HOUR_MS), to=at(0))

    assert [at(-2 * HOUR_MS), at(0)] == [each["endtime"] for each in found]
    assert ["starttime", "endtime", "level"] == list(found[0])
    measured = found[1]["temperature"]
    assert (2, 1, 2) == tuple(measured[f"count{name}"] for name in ("good", "uncertain", "bad"))
    assert (8.0, 1.0, 5.0, 1.0, 5.0) == tuple(
        measured[name] for name in ("sum", "minvalue", "maxvalue", "firstvalue", "lastvalue")
    )
    assert 5 == found[1]["pressure"]["countgood"]


@pytest.mark.parametrize(
    "values",
    [
        [2**53, 1, 1],
        [2**63 - 1, 2**63 - 1, 2**63 - 1],
        [-(2**63), -(2**63), 5],
        [2**62, -(2**62), 1],
    ],
)
async def test_sums_of_long_are_exact(site, values):
    """Beyond what a double and beyond what 64 bits can hold (design 4.11)."""
    await site.open.wrote([{"_time": at(-n), "count": value} for n, value in enumerate(values[::-1])])

    answer = await ask(site.open, from_=at(-HOUR_MS))

    [found] = json.loads(answer.text)["aggregates"]
    assert sum(values) == found["count"]["sum"]
    assert sum(values) / 3 == found["count"]["average"]
    assert (min(values), max(values), values[0], values[-1]) == tuple(
        found["count"][name] for name in ("minvalue", "maxvalue", "firstvalue", "lastvalue")
    )
    assert math.isfinite(found["count"]["sd"])


async def test_only_numbers_are_aggregated(site):
    """Strings, booleans and times are left out altogether; hours without numbers too (wire 2)."""
    texts = {"label": "a", "note": "b", "running": True, "since": at(0)}
    await site.open.wrote([{"_time": at(0), "level": 1, **texts}, {"_time": at(0, hours=-1), **texts}])

    [found] = await items(site.open, from_=at(0, hours=-9))

    assert ["starttime", "endtime", "level"] == list(found)
    assert None not in found["level"].values()
    assert [] == await items(site.open, from_=at(0, hours=-9), select="label,running")


async def test_a_selection_and_an_empty_range(site):
    """`select` leaves out the others; hours without data do not appear (MS-67, MS-68)."""
    await site.open.wrote(
        [{"_time": at(0), "level": 1, "pressure": 2}, {"_time": at(0, hours=-5), "level": 1}]
    )

    chosen = await items(site.open, from_=at(0, hours=-24), select="pressure")
    both = await items(site.open, from_=at(0, hours=-24))

    assert [["starttime", "endtime", "pressure"]] == [list(each) for each in chosen]
    assert [at(0, hours=-5), at(0)] == [each["endtime"] for each in both]
    assert [] == await items(site.open, from_=at(0, hours=-4), to=at(0, hours=-2))
    assert [] == await items(site.open, from_=at(0, hours=5))


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"from": at(0), "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": "x"}, [("/from", "invalidParameter")]),
        ({"from": at(-1), "intervalValue": "0"}, [("/intervalValue", "invalidParameter")]),
        ({"from": at(-1), "intervalValue": "25"}, [("/intervalValue", "invalidParameter")]),
        ({"from": at(-1), "intervalValue": "1.5"}, [("/intervalValue", "invalidParameter")]),
        ({"from": at(-1), "intervalValue": "٣"}, [("/intervalValue", "invalidParameter")]),
        ({"from": at(-1), "intervalUnit": "fortnight"}, [("/intervalUnit", "invalidParameter")]),
        ({"from": at(-1), "select": "wind"}, [("/select", "invalidParameter")]),
        ({"from": "1900-01-01T00:00:00Z", "to": at(0)}, [("/to", "invalidParameter")]),
        ({"from": at(-1), "count": "x"}, [("/count", "invalidParameter")]),
    ],
)
async def test_faulty_parameters_are_named(site, parameters, found):
    """400 with the name of the parameter."""
    answer = await ask(site.open, **parameters)

    assert (400, found) == (answer.status_code, problems(answer))


async def test_a_hundred_thousand_intervals_are_the_most(site):
    """So many hours are answered, one more is 400 (design 7)."""
    await site.open.wrote([{"_time": at(0, hours=-99_999), "level": 1}, {"_time": at(0), "level": 2}])

    found = await items(site.open, from_=at(0, hours=-100_000), to=at(0))
    refused = await ask(site.open, from_=at(-1, hours=-100_000), to=at(0))

    assert [1, 2] == [each["level"]["sum"] for each in found]
    assert 400 == refused.status_code


async def test_strict_answers_thirty_days_of_hours(site):
    """30 days pass though, and because, records have another limit; one hour more is 400 (design 7)."""
    assert [] == await items(site.strict, from_=at(0, hours=-720), to=at(0))
    refused = await ask(site.strict, from_=at(-1, hours=-720), to=at(0))
    relaxed = await ask(site.open, from_=at(0, hours=-24 * 900), to=at(0))

    assert (400, [("/from", "invalidParameter")]) == (refused.status_code, problems(refused))
    assert 200 == relaxed.status_code


async def test_unknown_and_foreign_assets_are_404(site):
    """Another tenant's asset is like an unknown one (MS-31)."""
    answers = [
        await ask(site.open.of("e" * 32), from_=at(-1)),
        await ask(site.open.of(MAST, "wind"), from_=at(-1)),
        await site.open.send("GET", ROUTE, None, {"assetId": "", "aspectName": "", "from": at(-1)}),
    ]

    assert [404, 404, 404] == [answer.status_code for answer in answers]
    missing = await site.open.send("GET", ROUTE, None, {"from": at(-1)})
    assert 400 == missing.status_code


async def test_aggregates_contain_what_is_acknowledged_or_say_so(site):
    """Fresh through the tail; `Read-Position` without the stream; `Read-After` is obeyed (design 4.17)."""
    stored = await site.open.wrote([{"_time": at(0), "level": 1}])
    await site.step()
    newer = await site.open.wrote([{"_time": at(-1), "level": 2}])
    fresh = await ask(site.open, {"read_after": newer}, from_=at(-HOUR_MS))
    site.stream.stop()

    behind = await ask(site.open, {"read_after": stored}, from_=at(-HOUR_MS))
    missed = await ask(site.open, {"read_after": newer}, from_=at(-HOUR_MS))

    assert 3 == fresh.json()["aggregates"][0]["level"]["sum"]
    assert 1 == behind.json()["aggregates"][0]["level"]["sum"]
    assert str(site.series.places("acme", stored)[0].position) == behind.headers["read-position"]
    assert 503 == missed.status_code


@pytest.mark.parametrize("seed", range(4))
async def test_aggregates_equal_brute_force(site, seed):
    """Random records over three months, overwritten and deleted, against plain arithmetic (MS-69)."""
    dice = random.Random(seed)
    rows: dict[int, tuple[float, int]] = {}
    width = dice.choice([1, 6, 24])
    for _ in range(4):
        times = [-dice.randrange(90 * 24 * HOUR_MS // 1_000) * 1_000 for _ in range(60)]
        sent = {time: (round(dice.gauss(10, 5), 3), dice.choice([0, 0, UNCERTAIN, BAD])) for time in times}
        rows |= sent
        records = [
            {"_time": at(time), "temperature": value, "temperature_qc": code}
            for time, (value, code) in sent.items()
        ]
        await site.open.wrote(records)
        start = -dice.randrange(90 * 24) * HOUR_MS
        await site.open.delete(from_=at(start), to=at(start + 40 * HOUR_MS))
        rows = {time: row for time, row in rows.items() if not start < time <= start + 40 * HOUR_MS}
        await site.step()

    found = await items(site.open, from_=at(0, hours=-90 * 24), to=at(0), intervalValue=str(width))

    assert _brute(rows, width * HOUR_MS) == [
        {
            **{name: each["temperature"][name] for name in ("countgood", "countuncertain", "countbad")},
            **{name: pytest.approx(each["temperature"][name]) for name in ("sum", "average", "sd")},
            **{name: each["temperature"][name] for name in ("minvalue", "maxvalue", "firsttime", "lasttime")},
            "endtime": each["endtime"],
        }
        for each in found
    ]


def _brute(rows, width_ms):
    """Compute it from the rows, one interval after the other."""
    groups: dict[int, list[int]] = {}
    for time in sorted(rows):
        groups.setdefault(-(-(NOW_MS + time) // width_ms) * width_ms - NOW_MS, []).append(time)
    found = []
    for end, times in groups.items():
        used = [time for time in times if rows[time][1] != BAD]
        values = [rows[time][0] for time in used]
        if values:
            found.append(
                {
                    "countgood": sum(rows[time][1] == 0 for time in times),
                    "countuncertain": sum(rows[time][1] == UNCERTAIN for time in times),
                    "countbad": len(times) - len(used),
                    "sum": sum(values), "average": statistics.fmean(values), "sd": statistics.pstdev(values),
                    "minvalue": min(values), "maxvalue": max(values),
                    "firsttime": at(used[0]), "lasttime": at(used[-1]), "endtime": at(end),
                }
            )  # fmt: skip
    return found
