"""The rate of a series, the headers that tell of it, and bodies that unfold out of proportion (MS-23)."""

from __future__ import annotations

import json

import pytest

from tests.api.masts import at, problems

KB, MB = 1_024, 1_048_576


def body_of(size, level=1):
    """Make a body of exactly this many bytes."""
    body = json.dumps([{"_time": at(0), "level": level}]).encode()
    return body + b" " * (size - len(body))


def quota(answer):
    """Read the headers of a limit."""
    return {
        name: answer.headers[f"quota-{name}"] for name in ("rule", "limit", "used", "reset")
        if f"quota-{name}" in answer.headers
    }  # fmt: skip


async def test_a_series_takes_its_burst_and_then_its_rate(site):
    """1 MB at once, then 100 KB a second: 429 with Retry-After, and the repeat then passes (MS-23)."""
    first = await site.strict.put(body_of(MB))
    second = await site.strict.put(body_of(150 * KB))
    site.clock.advance(1_499)
    early = await site.strict.put(body_of(150 * KB))
    site.clock.advance(1)
    third = await site.strict.put(body_of(150 * KB, level=3))

    assert [204, 429, 429, 204] == [each.status_code for each in (first, second, early, third)]
    assert "2" == second.headers["retry-after"]
    assert "1" == early.headers["retry-after"]
    assert [(None, "tooManyRequests")] == problems(second)
    assert [{"_time": at(0), "level": 3}] == await site.strict.rows(limit=1)


async def test_each_answer_names_the_limit(site):
    """Rule, limit, what is used and when nothing will be, on success and refusal alike (design 7)."""
    taken = await site.strict.put(body_of(512 * KB))
    refused = await site.strict.put(body_of(600 * KB))
    site.clock.advance(60_000)
    fresh = await site.strict.put(body_of(100 * KB))

    limit = {"rule": "series-rate", "limit": str(MB)}
    assert limit | {"used": str(512 * KB), "reset": "6"} == quota(taken) == quota(refused)
    assert limit | {"used": str(100 * KB), "reset": "1"} == quota(fresh)


async def test_other_series_are_not_affected(site):
    """Another aspect, another asset and another tenant have buckets of their own (MS-23)."""
    await site.strict.wrote(body_of(MB))
    assert 429 == (await site.strict.put(body_of(MB))).status_code

    tyres = site.strict.of(aspect="tyres")
    assert 204 == (await tyres.put([{"_time": at(0), "FRWheel": 1}])).status_code
    assert 204 == (await site.strict.of("c" * 32).put(body_of(MB))).status_code
    assert 204 == (await site.other.put(body_of(MB))).status_code


async def test_open_has_no_rate(site):
    """Ten megabytes in a moment, and no header of a limit (design 7)."""
    answers = [await site.open.put(body_of(MB)) for _ in range(10)]

    assert {204} == {answer.status_code for answer in answers}
    assert [{}] * 10 == [quota(answer) for answer in answers]


async def test_patches_pay_and_deletions_do_not(site):
    """What counts are the bytes of bodies; a deletion has none (MS-23)."""
    patched = await site.strict.patch(body_of(500 * KB))
    deleted = await site.strict.delete(from_=at(0, hours=-721), to=at(0, hours=-720))

    assert (204, str(500 * KB)) == (patched.status_code, quota(patched)["used"])
    assert (204, {}) == (deleted.status_code, quota(deleted))


async def test_refused_and_repeated_bodies_pay_nothing(site):
    """400 and the repeat of a known key leave the bucket as it is (MS-23, design 8.18)."""
    spaces = b" " * (800 * KB)
    assert 400 == (await site.strict.put(b"[]" + spaces)).status_code
    first = await site.strict.put(body_of(800 * KB), idempotency_key="a")
    again = await site.strict.put(body_of(800 * KB), idempotency_key="a")

    assert [204, 204] == [first.status_code, again.status_code]
    assert str(800 * KB) == quota(first)["used"] == quota(again)["used"]


async def test_a_pair_beyond_its_rate_is_429_in_the_set(site):
    """The other pairs are stored; the headers tell of the limit that is nearest (MS-21, MS-23)."""
    second = site.strict.of("c" * 32)
    await site.strict.wrote(body_of(MB - 100))
    padded = [{"_time": at(0), "level": 1, "note": "n" * 1_000}]

    answer = await site.strict.put_set([(site.strict, padded), (second, padded)])

    assert 202 == answer.status_code
    assert answer.headers["write-receipt"].startswith("-,")
    assert [(429, "mdsp.core.generic.tooManyRequests")] == [
        (error["statusCode"], error["code"]) for error in answer.json()["errors"]
    ]
    assert ("1", str(MB - 100)) == (answer.headers["retry-after"], quota(answer)["used"])
    assert 1 == len(await second.rows(limit=1))


async def test_all_doors_draw_on_one_bucket(site):
    """The bucket lives with the shard in the stream server, not in a door (MS-23)."""
    await site.strict.wrote(body_of(MB))
    await site.series.load()  # another door's ingest, receipts and reading

    assert 429 == (await site.strict.put(body_of(KB * 10))).status_code


async def test_a_full_backlog_is_429_with_retry_after(site):
    """Too much waits to be stored: come again (design 4, 6)."""
    held = site.stream.shard(site.open.shard)
    held.backlog_bytes = site.stream._caps.backlog_bytes_max

    answer = await site.open.put(body_of(KB))

    assert (429, "2") == (answer.status_code, answer.headers["retry-after"])


async def test_a_sparse_megabyte_is_refused_before_it_unfolds(site):
    """20,000 records with one of 1,000 variables each: 413, and a number that fits (MS-22, S7)."""
    wide = site.open.of(aspect="wide")
    rows = [{"_time": at(n), f"v{n % 1_000}": 1} for n in range(20_000)]

    refused = await wide.put(json.dumps(rows, separators=(",", ":")).encode())
    taken = await wide.put(json.dumps(rows[:1_000], separators=(",", ":")).encode())

    assert [413, 204] == [refused.status_code, taken.status_code]
    assert [(None, "payloadTooLarge")] == problems(refused)
    assert "at most 1000 of them" in refused.json()["errors"][0]["message"]
    await site.step()
    assert 1_000 == len(await wide.rows())


@pytest.mark.parametrize("count", [999, 1_000])
async def test_braces_inside_strings_are_no_records(site, count):
    """A few records full of braces are few records, whatever a quick look says."""
    record = {"_time": at(0), "note": "{" * 95_000}

    answer = await site.open.put(
        [record | {"_time": at(n)} for n in range(10)] + [{"_time": at(count), "level": 1}]
    )

    assert 204 == answer.status_code
