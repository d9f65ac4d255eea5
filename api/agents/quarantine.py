"""Recoverable records: what was refused of devices' messages, under a row of the catalogue each (wire 6.5).

The message lies in the file store and is stored completely before its row; the row says that it is there,
and goes first. So a crash in between leaves contents that nobody names, which are swept (decision 0037).
Every door knows all rows, as it knows assets: lists and room need no look at the store.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import Kept, TenantIndex
from api.files.service import FileService
from runtime.ports import Ports
from schemas.errors import NotFound
from schemas.exchange_message import Tuple, parse_message, write_message
from schemas.ids import AssetId, TenantId
from schemas.limits import QUARANTINE_BYTES_MAX, QUARANTINE_RECORDS_MAX, QUARANTINE_ROOM_SHARE
from schemas.quarantine import KIND, LOSSES_ID, LOSSES_KIND, Losses, Quarantined, joined, name_of
from storage.changing import change
from storage.port import Document

log = structlog.get_logger(__name__)

NO_RECORD: Final = "There is no such record."

COUNT_TRIES_MAX: Final = 20
"""Doors that count losses of one tenant at one moment are few."""


class Refused(msgspec.Struct, frozen=True):
    """What a message leaves behind."""

    tuples: Sequence[Tuple]
    reasons: Sequence[str]
    """Why, for each tuple."""
    values: int


class Quarantine:
    """The recoverable records of one installation; one for each door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex, files: FileService) -> None:
        """Take the ports, the index that knows all records, and the service that keeps bytes."""
        self._catalog = ports.catalog
        self._clock = ports.clock
        self._figures = ports.figures
        self._index = index
        self._files = files

    # Asking.

    def listed(self, tenant: TenantId) -> list[Kept[Quarantined]]:
        """Give the records of a tenant, the oldest first."""
        return sorted(self._index.of(tenant).quarantined.values(), key=_age)

    async def find(self, tenant: TenantId, record_id: str) -> Quarantined:
        """Give a record; NotFound for an unknown one and another tenant's."""
        return (await self._get(tenant, record_id)).value

    async def open(self, record: Quarantined) -> AsyncGenerator[bytes]:
        """Begin to read the message of a record; NotFound where it was removed meanwhile."""
        blocks = self._files.store.read(record.tenant, record.content, 0, record.content.size)
        return _chained(await anext(blocks), blocks)

    async def tuples(self, record: Quarantined) -> list[Tuple]:
        """Give what a record keeps; NotFound where it was removed meanwhile."""
        message = b"".join([block async for block in await self.open(record)])
        return parse_message(message, record.content_type)

    async def losses(self, tenant: TenantId) -> Losses:
        """Tell what there was no room for."""
        return _losses(await self._catalog.get(tenant, LOSSES_KIND, LOSSES_ID))

    # Changing.

    async def keep(
        self, tenant: TenantId, agent: AssetId, correlation_id: str, refused: Refused, door: str = ""
    ) -> str:
        """Keep what was refused; durable on return. Gives the id of its record.

        `agent` is empty where it came through another `door`.

        The same from the same agent is kept once. It needs no room among the tenant's files: else full files
        would keep devices from sending anything. Unavailable where it cannot be stored now.
        """
        name = name_of(agent, _parts_of(refused.tuples))
        if await self._is_kept(tenant, name.id, joined(refused.reasons)):
            return name.id
        message = write_message(refused.tuples, name.boundary)
        await self._make_room(tenant, len(message))
        content = await self._files.write_bounded(tenant, _once(message))
        record = Quarantined(
            id=name.id,
            tenant=tenant,
            agent=agent,
            correlation_id=correlation_id,
            request_ms=self._clock.now_ms(),
            reason=joined(refused.reasons),
            values=refused.values,
            boundary=name.boundary,
            content=content,
            door=door,
        )
        stored = await self._catalog.create(tenant, KIND, record.id, msgspec.json.encode(record))
        if stored is None:  # Another door keeps it already.
            await self._files.drop(tenant, [content])
        else:
            self._index.wrote(stored)
            self._figures.add("quarantined_messages")
        return record.id

    async def remove(self, tenant: TenantId, record_id: str) -> None:
        """Delete a record; NotFound where there is none."""
        if not await self._remove(await self._get(tenant, record_id)):
            raise NotFound(NO_RECORD)

    async def remove_of(self, tenant: TenantId, agent: str) -> None:
        """Delete all records of an agent."""
        for kept in self.listed(tenant):
            if kept.value.agent == agent:
                await self._remove(kept)

    # Inside.

    async def _get(self, tenant: TenantId, record_id: str) -> Kept[Quarantined]:
        def find(part: TenantIndex) -> Kept[Quarantined]:
            kept = part.quarantined.get(record_id)
            if kept is None:
                raise NotFound(NO_RECORD)
            return kept

        return await self._index.look(tenant, find)

    async def _remove(self, kept: Kept[Quarantined]) -> bool:
        record = kept.value
        is_gone = await self._catalog.remove(record.tenant, KIND, record.id, kept.version)
        self._index.removed(record.tenant, KIND, record.id)
        if is_gone:
            await self._files.drop(record.tenant, [record.content])
        return is_gone

    async def _is_kept(self, tenant: TenantId, record_id: str, reason: str) -> bool:
        """Tell whether there is a record, by the store's word; say why it is refused now."""
        if record_id not in self._index.of(tenant).quarantined:
            return False
        document = await self._catalog.get(tenant, KIND, record_id)
        if document is None:
            self._index.removed(tenant, KIND, record_id)
            return False
        known = msgspec.json.decode(document.body, type=Quarantined)
        if known.reason != reason:
            body = msgspec.json.encode(msgspec.structs.replace(known, reason=reason))
            stored = await self._catalog.replace(tenant, KIND, record_id, body, document.version)
            if stored is not None:  # Else another one says why at the same moment, or it is gone.
                self._index.wrote(stored)
            return stored is not None or await self._catalog.get(tenant, KIND, record_id) is not None
        return True

    async def _make_room(self, tenant: TenantId, size: int) -> None:
        """Delete the oldest records where a new one has no room, with a little room to spare; count them."""
        waiting = list(self._index.of(tenant).quarantined.values())
        records, total = len(waiting) + 1, sum(kept.value.content.size for kept in waiting) + size
        if records <= QUARANTINE_RECORDS_MAX and total <= QUARANTINE_BYTES_MAX:
            return
        spare = 1 - 1 / QUARANTINE_ROOM_SHARE
        lost = Losses()
        for kept in sorted(waiting, key=_age):
            if records <= QUARANTINE_RECORDS_MAX * spare and total <= QUARANTINE_BYTES_MAX * spare:
                break
            if await self._remove(kept):
                lost = Losses(lost.records + 1, lost.bytes + kept.value.content.size)
            records, total = records - 1, total - kept.value.content.size
        if lost.records:
            log.warning("quarantine_full", tenant=tenant, records=lost.records, bytes=lost.bytes)
            await self._count(tenant, lost)

    async def _count(self, tenant: TenantId, lost: Losses) -> None:
        await change(
            self._catalog,
            (tenant, LOSSES_KIND, LOSSES_ID),
            _losses,
            lambda known: Losses(known.records + lost.records, known.bytes + lost.bytes),
            tries_max=COUNT_TRIES_MAX,
            failed="the losses of the quarantine could not be counted",
        )


def _losses(document: Document | None) -> Losses:
    return Losses() if document is None else msgspec.json.decode(document.body, type=Losses)


def _age(kept: Kept[Quarantined]) -> tuple[int, str]:
    return kept.value.request_ms, kept.value.id


def _parts_of(tuples: Sequence[Tuple]) -> list[bytes]:
    return [
        part
        for each in tuples
        for part in (
            each.type.encode(),
            each.version.encode(),
            each.details,
            each.media.encode(),
            each.payload,
        )
    ]


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(rest):
        yield first
        async for block in rest:
            yield block


async def _once(octets: bytes) -> AsyncGenerator[bytes]:
    yield octets
