"""Deletes as things, and their undo (MS-53, design 4.14, 4.17, 9.8)."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from api.deletes.service import DeleteService
from api.identity.passwords import Passwords
from api.identity.scopes import SERIES_DELETE, SERIES_READ
from api.identity.setup import Credentials, add_client
from schemas.durations import DAY_MS
from schemas.errors import StoreUnavailable
from schemas.policies import STRICT
from schemas.times import format_time
from storage import delete_records
from storage.delete_records import record_in
from tests.api.deleting import (
    DELETES,
    HOURS,
    RANGE,
    WEEK_MS,
    deleted,
    hourly,
    later,
    preview,
    reason,
    seen,
    undo,
)
from tests.api.doors import NOW_MS, POLICY, bearer, token_of
from tests.api.masts import MAST, at, running_site


async def test_a_delete_can_be_looked_up(site):
    """Pending, then applied with the number of records; who, when, what, and until when it can be undone."""
    mast = site.open
    await mast.wrote(hourly())
    answer = await mast.delete(**HOURS)
    delete_id = answer.headers["delete-id"]

    pending = await seen(mast, delete_id)
    assert {
        "id": delete_id,
        "assetId": MAST,
        "aspectId": mast.series.aspect,
        "aspectName": "weather",
        "from": RANGE["from"],
        "to": RANGE["to"],
        "by": "acme-tech",
        "at": format_time(NOW_MS),
        "state": "pending",
        "receipt": answer.headers["write-receipt"],
        "undoableUntil": format_time(NOW_MS + WEEK_MS),
    } == pending
    await site.step()
    assert {**pending, "state": "applied", "records": 3} == await seen(mast, delete_id)


async def test_the_exact_bytes_of_a_delete(site):
    """Members in this order, nothing that says nothing."""
    answer = await site.open.delete(**HOURS)
    delete_id, receipt = answer.headers["delete-id"], answer.headers["write-receipt"]

    found = await site.open.send("GET", f"{DELETES}/{delete_id}")

    assert (
        f'{{"id":"{delete_id}","assetId":"{MAST}","aspectId":"{site.open.series.aspect}",'
        f'"aspectName":"weather",'
        f'"from":"{RANGE["from"]}","to":"{RANGE["to"]}","by":"acme-tech","at":"{format_time(NOW_MS)}",'
        f'"state":"pending","receipt":"{receipt}","undoableUntil":"{format_time(NOW_MS + WEEK_MS)}"}}'
    ).encode() == found.content
    assert b'{"deletes":[' + found.content + b"]}" == (await site.open.send("GET", DELETES)).content


@pytest.mark.parametrize("delete_id", ["0" * 18, "f" * 18, "preview2", "x", "0" * 17, "A" * 18])
async def test_unknown_and_foreign_deletes_are_one_answer(site, delete_id):
    """404 in the same words; another tenant's id tells nothing either."""
    foreign = await deleted(site.other)

    answers = [await site.open.send("GET", f"{DELETES}/{each}") for each in (delete_id, foreign)]
    answers += [await undo(site.open, each) for each in (delete_id, foreign)]

    assert [404] * 4 == [answer.status_code for answer in answers]
    assert {"There is no such delete."} == {reason(answer) for answer in answers}


async def test_deletes_are_listed_newest_first_in_pages(site):
    """Of the tenant, or of one of its assets; `next` leads to the last page."""
    ids = [await deleted(site.open.of(asset)) for asset in (MAST, "c" * 32, MAST)]
    await deleted(site.other)

    async def listed(**parameters):
        answer = await site.open.send("GET", DELETES, parameters=parameters)
        assert 200 == answer.status_code, answer.text
        found = answer.json()
        return [each["id"] for each in found["deletes"]], found.get("next")

    assert (sorted(ids, reverse=True), None) == await listed()
    assert (sorted([ids[0], ids[2]], reverse=True), None) == await listed(asset=MAST)
    first, following = await listed(limit=2)
    assert (2, first[-1]) == (len(first), following)
    assert (sorted(ids)[:1], None) == await listed(limit=2, before=following)
    for wrong in ({"limit": 0}, {"limit": 501}, {"before": "x"}, {"befor": following}):
        assert 400 == (await site.open.send("GET", DELETES, parameters=wrong)).status_code


async def test_a_delete_that_was_not_noted_is_noted_by_the_writer(site):
    """The catalogue fails behind the append: the delete is acknowledged, and can be looked up once stored."""
    site.writer._undoing._catalog = site.catalog
    await site.open.wrote(hourly())
    create = site.catalog.create

    async def failing(tenant, kind, *others):
        if kind == delete_records.KIND:
            raise StoreUnavailable("no store")
        return await create(tenant, kind, *others)

    site.catalog.create = failing
    delete_id = await deleted(site.open)
    site.catalog.create = create
    assert 404 == (await site.open.send("GET", f"{DELETES}/{delete_id}")).status_code
    await site.step()

    found = await seen(site.open, delete_id)
    assert ("", "", 3) == (found["by"], found["aspectName"], found["records"])
    assert 202 == (await undo(site.open, delete_id)).status_code
    await site.step()
    assert 3 == len(await site.open.rows(**HOURS))


async def test_a_door_knows_more_than_a_writer(site):
    """Where the writer was first, the door adds who asked for it."""
    await site.open.wrote(hourly())
    delete_id = await deleted(site.open)
    [document] = await site.catalog.list("acme", delete_records.KIND)
    record = record_in(document)
    await site.catalog.remove("acme", delete_records.KIND, delete_id, document.version)
    await delete_records.note(site.catalog, "acme", delete_records.record_in(document))
    unknown = json.loads(document.body) | {"by": "", "aspect_name": ""}
    [document] = await site.catalog.list("acme", delete_records.KIND)
    await site.catalog.replace(
        "acme", delete_records.KIND, delete_id, json.dumps(unknown).encode(), document.version
    )

    await delete_records.note(site.catalog, "acme", record)

    [document] = await site.catalog.list("acme", delete_records.KIND)
    assert record == record_in(document)


async def test_an_undo_brings_back_exactly_what_was_taken(site):
    """Every record and value; aggregates and newest values are right at once (design 4.14)."""
    mast = site.open
    await mast.wrote(hourly(5))
    await site.seal()
    await mast.wrote([{"_time": at(-1), "level": 9}])
    before = await mast.rows()
    delete_id = await deleted(mast)
    await site.step()
    assert 2 == len(await mast.rows())

    answer = await undo(mast, delete_id)

    assert 202 == answer.status_code
    assert f"{DELETES}/{delete_id}" == answer.headers["location"]
    assert "pending" == answer.json()["undo"]["state"]
    assert answer.headers["write-receipt"] == answer.json()["undo"]["receipt"]
    waiting = await mast.get(to=at(0, hours=1))
    assert waiting.headers["read-position"], "only the writer can tell what it comes to"
    await site.step()
    assert before == await mast.rows()
    newest = await mast.rows(latestValue="true")
    assert {at(0)} == {row["_time"] for row in newest}
    sums = await mast.send(
        "GET",
        "/api/iottsaggregates/v4/aggregates",
        parameters={
            "assetId": MAST, "aspectName": "weather", "from": at(0, hours=-24), "to": at(0),
            "intervalUnit": "day", "intervalValue": "1", "select": "level",
        },
    )  # fmt: skip
    assert 19 == sums.json()["aggregates"][0]["level"]["sum"]
    found = await seen(mast, delete_id)
    assert ("applied", "applied", "acme-tech") == (
        found["state"],
        found["undo"]["state"],
        found["undo"]["by"],
    )
    assert "undoableUntil" not in found
    assert "Read-Position".lower() not in (await mast.get(to=at(0, hours=1))).headers


async def test_read_after_waits_for_the_undo(site):
    """A read that demands it is 503 while it waits, and whole afterwards (design 4.17)."""
    mast = site.open
    await mast.wrote(hourly())
    delete_id = await deleted(mast)
    await site.step()
    receipt = (await undo(mast, delete_id)).headers["write-receipt"]

    assert 503 == (await mast.get(headers={"read_after": receipt}, **HOURS)).status_code
    await site.step()
    assert 3 == len((await mast.get(headers={"read_after": receipt}, **HOURS)).json())


async def test_an_undo_may_be_asked_for_before_the_delete_is_stored(site):
    """Both take effect in the order of their receipts."""
    mast = site.open
    await mast.wrote(hourly())
    delete_id = await deleted(mast)

    assert 202 == (await undo(mast, delete_id)).status_code

    await site.step()
    assert 3 == len(await mast.rows(**HOURS))


async def test_the_same_undo_again_is_the_first_one(site):
    """One entry, one receipt, whether it waits or is applied."""
    mast = site.open
    await mast.wrote(hourly())
    delete_id = await deleted(mast)
    await site.step()
    first = await undo(mast, delete_id)
    again = await undo(mast, delete_id)
    assert 1 == await site.step()
    after = await undo(mast, delete_id, wait="applied")

    receipts = [answer.headers["write-receipt"] for answer in (first, again, after)]
    assert [202] * 3 == [answer.status_code for answer in (first, again, after)]
    assert 1 == len(set(receipts))
    assert "true" == after.headers["write-applied"]
    assert 0 == await site.step()


@pytest.mark.parametrize("stored", [False, True], ids=["in the tail", "in the store"])
@pytest.mark.parametrize("newer", ["record", "delete"])
async def test_an_undo_over_something_newer_is_409_at_once(site, newer, stored):
    """A write or a delete in the range since then; beside it, it is none of its business (design 4.14)."""
    mast = site.open
    await mast.wrote(hourly(5))
    delete_id = await deleted(mast)
    await mast.wrote([{"_time": at(0, hours=-4), "level": 7}])
    if newer == "record":
        await mast.wrote([{"_time": at(0, hours=-1), "level": 7}])
    else:
        await deleted(mast, from_=at(0, hours=-1), to=at(0))
    if stored:
        await site.step()
    before = await mast.rows()

    answer = await undo(mast, delete_id)

    assert 409 == answer.status_code
    assert reason(answer).startswith("The delete cannot be undone: something newer was written or deleted")
    await site.step()
    assert before == await mast.rows()
    assert "undo" not in await seen(mast, delete_id)


async def test_an_undo_that_was_overtaken_says_so_later(site, monkeypatch):
    """What the door could not see, the writer does: nothing comes back, and the delete says why."""
    mast = site.open
    await mast.wrote(hourly())
    delete_id = await deleted(mast)
    await mast.wrote([{"_time": at(0), "level": 7}])

    async def blind(*_):
        return False

    monkeypatch.setattr(DeleteService, "_is_overlapped_in_tail", blind)
    answer = await undo(mast, delete_id)
    assert 202 == answer.status_code
    await site.step()

    assert [{"_time": at(0), "level": 7}] == await mast.rows(**HOURS)
    found = (await seen(mast, delete_id))["undo"]
    assert ("dead-lettered", "not undone: something newer was written or deleted in the range") == (
        found["state"],
        found["reason"],
    )
    fate = await mast.send("GET", f"/api/aspectstore/v1/receipts/{answer.headers['write-receipt']}")
    assert "dead-lettered" == fate.json()["state"]
    again = await undo(mast, delete_id)
    assert 409 == again.status_code
    assert "An undo was asked for before: not undone: something newer" in reason(again)


async def test_after_its_time_a_delete_is_for_good(site):
    """409 with the time until which it could be undone."""
    await site.open.wrote(hourly())
    delete_id = await deleted(site.open)
    await later(site, WEEK_MS)

    answer = await undo(site.open, delete_id)

    assert 409 == answer.status_code
    assert f"The delete could be undone until {format_time(NOW_MS + WEEK_MS)}." == reason(answer)
    assert "undoableUntil" not in await seen(site.open, delete_id)


async def test_an_installation_may_keep_nothing():
    """`undo_days` 0: a delete is for good at once, and nothing is pinned."""
    async with running_site(replace(POLICY, undo_days=0)) as site:
        await site.open.wrote(hourly())
        delete_id = await deleted(site.open)
        await site.step()

        answer = await undo(site.open, delete_id)

        assert 409 == answer.status_code
        assert "the tenant keeps nothing for that" in reason(answer)
        assert {} == site.store.pins
        assert "undoableUntil" not in (await preview(site.open)).json()


async def test_a_tenant_may_keep_for_longer_than_the_installation(site, monkeypatch):
    """Its policy says for how many days (design 7)."""
    index = site.door.services.index
    longer = msgspec.structs.replace(index.profile_of("acme"), undo_days=30)
    monkeypatch.setitem(index._profiles, "acme", longer)

    delete_id = await deleted(site.open)

    found = await seen(site.open, delete_id)
    assert format_time(NOW_MS + 30 * DAY_MS) == found["undoableUntil"]
    assert STRICT.undo_days is None


async def test_the_scopes_of_reading_and_of_deleting(site):
    """Looking needs the scope of reading, a preview and an undo that of deleting."""
    delete_id = await deleted(site.open)
    for number, scope in enumerate((SERIES_READ, SERIES_DELETE)):
        given = Credentials("acme", f"acme-{number}", "s3cret")
        await add_client(site.catalog, Passwords(8), given, (scope,))
    await site.door.services.refresh()
    tokens = [bearer(await token_of(site.http, f"acme-{number}", "s3cret")) for number in range(2)]
    asked = f"{DELETES}/preview?asset={MAST}&aspect=weather&from={at(-1)}&to={at(0)}"

    async def statuses(method, path):
        return [(await site.http.request(method, path, headers=token)).status_code for token in tokens]

    assert [200, 403] == await statuses("GET", f"{DELETES}/{delete_id}")
    assert [200, 403] == await statuses("GET", DELETES)
    assert [403, 200] == await statuses("GET", asked)
    assert [403, 202] == await statuses("POST", f"{DELETES}/{delete_id}/undo")
