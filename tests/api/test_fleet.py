"""The fleet view: how agents are, from what arrives of them (design 9.9)."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from api.agents.fleet import _AT_ONCE
from api.identity.scopes import ALL_SCOPES
from api.identity.tokens import Grant
from schemas.assets import Asset
from schemas.limits import AGENT_OFFLINE_S, FLEET_LOOKED_BACK_MS
from tests.api.devices import Device, configured_device
from tests.api.doors import NOW_MS, bearer
from tests.api.masts import MAST, SECOND, at
from tests.api.stations import AGENT, GATEWAY
from tests.schemas.device_messages import NODE_TYPE, node_message, sampling

FLEET = "/api/aspectstore/v1/fleet"
HEALTH = {
    "backlog": ("LONG", ""), "offset": ("INT", ""), "fw": ("DOUBLE", ""), "dp-t": ("DOUBLE", ""),
}  # fmt: skip
"""A channel under its own name, two under others, and a data point that is none."""


def configuration():
    """Write what the agent sends."""
    points = [{"id": name, "name": name, "type": kind, "unit": unit} for name, (kind, unit) in HEALTH.items()]
    points[1]["customData"] = {"channel": "clock_offset", "more": [1]}
    points[2]["customData"] = {"channel": "firmware"}
    return {"configurationId": "CF", "dataSources": [{"name": "health", "dataPoints": points}]}


async def fleet(device, **parameters):
    """List the fleet; gives the answer."""
    answer = await device.mast.send("GET", FLEET, None, parameters or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def one(device, agent=AGENT):
    """Read how an agent is."""
    answer = await device.mast.send("GET", f"{FLEET}/{agent}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def device(site):
    """An agent that reports its health into the weather aspect, and a gateway that was never heard of."""
    found = await configured_device(site)
    path = f"/api/agentmanagement/v3/agents/{AGENT}/dataSourceConfiguration"
    assert (await found.mast.send("PUT", path, configuration(), if_match="1")).status_code == 200
    for point, variable in (("backlog", "count"), ("offset", "level"), ("fw", "temperature")):
        await found.station.mapped(point, variable)
    return found


async def test_an_agent_that_was_never_heard_of(device):
    """It has a name and how far it is on its way in, and nothing else (design 9.9)."""
    listed = await fleet(device)

    assert listed == {
        "at": at(0),
        "agents": [
            {
                "id": agent, "name": agent, "state": "never", "boarding": "NOT_ONBOARDED",
                "securityProfile": "SHARED_SECRET", "health": {},
                "quarantine": {"records": 0, "values": 0, "bytes": 0},
            }
            for agent in sorted((AGENT, GATEWAY))
        ],
    }  # fmt: skip
    assert await one(device, GATEWAY) == {"at": at(0), **listed["agents"][1]}


async def test_what_an_agent_reports_is_shown_by_channel(device):
    """Each with its newest value, its unit and its time, wherever mappings bring it (design 9.9)."""
    await device.sent(sampling(at(-9), backlog="7", offset="-12", fw="3"))
    await device.sent(sampling(at(-2), backlog="8"), sampling(at(-1), dp_t="1"))

    found = (await fleet(device))["agents"][0]

    assert found["health"] == {
        "backlog": {"value": 8, "unit": "samples", "at": at(-2)},
        "clock_offset": {"value": -12, "unit": "ms", "at": at(-9)},
        "firmware": {"value": 3.0, "unit": "", "at": at(-9)},
    }
    assert (found["state"], found["since"], found["lastSeen"]) == ("online", at(0), at(0))
    assert found["reported"] == at(-2)


async def test_the_same_after_the_writer_has_stored_it(device):
    """Before a turn the values come from the stream, afterwards from the newest ones that it keeps."""
    await device.sent(sampling(at(-9), backlog="7", fw="3"))
    before = (await fleet(device))["agents"][0]["health"]

    await device.site.seal()

    assert (await fleet(device))["agents"][0]["health"] == before
    assert set(before) == {"backlog", "firmware"}


async def test_health_into_another_asset(device):
    """One channel may go to another asset than the rest; the first place counts (MS-85)."""
    await device.station.mapped("backlog", "count", asset=SECOND)
    await device.station.removed(
        (await device.station.listed(filter=json.dumps({"entityId": MAST})))["content"][0]
    )

    await device.sent(sampling(at(-1), backlog="7", offset="5"))

    health = (await one(device))["health"]
    assert {name: found["value"] for name, found in health.items()} == {"backlog": 7, "clock_offset": 5}


async def test_what_is_older_than_a_month_is_not_shown(device):
    """An agent that reported long ago is not shown as it was (design 9.9)."""
    await device.sent(sampling(at(-1), backlog="7"))
    await device.site.seal()
    device.site.clock.advance(FLEET_LOOKED_BACK_MS)
    await device.site.renew()

    found = await one(device)

    assert (found["health"], found["state"]) == ({}, "offline")
    assert "reported" not in found


async def test_states_and_since(device):
    """Offline after five minutes; a list may keep to one state (wire 5.1)."""
    await device.sent(sampling(at(-1), backlog="7"))
    device.site.clock.advance(AGENT_OFFLINE_S * 1_000)
    online = await fleet(device, state="online")
    device.site.clock.advance(1)
    offline = await fleet(device, state="offline")

    assert [agent["id"] for agent in online["agents"]] == [AGENT]
    (found,) = offline["agents"]
    assert (found["id"], found["state"], found["since"], found["lastSeen"]) == (
        AGENT,
        "offline",
        at(0),
        at(0),
    )
    assert (await fleet(device, state="online"))["agents"] == []
    assert [agent["id"] for agent in (await fleet(device, state="never"))["agents"]] == [GATEWAY]


async def test_the_last_message_with_its_receipt(device):
    """How many values were stored, how many wait, and what became of them (design 8.17)."""
    await device.send_samplings(sampling(at(-1), backlog="7", offset="1", nowhere="1"), correlation_id="m-1")
    pending = await one(device)
    await device.site.step()
    applied = await one(device)
    listed = (await fleet(device))["agents"][0]["lastMessage"]

    receipt = applied["lastMessage"].pop("receipt")
    assert applied["lastMessage"] == {
        "at": at(0), "correlationId": "m-1", "stored": 2, "refused": 1, "state": "applied",
    }  # fmt: skip
    assert (pending["lastMessage"]["state"], pending["lastMessage"]["receipt"]) == ("pending", receipt)
    looked_up = await device.mast.send("GET", f"/api/aspectstore/v1/receipts/{receipt}")
    assert looked_up.json()["state"] == "applied"
    del applied["lastMessage"]["state"]
    assert listed == {**applied["lastMessage"], "receipt": receipt}


async def test_a_message_of_which_nothing_was_stored(device):
    """It has no receipt, and says what was refused; one that an account brings is not the agent's."""
    await device.sent(sampling(at(-1), nowhere="1"))
    before = await one(device)
    body = json.dumps({"timeseries": [sampling(at(-1), backlog="1")]}).encode()
    await device.mast.send("POST", f"/api/mindconnect/v3/ingest?senderId={AGENT}", body)
    after = await one(device)

    assert set(before["lastMessage"]) == {"at", "correlationId", "stored", "refused"}
    assert (before["lastMessage"]["stored"], before["lastMessage"]["refused"]) == (0, 1)
    assert after["lastMessage"] == before["lastMessage"]


async def test_other_doors_know_the_last_message_within_a_minute(device):
    """It is told with when the agent was heard of; the later one counts (wire 5.1)."""
    await device.send_samplings(sampling(at(-1), backlog="7"), correlation_id="m-1")
    presence = device.site.door.services.agents.presence
    await presence.flush()
    presence._seen.clear()
    presence._stored.clear()

    told = await one(device)
    device.site.clock.advance(1_000)
    await device.send_samplings(sampling(at(-1), backlog="8"), correlation_id="m-2")

    assert told["lastMessage"]["correlationId"] == "m-1"
    assert (await one(device))["lastMessage"]["correlationId"] == "m-2"


async def test_a_message_that_is_taken_while_others_are_told_is_kept(device, monkeypatch):
    """What comes between reading and storing is told the next time (wire 5.1)."""
    services = device.site.door.services
    await device.sent(sampling(at(-1), backlog="7"))
    create = services.ports.catalog.create

    async def with_one_more(*given):
        await device.send_samplings(sampling(at(-1), backlog="8"), correlation_id="m-2")
        return await create(*given)

    monkeypatch.setattr(services.ports.catalog, "create", with_one_more)
    await services.agents.presence.flush()
    monkeypatch.setattr(services.ports.catalog, "create", create)

    assert (await one(device))["lastMessage"]["correlationId"] == "m-2"


async def test_what_waits_in_the_quarantine_is_counted(device):
    """Records, values and bytes by agent, and since when the oldest waits (MS-86)."""
    gateway = Device(device.site, agent=GATEWAY)
    await device.sent(sampling(at(-1), nowhere="1", neither="2"))
    device.site.clock.advance(1_000)
    await device.sent(sampling(at(-1), nowhere="3"))
    await gateway.sent(sampling(at(-1), nowhere="1"))

    first, second = (await fleet(device))["agents"]

    size = first["quarantine"].pop("bytes")
    assert first["quarantine"] == {"records": 2, "values": 3, "oldest": at(0)}
    assert 2 * 300 < size < 2 * 800
    assert (second["quarantine"]["records"], second["quarantine"]["oldest"]) == (1, at(1_000))


# -- pages, and who sees what ----------------------------------------------------------------------


async def many_agents(device, count):
    """Make more agents, of assets of their own, that report like the first one."""
    site = device.site
    (agent,) = [kept for kept in site.door.services.agents.listed("acme") if kept.value.id == AGENT]
    for number in range(count):
        agent_id = f"{number:032x}"
        asset = site.door.services.index.of("acme").assets[MAST].value
        for kind, made in (
            ("asset", msgspec.structs.replace(asset, id=agent_id, name=agent_id)),
            ("agent", msgspec.structs.replace(agent.value, id=agent_id, name=f"n{number}")),
        ):
            await site.catalog.create("acme", kind, agent_id, msgspec.json.encode(made))
    await site.door.services.refresh()


async def test_pages_go_through_all_agents(device):
    """By id, each once, and the last page says no `next` (design 8.23)."""
    await many_agents(device, 7)
    seen, after = [], {}
    while True:
        page = await fleet(device, limit="4", **after)
        seen.append([agent["id"] for agent in page["agents"]])
        if "next" not in page:
            break
        after = {"after": page["next"]}

    assert [len(ids) for ids in seen] == [4, 4, 1]
    listed = list(itertools.chain(*seen))
    assert listed == sorted({*listed, AGENT, GATEWAY})


async def test_a_page_costs_no_question_an_agent(device, monkeypatch):
    """Sixteen documents at most say when agents were heard of; health is asked for side by side."""
    await many_agents(device, 2 * _AT_ONCE)
    catalog, asked = device.site.door.services.ports.catalog, []
    get = catalog.get

    async def counted(*place):
        asked.append(place)
        return await get(*place)

    monkeypatch.setattr(catalog, "get", counted)
    page = await fleet(device, limit="100")

    assert len(page["agents"]) == 100
    assert 1 <= len(asked) <= 16
    assert {kind for _, kind, _ in asked} == {"agentsseen"}


@pytest.mark.parametrize(
    "parameters", [{"limit": "0"}, {"limit": "101"}, {"state": "asleep"}, {"after": "x"}, {"page": "1"}]
)
async def test_wrong_parameters_are_refused(device, parameters):
    """400, and so are unknown ones (design 8.22)."""
    answer = await device.mast.send("GET", FLEET, None, parameters)

    assert answer.status_code == 400
    assert answer.json()["errors"]


async def test_unknown_and_foreign_agents(device):
    """404 in the same words; another tenant's fleet is its own (design 8.15)."""
    await device.sent(sampling(at(-1), backlog="7"))
    answers = [
        await device.mast.send("GET", f"{FLEET}/{'f' * 32}"),
        await device.mast.send("GET", f"{FLEET}/none"),
    ]
    other = Device(device.site, device.site.other)

    assert {(answer.status_code, answer.json()["errors"][0]["message"]) for answer in answers} == {
        (404, "There is no such agent.")
    }
    theirs = (await fleet(other))["agents"]
    assert [(agent["id"], agent["state"]) for agent in theirs] == [(AGENT, "never"), (GATEWAY, "never")]


async def test_an_operator_of_a_subtenant_sees_the_agents_of_its_assets(device):
    """And of their health what goes to assets of its own (design 7)."""
    site = device.site
    headers = await bound_to(site, "sub-1")
    for asset_id, sub_tenant in ((MAST, "sub-1"), (SECOND, None)):
        document = await site.catalog.get("acme", "asset", asset_id)
        kept = msgspec.json.decode(document.body, type=Asset)
        body = msgspec.json.encode(msgspec.structs.replace(kept, sub_tenant=sub_tenant))
        await site.catalog.replace("acme", "asset", asset_id, body, document.version)
    await site.door.services.refresh()
    await device.station.mapped("dp-t", "temperature", asset=SECOND)
    for found in (await device.station.listed(filter=json.dumps({"propertyName": "level"})))["content"]:
        await device.station.removed(found)
    await device.station.mapped("offset", "level", asset=SECOND)
    message = node_message([sampling(at(-1), backlog="7", offset="1")])
    assert (await device.send(message, NODE_TYPE)).status_code == 200

    listed = (await site.http.get(FLEET, headers=headers)).json()
    own = await site.http.get(f"{FLEET}/{AGENT}", headers=headers)
    foreign = await site.http.get(f"{FLEET}/{GATEWAY}", headers=headers)

    assert [agent["id"] for agent in listed["agents"]] == [AGENT]
    assert set(own.json()["health"]) == {"backlog"}
    assert set((await one(device))["health"]) == {"backlog", "clock_offset"}
    assert foreign.status_code == 404


async def bound_to(site, subtenant):
    """Give the header of an operator of a subtenant."""
    grant = Grant("acme", "bo", "bo", ALL_SCOPES, "client-token:v1", 1_799, subtenant=subtenant)
    return bearer(site.door.services.identity.tokens.issue(grant, NOW_MS // 1_000)[0])
