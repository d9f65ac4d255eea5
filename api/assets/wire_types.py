"""Aspect types and asset types on the wire (wire 4.2), and their way to and from the domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from api.catalog.tenant_index import HeldAspect, Kept, TenantIndex, canonical
from api.http.hal import Link, Page
from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import AssetType, FileAssignment, TypeAspect
from schemas.ids import AspectId

BASE = "/api/assetmanagement/v3"


class Sharing(msgspec.Struct):
    """SHARER: the tenant shares it with others; RECEIVER: others share it with the tenant (wire 4.6)."""

    modes: list[str] = msgspec.field(default_factory=list)


class SelfLink(msgspec.Struct):
    """Where a resource is."""

    self: Link


class TypeLinks(msgspec.Struct):
    """Where an asset type and its parent are."""

    self: Link
    parent: Link | UnsetType = UNSET


class OriginLink(msgspec.Struct):
    """The type from which something is inherited."""

    origin: Link


class VariableIn(msgspec.Struct, rename="camel"):
    """A variable's definition as it is sent; what a rule forbids is refused with its place."""

    name: str
    data_type: VariableType
    unit: str | None = None
    length: int | None = None
    default_value: str | None = None
    searchable: bool | None = None
    quality_code: bool | None = None


class AspectTypeIn(msgspec.Struct, rename="camel"):
    """An aspect type as it is sent; members that only the service sets are ignored."""

    name: str
    variables: list[VariableIn]
    category: str = "dynamic"
    scope: str = "private"
    description: str | None = None


class VariableOut(msgspec.Struct, rename="camel"):
    """A variable of an aspect type."""

    name: str
    data_type: VariableType
    unit: str | None
    searchable: bool
    length: int | None
    default_value: str | None
    quality_code: bool | UnsetType = UNSET
    """Variables of aspects only."""
    links: OriginLink | UnsetType = msgspec.field(default=UNSET, name="_links")
    """On inherited variables of asset types only."""


class AspectTypeOut(msgspec.Struct, rename="camel"):
    """An aspect type."""

    name: str
    category: str
    scope: str
    description: str
    variables: list[VariableOut]
    id: str
    tenant_id: str
    etag: int
    sharing: Sharing
    links: SelfLink = msgspec.field(name="_links")


class TypeAspectIn(msgspec.Struct, rename="camel"):
    """An aspect of an asset type as it is sent; with its `aspectId` to give it another name."""

    name: str
    aspect_type_id: str | UnsetType = UNSET
    aspect_id: str | UnsetType | None = UNSET


class FileAssignmentIn(msgspec.Struct, rename="camel"):
    """A file under a key, as it is sent."""

    key: str
    file_id: str


class FileLinks(msgspec.Struct):
    """Where a file is, and the type from which it is inherited."""

    download: Link
    metadata: Link
    origin: Link | UnsetType = UNSET


class FileAssignmentOut(msgspec.Struct, rename="camel"):
    """A file under a key."""

    key: str
    file_id: str
    links: FileLinks = msgspec.field(name="_links")


class AssetTypeIn(msgspec.Struct, rename="camel"):
    """An asset type as it is sent; members that only the service sets are ignored."""

    name: str
    parent_type_id: str
    description: str | None = None
    instantiable: bool = True
    scope: str = "private"
    aspects: list[TypeAspectIn] = msgspec.field(default_factory=list)
    variables: list[VariableIn] = msgspec.field(default_factory=list)
    file_assignments: list[FileAssignmentIn] | None = None
    """Left out: they stay as they are."""


class TypeAspectOut(msgspec.Struct, rename="camel"):
    """An aspect of an asset type, with the whole aspect type."""

    name: str
    aspect_id: str
    aspect_type: AspectTypeOut
    links: OriginLink | UnsetType = msgspec.field(default=UNSET, name="_links")
    """On inherited aspects only."""


class AssetTypeOut(msgspec.Struct, rename="camel"):
    """An asset type."""

    name: str
    description: str
    parent_type_id: str | None
    instantiable: bool
    scope: str
    aspects: list[TypeAspectOut]
    variables: list[VariableOut]
    file_assignments: list[FileAssignmentOut]
    id: str
    tenant_id: str
    etag: int
    sharing: Sharing
    links: TypeLinks = msgspec.field(name="_links")


class EmbeddedAspectTypes(msgspec.Struct, rename="camel"):
    """The things of the page."""

    aspect_types: list[AspectTypeOut]


class AspectTypeList(msgspec.Struct):
    """A page of aspect types."""

    embedded: EmbeddedAspectTypes = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


class EmbeddedAssetTypes(msgspec.Struct, rename="camel"):
    """The things of the page."""

    asset_types: list[AssetTypeOut]


class AssetTypeList(msgspec.Struct):
    """A page of asset types."""

    embedded: EmbeddedAssetTypes = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


def aspect_type_from(wire: AspectTypeIn, type_id: str, tenant: str) -> AspectType:
    """Read an aspect type; nothing is checked yet."""
    return AspectType(
        id=type_id,
        tenant=tenant,
        name=wire.name,
        category=wire.category.lower(),
        scope=wire.scope.lower(),
        description=wire.description or "",
        variables=_variables(wire.variables),
    )


def asset_type_from(
    wire: AssetTypeIn, type_id: str, tenant: str, aspects: Sequence[TypeAspect], old: AssetType | None
) -> AssetType:
    """Read an asset type whose aspects have got their ids; nothing else is checked yet."""
    files = old.file_assignments if old else ()
    return AssetType(
        id=type_id,
        tenant=tenant,
        name=wire.name,
        parent_type_id=canonical(wire.parent_type_id),
        description=wire.description or "",
        scope=wire.scope.lower(),
        instantiable=wire.instantiable,
        aspects=tuple(aspects),
        variables=_variables(wire.variables),
        file_assignments=files_from(wire.file_assignments, files),
    )


def aspects_from(
    wire: AssetTypeIn, old: AssetType | None, new_id: Callable[[], AspectId]
) -> list[TypeAspect]:
    """Give the aspects their ids: by the id that is sent, else by name, else a new one.

    An aspect that is known by its id keeps its type where none is sent.
    """
    by_id = {aspect.aspect_id: aspect for aspect in old.aspects} if old else {}
    by_name = {aspect.name: aspect for aspect in old.aspects} if old else {}
    aspects = []
    for sent in wire.aspects:
        known = by_id.get(AspectId(sent.aspect_id)) if sent.aspect_id else by_name.get(sent.name)
        sent_type = canonical(sent.aspect_type_id) if sent.aspect_type_id is not UNSET else ""
        aspects.append(
            TypeAspect(
                name=sent.name,
                aspect_type_id=sent_type or (known.aspect_type_id if known else ""),
                aspect_id=known.aspect_id if known else new_id(),
            )
        )
    return aspects


def aspect_type_out(kept: Kept[AspectType], origin: str) -> AspectTypeOut:
    """Write an aspect type."""
    found = kept.value
    return AspectTypeOut(
        name=found.name,
        category=found.category,
        scope=found.scope,
        description=found.description,
        variables=[
            _variable_out(variable, quality_code=variable.quality_code) for variable in found.variables
        ],
        id=found.id,
        tenant_id=found.tenant,
        etag=kept.version,
        sharing=Sharing(),
        links=SelfLink(Link(f"{origin}{BASE}/aspecttypes/{found.id}")),
    )


def asset_type_out(kept: Kept[AssetType], index: TenantIndex, origin: str, *, exploded: bool) -> AssetTypeOut:
    """Write an asset type; `exploded` with everything inherited (wire 4.2)."""
    found = kept.value
    holders = list(index.chain(found.id)) if exploded else [found]
    held = [aspect for aspect in index.aspects_of(found.id) if exploded or aspect.holder.id == found.id]
    return AssetTypeOut(
        name=found.name,
        description=found.description,
        parent_type_id=found.parent_type_id,
        instantiable=found.instantiable,
        scope=found.scope,
        aspects=[_aspect_out(aspect, index, found.id, origin) for aspect in held],
        variables=[
            _variable_out(variable, origin=_origin(holder.id, found.id, origin))
            for holder in holders
            for variable in holder.variables
        ],
        file_assignments=_files_out(holders, found.id, f"{origin}{BASE}"),
        id=found.id,
        tenant_id=found.tenant,
        etag=kept.version,
        sharing=Sharing(),
        links=TypeLinks(
            Link(f"{origin}{BASE}/assettypes/{found.id}"),
            Link(f"{origin}{BASE}/assettypes/{found.parent_type_id}") if found.parent_type_id else UNSET,
        ),
    )


def files_from(
    wire: Sequence[FileAssignmentIn] | None, kept: tuple[FileAssignment, ...]
) -> tuple[FileAssignment, ...]:
    """Read file assignments; nothing is checked yet. None: those that there are."""
    if wire is None:
        return kept
    return tuple(FileAssignment(key=sent.key, file_id=sent.file_id) for sent in wire)


def files_out(
    assignments: Sequence[FileAssignment], base: str, origin: Link | UnsetType = UNSET
) -> list[FileAssignmentOut]:
    """Write file assignments, of this thing or inherited from where `origin` leads."""
    return [
        FileAssignmentOut(
            assignment.key,
            assignment.file_id,
            FileLinks(
                Link(f"{base}/files/{assignment.file_id}/file"),
                Link(f"{base}/files/{assignment.file_id}"),
                origin,
            ),
        )
        for assignment in assignments
    ]


def _files_out(holders: Sequence[AssetType], type_id: str, base: str) -> list[FileAssignmentOut]:
    """Write the files of a type and of those above it; a key that stands below hides one above."""
    found: dict[str, FileAssignmentOut] = {}
    for holder in holders:
        origin = UNSET if holder.id == type_id else Link(f"{base}/assettypes/{holder.id}")
        for file in files_out(holder.file_assignments, base, origin):
            found.setdefault(file.key, file)
    return list(found.values())


def _variables(wire: Sequence[VariableIn]) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            name=sent.name,
            type=sent.data_type,
            unit=sent.unit or "",
            length=sent.length,
            quality_code=bool(sent.quality_code),
            default_value=sent.default_value,
            searchable=bool(sent.searchable),
        )
        for sent in wire
    )


def _variable_out(
    variable: Variable, *, quality_code: bool | UnsetType = UNSET, origin: OriginLink | UnsetType = UNSET
) -> VariableOut:
    return VariableOut(
        name=variable.name,
        data_type=variable.type,
        unit=variable.unit or None,
        searchable=variable.searchable,
        length=variable.length,
        default_value=variable.default_value,
        quality_code=quality_code,
        links=origin,
    )


def _aspect_out(held: HeldAspect, index: TenantIndex, type_id: str, origin: str) -> TypeAspectOut:
    return TypeAspectOut(
        name=held.aspect.name,
        aspect_id=held.aspect.aspect_id,
        aspect_type=aspect_type_out(index.aspect_type(held.type.id), origin),
        links=_origin(held.holder.id, type_id, origin),
    )


def _origin(holder_id: str, type_id: str, origin: str) -> OriginLink | UnsetType:
    if holder_id == type_id:
        return UNSET
    return OriginLink(Link(f"{origin}{BASE}/assettypes/{holder_id}"))
