"""What agents send: taken apart, stored where mappings say, and what nothing takes kept (wire 6.3, MS-86).

The answer leaves when every accepted value is durable in the stream and everything refused is durable in the
quarantine. Where either fails the device hears 503 or 429 and sends again, and nothing is stored twice by
that: values merge, events and records of the quarantine have ids that follow from their content, files and
configurations are replaced by what they are already (decision 0037).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from api.agents.diagnostics import Diagnostics
from api.agents.held import read_held
from api.agents.payloads import Left, Note, Payloads, Sender, left_whole, source_of
from api.agents.presence import Presence
from api.agents.quarantine import Quarantine, Refused
from api.beside import beside
from api.catalog.index import CatalogIndex
from api.identity.tokens import Identity
from api.series.ingest import Write, rate_of_part
from api.series.service import SeriesService
from runtime.ports import Ports
from schemas.agents import Taken
from schemas.changes import Upsert
from schemas.device_records import (
    Reason,
    Sampling,
    Share,
    Sorted,
    read_samplings,
    refuse_all,
    refused_samplings,
    sort_out,
)
from schemas.diagnosis import Rules
from schemas.diagnostics import DiagnosticMessage, Severity, State
from schemas.errors import Malformed, NotFound
from schemas.exchange_message import CONFIGURATION, EVENT, FILE, TIME_SERIES, Tuple
from schemas.ids import SeriesId
from schemas.limits import DIAGNOSTIC_CHARACTERS_MAX
from schemas.mappings import Routes
from schemas.policies import Profile
from schemas.quarantine import dropped, dropped_values
from schemas.receipts import Place
from schemas.records import WriteMode, rules_of
from schemas.times import format_time

_OF_ROUTES: Final = frozenset({Reason.NO_MAPPING, Reason.INVALID_MAPPING, Reason.CONFIGURATION})
"""Reasons that another door may just have mended."""


class Way(Enum):
    """How a message comes."""

    SENT = "sent"
    """By the device, now: what it says counts."""
    ADDING = "adding"
    """By a replay, which writes over nothing."""
    OVERWRITING = "overwriting"
    """By a replay of which somebody said that it counts."""


class Outcome(NamedTuple):
    """What came of one tuple."""

    tuple: Tuple
    left: Left | None
    """None: all of it was taken."""
    found: Sorted | None = None
    """Of time series that could be read."""


class Stored(NamedTuple):
    """What came of a message."""

    outcomes: Sequence[Outcome]
    """One for each tuple."""
    newest: Mapping[int, Place]
    """The newest entry of each shard to which something went."""


class _Details(msgspec.Struct, rename="camel"):
    configuration_id: str | None = None


class ExchangeService:
    """Takes messages of agents; one for each door."""

    def __init__(
        self,
        ports: Ports,
        index: CatalogIndex,
        series: SeriesService,
        payloads: Payloads,
        *,
        quarantine: Quarantine,
        diagnostics: Diagnostics,
        presence: Presence,
    ) -> None:
        """Take what knows mappings, what stores each kind of payload, and who keeps and tells the rest."""
        self._clock = ports.clock
        self._index = index
        self._series = series
        self._payloads = payloads
        self._quarantine = quarantine
        self._diagnostics = diagnostics
        self._presence = presence

    async def take(self, sender: Sender, tuples: Sequence[Tuple], body_bytes: int) -> None:
        """Store a message and keep what nothing takes of it; durable on return.

        NotFound for an unknown agent, TooMany or Unavailable where the message is to be sent again.
        """
        await self._index.look(sender.tenant, lambda part: part.agent(sender.agent))
        async with self._series.turn(sender.tenant, body_bytes, late=sender.late):
            stored = await self._store(sender, tuples, Way.SENT)
            await self._keep(sender, stored.outcomes)
        if sender.caller.agent is not None:
            self._presence.took(sender.tenant, sender.agent, self._taken(sender, stored))
        await self._tell(sender, stored.outcomes)

    async def replay(self, caller: Identity, record_id: str, note: Note, *, overwrite: bool) -> None:
        """Store what now can be stored of a record; what is still refused stays, with its present reason.

        Data points count as the agent's mappings are now, whatever configuration the message named. Cells
        that have other values by now are spared, unless these are to be overwritten (decision 0049).
        """
        record = await self._quarantine.find(caller.tenant, record_id)
        tuples = await self._quarantine.tuples(record)
        sender = Sender(caller, record.agent, record.correlation_id, note)
        way = Way.OVERWRITING if overwrite else Way.ADDING
        async with self._series.turn(sender.tenant, record.content.size, late=False):
            outcomes = (await self._store(sender, tuples, way)).outcomes
            kept = await self._keep(sender, outcomes)
        if kept != record.id:
            with suppress(NotFound):  # Another replay was as fast: it stored the same.
                await self._quarantine.remove(caller.tenant, record.id)
        await self._tell(sender, outcomes)

    # Storing.

    async def _store(self, sender: Sender, tuples: Sequence[Tuple], way: Way) -> Stored:
        """Store what can be stored, in the order in which one thing depends on another."""
        outcomes: dict[int, Outcome] = {}
        for place, each in enumerate(tuples):
            if each.type == CONFIGURATION:
                outcomes[place] = Outcome(each, await self._payloads.configure(sender, each))
        for place, each in enumerate(tuples):
            if each.type == TIME_SERIES:
                outcomes[place] = await self._sorted(sender, each, way)
        places = await self._append(sender, list(outcomes.values()))
        for place, each in enumerate(tuples):
            if each.type == EVENT:
                outcomes[place] = Outcome(each, await self._payloads.store_events(sender, each))
            elif each.type == FILE:
                outcomes[place] = Outcome(each, await self._payloads.store_file(sender, each))
            elif place not in outcomes:
                outcomes[place] = Outcome(each, left_whole(each))
        return Stored([outcomes[place] for place in range(len(tuples))], places)

    async def _sorted(self, sender: Sender, each: Tuple, way: Way) -> Outcome:
        try:
            samplings = await beside(len(each.payload), read_samplings, each.payload)
            named = msgspec.json.decode(each.details, type=_Details).configuration_id
        except (Malformed, msgspec.ValidationError) as error:
            return Outcome(each, Left(each, dropped("TimeSeries Data", str(error))))
        wanted = named if way is Way.SENT else None
        size, routes = len(each.payload), self._routes(sender)
        found = await self._sort(sender, samplings, routes, wanted, size)
        if found.refused and not _OF_ROUTES.isdisjoint(found.reasons.tolist()):
            await self._index.refresh()
            if self._routes(sender) is not routes:
                routes = self._routes(sender)
                found = await self._sort(sender, samplings, routes, wanted, size)
        if way is Way.ADDING:
            held = await read_held(self._series.reading, sender.tenant, routes, found.shares)
            if held:
                found = await beside(size, sort_out, samplings, routes, self._rules(sender), held)
        if not found.refused:
            return Outcome(each, None, found)
        payload = await beside(len(each.payload), refused_samplings, found)
        reason = dropped_values(found, named or "")
        return Outcome(each, Left(each._replace(payload=payload), reason, found.refused), found)

    async def _sort(
        self, sender: Sender, samplings: list[Sampling], routes: Routes, wanted: str | None, size: int
    ) -> Sorted:
        if wanted not in {None, routes.points.configuration_id}:
            return refuse_all(samplings, Reason.CONFIGURATION)
        return await beside(size, sort_out, samplings, routes, self._rules(sender))

    async def _append(self, sender: Sender, outcomes: Sequence[Outcome]) -> dict[int, Place]:
        """Append every series of a message in one trip; raises what the first refusal means.

        Gives the newest place by shard: what came before it in its shard is applied before it.
        """
        profile = self._index.profile_of(sender.tenant)
        writes = [
            _write(sender, outcome, share, profile)
            for outcome in outcomes
            if outcome.found is not None
            for share in outcome.found.shares
        ]
        newest: dict[int, Place] = {}
        for appended in await self._series.ingest.try_all(writes) if writes else ():
            if isinstance(appended, Exception):
                raise appended
            for place in appended.places:
                newest[place.shard] = max(place, newest.get(place.shard, place))
        return newest

    def _routes(self, sender: Sender) -> Routes:
        return self._index.of(sender.tenant).mappings.routes_of(sender.agent)

    def _rules(self, sender: Sender) -> Rules:
        return rules_of(self._index.profile_of(sender.tenant), self._clock.now_ms(), WriteMode.REPLACE)

    # What comes after.

    async def _keep(self, sender: Sender, outcomes: Sequence[Outcome]) -> str | None:
        left = [outcome.left for outcome in outcomes if outcome.left is not None]
        if not left:
            return None
        refused = Refused(
            [each.tuple for each in left],
            [each.reason for each in left],
            sum(each.values for each in left),
        )
        return await self._quarantine.keep(sender.tenant, sender.agent, sender.correlation_id, refused)

    def _taken(self, sender: Sender, stored: Stored) -> Taken:
        found = [outcome.found for outcome in stored.outcomes if outcome.found is not None]
        left = [outcome.left for outcome in stored.outcomes if outcome.left is not None]
        places = list(stored.newest.values())
        return Taken(
            at_ms=self._clock.now_ms(),
            correlation_id=sender.correlation_id,
            stored=sum(len(each.values) - each.refused for each in found),
            refused=sum(each.values for each in left),
            receipt=self._series.receipts.give(sender.tenant, places) if places else "",
        )

    async def _tell(self, sender: Sender, outcomes: Sequence[Outcome]) -> None:
        if not self._diagnostics.watches(sender.tenant, sender.agent):
            return
        now = format_time(self._clock.now_ms())
        messages = [
            DiagnosticMessage(
                sender.correlation_id,
                severity,
                words[:DIAGNOSTIC_CHARACTERS_MAX],
                source_of(outcome.tuple),
                state,
                now,
            )
            for outcome in outcomes
            for state, severity, words in _told(outcome)
        ]
        await self._diagnostics.write(sender.tenant, sender.agent, messages)


def _write(sender: Sender, outcome: Outcome, share: Share, profile: Profile) -> Write:
    """Make the write of one series, which pays its part of the payload."""
    assert outcome.found is not None
    payload_bytes, values = len(outcome.tuple.payload), len(outcome.found.values)
    size, rate = rate_of_part(profile, payload_bytes, share.values, values, late=sender.late)
    series = SeriesId(sender.tenant, share.aspect.asset_id, share.aspect.aspect_id)
    change = Upsert(share.columns)
    return Write(sender.tenant, series, share.aspect.type, change, None, rate, size, sender.late)


def _told(outcome: Outcome) -> list[tuple[State, Severity, str]]:
    """Say what came of a tuple."""
    name = _NAMES.get(outcome.tuple.type, "Payload")
    told = [(State.ACCEPTED, Severity.INFO, f"[Accepted] {name} upload is accepted.")]
    if outcome.left is not None:
        told.append((State.DROPPED, Severity.ERROR, outcome.left.reason))
    found = outcome.found
    if found is not None:
        variables = sum(len(share.columns.cells) for share in found.shares)
        words = (
            f"[Finished] {name} upload completed, <{len(found.samplings)}> samplings and <{variables}> "
            f"properties in <{len(found.shares)}> requests>. <{found.refused}> values are dropped."
        )
        told.append((State.FINISHED, Severity.WARN if found.refused else Severity.INFO, words))
    elif outcome.left is None:
        told.append((State.FINISHED, Severity.INFO, f"[Finished] {name} upload completed."))
    return told


_NAMES: Final = {TIME_SERIES: "TimeSeries", EVENT: "Event", FILE: "File", CONFIGURATION: "Configuration"}
