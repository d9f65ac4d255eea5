"""Recoverable records: listed with their reason, replayed once the mapping is mended, bounded (wire 6.5)."""

from __future__ import annotations

import json
import re

import httpx
import msgspec
import pytest

from api.agents import quarantine
from api.routes.recoverable_records import LINK_S
from schemas.errors import StoreUnavailable
from schemas.exchange_message import parse_message
from schemas.policies import OPEN
from tests.api.devices import RECORDS, Device, configured_device
from tests.api.masts import MAST, SECOND, at
from tests.api.stations import AGENT
from tests.schemas.device_messages import c_message, meta, sampling

REASON = "Data point with no mapping count is <1>, including <[{}]>"


@pytest.fixture
async def device(site):
    """A configured agent of the open tenant with a mapping of `dp-p` alone."""
    found = await configured_device(site)
    await found.station.mapped("dp-p", "pressure")
    return found


# -- lists -----------------------------------------------------------------------------------------


async def test_a_record_says_whose_it_is_when_it_came_and_why(device):
    """One record a message, with the correlation id that the device sent (wire 6.5)."""
    await device.send_samplings(sampling(at(-1), dp_t="1", dp_p="2"), correlation_id="c-1")

    (record,) = await device.quarantined()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", record["id"])
    assert record == {
        "id": record["id"],
        "correlationId": "c-1",
        "agentId": AGENT,
        "requestTime": at(0),
        "dropReason": (
            "<[Dropped] TimeSeries Data is dropped. Validation failed for reason <Pre-processing of <2> data "
            f"points ended with <1> valid and <1> dropped data points. Following issues found: "
            f"{REASON.format('dp-t')}.>>"
        ),
    }


async def test_lists_are_filtered_by_agent_and_time(device):
    """Filter on agentId and requestTime, pages that say they are the last (wire 6.5, 13.16)."""
    for number in range(3):
        await device.sent(sampling(at(number), dp_t=str(number)))
        device.site.clock.advance(1_000)

    async def ids(**parameters):
        return [record["requestTime"] for record in await device.quarantined(**parameters)]

    assert await ids() == [at(0), at(1_000), at(2_000)]
    assert await ids(sort="requestTime,desc", size="1") == [at(2_000)]
    assert await ids(filter=json.dumps({"agentId": AGENT, "requestTime": {"after": at(999)}})) == [
        at(1_000), at(2_000),
    ]  # fmt: skip
    assert await ids(filter=json.dumps({"requestTime": {"before": at(1)}})) == [at(0)]
    assert await ids(filter=json.dumps({"agentId": "f" * 32})) == []
    for page, last in ((0, False), (1, True), (2, True), (9, True)):
        answer = await device.mast.send("GET", RECORDS, None, {"page": str(page), "size": "2"})
        assert (answer.json()["last"], answer.json()["totalPages"]) == (last, 2)


async def test_the_same_message_leaves_one_record(device):
    """A device that sends again what it heard no answer to is not kept twice; another one's is another."""
    for _ in range(3):
        await device.sent(sampling(at(-1), dp_t="1"))
    await device.sent(sampling(at(-1), dp_t="2"))

    assert len(await device.quarantined()) == 2


async def test_a_door_that_does_not_know_of_a_removal_keeps_again(device):
    """Whether a record is there is the store's word: what was removed elsewhere is kept anew."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (document,) = await device.site.catalog.list("acme", "quarantined")
    await device.site.catalog.remove("acme", "quarantined", document.id, document.version)

    await device.sent(sampling(at(-1), dp_t="1"))

    assert len(await device.site.catalog.list("acme", "quarantined")) == 1


# -- replay ----------------------------------------------------------------------------------------


async def test_a_replay_stores_what_was_refused(device):
    """After the mapping is mended nothing is missing, and a second replay finds no record (MS-86)."""
    await device.sent(*(sampling(at(-n), dp_t=f"{n}.5", dp_p="1") for n in range(1, 4)))
    (record,) = await device.quarantined()
    await device.station.mapped("dp-t", "temperature")

    first = await device.replay(record)
    second = await device.replay(record)

    assert (first.status_code, first.content, second.status_code) == (200, b"", 404)
    assert [(row["temperature"], row["pressure"]) for row in await device.rows()] == [
        (3.5, 1.0), (2.5, 1.0), (1.5, 1.0),
    ]  # fmt: skip
    assert await device.quarantined() == []
    assert not await device.site.door.services.ports.files.kept("acme")


async def test_two_replays_at_once_store_once(device, monkeypatch):
    """One that dies before the record goes is done again, and nothing is stored twice (MS-86)."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (record,) = await device.quarantined()
    await device.station.mapped("dp-t", "temperature")
    catalog = device.site.catalog
    remove = catalog.remove

    async def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(catalog, "remove", down)
    failed = await device.replay(record)
    monkeypatch.setattr(catalog, "remove", remove)

    assert (failed.status_code, len(await device.quarantined())) == (503, 1)
    assert (await device.replay(record)).status_code == 200
    assert await device.rows() == [{"_time": at(-1), "temperature": 1.0, "temperature_qc": "0"}]
    assert await device.quarantined() == []


async def test_what_is_still_refused_stays_with_its_reason(device):
    """Of a record replayed in part the rest is a record; one of which nothing went stays as it is."""
    await device.sent(sampling(at(-1), dp_t="1", dp_n="x"))
    (record,) = await device.quarantined()

    await device.replay(record)
    assert await device.quarantined() == [record]
    await device.station.mapped("dp-t", "temperature")
    await device.station.mapped("dp-n", "count")
    await device.replay(record)

    (rest,) = await device.quarantined()
    issue = "Value that is not of the property's type count is <1>, including <[dp-n]>"
    assert (rest["id"] != record["id"], issue in rest["dropReason"]) == (True, True)
    assert [row["temperature"] for row in await device.rows()] == [1.0]
    await device.replay(rest)
    assert [record["id"] for record in await device.quarantined()] == [rest["id"]]


async def test_a_replay_goes_by_the_mappings_of_today(device):
    """Whatever configuration the message named: the device has another one by now (decision 0037)."""
    await device.sent(sampling(at(-1), dp_p="1"), configuration="CF-lost")
    (record,) = await device.quarantined()

    await device.replay(record)

    assert (await device.rows(), await device.quarantined()) == ([{"_time": at(-1), "pressure": 1.0}], [])


async def test_a_replay_where_the_mapping_leads_nowhere(device):
    """Its asset is deleted, then the mapping: the record stays through replays until a mapping holds."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (record,) = await device.quarantined()
    mapped = await device.station.mapped("dp-t", "temperature", asset=SECOND)
    document = await device.site.catalog.get("acme", "asset", SECOND)
    gone = json.dumps({**json.loads(document.body), "deleted_ms": 1}).encode()
    await device.site.catalog.replace("acme", "asset", SECOND, gone, document.version)
    await device.site.door.services.refresh()

    reasons = []
    for _ in range(2):
        assert (await device.replay(record)).status_code == 200
        reasons.append(await issue_of(device))
    await device.station.removed(mapped)
    assert (await device.replay(record)).status_code == 200
    reasons.append(await issue_of(device))
    await device.station.mapped("dp-t", "temperature")
    await device.replay(record)

    assert reasons == ["an invalid mapping", "an invalid mapping", "no mapping"]
    assert [row["temperature"] for row in await device.rows()] == [1.0]
    assert await device.quarantined() == []


async def issue_of(device):
    """Give what the data points of the only record have."""
    (record,) = await device.quarantined()
    return re.search(r"Data point with (.+?) count", record["dropReason"])[1]


async def test_payloads_come_back_byte_for_byte(device):
    """A record is a message of what was refused: its bytes, whatever they are (wire 6.5)."""
    octets = bytes(range(256)) + b"\r\n--b--\r\n\n"
    body, media = c_message((meta("acme.custom", a=[1, "ü"]), "image/x-raw; q=1", octets))
    await device.send(body, media)
    (record,) = await device.quarantined()

    link = (await device.mast.send("GET", f"{RECORDS}/{record['id']}/downloadLink")).json()
    answer = await device.site.http.get(link)

    (found,) = parse_message(answer.content, answer.headers["content-type"])
    assert (found.type, found.version, found.media) == ("acme.custom", "1.0", "image/x-raw")
    assert (json.loads(found.details), found.payload) == ({"a": [1, "ü"]}, octets)


# -- links -----------------------------------------------------------------------------------------


async def test_a_link_needs_no_token_and_ends(device):
    """A JSON string, good for ten minutes and for this record alone (wire 6.5)."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (record,) = await device.quarantined()
    answer = await device.mast.send("GET", f"{RECORDS}/{record['id']}/downloadLink")
    link = answer.json()

    async def status(url):
        return (await device.site.http.get(url)).status_code

    parameters = httpx.URL(link).params
    wrong = [
        link.replace(record["id"], "0" * len(record["id"])),
        link.replace("/acme/", "/other/"),
        str(httpx.URL(link).copy_set_param("expires", int(parameters["expires"]) + 1)),
        str(httpx.URL(link).copy_set_param("signature", "0" * 64)),
        str(httpx.URL(link).copy_set_param("signature", "ü")),
    ]
    assert answer.headers["cache-control"] == "no-store"
    assert await status(link) == 200
    assert [await status(url) for url in wrong] == [404] * 5
    device.site.clock.advance(LINK_S * 1_000)
    assert await status(link) == 404


async def test_a_link_of_a_suspended_tenant_is_closed(device):
    """With everything else that the tenant has (design 7)."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (record,) = await device.quarantined()
    link = (await device.mast.send("GET", f"{RECORDS}/{record['id']}/downloadLink")).json()
    document = await device.site.catalog.get("core", "tenant", "acme")
    body = json.dumps({**json.loads(document.body), "suspended": True}).encode()
    await device.site.catalog.replace("core", "tenant", "acme", body, document.version)
    await device.site.door.services.refresh()

    assert (await device.site.http.get(link)).status_code == 404


# -- deleting, and room ----------------------------------------------------------------------------


async def test_a_record_can_be_deleted(device):
    """With its message; another tenant finds none (wire 6.5)."""
    await device.sent(sampling(at(-1), dp_t="1"))
    (record,) = await device.quarantined()
    path = f"{RECORDS}/{record['id']}"

    foreign = await device.site.other.send("DELETE", path)
    gone = await device.mast.send("DELETE", path)
    again = await device.mast.send("DELETE", path)

    assert [answer.status_code for answer in (foreign, gone, again)] == [404, 204, 404]
    assert not await device.site.door.services.ports.files.kept("acme")


@pytest.mark.parametrize(("limit", "most"), [("QUARANTINE_RECORDS_MAX", 10), ("QUARANTINE_BYTES_MAX", 5_000)])
async def test_the_oldest_make_room_and_are_counted(device, monkeypatch, limit, most):
    """A quarantine is bounded in records and in bytes; what it lost is told in the lists (design 9.10)."""
    monkeypatch.setattr(quarantine, limit, most)
    for number in range(15):
        await device.sent(sampling(at(number), dp_t=str(number)))
        device.site.clock.advance(1_000)

    answer = await device.mast.send("GET", RECORDS)
    times = [record["requestTime"] for record in answer.json()["content"]]
    kept = await device.site.door.services.ports.files.kept("acme")
    lost = int(answer.headers["quarantine-lost-records"])
    assert (len(kept), times) == (15 - lost, [at(number * 1_000) for number in range(lost, 15)])
    assert 0 < lost < 15
    if limit == "QUARANTINE_BYTES_MAX":
        assert sum(each.content.size for each in kept) <= most
    else:
        assert len(kept) <= most
    assert int(answer.headers["quarantine-lost-bytes"]) > lost * 100


async def test_full_files_keep_no_device_from_sending(device):
    """What is refused is bounded by itself; it waits for no room among the tenant's files (design 9.10)."""
    services = device.site.door.services
    services.index._profiles["acme"] = msgspec.structs.replace(OPEN, files_bytes_max=100)

    await device.sent(sampling(at(-1), dp_t="1", dp_p="2"))

    assert [row["pressure"] for row in await device.rows()] == [2.0]
    (record,) = await services.ports.files.kept("acme")
    assert await services.files.stored_bytes("acme") == record.content.size > 100
    assert len(await device.quarantined()) == 1


async def test_an_agent_that_goes_takes_its_records_along(device):
    """Its asset is deleted, and so is what it sent and nothing took (design 4.16)."""
    other = Device(device.site, agent="c" * 32)
    await other.sent(sampling(at(-1), dp_t="1"))
    await device.sent(sampling(at(-1), dp_t="1"))

    await device.site.door.services.agents.remove_with_asset("acme", MAST)

    assert [record["agentId"] for record in await device.quarantined()] == ["c" * 32]
