"""Doors over memory adapters, and how to log in at them."""

from __future__ import annotations

import base64
import contextlib
from types import SimpleNamespace

import httpx

from api.app import create_app
from runtime.ports import DoorPolicy, Ports

NOW_MS = 1_767_225_600_000
POLICY = DoorPolicy(password_memory_kib=8, signing_key_bits=2048)


def basic(client_id, secret):
    """Give the header of a client that sends its secret as Basic."""
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token):
    """Give the header of a caller with this token."""
    return {"authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def running_door(catalog, clock, policy=POLICY, routes=()):
    """Start a door in this process; gives the door and an HTTP client of it."""
    door = create_app(Ports(None, None, catalog, clock, policy), routes)
    async with door.running():
        transport = httpx.ASGITransport(door, raise_app_exceptions=False, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            yield SimpleNamespace(door=door, http=client, catalog=catalog, clock=clock)


async def token_of(http, client_id, secret, **form):
    """Log a client in and give its token."""
    answer = await http.post(
        "/oauth/token", data={"grant_type": "client_credentials", **form}, headers=basic(client_id, secret)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]
