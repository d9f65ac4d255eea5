"""How many series a tenant has: the dynamic aspects of all its assets, counted in memory (design 7, R24).

Aspects are counted and not what was written: the limit then holds before the first record, a device is never
refused for what its asset allows, and no store is asked.
"""

from __future__ import annotations

from typing import Final

from api.catalog.tenant_index import TenantIndex
from schemas.aspects import DYNAMIC
from schemas.assets import AssetType
from schemas.budgets import SERIES
from schemas.errors import Quota, TooMany
from schemas.policies import Profile

RETRY_AFTER_S: Final = 3_600
"""Room comes back when somebody deletes assets."""


def count_series(index: TenantIndex) -> int:
    """Count the series of all assets that are not deleted."""
    return sum(assets * _aspects(index, type_id) for type_id, assets in index.assets_of_types.items())


def demand_room(index: TenantIndex, profile: Profile, type_id: str) -> None:
    """Raise TooMany if one more asset of this type is more than the tenant may have."""
    if profile.series_max is not None:
        _demand(index, profile.series_max, _aspects(index, type_id))


def demand_room_for_type(index: TenantIndex, profile: Profile, old: AssetType, new: AssetType) -> None:
    """Raise TooMany if what a type gets is more than the tenant may have, for all its assets together."""
    if profile.series_max is None:
        return
    known = {aspect.aspect_id for aspect in old.aspects}
    added = sum(
        _is_dynamic(index, aspect.aspect_type_id) for aspect in new.aspects if aspect.aspect_id not in known
    )
    family = {old.id, *(below.id for below in index.descendants(old.id))}
    _demand(index, profile.series_max, added * sum(index.assets_of_types[each] for each in family))


def _demand(index: TenantIndex, series_max: int, added: int) -> None:
    used = count_series(index)
    if added and used + added > series_max:
        message = f"The tenant may have {series_max} series and has {used}; delete assets, or ask for more."
        raise TooMany(message, RETRY_AFTER_S, Quota(SERIES, series_max, used, RETRY_AFTER_S))


def _aspects(index: TenantIndex, type_id: str) -> int:
    return sum(held.type.category == DYNAMIC for held in index.aspects_of(type_id))


def _is_dynamic(index: TenantIndex, aspect_type_id: str) -> bool:
    kept = index.find_aspect_type(aspect_type_id)
    return kept is not None and kept.value.category == DYNAMIC
