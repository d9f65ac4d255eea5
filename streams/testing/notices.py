"""What a `NoticeLog` promises, for every adapter."""

from __future__ import annotations

from schemas.limits import NOTICES_KEPT_BYTES_MAX
from streams.notice_port import LogId, Move, NoticeLog, Posting

ONE, OTHER = LogId("windco", "one"), LogId("windco", "other")
NASTY = bytes(range(256))


class NoticeLogContract:
    """Fixture to give: `notices`, an empty log of notices."""

    async def test_notices_are_kept_whole_and_in_order(self, notices: NoticeLog) -> None:
        """Numbers rise, bodies are what they were, and a reader goes on from any number (MS-84)."""
        assert await notices.post(Posting(notices={ONE: [b"a", NASTY], OTHER: [b"b"]}))
        assert await notices.post(Posting(notices={ONE: [b"c"]}))

        page = await notices.read(ONE, 0, count=10)
        numbers = [kept.number for kept in page.notices]
        assert [b"a", NASTY, b"c"] == [kept.body for kept in page.notices]
        assert sorted(set(numbers)) == numbers
        assert (0, numbers[-1]) == (page.dropped, page.last)
        assert page.notices[1:] == (await notices.read(ONE, numbers[0], count=10)).notices
        assert page.notices[:2] == (await notices.read(ONE, 0, count=2)).notices
        assert [] == (await notices.read(ONE, numbers[-1], count=2)).notices
        assert [b"b"] == [kept.body for kept in (await notices.read(OTHER, 0, count=2)).notices]

    async def test_an_unknown_log_is_empty(self, notices: NoticeLog) -> None:
        """Nobody was told anything yet: nothing is there, and that is no error."""
        page = await notices.read(ONE, 0, count=10)

        assert ([], 0, 0) == (page.notices, page.dropped, page.last)
        assert {} == await notices.recall(ONE, ["a"])
        assert {} == await notices.recall(ONE, [])
        assert b"" == await notices.standing(ONE)
        assert {} == await notices.places()

    async def test_a_place_moves_with_what_it_passes(self, notices: NoticeLog) -> None:
        """Who comes second with the same entries keeps nothing, so nothing is kept twice."""
        first = Posting(Move("shard:1", "", "10"), {ONE: [b"a"]}, {ONE: {"s": b"1"}})
        assert await notices.post(first)

        assert not await notices.post(first)
        assert not await notices.post(Posting(Move("shard:1", "9", "20"), {ONE: [b"b"]}, {ONE: {"s": b"2"}}))
        assert {"shard:1": "10"} == await notices.places()
        assert [b"a"] == [kept.body for kept in (await notices.read(ONE, 0, count=9)).notices]
        assert {"s": b"1"} == await notices.recall(ONE, ["s", "t"])

        assert await notices.post(Posting(Move("shard:1", "10", "20"), {}, {ONE: {"s": b"2", "t": NASTY}}))
        assert await notices.post(Posting(Move("model", "", "x y"), {}))
        assert {"shard:1": "20", "model": "x y"} == await notices.places()
        assert {"s": b"2", "t": NASTY} == await notices.recall(ONE, ["s", "t"])

    async def test_the_oldest_are_dropped_and_that_is_known(self, notices: NoticeLog) -> None:
        """A log keeps so many bytes; a reader sees that something before its page is gone."""
        large = b"x" * (NOTICES_KEPT_BYTES_MAX // 4)
        for _ in range(3):
            await notices.post(Posting(notices={ONE: [large, large]}))

        page = await notices.read(ONE, 0, count=10)
        assert 4 == len(page.notices)
        assert 0 < page.dropped < page.notices[0].number
        await notices.post(Posting(notices={ONE: [b"y" * (NOTICES_KEPT_BYTES_MAX + 1)]}))
        after = await notices.read(ONE, 0, count=10)
        assert [NOTICES_KEPT_BYTES_MAX + 1] == [len(kept.body) for kept in after.notices]
        assert page.notices[-1].number == after.dropped

    async def test_a_standing_changes_only_from_what_it_is(self, notices: NoticeLog) -> None:
        """A replay and a delivery at once: one of them sees that the other was first."""
        assert await notices.note(ONE, b"", NASTY)
        assert not await notices.note(ONE, b"", b"b")
        assert NASTY == await notices.standing(ONE)
        assert await notices.note(ONE, NASTY, b"c")
        assert (b"c", b"") == (await notices.standing(ONE), await notices.standing(OTHER))

    async def test_an_asset_is_forgotten(self, notices: NoticeLog) -> None:
        """Its notices and what is remembered of its series go, others stay; what is kept is counted on."""
        gone, stays = "a" * 32, "b" * 32
        large = NOTICES_KEPT_BYTES_MAX // 3
        bodies = [b'{"assetId":"%b"}' % gone.encode() + b"x" * large, stays.encode(), gone.encode()]
        known = {f"windco/{gone}/{stays}": b"1", f"windco/{stays}/{gone}": b"2"}
        await notices.post(Posting(notices={ONE: bodies}, remembered={ONE: known}))

        await notices.forget(ONE, gone)
        await notices.forget(OTHER, gone)

        page = await notices.read(ONE, 0, count=9)
        assert [stays.encode()] == [kept.body for kept in page.notices]
        assert {f"windco/{stays}/{gone}": b"2"} == await notices.recall(ONE, [*known])
        await notices.post(Posting(notices={ONE: [b"y" * large] * 2}))
        assert (3, 0) == (len((await notices.read(ONE, 0, count=9)).notices), page.dropped)

    async def test_a_dropped_log_leaves_nothing(self, notices: NoticeLog) -> None:
        """Notices, standing and what was remembered go together, and nobody else's."""
        for log in (ONE, OTHER):
            await notices.post(Posting(notices={log: [b"a"]}, remembered={log: {"s": b"1"}}))
            await notices.note(log, b"", b"standing")

        await notices.drop(ONE)
        await notices.drop(ONE)

        assert [] == (await notices.read(ONE, 0, count=9)).notices
        assert (b"", {}) == (await notices.standing(ONE), await notices.recall(ONE, ["s"]))
        assert 1 == len((await notices.read(OTHER, 0, count=9)).notices)
        assert b"standing" == await notices.standing(OTHER)
