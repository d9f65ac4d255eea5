"""Sharing by policy: what a share opens, to whom, when, and nothing else (MS-31, MS-45, MS-88, design 7)."""

from __future__ import annotations

import json

import pytest

from api.catalog.share_index import ShareIndex
from api.identity.roles import ROLES
from api.identity.scopes import SERIES_READ
from schemas.shares import Action
from tests.api.masts import PATH, at, problems
from tests.api.plants import (
    AGGREGATE,
    ASSETS,
    EVENTS,
    FILES,
    LATEST,
    LINE,
    NO_ASSET,
    NO_SERIES,
    PLANT,
    PUMP,
    QUERY,
    RANGE,
    READ,
    SHARES,
    SHOW,
    SITE,
    WRITE,
    levels,
    message,
    put_asset,
    running_plants,
)

EVENT_PATH = "/api/eventmanagement/v3/events"
FILE_PATH = "/api/iotfile/v3/files"
V3 = "/api/iottsaggregates/v3/aggregates"
ALIAS = "/api/iottimeseries/v3/aggregates"
OWN_AGGREGATES = "/api/aspectstore/v1/aggregates"
HOUR = {"from": at(0, hours=-6), "to": at(0, hours=1), "intervalUnit": "hour", "intervalValue": "1"}
RECORD = [{"_time": at(0, hours=-1), "level": 7}]


@pytest.fixture
async def plants():
    """A plant of which nothing is shared."""
    async with running_plants() as running:
        yield running


# -- what each action opens ------------------------------------------------------------------------

ROUTES = {
    "page": (READ, "GET", f"{PATH}/{PUMP}/weather", None, {"to": at(0, hours=9)}),
    "newest": (READ, "GET", f"{PATH}/{PUMP}/weather", None, {}),
    "latest value": (READ, "GET", f"{PATH}/{PUMP}/weather", None, {"latestValue": "true"}),
    "range": (READ, "GET", f"{RANGE}/{PUMP}/weather", None, {}),
    "query": (READ, "POST", QUERY, {"assets": [PUMP]}, {}),
    "points": (
        READ, "GET", OWN_AGGREGATES, None,
        {"assetId": PUMP, "aspectName": "weather", "from": at(0, hours=-6), "to": at(0), "maxPoints": "9"},
    ),
    "PUT": (WRITE, "PUT", f"{PATH}/{PUMP}/weather", RECORD, {}),
    "PATCH": (WRITE, "PATCH", f"{PATH}/{PUMP}/weather", RECORD, {}),
    "v4": (AGGREGATE, "GET", "/api/iottsaggregates/v4/aggregates", None,
           {"assetId": PUMP, "aspectName": "weather", **HOUR}),
    "v3": (AGGREGATE, "GET", f"{V3}/{PUMP}/weather", None, HOUR),
    "alias": (AGGREGATE, "GET", f"{ALIAS}/{PUMP}/weather", None, HOUR),
    "own": (AGGREGATE, "GET", OWN_AGGREGATES, None, {"assetId": PUMP, "aspectName": "weather", **HOUR}),
    "query aggregates": (
        AGGREGATE, "POST", QUERY,
        {"assets": [PUMP], "from": at(0, hours=-6), "to": at(0), "aggregate": {"unit": "hour"}}, {},
    ),
    "asset": (SHOW, "GET", f"{ASSETS}/{PUMP}", None, {"includeShared": "true"}),
    "variables": (SHOW, "GET", f"{ASSETS}/{PUMP}/variables", None, {"includeShared": "true"}),
    "aspects": (SHOW, "GET", f"{ASSETS}/{PUMP}/aspects", None, {"includeShared": "true"}),
    "files": (FILES, "GET", f"{FILE_PATH}/{PUMP}", None, {}),
    "file": (FILES, "GET", f"{FILE_PATH}/{PUMP}/a.txt", None, {}),
}  # fmt: skip
"""name → the action that opens it, method, path, body, parameters."""

OF_ALL = {
    "query by aspect": (READ, "POST", QUERY, {"aspects": ["weather"], "includeShared": True}, {}),
    "all newest": (READ, "GET", LATEST, None, {"aspect": "weather", "includeShared": "true"}),
    "assets": (SHOW, "GET", ASSETS, None, {"includeShared": "true", "size": "100"}),
}
"""Questions about all assets, in whose answers a shared one is among the caller's own."""

CLOSED = {
    "DELETE": ("DELETE", f"{PATH}/{PUMP}/weather", None, {"from": at(-9), "to": at(0)}),
    "asset without the flag": ("GET", f"{ASSETS}/{PUMP}", None, {}),
    "aspects without the flag": ("GET", f"{ASSETS}/{PUMP}/aspects", None, {}),
    "file PUT": ("PUT", f"{FILE_PATH}/{PUMP}/b.txt", b"x", {}),
    "file DELETE": ("DELETE", f"{FILE_PATH}/{PUMP}/a.txt", None, {}),
    "parts": ("GET", f"/api/iotfile/v3/fileslist/{PUMP}/a.txt", None, {}),
    "asset type": ("GET", "/api/assetmanagement/v3/assettypes/acme.Mast", None, {"includeShared": "true"}),
    "aspect type": ("GET", "/api/assetmanagement/v3/aspecttypes/acme.weather", None, {}),
}
"""What no share opens."""


async def send(caller, method, path, body, parameters):
    """Send a call of the tables."""
    return await caller.send(method, path, body, parameters or None)


@pytest.fixture
async def furnished(plants):
    """The pump has a file."""
    answer = await plants.owner.send("PUT", f"{FILE_PATH}/{PUMP}/a.txt", b"bytes")
    assert answer.status_code == 201
    return plants


@pytest.mark.parametrize("action", [None, *(each.value for each in Action)])
async def test_a_share_opens_what_it_names_and_nothing_else(furnished, action):
    """Each action opens its routes; the others answer as for an id that nobody has (MS-45, MS-88)."""
    if action is not None:
        await furnished.give(action)

    for name, (needed, *call) in ROUTES.items():
        answer = await send(furnished.guest, *call)
        if needed == action:
            assert answer.status_code in {200, 204}, (name, answer.text)
        else:
            assert answer.status_code == 404, (name, answer.text)
            assert message(answer) in {NO_ASSET, NO_SERIES}, name
    for name, (needed, *call) in OF_ALL.items():
        answer = await send(furnished.guest, *call)
        assert (200, needed == action) == (answer.status_code, PUMP in answer.text), name
    for name, call in CLOSED.items():
        assert (await send(furnished.guest, *call)).status_code == 404, name


async def test_a_shared_asset_is_told_from_an_unknown_one_by_nothing(furnished):
    """What a share does not open is refused in the same bytes as for a random id (MS-31)."""
    await furnished.give(AGGREGATE)
    unknown = "f" * 32

    for method, path, body, parameters in [call for _, *call in ROUTES.values()] + list(CLOSED.values()):
        text = json.dumps([path, body, parameters], default=str)
        if PUMP not in text or isinstance(body, bytes):
            continue
        other_path, other_body, other_parameters = json.loads(text.replace(PUMP, unknown))
        shared = await send(furnished.guest, method, path, body, parameters)
        if shared.status_code < 400:
            continue
        nobody = await send(furnished.guest, method, other_path, other_body, other_parameters)
        assert nobody.status_code == shared.status_code
        assert message(nobody) == message(shared), path


async def test_several_records_at_once_are_shared_pair_by_pair(plants):
    """Of a multi PUT the pair of a shared asset is stored, that of another one is refused (MS-21)."""
    await plants.give(WRITE, assets=[PUMP])

    answer = await plants.guest.put_set(
        [(plants.guest, RECORD), (plants.guest.at_asset(SITE), RECORD), (plants.guest.of(), RECORD)]
    )

    assert answer.status_code == 202
    errors = [(error["entityId"], error["statusCode"], error["message"]) for error in answer.json()["errors"]]
    assert [(SITE, 404, NO_ASSET)] == errors
    assert 3 == len(answer.headers["write-receipt"].split(","))
    assert [2, 7, 0] == [row["level"] for row in await plants.owner.rows()]


# -- which assets, which aspects -------------------------------------------------------------------


async def test_without_its_subtree_an_asset_is_shared_alone(plants):
    """A share of the line says nothing of the pump below it and of the plant above."""
    await plants.give(READ, assets=[LINE])

    assert [0] == levels(await plants.guest.at_asset(LINE).get())
    for asset in (PLANT, PUMP, SITE):
        assert 404 == (await plants.guest.at_asset(asset).get()).status_code


async def test_a_subtree_holds_what_comes_into_it_and_not_what_left(plants):
    """An asset that is made or moved below a shared one is shared from then on; one moved out is not."""
    await plants.give(READ, assets=[PLANT], subtree=True)
    assert [0] == levels(await plants.guest.get())

    etag = (await plants.owner.send("GET", f"{ASSETS}/{SITE}")).json()["etag"]
    moved = await plants.owner.send(
        "POST", f"{ASSETS}/{SITE}/move", {"newParentId": LINE}, if_match=str(etag)
    )
    assert moved.status_code == 200
    assert [0] == levels(await plants.guest.at_asset(SITE).get())

    root = (await plants.owner.send("GET", f"{ASSETS}/root")).json()["assetId"]
    etag = (await plants.owner.send("GET", f"{ASSETS}/{LINE}")).json()["etag"]
    await plants.owner.send("POST", f"{ASSETS}/{LINE}/move", {"newParentId": root}, if_match=str(etag))
    for asset in (LINE, PUMP, SITE):
        assert 404 == (await plants.guest.at_asset(asset).get()).status_code


async def test_only_shared_aspects_are_there(plants):
    """Another aspect of a shared asset is answered as one that its type does not have."""
    tyres = plants.owner.of(PUMP, "tyres")
    await tyres.wrote([{"_time": at(0), "FRWheel": 1}])
    await plants.give(READ, SHOW, aspects=["weather"])

    other, none = [await plants.guest.at_asset(PUMP, name).get() for name in ("tyres", "nothing")]
    assert (404, NO_SERIES) == (other.status_code, message(other)) == (none.status_code, message(none))

    answer = await plants.guest.send("POST", QUERY, {"assets": [PUMP]})
    assert ["weather"] == [each["aspectName"] for each in answer.json()["series"]]
    answer = await plants.guest.send("POST", QUERY, {"assets": [PUMP], "aspects": ["tyres"]})
    assert (404, NO_SERIES) == (answer.status_code, message(answer))
    answer = await plants.guest.send("GET", f"{ASSETS}/{PUMP}/aspects", None, {"includeShared": "true"})
    assert (["weather"], 1) == (
        [each["name"] for each in answer.json()["_embedded"]["aspects"]],
        answer.json()["page"]["totalElements"],
    )


async def test_shares_add_up(plants):
    """What two shares allow together is allowed: each action for its own aspects."""
    await plants.owner.of(PUMP, "tyres").wrote([{"_time": at(0), "FRWheel": 1}])
    await plants.give(READ, aspects=["weather"])
    await plants.give(READ, WRITE, aspects=["tyres"], assets=[LINE], subtree=True)

    assert [0] == levels(await plants.guest.get())
    assert 200 == (await plants.guest.at_asset(PUMP, "tyres").get()).status_code
    tyres = [{"_time": at(0), "FRWheel": 2}]
    assert 204 == (await plants.guest.at_asset(PUMP, "tyres").put(tyres)).status_code
    assert 404 == (await plants.guest.put(RECORD)).status_code


# -- who receives ----------------------------------------------------------------------------------


async def test_who_receives_a_share(plants):
    """A tenant, one of its users, those with a role, those of a subtenant: exactly these (design 7)."""
    await plants.add_subtenant("north", "other")
    reader = (SERIES_READ,)
    callers = {
        "tenant": plants.caller("other", scopes=reader),
        "bob": plants.caller("other", "bob", scopes=reader),
        "engineer": plants.caller("other", scopes=ROLES["engineer"]),
        "north": plants.caller("other", scopes=reader, subtenant="north"),
        "bob of north": plants.caller("other", "bob", scopes=reader, subtenant="north"),
        "south": plants.caller("other", scopes=reader, subtenant="south"),
        "rigid": plants.caller("rigid", scopes=reader),
        "rigid's bob": plants.caller("rigid", "bob", scopes=reader),
    }
    expected = {
        "tenant": ({}, {"tenant", "bob", "engineer"}),
        "user": ({"user": "bob"}, {"bob", "bob of north"}),
        "role": ({"role": "engineer"}, {"engineer"}),
        "subtenant": ({"subtenant": "north"}, {"north", "bob of north"}),
    }
    for name, (part, whom) in expected.items():
        share = await plants.give(READ, whom={"tenant": "other", **part})

        seen = {who for who, caller in callers.items() if (await caller.get()).status_code == 200}

        assert whom == seen, name
        await plants.take_back(share)


async def test_a_share_inside_a_tenant_opens_to_a_subtenant_what_is_not_its_own(plants):
    """Callers of a subtenant see what is shared with it, or with them, of their own tenant."""
    await plants.add_subtenant("north")
    north = plants.caller("acme", "ann", subtenant="north")
    assert 404 == (await north.get()).status_code

    for part in ({"subtenant": "north"}, {"user": "ann"}, {"role": "viewer"}):
        share = await plants.give(READ, whom=part)
        assert share["receiver"] == {"tenant": "acme", **part}
        assert [0] == levels(await north.get())
        await plants.take_back(share)


async def test_the_own_tenant_as_a_whole_receives_nothing(plants):
    """It has everything already; so has a receiver that nobody named a part of."""
    body = {"receiver": {}, "assets": [PUMP], "actions": [READ]}

    answer = await plants.owner.send("POST", SHARES, body)

    assert (400, [("/receiver", "invalidRequestBodyProperty")]) == (answer.status_code, problems(answer))


async def test_a_name_that_is_taken_later_has_received_nothing(plants):
    """A share to a tenant or a subtenant that is made afterwards reaches nobody, and says nothing of it."""
    for receiver in ({"tenant": "later"}, {"tenant": "other", "subtenant": "later"}):
        share = await plants.give(READ, whom=receiver)
        assert share["ended"] is False
    plants.clock.advance(1)
    await plants.add_subtenant("later", "other")
    late = plants.caller("other", subtenant="later")

    assert 404 == (await late.get()).status_code
    listed = await plants.guest.send("GET", SHARES, None, {"side": "received"})
    assert [] == listed.json()["shares"]

    await plants.give(READ, whom={"tenant": "other", "subtenant": "later"})
    assert [0] == levels(await late.get())


# -- until when ------------------------------------------------------------------------------------


async def test_a_share_ends_to_the_millisecond(plants):
    """One millisecond before it expires it holds; from that millisecond on it allows nothing."""
    share = await plants.give(READ, WRITE, expires=at(10_000))

    plants.clock.advance(9_999)
    assert [0] == levels(await plants.guest.get())
    assert 204 == (await plants.guest.put(RECORD)).status_code
    plants.clock.advance(1)
    for answer in (await plants.guest.get(), await plants.guest.put(RECORD)):
        assert (404, NO_ASSET) == (answer.status_code, message(answer))

    shown = await plants.guest.send("GET", f"{SHARES}/{share['id']}")
    assert (at(10_000), True) == (shown.json()["expires"], shown.json()["ended"])


async def test_a_share_is_taken_back_at_once(plants):
    """Deleted or changed, it holds no longer for the very next request."""
    share = await plants.give(READ, WRITE)
    assert 204 == (await plants.guest.put(RECORD)).status_code

    change = {"receiver": {"tenant": "other"}, "assets": [PUMP], "actions": [READ]}
    changed = await plants.owner.send("PUT", f"{SHARES}/{share['id']}", change, if_match="0")
    assert (200, '"1"', 1) == (changed.status_code, changed.headers["etag"], changed.json()["etag"])
    assert 404 == (await plants.guest.put(RECORD)).status_code
    assert [0] == levels(await plants.guest.get())

    await plants.take_back(share)
    assert 404 == (await plants.guest.get()).status_code
    for caller in (plants.owner, plants.guest):
        assert 404 == (await caller.send("GET", f"{SHARES}/{share['id']}")).status_code


async def test_a_suspended_giver_shares_nothing(plants):
    """While the giver may not act, its shares rest; then they hold again."""
    await plants.give(READ)
    document = await plants.site.catalog.get("core", "tenant", "acme")
    tenant = json.loads(document.body)
    for version, suspended in enumerate((True, False)):
        body = json.dumps({**tenant, "suspended": suspended}).encode()
        await plants.site.catalog.replace("core", "tenant", "acme", body, document.version + version)
        await plants.door.services.refresh()
        assert (404 if suspended else 200) == (await plants.guest.get()).status_code


async def test_a_deleted_asset_is_shared_no_longer(plants):
    """With the asset goes what was shared of it; the share stays on both lists."""
    share = await plants.give(READ, SHOW)
    etag = (await plants.owner.send("GET", f"{ASSETS}/{PUMP}")).json()["etag"]

    await plants.owner.send("DELETE", f"{ASSETS}/{PUMP}", if_match=str(etag))

    assert 404 == (await plants.guest.get()).status_code
    assert 200 == (await plants.guest.send("GET", f"{SHARES}/{share['id']}")).status_code


# -- writing ---------------------------------------------------------------------------------------


async def test_who_writes_has_the_receipt(plants):
    """The receipt of a shared write is its writer's: the owner of the series does not find it (8.17)."""
    await plants.give(READ, WRITE)
    receipt = (await plants.guest.put(RECORD)).headers["write-receipt"]
    path = f"/api/aspectstore/v1/receipts/{receipt}"

    assert "pending" == (await plants.guest.send("GET", path)).json()["state"]
    assert 404 == (await plants.owner.send("GET", path)).status_code
    assert [7] == levels(await plants.guest.get({"read_after": receipt}, from_=at(0, hours=-2), to=at(-1)))
    await plants.site.step()
    assert "applied" == (await plants.guest.send("GET", path)).json()["state"]


async def test_keys_of_both_sides_are_apart(plants):
    """The same Idempotency-Key of the owner and of the receiver names two requests (8.18)."""
    await plants.give(WRITE)
    mine = await plants.owner.put([{"_time": at(0), "level": 1}], idempotency_key="k")
    theirs = await plants.guest.put([{"_time": at(1), "level": 2}], idempotency_key="k")
    again = await plants.guest.put([{"_time": at(1), "level": 2}], idempotency_key="k")

    assert (204, 204, 204) == (mine.status_code, theirs.status_code, again.status_code)
    assert theirs.headers["write-receipt"] == again.headers["write-receipt"]
    assert [1, 2] == [row["level"] for row in await plants.owner.rows(from_=at(-1), to=at(9))]
    other = await plants.guest.put([{"_time": at(1), "level": 3}], idempotency_key="k")
    assert 422 == other.status_code


async def test_the_writer_keeps_to_the_owners_rules_and_is_not_told_how_busy_a_series_is(plants):
    """Age and rate of a series are its owner's policy; the rate is named to the owner only (design 7)."""
    strict = plants.caller("rigid", asset="a" * 32)
    shared = "e" * 32
    await put_asset(plants.site, shared, "Shared", None, "rigid")
    await plants.give(WRITE, assets=[shared], by=strict)
    guest = plants.guest.at_asset(shared)

    told = await strict.at_asset(shared).put([{"_time": at(0), "level": 1}])
    untold = await guest.put([{"_time": at(1), "level": 2}])
    old = await guest.put([{"_time": at(0, hours=-24 * 400), "level": 3}])

    assert "series-rate" == told.headers["quota-rule"]
    assert (204, None) == (untold.status_code, untold.headers.get("quota-rule"))
    assert (400, [("/0/_time", "timeWindow")]) == (old.status_code, problems(old))


# -- both lists ------------------------------------------------------------------------------------


async def test_a_share_is_seen_on_both_sides(plants):
    """Giver and receiver see the same share; who gave it, only the giver's tenant."""
    given = await plants.give(READ, WRITE, aspects=["weather"], note="for the audit", expires=at(1))

    expected = {
        "id": given["id"], "giver": "acme", "receiver": {"tenant": "other"}, "assets": [PUMP],
        "actions": [READ, WRITE], "subtree": False, "aspects": ["weather"], "from": None, "to": None,
        "expires": at(1), "ended": False, "note": "for the audit", "given": at(0), "etag": 0,
    }  # fmt: skip
    assert given == {**expected, "givenBy": "acme-admin"}
    for caller, side, shown in (
        (plants.owner, "given", given), (plants.guest, "received", expected)
    ):  # fmt: skip
        listed = await caller.send("GET", SHARES, None, {"side": side})
        assert {"shares": [shown]} == listed.json()
        one = await caller.send("GET", f"{SHARES}/{given['id']}")
        assert (shown, '"0"') == (one.json(), one.headers["etag"])
        other_side = {"given": "received", "received": "given"}[side]
        assert {"shares": []} == (await caller.send("GET", SHARES, None, {"side": other_side})).json()
    stranger = plants.caller("rigid")
    assert 404 == (await stranger.send("GET", f"{SHARES}/{given['id']}")).status_code


async def test_lists_go_on_where_a_page_ended(plants):
    """Pages are cut by id; the last one has no `next`."""
    ids = sorted([(await plants.give(READ))["id"] for _ in range(5)])
    for caller, side in ((plants.owner, "given"), (plants.guest, "received")):
        seen, after = [], ""
        while True:
            page = await caller.send("GET", SHARES, None, {"side": side, "after": after, "limit": "2"})
            seen += [share["id"] for share in page.json()["shares"]]
            if "next" not in page.json():
                break
            after = page.json()["next"]
        assert ids == seen


async def test_a_receiver_shares_nothing_on(plants):
    """What one has received one cannot give, and the share itself is its giver's (design 7)."""
    share = await plants.give(*(each.value for each in Action), assets=[PLANT], subtree=True)
    body = {"receiver": {"tenant": "rigid"}, "assets": [PUMP], "actions": [READ]}

    onward = await plants.guest.send("POST", SHARES, body)
    unknown = await plants.guest.send("POST", SHARES, {**body, "assets": ["f" * 32]})
    changed = await plants.guest.send("PUT", f"{SHARES}/{share['id']}", body, if_match="0")
    deleted = await plants.guest.send("DELETE", f"{SHARES}/{share['id']}")

    assert (400, [("/assets/0", "invalidRequestBodyProperty")]) == (onward.status_code, problems(onward))
    assert (NO_ASSET, NO_ASSET) == (message(onward), message(unknown))
    assert (403, 403) == (changed.status_code, deleted.status_code)
    assert [0] == levels(await plants.guest.get())


async def test_a_change_names_the_version_it_builds_on(plants):
    """PUT demands If-Match; DELETE takes it and does without: to take back needs no reading before."""
    share = await plants.give(READ)
    path = f"{SHARES}/{share['id']}"
    body = {"receiver": {"tenant": "other"}, "assets": [PUMP], "actions": [READ]}

    assert 400 == (await plants.owner.send("PUT", path, body)).status_code
    assert 200 == (await plants.owner.send("PUT", path, body, if_match="0")).status_code
    assert 412 == (await plants.owner.send("PUT", path, body, if_match="0")).status_code
    assert 412 == (await plants.owner.send("DELETE", path, if_match="0")).status_code
    assert 204 == (await plants.owner.send("DELETE", path)).status_code
    assert 404 == (await plants.owner.send("DELETE", path)).status_code


BAD = {
    "no asset": ({"assets": []}, "/assets"),
    "an asset twice": ({"assets": [PUMP, PUMP]}, "/assets"),
    "no id": ({"assets": ["pump"]}, "/assets/0"),
    "an unknown asset": ({"assets": [PUMP, "f" * 32]}, "/assets/1"),
    "another tenant's asset": ({"assets": ["b" * 32]}, "/assets/0"),
    "no action": ({"actions": []}, "/actions"),
    "no aspect": ({"aspects": []}, "/aspects"),
    "no name of an aspect": ({"aspects": ["a b"]}, "/aspects/0"),
    "no time": ({"from": "yesterday"}, "/from"),
    "a crooked window": ({"from": "2026-01-01T00:01:00Z"}, "/from"),
    "a window of nothing": ({"from": at(0), "to": at(0)}, "/from"),
    "a past end": ({"expires": at(0)}, "/expires"),
    "no tenant": ({"receiver": {"tenant": "NOBODY!"}}, "/receiver/tenant"),
    "two parts": ({"receiver": {"tenant": "other", "user": "a", "role": "viewer"}}, "/receiver"),
    "no role": ({"receiver": {"tenant": "other", "role": "king"}}, "/receiver/role"),
    "an unknown subtenant of the own": ({"receiver": {"subtenant": "x"}}, "/receiver/subtenant"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_share_that_makes_no_sense_is_refused_with_its_place(plants, case):
    """Every member is checked, and the pointer says which one is wrong."""
    change, pointer = BAD[case]
    body = {"receiver": {"tenant": "other"}, "assets": [PUMP], "actions": [READ], **change}

    answer = await plants.owner.send("POST", SHARES, body)

    assert (400, pointer) == (answer.status_code, problems(answer)[0][0]), answer.text
    assert {"shares": []} == (await plants.owner.send("GET", SHARES)).json()


# -- asset management ------------------------------------------------------------------------------


async def test_a_shared_asset_shows_nothing_around_it(plants):
    """Neither the assets above nor what is inherited from them; nor locks, files and the subtenant (4.6)."""
    path = f"{ASSETS}/{LINE}/location"
    etag = (await plants.owner.send("GET", f"{ASSETS}/{LINE}")).json()["etag"]
    await plants.owner.send("PUT", path, {"country": "NZ"}, if_match=str(etag))
    assert "NZ" == (await plants.owner.send("GET", f"{ASSETS}/{PUMP}")).json()["location"]["country"]
    await plants.give(SHOW)

    shown = (await plants.guest.send("GET", f"{ASSETS}/{PUMP}", None, {"includeShared": "true"})).json()

    assert ("Pump", "acme", "", [], None) == (
        shown["name"], shown["tenantId"], shown["parentId"], shown["hierarchyPath"], shown["location"],
    )  # fmt: skip
    assert ({"modes": ["RECEIVER"]}, [], [], None) == (
        shown["sharing"], shown["locks"], shown["fileAssignments"], shown["subTenant"],
    )  # fmt: skip
    assert "parent" not in shown["_links"]
    assert not [asset for asset in (LINE, PLANT) if asset in json.dumps(shown)]
    own = (await plants.owner.send("GET", f"{ASSETS}/{PUMP}")).json()
    assert ({"modes": ["SHARER"]}, LINE) == (own["sharing"], own["parentId"])
    assert {"modes": []} == (await plants.owner.send("GET", f"{ASSETS}/{SITE}")).json()["sharing"]


async def test_of_a_shared_subtree_the_way_up_is_shown_as_far_as_it_is_shared(plants):
    """The path begins with the topmost asset that is shared."""
    await plants.give(SHOW, assets=[LINE], subtree=True)

    shown = (await plants.guest.send("GET", f"{ASSETS}/{PUMP}", None, {"includeShared": "true"})).json()

    assert ([{"assetId": LINE, "name": "Line"}], LINE) == (shown["hierarchyPath"], shown["parentId"])
    assert shown["_links"]["parent"]["href"].endswith(f"/assets/{LINE}?includeShared=true")


async def list_names(caller, **query):
    """Give the names of a list of assets, and its total."""
    answer = await caller.send("GET", ASSETS, None, {"size": "100", **query})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [asset["name"] for asset in body["_embedded"]["assets"]], body["page"]["totalElements"]


async def test_lists_have_shared_assets_where_they_are_asked_for(plants):
    """`includeShared=true` adds them in the order of the list and to its totals; nothing else does."""
    own = await list_names(plants.guest)
    await plants.give(SHOW, assets=[LINE], subtree=True)
    assert own == await list_names(plants.guest)

    names, total = await list_names(plants.guest, includeShared="true")
    assert (sorted([*own[0], "Line", "Pump"]), own[1] + 2) == (names, total)
    assert ["Pump"] == (await list_names(plants.guest, includeShared="true", filter='{"name":"Pump"}'))[0]
    below = {"includeShared": "true", "filter": json.dumps({"parentId": LINE})}
    assert ["Pump"] == (await list_names(plants.guest, **below))[0]
    mast = {"includeShared": "true", "filter": '{"hasType":"acme.Mast"}'}
    assert ["Line", "Pump"] == (await list_names(plants.guest, **mast))[0]


async def test_a_list_that_is_asked_again_follows_every_change(plants):
    """Own assets, shared ones, their names and what stands above them: whatever changed is there at once."""
    shared = {"includeShared": "true", "filter": '{"hasType":"acme.Mast"}'}
    below = {"includeShared": "true", "filter": json.dumps({"parentId": LINE})}
    bob = plants.caller("other", "bob")
    first = await plants.give(SHOW)
    assert (["Pump"], ["Pump"]) == (
        (await list_names(bob, **shared))[0],
        (await list_names(bob, **shared))[0],
    )

    await plants.give(SHOW, assets=[LINE], whom={"tenant": "other", "user": "bob"})
    assert ["Line", "Pump"] == (await list_names(bob, **shared))[0]
    assert ["Pump"] == (await list_names(plants.guest, **shared))[0]
    assert (["Pump"], []) == (
        (await list_names(bob, **below))[0],
        (await list_names(plants.guest, **below))[0],
    )

    renamed = await plants.owner.send("PATCH", f"{ASSETS}/{PUMP}", {"name": "A"}, if_match="0")
    assert 200 == renamed.status_code
    assert ["A", "Line"] == (await list_names(bob, **shared))[0]
    own, total = await list_names(plants.guest, includeShared="true")
    await put_asset(plants.site, "9" * 32, "New", None, "other")
    assert (sorted([*own, "New"]), total + 1) == await list_names(plants.guest, includeShared="true")

    await plants.take_back(first)
    assert ["Line"] == (await list_names(bob, **shared))[0]
    assert [] == (await list_names(plants.guest, **shared))[0]


async def test_a_filter_finds_nothing_hidden(plants):
    """Conditions see of a shared asset what its reader sees: no parent that is not shared (4.6)."""
    await plants.give(SHOW, assets=[PUMP])
    for condition in ({"parentId": LINE}, {"not": {"parentId": ""}}, {"subTenant": {"contains": ""}}):
        query = {"and": {"name": "Pump", **condition}}
        found = await list_names(plants.guest, includeShared="true", filter=json.dumps(query))
        assert ([], 0) == found, condition


# -- files and events ------------------------------------------------------------------------------


async def test_files_are_shared_by_their_time(plants):
    """Files of the window are listed, counted and read; others are not there; nobody's names are told."""
    for name, hours in (("old.txt", -5), ("new.txt", 0)):
        path = f"{FILE_PATH}/{PUMP}/{name}"
        await plants.owner.send("PUT", path, name.encode(), timestamp=at(0, hours=hours))
    await plants.give(FILES, from_=at(0, hours=-1))

    listed = await plants.guest.send("GET", f"{FILE_PATH}/{PUMP}", None, {"count": "true"})

    assert [("new.txt", "", "")] == [
        (file["name"], file["createdBy"], file["updatedBy"]) for file in listed.json()
    ]
    assert "1" == listed.headers["x-total-count"]
    assert b"new.txt" == (await plants.guest.send("GET", f"{FILE_PATH}/{PUMP}/new.txt")).content
    hidden, unknown = [
        await plants.guest.send("GET", f"{FILE_PATH}/{PUMP}/{name}") for name in ("old.txt", "none.txt")
    ]
    assert (404, message(unknown)) == (hidden.status_code, message(hidden))


async def test_events_are_shared_by_their_time(plants):
    """Events of the asset and the window are listed where the filter names the asset, and read by id."""
    made = {}
    for name, hours in (("old", -5), ("new", -1)):
        event = {"entityId": PUMP, "timestamp": at(0, hours=hours), "severity": 20, "code": name}
        answer = await plants.owner.send("POST", EVENT_PATH, event)
        assert answer.status_code == 201, answer.text
        made[name] = answer.json()["id"]
    await plants.give(EVENTS, from_=at(0, hours=-2), to=at(0))

    async def listed(**given):
        answer = await plants.guest.send("GET", EVENT_PATH, None, {"filter": json.dumps(given)})
        return [event["code"] for event in answer.json()["_embedded"]["events"]]

    assert ["new"] == await listed(entityId=PUMP)
    assert [] == await listed(entityId=LINE)
    assert [] == await listed()
    assert [200, 404] == [
        (await plants.guest.send("GET", f"{EVENT_PATH}/{made[name]}")).status_code for name in ("new", "old")
    ]
    changed = await plants.guest.send("PUT", f"{EVENT_PATH}/{made['new']}", {"code": "x"}, if_match="0")
    assert 404 == changed.status_code
    new = {"entityId": PUMP, "timestamp": at(0), "severity": 20}
    assert 400 == (await plants.guest.send("POST", EVENT_PATH, new)).status_code


# -- what own assets cost --------------------------------------------------------------------------


async def test_own_assets_are_found_without_a_look_at_shares(plants, monkeypatch):
    """Reading and writing what is one's own never asks for shares, whatever the tenant has received."""
    await plants.give(READ)
    mine = plants.guest.of()

    def fail(*_):
        raise AssertionError("shares were looked at")

    monkeypatch.setattr(ShareIndex, "givers", fail)

    assert 204 == (await mine.put(RECORD)).status_code
    assert [7] == levels(await mine.get())
    assert 200 == (await plants.guest.at_asset("a" * 32).aggregates()).status_code
    assert 500 == (await plants.guest.get()).status_code
