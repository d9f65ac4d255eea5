"""The query parameters that every list of asset management takes (wire 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias, TypeVar

from litestar.params import QueryParameter

from api.http.filters import Table
from api.http.hal import SIZE_DEFAULT, SIZE_MAX, Listed, Wanted

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


def page_of(table: Table[T], wanted: Wanted, write: Callable[[T], object]) -> Listed:
    """Cut a page from a table and write what is on it."""
    found, total = table.page(wanted.filter, wanted.sort, wanted.page * wanted.size, wanted.size)
    return Listed([write(thing) for thing in found], total)


def wanted(page: int, size: int, sort: str, text: str) -> Wanted:
    """Bring the parameters together; the size is cut to what one answer holds."""
    return Wanted(page, min(size, SIZE_MAX), sort, text)
