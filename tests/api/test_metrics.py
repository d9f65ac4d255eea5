"""`/metrics` and `/health`: every route is counted by its template, parts are asked once a second."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.door import METHODS
from api.hot import Kind
from api.probe import FRESH_S
from runtime.metrics import WRITER, Report, Sample, encode_report
from schemas.errors import StoreUnavailable
from tests.api.doors import NOW_MS
from tests.api.masts import MAST


async def figures(http, headers):
    """Give every sample as (name, labels without the process) → value."""
    answer = await http.get("/metrics", headers=headers)
    assert 200 == answer.status_code
    return {
        (sample.name.removeprefix("aspectstore_"), *sorted(_labels(sample))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _labels(sample):
    return [(name, value) for name, value in sample.labels.items() if name not in {"process", "le"}]


def requests(found):
    """Give (method, route, status) → requests."""
    return {
        tuple(value for _, value in name[1:]): count
        for name, count in found.items()
        if name[0] == "requests_total"
    }


async def test_requests_are_counted_by_template(site):
    """Ids, unknown paths and made-up methods make no names of their own."""
    before = requests(await figures(site.http, site.open.headers))
    path = f"/api/iottimeseries/v3/timeseries/{MAST}/weather"
    body = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5}]
    assert 204 == (await site.http.put(path, json=body, headers=site.open.headers)).status_code
    await site.http.put(path.replace(MAST, "b" * 32), json=body, headers=site.open.headers)
    await site.http.get(path, headers=site.open.headers)
    await site.http.get("/made/up", headers=site.open.headers)
    await site.http.request("BREW", "/made/up/too", headers=site.open.headers)

    after = requests(await figures(site.http, site.open.headers))

    new = {name: count - before.get(name, 0) for name, count in after.items()}
    put, template = Kind.WRITE.route
    assert 1 == new[put, template, "204"]
    assert 1 == new[put, template, "404"]
    assert 1 == new["GET", template, "200"]
    assert 1 == new["GET", "other", "404"]
    assert {"other"} == {route for method, route, _ in after if method == "other"}
    assert {method for method, _, _ in after} <= METHODS | {"other"}
    assert not [route for _, route, _ in after if "made" in route or MAST in route]


async def test_entries_refusals_and_tokens_are_counted(site):
    """What became durable, what the stream refused and why, and who logged in how."""
    path = f"/api/iottimeseries/v3/timeseries/{MAST}/weather"
    body = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5}]
    before = await figures(site.http, site.open.headers)
    key = {"idempotency-key": "k"}
    await site.http.put(path, json=body, headers=site.open.headers | key)
    await site.http.put(path, json=body, headers=site.open.headers | key)
    body[0]["temperature"] = 2
    assert 422 == (await site.http.put(path, json=body, headers=site.open.headers | key)).status_code
    await site.http.post("/oauth/token", data={"grant_type": "made-up"})

    after = await figures(site.http, site.open.headers)

    def more(*name):
        return after.get(name, 0) - before.get(name, 0)

    assert 1 == more("admitted_entries_total")
    assert more("admitted_bytes_total") > 50
    assert 1 == more("refused_writes_total", ("reason", "key_reused"))
    assert [1] == [more(*name) for name in after if name[0] == "tokens_total" and ("grant", "other") in name]


async def test_other_processes_are_shown_until_they_fall_silent(service):
    """A door shows what writers publish, and forgets a writer that says nothing more."""
    report = Report(WRITER, NOW_MS - 2_000, (Sample("writer_turns", (), 7.0),))
    await service.world.stream.publish("writer-1", encode_report(report), 30_000)
    await service.world.stream.publish("writer-2", b"\xff", 30_000)
    service.clock.advance(int(FRESH_S * 1000))

    assert 7 == (await figures(service.http, service.acme))["writer_turns_total",]
    health = await service.http.get("/health", headers=service.acme)
    assert {
        "status": "UP",
        "parts": {
            "catalog": "UP",
            "stream": "UP",
            "store": "UP",
            "writers": "UP, 1, last seen 3 s ago",
            "backlog": "UP, 0 bytes",
        },
    } == health.json()

    service.clock.advance(30_000)
    assert ("writer_turns_total",) not in await figures(service.http, service.acme)
    health = await service.http.get("/health", headers=service.acme)
    assert "DOWN, none seen" == health.json()["parts"]["writers"]
    assert 200 == health.status_code


@pytest.mark.parametrize("part", ["catalog", "stream", "store"])
async def test_a_part_that_does_not_answer_is_named(service, part):
    """503 and DOWN for everybody, the part for operators; metrics answer all the same."""

    async def down(*_arguments):
        raise StoreUnavailable("down")

    if part == "stream":
        service.world.stream.stop()
    elif part == "store":
        service.world.store.read_cursor = down
    else:
        service.catalog.get = down
    service.clock.advance(int(FRESH_S * 1000))

    anybody = await service.http.get("/health")
    assert (503, {"status": "DOWN"}) == (anybody.status_code, anybody.json())
    parts = (await service.http.get("/health", headers=service.acme)).json()["parts"]
    assert [part] == [name for name in ("catalog", "stream", "store") if parts[name] != "UP"]
    found = await figures(service.http, service.acme)
    assert 0 == found["up", ("part", part)]


async def test_however_many_ask_the_parts_are_asked_once(service):
    """`/health` is open: a storm of questions costs the store one read a second."""
    asked = 0
    read = service.world.store.read_cursor

    async def counted(shard):
        nonlocal asked
        asked += 1
        return await read(shard)

    service.world.store.read_cursor = counted
    service.clock.advance(int(FRESH_S * 1000))
    for _ in range(50):
        await service.http.get("/health")

    assert 1 == asked


async def test_backlog_is_what_waits(site):
    """Entries that no writer has stored yet are counted in bytes over all shards."""
    path = f"/api/iottimeseries/v3/timeseries/{MAST}/weather"
    await site.http.put(
        path, json=[{"_time": "2026-01-01T00:00:00Z", "temperature": 1}], headers=site.open.headers
    )
    site.clock.advance(int(FRESH_S * 1000))

    found = await figures(site.http, site.open.headers)

    assert found["backlog_bytes",] == found["admitted_bytes_total",]
