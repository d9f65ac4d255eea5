"""Diagnostics: who is watched, what is written down of it, and its lists (wire 6.6, 13.16)."""

from __future__ import annotations

import json

import msgspec
import pytest

from schemas.agents import Agent, SecurityProfile
from schemas.errors import StreamUnavailable
from schemas.limits import DIAGNOSTICS_MAX
from tests.api.devices import Device, configured_device
from tests.api.masts import MAST, SECOND, at
from tests.schemas.device_messages import c_message, meta, sampling

PATH = "/api/mindconnect/v3/diagnosticActivations"
INFORMATION = "/api/mindconnect/v3/diagnosticInformation"


@pytest.fixture
async def device(site):
    """A configured agent with a mapping of `dp-t`."""
    found = await configured_device(site)
    await found.station.mapped("dp-t", "temperature")
    return found


async def activated(device, **more):
    """Watch an agent; gives the answer."""
    return await device.mast.send("POST", PATH, {"agentId": device.agent, "status": "ACTIVE", **more})


async def messages(device, **parameters):
    """List what was written down of an agent."""
    answer = await device.mast.send("GET", f"{PATH}/{device.agent}/messages", None, parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_activation_has_the_agents_id(device):
    """The CLI asks for it by the agent's id; a second one is 409 (wire 6.6)."""
    first = await activated(device)
    second = await activated(device)
    paused = await device.mast.send("PUT", f"{PATH}/{MAST}", {"status": "INACTIVE", "agentId": "ignored"})
    shown = await device.mast.send("GET", f"{PATH}/{MAST}")
    listed = await device.mast.send("GET", PATH)
    gone = await device.mast.send("DELETE", f"{PATH}/{MAST}")

    body = {"id": MAST, "agentId": MAST, "status": "ACTIVE"}
    assert (first.status_code, first.json(), second.status_code) == (201, body, 409)
    assert (paused.status_code, paused.json()) == (200, {**body, "status": "INACTIVE"})
    assert (shown.json(), listed.json()["content"]) == (paused.json(), [paused.json()])
    assert gone.status_code == 204
    assert (await device.mast.send("GET", f"{PATH}/{MAST}")).status_code == 404


async def test_only_agents_of_the_tenant_are_watched_and_at_most_five(device):
    """MS-86: five at a time; an unknown agent is 404."""
    for number in range(DIAGNOSTICS_MAX + 1):
        name = f"{number}" * 32
        agent = Agent(
            id=name, tenant="acme", name=name, security_profile=SecurityProfile.SHARED_SECRET, created_ms=0
        )
        asset = await device.site.catalog.get("acme", "asset", MAST)
        made = json.dumps({**json.loads(asset.body), "id": name}).encode()
        await device.site.catalog.create("acme", "asset", name, made)
        await device.site.catalog.create("acme", "agent", name, msgspec.json.encode(agent))
    await device.site.door.services.refresh()

    statuses = [
        (await device.mast.send("POST", PATH, {"agentId": f"{number}" * 32})).status_code
        for number in range(DIAGNOSTICS_MAX + 1)
    ]
    unknown = await device.mast.send("POST", PATH, {"agentId": "f" * 32})
    strange = await device.mast.send("POST", PATH, {"agentId": SECOND, "status": "ON"})

    assert statuses == [201] * DIAGNOSTICS_MAX + [409]
    assert (unknown.status_code, strange.status_code) == (404, 400)


async def test_messages_say_what_became_of_each_payload(device):
    """Accepted, finished, dropped with the reason; one correlation id a request (wire 6.6)."""
    await activated(device)
    await device.send_samplings(sampling(at(-1), dp_t="1"), correlation_id="c-1")
    device.site.clock.advance(1_000)
    body, media = c_message((meta("acme.custom"), "text/plain", b"x"))
    await device.send(body, media, correlation_id="c-2")

    found = (await messages(device))["content"]

    assert [(each["correlationId"], each["state"], each["severity"], each["source"]) for each in found] == [
        ("c-2", "DROPPED", "ERROR", "CUSTOM"),
        ("c-2", "ACCEPTED", "INFO", "CUSTOM"),
        ("c-1", "FINISHED", "INFO", "TIMESERIES"),
        ("c-1", "ACCEPTED", "INFO", "TIMESERIES"),
    ]
    assert found[2] == {
        "correlationId": "c-1", "severity": "INFO", "source": "TIMESERIES", "state": "FINISHED",
        "timestamp": at(0), "message": (
            "[Finished] TimeSeries upload completed, <1> samplings and <1> properties in <1> requests>. "
            "<0> values are dropped."
        ),
    }  # fmt: skip


async def test_line_16_the_last_page_is_last_and_so_is_every_one_behind_it(device):
    """The pager loops until `last`: true on the last page, beyond it, and where none is (wire 13.16)."""
    await activated(device)
    empty = await messages(device)
    await device.sent(sampling(at(-1), dp_t="1"))
    await device.sent(sampling(at(-1), dp_t="x"))

    pages = [await messages(device, page=str(page), size="2") for page in range(5)]

    assert (empty["last"], empty["totalPages"], empty["content"]) == (True, 0, [])
    assert [(page["last"], page["number"], len(page["content"])) for page in pages] == [
        (False, 0, 2), (False, 1, 2), (True, 2, 1), (True, 3, 0), (True, 4, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"severity": "WARN"}, 1),
        ({"source": "TIMESERIES"}, 5),
        ({"message": {"contains": "no mapping"}}, 1),
        ({"correlationId": "b"}, 3),
        ({"timestamp": {"after": at(0)}}, 3),
        ({"and": {"severity": "INFO", "correlationId": "b"}}, 1),
    ],
)
async def test_messages_are_filtered(device, asked, count):
    """By correlationId, message, source, timestamp and severity (wire 6.6)."""
    await activated(device)
    await device.send_samplings(sampling(at(-1), dp_t="1"), correlation_id="a")
    device.site.clock.advance(1_000)
    await device.send_samplings(sampling(at(-1), dp_n="1"), correlation_id="b")

    assert (await messages(device, filter=json.dumps(asked)))["totalElements"] == count


async def test_who_is_not_watched_leaves_nothing(device):
    """Neither before an activation, nor while it is paused, nor after it is deleted (wire 6.6)."""
    await device.sent(sampling(at(-1), dp_t="1"))
    await activated(device, status="INACTIVE")
    await device.sent(sampling(at(-1), dp_t="1"))
    paused = (await messages(device))["totalElements"]
    await device.mast.send("PUT", f"{PATH}/{MAST}", {"status": "ACTIVE"})
    await device.sent(sampling(at(-1), dp_t="1"))
    active = (await messages(device))["totalElements"]
    await device.mast.send("DELETE", f"{PATH}/{MAST}")
    await activated(device)

    assert (paused, active, (await messages(device))["totalElements"]) == (0, 2, 0)


async def test_all_messages_in_one_list_for_older_clients(device):
    """The deprecated form has them of every agent, each with its agent's id (wire 6.6)."""
    gateway = Device(device.site, agent=SECOND)
    for each in (device, gateway):
        await activated(each)
    await device.sent(sampling(at(-1), dp_t="1"))
    device.site.clock.advance(1_000)
    await gateway.sent(sampling(at(-1), dp_t="1"))

    answer = await device.mast.send("GET", INFORMATION)
    own = await device.mast.send("GET", INFORMATION, None, {"filter": json.dumps({"agentId": MAST})})

    found = [(each["agentId"], each["state"]) for each in answer.json()["content"]]
    assert sorted(found[:3]) == [(SECOND, "ACCEPTED"), (SECOND, "DROPPED"), (SECOND, "FINISHED")]
    assert [each["agentId"] for each in own.json()["content"]] == [MAST, MAST]
    assert own.json()["last"]


async def test_a_log_that_cannot_be_written_stops_no_device(device, monkeypatch):
    """Diagnostics are for people; what was promised to the device is kept all the same (MS-86)."""
    await activated(device)

    async def down(_):
        raise StreamUnavailable("down")

    monkeypatch.setattr(device.site.door.services.ports.notices, "post", down)
    await device.sent(sampling(at(-1), dp_t="1"))

    assert len(await device.rows()) == 1


async def test_an_agent_watches_itself_only(device):
    """Its own activation, by its own token; another agent's is not there for it (wire 5.3)."""
    await activated(Device(device.site, agent=SECOND))
    headers = {**device.headers, "content-type": "application/json"}
    http = device.site.http

    made = await http.post(PATH, content=json.dumps({"agentId": MAST}), headers=headers)
    foreign = await http.post(PATH, content=json.dumps({"agentId": SECOND}), headers=headers)
    other = await http.get(f"{PATH}/{SECOND}/messages", headers=headers)
    listed = await http.get(PATH, headers=headers)
    records = await http.get("/api/mindconnect/v3/recoverableRecords", headers=headers)

    assert [answer.status_code for answer in (made, foreign, other, records)] == [201, 403, 404, 403]
    assert [each["id"] for each in listed.json()["content"]] == [MAST]
