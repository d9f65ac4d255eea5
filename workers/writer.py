"""The writer: reads shards on from its cursors, folds, stores, and only then moves on (design 3.6, 4).

A turn is: collect entries for τ or up to 4 MiB a shard → fold into deltas → store slices, deltas and
cursors → report `applied` with the latest caches → later trim. Between any two of these steps the
process may be killed: the next writer reads on from the stored cursor, and storing a delta twice
changes nothing. After any error of the store the cursors are read from the store again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from runtime.ports import Clock
from schemas.errors import OutcomeUnknown, StoreUnavailable, StreamUnavailable, Unavailable
from schemas.ids import is_erased
from schemas.latest import latest_of
from storage.import_journal import named_by_jobs
from storage.port import CatalogStore, SeriesStore, SliceId, Turn
from storage.sealing import Sealed
from streams.port import Applied, DeadLetter, Entry, RecordStream
from workers import failpoints, takeover
from workers.erasing import Erasing
from workers.figures import WriterFigures
from workers.folding import Folded
from workers.leases import Leases
from workers.planning import Planner
from workers.retaining import Retaining
from workers.screening import Shapes
from workers.sealer import Sealer, SealRules
from workers.tenure import Tenure
from workers.trims import Trims
from workers.turn_folding import fold_entries
from workers.turn_length import TAU_S_MIN, tau_s
from workers.undoing import Undoing, divided

log = structlog.get_logger("writer")

TURN_BYTES_MAX = 4 * 1024 * 1024
"""Entries a shard after which a turn ends: what one shard may keep in memory, 64 of them 256 MiB."""

POLL_S = 0.2
"""How often a long turn looks for more entries."""

SEALS_AT_ONCE = 8
"""A seal is a chain of round trips; eight of them keep a store busy without holding up a turn."""

RENEW_LIMIT_S = 60.0
BACKOFF_S = 0.5
"""Pause after an error of store or stream: short enough to be back before clients give up."""


@dataclass(slots=True, frozen=True)
class WriterRules:
    """What an installation decides about its writers."""

    owner: str
    shards: int = 64
    lease_s: float = 10.0
    trim_delay_s: float = 60.0
    seal: SealRules = field(default_factory=lambda: SealRules(600.0, 600.0))
    accept_gap: bool = False


class Writer:
    """One writer of a share of the shards."""

    def __init__(
        self,
        stream: RecordStream,
        store: SeriesStore,
        clock: Clock,
        rules: WriterRules,
        new_id: Callable[[], bytes],
        *,
        shapes: Shapes | None = None,
        catalog: CatalogStore | None = None,
        note_gap: takeover.NoteGap | None = None,
    ) -> None:
        """Own nothing yet; `run` does the rest.

        Without `shapes`, columns are not held against the types; without a catalogue all rows live for ever.
        `note_gap` writes down each gap that the rules accept.
        """
        self._stream = stream
        self._store = store
        self._clock = clock
        self._rules = rules
        self._leases = Leases(stream, rules.owner, rules.shards, int(rules.lease_s * 1000))
        self._held: dict[int, Tenure] = {}
        self._turning: set[int] = set()
        """Shards of the turn that is under way."""
        named = None if catalog is None else partial(named_by_jobs, catalog)
        self._sealer = Sealer(store, rules.seal, new_id, named)
        self._planner = Planner(store, clock)
        self._erasing = Erasing(stream, store, shards=rules.shards, clock=clock)
        self._undoing = Undoing(
            stream, store, catalog, self._sealer, clock=clock, seal=self._seal, is_held=self._is_held
        )
        self._shapes = shapes
        self._retaining: Retaining | None = None
        if catalog is not None:
            self._retaining = Retaining(
                stream, store, catalog, self._sealer, shards=rules.shards, clock=clock
            )
        self._trims = Trims(rules.trim_delay_s)
        self._note_gap = note_gap
        self.figures = WriterFigures(tau_s=TAU_S_MIN)

    @property
    def leads(self) -> bool:
        """Tell whether this writer does what is done once in an installation: it holds the first shard."""
        return 0 in self._held

    @property
    def _cursors(self) -> dict[int, int]:
        return {shard: tenure.cursor for shard, tenure in self._held.items()}

    # -- the loop ------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then finish the turn, give back the leases and return.

        Raises what is no outage: a writer that can never work must not look as if it did.
        """
        turns = asyncio.create_task(self._repeat(stop, lambda: self.turn(stop), 0.0))
        working = {
            turns,
            asyncio.create_task(self._repeat(stop, self.keep_leases, self._rules.lease_s / 5)),
            asyncio.create_task(self._repeat(stop, self._renew_limits, RENEW_LIMIT_S)),
            asyncio.create_task(self._repeat(stop, self.tidy, POLL_S)),
        }
        try:
            while not turns.done():
                ended, working = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            await self.turn(stop)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._leases.release()

    async def _repeat(self, stop: asyncio.Event, act: Callable[[], object], pause_s: float) -> None:
        while not stop.is_set():
            wait_s = pause_s
            try:
                await act()  # type: ignore[misc]
            except (Unavailable, OutcomeUnknown) as error:
                log.warning("writer_waits", reason=error.message)
                await self._recover(error)
                wait_s = max(pause_s, BACKOFF_S)
            await _sleep(stop, wait_s)

    async def _recover(self, error: Unavailable | OutcomeUnknown) -> None:
        """Believe nothing after an error: shards are taken over again, with the store's own cursors."""
        if isinstance(error, StoreUnavailable | StreamUnavailable | OutcomeUnknown):
            self._let_go(set(self._held))

    # -- shards --------------------------------------------------------------------------------

    async def keep_leases(self) -> None:
        """Renew leases, take over what is ours, leave what is not."""
        _, lost = await self._leases.refresh()
        self._let_go(lost)
        self._sealer.forget(lost)  # What was only interrupted is still ours to seal.
        for shard in self._leases.held & set(self._held):
            await self._check_open(shard)
        # Not while a turn that began under an older tenure may still store: what it stores counts as kept.
        waiting = sorted(self._leases.held - set(self._held) - self._turning)
        await asyncio.gather(*(self._take_over(shard) for shard in waiting))
        taken = [shard for shard in waiting if shard in self._held]
        if taken:
            log.info("shards_taken", shards=len(taken), held=len(self._held))

    async def _check_open(self, shard: int) -> None:
        """Notice a server that was emptied under us: it keeps its run id and its connections."""
        state = await self._stream.read_state(shard)
        if state.proved != state.run_id or state.limit is None:
            self._let_go({shard})

    async def _take_over(self, shard: int) -> None:
        accept = self._rules.accept_gap
        held = await takeover.take_over(
            self._stream, self._store, shard, accept_gap=accept, note_gap=self._note_gap
        )
        if held is not None:
            tenure = Tenure(shard, held, cursor=held.cursor, told=held.cursor)
            tenure.note_erased(await self._store.read_erased(shard))
            self._held[shard] = await self._planner.informed(tenure)
            self._trims.note(shard, held.cursor, 0, self._clock.monotonic_s())  # a dead holder's

    def _let_go(self, shards: set[int]) -> None:
        for shard in shards:
            self._held.pop(shard, None)

    def _is_held(self, tenure: Tenure) -> bool:
        return self._held.get(tenure.shard) is tenure

    async def _renew_limits(self) -> None:
        for shard, tenure in list(self._held.items()):
            renewed = await takeover.renew_limit(self._stream, self._store, shard, tenure.held)
            if renewed is not None:
                tenure.held = renewed
            elif self._is_held(tenure):
                self._let_go({shard})

    # -- a turn --------------------------------------------------------------------------------

    async def turn(self, stop: asyncio.Event) -> int:
        """Collect, fold, store, report; gives the number of entries."""
        entries = await self._collect(stop)
        self._turning = {tenure.shard for tenure in entries}
        try:
            return sum([await self._store_and_report(step) for step in divided(entries)])
        finally:
            self._turning = set()

    async def _store_and_report(self, entries: Mapping[Tenure, list[Entry]]) -> int:
        started_s = self._clock.monotonic_s()
        judged = await self._undoing.prepare(entries)
        self._let_go({tenure.shard for tenure in entries if tenure not in judged})
        entries = {tenure: entries[tenure] for tenure in judged}
        folded = {
            each: await fold_entries(self._store, self._shapes, each, found, judged[each])
            for each, found in entries.items()
        }
        await self._bury(folded)
        turn = Turn(
            slices=[one for held, each in folded.items() for one in each.slices if not held.is_stored(one)],
            deltas=[delta for each in folded.values() for delta in each.deltas],
            cursors={tenure.shard: found[-1].position for tenure, found in entries.items()},
            widths={slice_id: width for each in folded.values() for slice_id, width in each.widths.items()},
            erased={tenure.shard: each.erased for tenure, each in folded.items() if each.erased},
        )
        if not turn.cursors:
            return 0
        await self._store.write_turn(turn)
        failpoints.reach("after_store")
        await asyncio.gather(
            *(
                self._finish(tenure, each, entries[tenure])
                for tenure, each in folded.items()
                if self._is_held(tenure)
            )
        )
        self._measure(turn, entries, started_s)
        return sum(len(found) for found in entries.values())

    async def _collect(self, stop: asyncio.Event) -> dict[Tenure, list[Entry]]:
        """Gather entries until τ has passed since the first, or a shard is full."""
        found: dict[Tenure, list[Entry]] = {}
        sizes: dict[Tenure, int] = {}
        series: set[bytes] = set()
        started_s: float | None = None
        while True:
            held = dict(self._held)
            if not held:
                await _sleep(stop, POLL_S)
                return {}
            after = {
                shard: found[tenure][-1].position if tenure in found else tenure.cursor
                for shard, tenure in held.items()
            }
            wait_ms = int(POLL_S * 1000) if started_s is None and not stop.is_set() else 0
            fresh = await self._stream.read(after, bytes_max=TURN_BYTES_MAX, wait_ms=wait_ms)
            for shard, entries in fresh.items():
                tenure = held[shard]
                found.setdefault(tenure, []).extend(entries)
                sizes[tenure] = sizes.get(tenure, 0) + sum(len(entry.body) for entry in entries)
                series.update(entry.body[16:48] for entry in entries)
            now_s = self._clock.monotonic_s()
            if started_s is None:
                if not found:
                    return {}
                started_s = now_s
            self.figures.tau_s = tau_s(len(series), self.figures.inserts_per_s)
            left_s = self.figures.tau_s - (now_s - started_s)
            if left_s <= 0 or stop.is_set() or max(sizes.values()) >= TURN_BYTES_MAX:
                await self._check_gaps(found)
                return {tenure: entries for tenure, entries in found.items() if self._is_held(tenure)}
            await _sleep(stop, min(left_s, POLL_S))

    async def _check_gaps(self, found: Collection[Tenure]) -> None:
        """Let go of each shard of which entries were trimmed that we did not see: another writer had it.

        Asked after the last read, so whatever was trimmed by then was still there. The store has the
        entries; what is missing is their place in all that a tenure knows.
        """
        trimmed = await self._stream.read_trimmed([tenure.shard for tenure in found])
        for tenure in found:
            upto = trimmed[tenure.shard]
            if upto > tenure.cursor and self._is_held(tenure):
                log.warning("shard_was_anothers", shard=tenure.shard, seen=tenure.cursor, trimmed=upto)
                self._let_go({tenure.shard})

    async def _bury(self, folded: Mapping[Tenure, Folded]) -> None:
        """Keep what fails by its own fault before its position counts as applied."""
        for tenure, each in folded.items():
            for position, body, reason in each.failed:
                log.error("dead_letter", shard=tenure.shard, position=position, reason=reason)
                self.figures.dead_letters += 1
                await self._stream.bury(DeadLetter(tenure.shard, position, reason, body))

    async def _finish(self, tenure: Tenure, folded: Folded, entries: list[Entry]) -> None:
        """The store has it all: move the cursor, tell the readers, plan seals and the trim."""
        position = entries[-1].position
        tenure.cursor = position
        tenure.note_stored(folded.slices)
        tenure.note_erased(dict.fromkeys(folded.erased, False))
        latest = tenure.latest.after(folded.changes, position)
        told = await self._stream.report_applied(tenure.shard, Applied(position, latest))
        if not self._is_held(tenure):
            return
        if not told:  # Another server process answers, or an emptied one.
            self._let_go({tenure.shard})
            return
        tenure.told = position
        now_s = self._clock.monotonic_s()
        for slice_id, (deltas, rows) in folded.slices.items():
            self._sealer.note(slice_id, tenure.shard, deltas=deltas, rows=rows, now_s=now_s)
        self._trims.note(tenure.shard, position, sum(len(entry.body) for entry in entries), now_s)

    def _measure(self, turn: Turn, entries: Mapping[Tenure, list[Entry]], started_s: float) -> None:
        """Note how fast the writer was with all that a turn costs: folding and telling as well as storing."""
        took_s = self._clock.monotonic_s() - started_s
        oldest_us = min(found[0].position for found in entries.values())
        lag_s = self._clock.now_ms() / 1000 - oldest_us / 1_000_000
        count = sum(len(found) for found in entries.values())
        self.figures.note_turn(count, len(turn.deltas), took_s, lag_s)
        log.debug("turn", deltas=len(turn.deltas), took_s=took_s, tau_s=self.figures.tau_s)

    # -- what follows a turn -------------------------------------------------------------------

    async def tidy(self) -> None:
        """Trim, seal, purge and retain what is due; each may be repeated or left out without harm."""
        now_s = self._clock.monotonic_s()
        trims = self._trims.due(now_s)
        await asyncio.gather(*(self._stream.trim(shard, position) for shard, position in trims.items()))
        due = self._sealer.due(now_s)
        for first in range(0, len(due), SEALS_AT_ONCE):
            await asyncio.gather(*(self._seal(*each) for each in due[first : first + SEALS_AT_ONCE]))
        self.figures.purges += await self._sealer.purge_due(now_s)
        await self._planner.read_again(list(self._held.values()))
        if self._retaining is not None:
            await self._retaining.look(self._held)
        await self._erasing.look(self._held)
        await self._undoing.look(self._held)

    async def _seal(self, slice_id: SliceId, shard: int) -> None:
        tenure = self._held.get(shard)
        if tenure is None:
            return
        sealed = await self._sealer.seal(slice_id, tenure.cursor, self._clock.monotonic_s)
        if sealed is not None:
            self.figures.seals += 1
            await self._offer_latest(tenure, sealed)
            await self._planner.look_at(tenure, sealed)

    async def _offer_latest(self, tenure: Tenure, sealed: Sealed) -> None:
        """Fill a missing latest cache from the newest slice, which the seal has just read."""
        if sealed.upto > tenure.told or is_erased(sealed.slice.series, tenure.erased):
            return  # The report of that turn is on its way; ours would tell of one series instead of all.
        series = sealed.slice.series
        starts = await tenure.list(self._store, series)
        if not self._is_held(tenure) or sealed.slice.start_ms != max(starts):
            return
        whole = len(starts) == 1 and sealed.whole
        latest = latest_of(sealed.newest, sealed.upto, complete=whole)
        offered = None if latest is None else tenure.latest.offer(series, latest)
        if offered is not None:
            await self._stream.report_applied(tenure.shard, Applied(sealed.upto, {series: offered}))


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the stop."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
