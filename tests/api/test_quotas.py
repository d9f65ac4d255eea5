"""Budgets of a tenant: what holds, what an answer says, what callers are told (MS-23, MS-89, design 7)."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from api.limits.quotas import Quotas
from api.limits.spending import HELD_AFTER, HOLD_S
from runtime.metrics import OTHERS, TENANTS_SHOWN_MAX, DoorFigures
from schemas.errors import TooMany
from schemas.limits import MB
from streams.budgets import Charge
from tests.api.limited import USAGE, charge, give, limit, quota, records
from tests.api.masts import at, running_site
from tests.api.served import served_site


def second_door(site):
    """Give the quotas of another door of the same installation."""
    services = site.door.services
    return Quotas(site.stream, services.index, site.clock, DoorFigures(), "door-2")


async def usage_of(site):
    """Ask what the tenant `other` uses."""
    return (await site.other.send("GET", USAGE)).json()


def body_of(size):
    """Make a body of exactly this many bytes, with one record."""
    body = json.dumps(records(1)).encode()
    return body + b" " * (size - len(body))


async def test_requests_have_a_rate(site):
    """Three at once, then one a second, whatever is asked: 429 says rule, limit, use and when to come."""
    await limit(site, site.other, requestsPerS=1, requestsBurst=3)
    answers = [await site.other.get() for _ in range(5)]
    site.clock.advance(1_000)
    later = await site.other.get()

    assert [200, 200, 200, 429, 429, 200] == [each.status_code for each in (*answers, later)]
    assert [("requests", 3, used) for used in (1, 2, 3, 3, 3)] == [quota(each) for each in answers]
    assert ["1", "2"] == [each.headers["retry-after"] for each in answers[3:]]
    [reason] = answers[3].json()["errors"]
    assert ("mdsp.core.generic.tooManyRequests", ["requests", "3", "3", "1"]) == (
        reason["code"], reason["messageParameters"],
    )  # fmt: skip


async def test_every_answer_names_the_limit(site):
    """Reads, lists, changes, what is not found and what is refused: all of a limited tenant's answers."""
    await limit(site, site.other, requestsPerS=100)
    assets = "/api/assetmanagement/v3/assets"

    answers = [
        await site.other.get(),
        await site.other.put(records(1)),
        await site.other.put(b"[{"),
        await site.other.send("GET", assets),
        await site.other.send("GET", f"{assets}/{'f' * 32}"),
        await site.other.send("POST", assets, {"name": 5}),
        await site.other.send("GET", USAGE),
    ]

    assert [200, 204, 400, 200, 404, 400, 200] == [each.status_code for each in answers]
    assert [("requests", 1_000, number) for number in range(1, 8)] == [quota(each) for each in answers]


async def test_a_tenant_without_limits_hears_of_none(site):
    """No header where there is no limit (design 7)."""
    assert quota(await site.open.put(records(1))) is None
    assert quota(await site.open.get()) is None


async def test_records_have_a_rate(site):
    """Records are counted, not requests; what does not fit is refused whole (MS-89)."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=10)
    first = await site.other.put(records(7))
    second = await site.other.put(records(4, at_ms=100))
    third = await site.other.patch(records(3, at_ms=100))
    reading = await site.other.get()

    assert [204, 429, 204, 200] == [each.status_code for each in (first, second, third, reading)]
    assert [7, 7, 10, 10] == [quota(each)[2] for each in (first, second, third, reading)]
    assert 10 == len(await site.other.rows())


async def test_bytes_have_a_rate(site):
    """Bytes of bodies; one that is announced too large for what is left is refused before it is read."""
    await limit(site, site.other, bytesPerS=1_000, burstBytes=10_000)
    first = await site.other.put(body_of(8_000))
    second = await site.other.put(body_of(2_001))
    site.clock.advance(1)
    third = await site.other.put(body_of(2_001))

    assert [204, 429, 204] == [each.status_code for each in (first, second, third)]
    assert ("bytes", 10_000, 8_000) == quota(first) == quota(second)


async def test_a_body_above_the_burst_waits_for_a_full_bucket(site):
    """It is taken when nothing is used, and what follows pays for it."""
    await limit(site, site.other, bytesPerS=1_000, burstBytes=2_000)
    first = await site.other.put(body_of(5_000))
    second = await site.other.put(body_of(100))

    assert [204, 429] == [first.status_code, second.status_code]
    assert "4" == second.headers["retry-after"]  # 3.0 s of debt, and 0.1 s for itself


async def test_each_pair_of_a_set_pays_for_itself(site):
    """The first fits and is stored, the second is 429 in the list (MS-21)."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=5)
    second = site.other.of("c" * 32)

    answer = await site.other.put_set([(site.other, records(4)), (second, records(2))])

    assert 202 == answer.status_code
    assert [429] == [error["statusCode"] for error in answer.json()["errors"]]
    assert [4, 0] == [len(await site.other.rows()), len(await second.rows())]


async def test_what_is_refused_or_repeated_costs_nothing(site):
    """400, a full shard and the repeat of a key leave records and bytes as they were (design 8.18)."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=10)
    held = site.stream.shard(site.other.shard)
    held.backlog_bytes = site.stream._caps.backlog_bytes_max
    full = await site.other.put(records(5))
    held.backlog_bytes = 0

    answers = [
        await site.other.put(b"[]"),
        await site.other.put(records(5), idempotency_key="a"),
        await site.other.put(records(5), idempotency_key="a"),
    ]

    assert [429, 400, 204, 204] == [full.status_code, *(each.status_code for each in answers)]
    assert ("records", 10, 5) == quota(answers[-1])


async def test_deletions_are_requests_only(site):
    """What frees room is never refused for want of it."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=1, storedBytesMax=1)
    await site.other.put(records(1))
    await site.stream.tell_stored("other", 1, 5)
    await charge(site)

    assert 429 == (await site.other.put(records(1))).status_code
    assert 204 == (await site.other.delete(from_=at(0, hours=-1), to=at(0))).status_code


async def test_tenants_do_not_share_a_budget(site):
    """One tenant's flood leaves another one of the same policy all that it may (S14)."""
    name = await limit(site, site.other, recordsPerS=10, recordsBurst=10)
    await give(site, "rigid", name)

    assert 204 == (await site.other.put(records(10))).status_code
    assert 429 == (await site.other.put(records(1))).status_code
    assert ("records", 10, 10) == quota(await site.strict.put(records(10)))


async def test_doors_share_a_budget(site):
    """What one door took, the others know a moment later, through the stream server (decision 30)."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=10)
    await site.other.put(records(8))
    await charge(site)
    second = second_door(site)
    second.of("other")
    await second.charge(everything=True)

    assert ("records", 10, 8) == tuple(second.nearest("other")[:3])
    with pytest.raises(TooMany, match="records"):
        second.of("other").take_write(3, 100, second.now_us(), late=False)
    second.of("other").take_write(2, 100, second.now_us(), late=False)
    await second.charge(everything=True)
    await charge(site)
    assert ("records", 10, 10) == quota(await site.other.get())


async def test_two_doors_keep_a_rate_together(site):
    """Both ask for all they can get, charged each tenth of a second: together they get burst and rate."""
    await limit(site, site.other, recordsPerS=100, recordsBurst=100)
    doors = [site.door.services.quotas, second_door(site)]
    taken = [0, 0]
    for _ in range(100):
        for number, quotas in enumerate(doors):
            with contextlib.suppress(TooMany):
                while True:
                    quotas.of("other").take_write(1, 1, quotas.now_us(), late=False)
                    taken[number] += 1
        for quotas in doors:
            await quotas.charge(everything=True)
        site.clock.advance(100)

    assert 1_100 <= sum(taken) <= 1_100 + 100  # the first moment of a door that knows nothing of the other
    assert min(taken) > 300


async def test_the_stream_server_may_be_gone(site):
    """Budgets are judged by what is known; what was taken meanwhile is told when it is back."""
    await limit(site, site.other, requestsPerS=1, requestsBurst=3)
    site.stream.stop()
    answers = [await site.other.send("GET", "/api/assetmanagement/v3/assets") for _ in range(4)]
    await charge(site)
    site.stream.start()
    await charge(site)

    assert [200, 200, 200, 429] == [each.status_code for each in answers]
    [standing] = await site.stream.charge("asks", [Charge("other", {"requests": 0})])
    assert 2_000_000 < standing.debts_us["requests"] <= 3_000_000


async def test_retry_after_spreads_callers(site):
    """Twenty callers of a tenant that takes two a second are told twenty moments, not one (MS-89)."""
    await limit(site, site.other, requestsPerS=2, requestsBurst=1)
    await site.other.get()

    waits = [int((await site.other.get()).headers["retry-after"]) for _ in range(20)]

    assert sorted(waits) == waits
    assert [1, 1, 2, 2, 3, 3] == waits[:6]
    assert 10 == waits[-1]


async def test_a_changed_policy_keeps_what_was_taken(site):
    """A higher limit gives more at once; what was used stays used."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=10)
    await site.other.put(records(10))
    await limit(site, site.other, recordsPerS=10, recordsBurst=15)

    assert ("records", 15, 10) == quota(await site.other.get())
    assert 204 == (await site.other.put(records(5))).status_code
    assert 429 == (await site.other.put(records(1))).status_code


async def test_a_backlog_has_a_limit(site):
    """What waits for the writer counts, over all shards; after its turn there is room again (design 7)."""
    await limit(site, site.other, backlogBytesMax=2_000)
    body = [{"_time": at(0), "note": "n" * 900}]
    taken = [(await site.other.of(asset).put(body)).status_code for asset in ("a" * 32, "c" * 32, "a" * 32)]
    refused = await site.other.of("c" * 32).put(body)

    assert [204, 204, 204] == taken
    assert (429, "2", "backlog") == (
        refused.status_code, refused.headers["retry-after"], quota(refused)[0],
    )  # fmt: skip
    await site.step()
    await charge(site)
    assert 204 == (await site.other.put(body)).status_code


async def test_other_doors_know_of_a_backlog(site):
    """The limit holds for what all doors admitted."""
    await limit(site, site.other, backlogBytesMax=1_000)
    await site.other.put([{"_time": at(0), "note": "n" * 1_500}])
    await charge(site)
    second = second_door(site)
    second.of("other")
    await second.charge(everything=True)

    with pytest.raises(TooMany, match="backlog"):
        second.of("other").take_write(1, 100, second.now_us(), late=False)


async def test_stored_bytes_have_a_limit(site):
    """Writers count what blocks take; at the limit writes are refused and reads go on (design 7)."""
    await limit(site, site.other, storedBytesMax=1_000)
    await site.stream.tell_stored("other", 1, 999)
    await site.other.get()
    await charge(site)
    assert ("stored", 1_000, 999) == quota(await site.other.put(records(1)))
    await site.stream.tell_stored("other", 2, 1)
    await charge(site)

    refused = await site.other.put(records(1))

    assert (429, "3600", ("stored", 1_000, 1_000)) == (
        refused.status_code, refused.headers["retry-after"], quota(refused),
    )  # fmt: skip
    assert 200 == (await site.other.get()).status_code


async def test_series_have_a_limit(site):
    """The asset that brings one too many is refused, and a type that its assets have may not grow (R24)."""
    base = "/api/assetmanagement/v3"
    post = {"name": "Post", "parentTypeId": "core.basicdevice"}
    one, two = ({"name": name, "aspectTypeId": "other.tyres"} for name in ("front", "back"))
    await limit(site, site.other, seriesMax=8)  # of which two masts have six
    kind = await site.other.send("PUT", f"{base}/assettypes/other.Post", post | {"aspects": [one]})
    assert 201 == kind.status_code, kind.text
    root = (await site.other.send("GET", f"{base}/assets/root")).json()["assetId"]
    asset = {"name": "post", "typeId": "other.Post", "parentId": root}

    made = [await site.other.send("POST", f"{base}/assets", asset) for _ in range(3)]
    aspects = [kind.json()["aspects"][0], two]
    grown = await site.other.send(
        "PUT", f"{base}/assettypes/other.Post", post | {"aspects": aspects}, if_match="0"
    )

    assert [201, 201, 429] == [each.status_code for each in made]
    assert ("series", 8, 8) == quota(made[2]) == quota(grown)
    assert 429 == grown.status_code, grown.text
    gone = await site.other.send("DELETE", f"{base}/assets/{made[0].json()['assetId']}", if_match="0")
    assert 204 == gone.status_code
    assert 201 == (await site.other.send("POST", f"{base}/assets", asset)).status_code


async def test_catching_up_has_a_lane_of_its_own(site):
    """A board that comes back sends what it kept beside live data, up to a burst of its own (design 9.4)."""
    await limit(
        site, site.other, recordsPerS=10, recordsBurst=10, catchUpBytesPerS=1_000, catchUpBurstBytes=9_000
    )
    await site.other.put(records(10))
    live = await site.other.put(records(1))
    late = await site.other.put(records(100), catch_up="true")
    more = await site.other.put(records(200), catch_up="true")
    site.clock.advance(9_000)
    then = await site.other.put(records(200), catch_up="true")

    assert [429, 204, 429, 204] == [each.status_code for each in (live, late, more, then)]
    assert ["records", "catch-up"] == [quota(each)[0] for each in (live, more)]
    assert 200 == len(await site.other.rows())


async def test_without_a_lane_catching_up_is_live(site):
    """A policy without one counts such records like all others; a wrong word is refused."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=10)

    assert 204 == (await site.other.put(records(10), catch_up="true")).status_code
    assert 429 == (await site.other.put(records(1), catch_up="true")).status_code
    assert 400 == (await site.open.put(records(1), catch_up="perhaps")).status_code
    assert 204 == (await site.open.put(records(1), catch_up="false")).status_code


async def test_a_series_catches_up_beside_its_rate(site):
    """Under `strict`: 1 MB live, then 100 MB that were kept, each from a bucket of its own (MS-23)."""
    assert 204 == (await site.strict.put(body_of(MB))).status_code
    assert 429 == (await site.strict.put(body_of(MB))).status_code

    late = [await site.strict.put(body_of(MB), catch_up="true") for _ in range(3)]
    patched = await site.strict.patch(body_of(500_000), catch_up="true")
    in_a_set = await site.strict.put_set([(site.strict, records(2))], catch_up="true")

    assert [204, 204, 204, 204, 202] == [each.status_code for each in (*late, patched, in_a_set)]
    assert ("series-catch-up", 100 * MB, 3 * MB) == quota(late[-1])


async def test_whoever_hammers_is_held_back(site):
    """After a hundred refusals within a second each further one takes its time (S14)."""
    await limit(site, site.other, requestsPerS=0.001, requestsBurst=1)
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    quick = [await site.other.get() for _ in range(HELD_AFTER + 1)]
    between_s = loop.time()
    held = await asyncio.gather(*(site.other.get() for _ in range(20)))

    assert 1 == sum(each.status_code == 200 for each in quick)
    assert {429} == {each.status_code for each in held}
    assert loop.time() - between_s >= HOLD_S * 0.9
    assert begun_s < between_s


async def test_the_bare_path_holds_back_too(monkeypatch):
    """Over a socket: the refusal comes late and once, the connection goes on, the body is let go."""
    monkeypatch.setattr("api.limits.spending.HELD_AFTER", 1)
    monkeypatch.setattr("api.limits.spending.HOLD_S", 0.05)
    async with served_site() as site:
        await limit(site, site.other, requestsPerS=0.001, requestsBurst=1)
        wire = await site.connect()
        token = site.other.headers["authorization"]
        body = body_of(500)
        put = (
            f"PUT {site.other.path} HTTP/1.1\r\nHost: door\r\nAuthorization: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        statuses = []
        begun_s = asyncio.get_running_loop().time()
        for _ in range(4):
            await wire.send(put, body[:100], body[100:])
            statuses.append((await wire.answer())[0])
        took_s = asyncio.get_running_loop().time() - begun_s

        assert [204, 429, 429, 429] == statuses
        assert took_s >= 0.09
        assert 0 == site.door.budget.held_bytes
        site.clock.advance(1_000_000)
        await wire.send(put, body)
        status, headers, _ = await wire.answer()
        assert (204, "requests") == (status, headers["quota-rule"])


async def test_both_paths_say_the_same(monkeypatch):
    """The bare path and the framework's name the same limit on the same answers."""
    async with served_site() as site:
        await limit(site, site.other, recordsPerS=1, recordsBurst=10)
        said = []
        for hot in (site.door.hot, None):
            site.door.hot = hot
            for body in (records(2), records(9), b"[{"):
                wire = await site.connect()
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                head = (
                    f"PUT {site.other.path} HTTP/1.1\r\nHost: door\r\n"
                    f"Authorization: {site.other.headers['authorization']}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
                )
                await wire.send(head.encode(), content)
                status, headers, _ = await wire.answer()
                said.append((status, headers["quota-rule"], headers["quota-used"]))
            await charge(site)
            site.clock.advance(100_000)

    assert said[:3] == said[3:]
    assert [(204, "records", "2"), (429, "records", "2"), (400, "records", "2")] == said[:3]


async def test_the_door_tells_by_itself():
    """What was taken reaches the stream server while the door runs, and the rest when it ends."""
    async with running_site() as site:
        await limit(site, site.other, recordsPerS=1, recordsBurst=10)
        await site.other.put(records(9))
        for _ in range(200):
            if (await site.stream.read_spent("other")).debts_us:
                break
            await asyncio.sleep(0.01)
        assert (await site.stream.read_spent("other")).debts_us["records"] > 8_000_000
        await site.open.put(records(3))
        stream = site.stream
    [counted] = (await stream.read_spent("acme")).days.values()
    assert 3 == counted["records"]


def test_metrics_name_few_tenants():
    """The first that are refused have lines of their own; the rest share one, so labels are bounded."""
    figures = DoorFigures()
    for number in range(TENANTS_SHOWN_MAX + 5):
        figures.refused_by_quota(f"t{number}", "records")
    figures.refused_by_quota("t0", "records")

    shown = {
        sample.labels: sample.value
        for sample in figures.report(0).samples
        if sample.family == "quota_refusals"
    }

    assert TENANTS_SHOWN_MAX + 1 == len(shown)
    assert (2, 5) == (shown["t0", "records"], shown[OTHERS, "records"])


async def test_a_refusal_is_counted_for_metrics(site):
    """By tenant and rule, wherever it was refused."""
    await limit(site, site.other, recordsPerS=1, recordsBurst=1, requestsPerS=1, requestsBurst=2)
    for _ in range(4):
        await site.other.put(records(1))

    samples = site.door.figures.report(0).samples
    counted = {each.labels: each.value for each in samples if each.family == "quota_refusals"}
    assert {("other", "records"): 1, ("other", "requests"): 2} == counted


async def test_spending_that_nobody_uses_is_let_go(site):
    """A door forgets a tenant that was silent for ten minutes; its bucket is the stream server's to know."""
    await limit(site, site.other, recordsPerS=1, recordsBurst=5)
    await site.other.put(records(2))
    quotas = site.door.services.quotas
    await charge(site)
    site.clock.advance(601_000)
    await charge(site)

    assert quotas.nearest("other") is None
    assert ("records", 5, 0) == tuple((await usage_of(site))["limits"][0].values())[:3]
