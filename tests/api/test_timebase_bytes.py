"""The published agent's requests over a socket, byte for byte, and what is stored of them (TB-20 … TB-33)."""

from __future__ import annotations

import json

import pytest

from tests.api.boards import BOARD, PASSWORD, SYMBOL, USER, Board, add_board_user, put_board, sample, text_of
from tests.api.served import served_site


@pytest.fixture
async def site():
    """A served door whose tenant has the stream of the article, and one board as its symbol."""
    async with served_site() as running:
        await put_board(running)
        await add_board_user(running.catalog)
        yield running


async def stored(site):
    """Read everything of the board, as (time, temperature)."""
    rows = await site.open.of(BOARD, "air").rows()
    return [(row["_time"], row["am2320_temp"]) for row in rows]


def expected(*numbers):
    """Give what must be stored of these samples."""
    return [(sample(number)["timestamp"], sample(number)["am2320_temp"]) for number in numbers]


async def test_the_agents_login_to_the_byte(site):
    """The form as the agent's dictionary gives it, unescaped: 200, and the three members it reads (TB-01)."""
    board = Board(site)
    octets = (
        b"POST /oauth/token HTTP/1.0\r\n"
        b"Host: 127.0.0.1\r\n"
        b"Authorization: Basic d2ViOnNlY3JldA==\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 69\r\n"
        b"\r\n"
        b"grant_type=password&scope=trust&password=p@ss!w:o/rd&username=board-7"
    )
    assert board.form(grant_type="password", scope="trust", password=PASSWORD, username=USER) == octets

    status, body = await board.send(octets)

    answer = json.loads(body)
    assert status == 200
    assert {"refresh_token", "access_token"} <= answer.keys()
    assert answer["expires_in"] == 300


async def test_a_post_of_five_samples_to_the_byte(site):
    """Lower-case `bearer`, two `Content-Type`, the weather record: `[]`, each once (TB-11, TB-20, TB-32)."""
    board = Board(site)
    await board.login()
    for number in range(5):
        board.measure(number)
    octets = board.post(text_of(board.kept))
    head, _, body = octets.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /api/v0/weather_record/write HTTP/1.0"
    assert head.count(b"Content-Type: application/json") == 2
    assert body.startswith(
        b'[{"mem_used": 61440, "mem_free": 49712, "am2320_temp": 21.5, "am2320_humidity": 48.3, '
        b'"bmp180_temp": 22.1, "bmp180_pressure": 98912.4, "bmp180_altitude": 202.74, '
        b'"timestamp": "2025-12-31T23:59:00.003Z", "$type": "weather_record", "symbol": "esp30ae"}, '
    )

    status, answer = await board.send(octets)

    assert (status, answer) == (200, b"[]")
    rows = await site.open.of(BOARD, "air").rows()
    assert rows[0] == {
        "_time": "2025-12-31T23:59:00.003Z",
        "mem_used": 61_440,
        "mem_free": 49_712,
        "am2320_temp": 21.5,
        "am2320_humidity": 48.3,
        "bmp180_temp": 22.1,
        "bmp180_pressure": 98_912.4,
        "bmp180_altitude": 202.74,
    }
    assert await stored(site) == expected(0, 1, 2, 3, 4)


async def test_a_reboot_between_the_answer_and_the_save(site):
    """Memory forgets at 2xx, flash at the next sample: who starts between sends all again (TB-30)."""
    board = Board(site)
    await board.login()
    for number in range(5):
        board.measure(number)
    assert (await board.upload())[0] == 200

    board.boot()
    await board.login()
    for number in range(5, 8):
        board.measure(number)
    assert await board.upload() == (200, b"[]")
    await site.step()

    assert len(board.flash) == 8
    assert await stored(site) == expected(*range(8))


async def test_an_answer_that_is_lost(site):
    """The board is gone before the answer comes, starts and sends the same: once each (TB-30, TB-55)."""
    board = Board(site)
    await board.login()
    for number in range(3):
        board.measure(number)
    for _ in range(2):
        wire = await site.connect()
        await wire.send(board.post(text_of(board.kept)))
        wire.close()

    board.boot()
    await board.login()
    assert await board.upload() == (200, b"[]")
    await site.step()

    assert await stored(site) == expected(0, 1, 2)


async def test_what_is_not_2xx_keeps_the_queue(site):
    """A token that has run out: 401; the board keeps all, renews its token and sends it (TB-08, TB-56)."""
    board = Board(site)
    await board.login()
    board.measure(0)
    site.clock.advance(301_000)
    refused = await board.upload()
    board.measure(1)

    await board.login()
    assert await board.upload() == (200, b"[]")

    assert refused[0] == 401
    assert json.loads(refused[1])["status"] == 401
    site.open.headers = {"authorization": f"Bearer {board.tokens['access_token']}"}
    assert await stored(site) == expected(0, 1)


async def test_a_reboot_in_the_middle_of_a_request(site):
    """Half a body and an end: nothing is stored, and the whole one comes later (TB-62)."""
    board = Board(site)
    await board.login()
    for number in range(4):
        board.measure(number)
    octets = board.post(text_of(board.kept))
    wire = await site.connect()
    await wire.send(octets[: len(octets) // 2])
    wire.close()
    before = await stored(site)

    board.boot()
    await board.login()
    await board.upload()

    assert before == []
    assert await stored(site) == expected(0, 1, 2, 3)


async def test_the_address_that_the_article_prints(site):
    """`/{stream}/{symbol}/write` takes the same bodies, with and without a symbol of their own (TB-20)."""
    board = Board(site)
    await board.login()
    path = f"/api/v0/weather_record/{SYMBOL}/write"
    without = json.dumps([{**sample(1), "$type": "weather_record"}])

    first = await board.send(board.post(text_of([sample(0)]), path))
    second = await board.send(board.post(without, path))

    assert (first, second) == ((200, b"[]"), (200, b"[]"))
    assert await stored(site) == expected(0, 1)


def refusal(kind, message, *refused):
    """Give the body of a refusal, with a star for the id of the request."""
    listed = ",".join(f'{{"pointer":"{pointer}","error":"{message}"}}' for pointer in refused)
    return (
        f'{{"type":"{kind}","message":"{message}","status":400,"error":"Bad Request","logref":"*",'
        f'"stackTrace":[],"refused":[{listed}]}}'
    )


_ONE = text_of([sample(0)])
_NO_SYMBOL = "There is no asset of this symbol with an aspect of the stream."
REFUSALS = {
    "an unknown stream": (
        "/api/v0/snow/write",
        _ONE,
        refusal("mdsp.core.generic.invalidParameter", "Unknown stream snow."),
    ),
    "an object": (
        "/api/v0/weather_record/write",
        json.dumps(sample(0)),
        refusal("aspectstore.records.wrongType", "Send an array of messages, not an object."),
    ),
    "a symbol that no asset is": (
        "/api/v0/weather_record/write",
        text_of([sample(0)], "esp0000"),
        refusal("mdsp.core.generic.invalidRequestBodyProperty", _NO_SYMBOL, "/0/symbol"),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals_in_the_shape_of_that_system(site, case):
    """400 in the members that its clients know, without a stack trace (TB-23, TB-26, TB-27)."""
    path, body, answer = REFUSALS[case]
    board = Board(site)
    await board.login()

    status, text = await board.send(board.post(body, path))

    logref = json.loads(text)["logref"]
    assert (status, text.decode()) == (400, answer.replace("*", logref))


async def test_a_batch_of_which_one_is_refused(site):
    """The old agent drops its queue at 2xx: the good are stored, the bad one is in the quarantine (TB-23)."""
    board = Board(site)
    await board.login()
    bad = sample(1, am2320_temp="warm")

    status, text = await board.send(board.post(text_of([sample(0), bad, sample(2)])))

    said = '/1/am2320_temp","error":"am2320_temp is a DOUBLE: send a number, not \'warm\'."'
    assert (status, text.decode()) == (200, f'{{"stored":2,"refused":[{{"index":1,"pointer":"{said}}}]}}')
    assert await stored(site) == expected(0, 2)
    listed = (await site.open.send("GET", "/api/mindconnect/v3/recoverableRecords")).json()["content"]
    assert [record["agentId"] for record in listed] == [""]
    assert "warm" in listed[0]["dropReason"]
