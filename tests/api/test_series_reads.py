"""Reading one series over HTTP: ranges, pages, selections, the newest (MS-40 … MS-44, MS-47, design 8.16)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.api.doors import POLICY
from tests.api.masts import PATH, at, problems, running_site

BOTH = pytest.mark.parametrize("profile", ["open", "strict"])
SIDES = pytest.mark.parametrize("stored", [False, True], ids=["in the tail", "in the store"])
"""The same answers from the unapplied tail and from the store."""


async def write_five(site, mast, *, stored):
    """Write five records, one a second, ending now."""
    await mast.wrote(
        [
            {"_time": at(1_000 * n), "level": n, "pressure": n / 2, "temperature_qc": None}
            for n in range(-4, 1)
        ]
    )
    if stored:
        await site.step()


def levels(rows):
    """Give the levels of records in their order."""
    return [row["level"] for row in rows]


# -- what a record looks like ----------------------------------------------------------------------


@BOTH
@SIDES
async def test_a_record_goes_out_byte_for_byte(site, profile, stored):
    """Time first with three digits and Z, codes as strings after values, absent ones left out (8.16)."""
    mast = site.of(profile)
    await mast.wrote(
        [
            {
                "temperature_qc": 4294967295, "temperature": -1.5, "count": 2**63 - 1, "count_qc": "0",
                "level": -2147483648, "running": False, "label": 'é"\\\n', "note": "", "pressure": None,
                "since": "2025-06-01T12:00:00.1239+02:00", "_time": "2026-01-01T00:00:00Z",
            },
            {"_time": "2025-12-31T23:59:59.5Z", "pressure": 1e125},
        ]
    )  # fmt: skip
    if stored:
        await site.step()

    answer = await mast.get(from_=at(-1_000), to=at(0))

    assert 200 == answer.status_code
    assert "application/json" == answer.headers["content-type"]
    expected = (
        '[{"_time":"2025-12-31T23:59:59.500Z","pressure":1e125},'
        '{"_time":"2026-01-01T00:00:00.000Z","temperature":-1.5,"temperature_qc":"4294967295",'
        '"count":9223372036854775807,"count_qc":"0","level":-2147483648,"running":false,'
        '"label":"é\\"\\\\\\n","since":"2025-06-01T10:00:00.123Z"}]'
    )
    assert expected == answer.text
    assert {"content-type", "content-length", "x-request-id", "vary", "cache-control"} == set(answer.headers)


# -- ranges ----------------------------------------------------------------------------------------


@BOTH
@SIDES
async def test_from_is_exclusive_and_to_inclusive(site, profile, stored):
    """(from, to]; ascending unless asked otherwise (MS-40)."""
    mast = site.of(profile)
    await write_five(site, mast, stored=stored)

    assert [-2, -1] == levels(await mast.rows(from_=at(-3_000), to=at(-1_000)))
    assert [-1, -2] == levels(await mast.rows(from_=at(-3_000), to=at(-1_000), sort="desc"))
    assert [-1, -2] == levels(await mast.rows(from_=at(-3_000), to=at(-1_000), sort="DESC"))
    assert [-2, -1] == levels(await mast.rows(from_=at(-2_001), to=at(-1), sort="asc"))
    assert [] == await mast.rows(from_=at(-999), to=at(-1))


@SIDES
async def test_an_open_end_is_the_present_and_an_open_start_the_beginning(site, stored):
    """Only `from`: until now; only `to`: from 1970 on (design 8.16)."""
    await write_five(site, site.open, stored=stored)
    await site.open.wrote([{"_time": at(1), "level": 99}, {"_time": "1970-01-01T00:00:00Z", "level": 70}])

    assert [-1, 0] == levels(await site.open.rows(from_=at(-2_000)))
    assert [70, -4, -3] == levels(await site.open.rows(to=at(-3_000)))
    assert [70] == levels(await site.open.rows(from_="1960-01-01T00:00:00Z", to="1970-01-01T00:00:00Z"))


@BOTH
@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"from": at(0), "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": at(1), "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": "yesterday", "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": "2026-01-01T00:00:00", "to": at(0)}, [("/from", "invalidParameter")]),
        ({"from": "", "to": at(0)}, [("/from", "invalidParameter")]),
        ({"limit": "0"}, [("/limit", "invalidParameter")]),
        ({"limit": "2001"}, [("/limit", "invalidParameter")]),
        ({"limit": "-1"}, [("/limit", "invalidParameter")]),
        ({"limit": "1e3"}, [("/limit", "invalidParameter")]),
        ({"limit": "1_0"}, [("/limit", "invalidParameter")]),
        ({"limit": "٣"}, [("/limit", "invalidParameter")]),
        ({"limit": "9" * 5_000}, [("/limit", "invalidParameter")]),
        ({"limit": ""}, [("/limit", "invalidParameter")]),
        ({"sort": "up"}, [("/sort", "invalidParameter")]),
        ({"select": "wind"}, [("/select", "invalidParameter")]),
        ({"select": "pressure_qc"}, [("/select", "invalidParameter")]),
        ({"select": ""}, [("/select", "invalidParameter")]),
        ({"latestValue": "yes"}, [("/latestValue", "invalidParameter")]),
        ({"latestValue": "true", "from": at(-1)}, [("/from", "invalidParameter")]),
        ({"limit": "x", "sort": "y"}, [("/limit", "invalidParameter"), ("/sort", "invalidParameter")]),
    ],
)
async def test_faulty_parameters_are_named(site, profile, parameters, found):
    """400, each problem with the name of its parameter (MS-40, design 8.16)."""
    answer = await site.of(profile).get(**parameters)

    assert 400 == answer.status_code
    assert found == problems(answer)


async def test_a_plus_that_became_a_blank_gets_a_hint(site):
    """`+02:00` must be sent as `%2B02:00`; the refusal says so (MS-32)."""
    query = "from=2026-01-01T00:00:00+02:00&to=2026-01-02T00:00:00Z"
    refused = await site.open.send("GET", f"{site.open.path}?{query}")
    taken = await site.open.send("GET", f"{site.open.path}?{query.replace('+', '%2B')}")

    assert [400, 200] == [refused.status_code, taken.status_code]
    assert "%2B" in refused.json()["errors"][0]["message"]


@BOTH
async def test_unknown_parameters_and_a_dangling_question_mark_are_ignored(site, profile):
    """Clients of the dialect send both (design 8.22, wire 0.2)."""
    mast = site.of(profile)
    await mast.wrote([{"_time": at(0), "level": 1}])
    record = [{"_time": at(0), "level": 1}]

    assert record == (await mast.send("GET", mast.path + "?")).json()
    assert record == (await mast.send("GET", mast.path + "?_=17&unknown=a")).json()
    assert 204 == (await mast.send("PUT", mast.path + "?", record)).status_code
    assert 204 == (await mast.send("PUT", mast.path + "?unknown=1", record)).status_code
    assert 204 == (await mast.send("PATCH", mast.path + "?unknown=1", record)).status_code
    set_body = {"timeseries": [{"entityId": mast.asset, "propertySetName": "weather", "data": record}]}
    assert 202 == (await mast.send("PUT", PATH + "?", set_body)).status_code


@pytest.mark.parametrize(
    ("parameters", "taken"),
    [
        ({"from": at(0, hours=-90 * 24), "to": at(0)}, True),
        ({"from": at(-1, hours=-90 * 24), "to": at(0)}, False),
        ({"from": at(0, hours=-90 * 24)}, True),
        ({"to": at(0)}, False),
    ],
)
async def test_strict_reads_ninety_days_of_records_at_most(site, parameters, taken):
    """90 days pass, a millisecond more is 400 and points to aggregates; `open` has no such limit (MS-47)."""
    answer = await site.strict.get(**parameters)

    assert (200 if taken else 400) == answer.status_code
    assert 200 == (await site.open.get(**parameters)).status_code
    if not taken:
        assert [("/from", "invalidParameter")] == problems(answer)


# -- selections ------------------------------------------------------------------------------------


@BOTH
@SIDES
async def test_a_selection_brings_its_codes_and_the_limit_counts_what_is_returned(site, profile, stored):
    """Records without a selected value vanish and do not count (MS-42, design 8.6)."""
    mast = site.of(profile)
    await mast.wrote(
        [
            {"_time": at(-5), "pressure": 1},
            {"_time": at(-4), "temperature": 1, "temperature_qc": 64, "count": 1, "count_qc": 2},
            {"_time": at(-3), "pressure": 3},
            {"_time": at(-2), "temperature": 2},
            {"_time": at(-1), "count": 5},
        ]
    )
    if stored:
        await site.step()

    both = await mast.rows(from_=at(-10), select="temperature,count_qc")
    exact = await mast.rows(from_=at(-10), select="temperature", limit=2)
    coded = {"_time": at(-4), "temperature": 1.0, "temperature_qc": "64"}
    assert [coded | {"count_qc": "2"}, {"_time": at(-2), "temperature": 2.0}, {"_time": at(-1)}] == both
    assert [coded, {"_time": at(-2), "temperature": 2.0}] == exact
    assert [{"_time": at(-2), "temperature": 2.0}] == await mast.rows(
        select="temperature", latestValue="false"
    )


# -- pages -----------------------------------------------------------------------------------------


def next_of(answer):
    """Read the Link header as the SDK does; None on the last page."""
    link = answer.headers.get("link")
    if link is None:
        return None
    assert link.endswith('; rel="next"')
    return link.replace('; rel="next"', "").replace("<", "").replace(">", "")


async def follow(mast, **parameters):
    """Read page by page; gives the pages."""
    answer = await mast.get(**parameters)
    pages = [answer.json()]
    while (path := next_of(answer)) is not None:
        answer = await mast.send("GET", path)
        assert 200 == answer.status_code, answer.text
        pages.append(answer.json())
        assert len(pages) < 30
    return pages


@BOTH
@SIDES
@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_following_the_link_gives_each_record_once(site, profile, stored, sort):
    """Both directions, selection and order kept, no link on the last page (MS-41, wire 1.5)."""
    mast = site.of(profile)
    times = range(-50, 0)
    await mast.wrote([{"_time": at(n), "level": n, **({"label": "x"} if n % 2 else {})} for n in times])
    if stored:
        await site.step()

    pages = await follow(mast, from_=at(-60), to=at(0), limit="7", sort=sort, select="label, level")
    chosen = await follow(mast, from_=at(-60), to=at(0), limit="5", sort=sort, select="label")

    ordered = list(times) if sort == "asc" else list(times)[::-1]
    assert [7] * 7 + [1] == [len(page) for page in pages]
    assert ordered == [row["level"] for page in pages for row in page]
    assert [5] * 5 == [len(page) for page in chosen]
    assert [at(n) for n in ordered if n % 2] == [row["_time"] for page in chosen for row in page]
    assert all(list(row) == ["_time", "label"] for page in chosen for row in page)


async def test_two_thousand_records_are_a_page_unless_asked_otherwise(site):
    """The default is the maximum; exactly so many have no link (MS-41)."""
    await site.open.wrote([{"_time": at(-n), "level": n} for n in range(2_001)])
    await site.step()

    answer = await site.open.get(from_=at(-3_000), to=at(0))
    exact = await site.open.get(from_=at(-2_000), to=at(0), limit="2000")
    pages = await follow(site.open, from_=at(-3_000), to=at(0))

    assert 2_000 == len(answer.json()) == len(exact.json())
    assert "link" not in exact.headers
    assert [2_000, 1] == [len(page) for page in pages]
    link = answer.headers["link"]
    assert re.fullmatch(r"<.*>; rel=\"next\"", link)
    url = urlsplit(next_of(answer))
    assert ("", "", site.open.path) == (url.scheme, url.netloc, url.path)
    assert {"from": at(-1), "to": at(0), "limit": "2000"} == dict(parse_qsl(url.query))


async def test_pages_end_where_the_first_one_began(site):
    """Without `to` the end is the moment of the first page, so newer records do not move it (MS-41)."""
    await site.open.wrote([{"_time": at(-n), "level": n} for n in range(3)])
    first = await site.open.get(from_=at(-10), limit="2")
    site.clock.advance(1_000)
    await site.open.wrote([{"_time": at(500), "level": 99}])

    second = await site.open.send("GET", next_of(first))

    assert [2, 1] == levels(first.json())
    assert [0] == levels(second.json())
    assert "link" not in second.headers


async def test_links_begin_with_the_address_that_the_installation_names():
    """With a public address the link is absolute, path prefix kept (wire 1.5)."""
    policy = type(POLICY)(shards=POLICY.shards, public_url="https://tide.example/gw/", password_memory_kib=8)
    async with running_site(policy) as site:
        await site.open.wrote([{"_time": at(-n), "level": n} for n in range(2)])
        answer = await site.open.get(from_=at(-10), limit="1")

    assert answer.headers["link"].startswith(f"<https://tide.example/gw{PATH}/")


# -- the newest ------------------------------------------------------------------------------------


@BOTH
@SIDES
async def test_without_a_range_the_newest_record_comes(site, profile, stored):
    """One record, the variables of its time only; empty records are none (MS-43)."""
    mast = site.of(profile)
    assert [] == (await mast.get()).json()
    await mast.wrote([{"_time": at(-9), "level": 1, "pressure": 5}, {"_time": at(-5), "level": 2}])
    await mast.wrote([{"_time": at(-7), "pressure": 7}, {"_time": at(-1)}])
    if stored:
        await site.step()

    assert [{"_time": at(-5), "level": 2}] == (await mast.get()).json()
    assert [{"_time": at(-7), "pressure": 7.0}] == (await mast.get(select="pressure")).json()
    if profile == "open":
        assert 204 == (await mast.delete(from_=at(-6), to=at(-5))).status_code
        assert [{"_time": at(-7), "pressure": 7.0}] == (await mast.get()).json()


@SIDES
async def test_strict_looks_back_twelve_months_for_the_newest_record(site, stored):
    """A record of 366 days ago is found, an older one is not; `open` looks back for ever (MS-43)."""
    year_ago = -366 * 24
    await site.strict.wrote([{"_time": at(0, hours=year_ago), "level": 1}])
    await site.open.wrote([{"_time": "1990-01-01T00:00:00Z", "level": 1}])
    if stored:
        await site.step()

    assert 1 == len((await site.strict.get()).json())
    site.clock.advance(1)
    assert [] == (await site.strict.get()).json()
    assert 1 == len((await site.open.get()).json())


@SIDES
async def test_the_latest_value_of_each_variable_is_exact_and_there_at_once(site, stored):
    """Several records, each variable once, codes with them, every type, no delay (MS-44, beaten)."""
    await site.open.wrote(
        [{"_time": at(-9), "temperature": 1, "temperature_qc": 8, "pressure": 5, "label": "a"}]
    )
    await site.open.wrote([{"_time": at(-5), "temperature": 2, "running": True, "since": at(0)}])
    await site.open.wrote([{"_time": at(0), "pressure": 6, "note": "n" * 300}])
    if stored:
        await site.step()

    assert [
        {"_time": at(-9), "label": "a"},
        {"_time": at(-5), "temperature": 2.0, "running": True, "since": at(0)},
        {"_time": at(0), "pressure": 6.0, "note": "n" * 300},
    ] == (await site.open.get(latestValue="true")).json()
    assert [{"_time": at(-5), "temperature": 2.0}] == (
        await site.open.get(latestValue="true", select="temperature")
    ).json()
    await site.open.wrote([{"_time": at(-5), "level": 1}])
    assert [{"_time": at(-9), "temperature": 1.0, "temperature_qc": "8"}] == (
        await site.open.get(latestValue="true", select="temperature")
    ).json()


@SIDES
async def test_strict_answers_the_latest_value_as_the_dialect_does(site, stored):
    """From a month to two hours ago, no strings and no times (MS-44)."""
    await site.strict.wrote([{"_time": at(0, hours=-24 * 31 - 1), "pressure": 1, "level": 1}])
    await site.strict.wrote([{"_time": at(0, hours=-2), "level": 2, "label": "a", "since": at(0)}])
    await site.strict.wrote([{"_time": at(1, hours=-2), "level": 3}])
    if stored:
        await site.step()

    assert [{"_time": at(0, hours=-2), "level": 2}] == (await site.strict.get(latestValue="true")).json()
    site.clock.advance(1)
    assert [{"_time": at(1, hours=-2), "level": 3}] == (await site.strict.get(latestValue="true")).json()


async def test_latest_values_far_apart_are_found_across_slices(site):
    """Each of many variables at a time of its own, years apart, without any cache (MS-44)."""
    wide = site.open.of(aspect="wide")
    month_ms = 31 * 86_400_000
    for number in range(90):
        await wide.wrote([{"_time": at(-month_ms * (number // 3) - number), f"v{number}": number}])
    await site.step()
    for shard in range(4):
        site.stream.shard(shard).latest.clear()

    rows = (await wide.get(latestValue="true")).json()

    expected = [
        {"_time": at(-month_ms * (number // 3) - number), f"v{number}": float(number)} for number in range(90)
    ]
    assert expected[::-1] == rows
