"""Assets on the wire (wire 4.2, 4.3): absent values are explicit nulls, the root's parent is an empty one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from api.assets.wire_types import (
    BASE,
    FileAssignmentIn,
    FileAssignmentOut,
    SelfLink,
    Sharing,
    files_from,
    files_out,
)
from api.catalog.tenant_index import HeldAspect, Kept, TenantIndex, canonical
from api.http.hal import Link, Page
from schemas.aspects import STATIC, Variable, VariableType
from schemas.assets import Asset, Location, Lock, StaticAspect, StaticValue
from schemas.ids import AssetId
from schemas.times import format_time


class ValueIn(msgspec.Struct):
    """A static value as it is sent."""

    name: str
    value: str | None = None


class AspectIn(msgspec.Struct):
    """The static values of an aspect as they are sent."""

    name: str
    variables: list[ValueIn] = msgspec.field(default_factory=list)


class LocationWire(msgspec.Struct, rename="camel"):
    """Where an asset stands."""

    country: str | None = None
    region: str | None = None
    locality: str | None = None
    street_address: str | None = None
    postal_code: str | None = None
    longitude: float | None = None
    latitude: float | None = None


class AssetChange(msgspec.Struct, rename="camel"):
    """An asset as it is sent to replace another; what cannot change is ignored (wire 4.2)."""

    name: str
    external_id: str | None = None
    description: str | None = None
    location: LocationWire | None = None
    variables: list[ValueIn] | None = None
    aspects: list[AspectIn] | None = None
    file_assignments: list[FileAssignmentIn] | None = None
    """Left out: they stay as they are."""


class AssetIn(AssetChange, rename="camel", kw_only=True):
    """A new asset as it is sent."""

    type_id: str
    parent_id: str
    timezone: str | None = None
    twin_type: str | None = None


class Ancestor(msgspec.Struct, rename="camel"):
    """A step of the way from the root."""

    asset_id: str
    name: str


class AssetLinks(msgspec.Struct):
    """Where the parts of an asset are."""

    self: Link
    aspects: Link
    variables: Link
    location: Link
    children: Link
    parent: Link | UnsetType = UNSET


class LockOut(msgspec.Struct, rename="camel"):
    """Why an asset cannot be deleted."""

    id: str
    service: str
    reason: str
    reason_code: str
    links: SelfLink = msgspec.field(name="_links")


class AssetOut(msgspec.Struct, rename="camel", kw_only=True):
    """An asset; the members from `location` to `fileAssignments` are left out with `basicFieldsOnly`."""

    name: str
    external_id: str | None
    description: str | None
    location: LocationWire | UnsetType | None = UNSET
    variables: list[ValueIn] | UnsetType = UNSET
    aspects: list[AspectIn] | UnsetType = UNSET
    file_assignments: list[FileAssignmentOut] | UnsetType = UNSET
    type_id: str
    parent_id: str
    timezone: str
    twin_type: str
    tenant_id: str
    sub_tenant: str | None
    t2_tenant: str | None
    asset_id: str
    locks: list[LockOut]
    deleted: str | None
    sharing: Sharing
    etag: int
    hierarchy_path: list[Ancestor] | UnsetType = UNSET
    """Ancestors, root first; on single reads and writes."""
    links: AssetLinks = msgspec.field(name="_links")


class EmbeddedAssets(msgspec.Struct):
    """The things of the page."""

    assets: list[AssetOut]


class AssetList(msgspec.Struct):
    """A page of assets."""

    embedded: EmbeddedAssets = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


class AssetVariableOut(msgspec.Struct, rename="camel"):
    """A variable of an asset or of one of its aspects; static ones with their value."""

    name: str
    data_type: VariableType
    unit: str | None
    searchable: bool
    length: int | None
    default_value: str | None
    quality_code: bool | UnsetType = UNSET
    value: str | UnsetType | None = UNSET


class AspectLinks(msgspec.Struct, rename="camel"):
    """Where an aspect belongs."""

    self: Link
    asset: Link
    aspect_type: Link


class AssetAspectOut(msgspec.Struct, rename="camel"):
    """An aspect of an asset."""

    name: str
    aspect_type_id: str
    holder_asset_id: str
    aspect_id: str
    category: str
    description: str | None
    variables: list[AssetVariableOut]
    links: AspectLinks = msgspec.field(name="_links")


class EmbeddedVariables(msgspec.Struct):
    """The things of the page."""

    variables: list[AssetVariableOut]


class AssetVariableList(msgspec.Struct):
    """A page of an asset's variables."""

    embedded: EmbeddedVariables = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


class EmbeddedAspects(msgspec.Struct):
    """The things of the page."""

    aspects: list[AssetAspectOut]


class AssetAspectList(msgspec.Struct):
    """A page of an asset's aspects."""

    embedded: EmbeddedAspects = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


def asset_from(wire: AssetIn, asset_id: AssetId, tenant: str, zone: str) -> Asset:
    """Read a new asset; nothing is checked yet. `zone` is the tenant's, for an asset that names none."""
    return change_from(
        wire,
        Asset(
            id=asset_id,
            tenant=tenant,
            name=wire.name,
            type_id=canonical(wire.type_id),
            parent_id=AssetId(wire.parent_id),
            timezone=wire.timezone or zone,
            twin_type=wire.twin_type or "performance",
        ),
    )


def change_from(wire: AssetChange, old: Asset) -> Asset:
    """Read an asset that replaces another; nothing is checked yet."""
    return msgspec.structs.replace(
        old,
        name=wire.name,
        external_id=wire.external_id,
        description=wire.description,
        location=None if wire.location is None else location_from(wire.location),
        variables=_values(wire.variables or ()),
        aspects=tuple(
            StaticAspect(name=aspect.name, variables=_values(aspect.variables))
            for aspect in wire.aspects or ()
        ),
        file_assignments=files_from(wire.file_assignments, old.file_assignments),
    )


def location_from(wire: LocationWire) -> Location:
    """Read a location; nothing is checked yet."""
    return Location(**msgspec.structs.asdict(wire))


def location_out(location: Location) -> LocationWire:
    """Write a location."""
    return LocationWire(**msgspec.structs.asdict(location))


def asset_out(
    kept: Kept[Asset], index: TenantIndex, origin: str, *, single: bool = True, basic: bool = False
) -> AssetOut:
    """Write an asset; `single` with its way from the root, `basic` without its values."""
    asset, base = kept.value, f"{origin}{BASE}"
    owner = location_owner(asset, index)
    location = None if owner is None or owner.location is None else location_out(owner.location)
    return AssetOut(
        name=asset.name,
        external_id=asset.external_id,
        description=asset.description,
        location=UNSET if basic else location,
        variables=UNSET if basic else effective_values(asset, index),
        aspects=UNSET if basic else effective_aspects(asset, index),
        file_assignments=UNSET if basic else files_out(asset.file_assignments, base),
        type_id=asset.type_id,
        parent_id=asset.parent_id or "",
        timezone=asset.timezone,
        twin_type=asset.twin_type,
        tenant_id=asset.tenant,
        sub_tenant=index.subtenant_of(asset),
        t2_tenant=None,
        asset_id=asset.id,
        locks=[_lock_out(lock, f"{base}/assets/{asset.id}") for lock in index.locks_of(asset)],
        deleted=None if asset.deleted_ms is None else format_time(asset.deleted_ms),
        sharing=Sharing(),
        etag=kept.version,
        hierarchy_path=[Ancestor(above.id, above.name) for above in index.ancestors(asset)]
        if single
        else UNSET,
        links=_links(asset, owner or asset, base),
    )


def variables_out(asset: Asset, index: TenantIndex) -> list[AssetVariableOut]:
    """Write the static variables of an asset with their values."""
    own = {value.name: value.value for value in asset.variables}
    return [
        _variable_out(variable, value=own.get(variable.name) or variable.default_value)
        for variable in _type_variables(asset.type_id, index)
    ]


def aspects_out(asset: Asset, index: TenantIndex, origin: str) -> list[AssetAspectOut]:
    """Write the aspects of an asset; variables of static ones with their values."""
    return [_aspect_out(held, asset, f"{origin}{BASE}") for held in index.aspects_of(asset.type_id)]


def effective_values(asset: Asset, index: TenantIndex) -> list[ValueIn]:
    """List own values, else the defaults of the type (wire 4.2)."""
    return _effective(_type_variables(asset.type_id, index), asset.variables)


def effective_aspects(asset: Asset, index: TenantIndex) -> list[AspectIn]:
    """List the static aspects with own values, else defaults."""
    return [
        AspectIn(held.aspect.name, _effective(held.type.variables, _own(asset, held.aspect.name)))
        for held in index.aspects_of(asset.type_id)
        if held.type.category == STATIC
    ]


def _effective(variables: Iterable[Variable], own: Sequence[StaticValue]) -> list[ValueIn]:
    values = {value.name: value.value for value in own}
    return [
        ValueIn(variable.name, values.get(variable.name) or variable.default_value) for variable in variables
    ]


def _own(asset: Asset, aspect_name: str) -> Sequence[StaticValue]:
    return next((aspect.variables for aspect in asset.aspects if aspect.name == aspect_name), ())


def _type_variables(type_id: str, index: TenantIndex) -> Iterable[Variable]:
    return (variable for holder in index.chain(type_id) for variable in holder.variables)


def _values(wire: Sequence[ValueIn]) -> tuple[StaticValue, ...]:
    return tuple(StaticValue(name=sent.name, value=sent.value) for sent in wire)


def location_owner(asset: Asset, index: TenantIndex) -> Asset | None:
    """Find the nearest asset upwards, this one included, that has a location."""
    return next((above for above in index.upwards(asset) if above.location is not None), None)


def _lock_out(lock: Lock, own: str) -> LockOut:
    return LockOut(
        lock.id, lock.service, lock.reason, lock.reason_code, SelfLink(Link(f"{own}/locks/{lock.id}"))
    )


def _links(asset: Asset, owner: Asset, base: str) -> AssetLinks:
    own = f"{base}/assets/{asset.id}"
    return AssetLinks(
        self=Link(own),
        aspects=Link(f"{own}/aspects"),
        variables=Link(f"{own}/variables"),
        location=Link(f"{base}/assets/{owner.id}/location"),
        children=Link(f'{base}/assets?filter={{"parentId":"{asset.id}"}}'),
        parent=Link(f"{base}/assets/{asset.parent_id}") if asset.parent_id else UNSET,
    )


def _aspect_out(held: HeldAspect, asset: Asset, base: str) -> AssetAspectOut:
    static = held.type.category == STATIC
    own = {value.name: value.value for value in _own(asset, held.aspect.name)}
    return AssetAspectOut(
        name=held.aspect.name,
        aspect_type_id=held.type.id,
        holder_asset_id=asset.id,
        aspect_id=held.aspect.aspect_id,
        category=held.type.category,
        description=held.type.description or None,
        variables=[
            _variable_out(
                variable,
                quality_code=variable.quality_code,
                value=(own.get(variable.name) or variable.default_value) if static else UNSET,
            )
            for variable in held.type.variables
        ],
        links=AspectLinks(
            self=Link(f"{base}/assets/{asset.id}/aspects/{held.aspect.name}"),
            asset=Link(f"{base}/assets/{asset.id}"),
            aspect_type=Link(f"{base}/aspecttypes/{held.type.id}"),
        ),
    )


def _variable_out(
    variable: Variable, *, quality_code: bool | UnsetType = UNSET, value: str | UnsetType | None
) -> AssetVariableOut:
    return AssetVariableOut(
        name=variable.name,
        data_type=variable.type,
        unit=variable.unit or None,
        searchable=variable.searchable,
        length=variable.length,
        default_value=variable.default_value,
        quality_code=quality_code,
        value=value,
    )
