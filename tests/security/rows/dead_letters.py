"""Dead letters and jobs.

A cursor is a place in an order that all tenants share: it shows the caller's own letters behind it, nothing
else. A replay takes the caller's letters of the places that are named, so a foreign place is an empty job.
"""

from api.identity.scopes import OPERATIONS_READ, OPERATIONS_WRITE
from tests.security.table import STRANGER, Row

_LETTERS = "/api/aspectstore/v1/dead-letters"
_JOBS = "/api/aspectstore/v1/dead-letters/replays"

ROWS = [
    Row(
        route=f"GET {_LETTERS}",
        scope=OPERATIONS_READ,
        status=200,
        path=_LETTERS,
        query={"after": "<cursor>"},
        foreign={"cursor in query after": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"POST {_LETTERS}/replay",
        scope=OPERATIONS_WRITE,
        status=202,
        path=f"{_LETTERS}/replay",
        body={"shard": "<#shard>", "positions": ["<#position>"]},
        foreign={"shard in body": 202, "position in body": 202},
        callers={STRANGER: 202},
    ),
    Row(
        route=f"DELETE {_LETTERS}/{{shard}}/{{position}}",
        scope=OPERATIONS_WRITE,
        status=204,
        path=f"{_LETTERS}/<letter>",
    ),
    Row(
        route=f"GET {_JOBS}/{{job_id}}",
        scope=OPERATIONS_READ,
        status=200,
        path=f"{_JOBS}/<job>",
    ),
]
