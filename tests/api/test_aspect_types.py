"""Aspect types change member by member, variable by variable; stored records follow (MS-06, TB-77)."""

import pytest

from tests.api.test_assets import ENVIRONMENT, PUMP, call, make_pump, problems, pump_body

PATH = "/aspecttypes/acme.Environment"
PREVIEW = "/api/aspectstore/v1/aspecttypes/acme.Environment/preview"
STATIC = {
    "name": "Plate",
    "category": "static",
    "variables": [
        {"name": "vendor", "dataType": "STRING", "length": 20, "defaultValue": "?", "searchable": True},
        {"name": "year", "dataType": "INT"},
    ],
}
MEDIA = {"content-type": "application/merge-patch+json"}


async def patch(service, path, body, etag="0"):
    """Send a merge-patch under an etag."""
    return await call(service, "PATCH", path, body, {"if-match": etag, **MEDIA})


async def variables(service, path=PATH):
    """Give (name, type, unit, length) of the variables of a type."""
    shown = (await call(service, "GET", path)).json()["variables"]
    return [(each["name"], each["dataType"], each["unit"], each["length"]) for each in shown]


async def preview(service, body, path=PREVIEW, who=None):
    """Ask what a change would do."""
    return await service.http.post(path, json=body, headers=who or service.acme)


async def make_plated(service, name, value):
    """Create a type with the static aspect `plate`, and an asset with one value of it; give the asset."""
    assert (await call(service, "PUT", "/aspecttypes/acme.Plate", STATIC)).status_code == 201
    body = {**PUMP, "aspects": [{"name": "plate", "aspectTypeId": "acme.Plate"}]}
    assert (await call(service, "PUT", "/assettypes/acme.Pump", body)).status_code == 201
    values = [{"name": "plate", "variables": [{"name": name, "value": value}]}]
    answer = await call(service, "POST", "/assets", await pump_body(service, aspects=values))
    assert answer.status_code == 201, answer.text
    return answer.json()


# -- PATCH of a type -------------------------------------------------------------------------------


async def test_patch_changes_what_is_named(service):
    """Description and scope change alone; a list of variables is replaced whole (wire 4.1)."""
    await call(service, "PUT", PATH, ENVIRONMENT)

    first = await patch(service, PATH, {"description": None, "scope": "public"})
    more = [*ENVIRONMENT["variables"], {"name": "wind", "dataType": "INT"}]
    second = await patch(service, PATH, {"variables": more, "tenantId": "x", "etag": 7}, "1")

    assert (first.status_code, first.json()["description"], first.json()["scope"]) == (200, "", "public")
    assert first.json()["variables"][0]["qualityCode"] is True
    assert (second.json()["etag"], second.headers["etag"]) == (2, '"2"')
    assert [each["name"] for each in second.json()["variables"]] == ["temperature", "note", "wind"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "Other"}, "/name"),
        ({"category": "static"}, "/category"),
        ({"variables": []}, "/variables"),
        ({"name": None}, "/name"),
        ({"scope": "secret"}, "/scope"),
        ({"variables": [{"name": "temperature", "dataType": "STRING"}]}, "/variables/0/dataType"),
    ],
)
async def test_what_a_patch_may_not_change(service, body, pointer):
    """Name and category stay, and only the route of variables removes some (MS-06)."""
    await call(service, "PUT", PATH, ENVIRONMENT)

    answer = await patch(service, PATH, body)

    assert answer.status_code == 400
    assert pointer in [place for place, _ in problems(answer)]


@pytest.mark.parametrize("part", ["", "/variables"])
@pytest.mark.parametrize(
    ("headers", "status"), [({}, 400), ({"if-match": "1"}, 412), ({"if-match": "x"}, 412)]
)
async def test_patches_need_the_present_etag(service, part, headers, status):
    """Both patches are under If-Match, and unknown types are not found (wire 0.5)."""
    await call(service, "PUT", PATH, ENVIRONMENT)

    assert (await call(service, "PATCH", PATH + part, {}, headers)).status_code == status
    assert (await patch(service, "/aspecttypes/acme.Nothing" + part, {})).status_code == 404
    foreign = await call(service, "PATCH", PATH + part, {}, {"if-match": "0"}, who=service.other)
    assert foreign.status_code == 404


# -- PATCH of variables ----------------------------------------------------------------------------


async def test_variables_are_added_changed_renamed_and_removed(service):
    """A map from names to what changes; the answer is 204 with the ETag (wire 4.1)."""
    await call(service, "PUT", PATH, ENVIRONMENT)
    body = {
        "temperature": {"name": "temp", "unit": "K"},
        "note": None,
        "wind": {"dataType": "DOUBLE", "unit": "m/s"},
        "absent": None,
    }

    answer = await patch(service, f"{PATH}/variables", body)

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", '"1"')
    assert await variables(service) == [("temp", "DOUBLE", "K", None), ("wind", "DOUBLE", "m/s", None)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"wind": {}}, [("/wind/dataType", "missingRequestBodyProperty")]),
        ({"wind": {"dataType": "WORD"}}, [("", "invalidRequestBodyProperty")]),
        ({"wind": {"dataType": "INT", "name": "other"}}, [("/wind/name", "invalidRequestBodyProperty")]),
        ({"1x": {"dataType": "INT"}}, [("/1x/name", "invalidRequestBodyProperty")]),
        ({"note": {"dataType": "INT"}}, [("/note/dataType", "invalidRequestBodyProperty")]),
        ({"note": {"length": 19}}, [("/note/length", "invalidRequestBodyProperty")]),
        ({"note": {"qualityCode": True}}, [("/note/qualityCode", "invalidRequestBodyProperty")]),
        ({"note": {"name": "temperature"}}, [("/note/name", "invalidRequestBodyProperty")]),
        ({"temperature": None, "note": {"name": "id"}}, [("/note/name", "invalidRequestBodyProperty")]),
        ({"note": {"name": "temperature_qc"}}, [("/note/name", "invalidRequestBodyProperty")]),
    ],
)
async def test_refused_variables_name_the_place(service, body, expected):
    """Types only widen, lengths only grow, quality stays, names are unique (MS-06, MS-10, design 8.12)."""
    await call(service, "PUT", PATH, ENVIRONMENT)

    answer = await patch(service, f"{PATH}/variables", body)

    assert answer.status_code == 400
    assert problems(answer) == expected
    assert (await call(service, "GET", PATH)).json()["etag"] == 0


async def test_names_may_be_swapped(service):
    """Each variable stays itself, whatever it is called: two may swap names, one may take a freed name."""
    body = {
        **ENVIRONMENT,
        "variables": [{"name": "a", "dataType": "INT"}, {"name": "b", "dataType": "STRING"}],
    }
    await call(service, "PUT", PATH, body)

    swapped = await patch(service, f"{PATH}/variables", {"a": {"name": "b"}, "b": {"name": "a"}})
    freed = await patch(service, f"{PATH}/variables", {"b": None, "a": {"name": "b"}}, "1")

    assert (swapped.status_code, freed.status_code) == (204, 204)
    assert await variables(service) == [("b", "STRING", None, None)]


async def test_types_widen(service):
    """INT becomes LONG or DOUBLE, LONG becomes DOUBLE, and stored values are read as that (design 8.12)."""
    body = {**ENVIRONMENT, "variables": [{"name": "n", "dataType": "INT"}]}
    await call(service, "PUT", PATH, body)
    await call(service, "PUT", "/assettypes/acme.Pump", PUMP)
    asset = (await call(service, "POST", "/assets", await pump_body(service))).json()["assetId"]
    series = f"/api/iottimeseries/v3/timeseries/{asset}/env"
    first = [{"_time": "2026-01-01T00:00:00Z", "n": 3}]
    assert (await service.http.put(series, json=first, headers=service.acme)).status_code == 204

    widened = await patch(service, f"{PATH}/variables", {"n": {"dataType": "DOUBLE"}})
    second = [{"_time": "2026-01-01T00:00:01Z", "n": 0.5}]
    assert (await service.http.put(series, json=second, headers=service.acme)).status_code == 204
    back = await patch(service, f"{PATH}/variables", {"n": {"dataType": "INT"}}, "1")

    query = "?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z"
    read = (await service.http.get(series + query, headers=service.acme)).json()
    assert (widened.status_code, back.status_code) == (204, 400)
    assert [record["n"] for record in read] == [3, 0.5]


async def test_records_follow_their_variables(service):
    """A renamed variable shows its old values, a removed one none, one made anew starts empty (TB-77)."""
    asset = await make_pump(service)
    series = f"/api/iottimeseries/v3/timeseries/{asset['assetId']}/env"
    old = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5, "note": "kept"}]
    assert (await service.http.put(series, json=old, headers=service.acme)).status_code == 204

    await patch(service, f"{PATH}/variables", {"temperature": {"name": "temp"}, "note": None})
    refused = await service.http.put(series, json=old, headers=service.acme)
    renamed = (await service.http.get(series, headers=service.acme)).json()
    anew = {"note": {"dataType": "STRING", "length": 20}}
    await patch(service, f"{PATH}/variables", anew, "1")
    again = (await service.http.get(series, headers=service.acme)).json()

    assert refused.status_code == 400
    assert renamed == again == [{"_time": "2026-01-01T00:00:00.000Z", "temp": 1.5}]


async def test_static_values_are_not_left_behind(service):
    """A static variable that an asset has a value of can neither go nor be renamed (decision 26)."""
    asset = await make_plated(service, "vendor", "V")

    for body in ({"vendor": None}, {"vendor": {"name": "maker"}}):
        answer = await patch(service, "/aspecttypes/acme.Plate/variables", body)
        assert problems(answer) == [("/vendor", "inUse")]
    freed = await patch(service, "/aspecttypes/acme.Plate/variables", {"year": {"name": "built"}})
    bare = {"aspects": []}
    await call(service, "PATCH", f"/assets/{asset['assetId']}", bare, {"if-match": "0"})
    renamed = await patch(service, "/aspecttypes/acme.Plate/variables", {"vendor": {"name": "maker"}}, "1")

    assert (freed.status_code, renamed.status_code) == (204, 204)
    shown = (await call(service, "GET", f"/assets/{asset['assetId']}")).json()["aspects"][0]
    assert shown["variables"] == [{"name": "maker", "value": "?"}, {"name": "built", "value": None}]


async def test_static_aspects_hold_attributes(service):
    """A static aspect shows the asset's value, else the default, and has no time series (wire 4.2)."""
    asset = await make_plated(service, "year", "1999")

    assert asset["aspects"][0] == {
        "name": "plate",
        "variables": [{"name": "vendor", "value": "?"}, {"name": "year", "value": "1999"}],
    }
    series = f"/api/iottimeseries/v3/timeseries/{asset['assetId']}/plate"
    assert (await service.http.get(series, headers=service.acme)).status_code == 404


# -- preview ---------------------------------------------------------------------------------------


async def test_preview_tells_and_changes_nothing(service):
    """It names the variables, what becomes of stored values, and how many assets have them (TB-77)."""
    await make_pump(service)
    await call(service, "POST", "/assets", await pump_body(service, name="P2"))
    body = {
        "temperature": {"name": "temp", "unit": "K"},
        "note": {"length": 30},
        "wind": {"dataType": "INT"},
    }

    answer = await preview(service, body)

    found = answer.json()
    assert answer.status_code == 200
    assert [(each["variable"], each["effect"], each["name"]) for each in found.pop("changes")] == [
        ("temperature", "renamed", "temp"),
        ("temperature", "unitChanged", "temp"),
        ("note", "lengthened", "note"),
        ("wind", "added", "wind"),
    ]
    assert found == {
        "etag": 0, "allowed": True, "problems": [], "assetTypes": ["acme.Pump"], "assets": 2, "series": 2,
    }  # fmt: skip
    assert (await call(service, "GET", PATH)).json()["etag"] == 0


async def test_preview_of_what_would_be_refused(service):
    """It gives the problems that the change itself would give."""
    await make_pump(service)
    body = {"note": {"dataType": "INT"}}

    found = (await preview(service, body)).json()

    refused = await patch(service, f"{PATH}/variables", body)
    assert (found["allowed"], found["changes"]) == (False, [])
    assert [(each["pointer"], each["message"]) for each in found["problems"]] == [
        (each["pointer"], each["message"]) for each in refused.json()["errors"]
    ]


async def test_preview_is_of_the_own_tenant(service):
    """Foreign and unknown types are not found; our own routes refuse unknown parameters (design 8.22)."""
    await make_pump(service)

    unknown = PREVIEW.replace("Environment", "Nothing")
    assert (await preview(service, {}, who=service.other)).status_code == 404
    assert (await preview(service, {}, unknown)).status_code == 404
    assert (await preview(service, {}, f"{PREVIEW}?x=1")).status_code == 400
    assert (await preview(service, {"x": 1})).status_code == 400
