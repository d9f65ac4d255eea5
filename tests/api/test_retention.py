"""Retention at the door: what is refused, and how answers say that only summaries live (design 4.13)."""

from __future__ import annotations

import msgspec
import pytest

from api.catalog.index import CatalogIndex
from api.http import formats
from api.series import querying
from api.series.aggregates import PATH_V4
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.ids import CORE
from schemas.retention import Rule
from schemas.tenants import Tenant
from schemas.times import format_time
from storage import blocks
from storage.port import SliceId
from storage.retention_rules import read_rule
from tests.api.doors import NOW_MS
from tests.api.plants import QUERY, RANGE

DAYS = 10
HORIZON_MS = NOW_MS - DAYS * DAY_MS


async def keep_for(site, days):
    """Give the tenant a retention, as an operator writes it into the catalogue."""
    document = await site.catalog.get(CORE, "tenant", "acme")
    tenant = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), retention_days=days)
    await site.catalog.replace(CORE, "tenant", "acme", msgspec.json.encode(tenant), document.version)
    await site.door.services.index.refresh()


async def aggregates(mast, **parameters):
    """Ask the dialect for aggregates."""
    return await mast.send(
        "GET", PATH_V4, None, {"assetId": mast.asset, "aspectName": mast.aspect, **parameters}
    )


async def retained(site):
    """Leave only summaries of the mast's rows before the horizon."""
    cursor = site.writer._held[site.open.shard].cursor
    for start_ms in await site.store.read_slices(site.open.series):
        slice_id = SliceId(site.open.series, start_ms)
        await site.writer._sealer.retain(slice_id, cursor, HORIZON_MS, site.clock.monotonic_s)


def record(time_ms):
    """Make a record of one value."""
    return {"_time": format_time(time_ms), "level": 1}


@pytest.mark.parametrize("records", [1, 3], ids=["single", "several"])
async def test_records_before_the_horizon_are_refused(site, records):
    """400 names the record and the time from which on records live; the first one that lives is taken."""
    await keep_for(site, DAYS)
    lives = [record(HORIZON_MS + n) for n in range(records)]
    assert 204 == (await site.open.put(lives)).status_code

    for refused in (await site.open.put([*lives[1:], record(HORIZON_MS - 1)]),
                    await site.open.patch([*lives[1:], record(HORIZON_MS - 1)])):  # fmt: skip
        assert 400 == refused.status_code
        [error] = refused.json()["errors"]
        assert f"/{records - 1}/_time" == error["pointer"]
        assert "aspectstore.records.retention" == error["code"]
        assert format_time(HORIZON_MS) in error["message"]


async def test_a_pair_before_the_horizon_is_refused_alone(site):
    """The other pair of a multi PUT is stored (MS-21)."""
    await keep_for(site, DAYS)
    second = site.open.of("c" * 32)

    answer = await site.open.put_set([(site.open, [record(HORIZON_MS - 1)]), (second, [record(NOW_MS)])])

    assert 202 == answer.status_code
    assert ["aspectstore.records.retention"] == [error["code"] for error in answer.json()["errors"]]
    assert 1 == len(await second.rows())


async def test_deletes_that_reach_before_the_horizon_are_refused(site):
    """A deletion that begins where rows live is taken; one that begins earlier names the horizon."""
    await keep_for(site, DAYS)

    taken = await site.open.delete(from_=format_time(HORIZON_MS - 1), to=format_time(NOW_MS))
    refused = await site.open.delete(from_=format_time(HORIZON_MS - 2), to=format_time(NOW_MS))

    assert [204, 400] == [taken.status_code, refused.status_code]
    [error] = refused.json()["errors"]
    assert ("/from", "aspectstore.records.retention") == (error["pointer"], error["code"])
    assert format_time(HORIZON_MS) in error["message"]


async def test_other_tenants_keep_everything(site):
    """A rule is a tenant's; by default rows live for ever."""
    await keep_for(site, DAYS)

    assert 204 == (await site.other.put([record(HORIZON_MS - 400 * DAY_MS)])).status_code
    assert Rule() == await read_rule(site.catalog, "other")


async def test_a_longer_rule_brings_nothing_back(site):
    """What the rule before may have taken stays closed for writes, whoever reads the rule (4.13)."""
    await keep_for(site, DAYS)
    await keep_for(site, 400)
    assert Rule(400, NOW_MS, HORIZON_MS) == await read_rule(site.catalog, "acme")
    await keep_for(site, 0)

    assert Rule(0, NOW_MS, HORIZON_MS) == await read_rule(site.catalog, "acme")
    assert 400 == (await site.open.put([record(HORIZON_MS - 1)])).status_code
    assert 204 == (await site.open.put([record(HORIZON_MS)])).status_code


async def test_the_installation_has_a_rule_for_tenants_without_one(site):
    """Where the tenant says nothing the setting holds, that of the door which started last."""
    second = CatalogIndex(site.catalog, site.clock, retention_days=DAYS)
    await second.load()
    index = site.door.services.index
    await index.refresh()

    assert DAYS == index.profile_of("acme").retention.days == second.profile_of("acme").retention.days
    assert 400 == (await site.open.put([record(HORIZON_MS - 1)])).status_code
    await keep_for(site, 0)
    await second.refresh()
    assert HORIZON_MS == second.profile_of("acme").retention.live_from_ms(NOW_MS + 30 * DAY_MS)


async def test_reads_of_summaries_say_so(site, monkeypatch):
    """Aggregates are as before with `Summary-Only`, raw reads empty with it; elsewhere it is absent."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 60)
    old_ms = NOW_MS - 20 * DAY_MS
    await site.open.wrote([record(old_ms + MINUTE_MS * n) for n in range(1, 61)])
    await site.open.wrote([record(NOW_MS - DAY_MS + MINUTE_MS * n) for n in range(60)])
    await site.step()
    whole = {"from": format_time(old_ms), "to": format_time(NOW_MS), "intervalUnit": "hour"}
    before = await aggregates(site.open, **whole)
    await retained(site)

    said = f"{format_time(old_ms + MINUTE_MS)}/{format_time(old_ms + HOUR_MS)}"
    after = await aggregates(site.open, **whole)
    assert (before.content, said) == (after.content, after.headers["summary-only"])
    assert "summary-only" not in before.headers
    raw = await site.open.get(from_=format_time(old_ms), to=format_time(old_ms + HOUR_MS))
    assert ([], said) == (raw.json(), raw.headers["summary-only"])
    young = await site.open.get(from_=format_time(NOW_MS - 2 * DAY_MS), to=format_time(NOW_MS))
    assert 60 == len(young.json())
    assert "summary-only" not in young.headers


@pytest.mark.parametrize("piece", [8_192, 7])
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [{}, {"limit": "30"}])
async def test_ranges_of_any_length_say_so_before_their_first_byte(site, monkeypatch, piece, sort, limit):
    """In either direction, whole or in pieces, with a limit or without; living records alone do not."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 60)
    for name in ("PIECE_ROWS_MIN", "PIECE_ROWS_MAX"):
        monkeypatch.setattr(querying, name, piece)
    old_ms = NOW_MS - 20 * DAY_MS
    await site.open.wrote([record(old_ms + MINUTE_MS * n) for n in range(1, 61)])
    await site.open.wrote([record(NOW_MS - DAY_MS + MINUTE_MS * n) for n in range(60)])
    await site.step()
    await retained(site)
    if piece == 7:
        monkeypatch.setattr(formats, "STREAMED_BYTES_MIN", 100)

    said = f"{format_time(old_ms + MINUTE_MS)}/{format_time(old_ms + HOUR_MS)}"
    path = f"{RANGE}/{site.open.asset}/weather"
    whole = await site.open.send("GET", path, None, {"sort": sort, **limit})
    young = {"from": format_time(NOW_MS - 2 * DAY_MS), "sort": sort}
    living = await site.open.send("GET", path, None, young)

    assert (30 if limit else 60) == len(whole.json())
    assert said == whole.headers["summary-only"]
    assert (60, None) == (len(living.json()), living.headers.get("summary-only"))


async def test_records_of_a_query_say_so(site, monkeypatch):
    """Each series has `summaryOnly`, the answer a header around all that were met before its first byte."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 60)
    old_ms, second = NOW_MS - 20 * DAY_MS, site.open.of("c" * 32)
    await site.open.wrote([record(old_ms + MINUTE_MS * n) for n in range(1, 61)])
    await second.wrote([record(NOW_MS)])
    await site.step()
    await retained(site)

    asked = {"aspects": ["weather"], "from": format_time(old_ms), "to": format_time(NOW_MS)}
    answer = await site.open.send("POST", QUERY, asked)
    said = f"{format_time(old_ms + MINUTE_MS)}/{format_time(old_ms + HOUR_MS)}"

    found = {each["assetId"]: each.get("summaryOnly") for each in answer.json()["series"]}
    assert (said, None) == (found[site.open.asset], found[second.asset])
    assert said == answer.headers["summary-only"]
    table = await site.open.send("POST", QUERY, asked, accept="text/csv")
    assert said == table.headers["summary-only"]


async def test_intervals_finer_than_summaries_align_outwards(site, monkeypatch):
    """Where only summaries live, intervals are whole quarters of an hour; after it they are as asked for."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 60)
    old_ms = NOW_MS - 20 * DAY_MS
    await site.open.wrote([record(old_ms + MINUTE_MS * n) for n in range(1, 61)])
    await site.open.wrote([record(NOW_MS - DAY_MS + MINUTE_MS * n) for n in range(1, 61)])
    await site.step()
    asked = {"intervalUnit": "minute", "intervalValue": "50", "select": "level.countgood"}
    whole = asked | {"from": format_time(old_ms), "to": format_time(old_ms + 20 * DAY_MS)}
    before = (await aggregates(site.open, **whole)).json()["aggregates"]
    await retained(site)

    after = await aggregates(site.open, **whole)
    items = after.json()["aggregates"]
    assert [50, 10] == [item["level"]["countgood"] for item in before[:2]]
    assert [45, 15] == [item["level"]["countgood"] for item in items[:2]]
    assert [at_quarter(old_ms, n) for n in (3, 4)] == [item["endtime"] for item in items[:2]]
    assert before[2:] == items[2:]
    assert 60 == sum(item["level"]["countgood"] for item in items[2:])

    fine = asked | {"intervalValue": "2", "from": at_quarter(old_ms, 0, 2), "to": at_quarter(old_ms, 1, 4)}
    answer = await aggregates(site.open, **fine)
    items = answer.json()["aggregates"]
    assert [15, 15] == [item["level"]["countgood"] for item in items]
    assert [at_quarter(old_ms, n) for n in (1, 2)] == [item["endtime"] for item in items]
    assert "summary-only" in answer.headers


def at_quarter(start_ms, number, minutes=0):
    """Write the time of the start of a quarter of an hour."""
    return format_time(start_ms + (15 * number + minutes) * MINUTE_MS)
