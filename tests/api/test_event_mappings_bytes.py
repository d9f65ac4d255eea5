"""Event mappings byte for byte, over a socket (wire 6.2, 0.7)."""

from __future__ import annotations

import json
import re

import pytest

from api.http.errors import EVENT_MAPPINGS_PATH
from tests.api.devices import agent_token
from tests.api.events import STANDARD
from tests.api.masts import MAST, SECOND
from tests.api.served import served_site
from tests.api.stations import AGENT, put_agents
from tests.api.test_mappings_bytes import Client
from tests.schemas.device_messages import c_message, meta

BODY = {
    "agentId": AGENT, "assetId": SECOND, "eventTypeId": STANDARD, "eventTypeName": "MindSphereStandardEvent",
    "eventTypeFieldName": "code", "eventTypeFieldValue": "Tür",
}  # fmt: skip
LOGREF = rb"[0-9a-f]{16}"


@pytest.fixture
async def client():
    """A connection to a served door with two agents."""
    async with served_site() as site:
        await put_agents(site, "acme")
        yield Client(await site.connect(), site.open.headers["authorization"]), site


def mapping_bytes(mapping_id, etag="0", asset=SECOND):
    """Write the answer that is expected."""
    return (
        f'{{"id":"{mapping_id}","agentId":"{AGENT}","assetId":"{asset}","eventTypeId":"{STANDARD}",'
        f'"eventTypeName":"MindSphereStandardEvent","eventTypeFieldName":"code","eventTypeFieldValue":"Tür",'
        f'"eTag":"{etag}","validity":{{"status":"VALID","reasons":[]}}}}'
    ).encode()


def refusal(code, message, pointer=None):
    """Write the pattern of a refusal for one reason."""
    place = "" if pointer is None else f',"pointer":"{pointer}"'
    start = rb'\{"errors":\[\{"code":"mdsp\.conn\.mindconnect\.%b","logref":"%b",' % (code.encode(), LOGREF)
    rest = re.escape(f'"message":"{message}","messageParameters":[]{place}}}]}}'.encode())
    return re.compile(start + rest)


async def test_a_mapping_from_its_first_to_its_last_byte(client):
    """POST 201, GET 200, PATCH 200 under an unquoted If-Match, DELETE 204 under a quoted one (wire 0.5)."""
    client, _ = client
    status, headers, answer = await client.send("POST", f"{EVENT_MAPPINGS_PATH}?", BODY)
    made = json.loads(answer)["id"]
    one = f"{EVENT_MAPPINGS_PATH}/{made}"

    shown = await client.send("GET", one)
    changed = await client.send("PATCH", one, {"assetId": MAST}, "If-Match: 0")
    gone = await client.send("DELETE", one, None, 'If-Match: "1"')
    again = await client.send("GET", one)

    assert (status, headers["content-type"], answer) == (201, "application/json", mapping_bytes(made))
    assert headers["location"] == one
    assert (shown[0], shown[2]) == (200, mapping_bytes(made))
    assert (changed[0], changed[2]) == (200, mapping_bytes(made, "1", MAST))
    assert (gone[0], gone[2]) == (204, b"")
    assert again[0] == 404
    assert refusal("noMatch", "There is no such event mapping.").fullmatch(again[2]), again[2]


async def test_refusals_are_a_list_of_errors(client):
    """`mdsp.conn.mindconnect.<suffix>`; all else of MindConnect answers `id` and `message` (wire 0.7)."""
    client, _ = client
    made = json.loads((await client.send("POST", EVENT_MAPPINGS_PATH, BODY))[2])["id"]
    one = f"{EVENT_MAPPINGS_PATH}/{made}"

    conflict = await client.send("POST", EVENT_MAPPINGS_PATH, BODY)
    asset = await client.send("POST", EVENT_MAPPINGS_PATH, BODY | {"assetId": "f" * 32})
    stale = await client.send("PATCH", one, {}, "If-Match: 7")
    client.token = "Bearer none"
    nobody = await client.send("GET", EVENT_MAPPINGS_PATH)
    beside = await client.send("GET", "/api/mindconnect/v3/dataPointMappings")

    statuses = [answer[0] for answer in (conflict, asset, stale, nobody, beside)]
    assert statuses == [409, 400, 412, 401, 401]
    assert all(answer[1]["content-type"] == "application/json" for answer in (conflict, asset, stale, nobody))
    patterns = [
        (conflict, refusal("conflict", "There is such an event mapping already.")),
        (asset, refusal("invalidRequestBodyProperty", "There is no such asset.", "/assetId")),
        (
            stale,
            refusal("preconditionFailed", "The etag is not that of the present version; read it again."),
        ),
    ]
    for answer, pattern in patterns:
        assert pattern.fullmatch(answer[2]), answer[2]
    assert json.loads(nobody[2])["errors"][0]["code"] == "mdsp.conn.mindconnect.unauthorized"
    assert set(json.loads(beside[2])) == {"id", "message"}


async def test_the_list_as_pages_are_written(client):
    """Every member that a page has, in their order; filtered by agentId (wire 0.6, 6.2)."""
    client, _ = client
    made = json.loads((await client.send("POST", EVENT_MAPPINGS_PATH, BODY))[2])["id"]
    wanted = f"filter=%7B%22agentId%22%3A%22{AGENT}%22%7D"

    found = await client.send("GET", f"{EVENT_MAPPINGS_PATH}?size=2000&{wanted}")
    beyond = await client.send("GET", f"{EVENT_MAPPINGS_PATH}?page=7&sort=ASC")

    row = mapping_bytes(made).decode()
    assert found[2].decode() == (
        f'{{"last":true,"totalPages":1,"totalElements":1,"numberOfElements":1,"first":true,"sort":null,'
        f'"size":2000,"number":0,"content":[{row}]}}'
    )
    assert beyond[2].decode() == (
        '{"last":true,"totalPages":1,"totalElements":1,"numberOfElements":0,"first":false,"sort":null,'
        '"size":20,"number":7,"content":[]}'
    )


async def test_a_business_event_of_the_c_library_goes_by_it(client):
    """CRLF, a random boundary, a charset: 200 and no byte, and the event is the other mast's (wire 6.3)."""
    client, site = client
    await client.send("POST", EVENT_MAPPINGS_PATH, BODY)
    sent = [{"id": "1", "timestamp": "2025-12-31T23:59:59.000Z", "severity": "20", "type": "Tür"}]
    body, media = c_message((meta("businessEvent"), "application/json;charset=utf-8", sent))

    head = (
        "POST /api/mindconnect/v3/exchange HTTP/1.1\r\nHost: door\r\n"
        f"Authorization: Bearer {agent_token(site)}\r\nContent-Type: {media}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    await client.wire.send(head.encode() + body)
    status, _, answer = await client.wire.answer()
    listed = await client.send(
        "GET", f"/api/eventmanagement/v3/events?filter=%7B%22entityId%22%3A%22{SECOND}%22%7D"
    )

    assert (status, answer) == (200, b"")
    (event,) = json.loads(listed[2])["_embedded"]["events"]
    assert (event["code"], event["severity"], event["entityId"]) == ("Tür", 20, SECOND)
