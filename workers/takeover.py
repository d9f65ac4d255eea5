"""Taking over a shard, from what the store knows and the stream server still holds (design 4).

A shard is *proved* for one running server process. When the process differs, or its marks are gone,
entries may be lost: the shard opens again only with positions above every one that can have been
given, under a new incarnation, with the highest surviving position on record, so that receipts of
lost entries are answered as lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog

from schemas.errors import Conflict, Corrupt, StreamUnavailable
from schemas.ids import SeriesId
from storage.port import SeriesStore, ShardRow, Turn
from streams.entries import decode_entry
from streams.port import Applied, RecordStream, ShardState

log = structlog.get_logger("writer")

LIMIT_AHEAD_US = 3600 * 1_000_000
"""How far positions may run ahead of the last renewal: an hour without writer or store, then 503."""

READ_BYTES = 4 * 1024 * 1024
"""Piece in which entries are read back at a take-over."""


NoteGap: TypeAlias = Callable[[int, int, int], Awaitable[None]]
"""Writes down that entries of a shard are given up: behind one position, up to another."""


class GapFound(Conflict):
    """Entries were trimmed that this store never saw: another store, or an older state of it."""


@dataclass(slots=True, frozen=True)
class Held:
    """A shard as its new holder finds it."""

    cursor: int
    limit: int
    incarnation: int
    version: int
    """Of the shard's row, for the next renewal."""


async def take_over(
    stream: RecordStream,
    store: SeriesStore,
    shard: int,
    *,
    accept_gap: bool = False,
    note_gap: NoteGap | None = None,
) -> Held | None:
    """Open the shard, or find it open; None if another writer got in between (try again later).

    A gap that is accepted is noted before anything is given up.
    """
    # The row first: whoever opens the shard after this changes its version, and our swap then fails.
    row = await store.read_shard(shard)
    state = await stream.read_state(shard)
    cursor = await store.read_cursor(shard)
    gap = state.trimmed > cursor
    if gap and not accept_gap:
        message = (
            f"shard {shard}: the stream is trimmed up to {state.trimmed}, the store has applied {cursor}; "
            "the entries in between are gone. Give it the right store, or start it once with accept_gap."
        )
        raise GapFound(message)
    if gap and note_gap is not None:
        await note_gap(shard, cursor, state.trimmed)
    if _is_open(state, row) and not gap:
        held = Held(cursor, row.limit, row.incarnation, row.version)
    else:
        opened = await _open(stream, store, shard, (row, state, cursor))
        if opened is None:
            return None
        held = opened
    if gap:
        return await _over_the_gap(stream, store, shard, held, state.trimmed)
    await _forget_stale_caches(stream, shard, state.applied, cursor)
    return held


async def _over_the_gap(
    stream: RecordStream, store: SeriesStore, shard: int, held: Held, trimmed: int
) -> Held:
    """Go on behind what is gone, as the operator asked: the cursor moves over it, in store and stream.

    The shard was proved anew with the store's own cursor just before, which drops every latest cache.
    """
    log.warning("gap_accepted", shard=shard, applied=held.cursor, trimmed=trimmed)
    await store.write_turn(Turn(cursors={shard: trimmed}))
    await stream.report_applied(shard, Applied(trimmed))
    return replace(held, cursor=trimmed)


def _is_open(state: ShardState, row: ShardRow) -> bool:
    return (
        state.proved == state.run_id
        and state.limit is not None
        and row.version > 0
        and state.incarnation == row.incarnation
        and state.limit <= row.limit
    )


async def _open(
    stream: RecordStream, store: SeriesStore, shard: int, found: tuple[ShardRow, ShardState, int]
) -> Held | None:
    row, state, cursor = found
    last = max(state.last_found, row.limit, cursor)
    limit = max(last, state.time_us) + LIMIT_AHEAD_US
    incarnation = max(row.incarnation, state.incarnation or 0) + 1
    following = ShardRow(row.version + 1, limit, incarnation)
    if not await store.swap_shard(shard, row.version, following):
        return None
    await store.write_survived(shard, following.incarnation, max(state.last_found, cursor))
    proved = await stream.prove(
        shard, state.run_id, last=last, limit=limit, incarnation=following.incarnation, applied=cursor
    )
    return Held(cursor, limit, following.incarnation, following.version) if proved else None


async def _forget_stale_caches(stream: RecordStream, shard: int, applied: int, cursor: int) -> None:
    """Drop latest caches of entries that were stored while their writer did not live to report them."""
    while applied < cursor:
        entries = (await stream.read({shard: applied}, bytes_max=READ_BYTES)).get(shard, [])
        entries = [entry for entry in entries if entry.position <= cursor]
        upto = entries[-1].position if entries else cursor
        dropped: dict[SeriesId, bytes | None] = {}
        for entry in entries:
            try:
                dropped[decode_entry(entry.body).series] = None
            except Corrupt:
                continue
        await stream.report_applied(shard, Applied(upto, dropped))
        applied = upto


async def renew_limit(stream: RecordStream, store: SeriesStore, shard: int, held: Held) -> Held | None:
    """Move the limit on; None if the shard is no longer ours to renew, or no longer open."""
    state = await stream.read_state(shard)
    row = ShardRow(held.version, held.limit, held.incarnation)
    if not _is_open(state, row):
        return None
    limit = max(state.last_found, state.time_us) + LIMIT_AHEAD_US
    following = ShardRow(held.version + 1, limit, held.incarnation)
    if not await store.swap_shard(shard, held.version, following):
        return None
    try:
        await stream.renew_limit(shard, limit)
    except StreamUnavailable:
        return None
    return Held(held.cursor, limit, held.incarnation, following.version)
