"""Metadata of sensors as documents of a tenant: replaced, loaded, selected (SM-20, SM-21)."""

import json

import msgspec
import pytest

from schemas.sensors import SENSORS_OF_ASSET_MAX, Selector
from tests.api.masts import MAST, SECOND, at

PATH = "/api/aspectstore/v1/sensors"
WIND = {"aspect": "weather", "variable": "temperature", "quantity": "wind_speed", "heightM": 80.0}


def sensor(asset=MAST, **others):
    """Give what is said of one sensor."""
    return {"asset": asset, **WIND, **others}


async def put(mast, sensors, asset=MAST, **headers):
    """Replace what is known of an asset's sensors."""
    return await mast.send("PUT", f"{PATH}/{asset}", {"sensors": sensors}, **headers)


async def select(mast, **parameters):
    """Select sensors; gives (asset's first letter, variable)."""
    answer = await mast.send("GET", PATH, None, parameters)
    assert answer.status_code == 200, answer.text
    return [(each["asset"][0], each["variable"]) for each in answer.json()["sensors"]]


async def test_metadata_are_replaced_under_their_version(site):
    """Nothing at first, then what was put; a change needs the version that it builds on."""
    mast = site.open
    none = await mast.send("GET", f"{PATH}/{MAST}")
    made = await put(mast, [sensor()])
    without, stale = await put(mast, []), await put(mast, [], if_match='"7"')
    only_new = await put(mast, [], if_none_match="*")
    changed = await put(mast, [sensor(statistic="avg")], if_match=made.headers["etag"])
    read = await mast.send("GET", f"{PATH}/{MAST}")

    assert ({"sensors": []}, "etag" in none.headers) == (none.json(), False)
    assert (200, {"sensors": [sensor()]}) == (made.status_code, made.json())
    assert (400, 412, 412) == (without.status_code, stale.status_code, only_new.status_code)
    assert [sensor(statistic="avg")] == read.json()["sensors"] == changed.json()["sensors"]
    assert changed.headers["etag"] == read.headers["etag"] != made.headers["etag"]
    assert 412 == (await put(mast, [], asset=SECOND, if_match='"0"')).status_code


async def test_every_problem_of_metadata_is_told_with_its_place(site):
    """Another asset, an aspect that is not there, a name that is none, an end before its beginning."""
    wrong = [
        sensor(asset=SECOND), sensor(aspect="none"), sensor(variable="1 m"), sensor(fromMs=5, toMs=5),
    ]  # fmt: skip
    answer = await put(site.open, wrong)

    assert 400 == answer.status_code
    places = ["/sensors/0/asset", "/sensors/1/aspect", "/sensors/2/variable", "/sensors/3/toMs"]
    assert places == [error["pointer"] for error in answer.json()["errors"]]
    many = await put(site.open, [sensor()] * (SENSORS_OF_ASSET_MAX + 1))
    assert 413 == many.status_code
    for bad in ({"heightM": 1e9}, {"unknown": 1}, {"orientationDeg": 361}):
        assert 400 == (await put(site.open, [sensor(**bad)])).status_code


async def test_all_wind_speeds_at_80_m_are_one_selection(site):
    """Whatever the variables are called, over all assets of the tenant and of no other one (SM-20)."""
    mast = site.open
    await put(mast, [sensor(), sensor(variable="pressure", quantity="air_pressure")])
    await put(mast, [sensor(SECOND, variable="later"), sensor(SECOND, heightM=60.0)], asset=SECOND)
    await put(site.other, [sensor(variable="level")])

    wanted = {"quantity": "wind_speed", "heightM": "80"}
    assert [("a", "temperature"), ("c", "later")] == await select(mast, **wanted)
    assert [("c", "later"), ("c", "temperature")] == await select(mast, asset=SECOND)
    assert [("c", "temperature")] == await select(mast, heightToM="70.5", heightFromM="60")
    assert [("a", "level")] == await select(site.other, **wanted)
    chosen = site.door.services.index.select("acme", Selector(quantity="wind_speed", height_m=80))
    assert [(MAST, "weather", "temperature")] == [tuple(each) for each in chosen]  # the other is no variable
    assert [] == site.door.services.index.select("acme", Selector(), assets=["f" * 32])


async def test_validity_and_wrong_questions(site):
    """A replaced instrument is two sensors; what is no time, or unknown, is refused (8.22)."""
    mast = site.open
    old, new = (
        sensor(instrument={"serial": "1"}, toMs=1_000),
        sensor(instrument={"serial": "2"}, fromMs=1_000),
    )
    await put(mast, [old, new])

    assert 1 == len(await select(mast, at="1970-01-01T00:00:00Z", serial="1"))
    assert [] == await select(mast, at="1970-01-01T00:00:01Z", serial="1")
    for wrong in ({"at": "today"}, {"height": "80"}, {"heightM": "high"}):
        assert 400 == (await mast.send("GET", PATH, None, wrong)).status_code
    for unknown in (f"{PATH}/{'9' * 32}", f"{PATH}?asset={'9' * 32}"):
        assert 404 == (await mast.send("GET", unknown)).status_code


async def test_aspects_may_change_their_names(site):
    """Metadata follow the aspect, as series do (design 8.13)."""
    await put(site.open, [sensor()])
    document = await site.catalog.get("acme", "assettype", "acme.Mast")
    body = json.loads(document.body)
    body["aspects"][0]["name"] = "climate"
    await site.catalog.replace("acme", "assettype", "acme.Mast", msgspec.json.encode(body), document.version)
    await site.door.services.refresh()

    read = await site.open.send("GET", f"{PATH}/{MAST}")
    assert ["climate"] == [each["aspect"] for each in read.json()["sensors"]]


async def test_a_document_of_the_data_model_is_loaded_into_an_aspect(site, test_data):
    """In the place of what was known of the aspect; the same again changes nothing (IEA Wind Task 43)."""
    mast, model = site.open, json.loads((test_data / "mast/iea43_wra_data_model.json").read_text())
    await put(mast, [sensor(), sensor(aspect="tyres")])
    path = f"{PATH}/{MAST}/iea43"
    loaded = await mast.send("POST", path, model, {"aspect": "weather"})
    again = await mast.send("POST", path, model, {"aspect": "weather"})

    assert (200, 200) == (loaded.status_code, again.status_code), loaded.text
    assert loaded.headers["etag"] == again.headers["etag"]
    assert ["tyres"] == [each["aspect"] for each in loaded.json()["sensors"] if each["aspect"] != "weather"]
    wanted = {"quantity": "wind_speed", "heightM": "80", "statistic": "avg"}
    assert [("a", "Spd80mN"), ("a", "Spd80mS")] == sorted(set(await select(mast, **wanted)))


@pytest.mark.parametrize(
    ("parameters", "body", "status"),
    [
        ({"aspect": "weather"}, {"x": 1}, 400),
        ({"aspect": "weather"}, [], 400),
        ({"aspect": "none"}, {"measurement_location": []}, 400),
        ({"aspect": "weather", "zone": "Nowhere"}, {"measurement_location": []}, 400),
        ({}, {"measurement_location": []}, 400),
    ],
)
async def test_what_cannot_be_loaded_is_refused(site, parameters, body, status):
    """Another document, an aspect that is not there, a zone that is none."""
    answer = await site.open.send("POST", f"{PATH}/{MAST}/iea43", body, parameters)

    assert status == answer.status_code
    assert [] == (await site.open.send("GET", f"{PATH}/{MAST}")).json()["sensors"]


async def test_queries_read_what_sensors_mean(site):
    """All wind speeds at 80 m of all masts are one question, for records and for aggregates (SM-20)."""
    mast, second = site.open, site.open.of(SECOND)
    await put(mast, [sensor(), sensor(variable="pressure", quantity="air_pressure")])
    await put(second, [sensor(SECOND, variable="pressure"), sensor(SECOND, variable="level")], asset=SECOND)
    for one in (mast, second):
        await one.wrote([{"_time": at(-1_000), "temperature": 1, "pressure": 2, "level": 3, "count": 4}])
    await site.step()
    meant = {"sensors": {"quantity": "wind_speed", "heightM": 80}}
    asked = {**meant, "from": at(-5_000), "to": at(0)}
    answer = await mast.send("POST", "/api/aspectstore/v1/query", asked)
    hourly = {**asked, "from": at(0, -2), "to": at(0), "aggregate": {"unit": "hour", "functions": ["sum"]}}
    sums = await mast.send("POST", "/api/aspectstore/v1/query", hourly)

    assert 200 == answer.status_code, answer.text
    found = {one["assetId"]: one["records"][0].keys() for one in answer.json()["series"]}
    assert {MAST: {"_time", "temperature"}, SECOND: {"_time", "pressure", "level"}} == found
    named = [
        {name for each in one["aggregates"] for name in each if name in {"temperature", "pressure", "level"}}
        for one in sums.json()["series"]
    ]
    assert [{"temperature"}, {"pressure", "level"}] == named
    none = await mast.send("POST", "/api/aspectstore/v1/query", {"sensors": {"quantity": "none"}})
    both = await mast.send("POST", "/api/aspectstore/v1/query", {**meant, "assets": [MAST]})
    assert (404, 400) == (none.status_code, both.status_code)
