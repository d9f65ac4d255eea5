"""The query parameters that every list of asset management takes (wire 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, TypeAlias, TypeVar

from litestar.params import QueryParameter

from api.filters import Field, parse_filter, parse_sort
from api.hal import SIZE_DEFAULT, SIZE_MAX, Listed, Wanted

T = TypeVar("T")

NUMBER_MAX = 2**31 - 1

PageNumber: TypeAlias = Annotated[
    int, QueryParameter(name="page", ge=0, le=NUMBER_MAX, description="Counted from 0.")
]
PageSize: TypeAlias = Annotated[
    int, QueryParameter(name="size", ge=0, le=NUMBER_MAX, description=f"At most {SIZE_MAX} are given.")
]
Sort: TypeAlias = Annotated[
    str, QueryParameter(name="sort", description="Fields and one direction: `name,asc`, `f1,f2,desc`.")
]
Filter: TypeAlias = Annotated[
    str, QueryParameter(name="filter", description='JSON, e.g. `{"name":{"contains":"pump"}}`.')
]

SIZE: int = SIZE_DEFAULT


def page_of(
    things: Iterable[T], wanted: Wanted, fields: Mapping[str, Field[T]], write: Callable[[T], object]
) -> Listed:
    """Filter, sort, cut and write."""
    keep = parse_filter(wanted.filter, fields)
    found = parse_sort(wanted.sort, fields)(thing for thing in things if keep(thing))
    start = wanted.page * wanted.size
    return Listed([write(thing) for thing in found[start : start + wanted.size]], len(found))


def wanted(page: int, size: int, sort: str, text: str) -> Wanted:
    """Bring the parameters together; the size is cut to what one answer holds."""
    return Wanted(page, min(size, SIZE_MAX), sort, text)
