"""One tenant's types and assets in memory: look-ups that a request can afford, and what follows from them.

Holds no rule about what may be written and does no I/O; `catalog_index` feeds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from schemas.aspects import DYNAMIC, AspectType
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.builtin import CORE_ASPECT_TYPES, CORE_ASSET_TYPES, CORE_PREFIX
from schemas.errors import NotFound
from schemas.ids import AssetId, SeriesId, TenantId

T = TypeVar("T", AspectType, AssetType, Asset)


class Kept(NamedTuple, Generic[T]):
    """A thing of the catalogue and its row version, which is its ETag."""

    value: T
    version: int


class HeldAspect(NamedTuple):
    """An aspect of an asset or type: its name there, where it comes from, and its type."""

    aspect: TypeAspect
    holder: AssetType
    type: AspectType


_CORE_ASPECT_TYPES = {kept.id: Kept(kept, 0) for kept in CORE_ASPECT_TYPES.values()}
_CORE_ASSET_TYPES = {kept.id: Kept(kept, 0) for kept in CORE_ASSET_TYPES.values()}


class TenantIndex:
    """What one tenant has, and the built-in types beside it."""

    def __init__(self, tenant: TenantId) -> None:
        """Start empty."""
        self.tenant = tenant
        self.own_aspect_types: dict[str, Kept[AspectType]] = {}
        self.own_asset_types: dict[str, Kept[AssetType]] = {}
        self.assets: dict[str, Kept[Asset]] = {}
        self.children: dict[str, set[str]] = {}
        self.series: dict[str, dict[str, tuple[SeriesId, AspectType]]] = {}
        """asset id → aspect name → series: filled as it is asked for, dropped when something changes."""

    # What is fed.

    def put_aspect_type(self, kept: Kept[AspectType]) -> None:
        """Take in a new or changed aspect type."""
        self.own_aspect_types[kept.value.id] = kept
        self.series.clear()

    def put_asset_type(self, kept: Kept[AssetType]) -> None:
        """Take in a new or changed asset type."""
        self.own_asset_types[kept.value.id] = kept
        self.series.clear()

    def put_asset(self, kept: Kept[Asset]) -> None:
        """Take in a new or changed asset."""
        self.drop_asset(kept.value.id)
        self.assets[kept.value.id] = kept
        if kept.value.parent_id is not None:
            self.children.setdefault(kept.value.parent_id, set()).add(kept.value.id)

    def drop_aspect_type(self, type_id: str) -> None:
        """Forget an aspect type."""
        self.own_aspect_types.pop(type_id, None)
        self.series.clear()

    def drop_asset_type(self, type_id: str) -> None:
        """Forget an asset type."""
        self.own_asset_types.pop(type_id, None)
        self.series.clear()

    def drop_asset(self, asset_id: str) -> None:
        """Forget an asset; its children stay."""
        kept = self.assets.pop(asset_id, None)
        self.series.pop(asset_id, None)
        if kept is not None and kept.value.parent_id in self.children:
            self.children[kept.value.parent_id].discard(asset_id)

    # What is asked.

    @property
    def aspect_types(self) -> Mapping[str, Kept[AspectType]]:
        """Give own and built-in aspect types by id."""
        return {**_CORE_ASPECT_TYPES, **self.own_aspect_types}

    @property
    def asset_types(self) -> Mapping[str, Kept[AssetType]]:
        """Give own and built-in asset types by id."""
        return {**_CORE_ASSET_TYPES, **self.own_asset_types}

    def find_aspect_type(self, type_id: str) -> Kept[AspectType] | None:
        """Find an aspect type; ids of built-in ones in any case."""
        return _CORE_ASPECT_TYPES.get(_core(type_id)) or self.own_aspect_types.get(type_id)

    def find_asset_type(self, type_id: str) -> Kept[AssetType] | None:
        """Find an asset type; ids of built-in ones in any case (wire 4.5)."""
        return _CORE_ASSET_TYPES.get(_core(type_id)) or self.own_asset_types.get(type_id)

    def aspect_type(self, type_id: str) -> Kept[AspectType]:
        """Give an aspect type; NotFound if there is none."""
        kept = self.find_aspect_type(type_id)
        if kept is None:
            raise NotFound("There is no such aspect type.")
        return kept

    def asset_type(self, type_id: str) -> Kept[AssetType]:
        """Give an asset type; NotFound if there is none."""
        kept = self.find_asset_type(type_id)
        if kept is None:
            raise NotFound("There is no such asset type.")
        return kept

    def asset(self, asset_id: str) -> Kept[Asset]:
        """Give an asset; NotFound for an unknown and a foreign one alike (MS-31)."""
        kept = self.assets.get(asset_id)
        if kept is None:
            raise NotFound("There is no such asset.")
        return kept

    def chain(self, type_id: str) -> Iterator[AssetType]:
        """Walk from a type to the root of its family; ends at a type that is gone."""
        kept = self.find_asset_type(type_id)
        while kept is not None:
            yield kept.value
            parent = kept.value.parent_type_id
            kept = self.find_asset_type(parent) if parent is not None else None

    def aspects_of(self, type_id: str) -> Iterator[HeldAspect]:
        """Walk the aspects of a type, inherited ones after its own; the types of all exist."""
        for holder in self.chain(type_id):
            for aspect in holder.aspects:
                kept = self.find_aspect_type(aspect.aspect_type_id)
                if kept is not None:
                    yield HeldAspect(aspect, holder, kept.value)

    def ancestors(self, asset: Asset) -> list[Asset]:
        """List the assets above one, root first."""
        above: list[Asset] = []
        parent_id = asset.parent_id
        while parent_id is not None and (kept := self.assets.get(parent_id)) is not None:
            above.append(kept.value)
            parent_id = kept.value.parent_id
        above.reverse()
        return above

    def descendants(self, type_id: str) -> Iterator[AssetType]:
        """Walk the own types that descend from a type."""
        for kept in self.own_asset_types.values():
            ids = [ancestor.id for ancestor in self.chain(kept.value.id)]
            if type_id in ids[1:]:
                yield kept.value

    def series_of(self, asset_id: str, aspect_name: str) -> tuple[SeriesId, AspectType]:
        """Give the series of an asset's dynamic aspect and its type; NotFound for anything else."""
        try:
            return self.series[asset_id][aspect_name]
        except KeyError:
            return self._find_series(asset_id, aspect_name)

    def _find_series(self, asset_id: str, aspect_name: str) -> tuple[SeriesId, AspectType]:
        asset = self.asset(asset_id).value
        for held in self.aspects_of(asset.type_id):
            if held.aspect.name == aspect_name and held.type.category == DYNAMIC:
                found = (SeriesId(self.tenant, AssetId(asset_id), held.aspect.aspect_id), held.type)
                self.series.setdefault(asset_id, {})[aspect_name] = found
                return found
        raise NotFound("There is no such aspect with time series.")


def canonical(type_id: str) -> str:
    """Write the id of a built-in type as it is stored; any other id as it is."""
    return _core(type_id) or type_id


def _core(type_id: str) -> str:
    lowered = type_id.lower()
    return lowered if lowered.startswith(CORE_PREFIX) else ""
