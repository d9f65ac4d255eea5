"""Writes to assets: what they must satisfy beside the pure rules (wire 4.1, 4.2, MS-08)."""

from __future__ import annotations

import dataclasses
import secrets
import zoneinfo
from collections.abc import Mapping, Sequence

import msgspec

from api.assets.type_writes import with_file
from api.assets.wire import (
    AssetChange,
    AssetIn,
    LocationWire,
    asset_from,
    change_from,
    location_from,
    location_owner,
)
from api.assets.wire_changes import AssetPatch, asset_merged
from api.catalog.kinds import ASSET
from api.catalog.series_count import demand_room
from api.catalog.tenant_index import ASSET_DEPTH_MAX, Kept, TenantIndex
from api.catalog.writes import UNKNOWN, CatalogWrites, check_files, demand_unlocked, refuse
from api.http.hal import Preconditions
from schemas import assets as asset_rules
from schemas import codes
from schemas.aspects import STATIC
from schemas.assets import Asset, Location, StaticAspect, StaticValue
from schemas.errors import Invalid, NotFound, PreconditionFailed, Problem, ServiceError
from schemas.ids import AssetId, TenantId
from storage.port import Document

ZONES = frozenset(zoneinfo.available_timezones())

IN_USE = "aspectstore.assets.inUse"


class AssetWrites(CatalogWrites):
    """Writes to the assets of one installation."""

    async def create_asset(
        self, tenant: TenantId, wire: AssetIn, asset_id: AssetId | None = None
    ) -> Kept[Asset]:
        """Create an asset, under a new id unless one is given (wire 4.1).

        Judged by what this door knows, which is a second old at most; read anew only before a refusal. A
        reading for each asset would repeat the log's last seconds, in which thousands may have been created.
        """
        asset_id = asset_id or AssetId(secrets.token_hex(16))
        try:
            new = self._new_asset(tenant, wire, asset_id)
        except ServiceError:
            await self._index.refresh()
            new = self._new_asset(tenant, wire, asset_id)
        kept, _ = await self._store_it(new, ASSET, None)
        return kept

    def _new_asset(self, tenant: TenantId, wire: AssetIn, asset_id: AssetId) -> Asset:
        index = self._index.of(tenant)
        demand_unlocked(index)
        zone = self._index.tenant(tenant).timezone
        new = asset_from(wire, asset_id, tenant, zone)
        refuse(_check_place(new, index))
        refuse(asset_rules.check_asset(new, ZONES) + _check_static(new, index))
        refuse(check_files(new.file_assignments, (), index))
        demand_room(index, self._index.profile_of(tenant), new.type_id)
        return _with_own_only(new, None, index)

    async def replace_asset(
        self, tenant: TenantId, asset_id: str, wire: AssetChange, wanted: Preconditions
    ) -> Kept[Asset]:
        """Change an asset; what cannot change is ignored (wire 4.2). NotFound if there is none."""
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        return await self._change(document, old, change_from(wire, old), index)

    async def patch_asset(
        self, tenant: TenantId, asset_id: str, patch: AssetPatch, wanted: Preconditions
    ) -> Kept[Asset]:
        """Change the members of an asset that a patch names; the rules are those of a PUT."""
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        return await self._change(document, old, change_from(asset_merged(patch, old), old), index)

    async def put_location(
        self, tenant: TenantId, asset_id: str, location: LocationWire | None, wanted: Preconditions
    ) -> Kept[Asset]:
        """Give an asset a location of its own, or with None take it away; NotFound if it has none."""
        await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        if location is None and old.location is None:
            raise NotFound("The asset has no location of its own.")
        own = None if location is None else location_from(location)
        if own is not None:
            problems = asset_rules.check_location(own)
            refuse([one._replace(pointer=one.pointer.removeprefix("/location")) for one in problems])
        kept, _ = await self._store_it(msgspec.structs.replace(old, location=own), ASSET, document)
        return kept

    async def assign_file(
        self, tenant: TenantId, asset_id: str, key: str, file_id: str | None, wanted: Preconditions
    ) -> Kept[Asset]:
        """Put a file under a key, or take it away with None; NotFound if it is not there."""
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        files = with_file(old.file_assignments, key, file_id, index)
        kept, _ = await self._store_it(msgspec.structs.replace(old, file_assignments=files), ASSET, document)
        return kept

    async def move_asset(
        self, tenant: TenantId, asset_id: str, parent_id: str, wanted: Preconditions
    ) -> Kept[Asset]:
        """Put an asset, with all below it, below another one (wire 4.1).

        Two moves at the same time could make a ring, each by itself being lawful. So the way to the root is
        walked once more in the store when the move is there; one that closed a ring is taken back.
        """
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        refuse(_check_move(old, parent_id, index))
        new = msgspec.structs.replace(old, parent_id=AssetId(parent_id))
        kept, _ = await self._store_it(new, ASSET, document)
        if await self._is_below_itself(new):
            await self._store_it(old, ASSET, dataclasses.replace(document, version=kept.version))
            raise PreconditionFailed("Another move crossed this one; read both assets again.")
        return kept

    async def assign_subtenant(
        self, tenant: TenantId, asset_id: str, subtenant: str | None, wanted: Preconditions
    ) -> Kept[Asset]:
        """Make an asset, with all below it, a subtenant's; with None it follows the asset above it again."""
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        if subtenant is not None and subtenant not in index.subtenants:
            refuse([Problem("/subTenant", codes.INVALID_BODY, "There is no such subtenant.")])
        kept, _ = await self._store_it(msgspec.structs.replace(old, sub_tenant=subtenant), ASSET, document)
        return kept

    async def delete_asset(self, tenant: TenantId, asset_id: str, wanted: Preconditions) -> None:
        """Stamp an asset as deleted: it and its series are not found any more (MS-08, wire 4.1).

        Its id is never used again, and what it had is erased after `erase_days` (`workers.eraser`). A child
        that another door makes in the same moment stays; it can be moved.
        """
        index = await self._open(tenant)
        document, old = await self._living(tenant, asset_id, wanted)
        if old.parent_id is None:
            raise Invalid([Problem("", IN_USE, "The root asset cannot be deleted.")])
        if index.children.get(asset_id):
            raise Invalid([Problem("", IN_USE, "The asset has children; move or delete them first.")])
        refuse([Problem("", IN_USE, lock.reason) for lock in index.locks_of(old)])
        new = msgspec.structs.replace(old, deleted_ms=self._clock.now_ms())
        await self._store_it(new, ASSET, document)

    async def _living(self, tenant: TenantId, asset_id: str, wanted: Preconditions) -> tuple[Document, Asset]:
        """Read an asset that is not deleted, in the version that If-Match names."""
        wanted.required()
        if asset_id in self._index.of(tenant).deleted_assets:
            raise NotFound(UNKNOWN[ASSET])
        return await self._present(tenant, ASSET, asset_id, wanted, Asset)

    async def _change(self, document: Document, old: Asset, new: Asset, index: TenantIndex) -> Kept[Asset]:
        refuse(asset_rules.check_asset(new, ZONES) + _check_static(new, index))
        refuse(check_files(new.file_assignments, old.file_assignments, index))
        kept, _ = await self._store_it(_with_own_only(new, old, index), ASSET, document)
        return kept

    async def _is_below_itself(self, moved: Asset) -> bool:
        above = moved.parent_id
        for _ in range(ASSET_DEPTH_MAX):
            if above is None:
                return False
            document = await self._store.get(moved.tenant, ASSET, above)
            if document is None or above == moved.id:
                return above == moved.id
            above = msgspec.json.decode(document.body, type=Asset).parent_id
        return True


def _check_place(new: Asset, index: TenantIndex) -> list[Problem]:
    """Check that type and parent exist and may be used."""
    problems = []
    kept = index.find_asset_type(new.type_id)
    if kept is None:
        problems.append(Problem("/typeId", codes.INVALID_BODY, "There is no such asset type."))
    elif not kept.value.instantiable:
        problems.append(Problem("/typeId", codes.INVALID_BODY, "The type is not instantiable."))
    parent = index.assets.get(new.parent_id or "")
    if parent is None:
        problems.append(Problem("/parentId", codes.INVALID_BODY, UNKNOWN[ASSET]))
    elif len(index.ancestors(parent.value)) + 1 > ASSET_DEPTH_MAX:
        problems.append(Problem("/parentId", codes.INVALID_BODY, _TOO_DEEP))
    return problems


_TOO_DEEP = f"An asset stands at most {ASSET_DEPTH_MAX} steps below the root."


def _check_move(old: Asset, parent_id: str, index: TenantIndex) -> list[Problem]:
    """Check that an asset may stand below another one: not the root, not below itself, not too deep."""
    at = "/newParentId"
    parent = index.assets.get(parent_id)
    if old.parent_id is None:
        return [Problem("", codes.INVALID_BODY, "The root asset cannot be moved.")]
    if parent is None:
        return [Problem(at, codes.INVALID_BODY, UNKNOWN[ASSET])]
    if any(above.id == old.id for above in index.upwards(parent.value)):
        return [Problem(at, codes.INVALID_BODY, "An asset cannot stand below itself.")]
    if len(index.ancestors(parent.value)) + 1 + index.height(old.id) > ASSET_DEPTH_MAX:
        return [Problem(at, codes.INVALID_BODY, _TOO_DEEP)]
    return []


def _check_static(new: Asset, index: TenantIndex) -> list[Problem]:
    """Check that static values belong to variables of the type, each given once."""
    problems = _check_names(new.variables, set(_defaults(new.type_id, index)), "/variables")
    static = _static_defaults(new.type_id, index)
    seen: set[str] = set()
    for place, aspect in enumerate(new.aspects):
        at = f"/aspects/{place}"
        if aspect.name in seen or aspect.name not in static:
            words = "is there twice" if aspect.name in seen else "is no static aspect of the type"
            problems.append(Problem(f"{at}/name", codes.INVALID_BODY, f"{aspect.name!r} {words}."))
        else:
            problems += _check_names(aspect.variables, set(static[aspect.name]), f"{at}/variables")
        seen.add(aspect.name)
    return problems


def _check_names(values: tuple[StaticValue, ...], known: set[str], at: str) -> list[Problem]:
    problems = []
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value.name in seen or value.name not in known:
            words = "is there twice" if value.name in seen else "is no variable here"
            problems.append(Problem(f"{at}/{place}/name", codes.INVALID_BODY, f"{value.name!r} {words}."))
        seen.add(value.name)
    return problems


def _defaults(type_id: str, index: TenantIndex) -> dict[str, str | None]:
    """Give the static variables of a type, inherited ones too, with their default values."""
    return {
        variable.name: variable.default_value
        for holder in index.chain(type_id)
        for variable in holder.variables
    }


def _static_defaults(type_id: str, index: TenantIndex) -> dict[str, dict[str, str | None]]:
    """Give the variables of each static aspect of a type with their default values."""
    return {
        held.aspect.name: {variable.name: variable.default_value for variable in held.type.variables}
        for held in index.aspects_of(type_id)
        if held.type.category == STATIC
    }


def _with_own_only(new: Asset, old: Asset | None, index: TenantIndex) -> Asset:
    """Leave out what a client sends back as it was shown and what is not the asset's own.

    That is the location of an ancestor, and default values of the type; so they still follow these when
    these change. What was the asset's own stays so, also where it is the same.
    """
    before = {aspect.name: aspect.variables for aspect in old.aspects} if old else {}
    static = _static_defaults(new.type_id, index) if new.aspects else {}
    aspects = (
        StaticAspect(
            name=aspect.name,
            variables=_own_values(aspect.variables, before.get(aspect.name, ()), static[aspect.name]),
        )
        for aspect in new.aspects
    )
    defaults = _defaults(new.type_id, index) if new.variables else {}
    return msgspec.structs.replace(
        new,
        location=_own_location(new, old, index),
        variables=_own_values(new.variables, old.variables if old else (), defaults),
        aspects=tuple(aspect for aspect in aspects if aspect.variables),
    )


def _own_values(
    values: Sequence[StaticValue], before: Sequence[StaticValue], defaults: Mapping[str, str | None]
) -> tuple[StaticValue, ...]:
    owned = {value.name for value in before}
    return tuple(
        value
        for value in values
        if value.value is not None and (value.name in owned or value.value != defaults[value.name])
    )


def _own_location(new: Asset, old: Asset | None, index: TenantIndex) -> Location | None:
    if old is None or old.location is not None or new.location is None:
        return new.location
    owner = location_owner(old, index)
    return None if owner is not None and owner.location == new.location else new.location
