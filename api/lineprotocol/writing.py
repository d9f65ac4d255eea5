"""Writes of line protocol: every line is stored or refused with a reason, and does no harm to the others.

What lines name and there is not yet is made first, by the policy of the inlet and the caller's own right.
Then all lines of one series become one write, which goes the way of every other: budgets, stream, receipt.
Where the stream takes one of them not, the client hears 429 or 503 and sends all of it again; rows merge, so
what was stored before is stored once (decision 0043).
"""

from __future__ import annotations

from typing import NamedTuple

from api.assets.model import Catalogue
from api.beside import beside
from api.catalog.index import CatalogIndex
from api.identity.tokens import Identity
from api.lineprotocol.creating import Maker, Note, is_lacking, locate, missing
from api.lineprotocol.inlets import Inlets
from api.series.ingest import Write, rate_of_part
from api.series.service import SeriesService
from runtime.ports import Ports
from schemas.changes import Upsert
from schemas.errors import Refused, TooLarge
from schemas.filetypes.model import Precision
from schemas.ids import SeriesId
from schemas.lineprotocol.body import RefusedLine, read_body
from schemas.lineprotocol.inlets import Inlet
from schemas.lineprotocol.limits import LINES_SERIES_MAX
from schemas.lineprotocol.sorting import Addressed, Share, Target, addressed, refuse, sort_out
from schemas.receipts import Place
from schemas.records import WriteMode, rules_of

RECEIPT_PLACES_MAX = 128
"""A longer receipt is no header line: a body of more series than that has none."""


class Sent(NamedTuple):
    """One body."""

    body: bytes
    precision: Precision
    late: bool
    """It drains a backlog."""


class Written(NamedTuple):
    """What came of it; all that is not refused is durable."""

    places: list[Place]
    receipt: str
    """Empty: there is nothing to ask for, or too much for one."""
    unreadable: list[RefusedLine]
    """Lines that are none."""
    refused: list[RefusedLine]
    """Lines that can be read and not be stored."""
    stored: int
    """Lines."""


class LineWriter:
    """Takes bodies of verified callers; one for each door."""

    def __init__(
        self, ports: Ports, index: CatalogIndex, series: SeriesService, catalogue: Catalogue
    ) -> None:
        """Take the clock, what knows series, what stores them, and what writes types and assets."""
        self._clock = ports.clock
        self._index = index
        self._series = series
        self.inlets = Inlets(ports.catalog, index)
        self._maker = Maker(ports.catalog, index, catalogue, ports.clock)

    async def write(self, caller: Identity, inlet: Inlet, sent: Sent, note: Note) -> Written:
        """Store a body; TooMany or Unavailable where it is to be sent again, TooLarge, Malformed."""
        size = len(sent.body)
        async with self._series.turn(caller.tenant, size, late=sent.late):
            body = await beside(size, read_body, sent.body, sent.precision, self._clock.now_ms())
            reasons: dict[int, str] = {}
            lines = addressed(body, inlet, reasons)
            targets = await self._targets(caller, inlet, lines, reasons, note)
            profile = self._index.profile_of(caller.tenant)
            rules = rules_of(profile, self._clock.now_ms(), WriteMode.REPLACE)
            shares = await beside(size, sort_out, targets, rules, reasons)
            places = await self._append(caller, shares, sent)
        refused = [RefusedLine(line, reasons[line], body.texts[line]) for line in sorted(reasons)]
        stored = sum(share.lines for share in shares)
        receipt = (
            self._series.receipts.give(caller.tenant, places) if 0 < len(places) <= RECEIPT_PLACES_MAX else ""
        )
        return Written(places, receipt, body.refused, refused, stored)

    async def _append(self, caller: Identity, shares: list[Share], sent: Sent) -> list[Place]:
        """Append every series in one trip; raises what the first refusal means."""
        profile, late = self._index.profile_of(caller.tenant), sent.late
        count = sum(share.lines for share in shares)
        writes = []
        for share in shares:
            size, rate = rate_of_part(profile, len(sent.body), share.lines, count, late=late)
            change = Upsert(share.columns)
            writes.append(
                Write(caller.tenant, share.target.series, share.target.type, change, None, rate, size, late)
            )
        places: list[Place] = []
        for appended in await self._series.ingest.try_all(writes) if writes else ():
            if isinstance(appended, Exception):
                raise appended
            places += appended.places
        return places

    async def _targets(
        self, caller: Identity, inlet: Inlet, lines: list[Addressed], reasons: dict[int, str], note: Note
    ) -> list[Target]:
        """Find the series of all lines, after what is lacking was made; notes why some have none."""
        part = self._index.of(caller.tenant)
        if is_lacking(part, inlet, lines):
            await self._index.refresh()  # Another door may just have made it.
            if is_lacking(part, inlet, lines):
                await self._maker.make(caller, inlet, lines, reasons, note)
        targets: dict[SeriesId, Target] = {}
        for each in lines:
            try:
                found = locate(part, inlet, each)
            except Refused as refused:
                refuse(reasons, each.group.lines, refused.message)
                continue
            if found.type is None or found.series is None:
                refuse(reasons, each.group.lines, missing(inlet, each, found))
                continue
            targets.setdefault(found.series, Target(found.series, found.type, [])).lines.append(each)
        if len(targets) > LINES_SERIES_MAX:
            raise TooLarge(f"A body has lines of at most {LINES_SERIES_MAX} series; send it in several.")
        return list(targets.values())
