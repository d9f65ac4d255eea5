"""Writing several series in one PUT: limits of the whole, answers of each pair (MS-21, wire 1.3)."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.api.masts import MAST, PATH, SECOND, at, problems, running_site
from tests.api.served import served_site

KB = 1_024
NO_MATCH = "mdsp.core.generic.noMatch"


@pytest.fixture(params=["framework", "connection"])
async def site(request):
    """A running door, asked in process, where the framework answers, or served, where `api.hot` does."""
    if request.param == "framework":
        async with running_site() as running:
            yield running
        return
    async with served_site() as running:
        base = f"http://127.0.0.1:{running.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as running.http:
            yield running


def one(number=0):
    """Give one record."""
    return [{"_time": at(number), "temperature": number}]


async def test_all_pairs_stored_is_202_with_an_empty_body_and_a_receipt_each(site):
    """202, no body, receipts divided by commas in body order (MS-21, design 8.16, 8.17)."""
    second = site.open.of(SECOND)

    answer = await site.open.put_set([(site.open, one(1)), (second, one(2)), (site.open, one(3))])

    assert (202, b"") == (answer.status_code, answer.content)
    receipts = answer.headers["write-receipt"].split(",")
    assert 3 == len(receipts)
    assert "-" not in receipts
    assert [one(1)[0] | {"temperature": 1.0}, one(3)[0] | {"temperature": 3.0}] == await site.open.rows()
    assert [{"_time": at(2), "temperature": 2.0}] == await second.rows()
    for receipt in receipts:
        state = await site.open.send("GET", f"/api/aspectstore/v1/receipts/{receipt}")
        assert {"state": "pending", "reason": ""} == state.json()


async def test_refused_pairs_are_told_and_the_others_are_stored(site):
    """A problem refuses its pair only; its receipt is `-`, its reasons name pair and place (design 8.19)."""
    parts = [
        (site.open, one(1)),
        (site.open.of("e" * 32), one(2)),
        (site.open.of(SECOND), [{"_time": at(3), "temperature": "warm", "x": 1}]),
        (site.open.of(aspect="wind"), one(4)),
        (site.open.of(SECOND), one(5)),
    ]

    answer = await site.open.put_set(parts)

    assert 202 == answer.status_code
    assert "application/json" == answer.headers["content-type"]
    receipts = answer.headers["write-receipt"].split(",")
    assert [False, True, True, True, False] == [receipt == "-" for receipt in receipts]
    logref = answer.headers["x-request-id"]
    errors = answer.json()["errors"]
    for error in errors:
        assert logref == error.pop("logref")
        assert error.pop("message")
    assert [
        {"entityId": "e" * 32, "propertySetName": "weather", "statusCode": 404, "code": NO_MATCH},
        {
            "entityId": SECOND,
            "propertySetName": "weather",
            "statusCode": 400,
            "code": "aspectstore.records.wrongType",
            "pointer": "/timeseries/2/data/0/temperature",
        },
        {
            "entityId": SECOND,
            "propertySetName": "weather",
            "statusCode": 400,
            "code": "aspectstore.records.unknownVariable",
            "pointer": "/timeseries/2/data/0/x",
        },
        {"entityId": MAST, "propertySetName": "wind", "statusCode": 404, "code": NO_MATCH},
    ] == errors
    assert [{"_time": at(1), "temperature": 1.0}] == await site.open.rows()
    assert [{"_time": at(5), "temperature": 5.0}] == await site.open.of(SECOND).rows()


async def test_another_tenants_asset_in_a_pair_is_like_an_unknown_one(site):
    """404 for the pair in the same words (MS-31)."""
    foreign, unknown = "d" * 32, "e" * 32
    body = {"id": foreign, "tenant": "other", "name": "X", "type_id": "other.Mast"}
    await site.catalog.create("other", "asset", foreign, json.dumps(body).encode())
    await site.door.services.refresh()

    answer = await site.open.put_set([(site.open.of(foreign), one()), (site.open.of(unknown), one())])

    [first, second] = answer.json()["errors"]
    assert {**first, "entityId": ""} == {**second, "entityId": ""}
    assert "-,-" == answer.headers["write-receipt"]


@pytest.mark.parametrize(
    ("parts", "status", "found"),
    [
        ([1] * 5, 202, None),
        ([1] * 6, 400, [("/timeseries", "tooMany")]),
        ([60, 40], 202, None),
        ([60, 41], 400, [("/timeseries", "tooMany")]),
        ([100], 202, None),
        ([101], 400, [("/timeseries", "tooMany")]),
        ([], 400, [("/timeseries", "invalidRequestBodyProperty")]),
    ],
)
async def test_five_pairs_and_a_hundred_records_are_the_most(site, parts, status, found):
    """5 pairs and 100 records overall pass, 6 and 101 are 400 for the whole body (MS-21)."""
    sent = [
        (site.open, [{"_time": at(1_000 * place + number), "level": 1} for number in range(count)])
        for place, count in enumerate(parts)
    ]

    answer = await site.open.put_set(sent)

    assert status == answer.status_code
    if found:
        assert found == problems(answer)
        assert [] == await site.open.rows()
        assert "write-receipt" not in answer.headers
    else:
        assert sum(parts) == len(await site.open.rows())


async def test_a_hundred_kilobytes_are_the_most(site):
    """102,400 bytes pass, one more is 413 (MS-21)."""
    part = {"entityId": MAST, "propertySetName": "weather", "data": one()}
    body = json.dumps({"timeseries": [part]}).encode()

    taken = await site.open.send("PUT", PATH, body + b" " * (100 * KB - len(body)))
    refused = await site.open.send("PUT", PATH, body + b" " * (100 * KB + 1 - len(body)))

    assert [202, 413] == [taken.status_code, refused.status_code]
    assert [(None, "payloadTooLarge")] == problems(refused)


PART = {"entityId": MAST, "propertySetName": "weather", "data": one()}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", [("", "malformed")]),
        (b"[]", [("", "wrongType")]),
        ({"timeseries": {}}, [("/timeseries", "wrongType")]),
        ({"timeseries": [1]}, [("/timeseries/0", "wrongType")]),
        ({"timeseries": [{**PART, "x": 1}]}, [("/timeseries/0/x", "invalidRequestBodyProperty")]),
        ({"timeseries": [PART], "more": 1}, [("/more", "invalidRequestBodyProperty")]),
        (
            {"timeseries": [{"entityId": 5, "data": []}]},
            [
                ("/timeseries/0/entityId", "wrongType"),
                ("/timeseries/0/propertySetName", "missingRequestBodyProperty"),
            ],
        ),
        (b'{"timeseries":[],"timeseries":[]}', [("/timeseries", "duplicateMember")]),
    ],
)  # fmt: skip
async def test_a_body_of_another_shape_is_refused_as_a_whole(site, body, found):
    """The envelope's problems are 400 with their pointers (design 8.19)."""
    answer = await site.open.send("PUT", PATH, body)

    assert 400 == answer.status_code
    assert found == problems(answer)


async def test_a_pair_whose_shard_is_closed_does_not_hold_up_the_others(site):
    """503 for the pair, 202 for the whole, and when to come again (design 3.3)."""
    site.stream.shard(site.open.shard).proved = "another process"

    answer = await site.open.put_set([(site.open, one(1)), (site.open.of(SECOND), one(2))])

    assert 202 == answer.status_code
    assert "2" == answer.headers["retry-after"]
    assert [(503, "aspectstore.stream.unavailable")] == [
        (error["statusCode"], error["code"]) for error in answer.json()["errors"]
    ]
    assert answer.headers["write-receipt"].startswith("-,")
    assert [{"_time": at(2), "temperature": 2.0}] == await site.open.of(SECOND).rows()


async def test_the_same_series_in_two_pairs_takes_effect_in_body_order(site):
    """The later pair replaces the earlier one's record (MS-21, design 8.7)."""
    answer = await site.open.put_set([(site.open, one(0)), (site.open, [{"_time": at(0), "level": 9}])])

    assert 202 == answer.status_code
    assert [{"_time": at(0), "level": 9}] == await site.open.rows()


async def test_waiting_for_the_store_covers_all_pairs(site):
    """`?wait=applied` speaks of every stored pair, and of nothing if there is none (design 8.17)."""
    parts = [(site.open, one(1)), (site.open.of("e" * 32), one(2))]

    waiting = await site.open.put_set(parts, {"wait": "applied"})
    nothing = await site.open.put_set(parts[1:], {"wait": "applied"})

    assert "false" == waiting.headers["write-applied"]
    assert "write-applied" not in nothing.headers
