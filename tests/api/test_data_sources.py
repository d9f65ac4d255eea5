"""Data source configurations of agents over HTTP (wire 5.1, MS-85)."""

from __future__ import annotations

import pytest

from schemas.data_sources import POINTS_MAX
from tests.api.stations import AGENT, GATEWAY, Station, configuration, put_agents, source, words


@pytest.fixture
async def station(site):
    """An engineer of `acme`, which has two agents that nobody has configured."""
    await put_agents(site, "acme", "other")
    return Station(site.open)


async def test_an_agent_that_has_said_nothing_has_an_empty_configuration(station):
    """GET answers 200 before the first PUT, with the eTag that the first PUT names (wire 5.1)."""
    answer = await station.mast.send("GET", source())

    assert (answer.status_code, answer.json()) == (200, {"id": AGENT, "eTag": "0", "dataSources": []})


async def test_each_configuration_has_the_next_number(station):
    """The first PUT is on 0; each gives a number that the next one names (wire 0.5)."""
    first = await station.configured(0)
    second = await station.configured(1, name="CF2")

    assert (first["eTag"], second["eTag"]) == ("1", "2")
    assert (await station.mast.send("GET", source())).json() == second
    assert second == {"id": AGENT, "eTag": "2", **configuration(name="CF2")}


@pytest.mark.parametrize(("etag", "status"), [("1", 412), ("7", 412), ("x", 412), ('"0"', 200), ("0", 200)])
async def test_the_first_configuration_is_built_on_nothing(station, etag, status):
    """Another number than 0 does not hold; quotes are no matter."""
    answer = await station.mast.send("PUT", source(), configuration(), if_match=etag)

    assert answer.status_code == status


async def test_a_stale_number_changes_nothing(station):
    """If-Match must name the present configuration, and must be there."""
    before = await station.configured(0)

    stale = await station.configure(0, name="CF2")
    missing = await station.mast.send("PUT", source(), configuration(name="CF2"))

    assert words(stale) == (412, "The eTag is not that of the present configuration; read it again.")
    assert words(missing)[0] == 400
    assert (await station.mast.send("GET", source())).json() == before


async def test_custom_data_comes_back_unchanged(station):
    """Objects of the client's own, however they are nested, are given back as they were sent (wire 13.12)."""
    custom = {
        "aspect": "Environment",
        "z": {"a": [1, 2.5, -0.0, 10**30, {"": None, "ü": ["\u2028", True]}], "snake_case": {}},
        "customData": {"customData": []},
    }
    body = configuration()
    body["dataSources"][0] |= {"customData": custom, "description": "of the yard"}
    body["dataSources"][0]["dataPoints"][0] |= {"customData": custom, "description": ""}

    put = await station.mast.send("PUT", source(), body, if_match="0")
    read = await station.mast.send("GET", source())

    assert put.json() == {"id": AGENT, "eTag": "1", **body}
    assert read.content == put.content
    assert list(read.json()["dataSources"][0]["customData"]) == list(custom)


async def test_types_in_small_letters_are_the_same_types(station):
    """Documents of the dialect write types so; all seven are known."""
    kinds = ["int", "Long", "double", "BOOLEAN", "string", "big_string", "timestamp"]

    found = await station.configured(0, {f"dp{kind}": (kind, "") for kind in kinds})

    assert [point["type"] for point in found["dataSources"][0]["dataPoints"]] == [
        kind.upper() for kind in kinds
    ]


POINT = {"id": "p", "name": "n", "type": "INT", "unit": ""}
REFUSED = {
    "configurationId is missing": ({"dataSources": []}, "`configurationId`"),
    "configurationId is empty": ({"configurationId": "", "dataSources": []}, "/configurationId"),
    "configurationId is long": ({"configurationId": "c" * 37, "dataSources": []}, "/configurationId"),
    "no sources": ({"configurationId": "c"}, "`dataSources`"),
    "source without a name": ([{"dataPoints": []}], "/dataSources/0: Object missing required field `name`"),
    "name of a source is long": ([{"name": "n" * 65, "dataPoints": []}], "/dataSources/0/name"),
    "description is long": (
        [{"name": "n", "description": "d" * 257, "dataPoints": []}],
        "/dataSources/0/description",
    ),
    "no points": ([{"name": "n"}], "/dataSources/0: Object missing required field `dataPoints`"),
    "no unit": ([{"name": "n", "dataPoints": [{"id": "p", "name": "n", "type": "INT"}]}], "`unit`"),
    "unit is long": ([{"name": "n", "dataPoints": [{**POINT, "unit": "u" * 33}]}], "/unit"),
    "no type": ([{"name": "n", "dataPoints": [{"id": "p", "name": "n", "unit": ""}]}], "`type`"),
    "unknown type": ([{"name": "n", "dataPoints": [{**POINT, "type": "FLOAT"}]}], "/dataPoints/0/type"),
    "empty id": ([{"name": "n", "dataPoints": [{**POINT, "id": ""}]}], "/dataPoints/0/id"),
    "long id": ([{"name": "n", "dataPoints": [{**POINT, "id": "p" * 37}]}], "/dataPoints/0/id"),
    "long name of a point": ([{"name": "n", "dataPoints": [{**POINT, "name": "n" * 65}]}], "/0/name"),
    "an id twice": (
        [{"name": "a", "dataPoints": [POINT]}, {"name": "b", "dataPoints": [POINT]}],
        "/dataSources/1/dataPoints/0/id",
    ),
    "custom data is no object": ([{"name": "n", "dataPoints": [], "customData": [1]}], "/customData"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_a_rule_forbids_is_refused_with_its_place(station, case):
    """Lengths, numbers, required members and unique ids: 400, and nothing is stored (wire 5.1)."""
    body, pointer = REFUSED[case]
    body = body if isinstance(body, dict) else {"configurationId": "c", "dataSources": body}

    answer = await station.mast.send("PUT", source(), body, if_match="0")

    status, message = words(answer)
    assert status == 400
    assert pointer in message
    assert (await station.mast.send("GET", source())).json()["eTag"] == "0"


async def test_the_longest_of_everything_is_taken(station):
    """The limits themselves are inside (wire 5.1)."""
    point = {"id": "p" * 36, "name": "n" * 64, "type": "STRING", "unit": "u" * 32, "description": "d" * 256}
    one = {"name": "s" * 64, "description": "d" * 256, "dataPoints": [point]}

    answer = await station.mast.send(
        "PUT", source(), {"configurationId": "c" * 36, "dataSources": [one]}, if_match="0"
    )

    assert answer.json() == {"id": AGENT, "eTag": "1", "configurationId": "c" * 36, "dataSources": [one]}


async def test_too_many_points_are_refused(station):
    """An agent has so many data points and no more."""
    most = {str(number): ("INT", "") for number in range(POINTS_MAX)}

    taken = await station.configure(0, most)
    refused = await station.configure(1, {**most, "more": ("INT", "")})

    assert taken.status_code == 200
    assert words(refused) == (400, f"/dataSources: At most {POINTS_MAX} data points in all.")


async def test_nobody_sees_another_tenants_agent(station):
    """An agent of another tenant is an unknown one, and each tenant has its own configuration."""
    await station.configured(0)
    theirs = Station(station.site.other)

    unknown = await station.mast.send("GET", source("f" * 32))
    answer = await theirs.mast.send("GET", source())

    assert words(unknown) == (404, "There is no such agent.")
    assert answer.json()["eTag"] == "0"


async def test_an_agents_configuration_goes_with_it(station):
    """A new agent of the same asset begins with nothing."""
    await station.configured(0)
    await station.configured(0, agent=GATEWAY)
    await station.mapped(keepMapping=True)
    await station.mapped(agent=GATEWAY, variable="pressure", keepMapping=True)
    agents = station.site.door.services.agents

    await agents.remove_with_asset("acme", AGENT)
    await put_agents(station.site, "acme")

    assert (await station.mast.send("GET", source())).json()["eTag"] == "0"
    assert [found["agentId"] for found in (await station.listed())["content"]] == [GATEWAY]
    assert await station.site.catalog.get("acme", "datasources", AGENT) is None
    assert [document.id[:32] for document in await station.site.catalog.list("acme", "mapping")] == [GATEWAY]
