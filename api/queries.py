"""Query parameters: unknown ones are ignored where existing clients speak, refused on our own routes.

Source: design 8.22.
"""

from __future__ import annotations

from typing import Any

from litestar import Request

from schemas import codes
from schemas.errors import Invalid, Problem

OWN_PREFIX = "/api/aspectstore/v1/"


def check_query(request: Request[Any, Any, Any]) -> None:
    """Refuse parameters that an own route does not know, and known ones that stand twice."""
    if not request.scope["path"].startswith(OWN_PREFIX):
        return
    known = _known(request)
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known or name in seen:
            trouble = "stands twice" if name in known else "is unknown"
            raise Invalid([Problem("", codes.INVALID_PARAMETER, f"The query parameter {name!r} {trouble}.")])
        seen.add(name)


def _known(request: Request[Any, Any, Any]) -> frozenset[str]:
    """List the query parameters of the route; worked out once for each handler."""
    handler = request.route_handler
    known: frozenset[str] | None = handler.opt.get("query_names")
    if known is None:
        path_names: Any = dict.fromkeys(request.path_params)
        model = handler.create_kwargs_model(path_parameters=path_names)
        known = frozenset(field.field_alias for field in model.expected_query_params)
        handler.opt["query_names"] = known
    return known
