"""Erasing tenants, for who manages them. The name is written twice: another one in the path is refused."""

from api.identity.scopes import PLATFORM
from tests.security.table import Row

_ALL = "/api/aspectstore/v1/tenants"
_ERASURES = "/api/aspectstore/v1/erasures"

ROWS = [
    Row(
        route=f"DELETE {_ALL}/{{tenant}}",
        scope=PLATFORM,
        status=202,
        path=f"{_ALL}/<doomed_tenant>",
        query={"confirm": "doomed1"},
        foreign={"doomed_tenant in path": 400},
    ),
    Row(route=f"GET {_ERASURES}", scope=PLATFORM, status=200, path=_ERASURES, query={"limit": "1"}),
    Row(
        route=f"GET {_ERASURES}/{{erasure}}",
        scope=PLATFORM,
        status=200,
        path=f"{_ERASURES}/<erasure>",
        foreign={"erasure in path": 200},
    ),
]
