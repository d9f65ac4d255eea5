"""The lines of the compatibility list that touch configurations and mappings, byte for byte (wire 13)."""

import asyncio
import json
import re

import pytest

from tests.api.masts import MAST, SECOND
from tests.api.served import served_site
from tests.api.stations import AGENT, GATEWAY, MAPPINGS, configuration, mapping, put_agents, source


class Client:
    """Requests as the Node SDK writes them, over one raw connection."""

    def __init__(self, wire, token):
        """Keep the connection and the caller's header."""
        self.wire, self.token = wire, token

    async def send(self, method, path, body=None, *more):
        """Send the bytes of a request; give status line, headers and body."""
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: door",
            "Accept: */*",
            "Accept-Encoding: gzip,deflate",
            "User-Agent: mindconnect-nodejs (3.24.2)",
            "X-Powered-By: meowz",
            f"Authorization: {self.token}",
            *more,
        ]
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        await self.wire.send("\r\n".join([*lines, "", ""]).encode() + content)
        return await asyncio.wait_for(self.wire.answer(), 10)


@pytest.fixture
async def client():
    """A connection to a served door with two agents that nobody has configured."""
    async with served_site() as site:
        await put_agents(site, "acme")
        yield Client(await site.connect(), site.open.headers["authorization"])


CUSTOM = {"aspect": "Environment", "nested": {"variable": ["temperature", {"a": [1, 2.5, None, True]}]}}


async def test_line_12_a_configuration_before_the_first_put(client):
    """GET answers 200 with eTag "0" and no sources, and never 404 (wire 13.12)."""
    status, headers, answer = await client.send("GET", source())

    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer == f'{{"id":"{AGENT}","eTag":"0","dataSources":[]}}'.encode()


async def test_line_12_custom_data_is_kept(client):
    """What stands in `customData` comes back byte for byte, and so does °C (wire 13.12, 13.5, 13.7)."""
    sent = {
        "configurationId": "CF-acme.Engine",
        "dataSources": [
            {
                "name": "DS-Environment",
                "description": "of the engine",
                "dataPoints": [
                    {
                        "id": "DP-temperature", "name": "temperature", "description": "of the oil",
                        "type": "DOUBLE", "unit": "°C", "customData": {"variable": "temperature"},
                    }
                ],
                "customData": CUSTOM,
            }
        ],
    }  # fmt: skip

    status, _, put = await client.send("PUT", source(), sent, "If-Match: 0")
    read = await client.send("GET", source())

    expected = (
        f'{{"id":"{AGENT}","eTag":"1","configurationId":"CF-acme.Engine","dataSources":['
        '{"name":"DS-Environment","description":"of the engine","dataPoints":['
        '{"id":"DP-temperature","name":"temperature","description":"of the oil","type":"DOUBLE",'
        '"unit":"°C","customData":{"variable":"temperature"}}],'
        '"customData":{"aspect":"Environment","nested":'
        '{"variable":["temperature",{"a":[1,2.5,null,true]}]}}}]}'
    ).encode()
    assert (status, put) == (200, expected)
    assert (read[0], read[2]) == (200, expected)


async def test_line_12_the_present_number_is_demanded(client):
    """`If-Match: 0` a second time is 412, none at all 400, in the shape of the service (wire 0.5, 0.7)."""
    await client.send("PUT", source(), configuration(), "If-Match: 0")

    stale = await client.send("PUT", source(), configuration(), "If-Match: 0")
    missing = await client.send("PUT", source(), configuration())
    second = await client.send("PUT", source(), configuration(), "If-Match: 1")

    assert (stale[0], missing[0], second[0]) == (412, 400, 200)
    assert re.fullmatch(
        rb'\{"id":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",'
        rb'"message":"The eTag is not that of the present configuration; read it again\."\}',
        stale[2],
    )
    assert second[2].startswith(f'{{"id":"{AGENT}","eTag":"2","configurationId":"CF",'.encode())


def mapping_bytes(mapping_id, reasons="", keep="true", agent=AGENT, asset=MAST, unit='""', kind='"DOUBLE"'):
    """Write the answer that is expected for the mapping of these tests."""
    status = "INVALID" if reasons else "VALID"
    return (
        f'{{"id":"{mapping_id}","agentId":"{agent}","dataPointId":"dp-t","dataPointUnit":{unit},'
        f'"dataPointType":{kind},"entityId":"{asset}","propertySetName":"weather",'
        f'"propertyName":"temperature","propertyUnit":"","propertyType":"DOUBLE","qualityEnabled":true,'
        f'"keepMapping":{keep},"validity":{{"status":"{status}","reasons":[{reasons}]}}}}'
    ).encode()


async def test_line_13_a_mapping_that_there_is(client):
    """The first POST is 201 with the mapping, each further one 409 (wire 13.13, 13.7)."""
    await client.send("PUT", source(), configuration(), "If-Match: 0")
    body = mapping(keepMapping=True)

    status, headers, answer = await client.send("POST", f"{MAPPINGS}?", body)
    again = await client.send("POST", f"{MAPPINGS}?", body)

    made = json.loads(answer)["id"]
    assert (status, answer) == (201, mapping_bytes(made))
    assert headers["location"] == f"{MAPPINGS}/{made}"
    assert again[0] == 409
    assert re.fullmatch(rb'\{"id":"[0-9a-f-]{36}","message":"There is such a mapping already\."\}', again[2])


async def test_line_13_a_mapping_goes_without_a_word(client):
    """DELETE answers 204 and nothing, the second one 404; the mapping can be made again (wire 6.1)."""
    await client.send("PUT", source(), configuration(), "If-Match: 0")
    made = json.loads((await client.send("POST", f"{MAPPINGS}?", mapping()))[2])["id"]

    shown = await client.send("GET", f"{MAPPINGS}/{made}")
    gone = await client.send("DELETE", f"{MAPPINGS}/{made}")
    again = await client.send("DELETE", f"{MAPPINGS}/{made}")
    anew = await client.send("POST", f"{MAPPINGS}?", mapping())

    assert (shown[0], shown[2]) == (200, mapping_bytes(made, keep="false"))
    assert (gone[0], gone[2]) == (204, b"")
    assert (again[0], anew[0]) == (404, 201)


async def test_lines_7_and_16_the_list_that_the_sdk_asks_for(client):
    """2,000 at once, filtered by agent; a page too many is empty and the last one (wire 13.7, 13.16)."""
    await client.send("PUT", source(), configuration(), "If-Match: 0")
    made = json.loads((await client.send("POST", f"{MAPPINGS}?", mapping()))[2])["id"]
    wanted = f"filter=%7B%22agentId%22%3A%22{AGENT}%22%7D"

    found = await client.send("GET", f"{MAPPINGS}?size=2000&{wanted}")
    beyond = await client.send("GET", f"{MAPPINGS}?size=2000&{wanted}&page=1&sort=ASC")
    nothing = await client.send("GET", f"{MAPPINGS}?filter=%7B%22agentId%22%3A%22{GATEWAY}%22%7D&size=0")

    row = mapping_bytes(made, keep="false").decode()
    end = '"size":2000,"number":'
    assert (found[0], found[2].decode()) == (
        200,
        (
            f'{{"last":true,"totalPages":1,"totalElements":1,"numberOfElements":1,"first":true,"sort":null,'
            f'{end}0,"content":[{row}]}}'
        ),
    )
    assert (beyond[0], beyond[2].decode()) == (
        200,
        (
            f'{{"last":true,"totalPages":1,"totalElements":1,"numberOfElements":0,"first":false,"sort":null,'
            f'{end}1,"content":[]}}'
        ),
    )
    assert (nothing[0], nothing[2].decode()) == (
        200,
        (
            '{"last":true,"totalPages":0,"totalElements":0,"numberOfElements":0,"first":true,"sort":null,'
            '"size":0,"number":0,"content":[]}'
        ),
    )


async def test_what_configure_agent_sends(client):
    """The SDK's sequence: read, PUT, list, DELETE each, POST each; a second run ends the same (wire 12.2)."""
    for etag in ("0", "1"):
        read = await client.send("GET", source())
        assert json.loads(read[2])["eTag"] == etag
        put = await client.send("PUT", source(), configuration(), f"If-Match: {etag}")
        assert put[0] == 200
        listed = await client.send("GET", f"{MAPPINGS}?size=2000&filter=%7B%22agentId%22%3A%22{AGENT}%22%7D")
        for each in json.loads(listed[2])["content"]:
            assert (await client.send("DELETE", f"{MAPPINGS}/{each['id']}"))[0] == 204
        for point, variable in (("dp-t", "temperature"), ("dp-p", "pressure"), ("dp-n", "count")):
            made = await client.send("POST", f"{MAPPINGS}?", mapping(point, variable, keepMapping=True))
            assert made[0] == 201
    listed = await client.send("GET", f"{MAPPINGS}?size=2000&filter=%7B%22agentId%22%3A%22{AGENT}%22%7D")
    assert [each["propertyName"] for each in json.loads(listed[2])["content"]] == [
        "temperature",
        "pressure",
        "count",
    ]


POINTS = {"dp-t": ("DOUBLE", ""), "dp-p": ("DOUBLE", ""), "dp-n": ("LONG", ""), "dp-u": ("DOUBLE", "°C")}

FORBIDDEN = {
    "another type": (
        ("dp-n", "temperature"),
        400,
        "/dataPointId: The data point is LONG and the variable DOUBLE. Their types must be the same.",
    ),
    "a second variable of the aspect": (
        ("dp-t", "pressure"), 409, "The data point feeds temperature of the same aspect already.",
    ),
    "a second data point of the variable": (
        ("dp-p", "temperature"), 409, "temperature is fed by the data point dp-t of the agent already.",
    ),
    "no data point": (
        ("dp-x", "pressure"), 400, "/dataPointId: The agent's configuration has no such data point.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORBIDDEN)
async def test_what_a_mapping_may_not_be(client, case):
    """Types are the same, one variable of an aspect, one data point for a variable: 400 or 409 (MS-85)."""
    asked, status, words = FORBIDDEN[case]
    await client.send("PUT", source(), configuration(POINTS), "If-Match: 0")
    await client.send("POST", f"{MAPPINGS}?", mapping())

    refused = await client.send("POST", f"{MAPPINGS}?", mapping(*asked))

    assert refused[0] == status
    assert re.fullmatch(rb'\{"id":"[0-9a-f-]{36}","message":"%b"\}' % re.escape(words).encode(), refused[2])


async def test_a_unit_that_differs_is_told_in_the_mapping(client):
    """201, and the mapping is INVALID with INVALID_UNIT (MS-85)."""
    await client.send("PUT", source(), configuration({"dp-t": POINTS["dp-u"]}), "If-Match: 0")

    status, _, answer = await client.send("POST", f"{MAPPINGS}?", mapping(keepMapping=True))

    made = json.loads(answer)["id"]
    assert (status, answer) == (201, mapping_bytes(made, '"INVALID_UNIT"', unit='"°C"'))


async def test_one_point_feeds_many_and_many_agents_one(client):
    """The same aspect of another asset, and the same variable by another agent: 201 each (MS-85)."""
    for agent in (AGENT, GATEWAY):
        await client.send("PUT", source(agent), configuration(POINTS), "If-Match: 0")
    await client.send("POST", f"{MAPPINGS}?", mapping())

    for more in ({"asset": SECOND}, {"agent": GATEWAY}):
        status, _, answer = await client.send("POST", f"{MAPPINGS}?", mapping(**more))
        assert (status, answer) == (201, mapping_bytes(json.loads(answer)["id"], keep="false", **more))


async def test_a_new_configuration_ends_what_is_not_kept_and_judges_the_rest(client):
    """Without `keepMapping` 404 from then on, with it the reason of the present (MS-85, wire 6.1)."""
    await client.send("PUT", source(), configuration(POINTS), "If-Match: 0")
    ended = json.loads((await client.send("POST", f"{MAPPINGS}?", mapping("dp-p", "pressure")))[2])["id"]
    made = json.loads((await client.send("POST", f"{MAPPINGS}?", mapping(keepMapping=True)))[2])["id"]
    shown = []
    for etag, points in (("1", {"dp-x": ("DOUBLE", "")}), ("2", {"dp-t": ("LONG", "")}), ("3", POINTS)):
        await client.send("PUT", source(), configuration(points), f"If-Match: {etag}")
        shown.append((await client.send("GET", f"{MAPPINGS}/{made}"))[2])

    assert (await client.send("GET", f"{MAPPINGS}/{ended}"))[0] == 404
    assert shown == [
        mapping_bytes(made, '"MISSING_DATAPOINT"', unit="null", kind="null"),
        mapping_bytes(made, '"INVALID_TYPE"', kind='"LONG"'),
        mapping_bytes(made),
    ]
