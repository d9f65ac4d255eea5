"""One tenant's types and assets in memory: look-ups that a request can afford, and what follows from them.

Holds no rule about what may be written and does no I/O; `catalog_index` feeds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from api.catalog.mapping_index import MappingIndex
from api.catalog.name_order import NameOrder
from api.catalog.sensor_index import KeptSensors
from api.catalog.stream_index import KeptStream
from api.http.filters import Table
from api.identity.accounts import Standing
from schemas.agents import Agent, Boarding, BoardingStatus
from schemas.aspects import DYNAMIC, AspectType
from schemas.assets import Asset, AssetType, Lock, ModelLock, TypeAspect
from schemas.builtin import CORE_ASPECT_TYPES, CORE_ASSET_TYPES, CORE_PREFIX
from schemas.diagnostics import Activation
from schemas.errors import NotFound
from schemas.exporting.schedules import ExportSchedule
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from schemas.lineprotocol.inlets import Inlet
from schemas.mappings import FedAspect
from schemas.model_files import ModelFile
from schemas.quarantine import Quarantined
from schemas.shares import Share
from schemas.subtenants import Subtenant

T = TypeVar(
    "T", AspectType, AssetType, Asset, ModelLock, Standing, Share, Subtenant, ModelFile, Agent, Boarding,
    Quarantined, Activation, Inlet, ExportSchedule,
)  # fmt: skip

ASSET_DEPTH_MAX = 100
"""Steps from an asset to the root; walked for every answer, and never further."""


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
        """Those that are not deleted: nothing else of this index knows a deleted one."""
        self.deleted_assets: dict[str, Kept[Asset]] = {}
        self.assets_of_types: Counter[str] = Counter()
        """type id → how many assets are of it, those of types below left out."""
        self.children: dict[str, set[str]] = {}
        self.model_lock: Kept[ModelLock] = Kept(ModelLock(), -1)
        self.subtenants: dict[str, Kept[Subtenant]] = {}
        self.subtenant_assets: dict[str, set[str]] = {}
        """subtenant → the assets that it is given; all below them are its own, too."""
        self.shares: dict[str, Kept[Share]] = {}
        """What the tenant has given to others, or to parts of itself."""
        self.model_files: dict[str, Kept[ModelFile]] = {}
        self.asset_tables: dict[bool, Table[Kept[Asset]]] = {}
        """What lists look in, without and with deleted assets: made as they are asked for, dropped when
        something changes."""
        self.clients: dict[str, Kept[Standing]] = {}
        self.users: dict[str, Kept[Standing]] = {}
        """Who logs in, by id and by name, deleted ones too while tokens of theirs may be about."""
        self.agents: dict[str, Kept[Agent]] = {}
        self.boardings: dict[str, Kept[Boarding]] = {}
        """agent id → how far it is on its way in; those of which nobody has asked yet have none."""
        self.mappings = MappingIndex(self.find_fed_aspect)
        self._fed_aspects: dict[tuple[str, AspectId], FedAspect | None] = {}
        """asset type, aspect → what mappings feed there: as `series` below."""
        self.quarantined: dict[str, Kept[Quarantined]] = {}
        self.activations: dict[str, Kept[Activation]] = {}
        """agent id → that somebody watches it."""
        self.streams: dict[str, KeptStream] = {}
        self.inlets: dict[str, Kept[Inlet]] = {}
        self.export_schedules: dict[str, Kept[ExportSchedule]] = {}
        self.sensors: dict[str, KeptSensors] = {}
        """asset id → what is known of its sensors."""
        self.names = NameOrder()
        self.external_ids: dict[str, tuple[str, ...]] = {}
        """external id → the assets that have it, mostly one."""
        self.series: dict[str, dict[str, tuple[SeriesId, AspectType]]] = {}
        """asset id → aspect name → series: filled as it is asked for, dropped when something changes."""

    # What is fed.

    def put_aspect_type(self, kept: Kept[AspectType]) -> None:
        """Take in a new or changed aspect type."""
        self.own_aspect_types[kept.value.id] = kept
        self._types_changed()

    def put_asset_type(self, kept: Kept[AssetType]) -> None:
        """Take in a new or changed asset type."""
        self.own_asset_types[kept.value.id] = kept
        self._types_changed()
        self.asset_tables.clear()

    def put_asset(self, kept: Kept[Asset]) -> None:
        """Take in a new, changed or deleted asset."""
        asset = kept.value
        self.drop_asset(asset.id)
        if asset.deleted_ms is not None:
            self.deleted_assets[asset.id] = kept
            return
        self.assets[asset.id] = kept
        self.assets_of_types[canonical(asset.type_id)] += 1
        self.names.add((asset.name, asset.id))
        if asset.external_id:
            known = self.external_ids.get(asset.external_id, ())
            self.external_ids[asset.external_id] = (*known, asset.id)
        if asset.parent_id is not None:
            self.children.setdefault(asset.parent_id, set()).add(asset.id)
        if asset.sub_tenant is not None:
            self.subtenant_assets.setdefault(asset.sub_tenant, set()).add(asset.id)

    def put_model_lock(self, kept: Kept[ModelLock]) -> None:
        """Take in whether the model may be changed."""
        self.model_lock = kept

    def put_subtenant(self, kept: Kept[Subtenant]) -> None:
        """Take in a new or changed subtenant."""
        self.subtenants[kept.value.id] = kept

    def put_share(self, kept: Kept[Share]) -> None:
        """Take in a new or changed share."""
        self.shares[kept.value.id] = kept

    def put_model_file(self, kept: Kept[ModelFile]) -> None:
        """Take in a new or changed file of asset management."""
        self.model_files[kept.value.id] = kept

    def put_agent(self, kept: Kept[Agent]) -> None:
        """Take in a new or changed agent."""
        self.agents[kept.value.id] = kept

    def drop_agent(self, agent_id: str) -> None:
        """Forget an agent."""
        self.agents.pop(agent_id, None)

    def drop_boarding(self, agent_id: str) -> None:
        """Forget how far an agent is on its way in."""
        self.boardings.pop(agent_id, None)

    def drop_model_file(self, file_id: str) -> None:
        """Forget a file of asset management."""
        self.model_files.pop(file_id, None)

    def drop_aspect_type(self, type_id: str) -> None:
        """Forget an aspect type."""
        self.own_aspect_types.pop(type_id, None)
        self._types_changed()

    def drop_asset_type(self, type_id: str) -> None:
        """Forget an asset type."""
        self.own_asset_types.pop(type_id, None)
        self._types_changed()
        self.asset_tables.clear()

    def drop_asset(self, asset_id: str) -> None:
        """Forget an asset; its children stay."""
        kept = self.assets.pop(asset_id, None)
        self.deleted_assets.pop(asset_id, None)
        self.series.pop(asset_id, None)
        self.mappings.asset_changed(asset_id)
        self.asset_tables.clear()
        if kept is None:
            return
        self.assets_of_types[canonical(kept.value.type_id)] -= 1
        self.names.discard((kept.value.name, asset_id))
        if kept.value.external_id:
            left = tuple(one for one in self.external_ids.pop(kept.value.external_id) if one != asset_id)
            if left:
                self.external_ids[kept.value.external_id] = left
        if kept.value.parent_id in self.children:
            self.children[kept.value.parent_id].discard(asset_id)
        if kept.value.sub_tenant in self.subtenant_assets:
            self.subtenant_assets[kept.value.sub_tenant].discard(asset_id)

    def drop_subtenant(self, subtenant_id: str) -> None:
        """Forget a subtenant."""
        self.subtenants.pop(subtenant_id, None)

    def drop_share(self, share_id: str) -> None:
        """Forget a share."""
        self.shares.pop(share_id, None)

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
        """Give an asset; NotFound for an unknown, a deleted and a foreign one alike (MS-31)."""
        kept = self.assets.get(asset_id)
        if kept is None:
            raise NotFound("There is no such asset.")
        return kept

    def model_file(self, file_id: str) -> Kept[ModelFile]:
        """Give a file of asset management; NotFound if there is none."""
        kept = self.model_files.get(file_id)
        if kept is None:
            raise NotFound("There is no such file.")
        return kept

    def agent(self, agent_id: str) -> Kept[Agent]:
        """Give an agent; NotFound if there is none, or its asset is gone."""
        kept = self.agents.get(agent_id)
        if kept is None or agent_id not in self.assets:
            raise NotFound("There is no such agent.")
        return kept

    def locks_of(self, asset: Asset) -> tuple[Lock, ...]:
        """Give what keeps an asset from being deleted: its own locks, and its agent while it is onboarded."""
        boarding = self.boardings.get(asset.id)
        if boarding is None or boarding.value.status is not BoardingStatus.ONBOARDED:
            return asset.locks
        return (*asset.locks, boarding.value.lock)

    def assigned_files(self) -> set[str]:
        """Give the ids of all files that assets, which are not deleted, and types refer to."""
        of_assets = (kept.value.file_assignments for kept in self.assets.values())
        of_types = (kept.value.file_assignments for kept in self.own_asset_types.values())
        return {file.file_id for files in (*of_assets, *of_types) for file in files}

    def assets_by_name(self) -> list[Kept[Asset]]:
        """List the assets by name, then id."""
        return [self.assets[asset_id] for _, asset_id in self.names.ordered()]

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

    def upwards(self, asset: Asset) -> Iterator[Asset]:
        """Walk from an asset to the root; ends at a parent that is gone.

        And after `ASSET_DEPTH_MAX` steps: two moves that crossed each other could make a ring.
        """
        yield asset
        for _ in range(ASSET_DEPTH_MAX):
            kept = self.assets.get(asset.parent_id or "")
            if kept is None:
                return
            asset = kept.value
            yield asset

    def ancestors(self, asset: Asset) -> list[Asset]:
        """List the assets above one, root first."""
        _, *above = self.upwards(asset)
        above.reverse()
        return above

    def subtenant_of(self, asset: Asset) -> str | None:
        """Give the subtenant to which an asset belongs: its own, else that of the nearest above."""
        if not self.subtenant_assets:
            return asset.sub_tenant
        return next((above.sub_tenant for above in self.upwards(asset) if above.sub_tenant is not None), None)

    def is_of(self, asset: Asset, subtenant: str) -> bool:
        """Tell whether an asset, or one above it, is given to a subtenant."""
        return any(above.sub_tenant == subtenant for above in self.upwards(asset))

    def subtree(self, tops: Iterable[str]) -> set[str]:
        """Give the ids of these assets, as far as they are there, and of all below them."""
        found = {asset_id for asset_id in tops if asset_id in self.assets}
        level = set(found)
        while level := {child for above in level for child in self.children.get(above, ())} - found:
            found |= level
        return found

    def height(self, asset_id: str) -> int:
        """Give the steps from an asset down to the deepest one below it."""
        level, known, steps = {asset_id}, {asset_id}, 0
        while level := {child for above in level for child in self.children.get(above, ())} - known:
            known |= level
            steps += 1
        return steps

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

    def find_fed_aspect(self, asset_id: AssetId, aspect_id: AspectId) -> FedAspect | None:
        """Find a dynamic aspect of an asset by its id, whatever it is called now."""
        kept = self.assets.get(asset_id)
        if kept is None:
            return None
        place = (kept.value.type_id, aspect_id)
        if place not in self._fed_aspects:
            self._fed_aspects[place] = next(
                (
                    FedAspect.of(held.aspect.name, held.type)
                    for held in self.aspects_of(kept.value.type_id)
                    if held.aspect.aspect_id == aspect_id and held.type.category == DYNAMIC
                ),
                None,
            )
        return self._fed_aspects[place]

    def _types_changed(self) -> None:
        """Drop what follows from types."""
        self.series.clear()
        self._fed_aspects.clear()
        self.mappings.types_changed()

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
