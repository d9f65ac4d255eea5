"""Policies and usage. Policies are of the installation, so who may ask for one may ask for any.

A change names a version that no policy has, so that every caller finds them as they were.
"""

from api.identity.scopes import PLATFORM, USAGE_READ
from tests.security.table import Row

_POLICIES = "/api/aspectstore/v1/policies"


def _of_one(method: str, status: int, body: object = None, foreign: int = 0) -> Row:
    return Row(
        route=f"{method} {_POLICIES}/{{name}}",
        scope=PLATFORM,
        status=status,
        path=f"{_POLICIES}/<policy>",
        headers={} if method == "GET" else {"if-match": "7"},
        body=body,
        foreign={"policy in path": foreign or status},
    )


ROWS = [
    Row(route=f"GET {_POLICIES}", scope=PLATFORM, status=200, path=_POLICIES),
    Row(route=f"POST {_POLICIES}", scope=PLATFORM, status=409, path=_POLICIES, body={"name": "open"}),
    _of_one("GET", 200),
    _of_one("PUT", 412, {"name": "gold1"}, foreign=400),  # a policy keeps its name
    _of_one("DELETE", 412),
    Row(
        route="GET /api/aspectstore/v1/usage",
        scope=USAGE_READ,
        status=200,
        path="/api/aspectstore/v1/usage",
    ),
    Row(
        route="GET /api/aspectstore/v1/tenants/{tenant}/usage",
        scope=PLATFORM,
        status=200,
        path="/api/aspectstore/v1/tenants/<managed_tenant>/usage",
        foreign={"managed_tenant in path": 200},
    ),
]
