"""The routing table as data: what each method of each path asks of its caller."""

from __future__ import annotations

import re
from typing import NamedTuple

from litestar.handlers import HTTPRouteHandler

from api.app import ROUTES
from api.routes.docs import docs_routes

_PARAMETER = re.compile(r"\{(\w+):\w+\}")


class Need(NamedTuple):
    """One method of one path."""

    path: str
    """With parameters as `{name}`."""
    method: str
    scope: str | None
    """Empty: any token; None: none is needed."""
    action: str
    """What the audit log calls it; empty: it changes nothing but records."""


def needs() -> list[Need]:
    """List every route by path and method, without OPTIONS, which takes any token everywhere."""
    found = []
    for handler in (*ROUTES, *docs_routes(ROUTES)):
        assert isinstance(handler, HTTPRouteHandler)
        scope = None if handler.opt.get("open") else handler.opt["scope"]
        for path in handler.paths:
            plain = _PARAMETER.sub(r"{\1}", path)
            action = handler.opt.get("action", "")
            found += [Need(plain, str(method), scope, action) for method in handler.http_methods]
    return sorted(found, key=lambda need: need[:2])
