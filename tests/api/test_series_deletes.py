"""Deleting a range over HTTP (MS-50, MS-51 as far as the request itself can break it, MS-53)."""

from __future__ import annotations

import pytest

from schemas.durations import DAY_MS
from tests.api.masts import at, problems

BOTH = pytest.mark.parametrize("profile", ["open", "strict"])


@BOTH
async def test_a_range_is_gone_at_once_and_for_all_variables(site, profile):
    """(from, to], every variable, invisible with the answer; 204 without a body (MS-50, beaten: MS-53)."""
    mast = site.of(profile)
    hours = [(-2, 0), (-1, 0), (0, 0)]
    await mast.wrote([{"_time": at(n, hours=h), "level": h, "pressure": 1} for h, n in hours])
    await site.step()
    await mast.wrote([{"_time": at(-5), "temperature": 1}])
    if profile == "strict":  # which deletes nothing that was submitted less than a week ago (MS-52)
        site.clock.advance(7 * DAY_MS)
        await site.renew()

    answer = await mast.delete(from_=at(0, hours=-2), to=at(0))

    assert (204, b"") == (answer.status_code, answer.content)
    assert "write-receipt" in answer.headers
    expected = [{"_time": at(0, hours=-2), "pressure": 1.0, "level": -2}]
    assert expected == await mast.rows(from_=at(0, hours=-24), to=at(0))
    await site.step()
    assert expected == await mast.rows(from_=at(0, hours=-24), to=at(0))


async def test_only_the_series_named_is_touched(site):
    """One aspect of one asset of one tenant (MS-50)."""
    others = [site.open.of(aspect="tyres"), site.open.of("c" * 32), site.other]
    for mast in (site.open, *others):
        name = "FRWheel" if mast.aspect == "tyres" else "pressure"
        await mast.wrote([{"_time": at(0), name: 1}])

    assert 204 == (await site.open.delete(from_=at(-1), to=at(0))).status_code

    assert [0, 1, 1, 1] == [len(await mast.rows()) for mast in (site.open, *others)]


@BOTH
@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, [("/from", "missingParameter"), ("/to", "missingParameter")]),
        ({"from": at(0)}, [("/to", "missingParameter")]),
        ({"to": at(0)}, [("/from", "missingParameter")]),
        ({"from": at(0), "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": at(0), "to": "now"}, [("/to", "invalidParameter")]),
    ],
)
async def test_both_ends_are_required(site, profile, parameters, found):
    """400 with the parameter's name; nothing is deleted (MS-50)."""
    mast = site.of(profile)
    await mast.wrote([{"_time": at(0), "level": 1}])

    answer = await mast.delete(**parameters)

    assert 400 == answer.status_code
    assert found == problems(answer)
    assert 1 == len(await mast.rows(limit=1))


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (at(0, hours=-7 * 24), at(0), None),
        (at(0, hours=-7 * 24 - 1), at(0), [("/to", "invalidParameter")]),
        (at(-1_800_000), at(0), [("/from", "invalidParameter")]),
        (at(0, hours=-1), at(1), [("/to", "invalidParameter")]),
    ],
)
async def test_strict_deletes_whole_hours_of_a_week_at_most(site, start, end, found):
    """Aligned to UTC hours, seven days pass, an hour more is 400; `open` takes any range (MS-51)."""
    strict = await site.strict.delete(from_=start, to=end)
    relaxed = await site.open.delete(from_=start, to=end)

    assert (400 if found else 204) == strict.status_code
    assert 204 == relaxed.status_code
    if found:
        assert found == problems(strict)
