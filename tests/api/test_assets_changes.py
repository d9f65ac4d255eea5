"""Assets are changed, moved, deleted and locked, each under its ETag (wire 4.1, MS-08)."""

import json

import msgspec
import pytest

from api.catalog.kinds import ASSET
from schemas.assets import Asset, Lock
from tests.api.doors import NOW_MS, put_model_files, running_door
from tests.api.test_assets import BASE, call, make_pump, problems, pump_body

FILE = "0123456789abcdef" * 2
SERIES = "/api/iottimeseries/v3/timeseries"


@pytest.fixture(autouse=True)
async def _files(service):
    await put_model_files(service, FILE, "f" * 32)


async def make(service, name, parent, **more):
    """Create an asset below another; give its id."""
    body = await pump_body(service, name=name, parentId=parent, typeId="core.basicasset", **more)
    answer = await call(service, "POST", "/assets", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["assetId"]


async def line(service, length=3):
    """Create assets, each below the one before, the first below the root; give their ids."""
    ids = []
    above = (await call(service, "GET", "/assets/root")).json()["assetId"]
    for number in range(length):
        above = await make(service, f"A{number}", above)
        ids.append(above)
    return ids


async def shown(service, asset):
    """Give an asset as it is shown."""
    answer = await call(service, "GET", f"/assets/{asset}")
    assert answer.status_code == 200
    return answer.json()


def way(asset):
    """Give the names on the way from the root."""
    return [above["name"] for above in asset["hierarchyPath"]]


# -- preconditions ---------------------------------------------------------------------------------

CHANGES = [
    ("PUT", "", {"name": "N"}),
    ("PATCH", "", {"name": "N"}),
    ("DELETE", "", None),
    ("POST", "/move", {"newParentId": "ROOT"}),
    ("POST", "", {"newParentId": "ROOT"}),
    ("PUT", "/location", {"country": "DE"}),
    ("DELETE", "/location", None),
    ("PUT", "/fileAssignments/logo", {"fileId": FILE}),
    ("DELETE", "/fileAssignments/logo", None),
]


async def changeable(service):
    """Create an asset that every change of the table can be made to; give its path and its etag."""
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]
    files = [{"key": "logo", "fileId": FILE}]
    asset = await make(service, "A", root, location={"country": "NZ"}, fileAssignments=files)
    return f"/assets/{asset}", root


def of(body, root):
    """Put the root's id into a body of the table."""
    return json.loads(json.dumps(body).replace("ROOT", root))


@pytest.mark.parametrize(("method", "part", "body"), CHANGES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"if-match": "1"}, 412),
        ({"if-match": "x"}, 412),
        ({"if-match": "0", "if-none-match": "*"}, 412),
    ],
)
async def test_every_change_needs_the_present_etag(service, method, part, body, headers, status):
    """Without If-Match 400, with another one than the present 412, and nothing is changed (wire 0.5)."""
    path, root = await changeable(service)

    answer = await call(service, method, path + part, of(body, root), headers)

    assert answer.status_code == status
    if not headers:
        assert problems(answer) == [("", "missingParameter")]
    assert (await call(service, "GET", path)).json()["etag"] == 0


@pytest.mark.parametrize(("method", "part", "body"), CHANGES)
@pytest.mark.parametrize("tag", ["0", '"0"', 'W/"0"'])
async def test_every_change_answers_with_the_asset(service, method, part, body, tag):
    """A change gives 200, the asset and its next ETag; only the deletion of an asset is empty (wire 0.3)."""
    path, root = await changeable(service)

    answer = await call(service, method, path + part, of(body, root), {"if-match": tag})

    if (method, part) == ("DELETE", ""):
        assert (answer.status_code, answer.content) == (204, b"")
        return
    assert answer.status_code == 200, answer.text
    assert (answer.json()["etag"], answer.headers["etag"]) == (1, '"1"')
    assert answer.headers["content-type"] == "application/hal+json"
    assert answer.json() == (await call(service, "GET", path)).json()


@pytest.mark.parametrize(("method", "part", "body"), CHANGES)
async def test_no_change_reaches_another_tenant(service, method, part, body):
    """A foreign asset, an unknown and a deleted one give the same 404, and nothing happens (MS-31, S1)."""
    path, root = await changeable(service)
    deleted, _ = await changeable(service)
    assert (await call(service, "DELETE", deleted, headers={"if-match": "0"})).status_code == 204
    unknown = "/assets/" + "0" * 32
    answers = [
        await call(service, method, place + part, of(body, root), {"if-match": "0"}, who=who)
        for place, who in ((path, service.other), (unknown, service.acme), (deleted, service.acme))
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({answer.json()["errors"][0]["message"] for answer in answers}) == 1
    assert (await call(service, "GET", path)).json()["etag"] == 0


@pytest.mark.parametrize(("method", "part", "body"), CHANGES)
async def test_a_locked_model_stays_as_it_is(service, method, part, body):
    """While the model is locked every change is refused with 409 (wire 4.1)."""
    path, root = await changeable(service)
    assert (await call(service, "PUT", "/model/lock?enabled=true")).status_code == 200

    answer = await call(service, method, path + part, of(body, root), {"if-match": "0"})

    assert answer.status_code == 409
    assert (await call(service, "GET", path)).json()["etag"] == 0


# -- PATCH and PUT ---------------------------------------------------------------------------------


async def test_patch_changes_what_is_named(service):
    """A merge-patch changes the members that it has; null takes away, lists are replaced (wire 0.2)."""
    asset = await make_pump(service)
    path = f"/assets/{asset['assetId']}"
    media = {"content-type": "application/merge-patch+json"}
    first = {
        "externalId": "X", "description": "D", "location": {"country": "DE", "locality": "Ulm"},
        "variables": [{"name": "power", "value": "9"}],
    }  # fmt: skip
    await call(service, "PATCH", path, first, {"if-match": "0", **media})

    second = {"description": None, "location": {"locality": None, "region": "BW"}, "name": "P2"}
    answer = await call(service, "PATCH", path, second, {"if-match": "1", **media})

    found = answer.json()
    assert answer.status_code == 200
    assert (found["name"], found["externalId"], found["description"]) == ("P2", "X", None)
    assert (found["location"]["country"], found["location"]["region"]) == ("DE", "BW")
    assert found["location"]["locality"] is None
    assert found["variables"][0] == {"name": "power", "value": "9"}
    gone = {"location": None, "variables": None, "externalId": None}
    bare = (await call(service, "PATCH", path, gone, {"if-match": "2"})).json()
    assert (bare["location"], bare["externalId"]) == (None, None)
    assert bare["variables"][0] == {"name": "power", "value": "7"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"variables": [{"name": "nothing", "value": "1"}]}, "/variables/0/name"),
        ({"aspects": [{"name": "env", "variables": []}]}, "/aspects/0/name"),
        ({"location": {"latitude": 91}}, "/location/latitude"),
        ({"fileAssignments": [{"key": "a", "fileId": "x"}]}, "/fileAssignments/0/fileId"),
    ],
)
async def test_a_refused_patch_names_the_place(service, body, pointer):
    """What a PUT may not say, a PATCH may not say either (wire 4.2)."""
    asset = await make_pump(service)

    answer = await call(service, "PATCH", f"/assets/{asset['assetId']}", body, {"if-match": "0"})

    assert answer.status_code == 400
    assert [place for place, _ in problems(answer)] == [pointer]


async def test_read_only_members_of_a_patch_are_ignored(service):
    """Clients send what they read: type, place, zone, twin type and tenant stay (wire 4.2)."""
    asset = await make_pump(service)
    body = {
        "typeId": "core.basicasset", "parentId": "x", "timezone": "Europe/Berlin", "twinType": "simulation",
        "tenantId": "other", "assetId": "x", "etag": 9, "deleted": "2026-01-01T00:00:00Z", "locks": [{}],
    }  # fmt: skip

    answer = await call(service, "PATCH", f"/assets/{asset['assetId']}", body, {"if-match": "0"})

    assert answer.json() == {**asset, "etag": 1}


async def test_an_asset_that_is_sent_back_keeps_following(service):
    """Inherited locations and default values do not become an asset's own on the way back (wire 4.2)."""
    parent = await make_pump(service)
    above = f"/assets/{parent['assetId']}"
    await call(service, "PUT", f"{above}/location", {"country": "NZ"}, {"if-match": "0"})
    body = await pump_body(service, parentId=parent["assetId"], name="child")
    child = (await call(service, "POST", "/assets", body)).json()
    assert (child["location"]["country"], child["variables"][0]["value"]) == ("NZ", "7")

    await call(service, "PUT", f"/assets/{child['assetId']}", child, {"if-match": "0"})
    await call(service, "PUT", f"{above}/location", {"country": "AU"}, {"if-match": "1"})
    await call(
        service,
        "PATCH",
        "/assettypes/acme.Pump/variables",
        {"power": {"defaultValue": "8"}},
        {"if-match": "0"},
    )

    found = await shown(service, child["assetId"])
    assert (found["location"]["country"], found["variables"][0]["value"]) == ("AU", "8")


async def test_zone_and_twin_type_are_given_at_creation(service):
    """An asset has the zone and the twin type that it was made with (MS-08, design 8.24)."""
    body = await pump_body(service, typeId="core.BasicAsset", timezone="Europe/Berlin", twinType="simulation")

    asset = (await call(service, "POST", "/assets", body)).json()

    assert (asset["timezone"], asset["twinType"]) == ("Europe/Berlin", "simulation")
    assert asset["typeId"] == "core.basicasset"


# -- location --------------------------------------------------------------------------------------


async def test_location_is_put_and_deleted(service):
    """An own location hides that of the ancestor; without it that one shows again, in a 200 (wire 0.3)."""
    upper, lower, _ = await line(service)
    await call(service, "PUT", f"/assets/{upper}/location", {"country": "NZ"}, {"if-match": "0"})

    own = await call(
        service, "PUT", f"/assets/{lower}/location", {"country": "DE", "longitude": 9.5}, {"if-match": "0"}
    )
    bare = await call(service, "DELETE", f"/assets/{lower}/location", headers={"if-match": "1"})
    again = await call(service, "DELETE", f"/assets/{lower}/location", headers={"if-match": "2"})

    assert (own.json()["location"]["country"], own.json()["location"]["longitude"]) == ("DE", 9.5)
    assert own.json()["_links"]["location"]["href"].endswith(f"/assets/{lower}/location")
    assert (bare.status_code, bare.json()["location"]["country"]) == (200, "NZ")
    assert bare.json()["_links"]["location"]["href"].endswith(f"/assets/{upper}/location")
    assert again.status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"), [({"latitude": 91}, "/latitude"), ({"country": "x" * 256}, "/country")]
)
async def test_a_refused_location_names_the_place(service, body, pointer):
    """The pointer is one into the location that was sent (design 6)."""
    (asset,) = await line(service, 1)

    answer = await call(service, "PUT", f"/assets/{asset}/location", body, {"if-match": "0"})

    assert problems(answer) == [(pointer, "invalidRequestBodyProperty")]


# -- files -----------------------------------------------------------------------------------------


async def test_files_are_assigned_under_keys(service):
    """A key holds one file; the links say where it is; taking it away answers 200 (wire 4.1)."""
    (asset,) = await line(service, 1)
    path, other = f"/assets/{asset}", "f" * 32

    first = await call(service, "PUT", f"{path}/fileAssignments/logo", {"fileId": FILE}, {"if-match": "0"})
    await call(service, "PUT", f"{path}/fileAssignments/logo", {"fileId": other}, {"if-match": "1"})
    both = await call(service, "PUT", f"{path}/fileAssignments/plan_1", {"fileId": FILE}, {"if-match": "2"})
    query = f'/assets?filter={{"fileId":"{other}"}}'
    found = (await call(service, "GET", query)).json()["_embedded"]["assets"]
    left = await call(service, "DELETE", f"{path}/fileAssignments/logo", headers={"if-match": "3"})
    again = await call(service, "DELETE", f"{path}/fileAssignments/logo", headers={"if-match": "4"})

    links = {
        "download": {"href": f"http://door{BASE}/files/{FILE}/file"},
        "metadata": {"href": f"http://door{BASE}/files/{FILE}"},
    }
    assert first.json()["fileAssignments"] == [{"key": "logo", "fileId": FILE, "_links": links}]
    assert [(each["key"], each["fileId"]) for each in both.json()["fileAssignments"]] == [
        ("logo", other),
        ("plan_1", FILE),
    ]
    assert [each["assetId"] for each in found] == [asset]
    assert (left.status_code, len(left.json()["fileAssignments"])) == (200, 1)
    assert again.status_code == 404


async def test_a_put_without_files_keeps_them(service):
    """Clients that know nothing of files do not take them away; a list replaces them (wire 4.2)."""
    (asset,) = await line(service, 1)
    path = f"/assets/{asset}"
    await call(service, "PUT", f"{path}/fileAssignments/logo", {"fileId": FILE}, {"if-match": "0"})

    kept = await call(service, "PUT", path, {"name": "A"}, {"if-match": "1"})
    gone = await call(service, "PUT", path, {"name": "A", "fileAssignments": []}, {"if-match": "2"})

    assert len(kept.json()["fileAssignments"]) == 1
    assert gone.json()["fileAssignments"] == []


@pytest.mark.parametrize("key", ["x" * 129, "a%20b", "ä"])
async def test_a_refused_file_names_the_place(service, key):
    """Keys are parts of paths, ids have 32 digits (wire 4.2)."""
    (asset,) = await line(service, 1)

    for name, file_id, pointer in ((key, FILE, ""), ("logo", "x", "/fileId")):
        path = f"/assets/{asset}/fileAssignments/{name}"
        answer = await call(service, "PUT", path, {"fileId": file_id}, {"if-match": "0"})
        assert problems(answer) == [(pointer, "invalidRequestBodyProperty")]


# -- move ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["/move", ""])
async def test_an_asset_moves_with_all_below_it(service, part):
    """Moving changes the way of all below; the path without the word does the same (wire 4.1, 13.10)."""
    first, second, third = await line(service)
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]

    answer = await call(service, "POST", f"/assets/{second}{part}", {"newParentId": root}, {"if-match": "0"})

    assert answer.json()["parentId"] == root
    assert way(answer.json()) == ["acme"]
    assert way(await shown(service, third)) == ["acme", "A1"]
    query = f'/assets?filter={{"parentId":"{first}"}}'
    assert (await call(service, "GET", query)).json()["page"]["totalElements"] == 0


async def test_refused_moves(service):
    """The root stays, the parent must exist in the own tenant, and nothing stands below itself (wire 4.1)."""
    first, second, third = await line(service)
    foreign = (await call(service, "GET", "/assets/root", who=service.other)).json()["assetId"]
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]
    for asset, parent, pointer in (
        (first, "0" * 32, "/newParentId"),
        (first, "", "/newParentId"),
        (first, foreign, "/newParentId"),
        (first, first, "/newParentId"),
        (first, third, "/newParentId"),
        (root, second, ""),
    ):
        answer = await call(
            service, "POST", f"/assets/{asset}/move", {"newParentId": parent}, {"if-match": "0"}
        )
        assert answer.status_code == 400
        assert [place for place, _ in problems(answer)] == [pointer]
    assert (await shown(service, first))["etag"] == 0


async def test_a_tree_is_at_most_a_hundred_deep(service):
    """A branch is moved only to where its deepest leaf still stands within a hundred steps."""
    trunk = await line(service, 60)
    branch = await line(service, 41)

    deep = {"newParentId": trunk[-1]}
    refused = await call(service, "POST", f"/assets/{branch[0]}/move", deep, {"if-match": "0"})
    fits = await call(service, "POST", f"/assets/{branch[1]}/move", deep, {"if-match": "0"})

    assert (refused.status_code, fits.status_code) == (400, 200)
    assert len(way(await shown(service, branch[-1]))) == 100
    below = await pump_body(service, parentId=branch[-1], typeId="core.basicasset")
    assert (await call(service, "POST", "/assets", below)).status_code == 400


async def test_moves_that_cross_do_not_make_a_ring(service, monkeypatch):
    """Two doors put each of two assets below the other: one move is taken back, both stay below the root."""
    first = (await line(service, 1))[0]
    second = (await line(service, 1))[0]
    catalog, replace = service.catalog, service.catalog.replace

    async def crossed(tenant, kind, document_id, body, built_on):
        monkeypatch.setattr(catalog, "replace", replace)
        document = await catalog.get(tenant, ASSET, second)
        moved = msgspec.structs.replace(msgspec.json.decode(document.body, type=Asset), parent_id=first)
        await replace(tenant, ASSET, second, msgspec.json.encode(moved), document.version)
        return await replace(tenant, kind, document_id, body, built_on)

    monkeypatch.setattr(catalog, "replace", crossed)
    answer = await call(service, "POST", f"/assets/{first}/move", {"newParentId": second}, {"if-match": "0"})

    await service.door.services.refresh()
    assert answer.status_code == 412
    assert way(await shown(service, first)) == ["acme"]
    assert way(await shown(service, second)) == ["acme", "A0"]


async def test_a_ring_does_not_hang_the_door(service):
    """Should a ring be in the store all the same, every answer about it still ends."""
    first, second = await line(service, 2)
    document = await service.catalog.get("acme", ASSET, first)
    ring = msgspec.structs.replace(msgspec.json.decode(document.body, type=Asset), parent_id=second)
    await service.catalog.replace("acme", ASSET, first, msgspec.json.encode(ring), 0)
    await service.door.services.refresh()

    assert len(way(await shown(service, second))) == 100
    assert (await call(service, "GET", "/assets")).status_code == 200
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]
    mended = await call(service, "POST", f"/assets/{first}/move", {"newParentId": root}, {"if-match": "1"})
    assert way(mended.json()) == ["acme"]


# -- delete ----------------------------------------------------------------------------------------


async def test_a_deleted_asset_and_its_series_are_gone(service):
    """Every route that names the asset answers 404, the same as for an unknown id (MS-08, MS-31)."""
    asset = await make_pump(service)
    path, series = f"/assets/{asset['assetId']}", f"{SERIES}/{asset['assetId']}/env"
    records = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5}]
    assert (await service.http.put(series, json=records, headers=service.acme)).status_code == 204
    assert (await service.http.get(series, headers=service.acme)).json() != []

    deleted = await call(service, "DELETE", path, headers={"if-match": "0"})

    span = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"
    answers = [
        await call(service, "GET", path),
        await call(service, "GET", f"{path}/aspects"),
        await call(service, "GET", f"{path}/variables"),
        await service.http.get(series, headers=service.acme),
        await service.http.get(f"{series}?{span}", headers=service.acme),
        await service.http.put(series, json=records, headers=service.acme),
        await service.http.patch(series, json=records, headers=service.acme),
        await service.http.delete(f"{series}?{span}", headers=service.acme),
        await service.http.get(
            f"/api/iottsaggregates/v4/aggregates?assetId={asset['assetId']}&aspectName=env&{span}",
            headers=service.acme,
        ),
        await service.http.get("/api/aspectstore/v1/latest?aspect=env", headers=service.acme),
        await call(service, "POST", "/assets", await pump_body(service, parentId=asset["assetId"])),
    ]
    assert deleted.status_code == 204
    assert [answer.status_code for answer in answers] == [404] * 10 + [400]


async def test_another_door_learns_of_the_deletion(service):
    """A door that knew the asset does not serve its series any more after its next look (design 4)."""
    asset = await make_pump(service)
    async with running_door(service.catalog, service.clock) as second:
        series = f"{SERIES}/{asset['assetId']}/env"
        before = await second.http.get(series, headers=service.acme)
        await call(service, "DELETE", f"/assets/{asset['assetId']}", headers={"if-match": "0"})
        await second.door.services.refresh()
        after = await second.http.get(series, headers=service.acme)
    async with running_door(service.catalog, service.clock) as third:  # it reads all of it anew
        anew = await third.http.get(series, headers=service.acme)

    assert [before.status_code, after.status_code, anew.status_code] == [200, 404, 404]


async def test_deleted_assets_are_listed_where_asked_for(service):
    """A list has deleted assets only where its filter has a condition on `deleted` (wire 4.4)."""
    _, second, third = await line(service)
    await call(service, "DELETE", f"/assets/{third}", headers={"if-match": "0"})
    service.clock.advance(60_000)
    await call(service, "DELETE", f"/assets/{second}", headers={"if-match": "0"})

    async def names(text):
        listed = (await call(service, "GET", f"/assets?filter={text}")).json()["_embedded"]["assets"]
        return [(asset["name"], asset["deleted"]) for asset in listed]

    assert await names("{}") == [("A0", None), ("acme", None)]
    assert await names('{"deleted":null}') == [("A0", None), ("acme", None)]
    assert await names('{"name":{"contains":"A"}}') == [("A0", None)]
    stamped = [("A1", "2026-01-01T00:01:00.000Z"), ("A2", "2026-01-01T00:00:00.000Z")]
    assert await names('{"not":{"deleted":null}}') == stamped
    assert await names('{"deleted":{"after":"2026-01-01T00:00:30Z"}}') == stamped[:1]
    assert await names('{"deleted":{"before":"2026-01-01T00:00:30Z"}}') == stamped[1:]
    assert NOW_MS == 1_767_225_600_000  # 2026-01-01T00:00:00Z


async def test_what_cannot_be_deleted(service):
    """Neither the root nor an asset with children nor one that a service has locked goes (wire 4.1, 4.3)."""
    parent, child = await line(service, 2)
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]
    lock = Lock(
        id="l1", service="AgentManagement", reason="Agent is onboarded.", reason_code="agentmanagement.x"
    )
    document = await service.catalog.get("acme", ASSET, child)
    locked = msgspec.structs.replace(msgspec.json.decode(document.body, type=Asset), locks=(lock,))
    await service.catalog.replace("acme", ASSET, child, msgspec.json.encode(locked), 0)

    answers = [
        await call(service, "DELETE", f"/assets/{asset}", headers={"if-match": etag})
        for asset, etag in ((root, "0"), (parent, "0"), (child, "1"))
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert answers[2].json()["errors"][0]["message"] == "Agent is onboarded."
    assert (await shown(service, child))["locks"] == [
        {
            "id": "l1", "service": "AgentManagement", "reason": "Agent is onboarded.",
            "reasonCode": "agentmanagement.x",
            "_links": {"self": {"href": f"http://door{BASE}/assets/{child}/locks/l1"}},
        }
    ]  # fmt: skip


async def test_a_type_outlives_its_deleted_assets_only_as_long_as_wanted(service):
    """A deleted asset does not hold its type; the one with the same name made anew is another asset."""
    asset = await make_pump(service)
    held = await call(service, "DELETE", "/assettypes/acme.Pump", headers={"if-match": "0"})
    await call(service, "DELETE", f"/assets/{asset['assetId']}", headers={"if-match": "0"})

    again = (await call(service, "POST", "/assets", await pump_body(service))).json()
    await call(service, "DELETE", f"/assets/{again['assetId']}", headers={"if-match": "0"})
    free = await call(service, "DELETE", "/assettypes/acme.Pump", headers={"if-match": "0"})
    listed = await call(service, "GET", '/assets?filter={"not":{"deleted":null}}')

    assert again["assetId"] != asset["assetId"]
    assert (held.status_code, free.status_code) == (400, 204)
    assert listed.json()["page"]["totalElements"] == 2


# -- model lock ------------------------------------------------------------------------------------


async def test_the_model_is_locked_and_unlocked(service):
    """The lock holds types and new assets too, in every door, and for the own tenant only (wire 4.1)."""
    empty = {"content-type": "application/json", "content-length": "0"}
    locked = await call(service, "PUT", "/model/lock?enabled=true", headers=empty)
    again = await call(service, "PUT", "/model/lock?enabled=true")
    created = await call(service, "POST", "/assets", await pump_body(service, typeId="core.basicasset"))
    body = {"name": "T", "variables": []}
    typed = await call(service, "PUT", "/aspecttypes/acme.T", body)
    elsewhere = await call(service, "PUT", "/aspecttypes/other.T", body, who=service.other)
    async with running_door(service.catalog, service.clock) as second:
        seen = await second.http.get(f"{BASE}/model/lock", headers=service.acme)
    unlocked = await call(service, "PUT", "/model/lock?enabled=false", headers=empty)

    assert locked.text == again.text == seen.text == '{"enabled":true,"jobs":[]}'
    assert (created.status_code, typed.status_code, elsewhere.status_code) == (409, 409, 201)
    assert unlocked.text == (await call(service, "GET", "/model/lock")).text == '{"enabled":false,"jobs":[]}'
    assert (await call(service, "PUT", "/aspecttypes/acme.T", body)).status_code == 201


@pytest.mark.parametrize("query", ["", "?enabled=", "?enabled=perhaps"])
async def test_a_lock_is_on_or_off(service, query):
    """Without a yes or no nothing is locked."""
    assert (await call(service, "PUT", f"/model/lock{query}")).status_code == 400
    assert (await call(service, "GET", "/model/lock")).json()["enabled"] is False


async def test_locks_that_cross(service, monkeypatch):
    """Of two that change the lock at once, one is told to look again (wire 4.1)."""

    async def too_late(*_):
        return None

    monkeypatch.setattr(service.catalog, "create", too_late)

    assert (await call(service, "PUT", "/model/lock?enabled=true")).status_code == 412
