"""Mappings of data points over HTTP: each rule of MS-85, and lists of them (wire 6.1)."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from api.agents.mappings import Asked
from schemas import mappings as rules
from schemas.aspects import AspectType, VariableType
from schemas.errors import Forbidden, NotFound
from tests.api.masts import MAST, SECOND, aspect_type
from tests.api.stations import (
    AGENT,
    GATEWAY,
    MAPPINGS,
    WEATHER,
    Station,
    agent_identity,
    mapping,
    put_agents,
    words,
)

VALID = {"status": "VALID", "reasons": []}
NO_MAPPING = (404, "There is no such mapping.")


def invalid(*reasons):
    """Write the validity of a mapping by which nothing goes."""
    return {"status": "INVALID", "reasons": list(reasons)}


@pytest.fixture
async def station(site):
    """An engineer of `acme`, whose first agent has the usual configuration."""
    await put_agents(site, "acme", "other")
    station = Station(site.open)
    await station.configured(0)
    return station


async def put_weather(station, **changes):
    """Change variables of the aspect type by their names; None removes one."""
    old = await station.site.catalog.get("acme", "aspecttype", "acme.weather")
    kept = []
    for variable in msgspec.json.decode(old.body, type=AspectType).variables:
        if variable.name not in changes:
            kept.append(variable)
        elif changes[variable.name] is not None:
            kept.append(msgspec.structs.replace(variable, **changes[variable.name]))
    body = msgspec.json.encode(msgspec.structs.replace(aspect_type("acme", "weather"), variables=tuple(kept)))
    await station.site.catalog.replace("acme", "aspecttype", "acme.weather", body, old.version)
    await station.site.door.services.refresh()


# -- making one ------------------------------------------------------------------------------------


async def test_a_mapping_has_what_it_joins(station):
    """What the server fills in is type and unit of both ends, and whether codes are kept (wire 6.1)."""
    answer = await station.map("dp-t", "temperature", keepMapping=True)

    found = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{MAPPINGS}/{found['id']}")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["id"])
    assert found == {
        "id": found["id"], "agentId": AGENT, "dataPointId": "dp-t", "dataPointUnit": "",
        "dataPointType": "DOUBLE", "entityId": MAST, "propertySetName": "weather",
        "propertyName": "temperature", "propertyUnit": "", "propertyType": "DOUBLE",
        "qualityEnabled": True, "keepMapping": True, "validity": VALID,
    }  # fmt: skip
    assert (await station.shown(found)).json() == found


async def test_what_only_the_server_sets_is_ignored(station):
    """Clients send whole mappings that they read elsewhere."""
    first = await station.mapped()
    await station.removed(first)

    again = await station.mapped(**{**first, "id": "x", "propertyType": "INT", "validity": invalid()})

    assert again == {**first, "id": again["id"]}
    assert again["id"] not in {"x", first["id"]}


async def test_the_same_mapping_again_is_a_conflict(station):
    """Posting a mapping that there is answers 409, which clients take for done (wire 13.13)."""
    first = await station.mapped()

    again = await station.map(keepMapping=True)

    assert words(again) == (409, "There is such a mapping already.")
    assert (await station.listed())["content"] == [first]


async def test_a_data_point_feeds_one_variable_of_an_aspect(station):
    """Not two variables of the same aspect of the same asset, but as many others as there are (MS-85)."""
    await station.mapped("dp-t", "temperature")

    same = await station.map("dp-t", "pressure")
    await station.mapped("dp-t", "pressure", asset=SECOND)
    await station.mapped("dp-t", "FRWheel", aspect="tyres")

    assert words(same) == (409, "The data point feeds temperature of the same aspect already.")
    assert len(station.routes().by_point["dp-t"]) == 3
    assert {routed.asset_id for routed in station.routes().aspects} == {MAST, SECOND}


async def test_a_variable_is_fed_by_one_data_point_of_an_agent(station):
    """Another data point of the same agent is refused, another agent is not (MS-85)."""
    await station.configured(0, agent=GATEWAY)
    await station.mapped("dp-t", "temperature")

    same = await station.map("dp-p", "temperature")
    await station.mapped("dp-p", "temperature", agent=GATEWAY)

    assert words(same) == (409, "temperature is fed by the data point dp-t of the agent already.")
    assert len((await station.listed())["content"]) == 2


@pytest.mark.parametrize(
    ("point", "variable"), [("dp-t", "level"), ("dp-n", "level"), ("dp-n", "temperature"), ("dp-t", "label")]
)
async def test_types_must_be_the_same(station, point, variable):
    """A data point of another type is refused with 400, and be it a narrower one (MS-85)."""
    answer = await station.map(point, variable)

    status, message = words(answer)
    assert status == 400
    assert message.startswith("/dataPointId: The data point is ")
    assert message.endswith("Their types must be the same.")
    assert (await station.listed())["totalElements"] == 0


async def test_a_differing_unit_is_kept_as_not_valid(station):
    """The mapping is made with INVALID_UNIT, and no value goes by it (MS-85)."""
    await put_weather(station, temperature={"unit": "°C"})

    found = await station.mapped()

    assert found["validity"] == invalid("INVALID_UNIT")
    assert (found["dataPointUnit"], found["propertyUnit"]) == ("", "°C")
    assert station.routes().by_point == {}
    (fault,) = station.routes().faults["dp-t"]
    assert fault.reasons == (rules.Reason.INVALID_UNIT,)


async def test_a_data_point_must_be_there_unless_the_caller_says_otherwise(station):
    """`noAgentValidation` makes the mapping before the agent has the data point (wire 6.1)."""
    refused = await station.map("dp-new")
    found = await station.mapped("dp-new", blind=True, keepMapping=True)
    await station.configured(1, {"dp-new": ("DOUBLE", "")})

    assert words(refused) == (400, "/dataPointId: The agent's configuration has no such data point.")
    assert found["validity"] == invalid("MISSING_DATAPOINT")
    assert (found["dataPointType"], found["dataPointUnit"]) == (None, None)
    assert (await station.shown(found)).json()["validity"] == VALID


async def test_types_must_be_the_same_also_without_validation(station):
    """What is there is looked at: only a missing data point is waived."""
    assert words(await station.map("dp-n", "level", blind=True))[0] == 400


REFUSED = {
    "no such agent": ({"agent": "f" * 32}, "/agentId: There is no such agent."),
    "no such asset": ({"asset": "f" * 32}, "/entityId: There is no such asset."),
    "no id of an asset": ({"asset": MAST.upper()}, "/entityId: There is no such asset."),
    "no such aspect": ({"aspect": "x"}, "/propertySetName: There is no such aspect with time series."),
    "no such variable": ({"variable": "x"}, "/propertyName: The aspect has no such variable."),
    "empty data point": ({"point": ""}, "/dataPointId: It has 1 to 36 characters."),
    "long data point": ({"point": "p" * 37, "blind": True}, "/dataPointId: It has 1 to 36 characters."),
    "keepMapping is no boolean": ({"keepMapping": "yes"}, "/keepMapping: Expected `bool`, got `str`"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_a_mapping_names_must_be_there(station, case):
    """A body that names something else is refused with 400 and the place (wire 6.1)."""
    members, expected = REFUSED[case]

    assert words(await station.map(**members)) == (400, expected)


async def test_a_body_without_a_name_is_refused(station):
    """Each of the five names is required."""
    for name in ("agentId", "dataPointId", "entityId", "propertySetName", "propertyName"):
        body = mapping()
        del body[name]

        answer = await station.mast.send("POST", MAPPINGS, body)

        assert words(answer) == (400, f"Object missing required field `{name}`")


@pytest.mark.parametrize(
    "limit", ["MAPPINGS_OF_POINT_MAX", "MAPPINGS_OF_AGENT_MAX", "MAPPINGS_OF_TENANT_MAX"]
)
async def test_there_are_so_many_mappings_and_no_more(station, limit, monkeypatch):
    """Each limit is told with 409; what was removed makes room."""
    monkeypatch.setattr(f"api.agents.mappings.{limit}", 2)
    first = await station.mapped()
    await station.mapped(asset=SECOND)

    refused = await station.map("dp-t", "FRWheel", aspect="tyres")
    await station.removed(first)
    taken = await station.map("dp-t", "FRWheel", aspect="tyres")

    assert refused.status_code == 409
    assert "at most 2 mappings" in words(refused)[1]
    assert taken.status_code == 201


# -- changes of the configuration ------------------------------------------------------------------


async def test_a_new_configuration_ends_mappings_that_are_not_kept(station):
    """PUT deletes those without `keepMapping` and judges the others anew (wire 6.1)."""
    gone = await station.mapped("dp-t", "temperature")
    kept = await station.mapped("dp-p", "pressure", keepMapping=True)
    lost = await station.mapped("dp-n", "count", keepMapping=True)

    await station.configured(1, {"dp-t": ("DOUBLE", ""), "dp-p": ("DOUBLE", "hPa")})

    assert words(await station.shown(gone)) == NO_MAPPING
    assert words(await station.removed(gone)) == NO_MAPPING
    assert (await station.shown(kept)).json() == {
        **kept, "dataPointUnit": "hPa", "validity": invalid("INVALID_UNIT"),
    }  # fmt: skip
    assert (await station.shown(lost)).json() == {
        **lost, "dataPointUnit": None, "dataPointType": None, "validity": invalid("MISSING_DATAPOINT"),
    }  # fmt: skip
    assert (await station.listed())["totalElements"] == 2
    stored = json.loads((await station.site.catalog.list("acme", "mapping"))[0].body)
    assert {each["id"] for each in stored["mappings"]} == {kept["id"], lost["id"]}


async def test_the_same_configuration_again_ends_them_too(station):
    """It is the PUT that counts, not what it changes; and the ended mapping can be made again."""
    first = await station.mapped()

    await station.configured(1)
    again = await station.mapped()

    assert words(await station.shown(first)) == NO_MAPPING
    assert (await station.shown(again)).json()["validity"] == VALID


async def test_another_agents_configuration_ends_nothing(station):
    """A configuration is one agent's."""
    found = await station.mapped()

    await station.configured(0, agent=GATEWAY)

    assert (await station.shown(found)).status_code == 200


async def test_a_type_that_changed_with_the_configuration_is_told(station):
    """A kept mapping whose data point has another type now is INVALID_TYPE."""
    found = await station.mapped(keepMapping=True)

    await station.configured(1, {"dp-t": ("LONG", "K")})

    assert (await station.shown(found)).json()["validity"] == invalid("INVALID_TYPE", "INVALID_UNIT")


# -- changes of types and assets -------------------------------------------------------------------


async def test_a_mapping_follows_its_variable(station):
    """It is widened: INVALID_TYPE. It is gone: MISSING_PROPERTY. It is renamed: the mapping goes with it."""
    wide = await station.mapped("dp-n", "count", keepMapping=True)
    gone = await station.mapped("dp-p", "pressure")
    named = await station.mapped("dp-t", "temperature")

    await put_weather(
        station, count={"type": VariableType.DOUBLE}, pressure=None, temperature={"name": "heat", "unit": "K"}
    )

    assert (await station.shown(wide)).json()["validity"] == invalid("INVALID_TYPE")
    assert (await station.shown(wide)).json()["propertyType"] == "DOUBLE"
    lost = (await station.shown(gone)).json()
    assert lost == {
        **gone, "propertyUnit": None, "propertyType": None, "qualityEnabled": False,
        "validity": invalid("MISSING_PROPERTY"),
    }  # fmt: skip
    renamed = (await station.shown(named)).json()
    assert (renamed["propertyName"], renamed["validity"]) == ("heat", invalid("INVALID_UNIT"))
    assert station.routes().by_point == {}


async def test_a_mapping_whose_variable_is_gone_gives_way(station):
    """A variable that comes back under its name is a new one; a new mapping takes the place of the old."""
    old = await station.mapped("dp-p", "pressure")
    await put_weather(station, pressure=None, temperature={"name": "pressure"})

    new = await station.mapped("dp-p", "pressure")

    assert words(await station.shown(old)) == NO_MAPPING
    assert (await station.listed())["content"] == [new]


async def test_a_deleted_asset_takes_no_values(station):
    """Its mappings stay to be seen, as MISSING_PROPERTY (MS-31)."""
    found = await station.mapped(asset=SECOND)
    assert station.routes().by_point["dp-t"]
    document = await station.site.catalog.get("acme", "asset", SECOND)
    body = json.dumps({**json.loads(document.body), "deleted_ms": 1}).encode()

    await station.site.catalog.replace("acme", "asset", SECOND, body, document.version)
    await station.site.door.services.refresh()

    assert (await station.shown(found)).json()["validity"] == invalid("MISSING_PROPERTY")
    assert station.routes().by_point == {}
    assert station.routes().faults["dp-t"][0].aspect_name == "weather"


# -- lists -----------------------------------------------------------------------------------------


async def test_lists_are_pages_as_spring_writes_them(station):
    """The size is 20 unless it is named, and `last` is true from the last page on (wire 13.16)."""
    made = [
        await station.mapped("dp-p", "v1", aspect="wide"),
        await station.mapped("dp-t", "v0", aspect="wide"),
    ]

    whole = await station.listed()
    second = await station.listed(size=1, page=1, sort="dataPointId,desc")
    beyond = await station.listed(size=1, page=2)

    assert whole["content"] == made
    assert (whole["size"], whole["totalPages"], whole["last"], whole["sort"]) == (20, 1, True, None)
    assert (second["content"], second["last"], second["sort"][0]["direction"]) == ([made[0]], True, "DESC")
    assert (beyond["content"], beyond["last"], beyond["totalElements"]) == ([], True, 2)


FILTERS = {
    "agent": ({"agentId": AGENT}, [0, 1, 2]),
    "other agent": ({"agentId": {"eq": GATEWAY}}, [3]),
    "unknown agent": ({"agentId": "f" * 32}, []),
    "agent inside and": ({"and": {"agentId": GATEWAY, "dataPointId": "dp-t"}}, [3]),
    "no agent": ({"not": {"agentId": AGENT}}, [3]),
    "agents": ({"agentId": {"in": [AGENT, GATEWAY]}}, [0, 1, 2, 3]),
    "either": ({"or": {"agentId": GATEWAY, "dataPointId": "dp-p"}}, [1, 3]),
    "point": ({"dataPointId": "dp-t"}, [0, 2, 3]),
    "asset": ({"entityId": SECOND}, [2]),
    "aspect": ({"propertySetName": {"startsWith": "wea"}}, [0, 1, 2, 3]),
    "variable": ({"propertyName": {"contains": "ress"}}, [1]),
    "units": ({"dataPointUnit": "", "propertyUnit": "hPa"}, [1]),
    "types": ({"dataPointType": "DOUBLE", "propertyType": "DOUBLE"}, [0, 1, 2, 3]),
    "quality": ({"qualityEnabled": True}, [0, 2, 3]),
    "kept": ({"keepMapping": True}, [2]),
    "valid": ({"validity": "INVALID"}, [1]),
    "unknown field": ({"colour": "red"}, [0, 1, 2, 3]),
}


async def test_lists_are_filtered(station):
    """Every scalar field can be asked for, and combined (wire 4.4, 6.1)."""
    await put_weather(station, pressure={"unit": "hPa"})
    await station.configured(0, agent=GATEWAY)
    made = [
        await station.mapped("dp-t", "temperature"),
        await station.mapped("dp-p", "pressure"),
        await station.mapped("dp-t", "temperature", asset=SECOND, keepMapping=True),
        await station.mapped("dp-t", "temperature", agent=GATEWAY),
    ]
    for name, (tree, expected) in FILTERS.items():
        found = await station.listed(filter=json.dumps(tree))

        assert [made.index(each) for each in found["content"]] == expected, name


async def test_a_list_follows_changes(station):
    """A list that was given once is not given again when something has changed since."""
    first = await station.mapped()
    assert (await station.listed())["totalElements"] == 1

    second = await station.mapped("dp-p", "pressure")
    both = await station.listed()
    await station.removed(first)

    assert both["content"] == [first, second]
    assert (await station.listed())["content"] == [second]


async def test_bad_filters_are_refused(station):
    """A filter that is no JSON answers 400 in the shape of this service (wire 0.7)."""
    for text in ("{", '{"agentId":', '{"agentId":{"like":"x"}}'):
        answer = await station.mast.send("GET", MAPPINGS, None, {"filter": text})

        assert words(answer)[0] == 400


# -- who may ---------------------------------------------------------------------------------------


async def test_nobody_sees_another_tenants_mappings(station):
    """An id of another tenant is an unknown one, in its path and in a body; its agents are none."""
    found = await station.mapped()
    theirs = Station(station.site.other)

    assert words(await theirs.shown(found)) == NO_MAPPING
    assert words(await theirs.removed(found)) == NO_MAPPING
    assert (await theirs.listed())["content"] == []
    assert words(await theirs.map(point="x", agent=AGENT))[0] == 400
    assert (await station.shown(found)).json() == found


async def test_an_agent_reaches_its_own_mappings_only(station):
    """It makes, sees and removes them; another agent's are unknown to it (wire 5.3)."""
    await station.configured(0, agent=GATEWAY)
    others = await station.mapped(agent=GATEWAY)
    service, agent = station.site.door.services.mappings, agent_identity(AGENT)
    own = await service.create(
        agent, Asked(AGENT, "dp-t", MAST, "weather", "temperature", False), agent_validation=True
    )

    with pytest.raises(Forbidden):
        await service.create(
            agent, Asked(GATEWAY, "dp-p", MAST, "weather", "pressure", False), agent_validation=True
        )
    with pytest.raises(NotFound):
        await service.get(agent, others["id"])
    with pytest.raises(NotFound):
        await service.remove(agent, others["id"])
    await service.remove(agent, own.mapping.id)

    assert (await station.listed())["content"] == [others]


# -- routes ----------------------------------------------------------------------------------------


async def test_routes_are_the_same_object_until_something_changes(station):
    """A message costs a look-up; mapping, configuration, type and asset each make new routes."""
    await station.mapped(keepMapping=True)
    seen = [station.routes()]
    assert station.routes() is seen[0]
    await station.configured(0, agent=GATEWAY)
    assert station.routes() is seen[0]

    async def renamed():
        document = await station.site.catalog.get("acme", "asset", MAST)
        await station.site.catalog.replace("acme", "asset", MAST, document.body, document.version)
        await station.site.door.services.refresh()

    for change in (
        lambda: station.mapped("dp-p", "pressure", keepMapping=True),
        lambda: station.configured(1),
        lambda: put_weather(station, level={"unit": "m"}),
        renamed,
    ):
        await change()
        assert all(station.routes() is not before for before in seen)
        seen.append(station.routes())


async def test_routes_say_where_a_value_goes(station):
    """By data point: series, variable with its type and number, and whether its code is kept (MS-85)."""
    await station.mapped("dp-t", "temperature")
    await station.mapped("dp-n", "count")

    routes = station.routes()

    (weather,) = routes.aspects
    assert (weather.asset_id, weather.aspect_id, weather.name) == (MAST, WEATHER, "weather")
    assert weather.type == aspect_type("acme", "weather")
    assert {
        point: [(route.place, route.variable.name, route.variable.quality_code) for route in found]
        for point, found in routes.by_point.items()
    } == {"dp-t": [(0, "temperature", True)], "dp-n": [(0, "count", True)]}
    assert (routes.points.configuration_id, routes.points.etag) == ("CF", 1)
    assert routes.faults == {}
