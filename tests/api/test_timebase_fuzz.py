"""Whatever messages come through TimeBase's door: stored, kept, or refused; never a 5xx (S7)."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from tests.api.boards import BOARD, SYMBOL, put_board
from tests.api.masts import at, running_site
from tests.api.test_timebase import STREAMS, WRITE, message, write

MODES = ["APPEND", "APPEND", "APPEND", "INSERT", "REWRITE", "TRUNCATE"]
NAMES = [
    "$type", "symbol", "timestamp", "nanoTime", "mem_used", "am2320_temp", "mem_used_qc", "_time", "", "a/b~"
]  # fmt: skip
TEXTS = [
    *map(json.dumps, (0, -1, 1.5, "x", "1.5", "", None, True, [], {}, [1], {"a": [2]}, 10**30)),
    *map(json.dumps, (SYMBOL, "weather_record", at(0), at(-1), "\0", "9" * 19, "é")),
    r'"\ud800"', "1e400", "NaN", "-0", '"unended',
]  # fmt: skip
REFUSALS = {400, 413, 429}
STEP = 500


@pytest.fixture
async def site():
    """A door whose tenant has the stream of the article and one board; unknown symbols become boards."""
    async with running_site() as running:
        await put_board(running)
        body = {
            "stream": "weather_record", "aspectType": "acme.weather_record",
            "unknownSymbols": "create", "assetType": "acme.Board",
        }  # fmt: skip
        assert (await running.open.send("PUT", f"{STREAMS}/weather_record", body)).status_code == 201
        yield running


def drawn(chance):
    """Write a body: some messages, of which most name the board, with odd members, and perhaps odd bytes."""
    messages = [one_of(chance) for _ in range(chance.randrange(6))]
    body = f"[{','.join(messages)}]".encode()
    if chance.random() < 0.1:
        cut = chance.randrange(len(body))
        body = body[:cut] + bytes([chance.randrange(256)]) + body[cut + chance.randrange(3) :]
    return body


def one_of(chance):
    """Write one element of a body."""
    if chance.random() < 0.05:
        return chance.choice(TEXTS)
    members = [(chance.choice(NAMES), chance.choice(TEXTS)) for _ in range(chance.randrange(4))]
    if chance.random() < 0.8:
        members += [("symbol", json.dumps(SYMBOL)), ("mem_used", "7")]
    chance.shuffle(members)
    written = ",".join(f"{json.dumps(name)}:{text}" for name, text in members)
    return f"{{{written}}}"


async def hammered(site, count, seed):
    """Send so many bodies; gives how often each status was the answer."""
    chance, statuses = random.Random(seed), Counter()
    for number in range(count):
        if number % STEP == 0:
            await site.step()  # Else reads go through all of it, and at last not any more.
        body = drawn(chance)
        answer = await write(site, body, f"{WRITE}?writeMode={chance.choice(MODES)}")
        statuses[answer.status_code] += 1
        assert answer.status_code == 200 or answer.json()["message"], body
        if answer.status_code == 200 and answer.content != b"[]":
            said = answer.json()
            assert said["stored"] >= 1, body
            assert said["refused"], body
    return statuses


@pytest.mark.parametrize(("count", "seed"), [(400, 3), pytest.param(40_000, 4, marks=pytest.mark.slow)])
@pytest.mark.timeout(1_800)
async def test_odd_messages_meet_no_fault_of_the_service(site, count, seed):
    """Heads, fields, texts and modes of every kind: taken or refused, and told (TB-20 … TB-31)."""
    statuses = await hammered(site, count, seed)

    assert set(statuses) <= {200} | REFUSALS
    assert statuses[200] > count / 20
    assert statuses[400] > count / 20
    assert (await write(site, [message(mem_used=1)])).content == b"[]"
    found = {row["_time"]: row.get("mem_used") for row in await site.open.of(BOARD, "air").rows()}
    assert found[at(0)] == 1
