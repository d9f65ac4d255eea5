"""Lines 6 and 16 of the compatibility list, over a socket, byte for byte (wire 6.3, 6.6, 13)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.devices import Device, configured_device
from tests.api.masts import MAST, at
from tests.api.served import served_site
from tests.schemas.device_messages import c_message, meta, node_message, sampling, series

NODE_HEAD = (
    "POST /api/mindconnect/v3/exchange HTTP/1.1\r\n"
    "Content-Type: multipart/mixed; boundary=mindspheremessage\r\n"
    "Authorization: {token}\r\n"
    "User-Agent: mindconnect-nodejs (3.24.2)\r\n"
    "X-Powered-By: meowz\r\n"
    "Accept: */*\r\n"
    "Content-Length: {length}\r\n"
    "Accept-Encoding: gzip,deflate\r\n"
    "Connection: close\r\n"
    "Host: door\r\n"
    "\r\n"
)
C_HEAD = (
    "POST /api/mindconnect/v3/exchange HTTP/1.1\r\n"
    "Host: door\r\n"
    "Accept: */*\r\n"
    "Content-Type:{media}\r\n"
    "Authorization: {token}\r\n"
    "Correlation-ID: 5c1b2f3a9d\r\n"
    "Expect:\r\n"
    "Content-Length: {length}\r\n"
    "\r\n"
)


@pytest.fixture
async def device():
    """A configured agent with two mappings, at a served door."""
    async with served_site() as site:
        found = await configured_device(site)
        await found.station.mapped("dp-t", "temperature")
        await found.station.mapped("dp-n", "count")
        yield found


async def sent(device, head, body, **more):
    """Send the bytes of a message in pieces; gives status, headers and body of the answer."""
    wire = await device.site.connect()
    octets = head.format(token=device.headers["authorization"], length=len(body), **more).encode() + body
    await wire.send(octets[:100], octets[100:-7], octets[-7:])
    return await asyncio.wait_for(wire.answer(), 10)


async def test_line_6_as_the_node_agent_sends_it(device: Device):
    """Bare line feeds, no blank behind colons, one carriage return: 200 and an empty body (wire 13.6)."""
    status, headers, body = await sent(
        device, NODE_HEAD, node_message([sampling(at(-1), dp_t="1.5", dp_n=("7", "192"))])
    )

    assert (status, headers["content-length"], body) == (200, "0", b"")
    assert await device.rows() == [
        {"_time": at(-1), "temperature": 1.5, "temperature_qc": "0", "count": 7, "count_qc": "192"}
    ]


async def test_line_6_as_the_c_library_sends_it(device: Device):
    """Carriage returns, random boundaries, a charset, several tuples: exactly 200 (wire 12.4, 13.6)."""
    message, media = c_message(
        series([sampling(at(-2), dp_t="1.5")]),
        series([sampling(at(-1), dp_t="2.5"), sampling(at(-2), dp_n="7")]),
        (meta("acme.custom"), "application/octet-stream", b"\r\n\r\n\x00"),
    )

    status, headers, body = await sent(device, C_HEAD, message, media=media)

    assert (status, headers["content-length"], body) == (200, "0", b"")
    assert await device.rows() == [
        {"_time": at(-2), "temperature": 1.5, "temperature_qc": "0", "count": 7, "count_qc": "0"},
        {"_time": at(-1), "temperature": 2.5, "temperature_qc": "0"},
    ]
    (record,) = await device.quarantined()
    assert record["correlationId"] == "5c1b2f3a9d"


async def test_a_refusal_has_the_shape_of_the_service(device: Device):
    """400 as `{"id","message"}`; the connection goes on (wire 0.7)."""
    status, headers, body = await sent(device, NODE_HEAD, b"--mindspheremessage\n")

    assert (status, headers["content-type"]) == (400, "application/json")
    assert list(json.loads(body)) == ["id", "message"]


async def test_line_16_the_pagers_bytes(device: Device):
    """The page behind the last one of an activation without messages, as it goes out (wire 13.16)."""
    await device.mast.send("POST", "/api/mindconnect/v3/diagnosticActivations", {"agentId": MAST})
    wire = await device.site.connect()
    await wire.send(
        f"GET /api/mindconnect/v3/diagnosticActivations/{MAST}/messages?sort=timestamp%2Casc&page=1&size=20 "
        f"HTTP/1.1\r\nHost: door\r\nAuthorization: {device.mast.headers['authorization']}\r\n\r\n".encode()
    )

    status, _, body = await asyncio.wait_for(wire.answer(), 10)

    assert status == 200
    assert body == (
        b'{"last":true,"totalPages":0,"totalElements":0,"numberOfElements":0,"first":false,"sort":['
        b'{"direction":"ASC","property":"timestamp","ignoreCase":false,"nullHandling":"NATIVE",'
        b'"descending":false,"ascending":true}],"size":20,"number":1,"content":[]}'
    )
