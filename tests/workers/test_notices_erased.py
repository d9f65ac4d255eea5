"""Notices go with what they are about: a deleted asset's, and a tenant's (design 4.16)."""

from dataclasses import replace

from schemas.durations import DAY_MS
from streams.memory_notices import MemoryNoticeLog
from streams.notice_port import LogId, Posting
from streams.valkey import ValkeyNoticeLog, ValkeyRecordStream
from tests.workers.houses import a_tenant, open_house
from tests.workers.test_eraser import with_deleted_asset
from tests.workers.world import START_MS


async def test_an_erased_assets_notices_are_forgotten(tmp_path):
    """With its records: values in notices would outlive them."""
    tenant = a_tenant()
    async with open_house("memory", tmp_path, None) as house:
        series = await with_deleted_asset(house, tenant, START_MS - 31 * DAY_MS)
        notices = MemoryNoticeLog(lambda: house.clock.now_ms() * 1_000)
        await house.ports.catalog.create(tenant, "subscription", "one", b"{}")
        name = LogId(tenant, "one")
        await notices.post(Posting(notices={name: [series.asset.encode(), b"another's"]}))

        await house.pass_time(4, eraser=house.eraser_of(replace(house.ports, notices=notices)))

        assert [b"another's"] == [kept.body for kept in (await notices.read(name, 0, count=9)).notices]


async def test_a_forgotten_tenant_leaves_no_notices(valkey_factory):
    """They are kept under its name, so what forgets a tenant on the server takes them, and the proof sees."""
    server = valkey_factory()
    stream, notices = ValkeyRecordStream(server.url), ValkeyNoticeLog(server.url)
    try:
        for tenant in ("windco", "windcorp"):
            name = LogId(tenant, "one")
            await notices.post(Posting(notices={name: [b"a"]}, remembered={name: {f"{tenant}/a/b": b"1"}}))
        assert 3 <= sum((await stream.count_left("windco")).values())
        before = await stream.count_left("windcorp")

        await stream.forget("windco")

        assert 0 == sum((await stream.count_left("windco")).values())
        assert before == await stream.count_left("windcorp")
        assert [] == (await notices.read(LogId("windco", "one"), 0, count=9)).notices
    finally:
        await stream.close()
        await notices.close()
