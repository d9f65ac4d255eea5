"""The audit log. A cursor is signed for one tenant: another's is refused as a forged one is."""

from api.identity.scopes import AUDIT_READ, PLATFORM
from tests.security.table import STRANGER, Row

_LOG = "/api/aspectstore/v1/audit"
_PLATFORM = "/api/aspectstore/v1/platform/audit"

ROWS = [
    Row(
        route=f"GET {_LOG}",
        scope=AUDIT_READ,
        status=200,
        path=_LOG,
        query={"limit": "1", "cursor": "<audit_cursor>"},
        foreign={"audit_cursor in query cursor": 400},
        callers={STRANGER: 400},
    ),
    Row(route=f"GET {_LOG}/export", scope=AUDIT_READ, status=200, path=f"{_LOG}/export"),
    Row(route=f"GET {_PLATFORM}", scope=PLATFORM, status=200, path=_PLATFORM),
    Row(route=f"GET {_PLATFORM}/export", scope=PLATFORM, status=200, path=f"{_PLATFORM}/export"),
]
