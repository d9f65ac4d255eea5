"""Attaching: what an import has staged takes its place in the order of its shards (design 4.1, 9.5).

One entry a series, appended under a key that only this job uses, so that a repeat after a kill finds the
first answer. The place of each is written down; what became of it says the store, as for any write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from schemas.changes import Attach, Undo
from schemas.durations import HOUR_MS
from schemas.errors import StreamUnavailable
from schemas.ids import SeriesId, is_erased
from schemas.receipts import Place
from storage.heads import BlockRef, encode_refs
from storage.import_journal import Attached, Journal
from storage.port import SeriesStore
from streams.entries import ENTRY_BYTES_MAX, SeriesEntry, encode_entry
from streams.port import Admission, Admitted, Idempotency, Letterhead, RecordStream
from streams.shards import shard_of

SURE_MS: Final = 47 * HOUR_MS
"""So long a repeat is known to the stream server, which remembers keys for 48 hours (design 8.18)."""

CHECKED_S: Final = 60
"""An import can be undone for so long at least: a writer looks only at what can be undone whether its blocks
are there, and pins what it is going to change."""

REFS_BYTES_MAX: Final = ENTRY_BYTES_MAX // 2
"""The block list of one series: some 40,000 blocks, 400 million rows."""


class Stuck(Exception):  # it is the job that fails, with these words
    """A series cannot be attached, or nobody can tell whether it is."""


class Fate(Enum):
    """What became of an entry."""

    PENDING = "pending"
    APPLIED = "applied"
    LOST = "lost"
    REFUSED = "refused"


class Told(NamedTuple):
    """A fate, with the reason of a refusal."""

    fate: Fate
    reason: str = ""


@dataclass(slots=True, frozen=True)
class Order:
    """Where entries go: the stream, the store that tells what became of them, the number of shards."""

    stream: RecordStream
    store: SeriesStore
    shards: int

    async def append(self, series: SeriesId, change: Attach | Undo, key: str) -> Place:
        """Append one entry under a key of our own; the same again gives the same place.

        Raises StreamUnavailable where the shard takes nothing now.
        """
        body = encode_entry(SeriesEntry(series, 0, change))
        # No client can send this key: theirs are printable.
        once = Idempotency(series.tenant, f"\0{key}", hashlib.blake2b(body, digest_size=16).digest())
        shard = shard_of(series.tenant, series.asset, self.shards)
        [answer] = await self.stream.append([Admission(shard, series, body, once)])
        if not isinstance(answer, Admitted):
            raise StreamUnavailable(f"shard {shard} takes nothing now: {answer}")
        return Place(shard, answer.incarnation, answer.position)

    async def fate(self, series: SeriesId, place: Place) -> Told:
        """Tell what became of an entry, as far as the store knows."""
        survived = await self.store.read_survived(place.shard)
        if any(later > place.incarnation and place.position > upto for later, upto in survived.items()):
            return Told(Fate.LOST)
        if await self.store.read_cursor(place.shard) < place.position:
            return Told(Fate.PENDING)
        letter = await self.stream.find_letter(place.shard, place.position)
        if letter is not None:
            reason = letter.reason if isinstance(letter, Letterhead) else "it was set aside and discarded"
            return Told(Fate.REFUSED, reason)
        if is_erased(series, await self.store.read_erased(place.shard)):
            return Told(Fate.REFUSED, "the asset is erased")
        return Told(Fate.APPLIED)


async def attach_all(
    order: Order, journal: Journal, staged: Mapping[SeriesId, list[BlockRef]], *, undo_s: int, now_ms: int
) -> list[Attached]:
    """Append the attach of every series that has none; gives all of them with their places.

    Stuck where a series has too many blocks, or was asked for too long ago to be sure.
    """
    for series, refs in staged.items():
        if len(encode_refs(tuple(refs))) > REFS_BYTES_MAX:
            raise Stuck(f"asset {series.asset} would get {len(refs)} blocks at once; import fewer rows a job")
    known = {told.series(journal.tenant): told for told in await journal.attached()}
    corrections = await journal.corrections()
    for series, refs in staged.items():
        told = known.get(series) or await journal.note_attached(_asked(series, refs, now_ms, corrections))
        if told.position:
            continue
        if now_ms > told.asked_ms + SURE_MS:
            raise Stuck(f"nobody can tell any more whether asset {series.asset} got its rows; look at it")
        attach = Attach(encode_refs(tuple(refs)), undo_s=max(undo_s, CHECKED_S))
        place = await order.append(series, attach, f"import {journal.job_id} {series.asset} {series.aspect}")
        await journal.note_attached(_placed(told, place))
    return await journal.attached()


def _asked(series: SeriesId, refs: list[BlockRef], now_ms: int, corrections: Container[bytes]) -> Attached:
    return Attached(
        series.asset,
        series.aspect,
        now_ms,
        min(ref.from_ms for ref in refs),
        max(ref.to_ms for ref in refs) + 1,
        sum(ref.rows for ref in refs),
        corrections=tuple(ref.block_id for ref in refs if ref.block_id in corrections),
    )


def _placed(told: Attached, place: Place) -> Attached:
    return msgspec.structs.replace(
        told, shard=place.shard, incarnation=place.incarnation, position=place.position
    )


async def attach_again(
    order: Order, journal: Journal, told: Attached, refs: list[BlockRef], *, undo_s: int
) -> None:
    """Append the attach of a series whose entry the stream server lost."""
    series = told.series(journal.tenant)
    key = f"import {journal.job_id} {series.asset} {series.aspect} after {told.position}"
    attach = Attach(encode_refs(tuple(refs)), undo_s=max(undo_s, CHECKED_S))
    place = await order.append(series, attach, key)
    await journal.note_attached(_placed(told, place))
