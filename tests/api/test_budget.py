"""What all bodies of a door take together is bounded, and given back however a request ends (S6, S7)."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from api.exchange import Exchange
from api.http.budget import RETRY_AFTER_S, BodyBudget, Holding
from runtime.ports import DoorPolicy
from schemas.errors import Unavailable
from schemas.limits import EXCHANGE_BODY_BYTES_MAX, MB
from tests.api.doors import basic
from tests.api.masts import MAST, PATH, at
from tests.api.served import held_back, inside, served_site, until

HERE = f"{PATH}/{MAST}/weather"
BODY = json.dumps([{"_time": at(1), "level": 1}]).encode()
LARGE = json.dumps([{"_time": at(1), "label": "x" * 200}] * 40).encode()
CHUNKED = "Transfer-Encoding: chunked\r\n"
WAYS = {"bare": ("PUT", True), "framework": ("PUT", False), "PATCH": ("PATCH", True)}
"""Method, and whether the hot path is there."""


@pytest.fixture
async def site():
    """A site behind the real server."""
    async with served_site() as running:
        yield running


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def method(request, site):
    """A method, on each of the ways that a body may take."""
    name, hot = request.param
    if not hot:
        site.door.hot = None
    return name


def head(site, method, size=None, more=""):
    """Write the head of a request of `acme`, with or without an announced size."""
    token = f"Authorization: {site.open.headers['authorization']}\r\n"
    announced = "" if size is None else f"Content-Length: {size}\r\n"
    return f"{method} {HERE} HTTP/1.1\r\nHost: d\r\n{token}{announced}{more}\r\n".encode()


def chunk(piece):
    """Write one chunk."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def leave_room(site, size):
    """Let others hold all of the budget but so many bytes."""
    others = Holding(site.door.budget)
    others.add(site.door.budget.bytes_max - size)
    return others


def refusal(answer):
    """Give what matters of a refusal."""
    status, headers, body = answer
    return status, int(headers["retry-after"]), json.loads(body)["errors"][0]["code"]


NO_ROOM = (503, RETRY_AFTER_S, "aspectstore.service.unavailable")


def test_what_does_not_fit_is_not_held():
    """The bound is exact, and what is given back twice counts once."""
    budget = BodyBudget(100)
    one, other = Holding(budget), Holding(budget)
    one.add(60)
    other.add(30)
    with pytest.raises(Unavailable):
        one.add(11)
    with pytest.raises(Unavailable):
        other.demand(11)
    one.add(10)
    assert (100, 70, 30) == (budget.held_bytes, one.held_bytes, other.held_bytes)

    one.release()
    one.release()

    assert (30, 0) == (budget.held_bytes, one.held_bytes)


def test_the_largest_body_fits_many_times():
    """No single request can take a tenth of what there is."""
    policy = DoorPolicy()

    assert 256 * MB == policy.body_bytes_held_max
    assert 10 * EXCHANGE_BODY_BYTES_MAX < policy.body_bytes_held_max


async def test_an_announced_body_without_room_is_503_before_it_comes(site, method):
    """The head is enough to refuse it; once there is room the same connection serves on."""
    others = leave_room(site, len(BODY) - 1)
    wire = await site.connect()
    await wire.send(head(site, method, len(BODY)))
    assert NO_ROOM == refusal(await wire.answer())
    await wire.send(BODY, head(site, method, len(BODY) - 1))
    assert others.held_bytes == site.door.budget.held_bytes
    others.release()
    await wire.send(BODY[:-1])

    assert (await wire.answer())[0] == 400  # it had room, and is no JSON
    assert 0 == site.door.budget.held_bytes


async def test_who_announces_holds_nothing(site, method):
    """Room is taken by what has come, so that heads alone keep nobody out."""
    budget = site.door.budget
    budget.bytes_max = len(LARGE) + 10
    idle, busy = await site.connect(), await site.connect()
    await idle.send(head(site, method, len(LARGE)), LARGE[:5])
    await until(lambda: budget.held_bytes == 5)
    await busy.send(head(site, method, len(BODY)), BODY)

    assert (await busy.answer())[0] == 204
    assert 5 == budget.held_bytes


async def test_a_body_in_chunks_is_503_where_it_grows_too_large(site, method):
    """Nobody has announced it: what has come is let go, and the rest is not kept."""
    others = leave_room(site, 1_000)
    wire = await site.connect()
    await wire.send(head(site, method, more=CHUNKED), chunk(LARGE[:900]))
    await until(lambda: site.door.budget.held_bytes == others.held_bytes + 900)
    await wire.send(chunk(LARGE[900:1_800]))
    assert NO_ROOM == refusal(await wire.answer())
    assert others.held_bytes == site.door.budget.held_bytes
    await wire.send(chunk(LARGE[1_800:2_000]), b"0\r\n\r\n", head(site, method, len(BODY)), BODY)

    assert (await wire.answer())[0] == 204
    assert others.held_bytes == site.door.budget.held_bytes


async def test_a_body_is_held_until_its_answer(site, method, monkeypatch):
    """While the stream server takes its time it counts; the connection that stays keeps nothing of it."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(head(site, method, len(BODY)), BODY)
    await until(lambda: site.door.budget.held_bytes == len(BODY))
    gate.set()

    assert (await wire.answer())[0] == 204
    await until(lambda: site.door.budget.held_bytes == 0)
    last = inside(site).cycle
    assert not (last._parts if isinstance(last, Exchange) else last.scope["state"])


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]" * 600_000, 413)], ids=["no JSON", "too large"]
)
async def test_a_refused_body_is_let_go(site, method, body, status):
    """Whatever it is refused for, announced or in chunks."""
    wire = await site.connect()
    await wire.send(head(site, method, more=CHUNKED), chunk(body) + b"0\r\n\r\n")

    assert (await wire.answer())[0] == status
    await until(lambda: site.door.budget.held_bytes == 0)


@pytest.mark.parametrize("more", ["", CHUNKED], ids=["announced", "chunks"])
async def test_a_client_that_leaves_within_a_body_gives_its_room_back(site, method, more):
    """At once, not when the body's time is over (R26)."""
    wire = await site.connect()
    begun = chunk(LARGE[:900]) if more else LARGE[:900]
    await wire.send(head(site, method, None if more else len(LARGE), more), begun)
    await until(lambda: site.door.budget.held_bytes == 900)
    wire.close()

    await until(lambda: site.door.budget.held_bytes == 0)


async def test_a_client_that_leaves_before_its_answer_gives_its_room_back(site, method, monkeypatch):
    """What is under way is finished first: it may have been stored already."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(head(site, method, len(BODY)) + BODY)
    await until(lambda: site.door.budget.held_bytes == len(BODY))
    wire.close()
    await until(lambda: not site.server.server_state.connections)
    assert len(BODY) == site.door.budget.held_bytes
    gate.set()

    await until(lambda: site.door.budget.held_bytes == 0)


async def test_what_waits_in_line_is_let_go_when_its_client_leaves(site, monkeypatch):
    """A body behind a request under way is nobody's any more, whole or not."""
    gate = held_back(site, monkeypatch)
    wire = await site.connect()
    await wire.send(
        head(site, "PATCH", len(BODY)) + BODY + head(site, "PUT", len(BODY)) + BODY
        + head(site, "PUT", len(BODY)) + BODY[:7]
    )  # fmt: skip
    await until(lambda: site.door.budget.held_bytes == 2 * len(BODY) + 7)
    wire.close()
    await until(lambda: site.door.budget.held_bytes == len(BODY))
    gate.set()

    await until(lambda: site.door.budget.held_bytes == 0)


async def test_a_body_that_is_too_slow_or_breaks_off_is_let_go(site, method):
    """408 and 400 end a body as an answer does."""
    slow, broken = await site.connect(), await site.connect()
    await slow.send(head(site, method, len(BODY)), BODY[:9])
    await broken.send(head(site, method, more=CHUNKED), chunk(BODY[:7]))
    await until(lambda: site.door.budget.held_bytes == 16)
    await broken.send(b"zz\r\n")
    assert (await broken.answer())[0] == 400
    await until(lambda: site.door.budget.held_bytes == 9)
    site.clock.advance(3_600_000)
    site.door.watch.look()

    assert (await slow.answer())[0] == 408
    await until(lambda: site.door.budget.held_bytes == 0)


async def test_what_a_compressed_body_becomes_counts_too(site, method, monkeypatch):
    """Both are in memory until the answer; one that would become too much is 503 (TB-80)."""
    gate = held_back(site, monkeypatch)
    packed, coding = gzip.compress(LARGE[:-1] + b" ]"), "Content-Encoding: gzip\r\n"
    request = head(site, method, len(packed), coding) + packed
    wire = await site.connect()
    if method == "PUT":
        await wire.send(request)
        await until(lambda: site.door.budget.held_bytes == len(packed) + len(LARGE) + 1)
        gate.set()
        assert (await wire.answer())[0] == 204
        await until(lambda: site.door.budget.held_bytes == 0)
    others = leave_room(site, len(packed) + len(LARGE))
    await wire.send(request)

    assert NO_ROOM == refusal(await wire.answer())
    await until(lambda: site.door.budget.held_bytes == others.held_bytes)


async def test_a_pipelined_body_without_room_is_503_in_its_turn(site, monkeypatch):
    """It came while another was under way: its refusal waits, and what follows is served."""
    gate = held_back(site, monkeypatch)
    site.door.budget.bytes_max = len(LARGE) - 1
    wire = await site.connect()
    await wire.send(
        head(site, "PUT", len(BODY)) + BODY + head(site, "PUT", more=CHUNKED) + chunk(LARGE) + b"0\r\n\r\n"
        + head(site, "PUT", len(BODY)) + BODY
    )  # fmt: skip
    await until(lambda: site.door.budget.held_bytes == 2 * len(BODY))
    gate.set()

    assert [204, 503, 204] == [(await wire.answer())[0] for _ in range(3)]
    assert 0 == site.door.budget.held_bytes


async def test_strangers_are_told_so_first(site, method):
    """Who has no token learns nothing about the room, and takes none."""
    leave_room(site, 0)
    wire = await site.connect()
    await wire.send(head(site, method, len(BODY)).replace(b"Bearer ", b"Bearer x"))

    assert (await wire.answer())[0] == 401


async def test_a_login_without_room_is_refused_as_oauth_says(site):
    """RFC 6749's shape, with the time to come again."""
    leave_room(site, 10)
    form = {"grant_type": "client_credentials"}

    answer = await site.http.post("/oauth/token", data=form, headers=basic("acme-tech", "s3cret"))

    assert (503, str(RETRY_AFTER_S)) == (answer.status_code, answer.headers["retry-after"])
    assert "temporarily_unavailable" == answer.json()["error"]


async def test_many_at_once_never_hold_more_than_there_is(site, method, monkeypatch):
    """While nothing is answered, those that fit wait and the others are refused; all end, nothing is left."""
    gate, budget = held_back(site, monkeypatch), site.door.budget
    budget.bytes_max = 5 * len(BODY) + 3
    wires = [await site.connect() for _ in range(12)]
    for wire in wires:
        await wire.send(head(site, method, len(BODY)), BODY)
    answers = [asyncio.create_task(wire.answer()) for wire in wires]
    await until(lambda: sum(answer.done() for answer in answers) == 7)
    assert 5 * len(BODY) == budget.held_bytes
    gate.set()

    statuses = [status for status, _, _ in await asyncio.gather(*answers)]
    assert (5, 7) == (statuses.count(204), statuses.count(503))
    await until(lambda: budget.held_bytes == 0)
