"""Event mappings over HTTP, and events of agents that go by them (wire 6.2, 6.3)."""

from __future__ import annotations

import json
import re

import pytest

from api.http.errors import EVENT_MAPPINGS_PATH
from schemas.devices.event_mappings import EVENT_MAPPINGS_OF_AGENT_MAX, EVENT_MAPPINGS_OF_TYPE_MAX
from tests.api.devices import Device, configured_device
from tests.api.events import STANDARD
from tests.api.masts import MAST, SECOND, at
from tests.api.stations import AGENT, GATEWAY
from tests.schemas.device_messages import c_message, meta

EVENTS = "/api/eventmanagement/v3"
STANDARD_NAME = "MindSphereStandardEvent"
VALID = {"status": "VALID", "reasons": []}


def asked(code="Door", asset=SECOND, **more):
    """Write a mapping: standard events with a code go to the second mast."""
    return {
        "agentId": AGENT, "assetId": asset, "eventTypeId": STANDARD, "eventTypeName": STANDARD_NAME,
        "eventTypeFieldName": "code", "eventTypeFieldValue": code, **more,
    }  # fmt: skip


class Guard(Device):
    """An agent whose events are looked after."""

    async def map(self, code="Door", asset=SECOND, **more):
        """POST an event mapping; gives the answer."""
        return await self.mast.send("POST", EVENT_MAPPINGS_PATH, asked(code, asset, **more))

    async def mapped(self, code="Door", asset=SECOND, **more):
        """POST an event mapping that must be taken; gives it."""
        answer = await self.map(code, asset, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def patch(self, found, etag="0", **changes):
        """PATCH an event mapping; gives the answer."""
        headers = {} if etag is None else {"if_match": etag}
        return await self.mast.send("PATCH", f"{EVENT_MAPPINGS_PATH}/{found['id']}", changes, **headers)

    async def remove(self, found, etag="0"):
        """DELETE an event mapping; gives the answer."""
        headers = {} if etag is None else {"if_match": etag}
        return await self.mast.send("DELETE", f"{EVENT_MAPPINGS_PATH}/{found['id']}", **headers)

    async def listed(self, **parameters):
        """List event mappings."""
        answer = await self.mast.send("GET", EVENT_MAPPINGS_PATH, None, parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def tell(self, *events):
        """Send events that must be taken."""
        sent = [{"timestamp": at(-1), "severity": "20", **event} for event in events]
        answer = await self.send(*c_message((meta("businessEvent"), "application/json", sent)))
        assert (answer.status_code, answer.content) == (200, b""), answer.text

    async def events(self, asset):
        """Give the codes of the events of an asset."""
        found = await self.mast.send("GET", f"{EVENTS}/events", None, {"filter": f'{{"entityId":"{asset}"}}'})
        return sorted(event.get("code", "") for event in found.json()["_embedded"]["events"])


@pytest.fixture
async def guard(site):
    """The configured agent of the open tenant, without event mappings."""
    device = await configured_device(site)
    return Guard(site, device.mast)


def refusal(answer):
    """Give status, and (pointer, code behind its prefix) of each reason."""
    reasons = answer.json()["errors"]
    assert all(each["code"].startswith("mdsp.conn.mindconnect.") for each in reasons), reasons
    return answer.status_code, [(each.get("pointer"), each["code"].rpartition(".")[2]) for each in reasons]


def words(answer):
    """Give status and words of a refusal for one reason."""
    (reason,) = answer.json()["errors"]
    return answer.status_code, reason["message"]


# -- making, changing, removing --------------------------------------------------------------------


async def test_a_mapping_as_it_is_made(guard):
    """201 with id, eTag as a text, and whether events go by it (wire 6.2)."""
    answer = await guard.map()

    found = answer.json()
    assert answer.headers["location"] == f"{EVENT_MAPPINGS_PATH}/{found['id']}"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["id"])
    assert found == {"id": found["id"], **asked(), "eTag": "0", "validity": VALID}
    shown = await guard.mast.send("GET", f"{EVENT_MAPPINGS_PATH}/{found['id']}")
    assert (shown.status_code, shown.json()) == (200, found)
    assert (await guard.listed())["content"] == [found]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"agentId": "f" * 32}, [("/agentId", "invalidRequestBodyProperty")]),
        ({"assetId": "f" * 32}, [("/assetId", "invalidRequestBodyProperty")]),
        ({"eventTypeId": "acme.None"}, [("/eventTypeId", "invalidRequestBodyProperty")]),
        ({"eventTypeName": "Leak"}, [("/eventTypeName", "invalidRequestBodyProperty")]),
        ({"eventTypeFieldName": "colour"}, [("/eventTypeFieldName", "invalidRequestBodyProperty")]),
        ({"eventTypeFieldValue": ""}, [("/eventTypeFieldValue", "invalidRequestBodyProperty")]),
        ({"eventTypeFieldValue": "x" * 256}, [("/eventTypeFieldValue", "invalidRequestBodyProperty")]),
        (
            {"eventTypeFieldName": "severity", "eventTypeFieldValue": "bad"},
            [("/eventTypeFieldValue", "invalidRequestBodyProperty")],
        ),
        (
            {"assetId": "x", "eventTypeName": "y", "eventTypeFieldValue": ""},
            [(f"/{name}", "invalidRequestBodyProperty") for name in (
                "assetId", "eventTypeName", "eventTypeFieldValue",
            )],
        ),
    ],
)  # fmt: skip
async def test_what_a_mapping_names_must_be_there(guard, change, reasons):
    """400 in the shape of this service, naming every place, and nothing is made (wire 6.2, 0.7)."""
    answer = await guard.mast.send("POST", EVENT_MAPPINGS_PATH, asked() | change)

    assert refusal(answer) == (400, reasons)
    assert (await guard.listed())["content"] == []


async def test_a_missing_member_is_named(guard):
    """All members but those that the server sets are required (wire 6.2)."""
    body = asked()
    del body["assetId"]

    answer = await guard.mast.send("POST", EVENT_MAPPINGS_PATH, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "mdsp.conn.mindconnect.missingRequestBodyProperty"


async def test_mappings_are_counted(guard):
    """At most five of an agent for one event type, at most fifty of an agent (wire 6.2)."""
    for number in range(EVENT_MAPPINGS_OF_TYPE_MAX):
        await guard.mapped(str(number))
    too_many = await guard.map("next")
    types = EVENT_MAPPINGS_OF_AGENT_MAX // EVENT_MAPPINGS_OF_TYPE_MAX
    for number in range(1, types + 1):
        body = {"name": f"T{number}", "fields": [{"name": "n", "type": "INTEGER"}]}
        assert (await guard.mast.send("POST", f"{EVENTS}/eventTypes", body)).status_code == 201
    made = [
        (
            await guard.map(
                str(value), eventTypeId=f"acme.T{number}", eventTypeName=f"T{number}", eventTypeFieldName="n"
            )
        ).status_code
        for number in range(1, types + 1)
        for value in range(EVENT_MAPPINGS_OF_TYPE_MAX)
    ]

    assert words(too_many) == (409, "An agent has at most 5 event mappings for one event type.")
    room = EVENT_MAPPINGS_OF_AGENT_MAX - EVENT_MAPPINGS_OF_TYPE_MAX
    assert made == [201] * room + [409] * EVENT_MAPPINGS_OF_TYPE_MAX


async def test_the_same_mapping_again_is_a_conflict(guard):
    """Agent, asset, type, field and value: also where the value is written otherwise."""
    await guard.mapped("Door")
    await guard.mapped("20", eventTypeFieldName="severity")

    again = [await guard.map("Door"), await guard.map("20.0", eventTypeFieldName="severity")]

    assert [words(answer) for answer in again] == [(409, "There is such an event mapping already.")] * 2
    await guard.mapped("Door", asset=MAST)


async def test_a_mapping_is_changed_under_its_etag(guard):
    """What is given changes and is checked as when it was made; a stale eTag is 412, none is 400."""
    other, found = await guard.mapped("Gate"), await guard.mapped()

    changed = await guard.patch(found, assetId=MAST, eventTypeFieldValue="Window", agentId=AGENT)
    stale = await guard.patch(found, assetId=SECOND)
    missing = await guard.patch(found, None, assetId=SECOND)
    wrong = await guard.patch(found, "1", assetId="f" * 32)
    moved = await guard.patch(found, "1", agentId=GATEWAY)
    taken = await guard.patch(found, "1", assetId=SECOND, eventTypeFieldValue="Gate")

    expected = {**found, "assetId": MAST, "eventTypeFieldValue": "Window", "eTag": "1"}
    assert (changed.status_code, changed.json()) == (200, expected)
    assert refusal(stale) == (412, [(None, "preconditionFailed")])
    assert refusal(missing) == (400, [("", "missingParameter")])
    assert refusal(wrong) == (400, [("/assetId", "invalidRequestBodyProperty")])
    assert refusal(moved) == (400, [("/agentId", "invalidRequestBodyProperty")])
    assert words(taken) == (409, "There is such an event mapping already.")
    assert (await guard.listed())["content"] == [other, expected]


async def test_a_mapping_is_removed_under_its_etag(guard):
    """204 and nothing; afterwards it is unknown (wire 6.2)."""
    found = await guard.mapped()
    await guard.patch(found, eventTypeFieldValue="Window")

    answers = [await guard.remove(found, etag) for etag in ("0", None, "1", "1")]

    assert [answer.status_code for answer in answers] == [412, 400, 204, 404]
    assert words(answers[3]) == (404, "There is no such event mapping.")
    assert (await guard.listed())["content"] == []
    await guard.mapped()


async def test_lists_are_filtered_sorted_and_paged(guard):
    """By agentId, as in the dialect, and by every other member; `last` is true on each page at the end."""
    await configured_gateway(guard)
    made = [await guard.mapped(code) for code in ("b", "a", "c")]
    await guard.mapped("z", agentId=GATEWAY)

    async def values(**parameters):
        return [each["eventTypeFieldValue"] for each in (await guard.listed(**parameters))["content"]]

    assert await values(filter=json.dumps({"agentId": AGENT})) == ["b", "a", "c"]
    assert await values(sort="eventTypeFieldValue,desc") == ["z", "c", "b", "a"]
    assert await values(filter=json.dumps({"eventTypeFieldValue": "c"})) == ["c"]
    assert await values(filter=json.dumps({"id": made[1]["id"], "assetId": SECOND})) == ["a"]
    pages = [await guard.listed(size=3, page=page) for page in (0, 1, 2)]
    assert [(page["numberOfElements"], page["last"]) for page in pages] == [(3, False), (1, True), (0, True)]


async def configured_gateway(guard):
    """Configure the second agent."""
    await guard.station.configured(0, agent=GATEWAY)


async def test_an_agent_has_its_own_alone(guard):
    """With its token it makes, sees and removes its own; another agent's is unknown to it (wire 5.3)."""
    own, foreign = await guard.mapped(), await guard.mapped(agentId=GATEWAY)

    async def call(method, found=None, body=None, **headers):
        path = f"{EVENT_MAPPINGS_PATH}/{found['id']}" if found else EVENT_MAPPINGS_PATH
        content = None if body is None else json.dumps(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return await guard.site.http.request(
            method, path, content=content, headers={**guard.headers, **headers}
        )

    made = await call("POST", body=asked("Gate"))
    answers = [
        await call("POST", body=asked("Gate", agentId=GATEWAY)),
        await call("GET", foreign),
        await call("PATCH", foreign, {}, if_match="0"),
        await call("DELETE", foreign, if_match="0"),
        await call("DELETE", own, if_match="0"),
    ]

    assert [answer.status_code for answer in answers] == [403, 404, 404, 404, 204]
    assert (await call("GET")).json()["content"] == [made.json()]


async def test_an_agent_that_goes_takes_its_mappings_along(guard):
    """And leaves those of others (wire 6.2)."""
    await guard.mapped()
    other = await guard.mapped(agentId=GATEWAY)

    await guard.site.door.services.agents.remove_with_asset("acme", MAST)

    assert (await guard.listed())["content"] == [other]
    (document,) = await guard.site.catalog.list("acme", "eventmapping")
    assert document.id == GATEWAY


# -- events that go by them ------------------------------------------------------------------------


async def test_events_go_where_mappings_say(guard):
    """Unmatched ones to the agent's asset, matched ones to the mapping's, once for each (wire 6.2)."""
    await guard.mapped("Door")
    await guard.mapped("Gate", asset=MAST)
    await guard.mapped("Gate", asset=SECOND)
    await guard.mapped("20", asset=SECOND, eventTypeFieldName="severity")

    for _ in range(2):  # A repeat stores nothing more.
        await guard.tell(
            {"type": "Door", "severity": "30"},
            {"code": "Gate", "severity": 30},
            {"type": "Bell", "severity": 30},
            {"type": "Horn", "severity": 20},
        )

    assert await guard.events(SECOND) == ["Door", "Gate", "Horn"]
    assert await guard.events(MAST) == ["Bell", "Gate"]
    assert await guard.quarantined() == []


async def test_events_of_a_type_of_the_tenants_own(guard):
    """The mapping is for one type; the same value in an event of another type goes elsewhere (wire 6.2)."""
    fields = [
        {"name": "litres", "type": "DOUBLE"}, {"name": "valve", "type": "ENUM", "values": ["n", "s"]},
    ]  # fmt: skip
    body = {"name": "Leak", "fields": fields}
    assert (await guard.mast.send("POST", f"{EVENTS}/eventTypes", body)).status_code == 201
    leak = {"eventTypeId": "acme.Leak", "eventTypeName": "Leak"}
    await guard.mapped("1.50", **leak, eventTypeFieldName="litres")
    await guard.mapped("n", **leak, eventTypeFieldName="valve")

    await guard.tell(
        {"typeId": "acme.Leak", "code": "litres", "litres": "1.5"},
        {"typeId": "acme.Leak", "code": "valve", "valve": "n"},
        {"typeId": "acme.Leak", "code": "neither", "litres": 2, "valve": "s"},
        {"code": "standard", "litres": 1.5, "valve": "n"},
    )

    assert await guard.events(SECOND) == ["litres", "valve"]
    assert await guard.events(MAST) == ["neither", "standard"]


async def test_an_event_whose_asset_is_gone_waits(guard):
    """It is kept with the mapping by which it went, and replayed once that is mended (MS-86)."""
    found = await guard.mapped()
    await drop_asset(guard, SECOND)

    await guard.tell({"type": "Door"}, {"type": "Bell"})
    shown = await guard.mast.send("GET", f"{EVENT_MAPPINGS_PATH}/{found['id']}")
    (record,) = await guard.quarantined()
    await guard.replay(record)
    (same,) = await guard.quarantined()
    await guard.patch(found, assetId=MAST)
    mended = await guard.replay(record)

    assert shown.json()["validity"] == {"status": "INVALID", "reasons": ["MISSING_ASSET"]}
    assert f"By the event mapping <{found['id']}>: There is no such asset." in record["dropReason"]
    assert same == record
    assert (mended.status_code, await guard.quarantined()) == (200, [])
    assert await guard.events(MAST) == ["Bell", "Door"]


async def test_a_replay_after_the_mapping_is_gone(guard):
    """Nobody maps the event any more, so it is its agent's asset's; once, however often it is replayed."""
    found = await guard.mapped()
    await drop_asset(guard, SECOND)
    await guard.tell({"type": "Door"})
    (record,) = await guard.quarantined()
    assert (await guard.remove(found)).status_code == 204

    first = await guard.replay(record)
    again = await guard.replay(record)

    assert (first.status_code, again.status_code) == (200, 404)
    assert await guard.events(MAST) == ["Door"]


async def drop_asset(guard, asset_id):
    """Delete an asset behind the door's back."""
    document = await guard.site.catalog.get("acme", "asset", asset_id)
    body = json.dumps({**json.loads(document.body), "deleted_ms": 1}).encode()
    await guard.site.catalog.replace("acme", "asset", asset_id, body, document.version)
    await guard.site.door.services.refresh()


async def test_a_mapping_whose_type_is_gone_says_so(guard):
    """Its events are refused with their type, and kept; the mapping shows why (wire 6.2)."""
    body = {"name": "Leak", "fields": [{"name": "litres", "type": "DOUBLE"}]}
    await guard.mast.send("POST", f"{EVENTS}/eventTypes", body)
    found = await guard.mapped(
        "1", eventTypeId="acme.Leak", eventTypeName="Leak", eventTypeFieldName="litres"
    )
    await guard.mast.send("DELETE", f"{EVENTS}/eventTypes/acme.Leak", if_match="0")

    await guard.tell({"typeId": "acme.Leak", "litres": 1})

    shown = await guard.mast.send("GET", f"{EVENT_MAPPINGS_PATH}/{found['id']}")
    assert shown.json()["validity"] == {"status": "INVALID", "reasons": ["MISSING_EVENT_TYPE"]}
    assert "There is no such event type." in (await guard.quarantined())[0]["dropReason"]


async def test_another_tenants_mapping_takes_nothing(guard):
    """Mappings of an agent with the same id in another tenant are that tenant's alone (design 7)."""
    foreign = Guard(guard.site, guard.site.other)
    await foreign.mapped()

    await guard.tell({"type": "Door"})

    assert await guard.events(MAST) == ["Door"]
    assert (await guard.listed())["content"] == []
