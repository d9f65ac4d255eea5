"""Policies: limits by name, made by who runs the installation, named by tenants (design 7)."""

from __future__ import annotations

import pytest

from api.catalog.index import CatalogIndex
from schemas.policies import OPEN, STRICT
from tests.api.limited import POLICIES, give, limit
from tests.api.masts import problems


async def ask(site, method, path="", body=None, **headers):
    """Ask as the platform's admin."""
    return await site.open.send(method, f"{POLICIES}{path}", body, **headers)


async def test_the_built_in_policies_are_there_and_stay(site):
    """`open` and `strict` are listed first, cannot be changed or deleted, and have no version."""
    listed = (await ask(site, "GET")).json()
    strict = await ask(site, "GET", "/strict")

    assert ["open", "strict"] == [each["name"] for each in listed["policies"]] == listed["builtIn"]
    assert (STRICT.raw_range_ms_max, None) == (strict.json()["rawRangeMsMax"], strict.headers.get("etag"))
    put = await ask(site, "PUT", "/strict", {"name": "strict"}, if_match="0")
    gone = await ask(site, "DELETE", "/open", if_match="0")
    made = await ask(site, "POST", "", {"name": "open"})
    assert [409, 409, 409] == [each.status_code for each in (put, gone, made)]


async def test_a_policy_is_made_read_changed_and_deleted(site):
    """What is left out is as in `open`; each change needs the version that was read."""
    made = await ask(site, "POST", "", {"name": "gold", "recordsPerS": 5, "seriesMax": 7})
    read = await ask(site, "GET", "/gold")
    changed = await ask(site, "PUT", "/gold", {"name": "gold", "recordsPerS": 9}, if_match='"0"')
    gone = await ask(site, "DELETE", "/gold", if_match="1")
    after = await ask(site, "GET", "/gold")

    assert (201, '"0"', f"{POLICIES}/gold") == (
        made.status_code, made.headers["etag"], made.headers["location"],
    )  # fmt: skip
    assert made.json() == read.json()
    assert (5, 7, OPEN.aggregate_intervals_max) == tuple(
        read.json()[name] for name in ("recordsPerS", "seriesMax", "aggregateIntervalsMax")
    )
    assert (200, '"1"', None) == (changed.status_code, changed.headers["etag"], changed.json()["seriesMax"])
    assert [204, 404] == [gone.status_code, after.status_code]


async def test_preconditions_and_names(site):
    """No version: 400; a stale one: 412; a name twice: 409; another name than the path's: 400; none: 404."""
    await ask(site, "POST", "", {"name": "gold"})

    answers = [
        await ask(site, "PUT", "/gold", {"name": "gold"}),
        await ask(site, "PUT", "/gold", {"name": "gold"}, if_match="3"),
        await ask(site, "DELETE", "/gold"),
        await ask(site, "DELETE", "/gold", if_match="3"),
        await ask(site, "POST", "", {"name": "gold"}),
        await ask(site, "PUT", "/gold", {"name": "silver"}, if_match="0"),
        await ask(site, "PUT", "/silver", {"name": "silver"}, if_match="0"),
        await ask(site, "DELETE", "/silver", if_match="0"),
    ]

    assert [400, 412, 400, 412, 409, 400, 404, 404] == [each.status_code for each in answers]


REFUSED = [
    ({}, None),
    ({"name": "Gold"}, "/name"),
    ({"name": "x"}, "/name"),
    ({"name": "gold", "retention": {}}, None),
    ({"name": "gold", "unknown": 1}, None),
    ({"name": "gold", "recordsPerS": 0}, "/recordsPerS"),
    ({"name": "gold", "recordsPerS": -1}, "/recordsPerS"),
    ({"name": "gold", "seriesMax": 2**53}, "/seriesMax"),
    ({"name": "gold", "aggregateIntervalsMax": 100_001}, "/aggregateIntervalsMax"),
    ({"name": "gold", "recordsBurst": 5}, "/recordsBurst"),
    ({"name": "gold", "seriesRateBytesPerS": 5, "seriesBurstBytes": 5}, "/seriesBurstBytes"),
]


@pytest.mark.parametrize(("body", "pointer"), REFUSED)
async def test_what_is_no_policy(site, body, pointer):
    """Names, numbers and contradictions are refused, with the member where there is one."""
    answer = await ask(site, "POST", "", body)

    assert 400 == answer.status_code
    if pointer is not None:
        assert pointer in {found for found, _ in problems(answer)}


async def test_a_policy_that_a_tenant_has_stays(site):
    """409 names who has it; after that tenant has another one it can be deleted."""
    name = await limit(site, site.other, recordsPerS=5)
    held = await ask(site, "DELETE", f"/{name}", if_match="0")
    await give(site, "other", "open")
    gone = await ask(site, "DELETE", f"/{name}", if_match="0")

    assert (409, 204) == (held.status_code, gone.status_code)
    assert "(other)" in held.json()["errors"][0]["message"]


async def test_a_changed_policy_holds_at_once(site):
    """For every tenant that names it, in this door with the answer (design 7)."""
    name = await limit(site, site.other, deletesPerDayMax=4)
    assert 4 == site.door.services.index.profile_of("other").deletes_per_day_max

    await ask(site, "PUT", f"/{name}", {"name": name, "deletesPerDayMax": 2}, if_match="0")

    assert 2 == site.door.services.index.profile_of("other").deletes_per_day_max
    assert site.door.services.index.has_policy(name)


async def test_other_doors_follow(site):
    """What one door makes, changes and deletes, another one has after its next look at the log."""
    other = CatalogIndex(site.catalog, site.clock)
    await other.load()
    name = await limit(site, site.other, seriesMax=4)
    await other.refresh()
    assert (True, 4) == (other.has_policy(name), other.profile_of("other").series_max)

    await ask(site, "PUT", f"/{name}", {"name": name, "seriesMax": 2}, if_match="0")
    await other.refresh()
    assert 2 == other.profile_of("other").series_max
    await give(site, "other", "strict")
    await ask(site, "DELETE", f"/{name}", if_match="1")
    await other.refresh()

    assert (False, "strict") == (other.has_policy(name), other.profile_of("other").name)
    await site.door.services.index.load()
    assert not site.door.services.index.has_policy(name)


async def test_an_unknown_policy_is_the_installations(site):
    """A tenant whose policy is not known has the default, and its retention."""
    await give(site, "other", "vanished")

    assert "open" == site.door.services.index.profile_of("other").name
    assert not site.door.services.index.has_policy("vanished")


async def test_policies_of_a_newer_release_are_not_known(site):
    """A document with members that this release does not know does no harm."""
    await site.catalog.create("core", "policy", "newer", b'{"name":"newer","magic":1}')
    await site.door.services.refresh()
    await site.door.services.index.load()

    assert 404 == (await ask(site, "GET", "/newer")).status_code
