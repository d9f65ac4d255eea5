"""What an export says of itself: its files with sizes, checksums and columns, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas.exporting.model import ExportFile, ExportPlan
from schemas.times import format_time

VERSION: Final = 1
"""Of the form of a manifest."""
MANIFEST: Final = "manifest.json"
"""What it is called in an archive."""


def manifest_of(
    plan: ExportPlan, submitted_ms: int, positions: Sequence[int], told: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Write a manifest; `told` has what came of each file, by its number."""
    return {
        "version": VERSION,
        "asked": plan.asked,
        "submitted": format_time(submitted_ms),
        "after": format_time(plan.start_ms - 1),
        "until": format_time(plan.end_ms - 1),
        "format": plan.format.value,
        "layout": plan.layout.value,
        "timezone": plan.zone,
        **({} if plan.aggregate is None else {"aggregate": msgspec.to_builtins(plan.aggregate)}),
        "timeFormat": plan.time_format,
        "series": [
            {
                "assetId": series.asset,
                "assetName": series.asset_name,
                "aspect": series.aspect,
                "aspectId": series.aspect_id,
                "aspectType": plan.types[series.type].id,
                "aspectTypeVersion": plan.types[series.type].version,
                "position": str(position),
            }
            for series, position in zip(plan.series, positions, strict=True)
        ],
        "files": [
            {"name": file.name, **told.get(number, {}), "columns": _columns(plan, file)}
            for number, file in enumerate(plan.files)
        ],
    }


def _columns(plan: ExportPlan, file: ExportFile) -> list[dict[str, Any]]:
    columns = []
    for column in file.columns:
        variable = plan.variable(column)
        columns.append(
            {
                "name": column.name,
                "series": column.series,
                "variable": variable.name,
                "type": variable.type.value,
                **({"unit": variable.unit} if variable.unit else {}),
            }
        )
    return columns
