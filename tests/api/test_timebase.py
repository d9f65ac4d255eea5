"""Streams, symbols and messages: what is stored, what is refused, and what is kept of it (TB-20 … TB-31)."""

from __future__ import annotations

import json

import msgspec
import pytest

from api.identity.passwords import Passwords
from api.identity.scopes import SERIES_READ, SERIES_WRITE
from api.identity.setup import Credentials, add_client
from schemas.assets import Asset
from tests.api.boards import BOARD, SYMBOL, put_board, sample, text_of
from tests.api.doors import NOW_MS, bearer, token_of
from tests.api.masts import MAST, at, running_site
from tests.api.test_fleet import bound_to

WRITE = "/api/v0/weather_record/write"
STREAMS = "/api/aspectstore/v1/timebase/streams"
RECORDS = "/api/mindconnect/v3/recoverableRecords"


@pytest.fixture
async def site():
    """A door whose tenant has the stream of the article, and one board as its symbol."""
    async with running_site() as running:
        await put_board(running)
        yield running


async def write(site, messages, path=WRITE, **headers):
    """Write messages, or a text, as the tenant's technical user."""
    content = messages if isinstance(messages, bytes) else json.dumps(messages).encode()
    return await site.open.send("POST", path, content, **headers)


async def wrote(site, messages, path=WRITE):
    """Write what must be taken whole."""
    answer = await write(site, messages, path)
    assert (answer.status_code, answer.content) == (200, b"[]"), answer.text
    return answer


async def rows(site, asset=BOARD):
    """Read everything of a board."""
    return await site.open.of(asset, "air").rows()


def message(seconds=0, **fields):
    """Give a message of the board."""
    return {"$type": "weather_record", "symbol": SYMBOL, "timestamp": at(1_000 * seconds), **fields}


async def declared(site, key="weather_record", **members):
    """Declare a stream; gives what is declared."""
    body = {"stream": key, "aspectType": "acme.weather_record", **members}
    answer = await site.open.send("PUT", f"{STREAMS}/{key}", body)
    assert answer.status_code == 201, answer.text
    return body


# What a message may look like.

READS = {
    "numbers as texts": ({"am2320_temp": "21.5", "mem_used": "7"}, {"am2320_temp": 21.5, "mem_used": 7}),
    "unknown fields": ({"am2320_temp": 1.5, "wind": 3, "name": "x"}, {"am2320_temp": 1.5}),
    "a null": ({"am2320_temp": 1.5, "mem_free": None}, {"am2320_temp": 1.5}),
    "a whole number for a long": ({"mem_used": 5.0}, {"mem_used": 5}),
}


@pytest.mark.parametrize("case", READS)
async def test_fields(site, case):
    """Fields are read by the types of the stream's variables; unknown ones are ignored (TB-25, TB-31)."""
    fields, expected = READS[case]

    await wrote(site, [message(**fields)])

    assert await rows(site) == [{"_time": at(0), **expected}]


async def test_messages_of_one_time_merge(site):
    """What is not sent stays what it was, null takes it away: sent twice it is there once (TB-25, TB-30)."""
    await wrote(site, [message(am2320_temp=1.5, mem_used=3, mem_free=4)])
    await wrote(site, [message(am2320_temp=2.5, mem_free=None)])

    assert await rows(site) == [{"_time": at(0), "mem_used": 3, "am2320_temp": 2.5}]


async def test_times_of_other_forms(site):
    """Milliseconds since 1970 are a time; nanoseconds in `nanoTime` where there is no other (TB-21)."""
    by_number = {**message(mem_used=1), "timestamp": NOW_MS + 1}
    by_nano = {**message(mem_used=2), "timestamp": None, "nanoTime": (NOW_MS + 2) * 1_000_000 + 999_999}
    beside = {**message(mem_used=3), "nanoTime": 5}

    await wrote(site, [by_number, by_nano, beside])

    assert [(row["_time"], row["mem_used"]) for row in await rows(site)] == [
        (at(0), 3),
        (at(1), 1),
        (at(2), 2),
    ]


async def test_messages_without_a_time(site):
    """They get the server's, a millisecond apart in their order, so that none is lost (TB-24)."""
    untimed = [{"symbol": SYMBOL, "mem_used": number} for number in range(3)]

    await wrote(site, untimed)

    assert [(row["_time"], row["mem_used"]) for row in await rows(site)] == [(at(n), n) for n in range(3)]


async def test_a_body_without_times_that_comes_again(site):
    """Nothing says that it is the same one, unless it has a key (TB-24, TB-30)."""
    for _ in range(2):
        await write(site, [{"symbol": SYMBOL, "mem_used": 1}], idempotency_key="one")
        site.clock.advance(1_000)

    assert len(await rows(site)) == 1


BAD = {
    "an array": ({"am2320_temp": [1, 2]}, "/0/am2320_temp"),
    "an object": ({"am2320_temp": {"value": 1}}, "/0/am2320_temp"),
    "binary data of an unknown field": ({"mem_used": 1, "image": [255, 216]}, "/0/image"),
    "a text for a number": ({"am2320_temp": "warm"}, "/0/am2320_temp"),
    "a fraction for a long": ({"mem_used": 1.5}, "/0/mem_used"),
    "a truth value for a number": ({"mem_used": True}, "/0/mem_used"),
    "no field that is known": ({"wind": 3}, "/0"),
    "another type": ({"mem_used": 1, "$type": "trade"}, "/0/$type"),
    "a type that is none": ({"mem_used": 1, "$type": ["weather_record"]}, "/0/$type"),
    "no time": ({"mem_used": 1, "timestamp": "yesterday"}, "/0/timestamp"),
    "a time without a zone": ({"mem_used": 1, "timestamp": "2026-01-01T00:00:00"}, "/0/timestamp"),
    "a time that is too far ahead": ({"mem_used": 1, "timestamp": "2200-01-01T00:00:00Z"}, "/0/timestamp"),
    "an empty symbol": ({"mem_used": 1, "symbol": ""}, "/0/symbol"),
    "no symbol": ({"mem_used": 1, "symbol": None}, "/0/symbol"),
    "a symbol that is none": ({"mem_used": 1, "symbol": True}, "/0/symbol"),
    "a nanoTime that is none": ({"mem_used": 1, "timestamp": None, "nanoTime": 1.5}, "/0/nanoTime"),
    "a nanoTime in an object": ({"mem_used": 1, "timestamp": None, "nanoTime": {"ns": 1}}, "/0/nanoTime"),
}


@pytest.mark.parametrize("case", BAD)
async def test_messages_that_are_refused(site, case):
    """A batch of nothing else is 400 with the place, so that the agent keeps its queue (TB-23, TB-31)."""
    fields, pointer = BAD[case]

    answer = await write(site, [message(**fields)])

    said = answer.json()
    assert (answer.status_code, said["refused"][0]["pointer"]) == (400, pointer)
    assert said["message"] == said["refused"][0]["error"]
    assert await rows(site) == []


@pytest.mark.parametrize("case", BAD)
async def test_good_messages_beside_a_bad_one(site, case):
    """They are stored, and only the bad one is kept, as it was sent (TB-23, TB-31)."""
    fields, pointer = BAD[case]
    bad = message(**fields)

    answer = await write(site, [message(1, mem_used=1), bad, message(2, mem_used=2)])

    said = answer.json()
    assert (answer.status_code, said["stored"]) == (200, 2)
    assert [each["pointer"] for each in said["refused"]] == [pointer.replace("/0", "/1", 1)]
    assert [row["mem_used"] for row in await rows(site)] == [1, 2]
    (record,) = (await site.open.send("GET", RECORDS)).json()["content"]
    link = (await site.open.send("GET", f"{RECORDS}/{record['id']}/downloadLink")).json()
    content = (await site.http.get(link)).content
    assert json.dumps([bad]).encode() in content


BODIES = {
    "nothing": b"",
    "no JSON": b"[{",
    "an object": b"{}",
    "a number": b"7",
    "not UTF-8": b'["\xff"]',
    "NaN": b'[{"symbol":"esp30ae","mem_used":nan}]',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("case", BODIES)
async def test_bodies_that_are_no_messages(site, case):
    """400, never 500 (TB-26)."""
    assert (await write(site, BODIES[case])).status_code == 400


@pytest.mark.parametrize("element", [1, "x", None, True, [], [[]]])
async def test_elements_that_are_no_messages(site, element):
    """Each is refused by itself (TB-26)."""
    answer = await write(site, [element, message(mem_used=1)])

    assert answer.json()["refused"][0]["pointer"] == "/0"
    assert answer.json()["stored"] == 1


async def test_members_that_stand_twice(site):
    """No value is chosen for the sender: the message is refused (design 8.10)."""
    for name in ("mem_used", "symbol", "timestamp"):
        body = f'[{{"symbol":"{SYMBOL}","timestamp":"{at(0)}","mem_used":1,"{name}":1}}]'
        answer = await write(site, body.encode())
        assert (answer.status_code, answer.json()["refused"][0]["pointer"]) == (400, f"/0/{name}")


async def test_an_empty_array(site):
    """Nothing is stored, and nothing was refused: `[]` (TB-22)."""
    await wrote(site, [])

    assert await rows(site) == []


async def test_a_large_body(site):
    """A body that is taken apart beside the loop gives the same as small ones."""
    many = [sample(number) for number in range(2_000)]

    await wrote(site, text_of(many).encode())

    listed = await site.open.of(BOARD, "air").rows(to=at(0, hours=24), limit=2_000)
    assert len(listed) == 2_000
    assert listed[-1]["am2320_temp"] == many[-1]["am2320_temp"]


# Who may.


async def test_who_may_write(site):
    """No token: 401; a reader: 403; a writer may not take records away by the mode (TB-14, TB-28)."""
    passwords = Passwords(8)
    tokens = {}
    for name, scopes in (("reader", (SERIES_READ,)), ("writer", (SERIES_WRITE,))):
        await add_client(site.catalog, passwords, Credentials("acme", name, "s3cret"), scopes)
        tokens[name] = bearer(await token_of(site.http, name, "s3cret"))
    body = json.dumps([message(mem_used=1)])

    stranger = await site.http.post(WRITE, content=body)
    reader = await site.http.post(WRITE, content=body, headers=tokens["reader"])
    writer = await site.http.post(WRITE, content=body, headers=tokens["writer"])
    rewriter = await site.http.post(f"{WRITE}?writeMode=REWRITE", content=body, headers=tokens["writer"])

    assert [each.status_code for each in (stranger, reader, writer, rewriter)] == [401, 403, 200, 403]
    assert stranger.json()["error"] == "Unauthorized"


async def test_another_tenants_stream_and_symbol(site):
    """They are unknown, in the same words (TB-27)."""
    await put_board(site, "other", "other-board", "d" * 32)

    stream = await write(site, [message(mem_used=1)], "/api/v0/other.weather_record/write")
    by_name = await write(site, [{**message(mem_used=1), "symbol": "other-board"}])
    by_id = await write(site, [{**message(mem_used=1), "symbol": "d" * 32}])

    assert stream.json()["message"] == "Unknown stream other.weather_record."
    assert by_name.json()["refused"] == by_id.json()["refused"]
    assert by_name.status_code == 400


# Streams and symbols.


async def test_keys_and_symbols(site):
    """A stream is an aspect type by id, with or without the tenant's prefix; a symbol an asset by both."""
    for number, (stream, symbol) in enumerate(
        [("weather_record", SYMBOL), ("acme.weather_record", BOARD), ("weather_record", BOARD)]
    ):
        each = {**message(number, mem_used=number), "symbol": symbol}
        await wrote(site, [each], f"/api/v0/{stream}/write")

    assert [row["mem_used"] for row in await rows(site)] == [0, 1, 2]


async def test_an_asset_without_an_aspect_of_the_stream(site):
    """It is no symbol of it."""
    answer = await write(site, [{**message(mem_used=1), "symbol": MAST}])

    assert answer.json()["refused"][0]["pointer"] == "/0/symbol"


async def test_two_assets_of_one_name(site):
    """Nobody chooses between them: the message is refused until it names the id."""
    await put_board(site, "acme", SYMBOL, "e" * 32)

    by_name = await write(site, [message(mem_used=1)])
    await wrote(site, [{**message(mem_used=1), "symbol": BOARD}])

    assert "Several assets" in by_name.json()["message"]


async def test_a_symbol_in_the_address(site):
    """It counts where a message has none; a message of another one is refused (TB-20)."""
    path = f"/api/v0/weather_record/{SYMBOL}/write"
    without = {name: value for name, value in message(mem_used=1).items() if name != "symbol"}

    answer = await write(
        site, [without, message(1, mem_used=2), {**message(2, mem_used=3), "symbol": BOARD}], path
    )

    assert answer.json()["stored"] == 2
    assert [each["pointer"] for each in answer.json()["refused"]] == ["/2/symbol"]


async def test_what_is_declared_of_a_stream(site):
    """A key of its own, further names of its type, the symbol of messages that have none (TB-24, TB-32)."""
    await declared(site, "roof", types=["weather"], symbol=SYMBOL)

    await wrote(site, [{"$type": "weather", "timestamp": at(0), "mem_used": 1}], "/api/v0/roof/write")

    assert [row["mem_used"] for row in await rows(site)] == [1]


async def test_unknown_symbols_become_assets_where_that_is_declared(site):
    """An asset of the declared type, made once, and told in the audit log (TB-20, TB-60)."""
    await declared(site, unknownSymbols="create", assetType="acme.Board")
    batch = [{**message(number, mem_used=number), "symbol": f"esp{number % 2}"} for number in range(4)]

    await wrote(site, batch)
    await wrote(site, batch)

    found = (await site.open.send("GET", "/api/assetmanagement/v3/assets?size=100")).json()
    made = {
        each["name"]: each["assetId"]
        for each in found["_embedded"]["assets"]
        if each["name"].startswith("esp")
    }
    assert made.keys() == {SYMBOL, "esp0", "esp1"}
    assert [row["mem_used"] for row in await rows(site, made["esp1"])] == [1, 3]
    lines = (await site.open.send("GET", "/api/aspectstore/v1/audit?action=asset.create")).json()
    assert sorted(line["things"]["symbol"] for line in lines["lines"]) == ["esp0", "esp1"]


@pytest.mark.parametrize("symbol", ["\ud800", "a\0", "a/b", "x" * 129, "\n"])
async def test_a_symbol_that_can_name_no_asset(site, symbol):
    """It is refused like any message, and no asset is said to have been made (TB-20)."""
    await declared(site, unknownSymbols="create", assetType="acme.Board")

    answer = await write(site, [message(mem_used=1), {**message(mem_used=2), "symbol": symbol}])

    assert answer.json()["stored"] == 1
    assert "No asset is made of this symbol" in answer.json()["refused"][0]["error"]
    made = await site.open.send("GET", "/api/aspectstore/v1/audit?action=asset.create")
    assert made.json()["lines"] == []


async def test_a_made_asset_that_was_deleted(site):
    """Its id is never used again, so its symbol is refused from then on."""
    await declared(site, unknownSymbols="create", assetType="acme.Board")
    await wrote(site, [{**message(mem_used=1), "symbol": "esp0"}])
    found = (await site.open.send("GET", "/api/assetmanagement/v3/assets?size=100")).json()
    (made,) = [each for each in found["_embedded"]["assets"] if each["name"] == "esp0"]
    path = f"/api/assetmanagement/v3/assets/{made['assetId']}"
    await site.open.send("DELETE", path, if_match=str(made["etag"]))

    answer = await write(site, [{**message(mem_used=1), "symbol": "esp0"}])

    assert "deleted" in answer.json()["message"]


async def test_declarations_are_checked(site):
    """Every problem is told with its place."""
    body = {"stream": "a/b", "aspectType": "acme.none", "unknownSymbols": "create", "parent": "f" * 32}
    answer = await site.open.send("PUT", f"{STREAMS}/other", body)

    pointers = [each["pointer"] for each in answer.json()["errors"]]
    assert (answer.status_code, pointers) == (400, ["/stream", "/stream", "/assetType", "/aspectType"])


async def test_declarations_have_versions(site):
    """Made once, changed and deleted under If-Match, listed by key, known at once."""
    body = await declared(site, "roof")
    again = await site.open.send("PUT", f"{STREAMS}/roof", body)
    stale = await site.open.send("PUT", f"{STREAMS}/roof", body, if_match="7")
    changed = await site.open.send("PUT", f"{STREAMS}/roof", {**body, "types": ["x"]}, if_match="0")
    listed = (await site.open.send("GET", STREAMS)).json()["streams"]
    gone = await site.open.send("DELETE", f"{STREAMS}/roof", if_match="1")
    missing = await site.open.send("GET", f"{STREAMS}/roof")

    statuses = [each.status_code for each in (again, stale, changed, gone, missing)]
    assert statuses == [412, 412, 200, 204, 404]
    assert [(each["stream"], each["types"], each["etag"]) for each in listed] == [("roof", ["x"], 1)]


# Modes of writing.

MODES = [
    ("APPEND", [3, 1], [0, 1, 2, 3, 4]),
    ("INSERT", [3, 1], [0, 1, 2, 3, 4]),
    ("REWRITE", [3, 5], [0, 2, 3, 5]),
    ("REWRITE", [5, 6], [0, 2, 4, 5, 6]),
    ("TRUNCATE", [5, 6], [0, 2, 4, 5, 6]),
    ("TRUNCATE", [3, 5], [0, 2, 3, 5]),
    ("TRUNCATE", [5, 6, 1, 7], [0, 1, 7]),
]


@pytest.mark.parametrize(("mode", "sent", "left"), MODES)
async def test_modes(site, mode, sent, left):
    """Two add whatever the order; one takes away from the first message on, one from older ones (TB-29)."""
    await wrote(site, [message(number, mem_used=number) for number in (0, 2, 4)])
    other = {**message(9, mem_used=9), "symbol": "esp-second"}
    await put_board(site, "acme", "esp-second", "e" * 32)
    await wrote(site, [other])

    for _ in range(2):
        await wrote(site, [message(number, mem_used=number) for number in sent], f"{WRITE}?writeMode={mode}")
    await site.step()

    assert [row["mem_used"] for row in await rows(site)] == left
    assert [row["mem_used"] for row in await rows(site, "e" * 32)] == [9]


@pytest.mark.parametrize("mode", ["REWRITE", "TRUNCATE"])
async def test_a_mode_under_a_key_takes_away_once(site, mode):
    """A repeat takes away neither what the first request wrote nor what came since (design 8.18, TB-29)."""
    path = f"{WRITE}?writeMode={mode}"
    for number, sent in enumerate(((0, 2, 4), (1, 3))):
        await write(site, [message(n, mem_used=n) for n in sent], path, idempotency_key=f"key {number}")
    await wrote(site, [message(9, mem_used=9)])

    again = await write(site, [message(n, mem_used=n) for n in (1, 3)], path, idempotency_key="key 1")

    assert (again.status_code, again.content) == (200, b"[]")
    assert [row["mem_used"] for row in await rows(site)] == [0, 1, 3, 9]
    other = await write(site, [message(1, mem_used=5)], path, idempotency_key="key 1")
    assert other.status_code == 422
    assert [row["mem_used"] for row in await rows(site)] == [0, 1, 3, 9]


async def test_a_mode_that_is_none(site):
    """400."""
    assert (await write(site, [message(mem_used=1)], f"{WRITE}?writeMode=UPDATE")).status_code == 400


# What is kept.


async def test_what_is_refused_is_replayed_after_the_mend(site):
    """Messages of an unknown symbol go to its series once there is one; the record goes (TB-23)."""
    lost = {**message(1, mem_used=7), "symbol": "esp-new"}
    for _ in range(2):
        answer = await write(site, [message(mem_used=1), lost])
        assert answer.json()["stored"] == 1
    (record,) = (await site.open.send("GET", RECORDS)).json()["content"]
    early = await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")
    still = (await site.open.send("GET", RECORDS)).json()["content"]

    await put_board(site, "acme", "esp-new", "e" * 32)
    replayed = await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")

    assert (early.status_code, replayed.status_code) == (200, 200)
    assert [each["id"] for each in still] == [record["id"]]
    assert [row["mem_used"] for row in await rows(site, "e" * 32)] == [7]
    assert (await site.open.send("GET", RECORDS)).json()["content"] == []


async def test_a_replay_writes_over_nothing(site):
    """Where the series has another value by now, it stays, and so does the record, until somebody decides."""
    lost = [{**message(n, mem_used=n, mem_free=n), "symbol": "esp-new"} for n in range(3)]
    await write(site, [message(mem_used=1), *lost])
    (record,) = (await site.open.send("GET", RECORDS)).json()["content"]
    await put_board(site, "acme", "esp-new", "e" * 32)
    newer = [{**message(0, mem_used=9), "symbol": "esp-new"}, {**message(1, mem_used=1), "symbol": "esp-new"}]
    await wrote(site, newer)

    await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")
    first = [(row["mem_used"], row.get("mem_free")) for row in await rows(site, "e" * 32)]
    (left,) = (await site.open.send("GET", RECORDS)).json()["content"]
    await site.open.send("POST", f"{RECORDS}/{left['id']}/replay", None, {"overwrite": "true"})

    assert first == [(9, None), (1, 1), (2, 2)]
    assert "another value" in left["dropReason"]
    assert [row["mem_used"] for row in await rows(site, "e" * 32)] == [0, 1, 2]
    assert (await site.open.send("GET", RECORDS)).json()["content"] == []


async def test_a_replay_reaches_what_the_sender_reached(site):
    """Who is bound to a subtenant writes to no other asset, not by the hand of whoever replays it either."""
    await put_board(site, "acme", "esp-north", "e" * 32)
    await give(site, "e" * 32, "north")
    body = json.dumps([{**message(mem_used=1), "symbol": "esp-north"}, message(1, mem_used=2)])
    sent = await site.http.post(WRITE, content=body, headers=await bound_to(site, "north"))
    assert sent.json()["stored"] == 1
    (record,) = (await site.open.send("GET", RECORDS)).json()["content"]

    await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")
    foreign = await rows(site)
    await give(site, BOARD, "north")
    await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")

    assert foreign == []
    assert [row["mem_used"] for row in await rows(site)] == [2]
    assert (await site.open.send("GET", RECORDS)).json()["content"] == []


async def give(site, asset_id, subtenant):
    """Give an asset to a subtenant."""
    document = await site.catalog.get("acme", "asset", asset_id)
    asset = msgspec.json.decode(document.body, type=Asset)
    body = msgspec.json.encode(msgspec.structs.replace(asset, sub_tenant=subtenant))
    await site.catalog.replace("acme", "asset", asset_id, body, document.version)
    await site.door.services.refresh()


async def test_a_replayed_message_without_a_time(site):
    """It has the time at which it came, not that of the replay (TB-24)."""
    await write(site, [message(mem_used=1), {"symbol": "esp-new", "mem_used": 2}])
    (record,) = (await site.open.send("GET", RECORDS)).json()["content"]
    site.clock.advance(60_000)
    await put_board(site, "acme", "esp-new", "e" * 32)

    await site.open.send("POST", f"{RECORDS}/{record['id']}/replay")

    assert await rows(site, "e" * 32) == [{"_time": at(0), "mem_used": 2}]


async def test_the_receipt(site):
    """A write has one, of all its series; `?wait=applied` says whether they are stored (design 8.1)."""
    await put_board(site, "acme", "esp-second", "e" * 32)

    answer = await wrote(site, [message(mem_used=1), {**message(mem_used=2), "symbol": "esp-second"}])

    path = f"/api/aspectstore/v1/receipts/{answer.headers['write-receipt']}"
    before = (await site.open.send("GET", path)).json()["state"]
    await site.step()
    after = (await site.open.send("GET", path)).json()["state"]
    assert (before, after) == ("pending", "applied")
