"""`Idempotency-Key`: one effect and one answer for each key (design 8.18, R13)."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.masts import at, problems

RECORD = [{"_time": at(0), "level": 1}]
OTHER = [{"_time": at(0), "level": 2}]


def entries(site):
    """Count what is in the stream."""
    return sum(len(site.stream.shard(number).positions) for number in range(4))


async def test_ten_copies_at_once_have_one_effect_and_one_answer(site):
    """Ten parallel requests with one key: one entry, ten times the same receipt (R13)."""
    answers = await asyncio.gather(*(site.open.put(RECORD, idempotency_key="a") for _ in range(10)))

    assert {204} == {answer.status_code for answer in answers}
    assert 1 == len({answer.headers["write-receipt"] for answer in answers})
    assert 1 == entries(site)


async def test_a_repeat_after_newer_writes_changes_nothing(site):
    """The key remembers the first effect, not the body (design 8.18)."""
    first = await site.open.put(RECORD, idempotency_key="a")
    await site.open.wrote(OTHER)
    again = await site.open.put(RECORD, idempotency_key="a")
    await site.step()

    assert first.headers["write-receipt"] == again.headers["write-receipt"]
    assert [{"_time": at(0), "level": 2}] == await site.open.rows()


@pytest.mark.parametrize("send", ["put", "patch"])
async def test_the_same_key_with_another_body_is_422(site, send):
    """Another body, or the same one with another verb, is another request (design 8.18)."""
    await site.open.put(RECORD, idempotency_key="a")

    answer = await getattr(site.open, send)(OTHER if send == "put" else RECORD, idempotency_key="a")

    assert (422, [(None, "keyReused")]) == (answer.status_code, problems(answer))
    assert [{"_time": at(0), "level": 1}] == await site.open.rows()


async def test_a_key_counts_for_one_series(site):
    """The same key and body for another series are not swallowed as a repeat, same shard or not (8.18)."""
    masts = [site.open, site.open.of("c" * 32), site.other]
    for mast in masts:
        assert 204 == (await mast.put(RECORD, idempotency_key="a")).status_code
    tyres = [{"_time": at(0), "FRWheel": 1}]
    assert 204 == (await site.open.of(aspect="tyres").put(tyres, idempotency_key="a")).status_code

    assert 4 == entries(site)
    assert [1, 1, 1] == [len(await mast.rows()) for mast in masts]


async def test_a_deletion_with_a_key_is_not_repeated(site):
    """A late copy of a deletion must not remove what was written since (design 8.18)."""
    span = {"from_": at(-1), "to": at(0)}
    first = await site.open.delete({"idempotency_key": "a"}, **span)
    await site.open.wrote(RECORD)
    again = await site.open.delete({"idempotency_key": "a"}, **span)
    other = await site.open.delete({"idempotency_key": "a"}, from_=at(-2), to=at(0))

    assert first.headers["write-receipt"] == again.headers["write-receipt"]
    assert 422 == other.status_code
    assert RECORD == await site.open.rows()


async def test_each_pair_of_a_set_has_the_key(site):
    """A repeat of a set is answered pair by pair: what was stored is not stored again (design 8.18)."""
    second = site.open.of("c" * 32)
    parts = [(site.open, RECORD), (site.open.of("e" * 32), RECORD), (second, RECORD)]
    first = await site.open.put_set(parts, idempotency_key="a")
    again = await site.open.put_set(parts, idempotency_key="a")
    changed = await site.open.put_set([parts[0], parts[1], (second, OTHER)], idempotency_key="a")

    assert first.headers["write-receipt"] == again.headers["write-receipt"]
    assert 2 == entries(site)
    kept, unknown, reused = changed.headers["write-receipt"].split(",")
    assert first.headers["write-receipt"].split(",")[0] == kept
    assert ("-", "-") == (unknown, reused)
    assert [404, 422] == [error["statusCode"] for error in changed.json()["errors"]]


async def test_a_pair_that_was_refused_for_the_moment_can_be_repeated(site):
    """503 for one pair leaves its key unused: the repeat stores it, and nothing else (design 3.3)."""
    second = site.open.of("c" * 32)
    parts = [(site.open, RECORD), (second, RECORD)]
    held = site.stream.shard(second.shard)
    held.proved, proved = "another process", held.proved
    await site.open.put_set(parts, idempotency_key="a")
    held.proved = proved

    again = await site.open.put_set(parts, idempotency_key="a")

    assert (202, b"") == (again.status_code, again.content)
    assert 2 == entries(site)


async def test_a_refused_body_leaves_its_key_unused(site):
    """400 is no answer to remember: the mended body may use the key (design 3.3)."""
    assert 400 == (await site.open.put([{"_time": at(0), "level": 1.5}], idempotency_key="a")).status_code

    assert 204 == (await site.open.put(RECORD, idempotency_key="a")).status_code


async def test_a_key_is_forgotten_after_48_hours(site):
    """47 hours later it is the same request, 49 hours later a new one (design 8.18, R13)."""
    first = await site.open.put(RECORD, idempotency_key="a")
    site.clock.advance(47 * 3_600_000)
    second = await site.other.put(RECORD)
    assert 401 == second.status_code, "tokens live shorter than keys"
    await site.renew()
    assert first.headers["write-receipt"] == await site.open.wrote(RECORD, idempotency_key="a")
    site.clock.advance(2 * 3_600_000)
    await site.renew()

    assert first.headers["write-receipt"] != await site.open.wrote(OTHER, idempotency_key="a")


async def test_a_body_of_several_entries_has_one_key(site):
    """A repeat gets the receipt with all its places, and nothing is appended (design 3.2, 8.18)."""
    wide = site.open.of(aspect="wide")
    rows = [{"_time": at(n), f"v{n}": n} for n in range(900)]
    first = await wide.put(rows, idempotency_key="a")
    count = entries(site)
    again = await wide.put(rows, idempotency_key="a")

    assert first.headers["write-receipt"] == again.headers["write-receipt"]
    assert count == entries(site) > 1


@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb", "schlüssel".encode()])
async def test_a_key_is_short_and_printable(site, key):
    """400 for anything but 1 to 128 printable ASCII characters."""
    answer = await site.open.put(RECORD, idempotency_key=key)

    assert (400, [("", "invalidParameter")]) == (answer.status_code, problems(answer))
    assert 204 == (await site.open.put(RECORD, idempotency_key="x" * 128)).status_code


async def test_a_tenant_that_holds_too_many_keys_is_told_to_wait(site):
    """429 with Retry-After beyond the cap; writes without a key go on (design 8.18)."""
    site.stream._caps = type(site.stream._caps)(keys_max=2)
    for key in ("a", "b"):
        await site.open.wrote(RECORD, idempotency_key=key)

    answer = await site.open.put(RECORD, idempotency_key="c")

    assert (429, "60") == (answer.status_code, answer.headers["retry-after"])
    assert 204 == (await site.open.put(RECORD, idempotency_key="a")).status_code
    assert 204 == (await site.open.put(RECORD)).status_code
    assert 204 == (await site.other.put(RECORD, idempotency_key="c")).status_code
