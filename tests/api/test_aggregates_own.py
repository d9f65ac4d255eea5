"""Our own aggregate route: weighed by time, by quality, gaps filled, percentiles, points (issue 4)."""

from __future__ import annotations

import random
from statistics import quantiles

import pytest

from tests.api.masts import at, problems

ROUTE = "/api/aspectstore/v1/aggregates"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
UNCERTAIN, BAD = 1 << 30, 1 << 31
SIDES = pytest.mark.parametrize("stored", [False, True], ids=["in the tail", "in the store"])


async def ask(mast, **parameters):
    """Ask for aggregates by hour, where nothing else is said."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    hourly = {} if "maxPoints" in named else {"intervalUnit": "hour", "intervalValue": "1"}
    named = {"assetId": mast.asset, "aspectName": mast.aspect, **hourly, **named}
    return await mast.send("GET", ROUTE, None, named)


async def said(mast, name="aggregates", **parameters):
    """Give what the answer holds."""
    answer = await ask(mast, **parameters)
    assert 200 == answer.status_code, answer.text
    assert [name] == list(answer.json())
    return answer.json()[name]


@SIDES
async def test_values_are_weighed_by_the_time_they_hold(site, stored):
    """A value holds until the next one, at most as long as declared, from before the range on (8.28)."""
    minutes = ((-70, 8, None), (-40, 2, None), (-25, 6, UNCERTAIN), (-10, 99, BAD))
    await site.open.wrote(
        [
            {"_time": at(m * MINUTE_MS), "temperature": value}
            | ({} if code is None else {"temperature_qc": code})
            for m, value, code in minutes
        ]
    )
    if stored:
        await site.step()

    named = {
        "from_": at(-HOUR_MS),
        "to": at(0),
        "functions": "timeaverage,durationgood,durationuncertain,durationbad",
    }
    [whole] = await said(site.open, maxHold="30m", **named)
    [short] = await said(site.open, maxHold="12m", **named)
    [good] = await said(site.open, maxHold="30m", quality="good", **named)

    # 20 minutes of 8 (from 11:00 on, before its hold of 30 ends), 15 of 2, 15 of 6, then a bad value.
    assert whole["temperature"] == {
        "timeaverage": pytest.approx((20 * 8 + 15 * 2 + 15 * 6) / 50),
        "durationgood": 35 * MINUTE_MS, "durationuncertain": 15 * MINUTE_MS, "durationbad": 10 * MINUTE_MS,
    }  # fmt: skip
    assert short["temperature"] == {
        "timeaverage": pytest.approx((2 * 8 + 12 * 2 + 12 * 6) / 26),
        "durationgood": 14 * MINUTE_MS, "durationuncertain": 12 * MINUTE_MS, "durationbad": 10 * MINUTE_MS,
    }  # fmt: skip
    assert pytest.approx((20 * 8 + 15 * 2) / 35) == good["temperature"]["timeaverage"]


async def test_a_hold_is_kept_where_blocks_have_summaries(site):
    """Cells do not know a maximum hold, so what is weighed by time comes from the rows (8.28)."""
    seconds = [n for n in range(9_000) if not 1_000 < n < 1_600]
    await site.open.wrote([{"_time": at(-n * 1_000), "level": 1} for n in seconds])
    await site.step()

    [found] = await said(
        site.open, from_=at(-HOUR_MS), to=at(0), functions="durationgood,countgood", maxHold="5s"
    )

    assert {"countgood": 3_600 - 599, "durationgood": (3_600 - 600 + 5) * 1_000} == found["level"]


async def test_a_hold_is_three_usual_distances(site):
    """Without a declared maximum: three times the median distance of values, at most an hour (8.28)."""
    await site.open.wrote(
        [{"_time": at(m * MINUTE_MS), "level": m} for m in (-60, -59, -58, -57, -20)]
        + [{"_time": at(m * MINUTE_MS), "pressure": 1} for m in (-55,)]
    )

    [found] = await said(
        site.open, from_=at(-HOUR_MS - 1), to=at(0), functions="durationgood", intervalValue="2"
    )

    # Distances of 1, 1, 1 and 37 minutes: 3 minutes are held at most.
    assert (3 + 3 + 3) * MINUTE_MS == found["level"]["durationgood"]
    assert 55 * MINUTE_MS == found["pressure"]["durationgood"]


async def test_nothing_holds_into_the_future(site):
    """The interval of the present counts until now."""
    site.clock.advance(10 * MINUTE_MS)
    await site.open.wrote([{"_time": at(0), "level": 1}, {"_time": at(MINUTE_MS), "level": 3}])

    found = await said(site.open, from_=at(0), to=at(HOUR_MS), functions="durationgood,timeaverage")

    assert {"durationgood": 10 * MINUTE_MS, "timeaverage": (1 + 9 * 3) / 10} == found[0]["level"]


async def test_a_value_of_long_ago_holds_across_slices(site):
    """Looking back crosses slices of the store, as far as a value may hold (8.28)."""
    await site.open.wrote([{"_time": at(0, hours=-24 * 30), "level": 4}, {"_time": at(0), "level": 1}])
    await site.step()

    [found] = await said(
        site.open, from_=at(-HOUR_MS), to=at(0), functions="timeaverage,durationgood", maxHold="31d"
    )

    assert {"timeaverage": 4.0, "durationgood": HOUR_MS} == found["level"]


async def test_what_holds_is_looked_for_variable_by_variable(site):
    """Behind hundreds of records of another variable; what is older than it may hold is not found (8.28)."""
    others = [{"_time": at(-HOUR_MS - n * 1_000), "level": n} for n in range(200)]
    await site.open.wrote([*others, {"_time": at(-HOUR_MS - 900_000), "pressure": 3}])
    await site.open.wrote([{"_time": at(-1_800_000), "pressure": 5, "level": 1}])
    named = {"from_": at(-HOUR_MS), "to": at(0), "select": "pressure.timeaverage,level.durationgood"}

    [long] = await said(site.open, maxHold="20m", **named)
    [short] = await said(site.open, maxHold="10m", **named)

    assert pytest.approx((5 * 3 + 20 * 5) / 25) == long["pressure"]["timeaverage"]
    assert {"durationgood": 40 * MINUTE_MS} == long["level"]
    assert {"timeaverage": 5.0} == short["pressure"]


@SIDES
async def test_gaps_are_filled_as_asked(site, stored):
    """none, null, previous, linear; counts are 0 in a gap, and a hold that reaches into it is known."""
    await site.open.wrote([{"_time": at(0, hours=-3), "level": 10}, {"_time": at(0), "level": 40}])
    if stored:
        await site.step()
    named = {"from_": at(0, hours=-5), "to": at(0), "select": "level.countgood,level.average,level.sum"}

    found = {
        how: [item.get("level") for item in await said(site.open, fill=how, **named)]
        for how in ("none", "null", "previous", "linear")
    }
    [*_, held, _] = await said(
        site.open, from_=at(0, hours=-5), to=at(0), fill="null", functions="timeaverage", maxHold="90m"
    )

    averages = {how: [each["average"] for each in each_] for how, each_ in found.items()}
    assert {
        "none": [10.0, 40.0],
        "null": [None, 10.0, None, None, 40.0],
        "previous": [None, 10.0, 10.0, 10.0, 40.0],
        "linear": [None, 10.0, 20.0, 30.0, 40.0],
    } == averages
    assert {"countgood": 0, "sum": None, "average": 30.0} == found["linear"][3]
    assert {"timeaverage": 10.0} == held["level"]


async def test_percentiles_are_exact(site):
    """Beside other functions, by the linear rule, over values that count (issue 4)."""
    dice = random.Random(3)
    values = [round(dice.gauss(50, 9), 2) for _ in range(500)]
    await site.open.wrote(
        [{"_time": at(-n * 1_000), "temperature": value, "level": n} for n, value in enumerate(values)]
        + [{"_time": at(-600_000), "temperature": 1e9, "temperature_qc": BAD}]
    )

    [found] = await said(
        site.open,
        from_=at(-HOUR_MS),
        to=at(0),
        select="temperature.p5,temperature.p95,temperature.p50,level.sum",
    )
    [listed] = await said(
        site.open, from_=at(-HOUR_MS), to=at(0), functions="p50,countbad", select="temperature"
    )

    expected = quantiles(values, n=20, method="inclusive")
    assert ["p5", "p50", "p95"] == list(found["temperature"])
    assert [pytest.approx(expected[place]) for place in (0, 9, 18)] == list(found["temperature"].values())
    assert {"sum": sum(range(500))} == found["level"]
    assert {"countbad": 1, "p50": found["temperature"]["p50"]} == listed["temperature"]


async def test_a_percentile_of_too_many_values_is_refused(site, monkeypatch):
    """One interval has more values than are sorted at once: 400; several of a few each are read apart."""
    monkeypatch.setattr("api.reading.folding.PERCENTILE_VALUES_MAX", 10)
    await site.open.wrote([{"_time": at(-n * 6 * MINUTE_MS), "level": n} for n in range(20)])
    named = {"to": at(0), "functions": "p100", "select": "level"}

    fine = await said(site.open, from_=at(0, hours=-2), **named)
    refused = await ask(site.open, from_=at(0, hours=-2), intervalValue="2", **named)

    assert [19.0, 9.0] == [each["level"]["p100"] for each in fine]
    assert (400, [("/intervalValue", "invalidParameter")]) == (refused.status_code, problems(refused))


async def test_only_good_values_may_enter(site):
    """`quality=good`: uncertain values are only counted then (8.27)."""
    await site.open.wrote(
        [
            {"_time": at(-2), "temperature": 1},
            {"_time": at(-1), "temperature": 100, "temperature_qc": UNCERTAIN},
            {"_time": at(-HOUR_MS), "temperature": 7, "temperature_qc": UNCERTAIN},
        ]
    )
    named = {"from_": at(0, hours=-2), "to": at(0), "functions": "countgood,countuncertain,maxvalue"}

    both = await said(site.open, **named)
    good = await said(site.open, quality="good", **named)

    assert [7.0, 100.0] == [each["temperature"]["maxvalue"] for each in both]
    assert [{"countgood": 1, "countuncertain": 1, "maxvalue": 1.0}] == [each["temperature"] for each in good]


@SIDES
async def test_points_for_a_picture(site, stored):
    """The extremes of every column of pixels, at most as many points as asked for; strings have none."""
    dice = random.Random(5)
    rows = [{"_time": at(-n * 1_000), "level": dice.randrange(1_000), "label": "x"} for n in range(2_000)]
    rows[700]["level"], rows[1_300]["level"] = -5_000, 5_000
    await site.open.wrote(rows)
    if stored:
        await site.step()
    named = {"from_": at(-2_000_000), "to": at(0), "maxPoints": "100"}

    screen = await said(site.open, "points", **named)
    lttb = await said(site.open, "points", method="lttb", select="level", **named)

    sent = {(row["_time"], row["level"]) for row in rows}
    for found in (screen["level"], lttb["level"]):
        points = [(point["_time"], point["value"]) for point in found]
        assert 90 <= len(points) <= 100
        assert set(points) <= sent
        assert points == sorted(points)
        assert {-5_000, 5_000} <= {value for _, value in points}
        assert [rows[-1]["_time"], rows[0]["_time"]] == [points[0][0], points[-1][0]]
    assert ["level"] == list(lttb)
    assert [] == screen["pressure"]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"foo": "1"}, ""),
        ({"timeZone": "UTC"}, ""),
        ({"fill": "zero"}, "/fill"),
        ({"functions": "median"}, "/functions"),
        ({"maxHold": "1 hour"}, "/maxHold"),
        ({"maxPoints": "5", "from": at(-1)}, "/to"),
        ({"select": "level.sum,wind"}, "/select"),
        ({"quality": "bad"}, "/quality"),
    ],
)
async def test_faulty_parameters_are_named(site, parameters, found):
    """Unknown ones too, as on every route of ours (design 8.22)."""
    answer = await ask(site.open, **parameters)

    assert (400, [(found, "invalidParameter")]) == (
        answer.status_code,
        [
            (pointer or "", code.replace("missingParameter", "invalidParameter"))
            for pointer, code in problems(answer)
        ],
    )


async def test_nothing_numeric_gives_nothing(site):
    """Strings alone, or a range in the future: an empty answer, whatever is asked (MS-67)."""
    await site.open.wrote([{"_time": at(0), "label": "x"}])

    assert [] == await said(site.open, select="label", fill="null", functions="timeaverage,p50")
    assert [] == await said(site.open, from_=at(HOUR_MS), fill="previous")
    assert {} == await said(site.open, "points", select="label", maxPoints="9", from_=at(-9), to=at(0))
