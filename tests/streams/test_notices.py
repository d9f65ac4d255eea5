"""The logs of notices, in memory and on a real server, against one contract; and what the server adds."""

import pytest

from schemas.errors import StreamUnavailable
from schemas.limits import NOTICES_TTL_MS
from streams.memory_notices import MemoryNoticeLog
from streams.notice_port import LogId, Move, Posting
from streams.testing import NoticeLogContract
from streams.valkey import ValkeyNoticeLog
from streams.valkey.connection import Address, Link, pack
from streams.valkey.notices import keys_of

LOG = LogId("windco", "one")


class Clock:
    """Stands still, so that numbers must rise by themselves."""

    def __call__(self):
        return 1_790_000_000_000_000


class TestMemoryNotices(NoticeLogContract):
    @pytest.fixture
    def notices(self):
        return MemoryNoticeLog(Clock())


async def ask(server, *words):
    link = Link(Address.parse(server.url), [], 5.0)
    try:
        [reply] = await (await link.connection()).ask([pack(*words)])
    finally:
        link.drop()
    return reply


@pytest.fixture
async def log(valkey):
    await ask(valkey, "FLUSHALL")
    log = ValkeyNoticeLog(valkey.url)
    yield log
    await log.close()
    await log.close()


class TestValkeyNotices(NoticeLogContract):
    @pytest.fixture
    def notices(self, log):
        return log


async def test_what_is_kept_ends_some_day(valkey, log):
    """A week after the last notice nothing of a subscription is left in the server's memory."""
    await log.post(Posting(notices={LOG: [b"a"]}, remembered={LOG: {"s": b"1"}}))

    for key in keys_of(LOG):
        assert 0 < await ask(valkey, "PTTL", key) <= NOTICES_TTL_MS


async def test_numbers_rise_over_a_lost_log(valkey, log):
    """A server that lost its memory gives no number twice: they follow its clock."""
    await log.post(Posting(notices={LOG: [b"a"]}))
    before = (await log.read(LOG, 0, count=1)).last
    await ask(valkey, "FLUSHALL")
    await ask(valkey, "SCRIPT", "FLUSH")

    assert await log.post(Posting(Move("shard:1", "", "1"), {LOG: [b"b"]}))

    assert before < (await log.read(LOG, 0, count=1)).last


async def test_a_server_that_is_gone_is_unavailable(valkey_factory):
    """Every call says so, and a closed log as well."""
    server = valkey_factory()
    log = ValkeyNoticeLog(server.url, timeout_s=0.5)
    await log.post(Posting(notices={LOG: [b"a"]}))
    server.kill()

    for call in (
        log.post(Posting(notices={LOG: [b"a"]})),
        log.places(),
        log.read(LOG, 0, count=1),
        log.recall(LOG, ["a"]),
        log.standing(LOG),
        log.note(LOG, b"", b"a"),
        log.drop(LOG),
        log.forget(LOG, "a" * 32),
    ):
        with pytest.raises(StreamUnavailable):
            await call
    await log.close()
    with pytest.raises(StreamUnavailable):
        await log.places()
