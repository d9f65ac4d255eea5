"""Metadata of sensors: one document an asset, selected by what it says (SM-20, SM-21).

Aspects are kept by their ids, so they may change their names. A variable need not be there yet: an import may
bring it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import SENSORS
from api.catalog.sensor_index import Measured, sensors_meant, sensors_of
from api.http.hal import Preconditions
from api.identity.tokens import Identity
from api.shares.access import Access
from schemas.aspects import DYNAMIC, is_lawful_name
from schemas.codes import INVALID_BODY, INVALID_PARAMETER
from schemas.errors import Conflict, Invalid, PreconditionFailed, Problem, TooLarge
from schemas.ids import AssetId, TenantId
from schemas.limits import VARIABLE_NAME_CHARACTERS_MAX
from schemas.sensors import (
    SENSORS_MAX,
    SENSORS_OF_ASSET_MAX,
    AssetSensors,
    Selector,
    Sensor,
    read_iea43,
)
from storage.port import CatalogStore, Document

_PROBLEMS_MAX: Final = 100
_LOAD_TRIES_MAX: Final = 3
_STALE: Final = "The etag is not that of the present version; read it again."
_NO_ASPECT: Final = "The asset has no such aspect with time series."
_THERE: Final = "The asset has metadata of sensors already."


class Sensors:
    """The metadata of sensors, for verified callers."""

    def __init__(self, catalog: CatalogStore, index: CatalogIndex, access: Access) -> None:
        """Take the catalogue, the index that is told of every write, and what says whose an asset is."""
        self._catalog, self._index, self._access = catalog, index, access

    async def find(self, caller: Identity, asset: str) -> tuple[list[Sensor], int | None]:
        """Give an asset's sensors and their version; none where nothing is known, NotFound for no asset."""
        await self._access.own_asset(caller, asset)
        part = self._index.of(caller.tenant)
        kept = part.sensors.get(asset)
        return list(sensors_of(part, asset)), None if kept is None else kept.version

    def selected(self, caller: Identity, selector: Selector) -> list[Sensor]:
        """List the sensors that are meant, of all assets of the caller's own; TooLarge if they are many."""
        found = sensors_meant(self._index.of(caller.tenant), selector, self._own(caller))
        if len(found) > SENSORS_MAX:
            raise TooLarge(f"More than {SENSORS_MAX} sensors are meant; select fewer, asset by asset.")
        return found

    def variables(self, caller: Identity, selector: Selector) -> list[Measured]:
        """List the variables that are meant, of all assets of the caller's own, each once."""
        return self._index.select(caller.tenant, selector, self._own(caller))

    def _own(self, caller: Identity) -> Iterable[str] | None:
        if caller.subtenant is None:
            return None
        return (kept.value.id for kept in self._access.own_assets(caller))

    async def put(
        self, caller: Identity, asset: str, sensors: Sequence[Sensor], wanted: Preconditions
    ) -> tuple[list[Sensor], int]:
        """Replace what is known of an asset's sensors, under If-Match where anything is.

        NotFound for no asset, Invalid with every problem, PreconditionFailed where another was faster.
        """
        owned = AssetId((await self._access.own_asset(caller, asset)).value.id)
        kept = self._checked(caller.tenant, owned, sensors)
        document = await self._catalog.get(caller.tenant, SENSORS, owned)
        if document is not None and wanted.absent:
            raise PreconditionFailed(_THERE)
        if document is not None and wanted.required() != document.version:
            raise PreconditionFailed(_STALE)
        if document is None and wanted.version is not None:
            raise PreconditionFailed("There is nothing yet that If-Match could mean.")
        stored = await self._store(caller.tenant, kept, document)
        if stored is None:
            raise PreconditionFailed(_STALE)
        return list(sensors_of(self._index.of(caller.tenant), owned)), stored.version

    async def load_iea43(
        self, caller: Identity, asset: str, aspect: str, zone: str, document: bytes
    ) -> tuple[list[Sensor], int]:
        """Take in the sensors of one aspect from a document of the IEA Wind Task 43 data model.

        They take the place of what was known of this aspect; loading the same again changes nothing.
        NotFound for no asset, Malformed for another document, Invalid for an aspect that it has not.
        """
        owned = AssetId((await self._access.own_asset(caller, asset)).value.id)
        aspect_id = self._aspect_ids(caller.tenant, owned, aspect)
        if not aspect_id:
            raise Invalid([Problem("/aspect", INVALID_PARAMETER, _NO_ASPECT)])
        read = await asyncio.to_thread(read_iea43, document, asset=owned, aspect=aspect, zone=zone)
        loaded = self._checked(caller.tenant, owned, read).sensors
        for _ in range(_LOAD_TRIES_MAX):
            known = await self._catalog.get(caller.tenant, SENSORS, owned)
            others = () if known is None else _decoded(known).sensors
            both = (*(each for each in others if each.aspect not in aspect_id), *loaded)
            _demand_few(both)
            kept = AssetSensors(asset=owned, sensors=both)
            stored = await self._store(caller.tenant, kept, known)
            if stored is not None:
                return list(sensors_of(self._index.of(caller.tenant), owned)), stored.version
        raise Conflict("Others change the metadata of this asset's sensors; try again.")

    def _aspect_ids(self, tenant: TenantId, asset: AssetId, name: str = "") -> dict[str, str]:
        """Give id → name of the asset's aspects with time series: of all, or of one."""
        part = self._index.of(tenant)
        return {
            held.aspect.aspect_id: held.aspect.name
            for held in part.aspects_of(part.asset(asset).value.type_id)
            if held.type.category == DYNAMIC and name in {"", held.aspect.name}
        }

    def _checked(self, tenant: TenantId, asset: AssetId, sensors: Sequence[Sensor]) -> AssetSensors:
        """Put ids in the place of the names of aspects; Invalid with every problem."""
        _demand_few(sensors)
        ids = {name: aspect_id for aspect_id, name in self._aspect_ids(tenant, asset).items()}
        problems: list[Problem] = []
        for place, each in enumerate(sensors):
            at = f"/sensors/{place}"
            if each.asset != asset:
                problems.append(Problem(f"{at}/asset", INVALID_BODY, "It must be the asset of the address."))
            if each.aspect not in ids:
                problems.append(Problem(f"{at}/aspect", INVALID_BODY, _NO_ASPECT))
            if not is_lawful_name(each.variable, VARIABLE_NAME_CHARACTERS_MAX):
                message = f"{each.variable[:40]!r} cannot be the name of a variable."
                problems.append(Problem(f"{at}/variable", INVALID_BODY, message))
            if each.from_ms is not None and each.to_ms is not None and each.from_ms >= each.to_ms:
                problems.append(Problem(f"{at}/toMs", INVALID_BODY, "It must be after fromMs."))
        if problems:
            raise Invalid(problems[:_PROBLEMS_MAX])
        placed = (msgspec.structs.replace(each, aspect=ids[each.aspect]) for each in sensors)
        return AssetSensors(asset=asset, sensors=tuple(placed))

    async def _store(self, tenant: TenantId, new: AssetSensors, over: Document | None) -> Document | None:
        """Store a document, and tell the index; None where another was faster."""
        body = msgspec.json.encode(new)
        if over is None:
            stored = await self._catalog.create(tenant, SENSORS, new.asset, body)
        elif over.body == body:
            return over
        else:
            stored = await self._catalog.replace(tenant, SENSORS, new.asset, body, over.version)
        if stored is not None:
            self._index.wrote(stored)
        return stored


def _decoded(document: Document) -> AssetSensors:
    return msgspec.json.decode(document.body, type=AssetSensors)


def _demand_few(sensors: Sequence[Sensor]) -> None:
    if len(sensors) > SENSORS_OF_ASSET_MAX:
        raise TooLarge(f"An asset has at most {SENSORS_OF_ASSET_MAX} sensors.")
