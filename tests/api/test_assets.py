"""Types and assets, as the Node SDK and its CLI use them (wire 4)."""

import json
import re

import pytest

from tests.api.doors import running_door

BASE = "/api/assetmanagement/v3"
HEX = re.compile(r"[0-9a-f]{32}")

ENVIRONMENT = {
    "name": "Environment",
    "category": "dynamic",
    "scope": "private",
    "description": "Around the machine",
    "variables": [
        {"name": "temperature", "dataType": "DOUBLE", "unit": "°C", "qualityCode": True},
        {"name": "note", "dataType": "STRING", "length": 20},
    ],
}
PUMP = {
    "name": "Pump",
    "parentTypeId": "core.basicdevice",
    "aspects": [{"name": "env", "aspectTypeId": "acme.Environment"}],
    "variables": [{"name": "power", "dataType": "INT", "unit": "kW", "defaultValue": "7"}],
}


async def call(service, method, path, body=None, headers=None, who=None):
    """Send a request of the tenant `acme` (or of `who`)."""
    content = None if body is None else json.dumps(body)
    return await service.http.request(
        method, BASE + path, content=content, headers={**(who or service.acme), **(headers or {})}
    )


async def make_pump(service):
    """Create the aspect type, the asset type and one asset; give the asset."""
    assert (await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)).status_code == 201
    assert (await call(service, "PUT", "/assettypes/acme.Pump", PUMP)).status_code == 201
    answer = await call(service, "POST", "/assets?", await pump_body(service))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def pump_body(service, **changes):
    """Give the body of a new pump below the root."""
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]
    return {"name": "P1", "typeId": "acme.Pump", "parentId": root, **changes}


def problems(answer):
    """Give (pointer, code's last word) of each problem."""
    return [(each.get("pointer"), each["code"].rpartition(".")[2]) for each in answer.json()["errors"]]


# -- what every answer has -------------------------------------------------------------------------


async def test_billboard(service):
    """`GET /` with the slash, as the SDK calls it, names the collections."""
    answer = await call(service, "GET", "/")

    base = "http://door" + BASE
    assert answer.json() == {
        "self": {"href": f"{base}/"},
        "aspectTypes": {"href": f"{base}/aspecttypes"},
        "assetTypes": {"href": f"{base}/assettypes"},
        "assets": {"href": f"{base}/assets"},
        "files": {"href": f"{base}/files"},
    }
    assert answer.headers["content-type"] == "application/hal+json"


async def test_root_asset_bytes(service):
    """The root asset goes out with explicit nulls and an empty parent, byte for byte (wire 4.3)."""
    answer = await call(service, "GET", "/assets/root")

    root = answer.json()["assetId"]
    own = f"http://door{BASE}/assets/{root}"
    expected = (
        '{"name":"acme","externalId":null,"description":"Root Asset for acme tenant","location":null,'
        '"variables":[{"name":"tenantFlag","value":"true"}],'
        '"aspects":[{"name":"connectivityStatus","variables":'
        '[{"name":"lastUpdated","value":null},{"name":"connected","value":null}]}],'
        '"fileAssignments":[],"typeId":"core.basicenterprise","parentId":"","timezone":"UTC",'
        '"twinType":"performance","tenantId":"acme","subTenant":null,"t2Tenant":null,'
        f'"assetId":"{root}","locks":[],"deleted":null,"sharing":{{"modes":[]}},"etag":0,"hierarchyPath":[],'
        f'"_links":{{"self":{{"href":"{own}"}},"aspects":{{"href":"{own}/aspects"}},'
        f'"variables":{{"href":"{own}/variables"}},"location":{{"href":"{own}/location"}},'
        f'"children":{{"href":"http://door{BASE}/assets?filter={{\\"parentId\\":\\"{root}\\"}}"}}}}}}'
    )
    assert answer.text == expected
    assert HEX.fullmatch(root)
    assert answer.headers["etag"] == '"0"'


async def test_root_shows_an_aspect_and_a_variable(service):
    """Existing test suites want at least one of each on the root (wire 4.5)."""
    root = (await call(service, "GET", "/assets/root")).json()["assetId"]

    aspects = (await call(service, "GET", f"/assets/{root}/aspects")).json()
    variables = (await call(service, "GET", f"/assets/{root}/variables")).json()

    assert [aspect["name"] for aspect in aspects["_embedded"]["aspects"]] == ["connectivityStatus"]
    assert [each["name"] for each in variables["_embedded"]["variables"]] == ["tenantFlag"]
    assert variables["page"] == {"size": 10, "totalElements": 1, "totalPages": 1, "number": 0}


# -- aspect types ----------------------------------------------------------------------------------


async def test_aspect_type_is_created_then_read(service):
    """PUT of a new id gives 201 and the resource; GET gives the same (MS-06)."""
    created = await call(
        service, "PUT", "/aspecttypes/acme.Environment?", ENVIRONMENT, {"if-none-match": "*"}
    )

    read = await call(service, "GET", "/aspecttypes/acme.Environment")
    assert (created.status_code, read.status_code) == (201, 200)
    assert created.json() == read.json() == {
        **ENVIRONMENT,
        "variables": [
            {
                "name": "temperature", "dataType": "DOUBLE", "unit": "°C", "searchable": False,
                "length": None, "defaultValue": None, "qualityCode": True,
            },
            {
                "name": "note", "dataType": "STRING", "unit": None, "searchable": False,
                "length": 20, "defaultValue": None, "qualityCode": False,
            },
        ],
        "id": "acme.Environment", "tenantId": "acme", "etag": 0, "sharing": {"modes": []},
        "_links": {"self": {"href": f"http://door{BASE}/aspecttypes/acme.Environment"}},
    }  # fmt: skip
    assert "°C" in created.text
    assert created.headers["etag"] == '"0"'


async def test_what_was_read_can_be_sent_back(service):
    """Clients PUT whole resources: members that only the service sets are ignored (wire 4.2)."""
    created = (await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)).json()

    answer = await call(service, "PUT", "/aspecttypes/acme.Environment", created, {"if-match": "0"})

    assert answer.status_code == 200
    assert answer.json() == {**created, "etag": 1}


@pytest.mark.parametrize("tag", ["0", '"0"', 'W/"0"'])
async def test_if_match_may_be_bare_or_quoted(service, tag):
    """The SDK sends the bare number (wire 0.5)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)

    answer = await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT, {"if-match": tag})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"if-none-match": "*"}, 412),
        ({"if-match": "1"}, 412),
        ({"if-match": "abc"}, 412),
        ({"if-match": "-1"}, 412),
        ({"if-match": "9" * 30}, 412),
    ],
)
async def test_preconditions_of_an_existing_type(service, headers, status):
    """An existing id needs the right If-Match: missing 400, stale or create-only 412 (wire 0.5, 4.7)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)

    for method in ("PUT", "DELETE") if "if-none-match" not in headers else ("PUT",):
        answer = await call(service, method, "/aspecttypes/acme.Environment", ENVIRONMENT, headers)
        assert answer.status_code == status, method


async def test_if_match_on_nothing_is_not_found(service):
    """A version of a type that does not exist is no version."""
    answer = await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT, {"if-match": "0"})

    assert answer.status_code == 404


async def test_if_none_match_saves_the_body(service):
    """A client that has this version gets 304 without a body, for things and for lists (wire 4.1)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)
    for path in ("/aspecttypes/acme.Environment", "/aspecttypes", "/assets/root", "/assets"):
        etag = (await call(service, "GET", path)).headers["etag"]

        answer = await call(service, "GET", path, headers={"if-none-match": etag})

        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert (await call(service, "GET", path, headers={"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"variables": [{"name": "1x", "dataType": "INT"}]},
            [("/variables/0/name", "invalidRequestBodyProperty")],
        ),
        (
            {"variables": [{"name": "x", "dataType": "WORD"}]},
            [("/variables/0/dataType", "invalidRequestBodyProperty")],
        ),
        ({"variables": [{"name": "x"}]}, [("/variables/0", "missingRequestBodyProperty")]),
        ({"variables": None}, [("/variables", "invalidRequestBodyProperty")]),
        ({"category": "other"}, [("/category", "invalidRequestBodyProperty")]),
        ({"name": "it's", "description": "it's"}, [("/description", "invalidRequestBodyProperty")]),
        (
            {
                "variables": [
                    {"name": "x", "dataType": "INT", "qualityCode": True},
                    {"name": "x_qc", "dataType": "INT"},
                ]
            },
            [("/variables/1/name", "invalidRequestBodyProperty")],
        ),
    ],
)
async def test_refused_aspect_types_name_the_place(service, changes, expected):
    """Each problem comes with a JSON pointer (design 6; MS-06, MS-07, MS-10)."""
    answer = await call(service, "PUT", "/aspecttypes/acme.Environment", {**ENVIRONMENT, **changes})

    assert answer.status_code == 400
    assert problems(answer) == expected
    assert answer.headers["content-type"] == "application/vnd.error+json"


@pytest.mark.parametrize(
    "type_id", ["other.X", "core.basicasset", "core.X", "acme", "acme.", "acme.a-b", "acme.a.b"]
)
async def test_type_ids_begin_with_the_tenant(service, type_id):
    """A tenant makes types under its own prefix only (design 8.13)."""
    for kind, body in (("aspecttypes", ENVIRONMENT), ("assettypes", {**PUMP, "aspects": []})):
        answer = await call(service, "PUT", f"/{kind}/{type_id}", body)
        assert answer.status_code == 400, kind


async def test_variables_cannot_go_and_names_stay(service):
    """A PUT adds and lengthens; it removes and renames nothing (wire 4.2)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)
    only_one = {**ENVIRONMENT, "variables": ENVIRONMENT["variables"][:1]}
    renamed = {**ENVIRONMENT, "name": "Other"}
    static = {**ENVIRONMENT, "category": "static"}

    for body in (only_one, renamed, static):
        answer = await call(service, "PUT", "/aspecttypes/acme.Environment", body, {"if-match": "0"})
        assert answer.status_code == 400


async def test_names_of_aspect_types_are_unique(service):
    """Two aspect types of a tenant do not share a name (MS-06)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)

    answer = await call(service, "PUT", "/aspecttypes/acme.Second", ENVIRONMENT)

    assert problems(answer) == [("/name", "invalidRequestBodyProperty")]


async def test_used_types_cannot_be_removed(service):
    """A type goes only when nothing hangs on it (wire 4.1)."""
    await make_pump(service)
    await call(service, "PUT", "/aspecttypes/acme.Free", {**ENVIRONMENT, "name": "Free"})

    used = await call(service, "DELETE", "/aspecttypes/acme.Environment", headers={"if-match": "0"})
    instance = await call(service, "DELETE", "/assettypes/acme.Pump", headers={"if-match": "0"})
    free = await call(service, "DELETE", "/aspecttypes/acme.Free", headers={"if-match": "0"})
    builtin = await call(service, "DELETE", "/assettypes/core.basicasset", headers={"if-match": "0"})

    assert (used.status_code, instance.status_code, builtin.status_code) == (400, 400, 400)
    assert (free.status_code, free.content) == (204, b"")
    assert (await call(service, "GET", "/aspecttypes/acme.Free")).status_code == 404


# -- asset types -----------------------------------------------------------------------------------


@pytest.mark.parametrize("type_id", ["core.basicasset", "core.BasicAsset", "CORE.BASICASSET"])
async def test_built_in_types_are_found_in_any_case(service, type_id):
    """Clients send `core.BasicAsset` as well (wire 4.5)."""
    answer = await call(service, "GET", f"/assettypes/{type_id}")

    assert answer.json()["id"] == "core.basicasset"
    assert answer.json()["parentTypeId"] is None


async def test_every_built_in_type_is_there(service):
    """The types that clients rely on exist (wire 4.5)."""
    answer = await call(service, "GET", "/assettypes?size=2000&sort=id,asc")

    assert [each["id"] for each in answer.json()["_embedded"]["assetTypes"]] == [
        "core.basicagent", "core.basicarea", "core.basicasset", "core.basicdevice", "core.basicenterprise",
        "core.basicsite", "core.mclib", "core.mcnano",
    ]  # fmt: skip


async def test_a_type_below_basicdevice_shows_three_variables(service):
    """The base chain contributes two variables, exploded (wire 4.5); unexploded shows the own ones only."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)
    created = await call(service, "PUT", "/assettypes/acme.Pump?exploded=true", PUMP)

    own = (await call(service, "GET", "/assettypes/acme.Pump?exploded=false")).json()

    assert created.status_code == 201
    assert len(created.json()["variables"]) == 3
    assert [each["name"] for each in own["variables"]] == ["power"]
    assert [each["name"] for each in own["aspects"]] == ["env"]
    assert [each["name"] for each in created.json()["aspects"]] == ["env", "connectivityStatus"]
    origin = {"origin": {"href": f"http://door{BASE}/assettypes/core.basicasset"}}
    assert created.json()["aspects"][1]["_links"] == origin
    assert "_links" not in created.json()["aspects"][0]
    assert created.json()["aspects"][0]["aspectType"]["id"] == "acme.Environment"
    assert created.json()["_links"] == {
        "self": {"href": f"http://door{BASE}/assettypes/acme.Pump"},
        "parent": {"href": f"http://door{BASE}/assettypes/core.basicdevice"},
    }


async def test_aspect_ids_survive_renames(service):
    """An aspect keeps its id, 32 hex digits, when it gets another name: series hang on it (design 8.13)."""
    asset = await make_pump(service)
    [aspect] = (await call(service, "GET", "/assettypes/acme.Pump")).json()["aspects"]
    before = service.door.services.index.series_of("acme", asset["assetId"], "env")
    renamed = {**PUMP, "aspects": [{"name": "climate", "aspectId": aspect["aspectId"]}]}

    answer = await call(service, "PUT", "/assettypes/acme.Pump", renamed, {"if-match": "0"})

    assert HEX.fullmatch(aspect["aspectId"])
    assert [(each["name"], each["aspectId"]) for each in answer.json()["aspects"]] == [
        ("climate", aspect["aspectId"])
    ]
    assert service.door.services.index.series_of("acme", asset["assetId"], "climate") == before


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"parentTypeId": "acme.Nothing"}, "/parentTypeId"),
        ({"parentTypeId": "other.Secret"}, "/parentTypeId"),
        ({"parentTypeId": "acme.Pump"}, "/parentTypeId"),
        ({"aspects": [{"name": "env", "aspectTypeId": "acme.Nothing"}]}, "/aspects/0/aspectTypeId"),
        ({"aspects": [{"name": "env"}]}, "/aspects/0/aspectTypeId"),
        ({"aspects": [{"name": "env", "aspectId": "0" * 32}]}, "/aspects/0/aspectId"),
        (
            {"aspects": [{"name": "connectivityStatus", "aspectTypeId": "acme.Environment"}]},
            "/aspects/0/name",
        ),
        ({"variables": [{"name": "coreVendor", "dataType": "INT"}]}, "/variables/0/name"),
    ],
)
async def test_refused_asset_types_name_the_place(service, changes, pointer):
    """References must exist and names be unique in the family (MS-07)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)
    await call(service, "PUT", "/assettypes/other.Secret", {**PUMP, "aspects": []}, who=service.other)

    answer = await call(service, "PUT", "/assettypes/acme.Pump", {**PUMP, **changes})

    assert answer.status_code == 400
    assert [place for place, _ in problems(answer)] == [pointer]


# -- assets ----------------------------------------------------------------------------------------


async def test_asset_is_created_below_its_parent(service):
    """POST gives 201, the asset with its values and the way from the root, and its address (wire 4.1)."""
    asset = await make_pump(service)

    assert HEX.fullmatch(asset["assetId"])
    assert asset["variables"] == [
        {"name": "power", "value": "7"},
        {"name": "coreVendor", "value": None},
        {"name": "coreModel", "value": None},
    ]
    assert [each["name"] for each in asset["hierarchyPath"]] == ["acme"]
    assert asset["_links"]["parent"]["href"].endswith(asset["parentId"])
    again = await call(service, "GET", f"/assets/{asset['assetId']}")
    assert again.json() == asset
    another = await call(service, "POST", "/assets", await pump_body(service, name="P2"))
    assert another.headers["location"] == another.json()["_links"]["self"]["href"]


async def test_static_values_are_own_or_default(service):
    """An asset shows its own static value, else the type's default (wire 4.2)."""
    await make_pump(service)
    body = await pump_body(
        service,
        name="P2",
        variables=[{"name": "power", "value": "11"}],
        aspects=[{"name": "connectivityStatus", "variables": [{"name": "connected", "value": "true"}]}],
    )

    asset = (await call(service, "POST", "/assets", body)).json()

    assert asset["variables"][0] == {"name": "power", "value": "11"}
    assert asset["aspects"] == [
        {
            "name": "connectivityStatus",
            "variables": [{"name": "lastUpdated", "value": None}, {"name": "connected", "value": "true"}],
        }
    ]
    listed = (await call(service, "GET", f"/assets/{asset['assetId']}/variables")).json()
    assert listed["_embedded"]["variables"][0] == {
        "name": "power", "dataType": "INT", "unit": "kW", "searchable": False, "length": None,
        "defaultValue": "7", "value": "11",
    }  # fmt: skip
    aspects = (await call(service, "GET", f"/assets/{asset['assetId']}/aspects")).json()["_embedded"][
        "aspects"
    ]
    assert [(each["name"], each["category"]) for each in aspects] == [
        ("env", "dynamic"),
        ("connectivityStatus", "static"),
    ]
    assert aspects[1]["variables"][1]["value"] == "true"
    assert "value" not in aspects[0]["variables"][0]
    assert aspects[0]["holderAssetId"] == asset["assetId"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"typeId": "acme.Nothing"}, "/typeId"),
        ({"parentId": "0" * 32}, "/parentId"),
        ({"parentId": ""}, "/parentId"),
        ({"name": "a/b"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"twinType": "evil"}, "/twinType"),
        ({"variables": [{"name": "nothing", "value": "1"}]}, "/variables/0/name"),
        (
            {"variables": [{"name": "power", "value": "1"}, {"name": "power", "value": "2"}]},
            "/variables/1/name",
        ),
        ({"variables": [{"name": "power", "value": "x" * 256}]}, "/variables/0/value"),
        ({"aspects": [{"name": "env", "variables": []}]}, "/aspects/0/name"),
        ({"location": {"latitude": 91}}, "/location/latitude"),
    ],
)
async def test_refused_assets_name_the_place(service, changes, pointer):
    """Everything that an asset may not be is refused with its place (wire 4.2)."""
    await make_pump(service)

    answer = await call(service, "POST", "/assets", await pump_body(service, **changes))

    assert answer.status_code == 400
    assert [place for place, _ in problems(answer)] == [pointer]


async def test_a_type_that_is_not_instantiable_has_no_assets(service):
    """`instantiable: false` is a type to derive from."""
    await call(service, "PUT", "/assettypes/acme.Base", {**PUMP, "aspects": [], "instantiable": False})

    answer = await call(service, "POST", "/assets", await pump_body(service, typeId="acme.Base"))

    assert problems(answer) == [("/typeId", "invalidRequestBodyProperty")]


async def test_asset_is_replaced_under_its_etag(service):
    """PUT of a whole resource changes what can change and ignores the rest (wire 4.2, MS-08)."""
    asset = await make_pump(service)
    path = f"/assets/{asset['assetId']}"
    changed = {
        **asset, "name": "P9", "externalId": "X", "typeId": "core.basicasset", "timezone": "Europe/Berlin",
        "location": {"country": "DE", "latitude": 48.1},
    }  # fmt: skip

    answer = await call(service, "PUT", path, changed, {"if-match": "0"})

    new = answer.json()
    assert answer.status_code == 200
    assert (new["name"], new["externalId"], new["etag"]) == ("P9", "X", 1)
    assert (new["typeId"], new["timezone"]) == ("acme.Pump", "UTC")
    assert new["location"]["country"] == "DE"
    assert (await call(service, "PUT", path, changed, {"if-match": "0"})).status_code == 412
    assert (await call(service, "PUT", path, changed)).status_code == 400
    assert (await call(service, "PUT", "/assets/" + "0" * 32, changed, {"if-match": "0"})).status_code == 404


async def test_location_is_inherited(service):
    """An asset without a location shows that of the nearest ancestor, and links to its owner (wire 4.2)."""
    parent = await make_pump(service)
    body = {**parent, "location": {"country": "NZ"}}
    await call(service, "PUT", f"/assets/{parent['assetId']}", body, {"if-match": "0"})

    child = await call(
        service, "POST", "/assets", await pump_body(service, parentId=parent["assetId"], name="child")
    )

    assert child.json()["location"]["country"] == "NZ"
    assert child.json()["_links"]["location"]["href"].endswith(f"/assets/{parent['assetId']}/location")
    assert [each["name"] for each in child.json()["hierarchyPath"]] == ["acme", "P1"]


# -- lists -----------------------------------------------------------------------------------------


async def names(service, query):
    """List assets and give their names."""
    answer = await call(service, "GET", f"/assets?{query}")
    assert answer.status_code == 200, answer.text
    return [asset["name"] for asset in answer.json()["_embedded"]["assets"]]


async def test_lists_are_paged(service):
    """Pages count from 0; the one behind the last is empty and fine, as the CLI asks for it (wire 0.6)."""
    await make_pump(service)
    for number in range(2, 6):
        await call(service, "POST", "/assets", await pump_body(service, name=f"P{number}"))

    first = (await call(service, "GET", "/assets?page=0&size=2&sort=name%2Casc")).json()
    beyond = await call(service, "GET", "/assets?page=3&size=2")

    assert [asset["name"] for asset in first["_embedded"]["assets"]] == ["P1", "P2"]
    assert first["page"] == {"size": 2, "totalElements": 6, "totalPages": 3, "number": 0}
    base = f"http://door{BASE}/assets?basicFieldsOnly=false"
    assert {name: link["href"] for name, link in first["_links"].items()} == {
        "first": f"{base}&page=0&size=2&sort=name,asc",
        "self": f"{base}&page=0&size=2&sort=name,asc",
        "next": f"{base}&page=1&size=2&sort=name,asc",
        "last": f"{base}&page=2&size=2&sort=name,asc",
    }
    assert (beyond.status_code, beyond.json()["_embedded"]["assets"]) == (200, [])
    assert "hierarchyPath" not in first["_embedded"]["assets"][0]


@pytest.mark.parametrize(
    "query", ["size=0", "sort=ASC", "sort=DESC", "size=2000", "", "page=0&size=100&x=y", "size=99999"]
)
async def test_odd_lists_do_not_fail(service, query):
    """What existing test suites send is answered (wire 0.6)."""
    for kind in ("assets", "aspecttypes", "assettypes"):
        assert (await call(service, "GET", f"/{kind}?{query}")).status_code == 200


@pytest.mark.parametrize(
    "query", ["page=-1", "size=-1", "page=x", "filter={", "filter=[]", 'filter={"name":{"near":1}}']
)
async def test_bad_lists_are_refused(service, query):
    """What is no number, no filter or no function of filters is 400 (stack.md finding 2, wire 4.4)."""
    for kind in ("assets", "aspecttypes", "assettypes"):
        answer = await call(service, "GET", f"/{kind}?{query}")
        assert answer.status_code == 400, kind
        assert answer.json()["errors"][0]["code"] == "mdsp.core.generic.invalidParameter"


async def test_filters_that_clients_send(service):
    """The filters of CLI and SDK work (wire 4.4)."""
    asset = await make_pump(service)
    await call(service, "POST", "/assets", await pump_body(service, name="Motor", externalId="m"))

    for text, expected in {
        '{"name":"Motor"}': ["Motor"],
        '{"name":{"contains":"o"}}': ["Motor"],
        '{"name":{"startsWith":"M","endsWith":"r"}}': ["Motor"],
        '{"typeId":{"contains":"Pump"}}': ["Motor", "P1"],
        '{"and":{"name":{"contains":"P"},"typeId":{"contains":"Pump"}}}': ["P1"],
        '{"or":{"name":"P1","externalId":"m"}}': ["Motor", "P1"],
        '{"not":{"name":{"contains":"o"}}}': ["P1", "acme"],
        '{"name":{"or":[{"eq":"P1"},{"eq":"acme"}]}}': ["P1", "acme"],
        '{"name":{"in":{"value":["P1","x"]}}}': ["P1"],
        '{"name":{"in":["P1","x"]}}': ["P1"],
        f'{{"parentId":"{asset["parentId"]}"}}': ["Motor", "P1"],
        '{"deleted":null}': ["Motor", "P1", "acme"],
        '{"unknown":{"eq":"x"}}': ["Motor", "P1", "acme"],
    }.items():
        from urllib.parse import quote

        assert await names(service, f"filter={quote(text)}") == expected, text


async def test_children_link_lists_the_children(service):
    """The `children` link can be followed as it stands (wire 4.3)."""
    asset = await make_pump(service)
    root = (await call(service, "GET", "/assets/root")).json()

    answer = await service.http.get(root["_links"]["children"]["href"], headers=service.acme)

    assert [each["assetId"] for each in answer.json()["_embedded"]["assets"]] == [asset["assetId"]]


async def test_basic_fields_only(service):
    """A list may be asked for without values."""
    answer = await call(service, "GET", "/assets?basicFieldsOnly=true")

    [root] = answer.json()["_embedded"]["assets"]
    assert {"location", "variables", "aspects", "fileAssignments"} & set(root) == set()


# -- tenants apart ---------------------------------------------------------------------------------


async def test_a_foreign_id_is_answered_like_an_unknown_one(service):
    """Another tenant's asset and type give the same 404, word for word (MS-31, S1)."""
    asset = await make_pump(service)
    pairs = [
        (f"/assets/{asset['assetId']}", "/assets/" + "0" * 32),
        (f"/assets/{asset['assetId']}/aspects", f"/assets/{'0' * 32}/aspects"),
        (f"/assets/{asset['assetId']}/variables", f"/assets/{'0' * 32}/variables"),
        ("/aspecttypes/acme.Environment", "/aspecttypes/acme.Nothing"),
        ("/assettypes/acme.Pump", "/assettypes/acme.Nothing"),
    ]
    for foreign, unknown in pairs:
        answers = [await call(service, "GET", path, who=service.other) for path in (foreign, unknown)]

        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [re.sub(r'"logref":"\w+"', "", answer.text) for answer in answers]
        assert bodies[0] == bodies[1]
    changed = await call(
        service, "PUT", f"/assets/{asset['assetId']}", asset, {"if-match": "0"}, who=service.other
    )
    assert changed.status_code == 404
    assert (await call(service, "GET", f"/assets/{asset['assetId']}")).json() == asset


async def test_lists_hold_the_own_tenant_only(service):
    """Nothing of one tenant is in a list of the other."""
    await make_pump(service)

    for kind, key, expected in (
        ("assets", "assets", ["other"]),
        ("aspecttypes", "aspectTypes", ["connectivityStatus"]),
    ):
        answer = await call(service, "GET", f"/{kind}?size=2000", who=service.other)
        assert [each["name"] for each in answer.json()["_embedded"][key]] == expected


# -- doors beside one another ----------------------------------------------------------------------


async def test_another_door_learns_of_changes(service):
    """What one door writes, the other shows at once by its id, and lists after its next look (design 4)."""
    async with running_door(service.catalog, service.clock) as second:
        asset = await make_pump(service)

        types = [
            await second.http.get(f"{BASE}/{path}", headers=service.acme)
            for path in ("assettypes/acme.Pump", "aspecttypes/acme.Environment")
        ]
        shown = await second.http.get(f"{BASE}/assets/{asset['assetId']}", headers=service.acme)
        await second.door.services.refresh()
        listed = await second.http.get(f"{BASE}/assettypes?size=1&sort=id,asc", headers=service.acme)

    assert [answer.status_code for answer in types] == [200, 200]
    assert shown.json() == asset
    assert listed.json()["_embedded"]["assetTypes"][0]["id"] == "acme.Pump"


async def test_everything_is_there_after_a_restart(service):
    """A new door reads types, assets and keys from the catalogue: tokens stay good (TB-10)."""
    asset = await make_pump(service)

    async with running_door(service.catalog, service.clock) as second:
        answer = await second.http.get(f"{BASE}/assets/{asset['assetId']}", headers=service.acme)

    assert answer.json() == asset
