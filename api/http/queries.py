"""Query parameters: what the framework lets pass.

Unknown ones are ignored where existing clients speak and refused on our own routes (design 8.22). Numbers are
digits: the framework would take `1e3` for one as well.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from litestar import Request

from schemas import codes
from schemas.errors import Invalid, Problem

OWN_PREFIX = "/api/aspectstore/v1/"

PARAMETERS_MAX: Final = 64
"""Of a query, unknown and repeated ones included: no route knows half as many, and each takes its time."""

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class _Known(NamedTuple):
    """The query parameters of a route."""

    names: frozenset[str]
    numbers: frozenset[str]


def check_query(request: Request[Any, Any, Any]) -> None:
    """Refuse what is no number where one is meant and, on own routes, unknown and repeated parameters.

    And more parameters than `PARAMETERS_MAX`, before any of them is read.
    """
    query = request.scope["query_string"]
    if not query:
        return
    if has_too_many(query):
        message = f"A query has at most {PARAMETERS_MAX} parameters."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    known = _known(request)
    strict = request.scope["path"].startswith(OWN_PREFIX)
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if strict and name not in known.names:
            raise _refused(name, "is unknown")
        if strict and name in seen:
            raise _refused(name, "stands twice")
        if name in known.numbers and not _WHOLE.fullmatch(value):
            raise _refused(name, "is no whole number")
        seen.add(name)


def has_too_many(query: bytes) -> bool:
    """Tell whether a query has more parameters than are read."""
    return query.count(b"&") >= PARAMETERS_MAX


def _known(request: Request[Any, Any, Any]) -> _Known:
    """List the query parameters of the route; worked out once for each handler."""
    handler = request.route_handler
    known: _Known | None = handler.opt.get("query_names")
    if known is None:
        path_names: Any = dict.fromkeys(request.path_params)
        fields = handler.create_kwargs_model(path_parameters=path_names).expected_query_params
        signature = handler.parsed_fn_signature.parameters
        numbers = [field.field_alias for field in fields if signature[field.field_name].annotation is int]
        known = _Known(frozenset(field.field_alias for field in fields), frozenset(numbers))
        handler.opt["query_names"] = known
    return known


def _refused(name: str, trouble: str) -> Invalid:
    message = f"The query parameter {name[:64]!r} {trouble}."
    return Invalid([Problem("", codes.INVALID_PARAMETER, message)])
