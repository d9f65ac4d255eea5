"""How clients log in, and what they may learn of tokens."""

from api.identity.scopes import ANY
from tests.security.table import BOUND, CALLERS, NOBODY, STRANGER, Row

_BEARER = {caller: 401 for caller in CALLERS if caller != NOBODY}
"""A bearer token is no client's secret, whoever's it is."""

_CLIENTS = {"client in form client_id": 401, "secret in form client_secret": 401}

ROWS = [
    Row(
        route="POST /oauth/token",
        scope=None,
        status=200,
        path="/oauth/token",
        form={
            "grant_type": "refresh_token",
            "client_id": "<client>",
            "client_secret": "<secret>",
            "refresh_token": "<refresh>",
        },
        foreign={**_CLIENTS, "refresh in form refresh_token": 400},
        callers=_BEARER,
    ),
    Row(
        route="POST /oauth/token",
        note="password",
        scope=None,
        status=200,
        path="/oauth/token",
        form={
            "grant_type": "password",
            "client_id": "<client>",
            "client_secret": "<secret>",
            "username": "<user>",
            "password": "<password>",
        },
        foreign={**_CLIENTS, "user in form username": 400, "password in form password": 400},
        callers=_BEARER,
    ),
    Row(
        route="POST /oauth/check_token",
        scope=ANY,
        status=200,
        path="/oauth/check_token",
        form={"token": "<token>"},
        foreign={"token in form token": 403},
        callers={STRANGER: 403, BOUND: 200},
    ),
    Row(route="GET /token_keys", scope=None, status=200, path="/token_keys"),
]
