"""Lists of agents, mappings and subtenants: numbered pages that say everything of themselves (wire 0.6)."""

from __future__ import annotations

from typing import Any

import msgspec

from api.http.filters import Table
from api.http.hal import SIZE_MAX, Wanted


class SpringSort(msgspec.Struct, rename="camel"):
    """A field by which a list is ordered."""

    direction: str
    """`ASC` or `DESC`."""
    property: str
    ignore_case: bool
    null_handling: str
    """Always `NATIVE`."""
    descending: bool
    ascending: bool


class SpringPage(msgspec.Struct, rename="camel", kw_only=True):
    """Where a list stands; who answers adds `content`."""

    last: bool
    """True on the last page and on every one behind it, also of an empty list (wire 13, 16)."""
    total_pages: int
    total_elements: int
    number_of_elements: int
    first: bool
    sort: list[SpringSort] | None
    size: int
    number: int
    """Counted from 0."""


def page_of(table: Table[Any], wanted: Wanted) -> tuple[list[Any], dict[str, Any]]:
    """Cut a page from a table; gives its things and what `SpringPage` says of it."""
    size = min(wanted.size, SIZE_MAX)
    found, total = table.page(wanted.filter, wanted.sort, wanted.page * size, size)
    pages = -(-total // size) if size else 0
    said = {
        "last": wanted.page >= pages - 1,
        "total_pages": pages,
        "total_elements": total,
        "number_of_elements": len(found),
        "first": wanted.page == 0,
        "sort": _sorted_by(wanted.sort, table.names),
        "size": size,
        "number": wanted.page,
    }
    return found, said


def _sorted_by(sort: str, known: frozenset[str]) -> list[SpringSort] | None:
    words = [word.strip() for word in sort.split(",")]
    down = words[-1].lower() == "desc"
    names = [word for word in dict.fromkeys(words) if word in known]
    direction = "DESC" if down else "ASC"
    return [SpringSort(direction, name, False, "NATIVE", down, not down) for name in names] or None
