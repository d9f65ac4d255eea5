"""Messages of a stream, stored: each with its own outcome, durable before the answer (TB-20 … TB-31).

Good messages of a body are stored though others are not (TB-23). What is refused beside good ones goes into
the quarantine before the answer, which is 200, because an old agent drops its queue then; where all are
refused it hears 4xx and keeps them (design 8, decision 2). A body that comes again stores nothing twice: rows
of one time merge, a record of the quarantine has an id that follows from its content (TB-30).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple

import msgspec
import numpy as np

from api.agents.diagnostics import new_correlation_id
from api.agents.held import read_at
from api.agents.quarantine import Quarantine
from api.agents.quarantine import Refused as Left
from api.beside import beside
from api.catalog.index import CatalogIndex
from api.deletes.service import DeleteService
from api.http.errors import quota_headers
from api.identity.tokens import Identity
from api.series.ingest import Accepted, Write, idempotency_of, rate_of_part
from api.series.service import Answered, SeriesService, WriteOptions
from api.timebase.reading import StreamReading
from api.timebase.streams import Held, Note, Streams
from runtime.ports import Ports
from schemas.budgets import worst
from schemas.changes import END_MS, Upsert
from schemas.codes import INVALID_BODY
from schemas.columns import Columns
from schemas.errors import Invalid, NotFound, Problem, TooLarge
from schemas.exchange_message import Tuple
from schemas.ids import AssetId
from schemas.limits import PROBLEMS_LISTED_MAX, STREAM_SYMBOLS_MAX, TIME_MS_MAX
from schemas.quarantine import Quarantined, dropped
from schemas.records import WriteMode, rules_of
from schemas.timebase.messages import (
    Message,
    Opened,
    cut_out,
    open_messages,
    read_array,
    read_records,
    spared,
)
from schemas.timebase.streams import Stream
from schemas.times import format_time
from storage.spans import Wanted

DOOR: Final = "timebase"
"""Of records of the quarantine."""
_TUPLE: Final = "timeBaseMessages"
_JSON: Final = "application/json"
_END: Final = format_time(TIME_MS_MAX)


class LoadMode(Enum):
    """What a write does to what is there already (TB-29)."""

    APPEND = "APPEND"
    INSERT = "INSERT"
    """Both add, whatever the order, and merge into what has the same time."""
    REWRITE = "REWRITE"
    """Everything of the symbol goes from the first new message's time on."""
    TRUNCATE = "TRUNCATE"
    """Everything of the symbol goes from a message's time on that is older than what came before it."""

    @property
    def takes_away(self) -> bool:
        """Tell whether messages may go by it, for which another scope is needed."""
        return self in {LoadMode.REWRITE, LoadMode.TRUNCATE}


class Posted(NamedTuple):
    """A body and where it was sent."""

    stream: Stream
    symbol: str
    """As the address names it, or empty."""
    body: bytes
    mode: LoadMode = LoadMode.APPEND
    options: WriteOptions = WriteOptions()


class RefusedMessage(msgspec.Struct):
    """Why a message was not stored."""

    index: int
    """In the body."""
    pointer: str
    error: str


class StoredMessages(msgspec.Struct):
    """What came of a body of which some messages were refused."""

    stored: int
    refused: list[RefusedMessage]
    """The first hundred; all of them are in the quarantine."""


class _Details(msgspec.Struct, omit_defaults=True):
    stream: str
    symbol: str
    user: str
    subtenant: str | None = None
    """Of the user: a replay reaches what the user reached, whoever asks for it."""


class _Share(NamedTuple):
    """What one series gets."""

    held: Held
    columns: Columns


class _Outcome(NamedTuple):
    stored: int
    refused: dict[int, Problem]
    accepted: list[Accepted]


class TimeBaseService:
    """Takes messages; one for each door."""

    def __init__(
        self,
        ports: Ports,
        index: CatalogIndex,
        streams: Streams,
        series: SeriesService,
        *,
        deletes: DeleteService,
        quarantine: Quarantine,
    ) -> None:
        """Take what knows streams, what stores and deletes records, and who keeps what is refused."""
        self.streams = streams
        self.reading = StreamReading(ports.clock, index, streams, series, deletes)
        self._clock = ports.clock
        self._index = index
        self._series = series
        self._deletes = deletes
        self._quarantine = quarantine

    async def write(self, caller: Identity, posted: Posted, note: Note) -> Answered:
        """Store a body; durable on return. Invalid where every message is refused."""
        size, late = len(posted.body), posted.options.catch_up
        async with self._series.turn(caller.tenant, size, late=late):
            array = await beside(size, read_array, posted.body)
            outcome = await self._store(caller, posted, array, note, self._clock.now_ms())
            if outcome.refused and not outcome.stored:
                raise Invalid(_first(outcome.refused))
            if outcome.refused:
                await self._keep(caller, posted, outcome.refused)
        return await self._answered(caller, posted, outcome)

    async def replay(self, caller: Identity, record: Quarantined, note: Note, *, overwrite: bool) -> None:
        """Store what now can be stored of a record; what is still refused stays, with its present reason.

        Messages that would write over what a series has by now are refused, unless they are to (decision
        0049).
        """
        (each,) = await self._quarantine.tuples(record)
        details = msgspec.json.decode(each.details, type=_Details)
        if details.subtenant is not None:
            caller = replace(caller, subtenant=details.subtenant)
        stream = await self.streams.find(caller.tenant, details.stream)
        posted = Posted(stream, details.symbol, each.payload)
        kept = ""
        async with self._series.turn(caller.tenant, len(each.payload), late=False):
            array = await beside(len(each.payload), read_array, each.payload)
            # What had no time of its own has the one at which it came.
            outcome = await self._store(caller, posted, array, note, record.request_ms, adding=not overwrite)
            if outcome.refused:
                kept = await self._keep(caller, posted, outcome.refused, details)
        if kept != record.id:
            with suppress(NotFound):  # Another replay was as fast: it stored the same.
                await self._quarantine.remove(caller.tenant, record.id)

    # Storing.

    async def _store(
        self,
        caller: Identity,
        posted: Posted,
        array: Sequence[object],
        note: Note,
        came_ms: int,
        *,
        adding: bool = False,
    ) -> _Outcome:
        size = len(posted.body)
        opened: Opened = await beside(size, open_messages, array, posted.stream, posted.symbol, came_ms)
        by_symbol: dict[str, list[Message]] = {}
        for message in opened.messages:
            by_symbol.setdefault(message.symbol, []).append(message)
        if len(by_symbol) > STREAM_SYMBOLS_MAX:
            raise TooLarge(f"A write has messages of at most {STREAM_SYMBOLS_MAX} symbols; send several.")
        refused = dict(opened.refused)
        shares: list[_Share] = []
        rules = rules_of(self._index.profile_of(caller.tenant), self._clock.now_ms(), WriteMode.REPLACE)
        found = await self.streams.series_of(caller, posted.stream, by_symbol, note)
        for symbol, held in found.items():
            messages = by_symbol[symbol]
            if isinstance(held, str):
                refused |= {
                    message.place: Problem(f"/{message.place}/symbol", INVALID_BODY, held)
                    for message in messages
                }
                continue
            read = await beside(size, read_records, messages, held.granted.aspect, rules)
            if adding and read.columns is not None:
                series, columns = held.granted.series, read.columns
                times_ms = np.unique(columns.time_ms)
                there = await read_at(self._series.reading, series, frozenset(columns.cells), times_ms)
                read = spared(read, there)
            refused |= read.refused
            if read.columns is not None:
                shares.append(_Share(held, read.columns))
        stored = sum(share.columns.rows for share in shares)
        if posted.mode.takes_away:
            shares = [await self._cleared(caller, posted, share) for share in shares]
        return _Outcome(stored, refused, await self._append(caller, posted, shares))

    async def _append(self, caller: Identity, posted: Posted, shares: Sequence[_Share]) -> list[Accepted]:
        """Append every series in one trip; raises what the first refusal means."""
        profile, options = self._index.profile_of(caller.tenant), posted.options
        rows = sum(share.columns.rows for share in shares)
        writes = []
        for held, columns in shares:
            granted = held.granted
            size, rate = rate_of_part(profile, len(posted.body), columns.rows, rows, late=options.catch_up)
            verb = f"TB {posted.mode.value}"[:16]
            once = idempotency_of(caller.tenant, granted.series, options.idempotency_key, verb, posted.body)
            change = Upsert(columns)
            series, aspect, late = granted.series, granted.aspect, options.catch_up
            writes.append(Write(caller.tenant, series, aspect, change, once, rate, size, late))
        accepted = []
        for outcome in await self._series.ingest.try_all(writes) if writes else ():
            if isinstance(outcome, Exception):
                raise outcome
            accepted.append(outcome)
        return accepted

    async def _cleared(self, caller: Identity, posted: Posted, share: _Share) -> _Share:
        """Take away what a write of this mode replaces, and give what of it is left to be written.

        Under a key it is taken away once, as the messages are written once, and whether there is anything or
        not: else a repeat would take away what the first request wrote, and write nothing.
        """
        times = share.columns.time_ms
        if posted.mode is LoadMode.REWRITE:
            from_ms, columns = int(times[0]), share.columns
        else:
            # Each message takes along what came before it and is not older: all that is left ascends.
            from_ms, columns = int(times.min()), share.columns.take(np.array(_survivors(times.tolist())))
        key, series = posted.options.idempotency_key, share.held.granted.series
        wanted = Wanted(from_ms, END_MS, None, 1, descending=True)
        if key is not None or (await self._series.reading.newest(series, wanted)).columns.rows:
            reach = {"from": format_time(from_ms - 1), "to": _END}
            once = WriteOptions(None if key is None else f"{key}\nDELETE")
            await self._deletes.delete(caller, share.held.place, reach, once)
        return _Share(share.held, columns)

    # What comes after.

    async def _keep(
        self,
        caller: Identity,
        posted: Posted,
        refused: Mapping[int, Problem],
        details: _Details | None = None,
    ) -> str:
        if details is None:
            details = _Details(posted.stream.key, posted.symbol, caller.subject, caller.subtenant)
        payload = cut_out(posted.body, refused.keys())
        each = Tuple(_TUPLE, "1.0", msgspec.json.encode(details), _JSON, payload)
        words = " ".join(f"{one.pointer}: {one.message}" for one in _first(refused))
        left = Left([each], [dropped("TimeBase messages", words)], len(refused))
        return await self._quarantine.keep(caller.tenant, AssetId(""), new_correlation_id(), left, DOOR)

    async def _answered(self, caller: Identity, posted: Posted, outcome: _Outcome) -> Answered:
        headers = {"content-type": _JSON}
        places = [place for accepted in outcome.accepted for place in accepted.places]
        if places:
            headers["write-receipt"] = self._series.receipts.give(caller.tenant, places)
        quotas = [accepted.quota for accepted in outcome.accepted if accepted.quota is not None]
        quota = worst(quotas)
        if quota is not None:
            headers |= quota_headers(quota)
        if posted.options.wait_applied and places:
            headers["write-applied"] = str(await self._series.receipts.wait_applied(places)).lower()
        if not outcome.refused:
            return Answered(200, headers, b"[]")
        refused = [
            RefusedMessage(place, problem.pointer, problem.message)
            for place, problem in sorted(outcome.refused.items())[:PROBLEMS_LISTED_MAX]
        ]
        return Answered(200, headers, msgspec.json.encode(StoredMessages(outcome.stored, refused)))


def _first(refused: Mapping[int, Problem]) -> list[Problem]:
    """Give the first reasons, in the order of the body."""
    return [problem for _, problem in sorted(refused.items())[:PROBLEMS_LISTED_MAX]]


def _survivors(times_ms: Sequence[int]) -> list[int]:
    """Name the rows that are left where one older than its predecessor takes along what is not older."""
    left: list[int] = []
    for row, time_ms in enumerate(times_ms):
        if left and time_ms < times_ms[left[-1]]:
            while left and times_ms[left[-1]] >= time_ms:
                left.pop()
        left.append(row)
    return left
