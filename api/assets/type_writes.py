"""Writes to aspect types and asset types: what they must satisfy beside the pure rules (wire 4.1, 4.2)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.assets.wire_changes import (
    AspectTypePatch,
    AssetTypePatch,
    StaticVariablePatch,
    VariablePatch,
    aspect_type_merged,
    asset_type_merged,
    variable_members,
)
from api.assets.wire_types import AspectTypeIn, AssetTypeIn, aspect_type_from, aspects_from, asset_type_from
from api.catalog.kinds import ASPECT_TYPE, ASSET_TYPE
from api.catalog.series_count import demand_room_for_type
from api.catalog.tenant_index import Kept, TenantIndex
from api.catalog.writes import IN_USE, CatalogWrites, check_files, refuse
from api.http.hal import Preconditions
from schemas import aspects as aspect_rules
from schemas import assets as asset_rules
from schemas import codes
from schemas.aspects import STATIC, AspectType
from schemas.assets import Asset, AssetType, FileAssignment
from schemas.errors import NotFound, Problem
from schemas.ids import AspectId, TenantId
from schemas.type_changes import changed

TYPE_DEPTH_MAX = 30
"""Steps from a type to the root of its family; walked for every answer."""


class TypeWrites(CatalogWrites):
    """Writes to the types of one installation."""

    # Aspect types.

    async def put_aspect_type(
        self, tenant: TenantId, type_id: str, wire: AspectTypeIn, wanted: Preconditions
    ) -> tuple[Kept[AspectType], bool]:
        """Create or change an aspect type; tells whether it was created (MS-06, wire 4.1)."""
        index = await self._open(tenant)
        document, old = await self._old(tenant, ASPECT_TYPE, type_id, wanted, AspectType)
        new = aspect_type_from(wire, type_id, tenant)
        problems = aspect_rules.check_aspect_type(new)
        problems += aspect_rules.check_change(old, new) if old else _check_name(new, index)
        refuse(problems)
        return await self._store_it(aspect_rules.with_ids(new, old), ASPECT_TYPE, document)

    async def patch_aspect_type(
        self, tenant: TenantId, type_id: str, patch: AspectTypePatch, wanted: Preconditions
    ) -> Kept[AspectType]:
        """Change the members of an aspect type that a patch names; the rules are those of a PUT."""
        _, old = await self._present(tenant, ASPECT_TYPE, type_id, wanted, AspectType)
        kept, _ = await self.put_aspect_type(tenant, type_id, aspect_type_merged(patch, old), wanted)
        return kept

    async def patch_aspect_variables(
        self,
        tenant: TenantId,
        type_id: str,
        patch: Mapping[str, VariablePatch | None],
        wanted: Preconditions,
    ) -> Kept[AspectType]:
        """Change single variables, the only way to rename and remove them (wire 4.1, 4.2)."""
        index = await self._open(tenant)
        document, old = await self._present(tenant, ASPECT_TYPE, type_id, wanted, AspectType)
        new, problems = variables_changed(old, patch, index)
        refuse(problems)
        kept, _ = await self._store_it(new, ASPECT_TYPE, document)
        return kept

    async def remove_aspect_type(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> None:
        """Remove an aspect type that no asset type has (wire 4.1)."""
        index = await self._open(tenant)
        kept = index.aspect_type(type_id)
        users = [user.id for user in holders_of(kept.value.id, index)]
        await self._remove(kept, ASPECT_TYPE, wanted, users)

    # Asset types.

    async def put_asset_type(
        self, tenant: TenantId, type_id: str, wire: AssetTypeIn, wanted: Preconditions
    ) -> tuple[Kept[AssetType], bool]:
        """Create or change an asset type; tells whether it was created (MS-07, wire 4.1)."""
        index = await self._open(tenant)
        document, old = await self._old(tenant, ASSET_TYPE, type_id, wanted, AssetType)
        new = asset_type_from(wire, type_id, tenant, aspects_from(wire, old, _new_aspect_id), old)
        refuse(_check_type_references(wire, new, index))
        problems = asset_rules.check_asset_type(new, _family(new, index))
        problems += check_files(new.file_assignments, old.file_assignments if old else (), index)
        if old is not None:
            problems += asset_rules.check_asset_type_change(old, new) + _check_aspect_names(old, new, index)
        refuse(problems)
        if old is not None:
            demand_room_for_type(index, self._index.profile_of(tenant), old, new)
        return await self._store_it(new, ASSET_TYPE, document)

    async def patch_asset_type(
        self, tenant: TenantId, type_id: str, patch: AssetTypePatch, wanted: Preconditions
    ) -> Kept[AssetType]:
        """Change the members of an asset type that a patch names; the rules are those of a PUT."""
        _, old = await self._present(tenant, ASSET_TYPE, type_id, wanted, AssetType)
        kept, _ = await self.put_asset_type(tenant, type_id, asset_type_merged(patch, old), wanted)
        return kept

    async def patch_asset_type_variables(
        self,
        tenant: TenantId,
        type_id: str,
        patch: Mapping[str, StaticVariablePatch],
        wanted: Preconditions,
    ) -> Kept[AssetType]:
        """Change name, unit, length and default of a type's own variables; none comes, none goes."""
        index = await self._open(tenant)
        document, old = await self._present(tenant, ASSET_TYPE, type_id, wanted, AssetType)
        new, renamed, problems = _static_changed(old, patch)
        refuse(problems)
        keys = [variable.name for variable in old.variables]
        problems = asset_rules.check_asset_type(new, _family(new, index))
        problems += asset_rules.check_asset_type_change(old, new, renamed)
        refuse(_by_name(problems, keys) + _check_own_values(renamed, _values_of(old, index)))
        kept, _ = await self._store_it(new, ASSET_TYPE, document)
        return kept

    async def assign_type_file(
        self, tenant: TenantId, type_id: str, key: str, file_id: str | None, wanted: Preconditions
    ) -> Kept[AssetType]:
        """Put a file under a key, or take it away with None; NotFound if it is not there."""
        index = await self._open(tenant)
        document, old = await self._present(tenant, ASSET_TYPE, type_id, wanted, AssetType)
        files = with_file(old.file_assignments, key, file_id, index)
        new = msgspec.structs.replace(old, file_assignments=files)
        kept, _ = await self._store_it(new, ASSET_TYPE, document)
        return kept

    async def remove_asset_type(self, tenant: TenantId, type_id: str, wanted: Preconditions) -> None:
        """Remove an asset type without child types and assets (wire 4.1)."""
        index = await self._open(tenant)
        kept = index.asset_type(type_id)
        users = [child.id for child in index.descendants(kept.value.id)]
        users += [asset.value.id for asset in index.assets.values() if asset.value.type_id == kept.value.id]
        await self._remove(kept, ASSET_TYPE, wanted, users)


def variables_changed(
    old: AspectType, patch: Mapping[str, VariablePatch | None], index: TenantIndex
) -> tuple[AspectType, list[Problem]]:
    """Give the next version of an aspect type, and why it may not be; the pointers are those of the patch.

    A static variable that assets have values of cannot go or be renamed: they know it by its name.
    """
    problems = []
    for name, change in patch.items():
        if change is not None and old.variable(name) is None:
            if change.data_type is msgspec.UNSET:
                problems.append(Problem(f"/{name}/dataType", codes.MISSING_BODY, "A new variable needs it."))
            if change.name not in {msgspec.UNSET, name}:
                message = "A new variable is named by its place in the body."
                problems.append(Problem(f"/{name}/name", codes.INVALID_BODY, message))
    if problems:
        return old, problems
    members = {name: None if change is None else variable_members(change) for name, change in patch.items()}
    proposed = changed(old, members)
    left = [variable.name for variable in old.variables if members.get(variable.name, {}) is not None]
    keys = [*left, *(name for name in patch if old.variable(name) is None)]
    new = aspect_rules.with_ids(proposed, old)
    problems = aspect_rules.check_aspect_type(proposed)
    problems += aspect_rules.check_change(old, proposed, may_remove=True)
    if old.category == STATIC:
        kept = {variable.id: variable.name for variable in new.variables}
        gone = [variable.name for variable in old.variables if kept.get(variable.id) != variable.name]
        problems += _check_own_values(gone, _aspect_values(old.id, index))
    return new, _by_name(problems, keys)


def holders_of(aspect_type_id: str, index: TenantIndex) -> list[AssetType]:
    """List the types that have an aspect of this type themselves."""
    return [
        kept.value
        for kept in index.own_asset_types.values()
        if any(aspect.aspect_type_id == aspect_type_id for aspect in kept.value.aspects)
    ]


def with_file(
    files: Sequence[FileAssignment], key: str, file_id: str | None, index: TenantIndex
) -> tuple[FileAssignment, ...]:
    """Give the files with another one under a key, or with None there; NotFound if there was none.

    Invalid if key or id are none, or there is no such file; the pointer is one into the body that names it.
    """
    left = tuple(file for file in files if file.key != key)
    if file_id is None:
        if len(left) == len(files):
            raise NotFound("There is no file under this key.")
        return left
    found = (*left, FileAssignment(key=key, file_id=file_id))
    problems = asset_rules.check_file_assignments(found) or check_files(found, files, index)
    refuse([one._replace(pointer="/fileId" if one.pointer.endswith("/fileId") else "") for one in problems])
    return found


def _new_aspect_id() -> AspectId:
    return AspectId(secrets.token_hex(16))


def _check_name(new: AspectType, index: TenantIndex) -> list[Problem]:
    if any(kept.value.name == new.name for kept in index.own_aspect_types.values()):
        return [Problem("/name", codes.INVALID_BODY, "Another aspect type has this name; choose another.")]
    return []


def _family(new: AssetType, index: TenantIndex) -> list[AssetType]:
    return [*index.chain(new.parent_type_id or ""), *index.descendants(new.id)]


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


def _check_aspect_names(old: AssetType, new: AssetType, index: TenantIndex) -> list[Problem]:
    """Check that no static aspect is renamed of which assets have values: they know it by its name."""
    names = {aspect.aspect_id: aspect.name for aspect in new.aspects}
    gone = [aspect.name for aspect in old.aspects if names.get(aspect.aspect_id, aspect.name) != aspect.name]
    if not gone:
        return []
    named = (aspect.name for asset in _assets_of(old.id, index) for aspect in asset.aspects)
    return [problem._replace(pointer="/aspects") for problem in _check_own_values(gone, named)]


def _static_changed(
    old: AssetType, patch: Mapping[str, StaticVariablePatch]
) -> tuple[AssetType, dict[str, str], list[Problem]]:
    """Give the next version of a type, which variables were renamed, and which are not there."""
    known = {variable.name for variable in old.variables}
    problems = [
        Problem(f"/{name}", codes.INVALID_BODY, "The type has no variable of its own with this name.")
        for name in patch
        if name not in known
    ]
    members: dict[str, dict[str, Any]] = {name: variable_members(change) for name, change in patch.items()}
    variables = [
        msgspec.structs.replace(variable, **members.get(variable.name, {})) for variable in old.variables
    ]
    pairs = zip(old.variables, variables, strict=True)
    renamed = {before.name: after.name for before, after in pairs if before.name != after.name}
    return msgspec.structs.replace(old, variables=tuple(variables)), renamed, problems


def _assets_of(type_id: str, index: TenantIndex) -> Iterator[Asset]:
    """Walk the assets of a type and of those below it."""
    below = {type_id, *(child.id for child in index.descendants(type_id))}
    return (kept.value for kept in index.assets.values() if kept.value.type_id in below)


def _values_of(found: AssetType, index: TenantIndex) -> Iterator[str]:
    """Walk the names of variables of which assets of this type have values of their own."""
    return (value.name for asset in _assets_of(found.id, index) for value in asset.variables)


def _aspect_values(aspect_type_id: str, index: TenantIndex) -> Iterator[str]:
    """Walk the names of variables of a static aspect type of which assets have values of their own."""
    names: dict[str, set[str]] = {}
    for kept in index.assets.values():
        asset = kept.value
        if not asset.aspects:
            continue
        if asset.type_id not in names:
            held = index.aspects_of(asset.type_id)
            names[asset.type_id] = {one.aspect.name for one in held if one.type.id == aspect_type_id}
        for aspect in asset.aspects:
            if aspect.name in names[asset.type_id]:
                yield from (value.name for value in aspect.variables)


def _check_own_values(gone: Collection[str], named: Iterator[str]) -> list[Problem]:
    """Refuse to let names go by which assets keep values."""
    if not gone:
        return []
    kept = set(named)
    return [
        Problem(f"/{name}", IN_USE, f"Assets have values of {name} of their own; take these away first.")
        for name in gone
        if name in kept
    ]


def _by_name(problems: Sequence[Problem], keys: Sequence[str]) -> list[Problem]:
    """Turn pointers into the list of variables into pointers into a patch, which has them by name."""
    found = []
    for problem in problems:
        head, _, rest = problem.pointer.removeprefix("/variables/").partition("/")
        if problem.pointer.startswith("/variables/") and head.isdigit():
            found.append(problem._replace(pointer=f"/{keys[int(head)]}/{rest}"))
        else:
            found.append(problem)
    return found
