"""What is known of a tenant's sensors, in a door's memory, and which variables a selection means (SM-20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.ids import AspectId, AssetId
from schemas.sensors import AssetSensors, Selector, Sensor, select_sensors

if TYPE_CHECKING:
    from api.catalog.tenant_index import TenantIndex


class KeptSensors(NamedTuple):
    """The sensors of an asset, and the row version of their document."""

    value: AssetSensors
    version: int


class Measured(NamedTuple):
    """A variable that a selection means."""

    asset: AssetId
    aspect: str
    """The name that the aspect has now."""
    variable: str


def sensors_of(part: TenantIndex, asset_id: str) -> Iterator[Sensor]:
    """Walk the sensors of an asset with the present names of their aspects.

    Those of aspects that it no longer has are left out; of a deleted or an unknown asset there are none.
    """
    kept = part.sensors.get(asset_id)
    for sensor in () if kept is None else kept.value.sensors:
        found = part.find_fed_aspect(AssetId(asset_id), AspectId(sensor.aspect))
        if found is not None:
            yield msgspec.structs.replace(sensor, aspect=found.name)


def sensors_meant(part: TenantIndex, selector: Selector, assets: Iterable[str] | None = None) -> list[Sensor]:
    """List the sensors that a selection means, by asset id, each asset's in their order.

    `assets`: only of these; None: of all that are not deleted.
    """
    asked = set(part.sensors) if assets is None else set(assets) & part.sensors.keys()
    if selector.asset:
        asked &= {selector.asset}
    return select_sensors((each for asset in sorted(asked) for each in sensors_of(part, asset)), selector)


def select_variables(
    part: TenantIndex, selector: Selector, assets: Iterable[str] | None = None
) -> list[Measured]:
    """List the variables that a selection means, each once, in the order of `sensors_meant`.

    Sensors of variables that their aspect does not have, or not yet, are left out.
    """
    found = dict.fromkeys(
        Measured(AssetId(each.asset), each.aspect, each.variable)
        for each in sensors_meant(part, selector, assets)
    )
    return [
        each
        for each in found
        if part.series_of(each.asset, each.aspect)[1].variable(each.variable) is not None
    ]
