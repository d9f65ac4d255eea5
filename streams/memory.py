"""The memory adapters of the stream and job ports: the same promises in one process, for tests and demos.

The clock is injected. `restart`, `wipe`, `save`, `restore`, `stop` and `start` are not of the port: they do
to this "server" what operators and accidents do to a real one. It shares no rule with the Valkey scripts, so
that each checks the other through the contract (`streams.testing`).
"""

from __future__ import annotations

import asyncio
import copy
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec.structs import replace

from schemas.errors import StreamUnavailable
from schemas.ids import SeriesId
from streams.memory_budgets import Account, MemoryBudgets
from streams.memory_shard import Remembered, Shard
from streams.port import (
    DEFAULT_CAPS,
    Admission,
    Admitted,
    Applied,
    Caps,
    DeadLetter,
    Entry,
    Idempotency,
    Letterhead,
    RecordStream,
    Refusal,
    Settled,
    ShardState,
    Tail,
    Throttled,
)


class MemoryRecordStream(MemoryBudgets, RecordStream):
    """Shards in dictionaries; one instance is server and connection at once."""

    def __init__(self, time_us: Callable[[], int], *, caps: Caps = DEFAULT_CAPS) -> None:
        """Take positions and ages from `time_us`, microseconds since 1970."""
        self._time_us = time_us
        self._caps = caps
        self._starts = 1
        self._running = True
        self._closed = False
        self._shards: dict[int, Shard] = {}
        self._writers: dict[str, int] = {}
        self._figures: dict[str, tuple[int, bytes]] = {}
        self.accounts: dict[str, Account] = {}
        self._arrival = asyncio.Event()

    # -- what happens to servers ---------------------------------------------------------------

    def restart(self) -> None:
        """Become another process that has all entries and marks of the one before."""
        self._starts += 1
        self._running = True

    def stop(self) -> None:
        """Be gone: every call fails until `start` or `restart`."""
        self._running = False

    def start(self) -> None:
        """Answer again, as the same process (a mended network)."""
        self._running = True

    def wipe(self) -> None:
        """Lose everything but the process (FLUSHALL)."""
        self._shards.clear()
        self._writers.clear()
        self._figures.clear()
        self.accounts.clear()

    def save(self) -> dict[int, Shard]:
        """Copy everything, for `restore`."""
        return copy.deepcopy(self._shards)

    def restore(self, saved: Mapping[int, Shard]) -> None:
        """Become another process with an older state: a backup, or a replica that lagged."""
        self._shards = copy.deepcopy(dict(saved))
        self.restart()

    def shard(self, number: int) -> Shard:
        """Give a shard as it is inside; `StreamUnavailable` while the server is gone."""
        if self._closed or not self._running:
            cause = ConnectionRefusedError("the memory stream is stopped")
            raise StreamUnavailable("the stream server is not available") from cause
        return self._shards.setdefault(number, Shard())

    @property
    def run_id(self) -> str:
        """Name the process."""
        return f"memory-{self._starts}"

    # -- the port ------------------------------------------------------------------------------

    async def append(self, admissions: Sequence[Admission]) -> list[Admitted | Refusal | Throttled]:
        """Append each on its own: one answer for each, in order."""
        answers = [self._admit(admission, self.shard(admission.shard)) for admission in admissions]
        self._arrival.set()
        return answers

    def _admit(self, admission: Admission, shard: Shard) -> Admitted | Refusal | Throttled:
        if not self._is_proved(shard) or shard.limit is None or shard.incarnation is None:
            return Refusal.NOT_PROVED
        once = admission.idempotency
        now_us = self._time_us()
        debt_us = shard.debt_us(admission, now_us)
        known = self._known(shard, once, now_us)
        if known is not None and once is not None:
            same = known.payload_hash == once.payload_hash
            return replace(known.admitted, repeated=True, debt_us=debt_us) if same else Refusal.KEY_REUSED
        position = max(shard.last + 1, now_us)
        if position + len(admission.more) >= shard.limit:
            return Refusal.LIMIT
        if shard.backlog_bytes + admission.bytes_count > self._caps.backlog_bytes_max:
            return Refusal.BACKLOG
        if once is not None and shard.keys_held(once.tenant, now_us) >= self._caps.keys_max:
            return Refusal.KEYS_CAP
        if admission.rate is not None:
            if debt_us + admission.rate.cost_us > admission.rate.burst_us:
                return Throttled(debt_us)
            debt_us += admission.rate.cost_us
            shard.full_us[admission.bucket] = now_us + debt_us
        for number, body in enumerate(admission.bodies):
            shard.admit(admission.series, position + number, body)
        admitted = Admitted(shard.incarnation, position, entries=len(admission.bodies), debt_us=debt_us)
        if once is not None:
            until_us = now_us + self._caps.keys_ttl_ms * 1000
            shard.keys[once.tenant, once.key] = Remembered(once.payload_hash, admitted, until_us)
        return admitted

    def _is_proved(self, shard: Shard) -> bool:
        return shard.proved == self.run_id

    @staticmethod
    def _known(shard: Shard, once: Idempotency | None, now_us: int) -> Remembered | None:
        known = None if once is None else shard.keys.get((once.tenant, once.key))
        return known if known is not None and known.until_us > now_us else None

    async def read(
        self, after: Mapping[int, int], *, bytes_max: int, wait_ms: int = 0
    ) -> dict[int, list[Entry]]:
        """Read on from a position for each shard, ascending, about `bytes_max` a shard."""
        self._arrival.clear()
        found = self._read_on(after, bytes_max)
        if found or wait_ms <= 0 or not after:
            return found
        try:
            async with asyncio.timeout(wait_ms / 1000):
                while not found:
                    await self._arrival.wait()
                    self._arrival.clear()
                    found = self._read_on(after, bytes_max)
        except TimeoutError:
            return {}
        return found

    def _read_on(self, after: Mapping[int, int], bytes_max: int) -> dict[int, list[Entry]]:
        pages = {shard: _page(self.shard(shard).after(after[shard]), bytes_max) for shard in after}
        return {shard: page for shard, page in pages.items() if page}

    async def read_entry(self, shard: int, position: int) -> Entry | None:
        """Read one entry by its position; None if it is not (or no longer) there."""
        return self.shard(shard).entries.get(position)

    async def read_tail(self, shard: int, series: SeriesId) -> Tail:
        """Fetch applied, the latest cache and the chain of a series."""
        held = self.shard(shard)
        latest = held.latest.get(series) if self._is_proved(held) else None
        if held.applied is None or held.blind > held.applied:
            return Tail(held.applied or 0, latest, None)
        return Tail(held.applied, latest, self._chain(held, series, held.applied))

    def _chain(self, shard: Shard, series: SeriesId, applied: int) -> list[Entry] | None:
        chain: list[Entry] = []
        position = shard.tail.get(series, 0)
        while position > applied:
            entry = shard.entries.get(position)
            if entry is None or entry.previous >= position:
                return None
            chain.append(entry)
            position = entry.previous
        size = sum(len(entry.body) for entry in chain)
        if len(chain) > self._caps.chain_entries_max or size > self._caps.chain_bytes_max:
            return None
        return chain[::-1]

    async def report_applied(self, shard: int, applied: Applied) -> bool:
        """Raise `applied`, drop tail fields ≤ it, store latest caches."""
        held = self.shard(shard)
        if not self._is_proved(held) or held.applied is None:
            return False
        if applied.position < held.applied:
            return True
        held.applied = applied.position
        held.backlog_bytes = sum(len(entry.body) for entry in held.after(applied.position))
        held.tail = {series: newest for series, newest in held.tail.items() if newest > applied.position}
        for series, content in applied.latest.items():
            if content is None:
                held.latest.pop(series, None)
            else:
                held.latest[series] = content
        return True

    async def trim(self, shard: int, upto: int) -> None:
        """Remove entries with position ≤ upto (never above `applied`) and set `trimmed`."""
        held = self.shard(shard)
        count = bisect_right(held.positions, min(upto, held.applied or 0))
        if count:
            held.trimmed = max(held.trimmed, held.positions[count - 1])
        for position in held.positions[:count]:
            del held.entries[position]
        del held.positions[:count]

    async def read_state(self, shard: int) -> ShardState:
        """Read the marks of a shard, and which server process this is."""
        held = self.shard(shard)
        return ShardState(
            run_id=self.run_id,
            time_us=self._time_us(),
            last_found=max(held.last, *held.positions[-1:], 0),
            applied=held.applied or 0,
            trimmed=held.trimmed,
            limit=held.limit,
            proved=held.proved,
            incarnation=held.incarnation,
            backlog_bytes=held.backlog_bytes,
        )

    async def read_trimmed(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards was trimmed."""
        return {shard: self.shard(shard).trimmed for shard in shards}

    async def read_applied(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards is applied."""
        return {shard: self.shard(shard).applied or 0 for shard in shards}

    async def prove(
        self, shard: int, run_id: str, *, last: int, limit: int, incarnation: int, applied: int
    ) -> bool:
        """Open the shard for admission on this server process; False if it is not ours to open."""
        held = self.shard(shard)
        if run_id != self.run_id or (held.incarnation or 0) > incarnation:
            return False
        if held.applied != applied:
            held.latest.clear()
            if (held.applied or 0) > applied:
                held.blind = max(held.blind, held.applied or 0)
        held.last = max(held.last, last, *held.positions[-1:])
        held.limit, held.incarnation, held.applied, held.proved = limit, incarnation, applied, run_id
        return await self.report_applied(shard, Applied(applied))

    async def renew_limit(self, shard: int, limit: int) -> bool:
        """Raise the limit of a proved shard (never lower it)."""
        held = self.shard(shard)
        if not self._is_proved(held) or held.limit is None:
            return False
        held.limit = max(held.limit, limit)
        return True

    async def acquire_lease(self, shard: int, owner: str, ttl_ms: int) -> bool:
        """Take or keep the lease of a shard; False while another owner holds it."""
        held = self.shard(shard)
        now_us = self._time_us()
        if held.lease is not None and held.lease[0] != owner and held.lease[1] > now_us:
            return False
        held.lease = (owner, now_us + ttl_ms * 1000)
        return True

    async def release_lease(self, shard: int, owner: str) -> None:
        """Give the lease back if it is the owner's."""
        held = self.shard(shard)
        if held.lease is not None and held.lease[0] == owner:
            held.lease = None

    async def join(self, owner: str, ttl_ms: int) -> list[str]:
        """Say that this writer lives for another `ttl_ms`, and list all that do, itself included."""
        self.shard(0)
        now_us = self._time_us()
        self._writers[owner] = now_us + ttl_ms * 1000
        self._writers = {name: until for name, until in self._writers.items() if until > now_us}
        return sorted(self._writers)

    async def leave(self, owner: str) -> None:
        """Say that this writer ends; unknown ones are ignored."""
        self.shard(0)
        self._writers.pop(owner, None)

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; the same (shard, position) twice is one."""
        held = self.shard(letter.shard)
        if letter.position not in held.settled:
            held.dead.setdefault(letter.position, letter)

    async def dead_letters(self, shard: int) -> list[Letterhead]:
        """List the dead letters of a shard, ascending."""
        return [letter.head for _, letter in sorted(self.shard(shard).dead.items())]

    async def read_letter(self, shard: int, position: int) -> DeadLetter | None:
        """Read a dead letter with its body."""
        return self.shard(shard).dead.get(position)

    async def find_letter(self, shard: int, position: int) -> Letterhead | Settled | None:
        """Tell whether an entry is, or was, a dead letter."""
        held = self.shard(shard)
        letter = held.dead.get(position)
        return held.settled.get(position) if letter is None else letter.head

    async def settle(self, shard: int, position: int, settled: Settled) -> bool:
        """Forget a dead letter and remember what became of it; False if there is none."""
        held = self.shard(shard)
        if held.dead.pop(position, None) is None:
            return False
        held.settled[position] = settled
        return True

    async def publish(self, name: str, figures: bytes, ttl_ms: int) -> None:
        """Let every door see what a process counts, for `ttl_ms`."""
        self.shard(0)
        self._figures[name] = (self._time_us() + ttl_ms * 1000, figures)

    async def published(self) -> dict[str, bytes]:
        """Give what living processes have published, by their names."""
        self.shard(0)
        now_us = self._time_us()
        return {name: figures for name, (until_us, figures) in self._figures.items() if until_us > now_us}

    async def forget(self, tenant: str) -> None:
        """Forget all that is kept for a tenant beside its entries and dead letters."""
        self.shard(0)
        for number in list(self._shards):
            self.shard(number).forget(tenant)
        self.accounts.pop(tenant, None)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count what names a tenant."""
        self.shard(0)
        left: Counter[str] = Counter()
        for number in list(self._shards):
            left.update(self.shard(number).count_left(tenant))
        left["account"] = int(tenant in self.accounts)
        return dict(left)

    async def close(self) -> None:
        """Answer no more; twice is harmless."""
        self._closed = True


def put_raw(shard: Shard, entry: Entry) -> None:
    """Put an entry where no admission would: for tests of what must be survived."""
    insort(shard.positions, entry.position)
    shard.entries[entry.position] = entry
    shard.last = max(shard.last, entry.position)


def _page(entries: Sequence[Entry], bytes_max: int) -> list[Entry]:
    page: list[Entry] = []
    room = bytes_max
    for entry in entries:
        if room <= 0:
            break
        page.append(entry)
        room -= len(entry.body)
    return page
