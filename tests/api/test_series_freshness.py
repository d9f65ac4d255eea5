"""What is acknowledged is in every later read; where it may not be, the read says so (design 4.17)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.masts import at, problems

RECORD = [{"_time": at(0), "level": 1}]


@pytest.mark.parametrize("parameters", [{}, {"to": at(0)}, {"latestValue": "true"}], ids=str)
async def test_a_write_is_in_the_next_read(site, parameters):
    """At once, without the writer, in every kind of read, and with no word of doubt (design 4.17)."""
    receipt = await site.open.wrote(RECORD)

    plain = await site.open.get(**parameters)
    after = await site.open.get({"read_after": receipt}, **parameters)

    assert RECORD == plain.json() == after.json()
    assert "read-position" not in plain.headers
    assert "read-position" not in after.headers


async def test_read_after_at_once_while_the_stream_answers(site):
    """Through the tail there is nothing to wait for, whatever else the receipt names (design 8.17)."""
    second = site.open.of("c" * 32)
    answer = await site.open.put_set(
        [(site.open, RECORD), (second, RECORD), (site.open.of("e" * 32), RECORD)]
    )
    site.series.receipts.wait_s = 0.0

    both = {"read_after": answer.headers["write-receipt"]}

    assert RECORD == (await site.open.get(both)).json() == (await second.get(both)).json()


@pytest.mark.parametrize("parameters", [{}, {"to": at(0)}, {"latestValue": "true"}], ids=str)
async def test_while_the_stream_is_down_the_store_answers_and_says_how_far_it_is(site, parameters):
    """200 with `Read-Position`; what it may lack is not hidden (design 4.17)."""
    stored = await site.open.wrote(RECORD)
    await site.step()
    newer = await site.open.wrote([{"_time": at(0), "level": 2}])
    site.stream.stop()

    plain = await site.open.get(**parameters)
    reached = await site.open.get({"read_after": stored}, **parameters)
    missed = await site.open.get({"read_after": newer}, **parameters)

    position = site.series.places("acme", stored)[0].position
    assert (200, RECORD, str(position)) == (
        plain.status_code, plain.json(), plain.headers["read-position"]
    )  # fmt: skip
    assert (200, RECORD) == (reached.status_code, reached.json())
    assert (503, "2") == (missed.status_code, missed.headers["retry-after"])
    assert [(None, "unavailable")] == problems(missed)


async def test_a_chain_that_is_too_long_is_left_to_the_store(site):
    """More than 256 unapplied entries: the store answers with its position; `Read-After` waits (4.17)."""
    await site.open.wrote([{"_time": at(-1), "level": 1}])
    await site.step()
    for number in range(257):
        receipt = await site.open.wrote([{"_time": at(0), "level": number}])

    plain = await site.open.get(to=at(0))
    refused = await site.open.get({"read_after": receipt}, to=at(0))
    site.series.receipts.wait_s = 5.0
    waiting = asyncio.create_task(site.open.get({"read_after": receipt}, to=at(0)))
    await asyncio.sleep(0)
    await site.step()
    reached = await waiting

    assert [{"_time": at(-1), "level": 1}] == plain.json()
    assert "read-position" in plain.headers
    assert 503 == refused.status_code
    assert [{"_time": at(-1), "level": 1}, {"_time": at(0), "level": 256}] == reached.json()
    assert "read-position" not in reached.headers


async def test_an_emptied_stream_server_does_not_hide_how_far_the_store_is(site):
    """After FLUSHALL the server knows no position; the one of the store is told (design 4, 4.17)."""
    receipt = await site.open.wrote(RECORD)
    await site.step()
    site.stream.wipe()

    answer = await site.open.get(to=at(0))

    assert RECORD == answer.json()
    assert str(site.series.places("acme", receipt)[0].position) == answer.headers["read-position"]


async def test_read_after_a_lost_write_is_410(site):
    """A restored older server has lost it: 410 "send it again", whatever was applied since (design 4)."""
    saved = site.stream.save()
    receipt = await site.open.wrote(RECORD)
    site.stream.restore(saved)
    await site.step()

    lost = await site.open.get({"read_after": receipt}, to=at(0))
    again = await site.open.wrote(RECORD)
    await site.step()
    still = await site.open.get({"read_after": receipt}, to=at(0))
    found = await site.open.get({"read_after": again}, to=at(0))

    assert [410, 410, 200] == [lost.status_code, still.status_code, found.status_code]
    assert [(None, "lost")] == problems(lost)
    assert RECORD == found.json()


@pytest.mark.parametrize("receipt", ["", "x", "-,x", "A" * 60, "é"])
async def test_a_receipt_that_was_never_given_is_404(site, receipt):
    """A forged, cut or foreign receipt is no receipt (design 8.17)."""
    answer = await site.open.get({"read_after": receipt.encode()}, to=at(0))

    assert 404 == answer.status_code


async def test_another_tenants_receipt_is_404(site):
    """Receipts are bound to their tenant (design 8.17)."""
    receipt = await site.other.wrote(RECORD)

    assert 404 == (await site.open.get({"read_after": receipt}, to=at(0))).status_code


# -- waiting for the store -------------------------------------------------------------------------


async def test_waiting_for_the_store_is_true_when_it_has_the_write(site):
    """Same status, `Write-Applied: true` (design 8.1, 8.17)."""
    site.series.receipts.wait_s = 5.0
    waiting = asyncio.create_task(site.open.put(RECORD, {"wait": "applied"}))
    await asyncio.sleep(0)
    while not waiting.done():
        await site.step()
        await asyncio.sleep(0.001)

    answer = await waiting

    assert (204, "true") == (answer.status_code, answer.headers["write-applied"])
    assert [1] == [len(deltas) for deltas in site.store.deltas.values()]


async def test_waiting_for_the_store_is_false_when_it_takes_too_long(site):
    """Same status, the write is durable, `Write-Applied: false` (design 8.17)."""
    answers = [
        await site.open.put(RECORD, {"wait": "applied"}),
        await site.open.patch(RECORD, {"wait": "applied"}),
        await site.open.delete(from_=at(1), to=at(2), wait="applied"),
    ]

    assert [(204, "false")] * 3 == [(each.status_code, each.headers["write-applied"]) for each in answers]
    assert all("write-receipt" in answer.headers for answer in answers)
    assert RECORD == await site.open.rows()


async def test_waiting_while_the_store_is_down_is_false_and_no_error(site):
    """The write is acknowledged; only the waiting failed (design 8.17)."""
    site.store.failure = OSError("gone")

    answer = await site.open.put(RECORD, {"wait": "applied"})

    assert (204, "false") == (answer.status_code, answer.headers["write-applied"])


async def test_an_entry_set_aside_is_not_called_applied(site):
    """`Write-Applied` is false for a dead letter (design 4, 8.17)."""
    entered = asyncio.Event()
    append = site.stream.append

    async def spoiled(admissions):
        answers = await append(admissions)
        shard = site.stream.shard(admissions[0].shard)
        entry = shard.entries[answers[0].position]
        shard.entries[entry.position] = type(entry)(entry.position, entry.previous, b"spoiled")
        entered.set()
        return answers

    site.stream.append = spoiled
    site.series.receipts.wait_s = 5.0
    waiting = asyncio.create_task(site.open.put(RECORD, {"wait": "applied"}))
    await entered.wait()
    await site.step()

    answer = await waiting

    assert (204, "false") == (answer.status_code, answer.headers["write-applied"])
    state = await site.open.send("GET", f"/api/aspectstore/v1/receipts/{answer.headers['write-receipt']}")
    assert "dead-lettered" == state.json()["state"]


@pytest.mark.parametrize("wait", ["", "yes", "Applied"])
async def test_other_words_for_waiting_are_refused(site, wait):
    """`wait` is `applied` or left out."""
    answer = await site.open.put(RECORD, {"wait": wait})

    assert 400 == answer.status_code
    assert [("/wait", "invalidParameter")] == problems(answer)
    assert [] == await site.open.rows()


# -- large bodies ----------------------------------------------------------------------------------


async def test_a_body_of_several_entries_has_one_receipt_for_all(site):
    """Columns over 1 MiB go in as neighbouring entries; all of them are in the receipt (design 3.2)."""
    rows = [{"_time": at(n), f"v{n % 1_000}": n} for n in range(900)]
    wide = site.open.of(aspect="wide")

    receipt = await wide.wrote(rows)

    places = site.series.places("acme", receipt)
    assert 4 == len(places)
    assert [places[0].position + number for number in range(len(places))] == [
        place.position for place in places
    ]
    held = site.stream.shard(wide.shard)
    assert all(len(held.entries[place.position].body) < 1_200_000 for place in places)
    await site.step()
    found = await wide.rows(from_=at(-1), to=at(1_000))
    assert rows == [{name: _whole(value) for name, value in row.items()} for row in found]
    state = await wide.send("GET", f"/api/aspectstore/v1/receipts/{receipt}")
    assert {"state": "applied", "reason": ""} == state.json()


def _whole(value):
    return int(value) if isinstance(value, float) else value


async def test_a_body_of_several_entries_is_admitted_whole_or_not_at_all(site):
    """No room for its second half: 429, and no half of it is there (design 6)."""
    wide = site.open.of(aspect="wide")
    rows = [{"_time": at(n), f"v{n % 1_000}": n} for n in range(900)]
    held = site.stream.shard(wide.shard)
    held.backlog_bytes = site.stream._caps.backlog_bytes_max - 1_000_000

    answer = await wide.put(rows)

    assert 429 == answer.status_code
    assert "retry-after" in answer.headers
    assert [] == held.positions
    held.backlog_bytes = 0
    assert [] == await wide.rows()


async def test_large_strings_are_divided_by_size_and_not_by_count(site):
    """Ten long notes before hundreds of short records: no entry above its size (design 3.2)."""
    rows = [{"_time": at(n), "note": "é" * 45_000} for n in range(10)]
    rows += [{"_time": at(10 + n), "level": n} for n in range(2_000)]
    body = json.dumps(rows, ensure_ascii=False).encode()
    assert 900_000 < len(body) <= 1_048_576

    receipt = await site.open.wrote(body)

    held = site.stream.shard(site.open.shard)
    assert all(
        len(held.entries[place.position].body) < 1_100_000 for place in site.series.places("acme", receipt)
    )
    await site.step()
    assert 2_000 == len(await site.open.rows(from_=at(-1), to=at(10_000), limit="2000"))
