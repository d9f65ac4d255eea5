"""Exact bytes of line protocol over a socket, as Telegraf's plugins are documented to send them (IX-07)."""

import base64
import gzip

import pytest

from api.http.errors import answer
from schemas.errors import TooMany
from tests.api.doors import NOW_MS
from tests.api.lines import NS, Lines
from tests.api.served import served_site

CPU = f"cpu,host=a,cpu=cpu0 usage_idle=98.5,usage_user=1i {NOW_MS * NS}\n"
LINES = f"{CPU}mem,host=a free=7i {NOW_MS * NS}\n"


@pytest.fixture
async def served():
    """A site behind the real server, with an inlet and a key."""
    async with served_site() as site:
        yield site, await Lines(site, site.open).begin()


def request(path, headers, body):
    """Write a request as Go's client does: chunked, its headers in this order."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: aspectstore:8086",
        "User-Agent: Telegraf/1.30.0 Go/1.22.1",
        *headers,
    ]
    head += ["Transfer-Encoding: chunked", "Accept-Encoding: gzip", "", ""]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    return "\r\n".join(head).encode() + chunks + b"0\r\n\r\n"


async def test_the_plugin_for_influxdb_2(served):
    """Gzip, chunked, `Token`: 204 without a body; a bad line: 400 with `code` and `message`."""
    site, lines = served
    wire = await site.connect()
    headers = [
        f"Authorization: Token {lines.key}",
        "Content-Encoding: gzip",
        "Content-Type: text/plain; charset=utf-8",
    ]
    path = "/api/v2/write?bucket=birds&org=acme"

    await wire.send(request(path, headers, gzip.compress(LINES.encode())))
    taken = await wire.answer()
    await wire.send(request(path, headers, gzip.compress(b"cpu,host=a\ncpu v=1\n")))
    refused = await wire.answer()

    assert (204, b"") == (taken[0], taken[2])
    assert 400 == refused[0]
    assert (
        b'{"code":"invalid","message":"partial write: unable to parse \'cpu,host=a\': '
        b'the line has no measurement and fields with a blank between them dropped=1","line":1}'
    ) == refused[2]
    assert {"cpu=cpu0,host=a", "host=a", "birds"} == set(lines.assets())


async def test_the_plugin_for_influxdb_1(served):
    """`CREATE DATABASE` in a form, then lines with a name and a password; a missing database is named."""
    site, lines = served
    wire = await site.connect()
    basic = f"Authorization: Basic {base64.b64encode(lines.key.encode()).decode()}"
    form = [basic, "Content-Type: application/x-www-form-urlencoded"]
    text = [basic, "Content-Type: text/plain; charset=utf-8"]

    await wire.send(request("/write?db=telegraf", text, LINES.encode()))
    missing = await wire.answer()
    await wire.send(request("/query", form, b"q=CREATE+DATABASE+%22telegraf%22"))
    made = await wire.answer()
    await wire.send(request("/write?db=telegraf", text, LINES.encode()))
    taken = await wire.answer()

    assert (404, b'{"error":"database not found: \\"telegraf\\""}') == (missing[0], missing[2])
    assert (200, b'{"results":[{"statement_id":0}]}') == (made[0], made[2])
    assert (204, b"") == (taken[0], taken[2])


def test_too_many_requests_are_unavailable_for_old_clients():
    """They throw lines away after any 4xx, so what they should send again is 503 with `Retry-After`."""
    old = answer(TooMany("later", 7), "0" * 16, "/write")
    new = answer(TooMany("later", 7), "0" * 16, "/api/v2/write")

    assert (503, "7", b'{"error":"later"}') == (old.status, old.headers["retry-after"], old.body)
    assert (429, b'{"code":"too many requests","message":"later"}') == (new.status, new.body)
