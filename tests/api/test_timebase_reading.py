"""Streams as clients of TimeBase read and prune them (TB-70, TB-72, TB-76)."""

from __future__ import annotations

import json

import pytest

from api.identity.passwords import Passwords
from api.identity.scopes import SERIES_DELETE, SERIES_READ, SERIES_WRITE
from api.identity.setup import Credentials, add_client
from api.timebase import reading
from tests.api.boards import BOARD, SYMBOL, put_board
from tests.api.doors import NOW_MS, bearer, token_of
from tests.api.masts import at, running_site

BASE = "/api/v0"
STREAM = f"{BASE}/weather_record"
SECOND = "e" * 32


def message(symbol, seconds, number):
    """Give a message."""
    fields = {"mem_used": number, "am2320_temp": number / 2}
    return {"$type": "weather_record", "symbol": symbol, "timestamp": at(1_000 * seconds), **fields}


STORED = [
    message(SYMBOL, 0, 0),
    message("esp-second", 1, 1),
    message(SYMBOL, 2, 2),
    message("esp-second", 3, 3),
    message(SYMBOL, 4, 4),
]


@pytest.fixture
async def site():
    """A stream of two boards whose messages alternate."""
    async with running_site() as running:
        await put_board(running)
        await put_board(running, "acme", "esp-second", SECOND)
        answer = await running.open.send("POST", f"{STREAM}/write", STORED)
        assert answer.content == b"[]"
        yield running


async def got(site, path, body=None, **parameters):
    """Ask for messages; gives them."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    answer = await site.open.send("GET" if body is None else "POST", path, body, named or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


CASES = {
    "everything": ({}, [0, 1, 2, 3, 4]),
    "both ends are in it": ({"from_": at(1_000), "to": at(3_000)}, [1, 2, 3]),
    "from a time on": ({"from_": at(3_000)}, [3, 4]),
    "the newest first": ({"reverse": "true"}, [4, 3, 2, 1, 0]),
    "a page": ({"offset": 1, "rows": 2}, [1, 2]),
    "a page from the end": ({"offset": 1, "rows": 2, "reverse": "true"}, [3, 2]),
    "beyond the end": ({"offset": 5}, []),
    "no rows": ({"rows": 0}, []),
    "one symbol": ({"symbols": SYMBOL}, [0, 2, 4]),
    "several, one of them unknown": ({"symbols": f"{SYMBOL},nobody,esp-second"}, [0, 1, 2, 3, 4]),
    "a type": ({"types": "weather_record"}, [0, 1, 2, 3, 4]),
    "another type": ({"types": "trade"}, []),
    "a space": ({"space": "partition1"}, []),
    "looking back from an end": ({"to": at(4_000), "depth": "2S"}, [2, 3, 4]),
    "looking back from now": ({"depth": "1H"}, [0, 1, 2, 3, 4]),
    "an empty span": ({"from_": at(9), "to": at(1)}, []),
}


@pytest.mark.parametrize("case", CASES)
async def test_select(site, case):
    """Messages of all symbols in one order of time, from `from` to `to`, both included (TB-72)."""
    parameters, numbers = CASES[case]
    body = {name.rstrip("_"): value for name, value in parameters.items()}
    for name in ("symbols", "types"):
        if name in body:
            body[name] = body[name].split(",")
    body |= {"reverse": True} if "reverse" in body else {}

    by_query = await got(site, f"{STREAM}/select", **parameters)
    by_body = await got(site, f"{STREAM}/select", body)
    of_streams = await got(site, f"{BASE}/select", {**body, "streams": ["weather_record"]})

    assert by_query == by_body == of_streams == [STORED[number] for number in numbers]


async def test_select_of_a_symbol(site):
    """The address names it; a body may be left out (TB-72)."""
    path = f"{STREAM}/{SYMBOL}/select"
    empty = (await site.open.send("POST", path)).json()

    assert await got(site, path, rows=2) == [STORED[0], STORED[2]]
    assert empty == [STORED[0], STORED[2], STORED[4]]


async def test_select_of_stored_messages(site):
    """The answer is the same once the writer has stored them, and in pieces (TB-72)."""
    many = [message(SYMBOL if n % 3 else "esp-second", 10 + n, n) for n in range(300)]
    await site.open.send("POST", f"{STREAM}/write", many)
    await site.seal()

    assert await got(site, f"{STREAM}/select", offset=5, rows=200) == many[:200]
    backwards = await got(site, f"{STREAM}/select", rows=100, reverse="true")
    assert backwards == many[::-1][:100]


async def test_several_streams(site):
    """Each message says which type and symbol it is of (TB-72)."""
    body = {"stream": "roof", "aspectType": "acme.weather_record"}
    path = "/api/aspectstore/v1/timebase/streams/roof"
    assert (await site.open.send("PUT", path, body)).status_code == 201

    found = await got(site, f"{BASE}/select", streams="roof,weather_record", rows=4)

    assert [each["mem_used"] for each in found] == [0, 0, 1, 1]


async def test_a_question_goes_through_so_many_series(site, monkeypatch):
    """A stream counts once however often it is named; too many symbols of several are 400 (TB-72, S7)."""
    streams = ["weather_record"] * 50_000
    assert await got(site, f"{BASE}/select", {"streams": streams}) == STORED
    monkeypatch.setattr(reading, "STREAM_SERIES_MAX", 3)
    assert await got(site, f"{BASE}/select", {"streams": streams}) == STORED

    answer = await site.open.send(
        "POST", f"{BASE}/select", {"streams": ["weather_record", "weather", "tyres"]}
    )

    assert answer.status_code == 400
    assert "try using paging" in answer.json()["message"]


REFUSED = {
    "too many rows": {"rows": 20_001},
    "too far": {"offset": 100_000, "rows": 1},
    "a negative offset": {"offset": -1},
    "no number": {"rows": "all"},
    "no time": {"from": "yesterday"},
    "no depth": {"depth": "a while"},
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_select_refuses(site, case):
    """400 in the shape of that system; what is too much names paging (TB-72)."""
    answer = await site.open.send("GET", f"{STREAM}/select", None, REFUSED[case])

    said = answer.json()
    assert (answer.status_code, said["error"], said["stackTrace"]) == (400, "Bad Request", [])
    assert ("try using paging" in said["message"]) is case.startswith("too")


@pytest.mark.parametrize("body", [b"[", b"[]", b'{"rows":"many"}', b'{"symbols":7}'])
async def test_bodies_that_select_refuses(site, body):
    """400, never 500."""
    assert (await site.open.send("POST", f"{STREAM}/select", body)).status_code == 400


async def test_lists(site):
    """Streams with how many symbols they have, symbols, the type with its fields, a statement (TB-70)."""
    streams = {each["key"]: each["symbols"] for each in await got(site, f"{BASE}/streams")}
    filtered = await got(site, f"{BASE}/streams", filter="WEATHER_")
    symbols = await got(site, f"{STREAM}/symbols")
    schema = await got(site, f"{STREAM}/schema")
    statement = (await got(site, f"{STREAM}/describe"))["ddl"]

    assert streams == {"tyres": 2, "weather": 2, "weather_record": 2, "wide": 2}
    assert filtered == [{"name": "weather_record", "key": "weather_record", "symbols": 2}]
    assert symbols == ["esp-second", SYMBOL]
    assert await got(site, f"{STREAM}/symbols", filter="SECOND") == ["esp-second"]
    assert schema["types"] == schema["all"]
    fields = {each["name"]: each["type"] for each in schema["types"][0]["fields"]}
    assert fields["mem_used"] == {"name": "INTEGER", "encoding": "INT64", "nullable": True}
    assert fields["am2320_temp"]["name"] == "FLOAT"
    assert statement.startswith(
        'DURABLE STREAM "weather_record" (\n    CLASS "weather_record" (\n        "mem_used" INT'
    )


async def test_an_asset_counts_once_in_a_list(site):
    """Whatever number of aspects it has of the stream's type; where one is named, if it has that (TB-70)."""
    both = [{"name": name, "aspectTypeId": "acme.weather_record"} for name in ("air", "soil")]
    body = {"name": "Twice", "parentTypeId": "core.basicasset", "instantiable": True, "aspects": both}
    made = await site.open.send("PUT", "/api/assetmanagement/v3/assettypes/acme.Twice", body)
    root = (await site.open.send("GET", "/api/assetmanagement/v3/assets/root")).json()["assetId"]
    asset = {"name": "both", "typeId": "acme.Twice", "parentId": root}
    assert (await site.open.send("POST", "/api/assetmanagement/v3/assets", asset)).status_code == 201, made
    for key, aspect in (("any", ""), ("soil", "soil"), ("none", "water")):
        declared = {"stream": key, "aspectType": "acme.weather_record", "aspect": aspect}
        path = f"/api/aspectstore/v1/timebase/streams/{key}"
        assert (await site.open.send("PUT", path, declared)).status_code == 201

    listed = {each["key"]: each["symbols"] for each in await got(site, f"{BASE}/streams")}

    assert [listed[key] for key in ("any", "soil", "none")] == [3, 1, 0]


async def test_the_range(site):
    """First and last time of a stream, or of some symbols; nothing where there is nothing (TB-76)."""
    assert await got(site, f"{STREAM}/range") == {"start": at(0), "end": at(4_000)}
    assert await got(site, f"{STREAM}/range", symbols="esp-second") == {"start": at(1_000), "end": at(3_000)}
    assert await got(site, f"{STREAM}/range", symbols="nobody") == {"start": None, "end": None}


PRUNED = [
    ("purge", {"timestamp": NOW_MS + 2_000}, [2, 3, 4]),
    ("purge", {"timestamp": NOW_MS + 3_000, "symbols": [SYMBOL]}, [1, 3, 4]),
    ("purge", {"timestamp": 0}, [0, 1, 2, 3, 4]),
    ("truncate", {"timestamp": NOW_MS + 2_000}, [0, 1]),
    ("truncate", {"timestamp": NOW_MS + 1_000, "symbols": ["esp-second", "nobody"]}, [0, 2, 4]),
    ("truncate", {"timestamp": NOW_MS, "symbols": []}, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("verb", "body", "left"), PRUNED)
async def test_purge_and_truncate(site, verb, body, left):
    """What is older than a time goes, or everything from a time on, of all symbols or of some (TB-76)."""
    answer = await site.open.send("POST", f"{STREAM}/{verb}", body)
    fresh = await got(site, f"{STREAM}/select")
    await site.step()

    assert (answer.status_code, answer.content) == (200, b"")
    assert [each["mem_used"] for each in fresh] == left
    assert await got(site, f"{STREAM}/select") == fresh


async def test_a_purge_can_be_undone(site):
    """It is one delete a symbol, which the deletes list; none where there is nothing (TB-76, design 9.8)."""
    await site.step()
    await site.open.send("POST", f"{STREAM}/purge", {"timestamp": NOW_MS + 1_000})
    await site.step()

    (only,) = (await site.open.send("GET", "/api/aspectstore/v1/deletes")).json()["deletes"]
    await site.open.send("POST", f"/api/aspectstore/v1/deletes/{only['id']}/undo")
    await site.step()

    assert only["assetId"] == BOARD
    assert await got(site, f"{STREAM}/select") == STORED


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"timestamp":"x"}', b'{"timestamp":-5}', b'{"timestamp":1e30}']
)
async def test_bodies_that_a_purge_refuses(site, body):
    """400, and nothing is deleted."""
    assert (await site.open.send("POST", f"{STREAM}/purge", body)).status_code == 400
    assert await got(site, f"{STREAM}/select") == STORED


async def test_who_may_read_and_prune(site):
    """Each needs its scope (TB-14)."""
    statuses = {}
    for scope in (SERIES_READ, SERIES_WRITE, SERIES_DELETE):
        await add_client(site.catalog, Passwords(8), Credentials("acme", scope, "s3cret"), (scope,))
        headers = bearer(await token_of(site.http, scope, "s3cret"))
        select = await site.http.get(f"{STREAM}/select", headers=headers)
        content = json.dumps({"timestamp": 1})
        purge = await site.http.post(f"{STREAM}/purge", content=content, headers=headers)
        statuses[scope] = (select.status_code, purge.status_code)

    assert statuses == {SERIES_READ: (200, 403), SERIES_WRITE: (403, 403), SERIES_DELETE: (403, 200)}


async def test_unknown_streams(site):
    """400 `Unknown stream X.`, whatever is asked of it (TB-27)."""
    for path in ("symbols", "schema", "describe", "range", "select"):
        answer = await site.open.send("GET", f"{BASE}/snow/{path}")
        assert (answer.status_code, answer.json()["message"]) == (400, "Unknown stream snow."), path
