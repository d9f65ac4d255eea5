"""Equal reads in flight share a fetch, and each shows what was acknowledged before it came (design 4.17)."""

from __future__ import annotations

import asyncio

import pytest

from api.reading.joined import Sharing
from tests.api.masts import SECOND, at


class Gate:
    """Fetches that begin, and end when they are let go."""

    def __init__(self):
        self.begun = []
        self.ends = []

    async def fetch(self):
        """Begin, wait, and give the number of the fetch."""
        number = len(self.begun)
        self.begun.append(number)
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[number] or number

    async def let_go(self, number, outcome=None):
        """End a fetch, and let everybody see it."""
        if isinstance(outcome, Exception):
            self.ends[number].set_exception(outcome)
        else:
            self.ends[number].set_result(outcome)
        await settled()


async def settled():
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def asked(sharing, gate, key="k"):
    """Ask, and let the question arrive."""
    task = asyncio.create_task(sharing.share(key, gate.fetch))
    await settled()
    return task


async def test_later_reads_share_the_next_fetch():
    """Nobody joins a fetch that has begun; all who come meanwhile share the one after it."""
    sharing, gate = Sharing(), Gate()
    first = await asked(sharing, gate)
    others = [await asked(sharing, gate) for _ in range(5)]

    assert [0] == gate.begun
    await gate.let_go(0)
    assert ([0, 1], 0) == (gate.begun, await first)
    late = await asked(sharing, gate)
    await gate.let_go(1)
    assert [1] * 5 == [await other for other in others]
    await gate.let_go(2)
    assert ([0, 1, 2], 2) == (gate.begun, await late)


async def test_nothing_is_kept_of_what_has_ended():
    """One after the other each fetches anew: this is no cache."""
    sharing, gate = Sharing(), Gate()
    for number in range(3):
        task = await asked(sharing, gate)
        await gate.let_go(number)
        assert number == await task

    assert {} == sharing._flights


async def test_other_keys_do_not_wait():
    """A key names everything that decides the answer; different ones have nothing to do with each other."""
    sharing, gate = Sharing(), Gate()

    tasks = [await asked(sharing, gate, key) for key in ("a", "b")]

    assert [0, 1] == gate.begun
    await gate.let_go(1)
    await gate.let_go(0)
    assert [0, 1] == [await task for task in tasks]


async def test_a_failure_is_told_to_all_who_share_it_and_to_nobody_else():
    """The next fetch begins all the same."""
    sharing, gate = Sharing(), Gate()
    first = await asked(sharing, gate)
    second, third = [await asked(sharing, gate) for _ in range(2)]
    await gate.let_go(0, ValueError("first"))
    fourth = await asked(sharing, gate)
    await gate.let_go(1, ValueError("shared"))
    await gate.let_go(2)

    with pytest.raises(ValueError, match="first"):
        await first
    for task in (second, third):
        with pytest.raises(ValueError, match="shared"):
            await task
    assert 2 == await fourth
    assert {} == sharing._flights


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_who_goes_away_takes_nobody_along(gone):
    """Whether it had begun the fetch, asked for the next one, or joined it."""
    sharing, gate = Sharing(), Gate()
    tasks = [await asked(sharing, gate) for _ in range(4)]

    tasks[gone].cancel()
    await settled()
    if gone:
        await gate.let_go(0)
    await gate.let_go(1)

    answers = [await task for place, task in enumerate(tasks) if place != gone]
    assert ([1, 1, 1] if gone == 0 else [0, 1, 1]) == answers
    assert {} == sharing._flights


# -- in reads --------------------------------------------------------------------------------------


class Tails:
    """Counts the reads that have come and the tails that are taken; holds the first tail back once taken."""

    def __init__(self, site):
        self.asked = 0
        self.taken = []
        self.released = asyncio.Event()
        self._read_tail = site.stream.read_tail
        site.stream.read_tail = self.read_tail
        sharing = site.series.reading._sharing
        self._share = sharing.share
        sharing.share = self.share

    async def share(self, key, fetch):
        """Count a read that has come as far as the sharing; it joins or begins in the same step."""
        self.asked += 1
        return await self._share(key, fetch)

    async def all_asked(self, reads):
        """Wait until so many reads have come."""
        while self.asked < reads:
            await asyncio.sleep(0)

    async def read_tail(self, shard, series):
        """Take the tail now, and hand the first one over late."""
        tail = await self._read_tail(shard, series)
        self.taken.append(series)
        if len(self.taken) == 1:
            await self.released.wait()
        return tail


@pytest.mark.parametrize("parameters", [{}, {"to": at(9)}, {"latestValue": "true"}], ids=str)
async def test_a_read_never_joins_one_that_took_its_tail_before_a_write(site, parameters):
    """The second read came after a write was acknowledged: it shows it, whatever is in flight."""
    await site.open.wrote([{"_time": at(0), "level": 1}])
    tails = Tails(site)
    early = asyncio.create_task(site.open.get(**parameters))
    while not tails.taken:
        await asyncio.sleep(0)
    await site.open.wrote([{"_time": at(0), "level": 2}])
    later = [asyncio.create_task(site.open.get(**parameters)) for _ in range(6)]
    await tails.all_asked(7)
    tails.released.set()

    assert [{"_time": at(0), "level": 1}] == (await early).json()
    for task in later:
        assert [{"_time": at(0), "level": 2}] == (await task).json()
    assert 2 == len(tails.taken)  # of seven reads: the first, and one that six share


async def test_reads_of_others_are_never_shared(site):
    """Tenant, asset, aspect, range, selection and receipts are all in the key."""
    receipt = await site.open.wrote([{"_time": at(0), "level": 1, "count": 5}])
    await site.other.wrote([{"_time": at(0), "level": 2}])
    await site.open.of(SECOND).wrote([{"_time": at(0), "level": 3}])
    tails = Tails(site)
    first = asyncio.create_task(site.open.get(to=at(9)))
    while not tails.taken:
        await asyncio.sleep(0)

    others = await asyncio.gather(
        site.other.get(to=at(9)),
        site.open.of(SECOND).get(to=at(9)),
        site.open.get(to=at(8)),
        site.open.get(to=at(9), select="count"),
        site.open.get(to=at(9), sort="desc"),
        site.open.get(to=at(9), limit="1"),
        site.open.get({"read_after": receipt}, to=at(9)),
        site.open.get(),
    )
    tails.released.set()

    level = [{"_time": at(0), "level": 1, "count": 5}]
    expected = [
        [{"_time": at(0), "level": 2}], [{"_time": at(0), "level": 3}], level, [{"_time": at(0), "count": 5}],
        level, level, level, level,
    ]  # fmt: skip
    assert expected == [answer.json() for answer in others]
    assert level == (await first).json()
    assert 9 == len(tails.taken)
