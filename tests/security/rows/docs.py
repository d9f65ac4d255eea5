"""The description of the API: open to everybody."""

from tests.security.table import Row

ROWS = [
    Row(route=f"GET {path}", scope=None, status=200, path=path)
    for path in ("/docs", "/docs/openapi.json", "/docs/openapi.yaml")
]
