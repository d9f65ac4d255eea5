"""What a change of an aspect type would do: to whom, to what is stored, and why it may be refused (TB-77)."""

from __future__ import annotations

from collections.abc import Mapping

from api.assets.type_writes import holders_of, variables_changed
from api.assets.wire_changes import ChangedVariable, Hindrance, TypeChangePreview, VariablePatch
from api.catalog.tenant_index import Kept, TenantIndex
from schemas.aspects import AspectType
from schemas.type_changes import effects_of


def preview_variables(
    kept: Kept[AspectType], patch: Mapping[str, VariablePatch | None], index: TenantIndex
) -> TypeChangePreview:
    """Tell what `PATCH …/variables` with this body would do; nothing is changed."""
    old = kept.value
    new, problems = variables_changed(old, patch, index)
    assets, series = _reach(old.id, index)
    return TypeChangePreview(
        etag=kept.version,
        allowed=not problems,
        problems=[Hindrance(*problem) for problem in problems],
        changes=[] if problems else [ChangedVariable(*effect) for effect in effects_of(old, new)],
        asset_types=sorted(found.id for found in holders_of(old.id, index)),
        assets=assets,
        series=series,
    )


def _reach(aspect_type_id: str, index: TenantIndex) -> tuple[int, int]:
    """Count the assets that have an aspect of this type, and these aspects."""
    aspects: dict[str, int] = {}
    assets = series = 0
    for kept in index.assets.values():
        type_id = kept.value.type_id
        if type_id not in aspects:
            aspects[type_id] = sum(held.type.id == aspect_type_id for held in index.aspects_of(type_id))
        assets += aspects[type_id] > 0
        series += aspects[type_id]
    return assets, series
