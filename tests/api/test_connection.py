"""Connections as clients make them and break them: order, pieces, limits, ends (S6, R18, R26)."""

from __future__ import annotations

import asyncio
import json

import pytest

from api import connection as connections
from schemas.limits import PUT_BODY_BYTES_MAX
from tests.api.masts import MAST, PATH, at
from tests.api.served import held_back, served_site

HERE = f"{PATH}/{MAST}/weather"
HOST = "Host: door\r\n"


@pytest.fixture
async def site():
    """A site behind the real server."""
    async with served_site() as running:
        yield running


def record(number):
    """Write a body of one record, another one for each number."""
    return json.dumps([{"_time": at(number), "level": number}]).encode()


def head(site, body, *, method="PUT", path=HERE, version="1.1", more="", length=True):
    """Write the head of a request of `acme`."""
    token = f"Authorization: {site.open.headers['authorization']}\r\n"
    size = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"{method} {path} HTTP/{version}\r\n{HOST}{token}{size}{more}\r\n".encode()


def put(site, number, **options):
    """Write a whole PUT."""
    body = record(number)
    return head(site, body, **options) + body


def get(site):
    """Write a whole GET of the newest record."""
    return head(site, b"", method="GET", length=False)


async def levels(site):
    """Give what is stored."""
    return [row["level"] for row in await site.open.rows()]


async def test_requests_in_one_piece_are_answered_in_order(site):
    """Pipelined requests, hot ones and others, take effect and are answered one after the other."""
    wire = await site.connect()
    await wire.send(put(site, 1) + get(site) + put(site, 2) + put(site, 3) + get(site))

    answers = [await wire.answer() for _ in range(5)]

    assert [status for status, _, _ in answers] == [204, 200, 204, 204, 200]
    assert [json.loads(answers[at_][2])[0]["level"] for at_ in (1, 4)] == [1, 3]
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 5


async def test_a_pipelined_put_waits_for_the_answer_before_it(site, monkeypatch):
    """A PUT that is ready sooner than the request before it does not overtake its answer."""
    gate, append = asyncio.Event(), site.stream.append

    async def held(admissions):
        if b"held" in admissions[0].body:
            await gate.wait()
        return await append(admissions)

    monkeypatch.setattr(site.stream, "append", held)
    wire = await site.connect()
    slow = json.dumps([{"_time": at(1), "label": "held"}]).encode()
    await wire.send(head(site, slow) + slow + put(site, 2) + put(site, 3))
    await asyncio.sleep(0.01)
    assert wire.reader.at_eof() is False
    assert not wire.reader._buffer
    gate.set()

    assert [(await wire.answer())[0] for _ in range(3)] == [204, 204, 204]


async def test_a_request_may_come_byte_by_byte(site):
    """However the pieces fall, it is one request."""
    wire = await site.connect()
    whole = put(site, 1)
    await wire.send(*(whole[i : i + 1] for i in range(len(whole))), put(site, 2))

    assert [(await wire.answer())[0] for _ in range(2)] == [204, 204]
    assert await levels(site) == [1, 2]


async def test_a_chunked_body_is_read_whole(site):
    """Transfer-Encoding: chunked, in chunks that cut the record anywhere."""
    wire = await site.connect()
    body = record(7)
    pieces = [body[i : i + 5] for i in range(0, len(body), 5)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    await wire.send(head(site, b"", length=False, more="Transfer-Encoding: chunked\r\n"), chunks)

    assert (await wire.answer())[0] == 204
    assert await levels(site) == [7]


async def test_unusual_requests_take_the_ordinary_way(site):
    """`Expect` is answered with 100, HTTP/1.0 with an end, and an offered upgrade is ignored."""
    wire = await site.connect()
    body = record(1)
    await wire.send(head(site, body, more="Expect: 100-continue\r\n"))
    assert (await wire.answer())[0] == 100
    await wire.send(body)
    assert (await wire.answer())[0] == 204
    await wire.send(put(site, 2, version="1.0"))
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (204, "close")
    assert await wire.ended()

    assert await levels(site) == [1, 2]


async def test_connection_close_is_kept(site):
    """A client that asks for it gets the answer and the end."""
    wire = await site.connect()
    await wire.send(put(site, 1, more="Connection: close\r\n"))
    status, headers, _ = await wire.answer()

    assert (status, headers["connection"]) == (204, "close")
    assert await wire.ended()


@pytest.mark.parametrize("pieces", [1, 50], ids=["one piece", "pieces"])
async def test_a_long_head_is_431(site, pieces):
    """A head has a limit, however it comes, with a reason in the shape of every refusal (S6)."""
    wire = await site.connect()
    long = head(site, b"x", more=f"X-Long: {'a' * connections.HEAD_BYTES_MAX}\r\n")
    step = -(-len(long) // pieces)
    await wire.send(*(long[i : i + step] for i in range(0, len(long), step)))
    status, headers, body = await wire.answer()

    assert (status, headers["connection"]) == (431, "close")
    assert json.loads(body)["errors"][0]["logref"] == headers["x-request-id"]


async def test_a_head_without_end_is_cut_off(site):
    """A header that never ends is not kept in memory: the limit holds before the parser hands it over."""
    wire = await site.connect()
    await wire.send(b"GET /health HTTP/1.1\r\nX-Long: ")
    while not any(each._head_bytes for each in site.server.server_state.connections):
        await asyncio.sleep(0)
    await wire.send(*[b"a" * 1_024] * (connections.HEAD_BYTES_MAX // 1_024))
    status, _, _ = await wire.answer()

    assert status == 431


async def test_a_slow_head_is_408(site):
    """A head that does not come in time ends the connection; one in time does not, nor an idle one."""
    slow, idle = await site.connect(), await site.connect()
    await idle.send(get(site))
    await idle.answer()
    await slow.send(b"GET /health HTTP/1.1\r\n")
    await asyncio.sleep(0.01)
    now_s = asyncio.get_running_loop().time()
    for each in list(site.server.server_state.connections):
        each.look(now_s + connections.HEAD_READ_S - 1)
    for each in list(site.server.server_state.connections):
        each.look(now_s + connections.HEAD_READ_S + 1)
    status, headers, _ = await slow.answer()
    await idle.send(get(site))

    assert (status, headers["connection"]) == (408, "close")
    assert (await idle.answer())[0] == 200


async def test_a_body_that_does_not_come_is_408(site):
    """The deadline of bodies holds on the bare path too."""
    wire = await site.connect()
    body = record(1)
    await wire.send(head(site, body), body[:5])
    await asyncio.sleep(0.01)
    site.clock.advance(3_600_000)
    site.door.watch.look()
    status, headers, _ = await wire.answer()

    assert (status, headers["connection"]) == (408, "close")
    assert await wire.ended()
    assert not site.door.watch._waiting


GARBAGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two lengths": b"PUT %s HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length and chunks": (
        b"PUT %s HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a length that is none": b"PUT %s HTTP/1.1\r\nHost: d\r\nContent-Length: +3\r\n\r\nabc",
    "a blank before the colon": b"PUT %s HTTP/1.1\r\nHost: d\r\nContent-Length : 3\r\n\r\nabc",
    "a folded header": b"PUT %s HTTP/1.1\r\nHost: d\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"PUT %s HTTP/1.1\r\nHost: d\r\nX: a\0b\r\n\r\n",
    "a bare CR": b"PUT %s HTTP/1.1\r\nHost: d\r\nX: a\rContent-Length: 3\r\n\r\n",
    "an unknown version": b"PUT %s HTTP/3.7\r\nHost: d\r\n\r\n",
}


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_request_is_400_and_the_end(site, raw):
    """Nothing that two readers could read in two ways is read at all (request smuggling, S6)."""
    wire = await site.connect()
    await wire.send(raw.replace(b"%s", HERE.encode()))
    answers = []
    while not wire.reader.at_eof():
        try:
            answers.append(await wire.answer())
        except asyncio.IncompleteReadError:
            break

    assert answers[-1][0] in {400, 401}
    assert answers[-1][0] == 400 or answers[-1][1].get("connection") == "close"
    assert "errors" in json.loads(answers[-1][2])


async def test_a_strangers_body_is_not_waited_for(site):
    """Who may not write is told so before a byte of the body has come; the connection serves on."""
    wire = await site.connect()
    body = record(1)
    await wire.send(head(site, body).replace(b"Bearer ", b"Bearer x"))
    status, _, _ = await wire.answer()
    assert status == 401
    await wire.send(body, put(site, 2))

    assert (await wire.answer())[0] == 204
    assert await levels(site) == [2]


async def test_a_body_beyond_the_limit_is_413_at_once(site):
    """Announced or not, no more than the limit is kept."""
    wire = await site.connect()
    await wire.send(head(site, b"x" * (PUT_BODY_BYTES_MAX + 1)))
    assert (await wire.answer())[0] == 413
    other = await site.connect()
    await other.send(head(site, b"", length=False, more="Transfer-Encoding: chunked\r\n"))
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    await other.send(*[piece] * 17)

    assert (await other.answer())[0] == 413


async def test_a_client_that_leaves_within_a_body_leaves_nothing(site):
    """Half a body is no request: nothing is stored, nothing is kept (R26)."""
    wire = await site.connect()
    body = record(1)
    await wire.send(head(site, body), body[:-1])
    await asyncio.sleep(0.01)
    wire.close()
    for _ in range(100):
        if not site.server.server_state.connections:
            break
        await asyncio.sleep(0.01)
    site.clock.advance(3_600_000)
    site.door.watch.look()

    assert not site.server.server_state.connections
    assert not site.door.watch._waiting
    await site.renew()
    assert await levels(site) == []


async def test_answers_under_way_are_given_before_the_end(site, monkeypatch):
    """A server that is told to end answers what it has taken, says that it closes, and closes (R18)."""
    gate = held_back(site, monkeypatch)
    busy, idle = await site.connect(), await site.connect()
    await busy.send(put(site, 1))
    await asyncio.sleep(0.02)
    site.server.should_exit = True
    assert await idle.ended()
    gate.set()
    status, headers, _ = await busy.answer()

    assert (status, headers["connection"]) == (204, "close")
    assert await busy.ended()


async def test_too_many_connections_are_told_so(site, monkeypatch):
    """A connection too many gets 503 with the time to come again, and disturbs nobody."""
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 2)
    first, _, third = [await site.connect() for _ in range(3)]
    status, headers, _ = await third.answer()
    await first.send(put(site, 1))

    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert (await first.answer())[0] == 204
