"""Asset types change member by member; files and variables go down the family (MS-07, wire 4.1)."""

import pytest

from tests.api.doors import put_model_files
from tests.api.test_assets import BASE, ENVIRONMENT, PUMP, call, make_pump, problems, pump_body

PATH = "/assettypes/acme.Pump"
FILE, OTHER = "0123456789abcdef" * 2, "f" * 32
MEDIA = {"content-type": "application/merge-patch+json"}
BARE = {"name": "Bare", "parentTypeId": "core.basicasset"}


@pytest.fixture(autouse=True)
async def _files(service):
    await put_model_files(service, FILE, OTHER)


async def patch(service, path, body, etag="0"):
    """Send a merge-patch under an etag."""
    return await call(service, "PATCH", path, body, {"if-match": etag, **MEDIA})


# -- PATCH of a type -------------------------------------------------------------------------------


async def test_patch_changes_what_is_named(service):
    """Name, description and scope change alone, aspects keep their ids, `exploded` is known (wire 4.1)."""
    await make_pump(service)
    before = (await call(service, "GET", PATH)).json()

    answer = await patch(service, f"{PATH}?exploded=true", {"name": "Pumps", "description": "D", "id": "x"})

    found = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert (found["name"], found["description"], found["id"]) == ("Pumps", "D", "acme.Pump")
    assert found["aspects"][0]["aspectId"] == before["aspects"][0]["aspectId"]
    assert [each["name"] for each in found["variables"]] == ["power", "coreVendor", "coreModel"]


async def test_patch_adds_aspects(service):
    """A list of aspects is whole: those that are known by name or id keep their id (wire 4.2)."""
    await make_pump(service)
    [env] = (await call(service, "GET", PATH)).json()["aspects"]
    aspects = [
        {"name": "climate", "aspectId": env["aspectId"]},
        {"name": "second", "aspectTypeId": "acme.Environment"},
    ]

    found = (await patch(service, PATH, {"aspects": aspects})).json()["aspects"]

    assert [each["name"] for each in found] == ["climate", "second"]
    assert found[0]["aspectId"] == env["aspectId"] != found[1]["aspectId"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"parentTypeId": "core.basicasset"}, "/parentTypeId"),
        ({"instantiable": False}, "/instantiable"),
        ({"aspects": []}, "/aspects"),
        ({"variables": []}, "/variables"),
        ({"name": None}, "/name"),
        ({"fileAssignments": [{"key": "a", "fileId": "x"}]}, "/fileAssignments/0/fileId"),
    ],
)
async def test_what_a_patch_may_not_change(service, body, pointer):
    """Parent, instantiability, aspects and variables stay (wire 4.2)."""
    await make_pump(service)

    answer = await patch(service, PATH, body)

    assert problems(answer)[0][0] == pointer
    assert (await call(service, "GET", PATH)).json()["etag"] == 0


async def test_a_type_becomes_instantiable(service):
    """`instantiable` goes from false to true, and assets can be made then (wire 4.2)."""
    await call(service, "PUT", "/assettypes/acme.Bare", {**BARE, "instantiable": False})
    body = await pump_body(service, typeId="acme.Bare")
    before = await call(service, "POST", "/assets", body)

    await patch(service, "/assettypes/acme.Bare", {"instantiable": True})

    assert (before.status_code, (await call(service, "POST", "/assets", body)).status_code) == (400, 201)


CHANGES = [
    ("PATCH", "", {}),
    ("PATCH", "/variables", {}),
    ("PUT", "/fileAssignments/logo", {"fileId": FILE}),
    ("DELETE", "/fileAssignments/logo", None),
]


@pytest.mark.parametrize(("method", "part", "body"), CHANGES)
@pytest.mark.parametrize(
    ("headers", "status"), [({}, 400), ({"if-match": "7"}, 412), ({"if-match": "x"}, 412)]
)
async def test_changes_need_the_present_etag(service, method, part, body, headers, status):
    """Every change is under If-Match; unknown and foreign types are not found (wire 0.5, MS-31)."""
    files = [{"key": "logo", "fileId": FILE}]
    await call(service, "PUT", "/assettypes/acme.Bare", {**BARE, "fileAssignments": files})

    answer = await call(service, method, f"/assettypes/acme.Bare{part}", body, headers)
    present = {"if-match": "0"}
    unknown = await call(service, method, f"/assettypes/acme.Nothing{part}", body, present)
    foreign = await call(service, method, f"/assettypes/acme.Bare{part}", body, present, who=service.other)
    done = await call(service, method, f"/assettypes/acme.Bare{part}", body, present)

    assert (answer.status_code, unknown.status_code, foreign.status_code) == (status, 404, 404)
    assert (done.status_code, done.json()["etag"], done.headers["etag"]) == (200, 1, '"1"')


# -- variables -------------------------------------------------------------------------------------


async def test_variables_change_name_unit_length_and_default(service):
    """The answer is 200 with the type, because the SDK parses it (wire 0.3)."""
    body = {**BARE, "variables": [{"name": "serial", "dataType": "STRING", "length": 5, "defaultValue": "?"}]}
    await call(service, "PUT", "/assettypes/acme.Bare", body)
    change = {"serial": {"name": "number", "unit": "no", "length": 6, "defaultValue": None}}

    answer = await patch(service, "/assettypes/acme.Bare/variables", change)

    assert answer.status_code == 200
    assert answer.json()["variables"] == [
        {
            "name": "number", "dataType": "STRING", "unit": "no", "searchable": False, "length": 6,
            "defaultValue": None,
        }
    ]  # fmt: skip
    assert answer.json()["etag"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"nothing": {"unit": "x"}}, "/nothing"),
        ({"coreVendor": {"unit": "x"}}, "/coreVendor"),
        ({"power": {"name": "coreVendor"}}, "/power/name"),
        ({"power": {"name": "id"}}, "/power/name"),
        ({"power": {"unit": "x" * 33}}, "/power/unit"),
        ({"power": {"defaultValue": ""}}, "/power/defaultValue"),
        ({"power": None}, ""),
    ],
)
async def test_refused_variables_name_the_place(service, body, pointer):
    """No variable comes or goes, inherited ones are changed where they belong (wire 4.1)."""
    await make_pump(service)

    answer = await patch(service, f"{PATH}/variables", body)

    assert answer.status_code == 400
    assert [place for place, _ in problems(answer)] == [pointer]


async def test_a_variable_with_values_keeps_its_name(service):
    """Assets know a static variable by its name: while one has a value of it, it is not renamed."""
    await make_pump(service)
    body = await pump_body(service, name="P2", variables=[{"name": "power", "value": "11"}])
    asset = (await call(service, "POST", "/assets", body)).json()["assetId"]

    held = await patch(service, f"{PATH}/variables", {"power": {"name": "strength"}})
    await call(service, "PATCH", f"/assets/{asset}", {"variables": None}, {"if-match": "0"})
    freed = await patch(service, f"{PATH}/variables", {"power": {"name": "strength"}})

    assert problems(held) == [("/power", "inUse")]
    assert freed.json()["variables"][0]["name"] == "strength"


async def test_a_static_aspect_with_values_keeps_its_name(service):
    """The same for a static aspect; a dynamic one may always be renamed, its series stay (design 8.13)."""
    plate = {"name": "Plate", "category": "static", "variables": [{"name": "year", "dataType": "INT"}]}
    await call(service, "PUT", "/aspecttypes/acme.Plate", plate)
    await call(service, "PUT", PATH, {**PUMP, "aspects": [{"name": "plate", "aspectTypeId": "acme.Plate"}]})
    [aspect] = (await call(service, "GET", PATH)).json()["aspects"]
    values = [{"name": "plate", "variables": [{"name": "year", "value": "1999"}]}]
    asset = (await call(service, "POST", "/assets", await pump_body(service, aspects=values))).json()[
        "assetId"
    ]
    renamed = {"aspects": [{"name": "sign", "aspectId": aspect["aspectId"]}]}

    held = await patch(service, PATH, renamed)
    await call(service, "PATCH", f"/assets/{asset}", {"aspects": []}, {"if-match": "0"})
    freed = await patch(service, PATH, renamed)

    assert problems(held) == [("/aspects", "inUse")]
    assert freed.json()["aspects"][0]["name"] == "sign"


# -- files -----------------------------------------------------------------------------------------


async def test_files_are_inherited(service):
    """Exploded, a type shows the files above it with their origin; its own key hides one above (wire 4.2)."""
    await call(service, "PUT", "/assettypes/acme.Bare", BARE)
    await call(service, "PUT", "/assettypes/acme.Child", {**BARE, "name": "C", "parentTypeId": "acme.Bare"})
    for key in ("logo", "plan"):
        etag = (await call(service, "GET", "/assettypes/acme.Bare")).headers["etag"]
        path = f"/assettypes/acme.Bare/fileAssignments/{key}"
        await call(service, "PUT", path, {"fileId": FILE}, {"if-match": etag})

    path = "/assettypes/acme.Child"
    await call(service, "PUT", f"{path}/fileAssignments/logo", {"fileId": OTHER}, {"if-match": "0"})

    own = (await call(service, "GET", path)).json()["fileAssignments"]
    every = (await call(service, "GET", f"{path}?exploded=true")).json()["fileAssignments"]
    files = f"http://door{BASE}/files"
    assert own == [
        {
            "key": "logo",
            "fileId": OTHER,
            "_links": {
                "download": {"href": f"{files}/{OTHER}/file"},
                "metadata": {"href": f"{files}/{OTHER}"},
            },
        }
    ]
    assert every[:1] == own
    assert every[1]["_links"]["origin"] == {"href": f"http://door{BASE}/assettypes/acme.Bare"}
    assert [(each["key"], each["fileId"]) for each in every] == [("logo", OTHER), ("plan", FILE)]
    gone = await call(service, "DELETE", f"{path}/fileAssignments/plan", headers={"if-match": "1"})
    assert gone.status_code == 404  # it is not the type's own


async def test_lists_of_types_are_filtered(service):
    """The filters that clients send for types; ids of built-in ones in any case (wire 4.4, 4.5)."""
    await call(service, "PUT", "/aspecttypes/acme.Environment", ENVIRONMENT)
    await call(service, "PUT", PATH, PUMP)
    for query, expected in {
        '/assettypes?filter={"and":{"id":{"contains":"ump"}}}': ["acme.Pump"],
        '/assettypes?filter={"id":{"in":{"value":["acme.Pump","x"]}}}': ["acme.Pump"],
        '/assettypes?filter={"parentTypeId":"core.BasicDevice"}&sort=id,asc': [
            "acme.Pump",
            "core.basicagent",
        ],
        '/aspecttypes?filter={"and":{"id":{"contains":"Env"}}}': ["acme.Environment"],
        '/aspecttypes?filter={"category":"static"}': ["core.connectivitystatus"],
    }.items():
        embedded = (await call(service, "GET", query)).json()["_embedded"]
        assert [each["id"] for each in next(iter(embedded.values()))] == expected, query
