"""Users and technical users.

Names are unique in the installation, so that a taken one is told from a free one; whose it is is not said.
A place in a list is a name: it shows the caller's own accounts behind it.
"""

from api.identity.scopes import ACCOUNTS_READ, ACCOUNTS_WRITE
from tests.security.table import STRANGER, Row

_BASE = "/api/aspectstore/v1"


def _of(kind: str, name: str, thing: str) -> list[Row]:
    path, spare = f"{_BASE}/{kind}", f"{_BASE}/{kind}/<spare_{thing}>"

    def act(method: str, part: str = "", body: object = None, status: int = 200) -> Row:
        return Row(
            route=f"{method} {path}/{{{name}}}{part}",
            scope=ACCOUNTS_WRITE,
            status=status,
            path=f"{spare}{part}",
            body=body,
        )

    return [
        Row(
            route=f"GET {path}",
            scope=ACCOUNTS_READ,
            status=200,
            path=path,
            query={"after": f"<{thing}>"},
            foreign={f"{thing} in query after": 200},
            callers={STRANGER: 200},
        ),
        Row(route=f"POST {path}", scope=ACCOUNTS_WRITE, status=201, path=path, body={"role": "viewer"}),
        Row(
            route=f"POST {path}",
            note="a taken name",
            scope=ACCOUNTS_WRITE,
            status=409,
            path=path,
            body={"id" if kind == "clients" else "name": _TAKEN[kind], "role": "viewer"},
        ),
        Row(route=f"GET {path}/{{{name}}}", scope=ACCOUNTS_READ, status=200, path=f"{path}/<{thing}>"),
        act("PATCH", "", {"description": "D"}),
        act("POST", "/suspend"),
        act("POST", "/resume"),
        act("POST", "/rotate", {}),
        act("DELETE", "", None, 204),
    ]


_TAKEN = {"users": "asleep-board", "clients": "asleep-app"}

ROWS = [*_of("users", "name", "user"), *_of("clients", "client_id", "client")]
