"""Writing one series over HTTP: PUT and PATCH, what they take and what they do (MS-20 … MS-33)."""

from __future__ import annotations

import json
import random

import pytest

from tests.api.doors import NOW_MS
from tests.api.masts import at, problems

KB, MB = 1_024, 1_048_576
BOTH = pytest.mark.parametrize("profile", ["open", "strict"])
DAY_MS = 86_400_000


# -- PUT -------------------------------------------------------------------------------------------


@BOTH
async def test_put_answers_204_without_a_body_and_with_a_receipt(site, profile):
    """204, no body, `Write-Receipt` (MS-20, design 8.1, 8.16)."""
    answer = await site.of(profile).put([{"_time": at(0), "temperature": 10}])

    assert 204 == answer.status_code
    assert b"" == answer.content
    names = set(answer.headers) - {"quota-rule", "quota-limit", "quota-used", "quota-reset"}
    assert {"write-receipt", "x-request-id", "vary", "cache-control"} == names
    assert [{"_time": at(0), "temperature": 10.0}] == await site.of(profile).rows(limit=1)


async def test_a_body_of_one_megabyte_is_taken_and_one_byte_more_is_not(site):
    """1,048,576 bytes pass, 1,048,577 are 413, announced or not (MS-22)."""
    body = json.dumps([{"_time": at(0), "temperature": 1}]).encode()

    taken = await site.open.put(body + b" " * (MB - len(body)))
    refused = await site.open.put(body + b" " * (MB + 1 - len(body)))

    async def pieces():
        for _ in range(1_025):
            yield b" " * 1_024

    streamed = await site.http.put(site.open.path, content=pieces(), headers=site.open.headers)
    assert [204, 413, 413] == [taken.status_code, refused.status_code, streamed.status_code]
    assert [(None, "payloadTooLarge")] == problems(refused) == problems(streamed)


async def test_the_whole_record_is_replaced(site):
    """The same time again replaces all of it: what is not sent is gone (MS-24)."""
    await site.open.wrote([{"_time": at(0), "temperature": 1, "pressure": 2, "label": "a"}])
    await site.step()
    await site.open.wrote([{"_time": at(0), "pressure": 3}])

    assert [{"_time": at(0), "pressure": 3.0}] == await site.open.rows()
    await site.step()
    assert [{"_time": at(0), "pressure": 3.0}] == await site.open.rows()


async def test_digits_past_milliseconds_are_cut_and_the_last_of_one_millisecond_wins(site):
    """.9999999 stays in its second; two records of one millisecond are one, the later one (MS-26)."""
    await site.open.wrote(
        [
            {"_time": "2025-12-31T23:59:59.9991Z", "temperature": 1, "pressure": 1},
            {"_time": "2025-12-31T23:59:59.9999999Z", "temperature": 2},
        ]
    )

    assert [{"_time": "2025-12-31T23:59:59.999Z", "temperature": 2.0}] == await site.open.rows()


@pytest.mark.parametrize(
    ("profile", "time_ms", "taken"),
    [
        ("open", 0, True),
        ("open", -1, False),
        ("open", NOW_MS + 31 * DAY_MS, True),
        ("open", NOW_MS + 31 * DAY_MS + 1, False),
        ("strict", NOW_MS - 366 * DAY_MS, True),
        ("strict", NOW_MS - 366 * DAY_MS - 1, False),
        ("strict", NOW_MS + 31 * DAY_MS, True),
        ("strict", NOW_MS + 31 * DAY_MS + 1, False),
    ],
)
async def test_records_are_taken_inside_the_window_of_the_profile(site, profile, time_ms, taken):
    """1970 or 366 days back, 31 days ahead; one millisecond beyond is 400 with its pointer (MS-27)."""
    answer = await site.of(profile).put([{"_time": at(time_ms - NOW_MS), "temperature": 1}])

    assert (204 if taken else 400) == answer.status_code
    if not taken:
        assert [("/0/_time", "timeWindow")] == problems(answer)


async def test_empty_strings_and_nulls_are_not_stored(site):
    """A record without any value is taken and never shown (MS-28)."""
    await site.open.wrote(
        [
            {"_time": at(1), "label": "", "temperature": None, "pressure": 1},
            {"_time": at(2), "label": ""},
            {"_time": at(3)},
            {"_time": at(4), "temperature": None},
        ]
    )

    assert [{"_time": at(1), "pressure": 1.0}] == await site.open.rows()
    await site.step()
    assert [{"_time": at(1), "pressure": 1.0}] == await site.open.rows()


async def test_offsets_of_zones_are_understood(site):
    """The same moment in any zone (MS-32)."""
    await site.open.wrote([{"_time": "2026-01-01T02:00:00.5+02:00", "temperature": 1}])

    assert [{"_time": "2026-01-01T00:00:00.500Z", "temperature": 1.0}] == await site.open.rows()


async def test_numbers_as_strings_are_numbers(site):
    """The SDK's tyre record: four wheels, numbers as text; they come back as numbers (MS-33, design 8.20)."""
    tyres = site.open.of(aspect="tyres")
    await tyres.wrote([{"_time": at(0), "FRWheel": "5.0", "FLWheel": "15", "RRWheel": 1e2, "RLWheel": "-0"}])
    record = {"_time": at(0), "count": "7", "level": "5.0", "running": "true", "temperature_qc": "192"}
    await site.open.wrote([{**record, "temperature": "1.5"}])

    text = (await tyres.get(to=at(0))).text
    expected = (
        '[{"_time":"2026-01-01T00:00:00.000Z","FRWheel":5.0,"FLWheel":15.0,"RRWheel":100.0,"RLWheel":0.0}]'
    )
    assert expected == text
    expected = {"_time": at(0), "temperature": 1.5, "temperature_qc": "192", "count": 7, "level": 5}
    assert [{**expected, "running": True}] == await site.open.rows()


async def test_nothing_of_a_refused_body_is_stored(site):
    """One problem refuses all; every problem is listed with its pointer (design 8.19)."""
    answer = await site.open.put(
        [{"_time": at(1), "temperature": 1}, {"_time": at(2), "temperature": "warm"}, {"temperature": 3}]
    )

    assert 400 == answer.status_code
    assert [("/1/temperature", "wrongType"), ("/2/_time", "missingRequestBodyProperty")] == problems(answer)
    [first, _] = answer.json()["errors"]
    assert ["code", "logref", "message", "messageParameters", "pointer"] == list(first)
    assert answer.headers["x-request-id"] == first["logref"]
    assert [] == await site.open.rows()
    assert "write-receipt" not in answer.headers


# -- whose and which -------------------------------------------------------------------------------


async def test_unknown_and_foreign_assets_get_the_same_answer(site):
    """404 with the same body for an unknown asset, a foreign one and an unknown aspect's asset (MS-31)."""
    foreign, unknown = "d" * 32, "e" * 32
    body = {"id": foreign, "tenant": "other", "name": "X", "type_id": "other.Mast"}
    await site.catalog.create("other", "asset", foreign, json.dumps(body).encode())
    await site.door.services.refresh()
    assert 204 == (await site.other.of(foreign).put([{"_time": at(0), "temperature": 1}])).status_code

    for send in ("put", "patch"):
        answers = [
            await getattr(site.open.of(asset), send)([{"_time": at(0), "temperature": 1}])
            for asset in (foreign, unknown, "no id at all", unknown.upper())
        ]
        assert {404} == {answer.status_code for answer in answers}
        assert 1 == len({_without_logref(answer) for answer in answers})
    answers = [await site.open.of(asset).get(to=at(0)) for asset in (foreign, unknown)]
    answers += [await site.open.of(asset).delete(from_=at(-1), to=at(0)) for asset in (foreign, unknown)]
    assert {404} == {answer.status_code for answer in answers}
    assert 1 == len({_without_logref(answer) for answer in answers})
    assert [(None, "noMatch")] == problems(answers[0])


def _without_logref(answer):
    return answer.content.replace(answer.headers["x-request-id"].encode(), b"")


async def test_unknown_aspects_and_variables_are_named(site):
    """An unknown aspect is 404, an unknown variable 400 with its place (MS-31)."""
    assert 404 == (await site.open.of(aspect="wind").put([{"_time": at(0), "x": 1}])).status_code
    answer = await site.open.put([{"_time": at(0), "x": 1}])

    assert 400 == answer.status_code
    assert [("/0/x", "unknownVariable")] == problems(answer)


async def test_tenants_with_the_same_ids_do_not_meet(site):
    """Same asset id, same aspect name, two tenants: two series (MS-31, design 7)."""
    await site.open.wrote([{"_time": at(0), "temperature": 1}])
    await site.other.wrote([{"_time": at(0), "temperature": 2}])
    await site.step()

    assert [{"_time": at(0), "temperature": 1.0}] == await site.open.rows()
    assert [{"_time": at(0), "temperature": 2.0}] == await site.other.rows()


# -- PATCH -----------------------------------------------------------------------------------------


@BOTH
async def test_patch_merges_and_null_takes_away(site, profile):
    """What is not sent stays, null removes, an unknown time is created (wire 1.4, design 3.2)."""
    mast = site.of(profile)
    await mast.wrote([{"_time": at(-2), "temperature": 1, "pressure": 2, "label": "a"}])
    answer = await mast.patch(
        [{"_time": at(-2), "pressure": None, "level": 3}, {"_time": at(-1), "level": 4, "pressure": None}]
    )

    assert (204, b"") == (answer.status_code, answer.content)
    assert "write-receipt" in answer.headers
    expected = [
        {"_time": at(-2), "temperature": 1.0, "level": 3, "label": "a"}, {"_time": at(-1), "level": 4}
    ]  # fmt: skip
    assert expected == await mast.rows(from_=at(-10), to=at(0))
    await site.step()
    assert expected == await mast.rows(from_=at(-10), to=at(0))


async def test_a_value_without_its_code_clears_the_old_code(site):
    """A value and its code are one cell; a code without its value is refused (design 3.2, 8.16)."""
    await site.open.wrote([{"_time": at(0), "temperature": 1, "temperature_qc": 64, "pressure": 1}])
    await site.open.patch([{"_time": at(0), "temperature": 2}])
    refused = await site.open.patch([{"_time": at(0), "temperature_qc": 64}])

    assert [{"_time": at(0), "temperature": 2.0, "pressure": 1.0}] == await site.open.rows()
    assert [("/0/temperature_qc", "qualityWithoutValue")] == problems(refused)


@pytest.mark.parametrize(
    ("profile", "record", "code"),
    [
        ("strict", {"_time": at(0, hours=-24), "level": 1}, None),
        ("strict", {"_time": at(-1, hours=-24), "level": 1}, "timeWindow"),
        ("strict", {"_time": at(0), "level": 1}, None),
        ("strict", {"_time": at(1), "level": 1}, "timeWindow"),
        ("open", {"_time": at(0, hours=-9_000), "level": 1}, None),
        ("open", {"_time": at(0, hours=700), "level": 1}, None),
        ("open", {"_time": at(0), "note": "long"}, "notPatchable"),
    ],
)
async def test_patch_takes_records_of_the_last_day_in_strict_and_any_in_open(site, profile, record, code):
    """≤ 24 h old and none ahead in `strict`, any age in `open`; no BIG_STRING in either (wire 1.4)."""
    answer = await site.of(profile).patch([record])

    assert (400 if code else 204) == answer.status_code
    if code:
        assert [code] == [word for _, word in problems(answer)]


async def test_patch_takes_ten_records_and_600_kilobytes(site):
    """10 records and 614,400 bytes pass, 11 records are 400, a byte more is 413 (wire 1.4)."""
    ten = json.dumps([{"_time": at(number), "level": number} for number in range(10)]).encode()
    eleven = [{"_time": at(number), "level": number} for number in range(11)]

    answers = [
        await site.open.patch(ten + b" " * (600 * KB - len(ten))),
        await site.open.patch(eleven),
        await site.open.patch(ten + b" " * (600 * KB + 1 - len(ten))),
    ]

    assert [204, 400, 413] == [answer.status_code for answer in answers]
    assert [("", "tooMany")] == problems(answers[1])


# -- order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_any_mix_of_requests_ends_as_serial_execution(site, seed):
    """PUT, overwrite, PATCH, DELETE from one client, read at any moment: serial execution (MS-30)."""
    dice = random.Random(seed)
    state: dict[int, dict[str, object]] = {}
    for number in range(40):
        await _act(site.open, state, dice, number)
        if dice.random() < 0.3:
            await site.step()
        expected = [{"_time": at(time), **row} for time, row in sorted(state.items()) if row]
        assert expected == await site.open.rows()


async def _act(mast, state, dice, number):
    """Send one request and do the same to the state."""
    time = dice.randrange(6)
    kind = dice.choice(["put", "patch", "delete", "put"])
    if kind == "delete":
        end = time + dice.randrange(1, 4)
        assert 204 == (await mast.delete(from_=at(time), to=at(end))).status_code
        for gone in [each for each in state if time < each <= end]:
            del state[gone]
        return
    sent = {name: dice.choice([float(number), None]) for name in dice.sample(["temperature", "pressure"], 1)}
    assert 204 == (await getattr(mast, kind)([{"_time": at(time), **sent}])).status_code
    row = {} if kind == "put" else state.get(time, {})
    row = {**row, **sent}
    names = [name for name in ("temperature", "pressure") if row.get(name) is not None]
    state[time] = {name: row[name] for name in names}


async def test_a_door_whose_shard_is_not_proved_says_when_to_come_again(site):
    """503 with Retry-After and nothing stored while the stream server is new (design 4)."""
    site.stream.restart()

    answer = await site.open.put([{"_time": at(0), "temperature": 1}])

    assert (503, "2") == (answer.status_code, answer.headers["retry-after"])
    assert [(None, "unavailable")] == problems(answer)
    await site.step()
    assert [] == await site.open.rows()


async def test_a_stream_that_is_down_is_503(site):
    """Nothing is acknowledged that is not durable (design 3.3)."""
    site.stream.stop()

    answer = await site.open.put([{"_time": at(0), "temperature": 1}])

    assert 503 == answer.status_code
    assert "retry-after" in answer.headers
