"""The notifier: follows what writers have stored and tells those who subscribe (MS-84, wire 11).

It lives in a writer's process, over that writer's shards, so the leases of the shards say who makes and tells
notices; two at once for a moment are harmless, since places move by compare-and-set. It reads the entries of
a shard once more, up to the writer's cursor and only where somebody may want to know of them, so that nothing
is told that is not stored, and neither door nor writer does anything for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from runtime.metrics import Sample
from runtime.ports import Clock
from runtime.vault import Vault
from schemas.durations import MINUTE_MS
from schemas.errors import Unavailable
from schemas.ids import SeriesId
from schemas.notices import GapNotice, encode_notice
from schemas.subscriptions import Subscription
from storage.port import CatalogStore
from streams.entries import series_of
from streams.notice_port import LogId, Move, NoticeLog, Posting
from streams.port import Entry, RecordStream
from streams.shards import shard_of
from workers.delivering import Deliverer
from workers.folding import Folded, grouped
from workers.interest import Interest
from workers.model_notices import ModelNotices
from workers.noticing import Made, Telling, log_of, pieces_of, tell, undone
from workers.secrecy import seal_secrets
from workers.webhooks import Webhooks

log = structlog.get_logger("notifier")

TICK_S: Final = 0.5
"""Between two looks: what comes within it is told together, and early enough for one second (MS-84)."""

READ_BYTES: Final = 256 * 1024
"""Entries of one shard in one pass."""

WORK_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of entries times subscriptions of one pass: what is made of them is about as large …"""
ENTRY_WORK_BYTES: Final = 300
"""… and no notice is smaller."""

YIELD_SERIES: Final = 32
"""Between two looks at the event loop, which is the writer's (about 5 ms)."""

DIGESTED_MS: Final = 10_000
"""For how long an aspect type that was noted for its minute is not noted again."""

LATE_MS: Final = 10 * MINUTE_MS
"""A subscription that is older, at a shard without a place: the stream server has lost it."""

_TRIMMED: Final = GapNotice("Entries were removed from the stream before notices were made of them.")
_UNREAD: Final = GapNotice("Entries of a series could not be read; the operator was told.")
_FORGOTTEN: Final = GapNotice("The stream server lost what it knew; notices may be missing.")

Held = Callable[[], Mapping[int, int]]
"""The shards of this process, and up to which position each is stored."""


@dataclass(slots=True)
class Counted:
    """What a process has made, for `/metrics`."""

    notices: int = 0
    gaps: int = 0


class Notifier:
    """Makes and tells notices for the shards that one process holds."""

    def __init__(
        self,
        stream: RecordStream,
        notices: NoticeLog,
        catalog: CatalogStore,
        clock: Clock,
        *,
        held: Held,
        shards: int,
        webhooks: Webhooks,
        random: Callable[[], float],
        vault: Vault,
    ) -> None:
        """Know nothing before the first step; `random` spreads repeated tries, `vault` opens secrets."""
        self._stream = stream
        self._notices = notices
        self._clock = clock
        self._held = held
        self._shards = shards
        self._interest = Interest(catalog, clock, shards)
        self._models = ModelNotices(catalog, notices, self._interest, clock)
        self._deliverer = Deliverer(notices, webhooks, clock, random, interest=self._interest, vault=vault)
        self._catalog = catalog
        self._vault = vault
        self._telling: dict[LogId, asyncio.Task[None]] = {}
        self._digested: dict[LogId, set[str]] = {}
        self._digested_at = 0
        """The span of time of which `_digested` knows what was kept."""
        self.counted = Counted()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; what is then under way is given up, and told again by the next."""
        try:
            while not stop.is_set():
                await self._step_or_say()
                try:
                    async with asyncio.timeout(TICK_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            await self.end()

    async def _step_or_say(self) -> None:
        try:
            await self.step()
        except Unavailable as error:
            log.warning("notices_wait", reason=error.message)
        except Exception:
            log.exception("notices_failed")

    async def end(self) -> None:
        """Give up deliveries that are under way."""
        telling = list(self._telling.values())
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    async def step(self) -> None:
        """Look once: at the catalogue, at every shard of interest, at every subscription to tell."""
        held = dict(self._held())  # Before the catalogue: whatever it needs to be understood is then known.
        await self._interest.refresh()
        if 0 in held and self._interest.unsealed and self._vault.has_key:
            await seal_secrets(self._catalog, self._vault, self._interest.unsealed)
        if not self._interest.active:
            return
        await self._make(held)
        if 0 in held:
            self.counted.notices += await self._models.make()
        self._tell(held)

    def samples(self) -> list[Sample]:
        """Give what this process counts."""
        delivered = self._deliverer.counted
        outcomes = {
            "delivered": delivered.delivered, "failed": delivered.failed, "given_up": delivered.given_up
        }  # fmt: skip
        return [
            Sample("notices", (), self.counted.notices),
            Sample("notice_gaps", (), self.counted.gaps),
            Sample("notice_subscriptions", (), len(self._interest.active)),
            *(Sample("notice_deliveries", (outcome,), count) for outcome, count in outcomes.items()),
        ]

    # -- telling ---------------------------------------------------------------------------------

    def _tell(self, held: Mapping[int, int]) -> None:
        """Begin deliveries for the subscriptions whose ids fall into our shards."""
        self._telling = {name: task for name, task in self._telling.items() if not task.done()}
        for told in self._interest.active.values():
            name = log_of(told)
            if (
                told.webhook is not None
                and name not in self._telling
                and shard_of(told.tenant, told.id, self._shards) in held
            ):
                self._telling[name] = asyncio.create_task(self._deliver(told))

    async def _deliver(self, told: Subscription) -> None:
        try:
            while await self._deliverer.deliver(told):
                pass
        except Unavailable as error:
            log.warning("deliveries_wait", tenant=told.tenant, subscription=told.id, reason=error.message)
        except Exception:
            log.exception("delivery_failed", tenant=told.tenant, subscription=told.id)

    async def settle(self) -> None:
        """Wait for the deliveries that are under way."""
        await asyncio.gather(*self._telling.values())

    # -- making ----------------------------------------------------------------------------------

    async def _make(self, held: Mapping[int, int]) -> None:
        wanted = {shard: upto for shard, upto in held.items() if shard in self._interest.by_shard}
        if not wanted:
            return
        places = await self._notices.places()
        for shard, upto in wanted.items():
            place: str | None = places.get(_place(shard), "")
            while place is not None and int(place or 0) < upto:
                place = await self._pass(shard, place, upto)

    async def _pass(self, shard: int, place: str, upto: int) -> str | None:
        """Make the notices of a piece of a shard; gives the place behind it, None if another has moved it."""
        subscriptions = self._interest.by_shard[shard]
        made = Made()
        after = max(int(place or 0), min(told.since_us for told in subscriptions))
        entries: list[Entry] = []
        if after < upto:
            found = (await self._stream.read({shard: after}, bytes_max=READ_BYTES)).get(shard, [])
            entries = [entry for entry in found if entry.position <= upto]
            await self._look_for_gaps(shard, place, after, made)
            entries = _cut(entries, len(subscriptions))
            await self._tell_of(shard, entries, made)
        reached = entries[-1].position if entries else upto
        move = Move(_place(shard), place, str(reached))
        fresh = self._fresh_digests(made)
        bodies = made.bodies()
        if not await self._notices.post(Posting(move, bodies, made.remembered)):
            return None
        for name, types in fresh.items():
            self._digested.setdefault(name, set()).update(types)
        self.counted.notices += sum(map(len, bodies.values()))
        return move.after

    def _fresh_digests(self, made: Made) -> dict[LogId, set[str]]:
        """Leave out the aspect types that were told some seconds ago: a busy minute would name them often."""
        since = self._clock.now_ms() // DIGESTED_MS
        if since != self._digested_at:
            self._digested_at, self._digested = since, {}
        fresh = {name: types - self._digested.get(name, set()) for name, types in made.digests.items()}
        made.digests = {name: types for name, types in fresh.items() if types}
        return made.digests

    async def _look_for_gaps(self, shard: int, place: str, after: int, made: Made) -> None:
        """Tell of what was removed before it was read: asked after the reading, so nothing escapes."""
        subscriptions = self._interest.by_shard[shard]
        trimmed = (await self._stream.read_trimmed([shard]))[shard]
        if trimmed > after:
            # Where nobody made notices before, there were none to make before a filter named the shard.
            missed = [
                told
                for told in subscriptions
                if told.since_us < trimmed and (place or told.changed_ms * 1_000 < trimmed)
            ]
            self._say_gap(_TRIMMED, missed, made)
        if not place:
            then_ms = self._clock.now_ms() - LATE_MS
            self._say_gap(_FORGOTTEN, [told for told in subscriptions if told.changed_ms < then_ms], made)

    def _say_gap(self, gap: GapNotice, concerned: Sequence[Subscription], made: Made) -> None:
        for told in concerned:
            if not told.digests:
                made.notices.setdefault(log_of(told), []).append((0, encode_notice(gap)))
                self.counted.gaps += 1

    async def _tell_of(self, shard: int, entries: Sequence[Entry], made: Made) -> None:
        """Make the notices of some entries of one shard."""
        subscriptions = self._interest.by_shard[shard]
        wanted: dict[SeriesId, list[Subscription]] = {}
        mine = [entry for entry in entries if self._is_wanted(entry, subscriptions, wanted)]
        if not mine:
            return
        buried = {head.position for head in await self._stream.dead_letters(shard)}
        mine = [entry for entry in mine if entry.position not in buried]
        groups = grouped(mine, Folded(judged=undone(mine)))
        known = await self._recalled(wanted)
        for number, (series, changes) in enumerate(groups.items()):
            names = await self._interest.names(series.tenant)
            try:
                telling = Telling(series, names.get(series.aspect), pieces_of(changes))
                for told in wanted[series]:
                    shown = self._shown(told, telling)
                    if shown is not None:
                        tell(told, shown, known.get(log_of(told), {}), made)
            except Exception:  # One series must not hold up its shard for ever.
                log.exception("series_not_told", tenant=series.tenant, asset=series.asset)
                self._say_gap(_UNREAD, wanted[series], made)
            if number % YIELD_SERIES == YIELD_SERIES - 1:
                await asyncio.sleep(0)

    def _is_wanted(
        self, entry: Entry, subscriptions: Sequence[Subscription], wanted: dict[SeriesId, list[Subscription]]
    ) -> bool:
        """Tell whether somebody wants to know of an entry's series, and note who."""
        series = series_of(entry.body)
        if series is None:
            return False
        if series not in wanted:
            wanted[series] = [
                told for told in subscriptions if self._interest.wants(told, series.tenant, series.asset)
            ]
        return bool(wanted[series])

    def _shown(self, told: Subscription, telling: Telling) -> Telling | None:
        """Give what a subscriber may know of a series; None: nothing, as it is another's and not shared."""
        series = telling.series
        if series.tenant == told.tenant:
            return telling
        if telling.aspect is None:
            return None
        times = self._interest.shared_times(told, series.tenant, series.asset, telling.aspect.name)
        return None if times is None else telling.as_shared(times)

    async def _recalled(
        self, wanted: Mapping[SeriesId, Sequence[Subscription]]
    ) -> dict[LogId, dict[str, bytes]]:
        """Read on which side of their thresholds these series were."""
        asked: dict[LogId, list[str]] = {}
        for series, subscriptions in wanted.items():
            for told in subscriptions:
                if told.crosses:
                    asked.setdefault(log_of(told), []).append(series.text)
        return {name: await self._notices.recall(name, names) for name, names in asked.items()}


def _place(shard: int) -> str:
    return f"shard:{shard}"


def _cut(entries: Sequence[Entry], subscriptions: int) -> list[Entry]:
    """Give as many of the first entries as one pass may make notices of; at least one."""
    kept: list[Entry] = []
    work = 0
    for entry in entries:
        work += (len(entry.body) + ENTRY_WORK_BYTES) * subscriptions
        if kept and work > WORK_BYTES_MAX:
            break
        kept.append(entry)
    return kept
