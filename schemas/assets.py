"""Asset types and assets: who has which aspects, and the tree that they stand in (wire 4.2, MS-07, MS-08).

Domain structs and pure rules only. What needs the catalogue (does the parent exist, is the name of an
aspect type known) is the caller's; it hands in what the rules need of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from schemas.aspects import (
    STATIC,
    Variable,
    check_described,
    check_type_id,
    check_variable,
    is_lawful_name,
)
from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.ids import AspectId, AssetId, is_hex_id
from schemas.limits import (
    ASPECT_NAME_CHARACTERS_MAX,
    ASPECTS_OF_ASSET_TYPE_MAX,
    DEFAULT_VALUE_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    EXTERNAL_ID_CHARACTERS_MAX,
    LOCATION_TEXT_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    VARIABLES_OF_ASSET_TYPE_MAX,
)

TWIN_TYPES = ("performance", "simulation")

FILE_ASSIGNMENTS_MAX = 100
"""They are part of the asset, and of every list that shows it."""

_FILE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""A key is part of a path."""


class TypeAspect(msgspec.Struct, frozen=True, kw_only=True):
    """An aspect of an asset type: a name for an aspect type, which series keep through renames."""

    name: str
    aspect_type_id: str
    aspect_id: AspectId
    """Given once; a series is (tenant, asset id, aspect id) (design 8.13)."""


class FileAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """A file under a key."""

    key: str
    file_id: str


class AssetType(msgspec.Struct, frozen=True, kw_only=True):
    """What assets of one kind have: aspects and static variables, beside those of the parent type."""

    id: str
    tenant: str
    name: str
    parent_type_id: str | None = None
    """None for the root of the built-in types only."""
    description: str = ""
    scope: str = "private"
    instantiable: bool = True
    aspects: tuple[TypeAspect, ...] = ()
    variables: tuple[Variable, ...] = ()
    file_assignments: tuple[FileAssignment, ...] = ()


class StaticValue(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a static variable on one asset, always text."""

    name: str
    value: str | None = None


class StaticAspect(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a static aspect on one asset."""

    name: str
    variables: tuple[StaticValue, ...] = ()


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where an asset stands; inherited from the nearest ancestor that has one."""

    country: str | None = None
    region: str | None = None
    locality: str | None = None
    street_address: str | None = None
    postal_code: str | None = None
    longitude: float | None = None
    latitude: float | None = None


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """Why an asset cannot be deleted, given by the service that needs it (wire 4.3)."""

    id: str
    service: str
    reason: str
    """For people."""
    reason_code: str


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One asset."""

    id: AssetId
    tenant: str
    name: str
    type_id: str
    parent_id: AssetId | None = None
    """None for the root of the tenant only."""
    external_id: str | None = None
    description: str | None = None
    timezone: str = "UTC"
    """IANA name, fixed at creation (design 8.24)."""
    twin_type: str = "performance"
    sub_tenant: str | None = None
    location: Location | None = None
    variables: tuple[StaticValue, ...] = ()
    aspects: tuple[StaticAspect, ...] = ()
    file_assignments: tuple[FileAssignment, ...] = ()
    locks: tuple[Lock, ...] = ()
    deleted_ms: int | None = None
    """When it was deleted, UTC; None: it was not (MS-08)."""


class ModelLock(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a tenant's types and assets may be changed (wire 4.1)."""

    enabled: bool = False
    """True: they may not."""


def check_asset_type(new: AssetType, family: Sequence[AssetType] = ()) -> list[Problem]:
    """Check a type beside its family: every ancestor, and every type that descends from it (MS-07)."""
    problems = [*check_type_id(new.id, new.tenant), *check_described(new.name, new.description, new.scope)]
    if len(new.aspects) > ASPECTS_OF_ASSET_TYPE_MAX:
        problems.append(_problem("/aspects", f"At most {ASPECTS_OF_ASSET_TYPE_MAX} aspects."))
    if len(new.variables) > VARIABLES_OF_ASSET_TYPE_MAX:
        problems.append(_problem("/variables", f"At most {VARIABLES_OF_ASSET_TYPE_MAX} variables."))
    taken = {aspect.name for relative in family for aspect in relative.aspects}
    for place, aspect in enumerate(new.aspects):
        at = f"/aspects/{place}/name"
        if not is_lawful_name(aspect.name, ASPECT_NAME_CHARACTERS_MAX):
            problems.append(_problem(at, f"{aspect.name!r} cannot name an aspect: {_ASPECT_NAME_RULE}"))
        problems += _check_unique(aspect.name, taken, at)
    taken = {variable.name for relative in family for variable in relative.variables}
    for place, variable in enumerate(new.variables):
        problems += check_variable(variable, f"/variables/{place}", STATIC)
        problems += _check_unique(variable.name, taken, f"/variables/{place}/name")
    return problems + check_file_assignments(new.file_assignments)


_ASPECT_NAME_RULE = (
    f"letters, digits and _, no digit first, at most {ASPECT_NAME_CHARACTERS_MAX}, and no reserved word."
)


def _check_unique(name: str, taken: set[str], at: str) -> list[Problem]:
    if name in taken:
        return [
            _problem(at, f"{name} is there already, here or in a parent or child type; choose another name.")
        ]
    taken.add(name)
    return []


def check_asset_type_change(
    old: AssetType, new: AssetType, renamed: Mapping[str, str] | None = None
) -> list[Problem]:
    """Check what may change in a type, beside `check_asset_type(new)` (wire 4.2).

    Aspects and variables may be added; an aspect may get another name. `instantiable` may become true.
    A variable may get another unit, default and a greater length; another name only by `renamed`.
    """
    problems = []
    for member, before, after in (
        ("id", old.id, new.id),
        ("parentTypeId", old.parent_type_id, new.parent_type_id),
    ):
        if before != after:
            problems.append(_problem(f"/{member}", f"The {member} cannot change; it is {before}."))
    if old.instantiable and not new.instantiable:
        problems.append(_problem("/instantiable", "A type that is instantiable stays so."))
    kept = {aspect.aspect_id: aspect for aspect in new.aspects}
    for aspect in old.aspects:
        after_aspect = kept.get(aspect.aspect_id)
        if after_aspect is None:
            problems.append(
                _problem("/aspects", f"The aspect {aspect.name} is missing; an update cannot remove it.")
            )
        elif after_aspect.aspect_type_id != aspect.aspect_type_id:
            message = f"The aspect {aspect.name} is of {aspect.aspect_type_id} and stays so."
            problems.append(_problem("/aspects", message))
    variables = {variable.name: variable for variable in new.variables}
    for variable in old.variables:
        now = variables.get((renamed or {}).get(variable.name, variable.name))
        if now is None or now.type is not variable.type:
            message = f"The variable {variable.name} of {variable.type.value} cannot go or change its type."
            problems.append(_problem("/variables", message))
        elif now.characters_max < variable.characters_max:
            message = f"{variable.name} has length {variable.characters_max} and can only grow."
            problems.append(_problem("/variables", message))
    return problems


def check_asset(new: Asset, zones: Collection[str]) -> list[Problem]:
    """Check an asset by itself; `zones` are the IANA names known (wire 4.2)."""
    rules = (
        (
            1 <= len(new.name) <= NAME_CHARACTERS_MAX
            and not {"/", "\\"} & set(new.name)
            and new.name.isprintable(),
            "/name",
            f"A name has 1 to {NAME_CHARACTERS_MAX} printable characters, without / and \\.",
        ),
        (
            len(new.external_id or "") <= EXTERNAL_ID_CHARACTERS_MAX,
            "/externalId",
            f"At most {EXTERNAL_ID_CHARACTERS_MAX} characters.",
        ),
        (
            len(new.description or "") <= DESCRIPTION_CHARACTERS_MAX and "'" not in (new.description or ""),
            "/description",
            f"At most {DESCRIPTION_CHARACTERS_MAX} characters, without the quote '.",
        ),
        (new.timezone in zones, "/timezone", "Not a time zone; write it as Europe/Berlin or UTC."),
        (new.twin_type in TWIN_TYPES, "/twinType", f"One of {', '.join(TWIN_TYPES)}."),
    )
    problems = [_problem(pointer, message) for lawful, pointer, message in rules if not lawful]
    problems += _check_static_values(new.variables, "/variables")
    for place, aspect in enumerate(new.aspects):
        problems += _check_static_values(aspect.variables, f"/aspects/{place}/variables")
    problems += check_file_assignments(new.file_assignments)
    return problems + (check_location(new.location) if new.location is not None else [])


def check_file_assignments(assignments: Sequence[FileAssignment]) -> list[Problem]:
    """Check the files of an asset or a type: number, keys, ids; whether they exist is not known here."""
    problems = []
    if len(assignments) > FILE_ASSIGNMENTS_MAX:
        problems.append(_problem("/fileAssignments", f"At most {FILE_ASSIGNMENTS_MAX} files."))
    keys: set[str] = set()
    for place, assignment in enumerate(assignments):
        at = f"/fileAssignments/{place}"
        if _FILE_KEY.fullmatch(assignment.key) is None:
            problems.append(_problem(f"{at}/key", "A key has 1 to 128 letters, digits, _, - and dots."))
        elif assignment.key in keys:
            problems.append(_problem(f"{at}/key", f"{assignment.key} is there twice; keys are unique."))
        if not is_hex_id(assignment.file_id):
            problems.append(_problem(f"{at}/fileId", "A file id has 32 lowercase hexadecimal digits."))
        keys.add(assignment.key)
    return problems


def check_location(location: Location) -> list[Problem]:
    """Check texts and coordinates."""
    texts = {
        "country": location.country,
        "region": location.region,
        "locality": location.locality,
        "streetAddress": location.street_address,
        "postalCode": location.postal_code,
    }
    problems = [
        _problem(f"/location/{name}", f"At most {LOCATION_TEXT_CHARACTERS_MAX} characters.")
        for name, text in texts.items()
        if len(text or "") > LOCATION_TEXT_CHARACTERS_MAX
    ]
    for name, degrees, most in (("longitude", location.longitude, 180), ("latitude", location.latitude, 90)):
        if degrees is not None and not -most <= degrees <= most:
            problems.append(_problem(f"/location/{name}", f"Degrees from -{most} to {most}."))
    return problems


def _check_static_values(values: Sequence[StaticValue], at: str) -> list[Problem]:
    message = f"A static value has 1 to {DEFAULT_VALUE_CHARACTERS_MAX} characters, or is null."
    return [
        _problem(f"{at}/{place}/value", message)
        for place, value in enumerate(values)
        if value.value is not None and not 1 <= len(value.value) <= DEFAULT_VALUE_CHARACTERS_MAX
    ]


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, INVALID_BODY, message)
