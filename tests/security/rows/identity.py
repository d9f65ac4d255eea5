"""How clients log out, the login page, tokens of applications, public keys, and API keys.

The login page and the Technical Token Manager prove somebody by what only he knows, and look at no token:
rows call them as nobody who is known, and `tests/api` has the rest.
"""

from api.identity.scopes import ACCOUNTS_READ, ACCOUNTS_WRITE
from tests.security.table import CALLERS, NOBODY, STRANGER, Row

_AGENTS = "/api/agentmanagement/v3/oauth"
_APPLICATIONS = "/api/technicaltokenmanager/v3"
_KEYS = "/api/aspectstore/v1/api-keys"

ROWS = [
    Row(
        route="POST /oauth/revoke",
        scope=None,
        status=200,
        path="/oauth/revoke",
        form={"client_id": "<client>", "client_secret": "<secret>", "token": "<spare_refresh>"},
        foreign={
            "client in form client_id": 401,
            "secret in form client_secret": 401,
            "spare_refresh in form token": 200,
        },
        callers={caller: 401 for caller in CALLERS if caller != NOBODY},
    ),
    Row(route="GET /oauth/authorize", scope=None, status=400, path="/oauth/authorize"),
    Row(
        route="POST /oauth/authorize",
        scope=None,
        status=400,
        path="/oauth/authorize",
        form={"client_id": "nobody", "username": "nobody", "password": "nothing"},
    ),
    Row(
        route=f"POST {_APPLICATIONS}/oauth/token",
        scope=None,
        status=401,
        path=f"{_APPLICATIONS}/oauth/token",
        headers={"x-space-auth-key": "Basic !"},
        body={"appName": "cli", "appVersion": "1.0.0", "hostTenant": "acme", "userTenant": "acme"},
    ),
    Row(
        route=f"POST {_APPLICATIONS}/oauthTokens",
        scope=None,
        status=401,
        path=f"{_APPLICATIONS}/oauthTokens",
        headers={"x-space-auth-key": "Basic !"},
        body={"hostTenantId": "acme", "userTenantIds": ["acme"]},
    ),
    Row(route=f"GET {_AGENTS}/token_key", scope=None, status=200, path=f"{_AGENTS}/token_key"),
    Row(route=f"GET {_AGENTS}/token_keys", scope=None, status=200, path=f"{_AGENTS}/token_keys"),
    Row(route=f"GET {_KEYS}", scope=ACCOUNTS_READ, status=200, path=_KEYS),
    Row(
        route=f"POST {_KEYS}",
        scope=ACCOUNTS_WRITE,
        status=201,
        path=_KEYS,
        body={"client": "<client>", "label": "matrix"},
        foreign={"client in body": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"POST {_KEYS}",
        note="of a user",
        scope=ACCOUNTS_WRITE,
        status=201,
        path=_KEYS,
        body={"user": "<user>", "scopes": ["iot.tim.r"]},
        foreign={"user in body": 400},
        callers={STRANGER: 400},
    ),
    Row(route=f"DELETE {_KEYS}/{{key_id}}", scope=ACCOUNTS_WRITE, status=204, path=f"{_KEYS}/<api_key>"),
]
