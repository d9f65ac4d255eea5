"""Subtenants on the wire, and what a caller sees who is bound to one (wire 10, design 7, MS-45, MS-88)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest

from api.app import build_framework
from api.guard.bound import BY_HANDLER, BY_PATH
from api.identity.scopes import ALL_SCOPES
from tests.api.doors import bearer, token_of
from tests.api.masts import at, problems
from tests.api.plants import (
    ASSETS,
    LATEST,
    LINE,
    NO_ASSET,
    PLANT,
    PUMP,
    QUERY,
    RANGE,
    SHARES,
    SITE,
    SUBTENANTS,
    message,
    running_plants,
)
from tests.security.table import routing_table

EVENT_PATH = "/api/eventmanagement/v3/events"
FILE_PATH = "/api/iotfile/v3/files"
NORTH = {"id": "north", "displayName": "North", "description": "of the river"}
RECORD = [{"_time": at(0, hours=-1), "level": 7}]


@pytest.fixture
async def plants():
    """A plant, and no subtenant."""
    async with running_plants() as running:
        yield running


@pytest.fixture
async def north(plants):
    """A caller who is bound to a subtenant that has the line, with the pump below it."""
    await plants.add_subtenant("north")
    await plants.assign(LINE, "north")
    caller = plants.caller("acme", "nora", subtenant="north")
    caller.plants = plants
    return caller


# -- on the wire -----------------------------------------------------------------------------------


async def test_a_subtenant_byte_for_byte(plants):
    """Made with 201 and its ETag; read, changed under If-Match and removed with 204 (wire 10, 0.5)."""
    made = await plants.owner.send("POST", SUBTENANTS, NORTH)
    entity = made.json()["entityId"]
    path = f"{SUBTENANTS}/north"

    assert (201, '"0"') == (made.status_code, made.headers["etag"])
    assert (
        f'{{"id":"north","displayName":"North","description":"of the river","entityId":"{entity}","ETag":0}}'
        == made.text
    )
    assert made.content == (await plants.owner.send("GET", path)).content
    changed = await plants.owner.send("PUT", path, {**NORTH, "displayName": "N"}, if_match="0")
    assert 200 == changed.status_code
    assert {**NORTH, "displayName": "N", "entityId": entity, "ETag": 1} == changed.json()
    gone = await plants.owner.send("DELETE", path)
    assert (204, b"") == (gone.status_code, gone.content)
    assert 404 == (await plants.owner.send("GET", path)).status_code


async def test_preconditions_of_a_subtenant(plants):
    """PUT demands If-Match, DELETE holds one that is sent; an id is taken once (wire 0.5)."""
    await plants.owner.send("POST", SUBTENANTS, NORTH)
    path = f"{SUBTENANTS}/north"

    assert 409 == (await plants.owner.send("POST", SUBTENANTS, NORTH)).status_code
    assert 400 == (await plants.owner.send("PUT", path, NORTH)).status_code
    assert 412 == (await plants.owner.send("PUT", path, NORTH, if_match="7")).status_code
    assert 412 == (await plants.owner.send("DELETE", path, if_match="7")).status_code
    assert 204 == (await plants.owner.send("DELETE", path, if_match='"0"')).status_code


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"id": "North"}, "/id"),
        ({"displayName": ""}, "/displayName"),
        ({"description": "x" * 256}, "/description"),
    ],
)
async def test_a_subtenant_is_refused_with_the_place(plants, body, pointer):
    """Each rule names its member."""
    answer = await plants.owner.send("POST", SUBTENANTS, {**NORTH, **body})

    assert (400, [(pointer, "invalidRequestBodyProperty")]) == (answer.status_code, problems(answer))


async def test_a_page_of_subtenants_byte_for_byte(plants):
    """The Spring page: `last` is true on the last page and on every one behind it, also of an empty list."""
    empty = (await plants.owner.send("GET", f"{SUBTENANTS}?")).text
    assert empty == (
        '{"last":true,"totalPages":0,"totalElements":0,"numberOfElements":0,"first":true,"sort":null,'
        '"size":10,"number":0,"content":[]}'
    )
    for name in ("a", "b", "c"):
        await plants.owner.send("POST", SUBTENANTS, {"id": name, "displayName": name.upper()})

    async def page(**query):
        answer = await plants.owner.send("GET", SUBTENANTS, None, query)
        body = answer.json()
        return [each["id"] for each in body["content"]], body

    ids, first = await page(size="2", sort="displayName,desc")
    assert (["c", "b"], True, False, 2, 3, 2) == (
        ids, first["first"], first["last"], first["totalPages"], first["totalElements"],
        first["numberOfElements"],
    )  # fmt: skip
    assert first["sort"] == [
        {
            "direction": "DESC", "property": "displayName", "ignoreCase": False, "nullHandling": "NATIVE",
            "descending": True, "ascending": False,
        }
    ]  # fmt: skip
    ids, last = await page(size="2", page="1")
    assert (["c"], False, True, None) == (ids, last["first"], last["last"], last["sort"])
    ids, behind = await page(size="2", page="2")
    assert ([], True) == (ids, behind["last"])
    ids, none = await page(size="0")
    assert ([], True, 0) == (ids, none["last"], none["size"])
    assert ["b"] == (await page(filter='{"id":"b"}'))[0]


async def test_a_subtenant_with_assets_or_accounts_stays(plants):
    """What is in use is not removed (409): its id would be given to another, with all that was its own."""
    await plants.add_subtenant("north")
    await plants.assign(PUMP, "north")
    path = f"{SUBTENANTS}/north"
    assert 409 == (await plants.owner.send("DELETE", path)).status_code

    assert (await plants.assign(PUMP, None))["subTenant"] is None
    user = {"name": "acme-nora", "role": "viewer", "subtenant": "north"}
    made = await plants.owner.send("POST", "/api/aspectstore/v1/users", user)
    assert (201, "north") == (made.status_code, made.json()["subtenant"]), made.text
    assert 409 == (await plants.owner.send("DELETE", path)).status_code

    await plants.owner.send("DELETE", "/api/aspectstore/v1/users/acme-nora")
    assert 204 == (await plants.owner.send("DELETE", path)).status_code


async def test_an_asset_is_given_under_its_etag(plants):
    """To a subtenant that is there, under If-Match; assets below show it, too (wire 4.2)."""
    await plants.add_subtenant("north")
    path = f"/api/aspectstore/v1/assets/{LINE}/subtenant"

    assert 400 == (await plants.owner.send("PUT", path, {"subTenant": "north"})).status_code
    assert 412 == (await plants.owner.send("PUT", path, {"subTenant": "north"}, if_match="9")).status_code
    unknown = await plants.owner.send("PUT", path, {"subTenant": "south"}, if_match="0")
    assert (400, [("/subTenant", "invalidRequestBodyProperty")]) == (unknown.status_code, problems(unknown))
    given = await plants.owner.send("PUT", path, {"subTenant": "north"}, if_match="0")
    assert (200, "north", 1) == (given.status_code, given.json()["subTenant"], given.json()["etag"])

    below = await plants.owner.send("GET", f"{ASSETS}/{PUMP}")
    assert "north" == below.json()["subTenant"]
    listed = await plants.owner.send("GET", ASSETS, None, {"filter": '{"subTenant":"north"}'})
    assert ["Line", "Pump"] == [asset["name"] for asset in listed.json()["_embedded"]["assets"]]
    assert None is (await plants.owner.send("GET", f"{ASSETS}/{SITE}")).json()["subTenant"]


# -- who is bound to one ---------------------------------------------------------------------------


def test_the_table_of_open_routes_names_routes():
    """A route that is open to bound callers is there; one that is renamed would be closed to them."""
    assert {*BY_PATH, *BY_HANDLER} <= set(routing_table(build_framework()))


async def test_a_bound_caller_reads_and_writes_its_assets_only(north):
    """Series of its assets and of all below them are its own; others are not there (MS-45)."""
    for asset, status in ((LINE, 204), (PUMP, 204), (PLANT, 404), (SITE, 404), ("f" * 32, 404)):
        mast = north.at_asset(asset)
        expected = (status, status, 200 if status == 204 else 404)
        answers = (await mast.put(RECORD), await mast.patch(RECORD), await mast.get())
        assert expected == tuple(answer.status_code for answer in answers), asset
        for answer in answers:
            if answer.status_code == 404:
                assert message(answer) == NO_ASSET
        assert expected[0] == (await mast.delete(from_=at(0, hours=-9), to=at(0, hours=-8))).status_code
        assert expected[2] == (await mast.aggregates()).status_code
        assert expected[2] == (await mast.send("GET", f"{RANGE}/{asset}/weather")).status_code


async def test_questions_about_all_assets_are_about_its_own(north):
    """Queries by aspect and the newest values of all name the subtenant's assets only."""
    answer = await north.send("POST", QUERY, {"aspects": ["weather"]})
    assert [LINE, PUMP] == [each["assetId"] for each in answer.json()["series"]]
    answer = await north.send("GET", LATEST, None, {"aspect": "weather"})
    assert [LINE, PUMP] == [each["assetId"] for each in answer.json()["series"]]
    assert 404 == (await north.send("POST", QUERY, {"assets": [PUMP, SITE]})).status_code


async def test_a_bound_caller_sees_a_tree_of_its_own(north):
    """Its topmost assets have no parent; lists, totals and filters know of no other asset."""
    answer = await north.send("GET", ASSETS)
    assets = answer.json()["_embedded"]["assets"]
    assert ([("Line", ""), ("Pump", LINE)], 2) == (
        [(asset["name"], asset["parentId"]) for asset in assets], answer.json()["page"]["totalElements"],
    )  # fmt: skip
    shown = (await north.send("GET", f"{ASSETS}/{PUMP}")).json()
    assert [{"assetId": LINE, "name": "Line"}] == shown["hierarchyPath"]
    assert (PLANT in json.dumps(shown), "north") == (False, shown["subTenant"])
    for path in ("root", PLANT, SITE, f"{SITE}/aspects", f"{SITE}/variables"):
        assert 404 == (await north.send("GET", f"{ASSETS}/{path}")).status_code
    above = await north.send("GET", ASSETS, None, {"filter": json.dumps({"parentId": PLANT})})
    assert 0 == above.json()["page"]["totalElements"]


async def test_a_bound_caller_changes_its_own_tree(north):
    """It makes assets below its own, moves and deletes them; elsewhere a parent is unknown (400)."""
    body = {"name": "Valve", "typeId": "acme.Mast", "parentId": PUMP}
    made = await north.send("POST", ASSETS, body)
    assert (201, "north") == (made.status_code, made.json()["subTenant"])
    valve = made.json()["assetId"]
    for parent in (PLANT, "f" * 32):
        answer = await north.send("POST", ASSETS, {**body, "parentId": parent})
        assert (400, NO_ASSET) == (answer.status_code, message(answer))
        answer = await north.send("POST", f"{ASSETS}/{valve}/move", {"newParentId": parent}, if_match="0")
        assert (400, NO_ASSET) == (answer.status_code, message(answer))
    moved = await north.send("POST", f"{ASSETS}/{valve}/move", {"newParentId": LINE}, if_match="0")
    assert 200 == moved.status_code
    assert 204 == (await north.send("DELETE", f"{ASSETS}/{valve}", if_match="1")).status_code
    for method, path, given in (
        ("PUT", SITE, {"name": "X"}), ("PATCH", SITE, {"name": "X"}), ("DELETE", SITE, None),
        ("POST", f"{SITE}/move", {"newParentId": LINE}), ("PUT", f"{SITE}/location", {"country": "NZ"}),
    ):  # fmt: skip
        answer = await north.send(method, f"{ASSETS}/{path}", given, if_match="0")
        assert (404, NO_ASSET) == (answer.status_code, message(answer)), (method, path)


async def test_files_and_events_of_a_subtenant(north):
    """Files and events are reached through their asset (MS-88)."""
    for asset, stored, listed in ((PUMP, 201, 200), (SITE, 404, 404)):
        assert stored == (await north.send("PUT", f"{FILE_PATH}/{asset}/a.txt", b"x")).status_code
        assert listed == (await north.send("GET", f"{FILE_PATH}/{asset}")).status_code
    ids = {}
    for asset in (PUMP, SITE):
        event = {"entityId": asset, "timestamp": at(-5), "severity": 20}
        ids[asset] = (await north.plants.owner.send("POST", EVENT_PATH, event)).json()["id"]
        answer = await north.send("POST", EVENT_PATH, event)
        assert (201 if asset == PUMP else 400) == answer.status_code
    listed = (await north.send("GET", EVENT_PATH)).json()["_embedded"]["events"]
    assert {PUMP} == {event["entityId"] for event in listed}
    assert [200, 404] == [
        (await north.send("GET", f"{EVENT_PATH}/{ids[asset]}")).status_code for asset in (PUMP, SITE)
    ]


async def test_what_is_the_whole_tenants_is_closed(north):
    """Types are read and not changed; accounts, shares, audit, letters are not a subtenant's (403)."""
    assert 200 == (await north.send("GET", "/api/assetmanagement/v3/assettypes/acme.Mast")).status_code
    for method, path, body in (
        ("PUT", "/api/assetmanagement/v3/aspecttypes/acme.weather", {"name": "weather", "variables": []}),
        ("PUT", "/api/assetmanagement/v3/model/lock?enabled=true", None),
        ("GET", "/api/aspectstore/v1/users", None),
        ("GET", "/api/aspectstore/v1/dead-letters", None),
        ("POST", SUBTENANTS, NORTH),
        ("POST", SHARES, {"receiver": {"tenant": "other"}, "assets": [PUMP], "actions": ["records.read"]}),
        ("PUT", f"/api/aspectstore/v1/assets/{SITE}/subtenant", {"subTenant": "north"}),
    ):
        answer = await north.send(method, path, body)
        assert 403 == answer.status_code, path
        assert "bound to a subtenant" in message(answer)


async def test_a_bound_caller_knows_its_own_subtenant_only(north):
    """The list has it alone, and others are as unknown."""
    await north.plants.add_subtenant("south")

    assert ["north"] == [each["id"] for each in (await north.send("GET", SUBTENANTS)).json()["content"]]
    other, none = [await north.send("GET", f"{SUBTENANTS}/{name}") for name in ("south", "none")]
    assert (404, message(none)) == (other.status_code, message(other))


async def test_an_asset_of_two_subtenants_is_both(north):
    """A subtenant inside another's tree: the outer one sees it all, the inner one its part."""
    await north.plants.add_subtenant("inner")
    await north.plants.assign(PUMP, "inner")
    inner = north.plants.caller("acme", subtenant="inner")

    assert [200, 200] == [(await north.at_asset(asset).get()).status_code for asset in (LINE, PUMP)]
    assert [404, 200] == [(await inner.at_asset(asset).get()).status_code for asset in (LINE, PUMP)]
    assert "inner" == (await north.send("GET", f"{ASSETS}/{PUMP}")).json()["subTenant"]


async def test_a_login_of_a_bound_account_says_so(plants):
    """The claim `subtenant` is in the token; the account's binding of today is what holds (design 7)."""
    await plants.add_subtenant("north")
    await plants.assign(LINE, "north")
    client = {"id": "acme-line", "scopes": list(ALL_SCOPES), "subtenant": "north"}
    secret = (await plants.owner.send("POST", "/api/aspectstore/v1/clients", client)).json()["secret"]
    token = await token_of(plants.site.http, "acme-line", secret)
    caller = plants.caller("acme")
    caller.headers = bearer(token)

    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    assert "north" == claims["subtenant"]
    assert [200, 404] == [(await caller.at_asset(asset).get()).status_code for asset in (LINE, SITE)]

    path = "/api/aspectstore/v1/clients/acme-line"
    assert 200 == (await plants.owner.send("PATCH", path, {"subtenant": None})).status_code
    assert [200, 200] == [(await caller.at_asset(asset).get()).status_code for asset in (LINE, SITE)]
    unknown = await plants.owner.send("PATCH", path, {"subtenant": "south"})
    assert (400, "/subtenant") == (unknown.status_code, problems(unknown)[0][0])


async def test_an_empty_subtenant_sees_nothing(plants):
    """Who is bound to a subtenant without assets, or to one that is no more, finds empty lists and 404."""
    nobody = plants.caller("acme", subtenant="nowhere")

    assert 0 == (await nobody.send("GET", ASSETS)).json()["page"]["totalElements"]
    assert 404 == (await nobody.get()).status_code
    assert 404 == (await nobody.send("GET", LATEST, None, {"aspect": "weather"})).status_code
