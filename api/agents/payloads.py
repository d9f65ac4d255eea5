"""Payloads of agents that are no time series: events, files, configurations, and their own (wire 6.3).

Each is stored as its own service stores it, or gives what is left of it and why. A repeat stores nothing new:
a device sends again what it heard no answer to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

import msgspec

from api.agents.data_sources import DataSourceService
from api.agents.event_mappings import EventMappingService
from api.agents.wire_data_sources import ConfigurationIn, configuration_from
from api.beside import beside
from api.events.service import EventService
from api.files.service import FileService, Place
from api.http.bodies import parse_strictly
from api.http.hal import Preconditions
from api.identity.tokens import Identity
from api.shares.access import Access
from runtime.ports import Ports
from schemas.device_events import DeviceEvent, read_events
from schemas.errors import NotFound, PreconditionFailed, Refused, TooMany, Unavailable
from schemas.exchange_message import Tuple
from schemas.files import Described, describe_file, parse_path
from schemas.ids import AssetId, TenantId
from schemas.quarantine import dropped

EVENTS_AT_ONCE: Final = 32
"""Stored side by side."""


Note: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Writes into the audit log what is about to be done: action, and the ids of what it is about."""


class Sender(NamedTuple):
    """Whose message it is, and who brings it."""

    caller: Identity
    """The agent itself, or who replays."""
    agent: AssetId
    correlation_id: str
    note: Note
    late: bool = False
    """It drains a backlog."""

    @property
    def tenant(self) -> TenantId:
        """Give the tenant of both."""
        return self.caller.tenant


class Left(NamedTuple):
    """What of a tuple nothing took."""

    tuple: Tuple
    reason: str
    values: int = 1


class _Details(msgspec.Struct, rename="camel"):
    file_name: str
    creation_date: str | None = None
    file_type: str | None = None


class Payloads:
    """Who stores payloads of each type; one for each door."""

    def __init__(
        self,
        ports: Ports,
        access: Access,
        files: FileService,
        configurations: DataSourceService,
        event_mappings: EventMappingService,
    ) -> None:
        """Take the ports, who reaches which assets, the services of files, configurations, event mappings."""
        self._ports = ports
        self._access = access
        self._files = files
        self._configurations = configurations
        self._event_mappings = event_mappings

    async def configure(self, sender: Sender, each: Tuple) -> Left | None:
        """Replace the agent's configuration; one that it has already stays, with its mappings."""
        try:
            sent = await beside(len(each.payload), parse_strictly, each.payload)
            wanted = configuration_from(msgspec.convert(sent, ConfigurationIn), sender.agent)
            present = await self._configurations.get(sender.tenant, sender.agent)
            if present.value != wanted:
                await sender.note("agent.configure", {"agent_id": sender.agent})
                await self._configurations.put(sender.tenant, wanted, present.etag)
        except msgspec.ValidationError as error:
            return Left(each, dropped("Configuration", f"the payload is no configuration: {error}"))
        except PreconditionFailed:
            raise Unavailable("another configuration of the agent was just stored") from None
        except TooMany:
            raise
        except Refused as error:
            return Left(each, dropped("Configuration", error.message))
        return None

    async def store_events(self, sender: Sender, each: Tuple) -> Left | None:
        """Create the events of a payload for the assets to which mappings send them, else for the agent's.

        Those that a rule forbids for one of its assets are left.
        """
        try:
            await beside(len(each.payload), parse_strictly, each.payload)
            events = read_events(each.payload, sender.agent)
        except Refused as error:
            return Left(each, dropped("Event", error.message))
        if events:
            await self._event_mappings.follow()
        # Where events go was decided by who made the mapping, whatever part of the tenant the agent is of.
        service = EventService(self._ports, self._access, replace(sender.caller, subtenant=None))
        reasons: list[str] = []
        for first in range(0, len(events), EVENTS_AT_ONCE):
            wave = events[first : first + EVENTS_AT_ONCE]
            reasons += await asyncio.gather(*(self._created(service, sender, event) for event in wave))
        left = [event.sent for event, reason in zip(events, reasons, strict=True) if reason]
        if not left:
            return None
        first_reason = next(filter(None, reasons))
        return Left(
            each._replace(payload=msgspec.json.encode(left)), dropped("Event", first_reason), len(left)
        )

    async def _created(self, service: EventService, sender: Sender, event: DeviceEvent) -> str:
        """Create an event for each of its assets; gives why that cannot be for the first one refused."""
        reasons = []
        for target in self._event_mappings.targets(sender.tenant, sender.agent, event.members):
            kept = event.of(target.asset_id, sender.agent)
            try:
                await service.create_once(sender.tenant, kept.members, kept.id)
            except TooMany:
                raise
            except Refused as error:
                by = f"By the event mapping <{target.mapping_id}>: " if target.mapping_id else ""
                reasons.append(f"{by}{error.message}")
        return reasons[0] if reasons else ""

    async def store_file(self, sender: Sender, each: Tuple) -> Left | None:
        """Store a file of the agent's asset, over the one that it may have under this name."""
        try:
            details = msgspec.json.decode(each.details, type=_Details)
            path = parse_path(details.file_name)
            described = describe_file(details.file_type or each.media or None, None, details.creation_date)
            await self._put(sender, Place(sender.tenant, sender.agent, path), described, each.payload)
        except msgspec.ValidationError as error:
            return Left(each, dropped("File", f"its details are not as they must be: {error}"))
        except TooMany:
            raise
        except Refused as error:
            return Left(each, dropped("File", error.message))
        return None

    async def _put(self, sender: Sender, place: Place, described: Described, payload: bytes) -> None:
        for _ in range(2):
            try:
                present = (await self._files.find(place)).version
            except NotFound:
                present = None
            wanted = Preconditions(present, absent=False)
            try:
                await self._files.put(sender.caller, place, wanted, described, _once(payload))
            except PreconditionFailed:
                continue  # Another writer was faster.
            return
        raise Unavailable(f"the file {place.path!r} of asset {place.asset} is being replaced by others")


def left_whole(each: Tuple) -> Left:
    """Leave a payload that is of a type of the device's own."""
    return Left(each, dropped("Payload", f"Nothing takes payloads of the type <{each.type}>."))


def source_of(each: Tuple) -> str:
    """Name where a payload goes, for diagnostics."""
    return _SOURCES.get(each.type, "CUSTOM")


async def _once(octets: bytes) -> AsyncGenerator[bytes]:
    yield octets


_SOURCES: Final = {
    "standardTimeSeries": "TIMESERIES",
    "businessEvent": "EVENT",
    "file": "FILE",
    "dataSourceConfiguration": "CONFIGURATION",
}
