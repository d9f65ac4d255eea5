"""What lists of assets are filtered and sorted by (wire 4.4), and the tables that they are cut from.

A table of 100,000 assets and its columns take some tens of milliseconds and some megabytes, so they are kept
in the tenant's index until something changes. Deleted assets are listed only where a filter asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.catalog.tenant_index import Kept, TenantIndex, canonical
from api.http.filters import Field, Table, mentions, time_text
from schemas.assets import Asset
from schemas.times import format_time


def assets_table(index: TenantIndex, filter_text: str) -> Table[Kept[Asset]]:
    """Give the assets that a list with this filter is about, by name, then id."""
    with_deleted = bool(index.deleted_assets) and mentions(filter_text, "deleted")
    table = index.asset_tables.get(with_deleted)
    if table is None:
        things = index.assets_by_name()
        if with_deleted:
            things += index.deleted_assets.values()
            things.sort(key=lambda kept: (kept.value.name, kept.value.id))
        table = index.asset_tables[with_deleted] = Table(things, _fields(index), ("name", "id"))
    return table


def files_of(kept: Kept[Asset]) -> tuple[str, ...]:
    """Give the ids of the files that are assigned to an asset."""
    return tuple(file.file_id for file in kept.value.file_assignments)


def _fields(index: TenantIndex) -> dict[str, Field[Kept[Asset]]]:
    families: dict[str, tuple[str, ...]] = {}

    def family(kept: Kept[Asset]) -> tuple[str, ...]:
        type_id = kept.value.type_id
        if type_id not in families:
            families[type_id] = tuple(above.id for above in index.chain(type_id))
        return families[type_id]

    return {
        **FIELDS,
        "hasType": Field(family, canonical, has_many=True),
        "subTenant": Field(lambda kept: index.subtenant_of(kept.value)),
    }


def _deleted(kept: Kept[Asset]) -> str | None:
    deleted_ms = kept.value.deleted_ms
    return None if deleted_ms is None else format_time(deleted_ms)


FIELDS: Final[Mapping[str, Field[Kept[Asset]]]] = {
    "name": Field(lambda kept: kept.value.name),
    "id": Field(lambda kept: kept.value.id),
    "assetId": Field(lambda kept: kept.value.id),
    "typeId": Field(lambda kept: kept.value.type_id, canonical),
    "parentId": Field(lambda kept: kept.value.parent_id or ""),
    "tenantId": Field(lambda kept: kept.value.tenant),
    "externalId": Field(lambda kept: kept.value.external_id),
    "t2tenant": Field(lambda _: None),
    "timezone": Field(lambda kept: kept.value.timezone),
    "twinType": Field(lambda kept: kept.value.twin_type),
    "deleted": Field(_deleted, time_text, is_time=True),
    "fileId": Field(files_of, has_many=True),
}
"""Those that need nothing but the asset."""
