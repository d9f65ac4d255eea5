"""Agents, and how they get in and out.

What agents ask for themselves is open and has credentials of its own, which no row can have, and who tries
others is braked. So its rows are refused for their bodies; `tests/api/test_agent_identity.py` tries the rest.
"""

from api.guard.agents import AGENTS
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE
from tests.security.table import Row

_ONE = f"{AGENTS}/{{agent_id}}"
_IDENTITY = "/api/agentmanagement/v3"

MANAGEMENT = [
    Row(
        route=f"GET {AGENTS}",
        scope=AGENTS_READ,
        status=200,
        path=AGENTS,
        query={"filter": '{"id":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={"stranger": 200},
    ),
    Row(
        route=f"POST {AGENTS}",
        scope=AGENTS_WRITE,
        status=201,
        path=AGENTS,
        body={"name": "New", "securityProfile": "RSA_3072", "entityId": "<device_asset>"},
        foreign={"device_asset in body": 400},
        callers={"stranger": 400, "bound": 403},
    ),
    Row(route=f"GET {_ONE}", scope=AGENTS_READ, status=200, path=f"{AGENTS}/<asset>"),
    Row(
        route=f"PUT {_ONE}",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{AGENTS}/<changed_agent>",
        headers={"if-match": "<agent_etag>"},
        body={"name": "Changed", "securityProfile": "RSA_3072"},
        foreign={"agent_etag in header if-match": 412},
    ),
    Row(
        route=f"DELETE {_ONE}",
        scope=AGENTS_WRITE,
        status=204,
        path=f"{AGENTS}/<spare_agent>",
        headers={"if-match": "<agent_etag>"},
        foreign={"agent_etag in header if-match": 412},
    ),
    Row(route=f"GET {_ONE}/status", scope=AGENTS_READ, status=200, path=f"{AGENTS}/<asset>/status"),
]

BOARDING = [
    Row(
        route=f"GET {_ONE}/boarding/configuration",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{AGENTS}/<changed_agent>/boarding/configuration",
    ),
    Row(
        route=f"GET {_ONE}/boarding/status",
        scope=AGENTS_READ,
        status=200,
        path=f"{AGENTS}/<asset>/boarding/status",
    ),
    Row(
        route=f"POST {_ONE}/boarding/offboard",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{AGENTS}/<changed_agent>/boarding/offboard",
    ),
]

IDENTITY = [
    Row(
        route=f"POST {_IDENTITY}/register",
        scope=None,
        status=400,
        path=f"{_IDENTITY}/register",
        body={"jwks": "none"},
    ),
    Row(
        route=f"PUT {_IDENTITY}/register/{{client_id}}",
        scope=None,
        status=400,
        path=f"{_IDENTITY}/register/<asset>",
        body={"client_id": "another"},
        foreign={"asset in path": 400},
    ),
    Row(
        route=f"POST {_IDENTITY}/oauth/token",
        scope=None,
        status=400,
        path=f"{_IDENTITY}/oauth/token",
        form={"grant_type": "password"},
    ),
]

ROWS = [*MANAGEMENT, *BOARDING, *IDENTITY]
