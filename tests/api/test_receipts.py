"""`GET …/receipts/{receipt}`: what became of a write, for its tenant only (design 8.17, 4)."""

from __future__ import annotations

import base64
import json

import pytest

from streams.port import DeadLetter, Settled
from tests.api.masts import at, problems

ROUTE = "/api/aspectstore/v1/receipts/"
RECORD = [{"_time": at(0), "level": 1}]


async def look(mast, receipt):
    """Ask for a receipt."""
    return await mast.send("GET", ROUTE + receipt)


async def test_a_write_is_pending_and_then_applied(site):
    """Until the writer's turn is stored, and from then on (design 8.17)."""
    receipt = await site.open.wrote(RECORD)

    before = await look(site.open, receipt)
    await site.step()
    after = await look(site.open, receipt)

    assert (200, b'{"state":"pending","reason":""}') == (before.status_code, before.content)
    assert (200, b'{"state":"applied","reason":""}') == (after.status_code, after.content)
    assert "application/json" == after.headers["content-type"]


async def test_patches_and_deletions_have_receipts_too(site):
    """Every write is accounted for."""
    patched = (await site.open.patch(RECORD)).headers["write-receipt"]
    deleted = (await site.open.delete(from_=at(-1), to=at(0))).headers["write-receipt"]
    await site.step()

    states = [(await look(site.open, receipt)).json()["state"] for receipt in (patched, deleted)]
    assert ["applied", "applied"] == states


async def test_an_entry_set_aside_says_why(site):
    """`dead-lettered` with the reason, also in a receipt whose other entries were applied (design 4)."""
    answer = await site.open.put_set([(site.open, RECORD), (site.open, RECORD)])
    first, second = answer.headers["write-receipt"].split(",")
    place = site.series.places("acme", second)[0]
    await site.stream.bury(DeadLetter(place.shard, place.position, "checksum", b"?"))
    await site.step()

    expected = {"state": "dead-lettered", "reason": "checksum"}
    assert expected == (await look(site.open, second)).json()
    assert expected == (await look(site.open, f"{first},{second}")).json()
    assert "applied" == (await look(site.open, first)).json()["state"]


async def test_a_replayed_letter_is_followed_and_a_discarded_one_told(site):
    """The receipt of a replayed entry tells how its replay fares (design 4)."""
    replayed = await site.open.wrote(RECORD)
    discarded = await site.open.wrote(RECORD)
    again = site.series.places("acme", await site.open.wrote(RECORD))[0]
    for receipt, settled in ((replayed, Settled(again.incarnation, again.position)), (discarded, Settled())):
        place = site.series.places("acme", receipt)[0]
        await site.stream.bury(DeadLetter(place.shard, place.position, "checksum", b"?"))
        await site.stream.settle(place.shard, place.position, settled)
    held = site.stream.shard(again.shard)
    held.applied = again.position - 1

    assert {"state": "pending", "reason": ""} == (await look(site.open, replayed)).json()
    told = (await look(site.open, discarded)).json()
    assert "dead-lettered" == told["state"]
    assert "discarded" in told["reason"]


async def test_a_lost_entry_is_410(site):
    """A restored, older stream server has lost it; earlier receipts hold (design 4)."""
    kept = await site.open.wrote(RECORD)
    await site.step()
    saved = site.stream.save()
    lost = await site.open.wrote(RECORD)
    site.stream.restore(saved)

    before = await look(site.open, lost)
    await site.step()
    after = await look(site.open, lost)

    assert (200, "pending") == (before.status_code, before.json()["state"])
    assert (410, [(None, "lost")]) == (after.status_code, problems(after))
    assert "applied" == (await look(site.open, kept)).json()["state"]


async def test_an_applied_entry_stays_applied_when_the_stream_server_is_emptied(site):
    """The store knows what it has (design 4)."""
    receipt = await site.open.wrote(RECORD)
    await site.step()
    site.stream.wipe()

    assert "applied" == (await look(site.open, receipt)).json()["state"]
    await site.step()
    assert "applied" == (await look(site.open, receipt)).json()["state"]


async def test_while_the_stream_is_down_a_receipt_cannot_be_judged(site):
    """Whether the entry was set aside is only known there: 503."""
    receipt = await site.open.wrote(RECORD)
    await site.step()
    site.stream.stop()

    assert 503 == (await look(site.open, receipt)).status_code


async def test_another_tenants_receipt_is_like_one_that_never_was(site):
    """404 with the same body (design 8.17, S1)."""
    foreign = await site.other.wrote(RECORD)
    mine = await site.open.wrote(RECORD)
    forged = _flipped(mine)

    answers = [await look(site.open, text) for text in (foreign, forged, mine[:-4], "AAAA", "%C3%A9", "-,x")]

    assert [404] * 6 == [answer.status_code for answer in answers]
    bodies = [answer.content.replace(answer.headers["x-request-id"].encode(), b"") for answer in answers]
    assert 1 == len(set(bodies))
    assert 200 == (await look(site.open, mine)).status_code


def _flipped(receipt):
    """Change the position inside and keep the signature."""
    octets = bytearray(base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4)))
    octets[10] ^= 1
    return base64.urlsafe_b64encode(bytes(octets)).decode().rstrip("=")


async def test_unknown_parameters_are_refused_on_our_own_route(site):
    """400: only routes of the dialect ignore them (design 8.22)."""
    receipt = await site.open.wrote(RECORD)

    assert 400 == (await site.open.send("GET", f"{ROUTE}{receipt}?x=1")).status_code


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}])
async def test_a_receipt_needs_a_token(site, headers):
    """401 without one (design 8.15)."""
    receipt = await site.open.wrote(RECORD)

    answer = await site.http.get(ROUTE + receipt, headers=headers)

    assert 401 == answer.status_code
    assert ["errors"] == list(json.loads(answer.content))


async def test_receipts_outlive_the_door(site):
    """The signing key stands in the catalogue, so every door of the installation reads them (design 8.17)."""
    receipt = await site.open.wrote(RECORD)
    before = site.series.receipts

    await site.series.load()

    assert before is not site.series.receipts
    assert 200 == (await look(site.open, receipt)).status_code
