"""Clients that mean harm, or know no better: whatever one sends or leaves unread is its own loss (S6)."""

from __future__ import annotations

import asyncio
import json
import math
import resource

import pytest

from api import connection as connections
from api import server as servers
from tests.api.masts import MAST, PATH, at
from tests.api.served import held_back, inside, served_site, until

HERE = f"{PATH}/{MAST}/weather"
NOBODY = f"PUT {HERE} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode()
"""Refused at once: it has no token."""


@pytest.fixture
async def site():
    """A site behind the real server."""
    async with served_site() as running:
        yield running


def request(site, number=None, *, method="PUT", more="", length=True):
    """Write the head of a request of `acme`, and the body of one record where it has a number."""
    body = b"" if number is None else json.dumps([{"_time": at(number), "level": number}]).encode()
    size = f"Content-Length: {len(body)}\r\n" if number is not None and length else ""
    token = f"Authorization: {site.open.headers['authorization']}\r\n"
    return f"{method} {HERE} HTTP/1.1\r\nHost: d\r\n{token}{size}{more}\r\n".encode() + body


async def statuses(wire):
    """Read answers until the connection ends."""
    found = []
    while True:
        try:
            found.append((await wire.answer())[0])
        except asyncio.IncompleteReadError as end:
            return found if not end.partial else [*found, "half an answer"]


async def levels(site):
    """Give what is stored."""
    return [row["level"] for row in await site.open.rows()]


# -- one reading of every byte ---------------------------------------------------------------------

OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
"""As the HTTP clients of Java and curl send it with their first request."""


@pytest.mark.parametrize("pieces", [1, 2, 400], ids=["in one piece", "in two", "byte by byte"])
async def test_a_request_that_offers_another_protocol_keeps_its_body(site, pieces):
    """The offer is ignored: its body is a body, never a request of its own, and what follows is read."""
    inner = request(site, 3)
    head = request(site, more=f"{OFFER}Content-Length: {len(inner)}\r\n")
    whole = head + inner + request(site, 2)
    cuts = {1: [len(whole)], 2: [len(head), len(whole)]}.get(pieces) or range(1, len(whole) + 1)
    wire = await site.connect()
    begin = 0
    for end in cuts:
        await wire.send(whole[begin:end])
        begin = end

    assert [(await wire.answer())[0] for _ in range(2)] == [400, 204]  # a request is no record
    assert await levels(site) == [2]


async def test_many_offers_in_one_piece_are_all_answered(site):
    """Each request is read again without its offer; the answers keep their order."""
    wire = await site.connect()
    await wire.send(b"".join(request(site, number, more=OFFER) for number in range(20)))

    assert [(await wire.answer())[0] for _ in range(20)] == [204] * 20
    assert await levels(site) == list(range(20))


async def test_a_tunnel_is_not_opened(site):
    """CONNECT is no request to this server, and nothing behind it is read."""
    wire = await site.connect()
    await wire.send(b"CONNECT door:1 HTTP/1.1\r\nHost: d\r\n\r\n" + request(site, 1))

    assert await statuses(wire) == [400]
    assert await levels(site) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_trailers_are_no_headers(site, method):
    """A token behind the body opens nothing, on the hot path and in the framework."""
    token = f"Authorization: {site.open.headers['authorization']}\r\n"
    head = request(site, method=method, more="Transfer-Encoding: chunked\r\n").replace(token.encode(), b"")
    wire = await site.connect()
    await wire.send(head + b"2\r\n[]\r\n0\r\n" + token.encode() + b"\r\n")

    assert (await wire.answer())[0] == 401


@pytest.mark.parametrize("line", [b"x: y\r\n", b"x"], ids=["lines", "one line"])
async def test_trailers_without_end_are_cut_off(site, line):
    """What comes behind a body is limited like a head, also of strangers."""
    wire = await site.connect()
    head = NOBODY.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    await wire.send(head + b"0\r\nx: ")
    assert (await wire.answer())[0] == 401
    piece = line * (16_384 // len(line))
    for _ in range(connections.HEAD_BYTES_MAX // len(piece) + 1):
        await wire.send(piece)

    assert (await wire.answer())[0] == 431


async def test_nothing_behind_the_last_request_is_served(site):
    """Who says `Connection: close` has said the last word, also where the answer was ready at once."""
    wire = await site.connect()
    last = NOBODY.replace(b"Host", b"Connection: close\r\nHost")
    await wire.send(last + request(site, 1))

    assert await statuses(wire) == [401]
    assert await levels(site) == []


async def test_a_refusal_waits_for_the_answers_before_it(site, monkeypatch):
    """What is no request behind requests is refused behind their answers: each knows its own."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(request(site, 1) + request(site, 2) + b"\x16\x03\x01 no request\r\n\r\n")
    await asyncio.sleep(0.02)
    gate.set()

    assert await statuses(wire) == [204, 204, 400]


async def test_a_body_that_breaks_off_its_coding_is_refused_in_its_turn(site, monkeypatch):
    """Bad chunks behind a request under way: the one is answered, the other refused, nothing else stored."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    broken = request(site, more="Transfer-Encoding: chunked\r\n") + b"2\r\n[]\r\nzz\r\n"
    await wire.send(request(site, 1) + broken + request(site, 2))
    await asyncio.sleep(0.02)
    gate.set()

    assert await statuses(wire) == [204, 400]
    assert await levels(site) == [1]


async def test_a_refused_request_adds_nothing_to_the_one_before(site):
    """The body of a request with too long a head is nobody's body."""
    wire = await site.connect()
    long = request(site, 2, more=f"X-Long: {'a' * connections.HEAD_BYTES_MAX}\r\n")
    await wire.send(request(site, 1) + long)

    assert await statuses(wire) == [204, 431]
    assert await levels(site) == [1]


# -- what one connection may hold ------------------------------------------------------------------


async def test_thousands_of_pipelined_refusals_are_answered(site, monkeypatch):
    """Requests that are refused at once, behind one that takes time, need no stack of their number."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(request(site, 1) + NOBODY * 1_500)
    await asyncio.sleep(0.02)
    gate.set()

    assert [(await wire.answer())[0] for _ in range(1_501)] == [204] + [401] * 1_500


async def test_answers_that_nobody_reads_stop_the_reading(site):
    """Answers of the hot path wait for the client as streamed ones do: memory is bounded; then all come."""
    wire = await site.connect()
    wire.writer.transport.set_write_buffer_limits(high=1 << 30)
    wire.writer.transport.pause_reading()
    wire.writer.write(NOBODY * 60_000)
    await until(lambda: inside(site).flow.write_paused)
    for _ in range(300):
        await asyncio.sleep(0)
    assert inside(site).transport.get_write_buffer_size() < 4 * 65_536
    wire.writer.transport.resume_reading()

    for _ in range(60_000):
        assert (await wire.answer())[0] == 401


async def stuck(site):
    """Give the server's side of a connection whose client leaves an answer unread."""
    wire = await site.connect()
    wire.writer.transport.set_write_buffer_limits(high=1 << 30)
    wire.writer.transport.pause_reading()
    wire.writer.write(NOBODY * 60_000)
    await until(lambda: inside(site).flow.write_paused)
    return inside(site)


@pytest.mark.parametrize("closing", [False, True], ids=["under way", "closing"])
async def test_who_does_not_read_is_cut_off(site, closing):
    """An unread answer is kept for half a minute, also where the connection waits for it to end."""
    one = await stuck(site)
    if closing:
        one.transport.close()
    now_s = asyncio.get_running_loop().time()
    one.look(now_s)
    one.look(now_s + connections.UNREAD_S - 1)
    assert one in site.server.server_state.connections
    one.look(now_s + connections.UNREAD_S + 1)

    await until(lambda: not site.server.server_state.connections)


@pytest.mark.parametrize(("length", "after"), [(b": 0", b"\r\n"), (b": 9", b"x")], ids=["blank", "body"])
async def test_a_connection_is_not_kept_for_nothing(site, length, after):
    """A blank line, or the rest of a body that was refused already, keeps no connection open."""
    wire = await site.connect()
    await wire.send(NOBODY.replace(b": 0", length))
    await wire.answer()
    await wire.send(after)
    await until(lambda: inside(site)._head_since_s < math.inf)
    now_s = asyncio.get_running_loop().time()
    inside(site).look(now_s + connections.HEAD_READ_S + 1)

    assert (await statuses(wire))[-1] == 408


async def test_a_refused_body_that_has_come_leaves_an_idle_connection(site):
    """It is kept as long as any other idle one, and no longer."""
    wire = await site.connect()
    await wire.send(NOBODY.replace(b": 0", b": 9"))
    assert (await wire.answer())[0] == 401
    await wire.send(b"x" * 9)
    await until(lambda: inside(site)._head_since_s == math.inf)

    assert inside(site).timeout_keep_alive_task is not None


async def test_the_next_head_may_wait_for_a_slow_answer(site, monkeypatch):
    """While an answer is under way nobody is told that the next request comes too slowly."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    rest = request(site, 2)
    await wire.send(request(site, 1) + rest[:20])
    await until(lambda: site.server.server_state.connections and inside(site).cycle is not None)
    inside(site).look(asyncio.get_running_loop().time() + connections.HEAD_READ_S + 1)
    gate.set()
    assert (await wire.answer())[0] == 204
    await wire.send(rest[20:])

    assert (await wire.answer())[0] == 204


async def test_a_client_that_leaves_ends_the_answer_under_way(site, monkeypatch):
    """Also where another request waits behind it: nobody writes on for a client that has gone."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(request(site, 1, method="PATCH") + request(site, 2))
    await until(lambda: site.server.server_state.connections and inside(site).pipeline)
    serving = inside(site)._serving
    wire.close()
    await until(lambda: not site.server.server_state.connections)
    gate.set()

    assert serving.disconnected


PLENTY = connections.CONNECTIONS_MAX + servers.DESCRIPTORS_KEPT
ANY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "raised", "expected"),
    [
        ((PLENTY, PLENTY), None, connections.CONNECTIONS_MAX),
        ((ANY, ANY), None, connections.CONNECTIONS_MAX),
        ((1_024, ANY), (PLENTY, ANY), connections.CONNECTIONS_MAX),
        ((1_024, 500_000), (PLENTY, 500_000), connections.CONNECTIONS_MAX),
        ((256, 1_024), (1_024, 1_024), 1_024 - servers.DESCRIPTORS_KEPT),
        ((64, 64), (64, 64), 1),
    ],
)
def test_connections_leave_descriptors_for_the_rest(monkeypatch, limits, raised, expected):
    """The soft limit rises as far as it is needed and may; below that fewer clients are taken (S6)."""
    given = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: given.append(pair))

    assert expected == servers.room()
    assert given == ([] if raised is None else [raised])
