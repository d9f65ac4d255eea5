"""The built-in types of the tenant `core`, shared by every tenant (wire 4.5).

Their ids are compared without regard to case. They are part of the program, not of the catalogue.
The chain of `core.basicdevice` contributes exactly two variables, every asset the static aspect
`connectivityStatus`: existing clients and their test suites count on both.
"""

from __future__ import annotations

import hashlib

import msgspec

from schemas.aspects import STATIC, AspectType, Variable, VariableType, with_ids
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.ids import CORE, AspectId, AssetId, TenantId

CORE_PREFIX = f"{CORE}."

ROOT_TYPE = "core.basicenterprise"
"""The type of every tenant's root asset."""


def _aspect_id(type_id: str, name: str) -> AspectId:
    return AspectId(hashlib.sha256(f"{type_id}/{name}".encode()).hexdigest()[:32])


def _text(name: str, default: str | None = None) -> Variable:
    return Variable(name=name, type=VariableType.STRING, length=255, default_value=default)


_CONNECTIVITY = with_ids(
    AspectType(
        id="core.connectivitystatus",
        tenant=CORE,
        name="connectivityStatus",
        category=STATIC,
        scope="public",
        description="Whether and when a device was connected.",
        variables=(
            Variable(name="lastUpdated", type=VariableType.TIMESTAMP),
            Variable(name="connected", type=VariableType.BOOLEAN),
        ),
    )
)

CORE_ASPECT_TYPES: dict[str, AspectType] = {_CONNECTIVITY.id: _CONNECTIVITY}


def _type(name: str, parent: str | None, description: str, *variables: Variable) -> AssetType:
    type_id = f"{CORE_PREFIX}{name}"
    numbered = (msgspec.structs.replace(variable, id=place) for place, variable in enumerate(variables, 1))
    connectivity = TypeAspect(
        name="connectivityStatus",
        aspect_type_id=_CONNECTIVITY.id,
        aspect_id=_aspect_id(type_id, "connectivityStatus"),
    )
    return AssetType(
        id=type_id,
        tenant=CORE,
        name=name,
        parent_type_id=parent and f"{CORE_PREFIX}{parent}",
        description=description,
        scope="public",
        aspects=() if parent else (connectivity,),
        variables=tuple(numbered),
    )


CORE_ASSET_TYPES: dict[str, AssetType] = {
    kept.id: kept
    for kept in (
        _type("basicasset", None, "Any asset."),
        _type("basicarea", "basicasset", "A part of a site."),
        _type("basicsite", "basicasset", "A place."),
        _type("basicenterprise", "basicasset", "The root of a tenant's assets.", _text("tenantFlag", "true")),
        _type("basicdevice", "basicasset", "A device.", _text("coreVendor"), _text("coreModel")),
        _type("basicagent", "basicdevice", "A device that sends data of its own."),
        _type("mclib", "basicagent", "A device with the agent library."),
        _type("mcnano", "basicagent", "A small gateway."),
    )
}
"""Each after its parent."""


def root_asset(tenant: TenantId) -> Asset:
    """Make the root asset of a tenant; its id follows from the name, so that making it twice is harmless."""
    return Asset(
        id=AssetId(hashlib.sha256(f"root asset of {tenant}".encode()).hexdigest()[:32]),
        tenant=tenant,
        name=tenant,
        type_id=ROOT_TYPE,
        description=f"Root Asset for {tenant} tenant",
    )
