"""A window is as if the series had only its records: pages, newest values, aggregates (design 7, 4.13).

What the receiver reads of a shared series is compared, byte for byte but for the last digits of means, with
what the owner reads of a copy that has only the records of the window; nothing here knows how it is kept.
"""

from __future__ import annotations

import random
import re

import pytest

from api.reading.fresh import Gone, Rows
from api.reading.windows import Windowed
from schemas.ids import SeriesId
from schemas.queries import TimeRange
from schemas.times import format_time, parse_time
from storage import merge
from storage.spans import Wanted
from tests.api.doors import NOW_MS
from tests.api.masts import PATH, at, problems
from tests.api.plants import AGGREGATE, COPY, PUMP, QUERY, RANGE, READ, WRITE, levels, running_plants

CELL_MS = 900_000
CELLS = 40
"""Ten hours of quarters before the present, in which records and windows lie."""
START_MS = NOW_MS - CELLS * CELL_MS
FRACTION = re.compile(r"-?\d+\.\d{8,}(e-?\d+)?")
"""What is added up in another order may differ in its last digits, as pieces of a series may."""
SEEDS = (1, 2, 3, 4)
QUESTIONS = 40


@pytest.fixture
async def plants():
    """A plant of which nothing is shared."""
    async with running_plants() as running:
        yield running


class Windows:
    """Random records, random windows over them, and a copy of what they let through."""

    def __init__(self, plants, seed):
        self.plants, self.dice = plants, random.Random(seed)
        self.apart = seed % 2 == 0
        self.copy = plants.owner.at_asset(COPY)

    def draw_windows(self):
        """Draw windows: three that lie apart, or one to three of any kind; None stands for an open end."""
        windows = []
        count = 3 if self.apart else self.dice.randint(1, 3)
        cuts = self.dice.sample(range(CELLS + 1), 2 * count)
        if self.apart:
            ends = [START_MS + cut * CELL_MS for cut in sorted(cuts)]
            return list(zip(ends[::2], ends[1::2], strict=True))
        for number in range(count):
            first, last = sorted(cuts[2 * number : 2 * number + 2])
            start = None if self.dice.random() < 0.15 else START_MS + first * CELL_MS
            end = None if self.dice.random() < 0.15 else START_MS + last * CELL_MS
            windows.append((start, end))
        return windows

    def draw_records(self):
        """Draw records, many of them at the very edges of cells."""
        times = {START_MS + self.dice.randrange(CELLS * CELL_MS) for _ in range(120)}
        times |= {
            START_MS + self.dice.randrange(CELLS) * CELL_MS + self.dice.choice((-1, 0, 1)) for _ in range(80)
        }
        return [self.draw_record(time_ms) for time_ms in sorted(times)]

    def draw_record(self, time_ms):
        """Draw some variables, so that the newest value of each is of another time."""
        record = {"_time": format_time(time_ms)}
        for name in self.dice.sample(("level", "temperature", "count", "label"), self.dice.randint(1, 3)):
            value = self.dice.randrange(-99, 99)
            record[name] = f"L{value}" if name == "label" else value
        return record

    def question(self):
        """Draw a read: method, path, body, parameters, with PUMP for the asset."""
        start, end = sorted(self.dice.sample(range(-3 * CELL_MS, (CELLS + 3) * CELL_MS), 2))
        aligned = self.dice.random() < 0.5
        step = CELL_MS if aligned else 1
        reach = {
            "from": format_time(START_MS + start // step * step),
            "to": format_time(START_MS + end // step * step + step),
        }
        named = {"assetId": PUMP, "aspectName": "weather"}
        unit, value = self.dice.choice((("minute", 10), ("minute", 30), ("hour", 1), ("hour", 4), ("day", 1)))
        interval = {"intervalUnit": unit, "intervalValue": str(value)}
        page = {"limit": str(self.dice.choice((1, 3, 17, 2_000))), "sort": self.dice.choice(("asc", "desc"))}
        own = "/api/aspectstore/v1/aggregates"
        functions = self.dice.choice(("timeaverage,durationgood", "p50,p95", "average,sum,firstvalue,sd"))
        asked = {"assets": [PUMP], **reach, "limit": int(page["limit"]), "sort": page["sort"]}
        return self.dice.choice(
            (
                ("GET", f"{PATH}/{PUMP}/weather", None, {**reach, **page}),
                ("GET", f"{PATH}/{PUMP}/weather", None, {**reach, **page, "select": "level,label"}),
                ("GET", f"{PATH}/{PUMP}/weather", None, {}),
                ("GET", f"{PATH}/{PUMP}/weather", None, {"latestValue": "true"}),
                ("GET", f"{RANGE}/{PUMP}/weather", None, {**reach, **page}),
                ("GET", f"{RANGE}/{PUMP}/weather", None, {"sort": page["sort"]}),
                ("POST", QUERY, asked, {}),
                ("GET", "/api/iottsaggregates/v4/aggregates", None, {**named, **reach, **interval}),
                ("GET", own, None, {**named, **reach, **interval, "functions": functions}),
                ("GET", own, None, {**named, **reach, **interval, "fill": "previous"}),
                ("GET", own, None, {**named, **reach, "maxPoints": "20"}),
            )
        )

    async def both(self, question):
        """Ask the receiver about the pump and the owner about the copy; gives statuses, links and bodies."""
        method, path, body, parameters = question
        answers = []
        for caller, asset in ((self.plants.guest, PUMP), (self.plants.owner, COPY)):
            asked = {**body, "assets": [asset]} if body else None
            named = {**parameters, "assetId": asset} if "assetId" in parameters else parameters
            answer = await caller.send(method, path.replace(PUMP, asset), asked, named or None)
            texts = (answer.headers.get("link", ""), answer.text)
            logref = answer.headers["x-request-id"]
            link, text = (text.replace(asset, "<asset>").replace(logref, "") for text in texts)
            answers.append((answer.status_code, link, FRACTION.sub(_rounded, text)))
        return answers


def _rounded(number):
    return f"{float(number[0]):.10g}"


def lets_through(windows, time_ms):
    """Tell by hand whether one of the windows, (from, to], has a time."""
    return any(
        (start is None or start < time_ms) and (end is None or time_ms <= end) for start, end in windows
    )


async def share_and_copy(windows):
    """Write records to the pump, share it through random windows, and copy what these let through."""
    plants, drawn = windows.plants, windows.draw_windows()
    records = windows.draw_records()
    await plants.owner.send("DELETE", f"{PATH}/{PUMP}/weather", None, {"from": at(0, hours=-99), "to": at(0)})
    await plants.owner.wrote(records)
    through = [record for record in records if lets_through(drawn, parse_time(record["_time"]))]
    if through:
        await windows.copy.wrote(through)
    for start, end in drawn:
        ends = {"from": start, "to": end}
        window = {f"{name}_": format_time(time) for name, time in ends.items() if time is not None}
        await plants.give(READ, AGGREGATE, **window)
    return drawn


@pytest.mark.parametrize("sealed", [False, True], ids=["fresh", "sealed"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_receiver_reads_what_an_owner_of_the_window_would_read(plants, seed, sealed):
    """Whatever is asked, by whichever route, fresh or out of blocks: the same status, link and body."""
    windows = Windows(plants, seed)
    await share_and_copy(windows)
    if sealed:
        await plants.site.seal()
        await plants.site.renew()

    asked = [windows.question() for _ in range(QUESTIONS)]
    for question in asked:
        receiver, owner = await windows.both(question)
        assert owner == receiver, question


async def test_the_first_and_the_last_millisecond_of_a_window(plants):
    """(from, to]: a record at `from` is outside, one at `to` inside, for reads and writes alike."""
    await plants.give(READ, WRITE, from_=at(0, hours=-2), to=at(0, hours=-1))
    await plants.owner.wrote([{"_time": at(1, hours=-2), "level": 5}, {"_time": at(1, hours=-1), "level": 6}])

    assert [5, 1] == levels(await plants.guest.get(from_=at(0, hours=-9), to=at(0)))
    for time, status in ((at(0, hours=-2), 400), (at(1, hours=-2), 204), (at(0, hours=-1), 204)):
        assert status == (await plants.guest.put([{"_time": time, "level": 1}])).status_code, time


async def test_newest_values_are_looked_for_in_every_window(plants):
    """A variable without a value in the last window has its newest one of an earlier one (MS-44)."""
    await plants.give(READ, from_=at(0, hours=-9), to=at(0, hours=-8))
    await plants.give(READ, from_=at(0, hours=-5), to=at(0, hours=-4))
    for hours, record in ((-8, {"level": 8}), (-6, {"level": 6}), (-4, {"temperature": 4.0})):
        await plants.owner.wrote([{"_time": at(0, hours=hours), **record}])

    latest = (await plants.guest.get(latestValue="true")).json()
    newest = (await plants.guest.get()).json()

    assert [
        {"_time": at(0, hours=-8), "level": 8}, {"_time": at(0, hours=-4), "temperature": 4},
    ] == latest  # fmt: skip
    assert [{"_time": at(0, hours=-4), "temperature": 4}] == newest


async def test_a_write_outside_the_window_is_refused_as_a_whole(plants):
    """One record outside refuses all, with its place; nothing is stored of them (design 8.19)."""
    await plants.give(WRITE, to=at(0, hours=-1))
    records = [{"_time": at(0, hours=hours), "level": 9} for hours in (-3, 0, -1, 1)]

    for send in (plants.guest.put, plants.guest.patch):
        answer = await send(records)
        assert 400 == answer.status_code
        assert [("/1/_time", "timeWindow"), ("/3/_time", "timeWindow")] == problems(answer)
    assert [2, 1, 0] == [row["level"] for row in await plants.owner.rows()]


async def test_of_several_pairs_the_one_outside_is_refused(plants):
    """In a multi PUT the pointer leads through the pair to the record (MS-21)."""
    await plants.give(WRITE, to=at(0, hours=-1))
    inside = [{"_time": at(0, hours=-3), "level": 9}]

    answer = await plants.guest.put_set(
        [(plants.guest, inside), (plants.guest, [{"_time": at(0), "level": 9}])]
    )

    assert [("/timeseries/1/data/0/_time", 400)] == [
        (error["pointer"], error["statusCode"]) for error in answer.json()["errors"]
    ]
    assert [9, 2, 1, 0] == [row["level"] for row in await plants.owner.rows()]


async def test_reading_and_writing_may_have_windows_of_their_own(plants):
    """Each action goes by the shares that allow it, not by all of them together."""
    await plants.give(READ, to=at(0, hours=-1))
    await plants.give(WRITE, from_=at(0, hours=-1))

    assert 204 == (await plants.guest.put([{"_time": at(5), "level": 5}])).status_code
    assert 400 == (await plants.guest.put([{"_time": at(0, hours=-3), "level": 5}])).status_code
    assert [2, 1] == levels(await plants.guest.get(to=at(0, hours=9)))


class Thinned:
    """A series of whose first ten quarters only summaries live."""

    async def rows(self, series, wanted, after=()):
        """Say so, whatever was asked for."""
        return Rows(merge.EMPTY, gone=Gone(1, 10 * CELL_MS))


async def test_what_retention_has_taken_is_told_inside_the_window_only():
    """`Summary-Only` names no time that is not shared (design 4.13)."""
    spans = (TimeRange(2 * CELL_MS + 1, 3 * CELL_MS + 1), TimeRange(5 * CELL_MS + 1, 6 * CELL_MS + 1))
    series = SeriesId("acme", PUMP, "1" * 32)

    read = await Windowed(Thinned(), spans).rows(series, Wanted(0, 9 * CELL_MS))

    assert Gone(2 * CELL_MS + 1, 6 * CELL_MS) == read.gone


async def test_a_test_of_windows_can_fail(plants):
    """With a window one cell wider the receiver's answers differ: the comparison above sees it."""
    windows = Windows(plants, SEEDS[0])
    await share_and_copy(windows)
    await plants.give(READ, AGGREGATE)

    differing = 0
    for _ in range(QUESTIONS):
        receiver, owner = await windows.both(windows.question())
        differing += receiver != owner

    assert differing
