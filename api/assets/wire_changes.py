"""Changes on the wire: merge-patches (RFC 7396), moves, single file assignments, previews (wire 4.1, TB-77).

A patch names the members that change; lists are replaced whole, and null takes a member away where there may
be none. Members that only the service sets are ignored, as they are in whole resources.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from api.assets.wire import AspectIn, AssetChange, LocationWire, ValueIn, location_out
from api.assets.wire_types import AspectTypeIn, AssetTypeIn, FileAssignmentIn, TypeAspectIn, VariableIn
from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import Asset, AssetType, FileAssignment, StaticValue

S = TypeVar("S", bound=msgspec.Struct)


class VariablePatch(msgspec.Struct, rename="camel"):
    """What changes in a variable; all of it for a new one, which needs its `dataType`."""

    name: str | UnsetType = UNSET
    data_type: VariableType | UnsetType = UNSET
    unit: str | UnsetType | None = UNSET
    length: int | UnsetType | None = UNSET
    default_value: str | UnsetType | None = UNSET
    searchable: bool | UnsetType | None = UNSET
    quality_code: bool | UnsetType | None = UNSET


class StaticVariablePatch(msgspec.Struct, rename="camel"):
    """What changes in a static variable of an asset type."""

    name: str | UnsetType = UNSET
    unit: str | UnsetType | None = UNSET
    length: int | UnsetType | None = UNSET
    default_value: str | UnsetType | None = UNSET


class AspectTypePatch(msgspec.Struct, rename="camel"):
    """What changes in an aspect type."""

    name: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    variables: list[VariableIn] | UnsetType = UNSET


class AssetTypePatch(msgspec.Struct, rename="camel"):
    """What changes in an asset type."""

    name: str | UnsetType = UNSET
    parent_type_id: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    instantiable: bool | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    aspects: list[TypeAspectIn] | UnsetType = UNSET
    variables: list[VariableIn] | UnsetType = UNSET
    file_assignments: list[FileAssignmentIn] | UnsetType = UNSET


class LocationPatch(msgspec.Struct, rename="camel"):
    """What changes in a location."""

    country: str | UnsetType | None = UNSET
    region: str | UnsetType | None = UNSET
    locality: str | UnsetType | None = UNSET
    street_address: str | UnsetType | None = UNSET
    postal_code: str | UnsetType | None = UNSET
    longitude: float | UnsetType | None = UNSET
    latitude: float | UnsetType | None = UNSET


class AssetPatch(msgspec.Struct, rename="camel"):
    """What changes in an asset."""

    name: str | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    location: LocationPatch | UnsetType | None = UNSET
    variables: list[ValueIn] | UnsetType | None = UNSET
    aspects: list[AspectIn] | UnsetType | None = UNSET
    file_assignments: list[FileAssignmentIn] | UnsetType = UNSET


class Move(msgspec.Struct, rename="camel"):
    """Where an asset goes."""

    new_parent_id: str


class AssignedFile(msgspec.Struct, rename="camel"):
    """The file that is put under a key."""

    file_id: str


class ModelLockOut(msgspec.Struct):
    """Whether types and assets are locked."""

    enabled: bool
    jobs: list[str] = msgspec.field(default_factory=list)
    """Imports that hold the lock; none does, as imports bring records and no model."""


class ChangedVariable(msgspec.Struct):
    """What happens to one variable, and to what is stored of it."""

    variable: str
    effect: str
    """`added`, `removed`, `renamed`, `widened`, `lengthened` or `unitChanged`."""
    name: str | None
    """Its name afterwards; null where it is gone."""
    stored: str
    """What becomes of stored values, for people."""


class Hindrance(msgspec.Struct):
    """Why a change would be refused."""

    pointer: str
    code: str
    message: str


class TypeChangePreview(msgspec.Struct, rename="camel"):
    """What a change of an aspect type would do."""

    etag: int
    """The version that was looked at."""
    allowed: bool
    problems: list[Hindrance]
    changes: list[ChangedVariable]
    """Empty where the change would be refused."""
    asset_types: list[str]
    """Types that have the aspect themselves; those below inherit it."""
    assets: int
    """Assets that have the aspect."""
    series: int
    """Series with records of this type, or places for static values; an asset may have several."""


def merged(patch: msgspec.Struct, over: S) -> S:
    """Lay the members that a patch has over a whole one."""
    return msgspec.structs.replace(over, **members_of(patch))


def members_of(patch: msgspec.Struct) -> dict[str, Any]:
    """Give what a patch has, by our names."""
    found = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return {name: value for name, value in found.items() if value is not UNSET}


def variable_members(patch: VariablePatch | StaticVariablePatch) -> dict[str, Any]:
    """Give the members of a variable that a patch changes; null is what stands where nothing is given."""
    found = members_of(patch)
    if "data_type" in found:
        found["type"] = found.pop("data_type")
    empty = {"unit": "", "searchable": False, "quality_code": False}
    return {name: empty.get(name) if value is None else value for name, value in found.items()}


def asset_merged(patch: AssetPatch, old: Asset) -> AssetChange:
    """Give the whole change of an asset that a patch means."""
    change = AssetChange(
        name=old.name,
        external_id=old.external_id,
        description=old.description,
        location=None if old.location is None else location_out(old.location),
        variables=_values_in(old.variables),
        aspects=[AspectIn(aspect.name, _values_in(aspect.variables)) for aspect in old.aspects],
        file_assignments=_files_in(old.file_assignments),
    )
    location = change.location
    change = merged(patch, change)
    if isinstance(patch.location, LocationPatch):
        change.location = merged(patch.location, location or LocationWire())
    return change


def aspect_type_merged(patch: AspectTypePatch, old: AspectType) -> AspectTypeIn:
    """Give the whole aspect type that a patch means."""
    whole = AspectTypeIn(
        name=old.name,
        variables=[_variable_in(variable) for variable in old.variables],
        category=old.category,
        scope=old.scope,
        description=old.description,
    )
    return merged(patch, whole)


def asset_type_merged(patch: AssetTypePatch, old: AssetType) -> AssetTypeIn:
    """Give the whole asset type that a patch means."""
    aspects = [TypeAspectIn(aspect.name, aspect.aspect_type_id, aspect.aspect_id) for aspect in old.aspects]
    whole = AssetTypeIn(
        name=old.name,
        parent_type_id=old.parent_type_id or "",
        description=old.description,
        instantiable=old.instantiable,
        scope=old.scope,
        aspects=aspects,
        variables=[_variable_in(variable) for variable in old.variables],
        file_assignments=_files_in(old.file_assignments),
    )
    return merged(patch, whole)


def _values_in(values: tuple[StaticValue, ...]) -> list[ValueIn]:
    return [ValueIn(value.name, value.value) for value in values]


def _files_in(files: tuple[FileAssignment, ...]) -> list[FileAssignmentIn]:
    return [FileAssignmentIn(file.key, file.file_id) for file in files]


def _variable_in(variable: Variable) -> VariableIn:
    return VariableIn(
        variable.name,
        variable.type,
        variable.unit,
        variable.length,
        variable.default_value,
        variable.searchable,
        variable.quality_code,
    )
