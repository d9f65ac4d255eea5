"""A tenant's event types: read from the catalogue whenever they are needed, changed by compare-and-set.

They are few and seldom used: the standard type, which nearly all events have, is part of the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from api.http.hal import Preconditions
from schemas import codes
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem
from schemas.event_types import (
    BUILT_IN,
    TYPE_DEPTH_MAX,
    EventField,
    EventType,
    TypeOperation,
    changed_type,
    check_event_type,
    is_type_id,
)
from schemas.ids import TenantId
from storage.port import CatalogStore, Document

EVENT_TYPE: Final = "eventtype"
"""The kind of their documents."""

IN_USE: Final = "aspectstore.types.inUse"

_NO_TYPE: Final = "There is no such event type."
_STALE: Final = "The etag is not that of the present version; read it again."


class KeptType(NamedTuple):
    """A type and its row version, which is its ETag."""

    value: EventType
    version: int


class EventTypes:
    """Event types of one installation."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue."""
        self._catalog = catalog

    async def get(self, tenant: TenantId, type_id: str) -> KeptType:
        """Give a type; NotFound for an unknown and a foreign one alike."""
        kept = await self._find(tenant, type_id)
        if kept is None:
            raise NotFound(_NO_TYPE)
        return kept

    async def all_of(self, tenant: TenantId) -> list[KeptType]:
        """Give the built-in types and the tenant's own, each by id."""
        documents = await self._catalog.list(tenant, EVENT_TYPE)
        return [KeptType(built_in, 0) for built_in in BUILT_IN.values()] + [*map(_kept, documents)]

    async def fields_of(self, tenant: TenantId, type_id: str) -> list[EventField] | None:
        """Give the fields of a type, inherited ones after its own; None if there is no such type."""
        chain = await self._chain(tenant, type_id)
        return [field for kept in chain for field in kept.fields] if chain else None

    async def create(self, tenant: TenantId, new: EventType) -> KeptType:
        """Store a new type; Conflict if its id is taken, Invalid for what a rule forbids."""
        chain = await self._chain(tenant, new.parent_id or "")
        problems = check_event_type(new, [field for kept in chain for field in kept.fields])
        if not 0 < len(chain) < TYPE_DEPTH_MAX:
            message = (
                f"A type is expected that there is, at most {TYPE_DEPTH_MAX} steps from the built-in one."
            )
            problems.append(Problem("/parentId", codes.INVALID_BODY, message))
        if problems:
            raise Invalid(problems)
        document = await self._catalog.create(tenant, EVENT_TYPE, new.id, msgspec.json.encode(new))
        if document is None:
            raise Conflict("There is an event type with this id already.")
        return KeptType(new, document.version)

    async def change(
        self, tenant: TenantId, type_id: str, operations: Sequence[TypeOperation], wanted: Preconditions
    ) -> KeptType:
        """Change a type by operations; under `If-Match` where it was sent."""
        kept = await self._own(tenant, type_id, wanted)
        new, problems = changed_type(kept.value, operations)
        chain = await self._chain(tenant, new.parent_id or "")
        problems = problems or check_event_type(new, [field for each in chain for field in each.fields])
        if problems:
            raise Invalid(problems)
        body = msgspec.json.encode(new)
        document = await self._catalog.replace(tenant, EVENT_TYPE, type_id, body, kept.version)
        if document is None:
            raise PreconditionFailed(_STALE)
        return KeptType(new, document.version)

    async def remove(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> None:
        """Remove a type from which none descends; events of it stay."""
        kept = await self._own(tenant, type_id, wanted)
        users = [each.value.id for each in await self.all_of(tenant) if each.value.parent_id == type_id]
        if users:
            raise Invalid([Problem("", IN_USE, f"It is the parent of {', '.join(users[:5])}.")])
        if not await self._catalog.remove(tenant, EVENT_TYPE, type_id, kept.version):
            raise PreconditionFailed(_STALE)

    async def _own(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> KeptType:
        if type_id in BUILT_IN:
            raise Invalid([Problem("", IN_USE, "Built-in types stay as they are.")])
        kept = await self.get(tenant, type_id)
        if wanted.version not in {None, kept.version}:
            raise PreconditionFailed(_STALE)
        return kept

    async def _chain(self, tenant: TenantId, type_id: str) -> Sequence[EventType]:
        """Walk from a type to the root of its family; empty if there is no such type."""
        chain: list[EventType] = []
        parent_id: str | None = type_id
        while parent_id is not None and len(chain) < TYPE_DEPTH_MAX:
            kept = await self._find(tenant, parent_id)
            if kept is None:
                break
            chain.append(kept.value)
            parent_id = kept.value.parent_id
        return chain

    async def _find(self, tenant: TenantId, type_id: str) -> KeptType | None:
        if type_id in BUILT_IN:
            return KeptType(BUILT_IN[type_id], 0)
        if not is_type_id(type_id):
            return None
        document = await self._catalog.get(tenant, EVENT_TYPE, type_id)
        return None if document is None else _kept(document)


def _kept(document: Document) -> KeptType:
    return KeptType(msgspec.json.decode(document.body, type=EventType), document.version)
