"""Rules of deletes, and what one would take (MS-50 … MS-52, design 7, 9.8)."""

from __future__ import annotations

import asyncio

import pytest

from schemas.durations import DAY_MS
from schemas.times import format_time
from storage import delete_days, delete_records
from storage.delete_days import Slot
from storage.memory_catalog import MemoryCatalogStore
from tests.api.deleting import DELETES, HOURS, RANGE, WEEK_MS, deleted, hourly, later, preview, reason
from tests.api.doors import NOW_MS
from tests.api.masts import MAST, at, problems


async def test_strict_deletes_nothing_younger_than_a_week(site):
    """Since submission, not by the record's time: 409 with the time from which on it passes (MS-52)."""
    old = at(0, hours=-24 * 30)
    for mast in (site.strict, site.open):
        await mast.wrote([{"_time": old, "level": 1}])
    reach = {"from_": at(0, hours=-24 * 30 - 1), "to": old}

    for wait in (None, site.step, site.seal):
        if wait is not None:
            await wait()
        answer = await site.strict.delete(**reach)
        assert 409 == answer.status_code
        assert f"less than 7 days ago; come again after {format_time(NOW_MS + WEEK_MS)}." in reason(answer)
    assert 204 == (await site.open.delete(**reach)).status_code

    await later(site, WEEK_MS)
    assert 1 == len(await site.strict.rows(from_=reach["from_"], to=reach["to"]))
    assert 204 == (await site.strict.delete(**reach)).status_code


async def test_strict_deletes_once_a_day(site):
    """The second is 429 until the next UTC day; refused ones and dry runs count for nothing (MS-52)."""
    mast = site.strict
    assert 400 == (await mast.delete(from_=at(1), to=at(2))).status_code
    assert 404 == (await mast.of("f" * 32).delete(**HOURS)).status_code
    await mast.send("GET", f"{DELETES}/preview", parameters={"asset": MAST, "aspect": "weather", **RANGE})

    assert 204 == (await mast.delete(**HOURS)).status_code
    again = await mast.of(aspect="tyres").delete(**HOURS)

    assert 429 == again.status_code
    headers = {
        name: again.headers[name] for name in ("quota-rule", "quota-limit", "quota-used", "quota-reset")
    }
    assert {
        "quota-rule": "deletes-per-day",
        "quota-limit": "1",
        "quota-used": "1",
        "quota-reset": again.headers["retry-after"],
    } == headers
    assert DAY_MS - NOW_MS % DAY_MS == 1000 * int(again.headers["retry-after"])
    assert 204 == (await site.open.delete(**HOURS)).status_code
    assert 204 == (await site.open.delete(**HOURS)).status_code
    await later(site, DAY_MS)
    assert 204 == (await mast.delete(**HOURS)).status_code


async def test_a_repeat_by_its_key_is_no_second_delete(site):
    """The same Idempotency-Key is answered with the first receipt, also by a tenant with one a day."""
    mast = site.strict
    first = await mast.delete(headers={"idempotency_key": "k1"}, **HOURS)
    again = await mast.delete(headers={"idempotency_key": "k1"}, **HOURS)
    other = await mast.delete(headers={"idempotency_key": "k2"}, **HOURS)

    assert [204, 204, 429] == [answer.status_code for answer in (first, again, other)]
    assert first.headers["write-receipt"] == again.headers["write-receipt"]
    assert first.headers["delete-id"] == again.headers["delete-id"]
    assert 1 == len(await site.catalog.list("rigid", delete_records.KIND))


async def test_a_key_with_another_range_takes_and_gives_nothing(site):
    """It is refused with 422, and the delete before it still counts."""
    mast = site.strict
    assert 204 == (await mast.delete(headers={"idempotency_key": "k1"}, **HOURS)).status_code

    other = await mast.delete(headers={"idempotency_key": "k1"}, from_=at(0, hours=-9), to=at(0))

    assert 422 == other.status_code
    assert 429 == (await mast.delete(**HOURS)).status_code


async def test_a_delete_that_was_refused_at_the_stream_counts_no_more(site):
    """What the day gave is given back, and the next try passes."""
    mast = site.strict
    shard = site.stream.shard(mast.shard)
    limit, shard.limit = shard.limit, 0
    assert 503 == (await mast.delete(**HOURS)).status_code
    shard.limit = limit

    assert 204 == (await mast.delete(**HOURS)).status_code


async def test_the_count_of_a_day_is_one_for_all_doors():
    """Counted by compare-and-set: of many at once, from anywhere, as many pass as may."""
    catalog = MemoryCatalogStore()

    async def take(key=None, now_ms=NOW_MS, most=3):
        return await delete_days.take(catalog, "acme", now_ms, most, key)

    taken = await asyncio.gather(*(take() for _ in range(10)))
    assert [Slot.TAKEN] * 3 + [Slot.NONE_LEFT] * 7 == sorted(taken, key=lambda slot: slot.value, reverse=True)
    await delete_days.give_back(catalog, "acme", NOW_MS, None)
    assert [Slot.TAKEN, Slot.KNOWN, Slot.NONE_LEFT] == [await take(key) for key in ("a", "a", "b")]
    assert await delete_days.is_full(catalog, "acme", NOW_MS, 3)
    tomorrow = NOW_MS + DAY_MS
    assert not await delete_days.is_full(catalog, "acme", tomorrow, 3)
    await delete_days.give_back(catalog, "acme", tomorrow, None)
    assert Slot.TAKEN is await take(now_ms=tomorrow, most=1)
    assert 86_400 == delete_days.resets_in_s(0)
    assert 1 == delete_days.resets_in_s(DAY_MS - 1)


@pytest.mark.parametrize("name", ["dryRun", "dry_run", "DRYRUN", "dry-run", "preview"])
async def test_a_delete_that_asks_for_a_dry_run_deletes_nothing(site, name):
    """400 with the way to the preview, in any spelling; other unknown parameters are passed over (8.22)."""
    await site.open.wrote(hourly())

    answer = await site.open.delete(**HOURS, **{name: "true"})

    assert 400 == answer.status_code
    assert f"ask GET {DELETES}/preview" in reason(answer)
    assert 3 == len(await site.open.rows(**HOURS))
    assert 204 == (await site.open.delete(**HOURS, reason="tidy")).status_code


async def test_a_dry_run_counts_what_is_acknowledged(site):
    """Records, values of each variable, first and last time; nothing is changed (design 9.8)."""
    mast = site.open
    await mast.wrote(hourly(2))
    await site.seal()
    await mast.wrote([{"_time": at(-1), "level": 7}])

    answer = await preview(mast)

    assert 200 == answer.status_code
    assert {
        "assetId": MAST,
        "aspectId": mast.series.aspect,
        "from": RANGE["from"],
        "to": RANGE["to"],
        "records": 3,
        "allowed": True,
        "first": at(0, hours=-1),
        "last": at(0),
        "variables": {
            "temperature": 0, "pressure": 0, "count": 0, "level": 3, "running": 0, "label": 2, "note": 0,
            "since": 0,
        },
        "undoableUntil": format_time(site.clock.now_ms() + WEEK_MS),
    } == answer.json()  # fmt: skip
    assert "read-position" not in answer.headers
    assert 3 == len(await mast.rows(**HOURS))
    assert (await site.step()) == 1, "the record alone"


async def test_a_dry_run_of_nothing_is_zero(site):
    """No first and no last record."""
    found = (await preview(site.open)).json()

    assert 0 == found["records"]
    assert not {"first", "last", "refusal"} & found.keys()


async def test_a_dry_run_says_what_a_delete_would_be_told(site):
    """Too young, and one too many a day: the count all the same; what is malformed is 400 here too."""
    mast = site.strict
    await mast.wrote(hourly())
    young = (await preview(mast)).json()
    assert (3, False) == (young["records"], young["allowed"])
    assert "less than 7 days ago" in young["refusal"]

    await deleted(mast.of(aspect="tyres"))
    full = (await preview(mast.of(aspect="tyres"))).json()
    assert "The tenant has 1 delete a day, and they are used" in full["refusal"]
    answer = await preview(mast, **{"from": at(1), "to": at(2)})
    assert 400 == answer.status_code
    assert ("/from", "invalidParameter") in problems(answer)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"asset": "f" * 32, "aspect": "weather", **RANGE}, 404),
        ({"asset": MAST, "aspect": "unknown", **RANGE}, 404),
        ({"asset": MAST, "aspect": "weather"}, 400),
        ({"asset": MAST, **RANGE}, 400),
        ({"asset": MAST, "aspect": "weather", "form": at(0), **RANGE}, 400),
    ],
)
async def test_a_dry_run_that_names_nothing_good_is_refused(site, parameters, status):
    """Unknown series, missing and misspelt parameters."""
    answer = await site.open.send("GET", f"{DELETES}/preview", parameters=parameters)

    assert status == answer.status_code
