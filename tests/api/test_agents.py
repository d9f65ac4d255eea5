"""Agents as things of the catalogue, when they were heard of, and what their tokens open (wire 5.1, 5.3)."""

import json

import msgspec
import pytest

from api.agents.service import CLAIM_MS
from api.app import build_framework
from api.guard.agents import OWN, OWN_BY_HANDLER, TENANTS
from schemas.agents import Registration, Seen, joined
from schemas.limits import AGENT_OFFLINE_S, AGENTS_SEEN_S
from tests.api.agents import ASSETS, BASE, configure, new_agent, new_asset, new_device, onboarded
from tests.api.doors import bearer, running_door
from tests.api.masts import MAST, at, running_site
from tests.security.table import routing_table

AGENTS = f"{BASE}/agents"


@pytest.fixture
async def site():
    """A door with three tenants."""
    async with running_site() as site:
        yield site


async def create(caller, asset, name="n", profile="RSA_3072"):
    """Ask for an agent; gives the answer."""
    body = {"name": name, "securityProfile": profile, "entityId": asset}
    return await caller.send("POST", AGENTS, body)


# -- the catalogue ---------------------------------------------------------------------------------


async def test_an_agent_is_of_an_asset_that_may_have_one(site):
    """Its type is `core.basicagent` or below, in whatever case it is written, or it is refused (wire 4.5)."""
    caller = site.open
    own = {"name": "Board", "parentTypeId": "core.mclib"}
    await caller.send("PUT", f"{ASSETS}/assettypes/acme.Board", own)
    for number, type_id in enumerate(("core.BasicAgent", "core.mcnano", "acme.Board")):
        asset = await new_asset(caller, typeId=type_id)
        assert (await create(caller, asset, f"n{number}")).status_code == 201

    foreign = await new_asset(site.other)
    for asset in (MAST, foreign, "0" * 32, "x", ""):
        answer = await create(caller, asset)
        assert answer.status_code == 400
        assert answer.json()["message"].startswith("/entityId: ")
    assert (await create(caller, foreign)).json()["message"] == "/entityId: There is no such asset."


async def test_a_name_is_one_agents(site):
    """409 for a second agent of a name, also by a change; free again with another name or without agent."""
    caller = site.open
    first, second = await new_agent(caller, "a"), await new_agent(caller, "b")
    path = f"{AGENTS}/{second}"
    body = {"name": "a", "securityProfile": "SHARED_SECRET"}

    assert (await create(caller, await new_asset(caller), "a")).status_code == 409
    assert (await caller.send("PUT", path, body, if_match="0")).status_code == 409
    assert (await new_agent(site.other, "a")) != first
    await caller.send("PUT", f"{AGENTS}/{first}", {**body, "name": "c"}, if_match="0")
    assert (await caller.send("PUT", path, body, if_match="0")).status_code == 200
    assert (await caller.send("DELETE", path, if_match="1")).status_code == 204
    assert (await create(caller, second, "a")).status_code == 201
    assert (await create(caller, second, "d")).status_code == 409
    assert (await create(caller, await new_asset(caller), "a")).status_code == 409


async def test_a_name_of_an_agent_that_never_came_is_free_after_a_while(site):
    """A door that died between name and agent keeps nobody from the name for ever."""
    asset = await new_asset(site.open)
    store = site.catalog.create

    async def dying(tenant, kind, *rest):
        if kind == "agent":
            raise OSError("gone")
        return await store(tenant, kind, *rest)

    site.catalog.create = dying
    assert (await create(site.open, await new_asset(site.open))).status_code == 500
    site.catalog.create = store
    assert (await create(site.open, asset)).status_code == 409
    site.clock.advance(CLAIM_MS + 1)
    assert (await create(site.open, asset)).status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb"])
async def test_a_name_is_printable_and_not_too_long(site, name):
    """At most 128 characters (wire 5.1)."""
    answer = await create(site.open, await new_asset(site.open), name)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("/name: ")


async def test_changes_need_the_present_version(site):
    """Without If-Match 400, with another 412, nothing there 404; deletion likewise (wire 0.5)."""
    caller = site.open
    path = f"{AGENTS}/{await new_agent(caller)}"
    body = {"name": "n", "securityProfile": "RSA_3072"}
    for method, sent in (("PUT", body), ("DELETE", None)):
        assert (await caller.send(method, path, sent)).status_code == 400
        assert (await caller.send(method, path, sent, if_match="1")).status_code == 412
        assert (await caller.send(method, f"{AGENTS}/{MAST}", sent, if_match="0")).status_code == 404
        assert (await site.other.send(method, path, sent, if_match="0")).status_code == 404
    assert (await caller.send("PUT", path, body, if_match='"0"')).status_code == 200


async def test_an_onboarded_agent_keeps_its_profile_its_asset_and_itself(site):
    """409 for another profile and for deletion; its asset has a lock (wire 4.3), gone when it is out."""
    caller = site.open
    device = await onboarded(caller)
    path, asset = f"{AGENTS}/{device.id}", f"{ASSETS}/assets/{device.id}"
    other = {"name": "n", "securityProfile": "RSA_3072"}

    assert (await caller.send("PUT", path, other, if_match="0")).status_code == 409
    assert (await caller.send("DELETE", path, if_match="0")).status_code == 409
    named = {"name": "n", "securityProfile": "SHARED_SECRET"}
    assert (await caller.send("PUT", path, named, if_match="0")).status_code == 200
    (lock,) = (await caller.send("GET", asset)).json()["locks"]
    assert (lock["service"], lock["reasonCode"]) == ("AgentManagement", "agentmanagement.agent.onboarded")
    answer = await caller.send("DELETE", asset, if_match="0")
    assert (answer.status_code, "offboard" in answer.text) == (400, True)
    await caller.send("POST", f"{path}/boarding/offboard")
    assert (await caller.send("GET", asset)).json()["locks"] == []
    assert (await caller.send("DELETE", asset, if_match="0")).status_code == 204


async def test_an_agent_goes_with_its_asset(site):
    """The dialect's command knows no deletion of agents: with the asset goes all that its agent had."""
    caller = site.open
    waiting, named = await new_device(caller, "a"), await new_agent(caller, "b")
    gone = []

    async def farewell(*who):
        gone.append(who)

    site.door.services.agents.farewells.append(farewell)
    for agent in (waiting.id, named):
        answer = await caller.send("DELETE", f"{ASSETS}/assets/{agent}", if_match="0")
        assert answer.status_code == 204
        assert (await caller.send("GET", f"{AGENTS}/{agent}")).status_code == 404
    assert gone == [("acme", waiting.id), ("acme", named)]
    assert (await waiting.register()).status_code == 401
    assert (await caller.send("GET", AGENTS)).json()["totalElements"] == 0
    assert (await create(caller, await new_asset(caller), "a")).status_code == 201
    for kind in ("registration", "assertions"):
        assert await site.catalog.list("acme", kind) == []


async def test_all_pages_of_a_list_are_given(site):
    """By name, twenty a page where nothing is said, `last` on the last page and behind it (wire 0.6)."""
    caller = site.open
    for number in range(23):
        await new_agent(caller, f"agent {number:02d}", "RSA_3072")

    pages = [(await caller.send("GET", f"{AGENTS}?page={page}")).json() for page in range(3)]

    assert [len(page["content"]) for page in pages] == [20, 3, 0]
    assert [page["last"] for page in pages] == [False, True, True]
    names = [agent["name"] for page in pages for agent in page["content"]]
    assert names == [f"agent {number:02d}" for number in range(23)]
    wanted = {"filter": json.dumps({"name": {"contains": "1"}}), "sort": "name,desc"}
    found = (await caller.send("GET", AGENTS, parameters=wanted)).json()["content"]
    assert [agent["name"] for agent in found][:2] == ["agent 21", "agent 19"]


async def test_another_door_follows(site):
    """Agents, how far they are, and that they are out are known at every door within a second."""
    device = await onboarded(site.open)
    async with running_door(site.catalog, site.clock) as second:
        headers = site.open.headers
        path = f"{AGENTS}/{device.id}"
        token = await device.token()
        assert (await second.http.get(path, headers=bearer(token))).status_code == 200
        assert (await second.http.get(f"{path}/boarding/status", headers=headers)).json() == {
            "status": "ONBOARDED"
        }
        newer = await onboarded(site.open, "newer")
        answer = await second.http.get(f"{AGENTS}/{newer.id}", headers=bearer(await newer.token()))
        assert answer.status_code == 200
        await site.open.send("POST", f"{path}/boarding/offboard")
        await second.door.services.refresh()
        assert (await second.http.get(path, headers=bearer(token))).status_code == 401
        await configure(site.open, device)
        await device.register()
        replayed = device.assertion()
        assert (await device.ask(replayed)).status_code == 200
        device.http = second.http
        assert (await device.ask(replayed)).status_code == 401


# -- when they were heard of -----------------------------------------------------------------------


async def status_of(caller, agent):
    """Ask for the status of an agent; gives both words."""
    answer = (await caller.send("GET", f"{AGENTS}/{agent}/status")).json()
    return answer["status"], answer["since"]


async def test_an_agent_is_online_while_it_is_heard_of(site):
    """Since its first request of a run; five minutes after the last it is offline since that (wire 5.1)."""
    caller = site.open
    device = await new_device(caller)
    assert await status_of(caller, device.id) == ("OFFLINE", at(0))
    site.clock.advance(60_000)
    await device.register()
    token = bearer(await device.token())
    assert await status_of(caller, device.id) == ("ONLINE", at(60_000))

    site.clock.advance(AGENT_OFFLINE_S * 1_000)
    await site.http.get(f"{AGENTS}/{device.id}", headers=token)
    assert await status_of(caller, device.id) == ("ONLINE", at(60_000))
    site.clock.advance(AGENT_OFFLINE_S * 1_000 + 1)
    assert await status_of(caller, device.id) == ("OFFLINE", at(360_000))
    await site.http.get(f"{AGENTS}/{device.id}", headers=token)
    assert await status_of(caller, device.id) == ("ONLINE", at(660_001))


async def test_a_refused_try_is_not_heard_of(site):
    """Whoever cannot prove to be an agent keeps none of them online."""
    device = await onboarded(site.open)
    site.clock.advance(AGENT_OFFLINE_S * 1_000 + 1)

    assert (await device.ask(device.assertion(secret="x" * 64))).status_code == 401
    assert (await status_of(site.open, device.id))[0] == "OFFLINE"


async def test_doors_tell_each_other_of_agents(site):
    """What one door heard another knows after a minute, and a run goes on from door to door."""
    device, mine = await onboarded(site.open), site.door.services.agents.presence
    token = bearer(await device.token())
    path = f"{AGENTS}/{device.id}"
    await mine.flush()
    async with running_door(site.catalog, site.clock) as second:
        theirs = second.door.services.agents.presence
        assert (await second.http.get(f"{path}/status", headers=site.open.headers)).json() == {
            "status": "ONLINE",
            "since": at(0),
        }
        for _ in range(10):
            site.clock.advance(AGENTS_SEEN_S * 1_000)
            await second.http.get(path, headers=token)
            await theirs.flush()
        assert await status_of(site.open, device.id) == ("ONLINE", at(0))
        await site.http.get(path, headers=token)
        await mine.flush()
        assert await status_of(site.open, device.id) == ("ONLINE", at(0))


async def test_what_is_not_new_is_not_stored_again(site):
    """One document for all agents of one digit, written once as long as nothing new was heard."""
    device, presence = await onboarded(site.open), site.door.services.agents.presence
    for _ in range(3):
        await presence.flush()
    (document,) = await site.catalog.list("acme", "agentsseen")
    assert (document.id, document.version) == (device.id[0], 0)
    site.clock.advance(AGENT_OFFLINE_S * 2_000)
    await presence.flush()
    assert (presence._seen, presence._stored) == ({}, {})
    await site.open.send("POST", f"{AGENTS}/{device.id}/boarding/offboard")
    await site.open.send("DELETE", f"{AGENTS}/{device.id}", if_match="0")
    other = await onboarded(site.open, "other")
    presence.saw("acme", device.id)
    await presence.flush()
    stored = {
        name for each in await site.catalog.list("acme", "agentsseen") for name in json.loads(each.body)
    }
    assert other.id in stored


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Seen(0, 10), Seen(5, 20), Seen(0, 20)),
        (Seen(0, 30), Seen(5, 20), Seen(0, 30)),
        (Seen(0, 10), Seen(300_010, 300_020), Seen(0, 300_020)),
        (Seen(0, 10), Seen(300_011, 300_020), Seen(300_011, 300_020)),
        (Seen(7, 7), Seen(7, 7), Seen(7, 7)),
    ],
)
def test_runs_of_two_doors_are_one_unless_there_is_a_gap(one, other, both):
    """Whichever comes first; a gap is what would have made the agent offline."""
    assert joined(one, other) == joined(other, one) == both


# -- what a token opens ----------------------------------------------------------------------------


def test_the_tables_name_routes_that_there_are():
    """A route that was renamed would otherwise be closed to agents unnoticed."""
    assert {*OWN, *OWN_BY_HANDLER, *TENANTS} <= set(routing_table(build_framework()))


async def test_an_agent_reaches_what_is_its_own_and_its_tenants_assets_files_and_events(site):
    """Its agent, assets and types, a file of another asset, an event of another asset (wire 5.3)."""
    device = await onboarded(site.open)
    event = {"entityId": MAST, "timestamp": at(0)}

    assert (await device.send("GET", f"{ASSETS}/assets/{MAST}")).status_code == 200
    assert (await device.send("GET", f"{ASSETS}/assettypes/acme.Mast?exploded=true")).status_code == 200
    file = f"/api/iotfile/v3/files/{MAST}/a.txt"
    answer = await device.send("PUT", file, "x", content_type="application/octet-stream")
    assert answer.status_code == 201
    assert (await device.send("GET", file)).text == '"x"'
    assert (await device.send("POST", "/api/eventmanagement/v3/events?", event)).status_code == 201


async def test_an_agent_reaches_nothing_else(site):
    """Not another agent, no series, no writing of assets, no accounts, no new configuration (wire 5.3)."""
    device, other = await onboarded(site.open), await onboarded(site.open, "other")
    theirs = await onboarded(site.other)
    refused = {
        ("GET", f"{AGENTS}/{other.id}"): 404,
        ("GET", f"{AGENTS}/{theirs.id}"): 404,
        ("GET", f"{AGENTS}/{other.id}/status"): 404,
        ("GET", AGENTS): 403,
        ("DELETE", f"{AGENTS}/{device.id}"): 403,
        ("GET", f"{AGENTS}/{device.id}/boarding/configuration"): 403,
        ("POST", f"{AGENTS}/{device.id}/boarding/offboard"): 403,
        ("GET", site.open.path): 403,
        ("PUT", site.open.path): 403,
        ("DELETE", f"{ASSETS}/assets/{MAST}"): 403,
        ("DELETE", f"/api/iotfile/v3/files/{MAST}/a.txt"): 403,
        ("GET", "/api/aspectstore/v1/users"): 403,
        ("GET", "/api/tenantmanagement/v4/tenantInfo"): 403,
        ("GET", f"{ASSETS}/assets/{'0' * 32}"): 404,
    }

    answers = {asked: (await device.send(*asked)).status_code for asked in refused}

    assert answers == refused


async def test_an_agent_of_a_subtenant_stays_in_it(site):
    """Its asset is given to a part of the tenant: of the rest it sees nothing, here within half a minute."""
    caller = site.open
    device = await onboarded(caller)
    subtenants = "/api/tenantmanagement/v4/subtenants"
    await caller.send("POST", subtenants, {"id": "north", "displayName": "North"})
    place = f"/api/aspectstore/v1/assets/{device.id}/subtenant"
    answer = await caller.send("PUT", place, {"subTenant": "north"}, if_match="0")
    assert answer.status_code == 200, answer.text

    assert (await device.send("GET", f"{ASSETS}/assets/{device.id}")).status_code == 200
    assert (await device.send("GET", f"{ASSETS}/assets/{MAST}")).status_code == 404
    assert (await device.send("GET", f"{AGENTS}/{device.id}")).status_code == 200
    event = {"entityId": MAST, "timestamp": at(0)}
    assert (await device.send("POST", "/api/eventmanagement/v3/events", event)).status_code == 400


async def test_what_is_shared_with_a_tenant_is_not_shared_with_its_devices(site):
    """A share opens to people and programs what it names, and nothing to an agent."""
    share = {"receiver": {"tenant": "other"}, "assets": [MAST], "actions": ["asset.read"]}
    device = await onboarded(site.other)
    own = (await site.other.send("GET", f"{ASSETS}/assets/{MAST}")).json()
    made = await new_asset(site.open, "shared")
    answer = await site.open.send("POST", "/api/aspectstore/v1/shares", {**share, "assets": [made]})
    assert answer.status_code == 201, answer.text
    path = f"{ASSETS}/assets/{made}?includeShared=true"

    assert own["tenantId"] == "other"
    assert (await site.other.send("GET", path)).status_code == 200
    assert (await device.send("GET", path)).status_code == 404


def test_what_is_stored_of_an_agent_reads_back():
    """A stored registration of an earlier version is read by later ones: its members are named here."""
    body = (
        b'{"id":"r","agent":"a","tenant":"acme","initial_token":"t","initial_expires_s":1,'
        b'"status":"ONBOARDED","current":{"sealed_secret":"s","jwk":null,"access_hash":"h",'
        b'"given_s":1,"expires_s":2},"previous":null}'
    )

    assert msgspec.json.encode(msgspec.json.decode(body, type=Registration)) == body
