"""Health and metrics."""

from api.identity.scopes import OPERATIONS_READ
from tests.security.table import Row

ROWS = [
    Row(route="GET /health", scope=None, status=200, path="/health"),
    Row(route="GET /metrics", scope=OPERATIONS_READ, status=200, path="/metrics"),
]
