"""What the values of a narrow table with typed columns are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.aspects import Variable
from schemas.exporting.model import Heading
from schemas.tables import Field, joined_fields

LABELS: Final = ("assetId", "assetName", "aspect", "variable")
VALUE: Final = "value"


def narrow_value(headings: Sequence[Heading]) -> Variable:
    """Give the column of the values; Invalid where they fit no one type."""
    fields = [
        (Field(VALUE, heading.variable, heading.type, code=False, unit=heading.unit),) for heading in headings
    ]
    [joined] = joined_fields(fields)
    codes = any(heading.codes for heading in headings)
    return Variable(name=VALUE, type=joined.type, unit=joined.unit, id=1, quality_code=codes)
