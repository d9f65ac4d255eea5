"""Tenants and deleted assets to their end, the proof, and contents that nobody names (design 4.16)."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from schemas.builtin import root_asset
from schemas.changes import Clear
from schemas.durations import DAY_MS, HOUR_MS
from schemas.erasures import ERASED, ERASED_NAMES, ERASING, PROVED, erasure_id, is_clean
from schemas.errors import StoreUnavailable
from schemas.files import StoredFile
from schemas.ids import CORE, Erased
from schemas.limits import FILE_ORPHAN_AGE_MS_MIN
from storage.audit_port import AuditLine
from storage.deltas import encode_delta
from storage.event_port import EventRow, EventSpan
from storage.port import Delta, Head, Pin, SliceId, Turn
from storage.slices import PlanVersion
from storage.testing.rows import a_block
from streams.entries import SeriesEntry, encode_entry
from streams.port import Admission, Applied, DeadLetter, Idempotency
from streams.rq_jobs import RqJobQueue
from streams.shards import shard_of
from streams.valkey import ValkeyRecordStream
from tests.workers.houses import a_tenant, open_house
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS
from workers.orphans import sweep
from workers.proof import prove

KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]


@pytest.fixture(params=KINDS)
async def house(request, tmp_path):
    """An installation over each store."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with open_house(request.param, tmp_path, server) as opened:
        yield opened


@pytest.fixture
async def memory(tmp_path):
    """An installation of memory."""
    async with open_house("memory", tmp_path, None) as opened:
        yield opened


async def erased(house, tenant):
    """Have a tenant erased, as far as that goes at once."""
    await house.ask(tenant)
    await house.pass_time()
    return await house.erasure(tenant)


async def test_a_tenant_is_erased_and_that_is_proved(house):
    """First nothing is left but ids in the change log, after two hours nothing; another has all it had."""
    gone, stays = a_tenant(), a_tenant()
    await house.furnish(gone)
    series = await house.furnish(stays)
    await house.pass_time(1)
    before = await house.dump(stays, series)

    first = await erased(house, gone)
    house.clock.advance(FILE_ORPHAN_AGE_MS_MIN)
    await house.pass_time(2)
    proof = await house.erasure(gone)

    assert (ERASED, SHARDS, True) == (first.state, first.shards_done, is_clean(first.left, but_log=True))
    assert sum(1 for found in first.before.values() if found) >= 12
    assert (PROVED, True) == (proof.state, is_clean(proof.left))
    assert set(proof.left) >= {place for place, found in proof.before.items() if found}
    assert is_clean(await prove(house.ports, gone))
    assert before == await house.dump(stays, series)


async def test_a_tenant_is_erased_from_a_real_stream_server(valkey_factory, tmp_path):
    """Entries, caches, keys and jobs go, of this tenant only; the proof reads every key of the server."""
    url = valkey_factory().url
    others = {"stream": ValkeyRecordStream(url), "jobs": RqJobQueue(url)}
    async with open_house("sqlite", tmp_path, None, **others) as house:
        gone, stays = a_tenant(), a_tenant()
        await house.furnish(gone)
        series = await house.furnish(stays)
        body = encode_entry(SeriesEntry(series._replace(tenant=gone), 1, Clear(0, 1)))
        once = Idempotency(gone, "key", b"hash")
        shard = shard_of(gone, series.asset, SHARDS)
        await house.ports.stream.append([Admission(shard, series._replace(tenant=gone), body, once)])
        await house.pass_time(1)
        before = await house.dump(stays, series)

        first = await erased(house, gone)

        assert (ERASED, True) == (first.state, is_clean(first.left, but_log=True))
        seen = {place for place, found in first.before.items() if found}
        assert {"stream.idem", "stream.idem-ages", "jobs.job"} <= seen
        assert before == await house.dump(stays, series)
        others_left = await prove(house.ports, stays)
        assert min(others_left["stream.latest"], others_left["jobs.job"]) > 0


async def test_the_name_of_an_erased_tenant_stays_taken(memory):
    """Its document is gone and its name is nobody's for ever, before the document goes (design 4.16)."""
    gone = a_tenant()
    await memory.furnish(gone)

    await erased(memory, gone)

    catalog = memory.ports.catalog
    assert await catalog.get(CORE, "tenant", gone) is None
    assert erasure_id(gone) == await catalog.owner_of(ERASED_NAMES, gone)


async def test_nothing_is_erased_before_the_shards_are(memory):
    """While a shard has no writer the tenant's documents stay: they say what is still to be done."""
    gone = a_tenant()
    await memory.furnish(gone)
    await memory.ask(gone)

    for _ in range(3):
        await memory.eraser.look()

    assert (ERASING, 0) == ((await memory.erasure(gone)).state, (await memory.erasure(gone)).shards_done)
    assert await memory.ports.catalog.get(CORE, "tenant", gone) is not None
    assert await memory.ports.catalog.kinds(gone)


async def test_one_who_does_not_lead_does_nothing(memory):
    """One eraser of an installation is at work."""
    gone = a_tenant()
    await memory.furnish(gone)
    await memory.ask(gone)
    memory.eraser._leads = lambda: False

    await memory.pass_time(3)

    assert {} == (await memory.erasure(gone)).before


async def test_what_a_late_request_left_is_erased_at_the_second_look(house):
    """A door that was at it meanwhile may still store something: it goes two hours later."""
    gone = a_tenant()
    series = await house.furnish(gone)
    await erased(house, gone)
    await house.ports.catalog.create(gone, "asset", "late", b"{}")
    await house.keep_file(gone, "late", "late.txt", b"late")
    await house.ports.events.create(EventRow(gone, "late", 5, "late", "t", 0, b"[]"))
    late = SliceId(series, 77)
    await house.ports.series.write_turn(Turn((late,), [Delta(late, 5, 5, encode_delta(put(80)))]))

    house.clock.advance(FILE_ORPHAN_AGE_MS_MIN)
    await house.pass_time(8, 61)

    assert PROVED == (await house.erasure(gone)).state
    assert is_clean(await prove(house.ports, gone))


async def test_a_tenant_that_is_let_in_again_is_shut_out(memory):
    """Whoever resumes it in the very moment in which it is to be erased has lost it all the same."""
    gone = a_tenant()
    await memory.furnish(gone)
    await memory.ask(gone)
    document = await memory.ports.catalog.get(CORE, "tenant", gone)
    body = document.body.replace(b'"suspended":true', b'"suspended":false')
    await memory.ports.catalog.replace(CORE, "tenant", gone, body, document.version)

    await memory.eraser.look()

    now = await memory.ports.catalog.get(CORE, "tenant", gone)
    assert b'"suspended":true' in now.body


def planting(house, tenant, series):
    """Give, by place, how something of a tenant that was erased is put there behind everybody's back."""
    ports, slice_id, shard = house.ports, SliceId(series, 5), shard_of(tenant, series.asset, SHARDS)
    letter = DeadLetter(shard, 2**52, "", encode_entry(SeriesEntry(series, 1, Clear(0, 1))))
    caches = Applied(house.writer._held[shard].told, {series: b"x"})
    return {
        "series.slices": lambda: ports.series.write_turn(Turn((slice_id,))),
        "series.deltas": lambda: ports.series.write_turn(Turn((slice_id,), [Delta(slice_id, 5, 5, b"x")])),
        "series.blocks": lambda: ports.series.write_blocks([a_block(slice_id, 1, 1, part=4)]),
        "series.heads": lambda: ports.series.swap_head(slice_id, 0, Head(1, b"")),
        "series.pins": lambda: ports.series.write_pin(Pin(slice_id, 1, 1, b"")),
        "series.plans": lambda: ports.series.write_plan(shard, series, PlanVersion(0, DAY_MS)),
        "catalogue.documents": lambda: ports.catalog.create(tenant, "nobody knows", "x", b"{}"),
        "catalogue.names": lambda: ports.catalog.reserve("user", f"{tenant}-late", tenant),
        "catalogue.tenant": lambda: ports.catalog.create(CORE, "tenant", tenant, b"{}"),
        "events.events": lambda: ports.events.create(EventRow(tenant, "e", 5, "late", "t", 0, b"[]")),
        "audit": lambda: ports.audit.append(AuditLine(tenant, 5, "late", b"{}")),
        "files": lambda: house.keep_content(tenant, b"late"),
        "jobs.jobs": lambda: ports.jobs.submit("job", {}, f"{tenant}-late"),
        "stream.dead": lambda: ports.stream.bury(letter),
        "stream.latest": lambda: ports.stream.report_applied(shard, caches),
    }


PLACES = (
    "series.slices", "series.deltas", "series.blocks", "series.heads", "series.pins", "series.plans",
    "catalogue.documents", "catalogue.names", "catalogue.tenant", "events.events", "audit", "files",
    "jobs.jobs", "stream.dead", "stream.latest",
)  # fmt: skip


async def test_the_proof_finds_every_leftover(house):
    """Whatever is planted after a tenant was erased, and wherever, is seen: the proof can fail (S2)."""
    gone = a_tenant()
    series = await house.furnish(gone)
    await erased(house, gone)
    plants = planting(house, gone, series)
    assert set(PLACES) == set(plants)

    seen = {}
    before = await prove(house.ports, gone)
    for place, plant in plants.items():
        await plant()
        after = await prove(house.ports, gone)
        grown = [found for found in after if after[found] > before.get(found, 0)]
        seen[place] = [found for found in grown if found.startswith(place)]
        before = after

    assert [] == [place for place, found in seen.items() if not found]
    house.clock.advance(FILE_ORPHAN_AGE_MS_MIN)
    await house.pass_time(8, 61)
    assert {"stream.dead"} >= {place for place, found in (await prove(house.ports, gone)).items() if found}


class Stopping:
    """Ports of which every store stops at one call, counted over all of them."""

    def __init__(self, ports, at):
        self.left = at
        stopping = {
            name: self._wrapped(getattr(ports, name))
            for name in ("series", "catalog", "events", "files", "audit", "jobs", "stream")
        }
        self.ports = replace(ports, **stopping)

    def _wrapped(self, store):
        outer = self

        class Wrapped:
            def __getattr__(self, name):
                method = getattr(store, name)

                async def call(*arguments, **options):
                    outer.left -= 1
                    if outer.left < 0:
                        raise StoreUnavailable("the process is gone")
                    answer = await method(*arguments, **options)
                    if outer.left == 0:
                        raise StoreUnavailable("the process is gone")
                    return answer

                return call

        return Wrapped()


async def test_a_kill_anywhere_only_costs_time(tmp_path):
    """After each call of any port the eraser may die; the next one brings the tenant to the same end."""
    calls, ended = 1, False
    while not ended:
        calls += 3
        async with open_house("memory", tmp_path, None) as house:
            gone, stays = a_tenant(), a_tenant()
            await house.furnish(gone)
            series = await house.furnish(stays)
            await house.pass_time(1)
            before = await house.dump(stays, series)
            await house.ask(gone)
            stopping = Stopping(house.ports, calls)
            try:
                await house.pass_time(6, eraser=house.eraser_of(stopping.ports))
                ended = True
            except StoreUnavailable:
                pass

            await house.pass_time(6, eraser=house.eraser_of(house.ports))

            assert (ERASED, calls) == ((await house.erasure(gone)).state, calls)
            assert before == await house.dump(stays, series)
    assert calls > 40


# -- assets ----------------------------------------------------------------------------------------


async def with_deleted_asset(house, tenant, deleted_ms):
    """Give a tenant an asset that was deleted, with records, an event, a file and an upload; its series."""
    series = await house.furnish(tenant)
    asset = "d" * 32
    root = root_asset(tenant)
    deleted = msgspec.structs.replace(root, id=asset, parent_id=root.id, deleted_ms=deleted_ms)
    await house.ports.catalog.create(tenant, "asset", asset, msgspec.json.encode(deleted))
    await house.keep_file(tenant, asset, "gone.txt", b"gone")
    await house.keep_part(tenant, asset, b"part")
    await house.ports.events.create(EventRow(tenant, asset, START_MS, f"{tenant}d", "t", 0, b"[]"))
    of_asset = series._replace(asset=asset)
    await house.world.write(of_asset, put(START_MS, START_MS + 5))
    await house.pass_time(1)
    return of_asset


async def test_a_deleted_asset_is_erased_when_its_time_is_over(house):
    """Its records, events, files and uploads go after `erase_days`; other assets keep all (issue 5)."""
    tenant = a_tenant()
    series = await with_deleted_asset(house, tenant, START_MS - 31 * DAY_MS)
    others = series._replace(asset=root_asset(tenant).id)

    await house.pass_time(4, eraser=house.eraser_of(house.ports))

    catalog = house.ports.catalog
    assert await catalog.get(tenant, "asset", series.asset) is None
    assert {} == await house.ports.series.read_slices(series)
    assert 3 == len(await house.ports.events.read(EventSpan(tenant, None, 0, 2**53), 100))
    [kept] = await house.ports.files.kept(tenant)
    assert await whole(house, tenant, kept.content) == b"bytes"
    assert ["asset", f"file:{others.asset}", "token", "user"] == await catalog.kinds(tenant)
    assert await house.world.read(others) == house.world.expected(others)
    shard = shard_of(tenant, series.asset, SHARDS)
    assert (await house.ports.series.read_erased(shard))[Erased(tenant, series.asset)]


async def test_a_deleted_asset_is_kept_for_its_time(memory):
    """One day before it is over nothing of it is touched."""
    tenant = a_tenant()
    series = await with_deleted_asset(memory, tenant, START_MS - 29 * DAY_MS)

    await memory.pass_time(4, eraser=memory.eraser_of(memory.ports))

    assert await memory.ports.catalog.get(tenant, "asset", series.asset) is not None
    assert await memory.world.read(series) == memory.world.expected(series)
    assert 2 == len(await memory.ports.files.kept(tenant)) - 1


async def whole(house, tenant, content):
    """Read a content."""
    return b"".join([block async for block in house.ports.files.read(tenant, content, 0, content.size)])


# -- contents --------------------------------------------------------------------------------------


async def test_contents_that_nobody_names_are_swept(house):
    """Old ones go; young ones, and those that a file, a part or anything else names, stay (wire 8)."""
    tenant = a_tenant()
    await house.furnish(tenant)
    named = {(await house.keep_file(tenant, "f" * 32, "x", b"file")).id}
    named |= {(await house.keep_part(tenant, "f" * 32, b"part")).id}
    other = await house.keep_content(tenant, b"of a kind that is not known here")
    await house.ports.catalog.create(tenant, "logo", "x", f'{{"bytes":"{other.id}"}}'.encode())
    await house.keep_content(tenant, b"nobody's")
    now_ms = max(each.written_ms for each in await house.ports.files.kept(tenant))
    before = {each.content.id for each in await house.ports.files.kept(tenant)}

    young = await sweep(house.ports.catalog, house.ports.files, tenant, now_ms + FILE_ORPHAN_AGE_MS_MIN)
    swept = await sweep(
        house.ports.catalog, house.ports.files, tenant, now_ms + FILE_ORPHAN_AGE_MS_MIN + HOUR_MS
    )

    assert (0, len(b"nobody's")) == (young, swept)
    after = {each.content.id for each in await house.ports.files.kept(tenant)}
    assert 1 == len(before - after)
    assert {other.id, *named} <= after


async def test_parts_that_become_a_file_meanwhile_stay(memory):
    """The rows of the parts go while the sweep reads; the file that has them by then is read after them."""
    tenant = a_tenant()
    await memory.furnish(tenant)
    content = await memory.keep_part(tenant, "f" * 32, b"part")
    catalog = memory.ports.catalog
    [kind] = [kind for kind in await catalog.kinds(tenant) if kind.startswith("part:")]

    class Completing:
        """Completes the upload when the sweep has asked for the kinds."""

        asked = 0

        def __getattr__(self, name):
            return getattr(catalog, name)

        async def kinds(self, owner):
            found = await catalog.kinds(owner)
            self.asked += 1
            if self.asked == 1:
                row = StoredFile(
                    contents=(content,), type="", description="", timestamp_ms=0, created_ms=0, updated_ms=0,
                    created_by="", updated_by="",
                )  # fmt: skip
                await catalog.create(tenant, f"file:{'f' * 32}", "y", msgspec.json.encode(row))
                for document in await catalog.list(tenant, kind):
                    await catalog.remove(tenant, kind, document.id, document.version)
            return found

    assert 0 == await sweep(Completing(), memory.ports.files, tenant, START_MS + 10 * DAY_MS)


async def test_the_eraser_sweeps_once_a_day(memory):
    """A content that nobody names is gone the day after."""
    tenant = a_tenant()
    await memory.furnish(tenant)
    await memory.keep_content(tenant, b"nobody's")
    await memory.eraser.look()
    assert 2 == len(await memory.ports.files.kept(tenant))

    memory.clock.advance(DAY_MS)
    await memory.eraser.look()

    assert 1 == len(await memory.ports.files.kept(tenant))
