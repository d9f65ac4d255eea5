"""How agents are: for whoever operates them, of a subtenant those of its assets."""

from api.identity.scopes import AGENTS_READ
from api.routes.fleet import PATH
from tests.security.table import BOUND, STRANGER, Row

ROWS = [
    Row(
        route=f"GET {PATH}",
        scope=AGENTS_READ,
        status=200,
        path=PATH,
        query={"after": "<asset>", "limit": "1"},
        foreign={"asset in query after": 200},
        callers={STRANGER: 200, BOUND: 200},
    ),
    Row(route=f"GET {PATH}/{{agent_id}}", scope=AGENTS_READ, status=200, path=f"{PATH}/<asset>"),
]
