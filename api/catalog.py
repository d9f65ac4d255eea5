"""What a write to the catalogue must satisfy beside the pure rules, and how it is stored: by compare-and-set.

The rules that need other things (does the parent exist, is the type in use) look at the index, brought up to
date first. The thing itself is read from the store, so that a precondition is judged on what is there.
"""

from __future__ import annotations

import secrets
import zoneinfo
from typing import Any, TypeVar

import msgspec

from api.catalog_index import ASPECT_TYPE, ASSET, ASSET_TYPE, CatalogIndex
from api.hal import Preconditions
from api.tenant_index import Kept, TenantIndex
from api.wire_assets import AssetChange, AssetIn, asset_from, change_from
from api.wire_types import AspectTypeIn, AssetTypeIn, aspect_type_from, aspects_from, asset_type_from
from schemas import aspects as aspect_rules
from schemas import assets as asset_rules
from schemas import codes
from schemas.aspects import STATIC, AspectType
from schemas.assets import Asset, AssetType, StaticValue
from schemas.errors import Invalid, NotFound, PreconditionFailed, Problem, ServiceError
from schemas.ids import CORE, AspectId, AssetId, TenantId
from storage.port import CatalogStore, Document

T = TypeVar("T", AspectType, AssetType, Asset)

ZONES = frozenset(zoneinfo.available_timezones())

TYPE_DEPTH_MAX = 30
"""Steps from a type to the root of its family; walked for every answer."""

ASSET_DEPTH_MAX = 100
"""Steps from an asset to the root; walked for every answer."""

IN_USE = "aspectstore.types.inUse"

_STALE = "The etag is not that of the present version; read it again."
_TAKEN = "There is one with this id already."


class Catalogue:
    """Writes to types and assets of one installation."""

    def __init__(self, store: CatalogStore, index: CatalogIndex) -> None:
        """Take the store and the index that is told of every write."""
        self._store = store
        self._index = index

    async def put_aspect_type(
        self, tenant: TenantId, type_id: str, wire: AspectTypeIn, wanted: Preconditions
    ) -> tuple[Kept[AspectType], bool]:
        """Create or change an aspect type; tells whether it was created (MS-06, wire 4.1)."""
        index = await self._present(tenant)
        document, old = await self._old(tenant, ASPECT_TYPE, type_id, wanted, AspectType)
        new = aspect_type_from(wire, type_id, tenant)
        problems = aspect_rules.check_aspect_type(new)
        problems += aspect_rules.check_change(old, new) if old else _check_name(new, index)
        _refuse(problems)
        return await self._store_it(aspect_rules.with_ids(new, old), ASPECT_TYPE, document)

    async def put_asset_type(
        self, tenant: TenantId, type_id: str, wire: AssetTypeIn, wanted: Preconditions
    ) -> tuple[Kept[AssetType], bool]:
        """Create or change an asset type; tells whether it was created (MS-07, wire 4.1)."""
        index = await self._present(tenant)
        document, old = await self._old(tenant, ASSET_TYPE, type_id, wanted, AssetType)
        new = asset_type_from(wire, type_id, tenant, aspects_from(wire, old, _new_aspect_id))
        _refuse(_check_type_references(wire, new, index))
        family = [*list(index.chain(new.parent_type_id or "")), *index.descendants(type_id)]
        problems = asset_rules.check_asset_type(new, family)
        _refuse(problems + (asset_rules.check_asset_type_change(old, new) if old else []))
        return await self._store_it(new, ASSET_TYPE, document)

    async def create_asset(self, tenant: TenantId, wire: AssetIn) -> Kept[Asset]:
        """Create an asset under a new id (wire 4.1).

        Judged by what this door knows, which is a second old at most; read anew only before a refusal. A
        reading for each asset would repeat the log's last seconds, in which thousands may have been created.
        """
        try:
            new = self._new_asset(tenant, wire)
        except ServiceError:
            await self._present(tenant)
            new = self._new_asset(tenant, wire)
        kept, _ = await self._store_it(new, ASSET, None)
        return kept

    def _new_asset(self, tenant: TenantId, wire: AssetIn) -> Asset:
        index = self._index.of(tenant)
        zone = self._index.tenant(tenant).timezone
        new = asset_from(wire, AssetId(secrets.token_hex(16)), tenant, zone)
        _refuse(_check_place(new, index))
        _refuse(asset_rules.check_asset(new, ZONES) + _check_static(new, index))
        return new

    async def replace_asset(
        self, tenant: TenantId, asset_id: str, wire: AssetChange, wanted: Preconditions
    ) -> Kept[Asset]:
        """Change an asset; what cannot change is ignored (wire 4.2). NotFound if there is none."""
        index = await self._present(tenant)
        wanted.required()
        document, old = await self._old(tenant, ASSET, asset_id, wanted, Asset)
        if old is None:
            raise NotFound("There is no such asset.")
        new = change_from(wire, old)
        _refuse(asset_rules.check_asset(new, ZONES) + _check_static(new, index))
        kept, _ = await self._store_it(new, ASSET, document)
        return kept

    async def remove_aspect_type(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> None:
        """Remove an aspect type that no asset type has (wire 4.1)."""
        index = await self._present(tenant)
        kept = index.aspect_type(type_id)
        users = [
            user.value.id
            for user in index.own_asset_types.values()
            if any(aspect.aspect_type_id == kept.value.id for aspect in user.value.aspects)
        ]
        await self._remove(kept, ASPECT_TYPE, wanted, users)

    async def remove_asset_type(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> None:
        """Remove an asset type without child types and assets (wire 4.1)."""
        index = await self._present(tenant)
        kept = index.asset_type(type_id)
        users = [child.id for child in index.descendants(kept.value.id)]
        users += [asset.value.id for asset in index.assets.values() if asset.value.type_id == kept.value.id]
        await self._remove(kept, ASSET_TYPE, wanted, users)

    async def _present(self, tenant: TenantId) -> TenantIndex:
        """Give the tenant's part of the index, with what other doors have written."""
        await self._index.refresh()
        return self._index.of(tenant)

    async def _old(
        self, tenant: TenantId, kind: str, thing_id: str, wanted: Preconditions, form: type[T]
    ) -> tuple[Document | None, T | None]:
        """Read what is there and hold the preconditions against it."""
        document = await self._store.get(tenant, kind, thing_id)
        if document is None:
            if wanted.version is not None:
                raise NotFound("There is nothing yet that If-Match could mean.")
            return None, None
        if wanted.absent:
            raise PreconditionFailed(_TAKEN)
        if wanted.required() != document.version:
            raise PreconditionFailed(_STALE)
        return document, msgspec.json.decode(document.body, type=form)

    async def _store_it(self, new: T, kind: str, over: Document | None) -> tuple[Kept[T], bool]:
        body = msgspec.json.encode(new)
        if over is None:
            stored = await self._store.create(new.tenant, kind, new.id, body)
        else:
            stored = await self._store.replace(new.tenant, kind, new.id, body, over.version)
        if stored is None:
            raise PreconditionFailed(_TAKEN if over is None else _STALE)
        self._index.wrote(stored)
        return Kept(new, stored.version), over is None

    async def _remove(self, kept: Kept[Any], kind: str, wanted: Preconditions, users: list[str]) -> None:
        thing = kept.value
        version = wanted.required()
        if thing.tenant == CORE:
            raise Invalid([Problem("", IN_USE, "Built-in types cannot be removed.")])
        if version != kept.version:
            raise PreconditionFailed(_STALE)
        if users:
            raise Invalid([Problem("", IN_USE, f"It is used by {', '.join(sorted(users)[:5])}.")])
        if not await self._store.remove(thing.tenant, kind, thing.id, version):
            raise PreconditionFailed(_STALE)
        self._index.removed(thing.tenant, kind, thing.id)


def _new_aspect_id() -> AspectId:
    return AspectId(secrets.token_hex(16))


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(problems)


def _check_name(new: AspectType, index: TenantIndex) -> list[Problem]:
    if any(kept.value.name == new.name for kept in index.own_aspect_types.values()):
        return [Problem("/name", codes.INVALID_BODY, "Another aspect type has this name; choose another.")]
    return []


def _check_type_references(wire: AssetTypeIn, new: AssetType, index: TenantIndex) -> list[Problem]:
    """Check that parent and aspect types exist."""
    problems = []
    depth = len(list(index.chain(new.parent_type_id or "")))
    if depth == 0 or new.parent_type_id == new.id:
        problems.append(Problem("/parentTypeId", codes.INVALID_BODY, "There is no such asset type."))
    elif depth >= TYPE_DEPTH_MAX:
        message = f"A type stands at most {TYPE_DEPTH_MAX} steps below the root of its family."
        problems.append(Problem("/parentTypeId", codes.INVALID_BODY, message))
    for place, aspect in enumerate(new.aspects):
        sent = wire.aspects[place]
        if sent.aspect_id and sent.aspect_id != aspect.aspect_id:
            message = "The type has no aspect with this id; leave it out for a new aspect."
            problems.append(Problem(f"/aspects/{place}/aspectId", codes.INVALID_BODY, message))
        elif index.find_aspect_type(aspect.aspect_type_id) is None:
            message = "There is no such aspect type."
            problems.append(Problem(f"/aspects/{place}/aspectTypeId", codes.INVALID_BODY, message))
    return problems


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
        problems.append(Problem("/parentId", codes.INVALID_BODY, "There is no such asset."))
    elif len(index.ancestors(parent.value)) + 1 >= ASSET_DEPTH_MAX:
        message = f"An asset stands at most {ASSET_DEPTH_MAX} steps below the root."
        problems.append(Problem("/parentId", codes.INVALID_BODY, message))
    return problems


def _check_static(new: Asset, index: TenantIndex) -> list[Problem]:
    """Check that static values belong to variables of the type, each given once."""
    known = {variable.name for holder in index.chain(new.type_id) for variable in holder.variables}
    problems = _check_names(new.variables, known, "/variables")
    static = {
        held.aspect.name: {variable.name for variable in held.type.variables}
        for held in index.aspects_of(new.type_id)
        if held.type.category == STATIC
    }
    seen: set[str] = set()
    for place, aspect in enumerate(new.aspects):
        at = f"/aspects/{place}"
        if aspect.name in seen or aspect.name not in static:
            words = "is there twice" if aspect.name in seen else "is no static aspect of the type"
            problems.append(Problem(f"{at}/name", codes.INVALID_BODY, f"{aspect.name!r} {words}."))
        else:
            problems += _check_names(aspect.variables, static[aspect.name], f"{at}/variables")
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
