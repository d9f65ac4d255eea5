"""The stream port on a Valkey or Redis server.

What must be one step is one script (`streams/lua`); the rest is plain commands. Every admission, mark
and cache is bound to the run id of the very connection that carries it, so a server that restarted,
failed over or was restored can never be taken for the one that was proved (design 4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import cast

import msgspec

from schemas.errors import StreamUnavailable
from schemas.ids import SeriesId
from streams.port import (
    DEFAULT_CAPS,
    Admission,
    Admitted,
    Applied,
    Caps,
    DeadLetter,
    Entry,
    Letterhead,
    RecordStream,
    Refusal,
    Settled,
    ShardState,
    Tail,
    Throttled,
)
from streams.valkey import forgetting, scripts
from streams.valkey.budgets import ValkeyBudgets
from streams.valkey.connection import Address, Connection, Link, Reply, pack
from streams.valkey.lanes import LANES, Lanes
from streams.valkey.pages import Pages, entry_of
from streams.valkey.scripts import applied_in, bucket_key, idempotency_keys, keys_of

TIMEOUT_S = 5.0
"""A server that is silent for so long is taken for gone; a fsync that hangs that long is an outage too."""

TRIM_PIECE_ENTRIES = 2_000
"""Removed in one script, during which the server serves nobody else."""

TAIL_PIECE_SERIES = 500
"""Looked at in one script, for the same reason: about 1 ms."""

LATEST_PIECE_SERIES = 500
"""Latest caches that one script drops or keeps: about 1 ms."""

DURABILITY_SETTINGS = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy")
"""`yes`, `always`, `no` and `noeviction` keep the promise of design 4."""

SETTLED_TTL_MS = 30 * 86_400_000
"""How long it is remembered, after the last one, what became of a shard's dead letters."""

Told = tuple[SeriesId, bytes | None]
"""What a report says of one latest cache: None drops it."""

_ENTRY_MARK_MAX = 2**64 - 1
"""The highest sequence part of a stream id: all entries of a position are at or below it."""


class ValkeyRecordStream(ValkeyBudgets, RecordStream):
    """Shards on one server; one instance belongs to one event loop."""

    def __init__(
        self, url: str, *, caps: Caps = DEFAULT_CAPS, timeout_s: float = TIMEOUT_S, lanes: int = LANES
    ) -> None:
        """Name the server (`unix:///path`, `redis://host:port/0`); it is met at the first call."""
        self._address = Address.parse(url)
        self._caps = caps
        self._timeout_s = timeout_s
        self._greeting = [pack("SCRIPT", "LOAD", script.text) for script in scripts.ALL]
        self._lanes = Lanes([self._link() for _ in range(lanes)], timeout_s)
        self._asking = self._link()
        self._watching: list[Link] = []
        self._closed = False

    def _link(self) -> Link:
        return Link(self._address, self._greeting, self._timeout_s)

    async def append(self, admissions: Sequence[Admission]) -> list[Admitted | Refusal | Throttled]:
        """Append in one round trip (group commit), each on its own: one answer for each, in order."""
        if not admissions:
            return []
        self._require_open()
        replies = await self._lanes.send(
            lambda run_id: [self._admit(admission, run_id) for admission in admissions],
            sum(admission.bytes_count for admission in admissions),
        )
        return [_answer(reply) for reply in replies]

    def _admit(self, admission: Admission, run_id: str) -> bytes:
        keys = keys_of(admission.shard).admission
        series, backlog = admission.series.text, self._caps.backlog_bytes_max
        arguments: tuple[str | bytes | int, ...] = (run_id, series, backlog)
        arguments += (1, admission.body) if not admission.more else (len(admission.bodies), *admission.bodies)
        once, rate = admission.idempotency, admission.rate
        if once is not None:
            keys += idempotency_keys(admission.shard, once.tenant, once.key)
            arguments += (once.key, once.payload_hash, self._caps.keys_max, self._caps.keys_ttl_ms)
        if rate is not None:
            keys += (bucket_key(admission.shard, series, rate.lane),)
            arguments += (rate.cost_us, rate.burst_us)
        return scripts.ADMIT.call(keys, *arguments)

    async def read(
        self, after: Mapping[int, int], *, bytes_max: int, wait_ms: int = 0
    ) -> dict[int, list[Entry]]:
        """Read on from a position for each shard, ascending, about `bytes_max` a shard."""
        found = await self._read_on(after, bytes_max)
        if found or wait_ms <= 0 or not after:
            return found
        await self._watch(after, wait_ms)
        return await self._read_on(after, bytes_max)

    async def _read_on(self, after: Mapping[int, int], bytes_max: int) -> dict[int, list[Entry]]:
        """Read page by page, all shards at once."""
        pages = [Pages(shard, position, bytes_max) for shard, position in after.items()]
        unread = pages
        while unread:
            commands = [each.commands() for each in unread]
            replies = iter(await self._ask(*chain.from_iterable(commands)))
            for each, asked in zip(unread, commands, strict=True):
                each.take([next(replies) for _ in asked])
            unread = [each for each in unread if each.count]
        return {each.shard: each.found for each in pages if each.found}

    async def _watch(self, after: Mapping[int, int], wait_ms: int) -> None:
        """Block on a connection of its own until something comes after one of these positions."""
        self._require_open()
        link = self._watching.pop() if self._watching else self._link()
        streams = [keys_of(shard).stream for shard in after]
        marks = [f"{position}-{_ENTRY_MARK_MAX}" for position in after.values()]
        command = pack("XREAD", "COUNT", 1, "BLOCK", wait_ms, "STREAMS", *streams, *marks)
        try:
            connection = await link.connection()
            await connection.ask([command], extra_s=wait_ms / 1000)
        except BaseException:
            # A caller who leaves does not leave a blocked connection behind.
            link.drop()
            raise
        self._watching.append(link)
        if self._closed:
            link.drop()

    async def read_entry(self, shard: int, position: int) -> Entry | None:
        """Read one entry by its position; None if it is not (or no longer) there."""
        mark = f"{position}-0"
        [page] = await self._ask(pack("XRANGE", keys_of(shard).stream, mark, mark))
        return next((entry_of(raw) for raw in cast("list[list[Reply]]", page)), None)

    async def read_tail(self, shard: int, series: SeriesId) -> Tail:
        """Fetch applied, the latest cache and the chain of a series in one atomic call."""
        keys = keys_of(shard)
        names = (keys.stream, keys.marks, keys.latest)
        connection = await self._connected()
        caps = (self._caps.chain_entries_max, self._caps.chain_bytes_max)
        command = scripts.READ_TAIL.call(names, connection.run_id, series.text, *caps)
        [reply] = await connection.ask([command])
        applied, latest, chain = cast("tuple[int, bytes | None, list[tuple[int, int, bytes]] | None]", reply)
        return Tail(applied, latest, None if chain is None else [Entry(*link) for link in reversed(chain)])

    async def report_applied(self, shard: int, applied: Applied) -> bool:
        """Raise `applied` with the latest caches, then drop tail fields ≤ it, in calls of bounded length."""
        connection = await self._connected()
        told = list(applied.latest.items())
        pieces = [
            told[start : start + LATEST_PIECE_SERIES]
            for start in range(0, max(len(told), 1), LATEST_PIECE_SERIES)
        ]
        for piece in pieces if len(pieces) > 1 else ():
            await connection.ask([_drop(shard, applied.position, piece, connection.run_id)])
        cursor, waiting = b"", iter(pieces)
        while (piece := next(waiting, [])) or cursor != b"0":
            call = _report(shard, applied.position, piece, connection.run_id, cursor)
            [reply] = await connection.ask([call])
            if reply is None:
                return False
            cursor = cast("bytes", reply)
        return True

    async def trim(self, shard: int, upto: int) -> None:
        """Remove entries with position ≤ upto (never above `applied`), piece by piece."""
        keys = keys_of(shard)
        command = scripts.TRIM.call((keys.stream, keys.marks, keys.trimmed), upto, TRIM_PIECE_ENTRIES)
        while await self._ask(command) == [1]:
            pass

    async def read_state(self, shard: int) -> ShardState:
        """Read the marks of a shard, and which server process this is."""
        keys = keys_of(shard)
        names = (keys.stream, keys.marks, keys.trimmed)
        connection = await self._connected()
        [reply] = await connection.ask([scripts.READ_STATE.call(names)])
        time_us, last_found, trimmed, admitted, *proof = cast("list[int]", reply)
        proved, limit, incarnation, done, applied = _proof(proof) if proof else (None, None, None, 0, 0)
        return ShardState(
            run_id=connection.run_id,
            time_us=time_us,
            last_found=last_found,
            applied=applied,
            trimmed=trimmed,
            limit=limit,
            proved=proved,
            incarnation=incarnation,
            backlog_bytes=admitted - done,
        )

    async def read_trimmed(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards was trimmed."""
        marks = await self._ask(*(pack("GET", keys_of(shard).trimmed) for shard in shards))
        return {shard: int(cast("bytes", mark) or 0) for shard, mark in zip(shards, marks, strict=True)}

    async def read_applied(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards is applied."""
        proofs = await self._ask(*(pack("HGET", keys_of(shard).marks, "proof") for shard in shards))
        return {
            shard: 0 if proof is None else applied_in(cast("bytes", proof))
            for shard, proof in zip(shards, proofs, strict=True)
        }

    async def prove(
        self, shard: int, run_id: str, *, last: int, limit: int, incarnation: int, applied: int
    ) -> bool:
        """Open the shard for admission on this server process; False if it is not ours to open."""
        keys = keys_of(shard)
        names = (keys.stream, keys.marks, keys.latest)
        connection = await self._connected()
        if connection.run_id != run_id:
            return False
        proof = scripts.PROVE.call(names, run_id, last, limit, incarnation, applied)
        # The report puts the backlog right; until it is in, that is only too cautious.
        [opened, _] = await connection.ask([proof, _report(shard, applied, [], run_id)])
        return opened == 1

    async def renew_limit(self, shard: int, limit: int) -> bool:
        """Raise the limit of a proved shard."""
        keys = keys_of(shard)
        connection = await self._connected()
        command = scripts.RENEW_LIMIT.call((keys.marks,), connection.run_id, limit)
        return await connection.ask([command]) == [1]

    async def acquire_lease(self, shard: int, owner: str, ttl_ms: int) -> bool:
        """Take or keep the lease of a shard; False while another owner holds it."""
        return await self._ask(scripts.ACQUIRE_LEASE.call((keys_of(shard).lease,), owner, ttl_ms)) == [1]

    async def release_lease(self, shard: int, owner: str) -> None:
        """Give the lease back if it is the owner's."""
        await self._ask(scripts.RELEASE_LEASE.call((keys_of(shard).lease,), owner))

    async def join(self, owner: str, ttl_ms: int) -> list[str]:
        """Say that this writer lives for another `ttl_ms`, and list all that do, itself included."""
        [names] = await self._ask(scripts.JOIN.call((scripts.WRITERS,), owner, ttl_ms))
        return sorted(name.decode() for name in cast("list[bytes]", names))

    async def leave(self, owner: str) -> None:
        """Say that this writer ends; unknown ones are ignored."""
        await self._ask(pack("ZREM", scripts.WRITERS, owner))

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; the same (shard, position) twice is one."""
        head = letter.head
        content = msgspec.msgpack.encode((head.reason, head.opening, head.bytes_count))
        keys = keys_of(letter.shard).letters
        await self._ask(scripts.BURY.call(keys, letter.position, content, letter.body))

    async def dead_letters(self, shard: int) -> list[Letterhead]:
        """List the dead letters of a shard, ascending."""
        [reply] = await self._ask(pack("HGETALL", keys_of(shard).dead))
        words = iter(cast("list[bytes]", reply))
        found = [
            Letterhead(shard, int(position), *_head.decode(content))
            for position, content in zip(words, words, strict=True)
        ]
        return sorted(found, key=lambda head: head.position)

    async def read_letter(self, shard: int, position: int) -> DeadLetter | None:
        """Read a dead letter with its body."""
        keys = keys_of(shard)
        content, body = cast(
            "list[bytes | None]",
            await self._ask(pack("HGET", keys.dead, position), pack("HGET", keys.dead_bodies, position)),
        )
        if content is None or body is None:
            return None
        return DeadLetter(shard, position, _head.decode(content)[0], body)

    async def find_letter(self, shard: int, position: int) -> Letterhead | Settled | None:
        """Tell whether an entry is, or was, a dead letter."""
        keys = keys_of(shard)
        head, settled = cast(
            "list[bytes | None]",
            await self._ask(pack("HGET", keys.dead, position), pack("HGET", keys.settled, position)),
        )
        if head is not None:
            return Letterhead(shard, position, *_head.decode(head))
        return None if settled is None else Settled(*_settled.decode(settled))

    async def settle(self, shard: int, position: int, settled: Settled) -> bool:
        """Forget a dead letter and remember what became of it; False if there is none."""
        content = msgspec.msgpack.encode((settled.incarnation, settled.position))
        command = scripts.SETTLE.call(keys_of(shard).letters, position, content, SETTLED_TTL_MS)
        return await self._ask(command) == [1]

    async def publish(self, name: str, figures: bytes, ttl_ms: int) -> None:
        """Let every door see what a process counts, for `ttl_ms`."""
        await self._ask(scripts.PUBLISH.call(scripts.FIGURES, name, figures, ttl_ms))

    async def published(self) -> dict[str, bytes]:
        """Give what living processes have published, by their names."""
        [reply] = await self._ask(scripts.READ_PUBLISHED.call(scripts.FIGURES))
        words = iter(cast("list[bytes]", reply))
        return {name.decode(): figures for name, figures in zip(words, words, strict=True)}

    async def forget(self, tenant: str) -> None:
        """Forget all that is kept for a tenant beside its entries and dead letters."""
        await forgetting.forget(self._ask, tenant)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count everything on the server, but for jobs, that names a tenant."""
        return await forgetting.count_left(self._ask, tenant)

    async def read_settings(self) -> dict[str, str]:
        """Read what decides whether an acknowledgement is durable and an entry may be evicted.

        Not of the port: for whoever starts the service on a server that others configured. Some hosted
        servers refuse CONFIG, which is `StreamUnavailable` here.
        """
        [reply] = await self._ask(pack("CONFIG", "GET", *DURABILITY_SETTINGS))
        words = iter(word.decode() for word in cast("list[bytes]", reply))
        return dict(zip(words, words, strict=True))

    async def close(self) -> None:
        """Release connections; twice is harmless."""
        self._closed = True
        self._lanes.close()
        for link in (self._asking, *self._watching):
            link.drop()

    async def _ask(self, *commands: bytes) -> list[Reply]:
        return await (await self._connected()).ask(commands)

    async def _connected(self) -> Connection:
        self._require_open()
        return await self._asking.connection()

    def _require_open(self) -> None:
        if self._closed:
            raise StreamUnavailable("this stream was closed")


_head = msgspec.msgpack.Decoder(tuple[str, bytes, int])
_settled = msgspec.msgpack.Decoder(tuple[int, int])


def _answer(reply: Reply) -> Admitted | Refusal | Throttled:
    if isinstance(reply, bytes):
        return Refusal(reply.decode())
    numbers = cast("list[int]", reply)
    if len(numbers) == 1:
        return Throttled(numbers[0])
    incarnation, position, repeated, entries, debt_us = numbers
    return Admitted(incarnation, position, repeated == 1, entries, debt_us)


def _proof(words: Sequence[Reply]) -> tuple[str, int, int, int, int]:
    proved, *numbers = words
    limit, incarnation, done, applied = cast("list[int]", numbers)
    return cast("bytes", proved).decode(), limit, incarnation, done, applied


def _drop(shard: int, position: int, latest: Sequence[Told], run_id: str) -> bytes:
    keys = keys_of(shard)
    names = (series.text for series, _ in latest)
    return scripts.DROP_LATEST.call((keys.marks, keys.latest), run_id, position, *names)


def _report(shard: int, position: int, latest: Sequence[Told], run_id: str, cursor: bytes = b"") -> bytes:
    """Write one call of a report; the cursor is empty in the first, then what the last call gave."""
    keys = keys_of(shard)
    names = (keys.stream, keys.marks, keys.latest)
    dropped = [series.text for series, content in latest if content is None]
    kept = (word for series, content in latest if content is not None for word in (series.text, content))
    caches = (len(dropped), *dropped, *kept)
    return scripts.REPORT_APPLIED.call(names, run_id, position, cursor, TAIL_PIECE_SERIES, *caches)
