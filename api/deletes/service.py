"""Deletes: their rules, what one would take, what became of it, and the way back (MS-50 … MS-53, design 9.8).

The dialect's DELETE and our own routes both call in here. A delete is an entry in the order of its shard; the
door writes down who asked for it (`storage.delete_records`), the receipts say what became of it, and what an
undo comes to only the shard's writer decides: the door refuses at once what it can see to be in vain.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from api.deletes.rules import DeleteRules
from api.identity.tokens import Identity
from api.reading.receipts import Fate
from api.reading.tails import decoded
from api.series.ingest import Accepted, Write, idempotency_of
from api.series.service import Answered, SeriesService, WriteOptions
from api.shares.access import Access
from runtime.ports import Ports
from schemas import codes
from schemas.aspects import AspectType
from schemas.changes import Attach, Clear, Undo
from schemas.durations import DAY_MS
from schemas.errors import (
    Conflict,
    Gone,
    Invalid,
    NotFound,
    Problem,
    Unavailable,
)
from schemas.ids import SeriesId, TenantId
from schemas.policies import Profile
from schemas.queries import TimeRange, parse_delete_range
from schemas.receipts import Place
from schemas.times import format_time
from storage import delete_records, undoing
from storage.delete_records import DeleteRecord, UndoRecord
from storage.spans import Wanted
from storage.taking import Taken, count
from streams.shards import shard_of

log = structlog.get_logger(__name__)

PATH = "/api/aspectstore/v1/deletes"

FATES_AT_ONCE = 16
"""Deletes of a page whose receipts are looked up side by side."""

_ID = re.compile(r"[0-9a-f]{18}")
_UNKNOWN = "There is no such delete."


class Preview(NamedTuple):
    """What a delete would take, and whether it would be let through."""

    series: SeriesId
    aspect: AspectType
    range: TimeRange
    taken: Taken
    behind: int | None
    """As `Rows.behind` has it."""
    until_ms: int
    """Until when it could be undone if it were asked for now; 0: never."""
    refusal: str
    """Why it would be refused now; empty where it would not be."""


class Seen(NamedTuple):
    """A delete with what became of it."""

    record: DeleteRecord
    fate: Fate
    reason: str
    receipt: str
    undo_fate: Fate | None
    undo_reason: str
    undo_receipt: str
    undoable_ms: int
    """Until when it can be undone; 0: not, or no more."""
    records: int | None = None
    """How many it took, where that was looked for and is kept."""


class DeleteService:
    """Deletes of verified callers' own series."""

    def __init__(self, ports: Ports, index: CatalogIndex, access: Access, series: SeriesService) -> None:
        """Work over the ports, beside the service of series, whose keys and receipts are these."""
        self._ports = ports
        self._index = index
        self._access = access
        self._series = series
        self._rules = DeleteRules(ports)

    # -- asking for one ------------------------------------------------------------------------

    async def delete(
        self, caller: Identity, place: tuple[str, str], parameters: Mapping[str, str], options: WriteOptions
    ) -> Answered:
        """DELETE a range, (from, to] on the wire (MS-50), by the rules of the tenant (MS-51, MS-52)."""
        series, aspect = await self._access.own_series(caller, place)
        profile = self._index.profile_of(caller.tenant)
        now_ms = self._ports.clock.now_ms()
        reach = _range(parameters, now_ms, profile)
        key = options.idempotency_key
        once = idempotency_of(caller.tenant, series, key, "DELETE", b"%d %d" % reach)
        await self._rules.demand_age(series, reach, profile, now_ms)
        clear = Clear(*reach, self._undo_days(profile) * DAY_MS // 1000)
        async with self._rules.counted(caller.tenant, profile, now_ms, None if once is None else once.key):
            accepted = await self._series.ingest.append(Write(caller.tenant, series, aspect, clear, once))
        record = msgspec.structs.replace(
            delete_records.record_of(series, accepted.places[0], clear),
            aspect_name=place[1],
            by=caller.subject,
            at_ms=now_ms,
        )
        try:
            await delete_records.note(self._ports.catalog, caller.tenant, record)
        except Unavailable as error:
            # The delete is durable, and its answer has to say so; a writer notes what can be undone.
            log.warning("delete_not_noted", id=record.id, reason=error.message)
        answered = await self._series.answered(accepted, options)
        return Answered(answered.status, {**answered.headers, "delete-id": record.id})

    def _undo_days(self, profile: Profile) -> int:
        return self._ports.policy.undo_days if profile.undo_days is None else profile.undo_days

    def _shard(self, series: SeriesId) -> int:
        return shard_of(series.tenant, series.asset, self._ports.policy.shards)

    # -- what one would take -------------------------------------------------------------------

    async def preview(
        self, caller: Identity, place: tuple[str, str], parameters: Mapping[str, str]
    ) -> Preview:
        """Count what a delete would take, with everything acknowledged in it; nothing is changed."""
        series, aspect = await self._access.own_series(caller, place)
        profile = self._index.profile_of(caller.tenant)
        now_ms = self._ports.clock.now_ms()
        reach = _range(parameters, now_ms, profile)
        tail = await self._rules.tail(series)
        store = self._ports.series
        behind = None
        if not tail.complete:
            behind = max(tail.applied or 0, await store.read_cursor(self._shard(series)))
        deadline_s = self._ports.policy.read_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                taken = await count(store, series, Wanted(*reach), tail.changes, deadline_s=deadline_s)
        except TimeoutError:
            raise Unavailable("The range takes too long to count; ask for a part of it.") from None
        days = self._undo_days(profile)
        refusal = await self._rules.refusal(series, reach, profile, now_ms)
        return Preview(series, aspect, reach, taken, behind, now_ms + days * DAY_MS if days else 0, refusal)

    # -- what became of it ---------------------------------------------------------------------

    async def find(self, caller: Identity, delete_id: str) -> Seen:
        """Give one delete of the caller's tenant, with the number of records that it took."""
        record = await self._record(caller, delete_id)
        seen = await self._seen(caller.tenant, record)
        if seen.fate is not Fate.APPLIED or record.released:
            return seen
        undo = Undo(record.position, record.start_ms, record.end_ms)
        kept = await undoing.count_kept(self._ports.series, record.series(caller.tenant), undo)
        return seen._replace(records=kept)

    async def _record(self, caller: Identity, delete_id: str) -> DeleteRecord:
        """Give a record of the caller's tenant; NotFound also where the asset is not the caller's own."""
        if not _ID.fullmatch(delete_id):
            raise NotFound(_UNKNOWN)
        document = await self._ports.catalog.get(caller.tenant, delete_records.KIND, delete_id)
        if document is None:
            raise NotFound(_UNKNOWN)
        record = delete_records.record_in(document)
        if not self._may_see(caller, record):
            raise NotFound(_UNKNOWN)
        return record

    def _may_see(self, caller: Identity, record: DeleteRecord) -> bool:
        """Tell whether a caller may know of a delete: one of a subtenant of its assets' only.

        An import is undone through its job, and is no delete to anybody.
        """
        if record.is_import:
            return False
        if caller.subtenant is None:
            return True
        part = self._index.of(caller.tenant)
        kept = part.assets.get(record.asset)
        return kept is not None and self._access.owns(caller, part, kept.value)

    async def page(
        self, caller: Identity, *, asset: str | None, before: str | None, limit: int
    ) -> tuple[list[Seen], str | None]:
        """Give the newest deletes of the tenant, older than one of them, and where to go on."""
        if before is not None and not _ID.fullmatch(before):
            message = "before: the `next` of an earlier page is expected."
            raise Invalid([Problem("/before", codes.INVALID_PARAMETER, message)])
        documents = await self._ports.catalog.list(caller.tenant, delete_records.KIND)
        found: list[DeleteRecord] = []
        following = None
        for document in reversed(documents):
            if before is not None and document.id >= before:
                continue
            record = delete_records.record_in(document)
            if (asset is not None and record.asset != asset) or not self._may_see(caller, record):
                continue
            if len(found) == limit:
                following = found[-1].id
                break
            found.append(record)
        seen: list[Seen] = []
        for first in range(0, len(found), FATES_AT_ONCE):
            several = found[first : first + FATES_AT_ONCE]
            seen += await asyncio.gather(*(self._seen(caller.tenant, record) for record in several))
        return seen, following

    async def _seen(self, tenant: TenantId, record: DeleteRecord) -> Seen:
        """Look up what became of a delete, and of its undo."""
        receipts = self._series.receipts
        places = [Place(record.shard, record.incarnation, record.position)]
        fate, reason = await receipts.fate(places)
        over = record.released or self._ports.clock.now_ms() >= record.until_ms
        undoable_ms = 0 if over or fate in {Fate.DEAD_LETTERED, Fate.LOST} else record.until_ms
        seen = Seen(record, fate, reason, receipts.give(tenant, places), None, "", "", undoable_ms)
        if record.undo is None:
            return seen
        undone = [Place(record.shard, record.undo.incarnation, record.undo.position)]
        undo_fate, undo_reason = await receipts.fate(undone)
        return seen._replace(
            undo_fate=undo_fate,
            undo_reason=undo_reason,
            undo_receipt=receipts.give(tenant, undone),
            undoable_ms=undoable_ms if undo_fate is Fate.LOST else 0,
        )

    # -- the way back --------------------------------------------------------------------------

    async def undo(self, caller: Identity, delete_id: str, options: WriteOptions) -> tuple[Seen, Answered]:
        """Ask for the records that a delete took, again; Conflict where that is in vain (design 4.14).

        The same request again has no second effect: it is answered with the first one's receipt.
        """
        record = await self._record(caller, delete_id)
        series, aspect = await self._series_of(caller, record)
        seen = await self._seen(caller.tenant, record)
        if seen.undo_fate is Fate.DEAD_LETTERED:
            raise Conflict(f"An undo was asked for before: {seen.undo_reason}.")
        if record.undo is not None and seen.undo_fate is not Fate.LOST:
            place = Place(record.shard, record.undo.incarnation, record.undo.position)
            accepted = Accepted([place], seen.undo_receipt)
        else:
            undo = Undo(record.position, record.start_ms, record.end_ms)
            await self._demand_undoable(series, seen, undo)
            lost = 0 if record.undo is None else record.undo.incarnation
            key = f"undo\t{record.id}\t{lost}"
            once = idempotency_of(caller.tenant, series, key, "UNDO", record.id.encode())
            accepted = await self._series.ingest.append(Write(caller.tenant, series, aspect, undo, once))
            record = await self._note_undo(caller, record, accepted.places[0])
        answered = await self._series.answered(accepted, options)
        return await self._seen(caller.tenant, record), answered

    async def _note_undo(self, caller: Identity, record: DeleteRecord, place: Place) -> DeleteRecord:
        """Write down that somebody asked; the answer does not wait for a catalogue that is away."""
        noted = UndoRecord(caller.subject, self._ports.clock.now_ms(), place.position, place.incarnation)
        try:
            await delete_records.change(
                self._ports.catalog,
                caller.tenant,
                record.id,
                lambda known: msgspec.structs.replace(known, undo=noted),
            )
        except Unavailable as error:
            log.warning("undo_not_noted", id=record.id, reason=error.message)
        return msgspec.structs.replace(record, undo=noted)

    async def _series_of(self, caller: Identity, record: DeleteRecord) -> tuple[SeriesId, AspectType]:
        """Give the series of a delete, whatever its aspect is called by now; NotFound where it is no more."""
        kept = await self._access.own_asset(caller, record.asset)
        for held in self._index.of(caller.tenant).aspects_of(kept.value.type_id):
            if held.aspect.aspect_id == record.aspect:
                return record.series(caller.tenant), held.type
        raise NotFound("The asset has no such aspect any more.")

    async def _demand_undoable(self, series: SeriesId, seen: Seen, undo: Undo) -> None:
        """Raise Conflict where the writer is going to refuse, as far as that can be seen from here."""
        record, now_ms = seen.record, self._ports.clock.now_ms()
        if seen.fate is Fate.LOST:
            raise Gone(seen.reason)
        if seen.fate is Fate.DEAD_LETTERED:
            raise Conflict(f"The delete was not applied: {seen.reason}")
        if not record.until_ms:
            raise Conflict("The delete cannot be undone: the tenant keeps nothing for that.")
        if record.released or now_ms >= record.until_ms:
            raise Conflict(f"The delete could be undone until {format_time(record.until_ms)}.")
        live_from_ms = self._index.profile_of(series.tenant).retention.live_from_ms(now_ms)
        if live_from_ms is not None and record.start_ms < live_from_ms:
            raise Conflict(f"Retention has reached the range: records live from {format_time(live_from_ms)}.")
        if await self._is_overlapped_in_tail(series, undo):
            raise Conflict(f"The delete cannot be undone: {undoing.OVERLAPPED}.")
        if seen.fate is Fate.PENDING:
            return
        judged = await undoing.judge(
            self._ports.series, series, undo, before=undoing.ANY_POSITION, at_ms=now_ms
        )
        if not isinstance(judged, Attach):
            raise Conflict(f"The delete cannot be undone: {judged}.")

    async def _is_overlapped_in_tail(self, series: SeriesId, undo: Undo) -> bool:
        """Tell whether something that is not stored yet is newer than the delete and touches its range."""
        tail = await self._ports.stream.read_tail(self._shard(series), series)
        later = [decoded(entry) for entry in tail.chain or () if entry.position > undo.position]
        return any(
            isinstance(change, Undo) or (change is not None and undoing.touches(change, undo))
            for change in later
        )


def _range(parameters: Mapping[str, str], now_ms: int, profile: Profile) -> TimeRange:
    found, problems = parse_delete_range(parameters, now_ms=now_ms, profile=profile)
    if found is None:
        raise Invalid(problems)
    return found
