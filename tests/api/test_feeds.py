"""Subscriptions as streams of events, at the real server (MS-84)."""

import asyncio
import contextlib
import json
import socket
from typing import NamedTuple

import httpx
import pytest

from api.identity.scopes import ALL_SCOPES
from api.identity.tokens import Grant
from api.routes.subscriptions import PATH
from api.subscriptions import feeds
from schemas.limits import FEEDS_OF_SUBSCRIPTION_MAX, KB, NOTICES_KEPT_BYTES_MAX
from schemas.notices import DataNotice, GapNotice, encode_notice
from streams.notice_port import LogId, Posting
from tests.api.doors import bearer
from tests.api.masts import MAST
from tests.api.served import served_site, until

NOTE = encode_notice(GapNotice("x"))


class Event(NamedTuple):
    """One event as it arrives."""

    id: str
    kind: str
    data: dict


class Reader:
    """A program that reads a stream of events."""

    def __init__(self, answer):
        self.answer = answer
        self._pieces = answer.aiter_text()
        self._text = ""

    async def block(self):
        """Read to the next empty line; None at the end."""
        while "\n\n" not in self._text:
            try:
                self._text += await anext(self._pieces)
            except StopAsyncIteration:
                return None
        block, _, self._text = self._text.partition("\n\n")
        return block

    async def event(self):
        """Read the next event; comments and hints are passed over, None at the end."""
        while (block := await self.block()) is not None:
            members = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in members:
                return Event(members["id"], members["event"], json.loads(members["data"]))
        return None


class Feed:
    """A site with one subscription."""

    def __init__(self, site, http):
        self.site, self.http = site, http
        self.notices = site.door.services.ports.notices
        self.feeds = site.door.services.feeds
        self.feeds.poll_s = 0.005
        self.path = self.name = None

    async def make(self, kind="data"):
        """Make the subscription."""
        made = await self.http.post(PATH, json={"kind": kind}, headers=self.site.open.headers)
        self.path = f"{PATH}/{made.json()['id']}"
        self.name = LogId("acme", made.json()["id"])

    async def keep(self, *bodies):
        """Keep notices, as a notifier does."""
        await self.notices.post(Posting(notices={self.name: list(bodies)}))

    @contextlib.asynccontextmanager
    async def reading(self, query="", **headers):
        """Read events."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        whole = {**self.site.open.headers, **named}
        async with self.http.stream("GET", f"{self.path}/events{query}", headers=whole) as answer:
            assert 200 == answer.status_code, await answer.aread()
            reader = Reader(answer)
            assert "retry: 2000" == await reader.block()
            yield reader


@pytest.fixture
async def feed():
    async with served_site() as site:
        base = f"http://127.0.0.1:{site.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10) as http:
            feed = Feed(site, http)
            await feed.make()
            yield feed
            site.door.services.feeds.end()


async def test_notices_arrive_as_they_are_kept(feed):
    """With their ids, their kind, and as JSON; from the moment of connecting on."""
    await feed.keep(NOTE)
    async with feed.reading() as reader:
        assert "text/event-stream" in reader.answer.headers["content-type"]
        assert "no-store" == reader.answer.headers["cache-control"]
        await feed.keep(encode_notice(GapNotice("first")), encode_notice(GapNotice("ä\n")))
        found = [await reader.event(), await reader.event()]

    assert ["first", "ä\n"] == [event.data["reason"] for event in found]
    assert all(event.id == event.data["id"] and event.kind == "notice" for event in found)
    assert int(found[0].id) < int(found[1].id)


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_reader_goes_on_where_it_was(feed, by_header):
    """`Last-Event-ID` as browsers send it, `after` for whoever cannot; `0`: all that are kept."""
    await feed.keep(*[NOTE] * 50)
    async with feed.reading("?after=0") as reader:
        seen = [(await reader.event()).id for _ in range(30)]
    resumed = {"last_event_id": seen[-1]} if by_header else {}
    async with feed.reading("" if by_header else f"?after={seen[-1]}", **resumed) as reader:
        seen += [(await reader.event()).id for _ in range(20)]

    kept = await feed.notices.read(feed.name, 0, count=100)
    assert [str(each.number) for each in kept.notices] == seen


async def test_a_shared_notice_is_read_as_long_as_it_is_shared(feed):
    """By whom it is shared with; then it is passed over, also where it was kept before (MS-84)."""
    grant = Grant("other", "o", "o", ALL_SCOPES, "client-token:v1", 1_799)
    now_s = feed.site.clock.now_ms() // 1_000
    giver = bearer(feed.site.door.services.identity.tokens.issue(grant, now_s)[0])
    asked = {
        "receiver": {"tenant": "acme"},
        "assets": [MAST],
        "actions": ["records.read"],
        "aspects": ["weather"],
    }
    given = await feed.http.post("/api/aspectstore/v1/shares", json=asked, headers=giver)
    seen, times = given.headers["location"], {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01Z"}
    shared = DataNotice("written", MAST, "1" * 32, "weather", giver="other", **times)
    hidden = DataNotice("written", MAST, "2" * 32, "control", giver="other", **times)
    await feed.keep(*map(encode_notice, (hidden, shared)), NOTE)

    async with feed.reading("?after=0") as reader:
        before = [(await reader.event()).data["type"] for _ in range(2)]
    await feed.http.delete(seen, headers=giver)
    async with feed.reading("?after=0") as reader:
        after = (await reader.event()).data["type"]

    assert (["data", "gap"], "gap") == (before, after)


async def test_what_was_dropped_is_said(feed):
    """A reader that was away for too long hears of it before the next notice."""
    large = encode_notice(GapNotice("x" * (NOTICES_KEPT_BYTES_MAX // 3)))
    await feed.keep(NOTE)
    first = (await feed.notices.read(feed.name, 0, count=1)).last
    for _ in range(5):
        await feed.keep(large)
    async with feed.reading(last_event_id=str(first)) as reader:
        gap, following = await reader.event(), await reader.event()

    assert ("gap", str(first)) == (gap.kind, gap.data["after"])
    assert first < int(gap.id) < int(following.id)


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=12345678901234567", "?other=1"])
async def test_a_place_that_is_none_is_refused(feed, query):
    """Before anything is streamed."""
    answer = await feed.http.get(f"{feed.path}/events{query}", headers=feed.site.open.headers)
    assert 400 == answer.status_code


async def test_silence_is_broken_by_heartbeats(feed):
    """Proxies cut connections that say nothing."""
    async with feed.reading() as reader:
        feed.site.clock.advance(int(feeds.HEARTBEAT_S * 1_000))
        assert ":" == await reader.block()


async def test_a_reader_that_may_read_no_more_hears_nothing_more(feed, monkeypatch):
    """A suspended tenant, a removed or suspended subscription, a token past its time: the stream ends."""

    async def tenant():
        tokens = feed.site.door.services.identity.tokens
        monkeypatch.setattr(tokens, "_is_active", lambda _: False)
        tokens.forget()  # as the change log has it done

    async def subscription():
        await feed.http.post(f"{feed.path}/suspend", headers=feed.site.open.headers)
        feed.site.clock.advance(2_000)

    async def removal():
        await feed.http.delete(feed.path, headers=feed.site.open.headers)
        feed.site.clock.advance(2_000)

    async def time():
        feed.site.clock.advance(1_800_000)

    for ending in (subscription, removal, time, tenant):
        async with feed.reading() as reader:
            await ending()
            assert await reader.event() is None, ending.__name__
        if ending is time:
            await feed.site.renew()
        if ending is not tenant:
            await feed.make()


async def test_a_draining_door_ends_its_streams(feed):
    """SIGTERM: readers come back to another door with the id that they have."""
    async with feed.reading() as reader:
        feed.site.server.should_exit = True
        assert await reader.event() is None


async def test_so_many_readers_have_room(feed, monkeypatch):
    """Of one subscription, and of the door; whoever leaves makes room."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(FEEDS_OF_SUBSCRIPTION_MAX):
            await stack.enter_async_context(feed.reading())
        answer = await feed.http.get(f"{feed.path}/events", headers=feed.site.open.headers)
        assert 429 == answer.status_code
        assert "retry-after" in answer.headers
        monkeypatch.setattr(feeds, "FEEDS_OF_DOOR_MAX", FEEDS_OF_SUBSCRIPTION_MAX)
        await feed.make()
        answer = await feed.http.get(f"{feed.path}/events", headers=feed.site.open.headers)
        assert 429 == answer.status_code
    await until(lambda: not feed.feeds._open)
    async with feed.reading():
        assert 1 == feed.feeds._open.total()


async def test_a_slow_reader_costs_one_page(feed, monkeypatch):
    """It is waited for, not written ahead of: what it does not take stays in the log."""
    asked, read = [], feed.notices.read

    async def counted(*words, **named):
        asked.append(words)
        return await read(*words, **named)

    monkeypatch.setattr(feed.notices, "read", counted)
    body = encode_notice(GapNotice("x" * 8 * KB))
    await feed.keep(*[body] * 120)
    before = set(feed.site.server.server_state.connections)
    wire = await feed.site.connect()
    wire.writer.transport.pause_reading()
    await until(lambda: len(feed.site.server.server_state.connections) > len(before))
    [mine] = feed.site.server.server_state.connections - before
    mine.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    token = feed.site.open.headers["authorization"]
    head = f"GET {feed.path}/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
    await wire.send(head.encode())
    await until(lambda: mine.flow.write_paused)
    looks = 0
    while looks != len(asked):  # The kernel takes some of it.
        looks = len(asked)
        for _ in range(20):
            await asyncio.sleep(0.005)
    assert mine.flow.write_paused
    assert looks < 120 // feeds.PAGE
    assert mine.transport.get_write_buffer_size() < 256 * KB

    now_s = asyncio.get_running_loop().time()
    mine.look(now_s)
    mine.look(now_s + 31)  # it read nothing for half a minute
    await until(lambda: not feed.feeds._open)


async def test_a_feed_needs_the_scope_of_what_it_tells(feed):
    """Who may read subscriptions, but no records, is told of none."""
    from api.identity.scopes import SUBSCRIPTIONS_READ
    from api.identity.tokens import Grant
    from tests.api.doors import NOW_MS, bearer

    grant = Grant("acme", "acme-tech", "acme-tech", (SUBSCRIPTIONS_READ,), "client-token:v1", 1_799)
    token = feed.site.door.services.identity.tokens.issue(grant, NOW_MS // 1_000)[0]
    answer = await feed.http.get(f"{feed.path}/events", headers=bearer(token))
    assert 403 == answer.status_code


async def test_an_unread_log_is_no_error(feed):
    """A stream server that goes away ends the stream; the reader comes back."""
    async with feed.reading() as reader:

        async def gone(*_words, **_named):
            from schemas.errors import StreamUnavailable

            raise StreamUnavailable("gone")

        feed.notices.read = gone
        assert await reader.event() is None
