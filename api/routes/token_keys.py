"""The public keys by which clients verify tokens themselves, in both shapes that clients read.

Platform clients want a PEM of several lines and look at the first key only (wire 7.1); agents put the line
breaks in themselves and fail where there are some (wire 5.3). The first key is always the one that signs.
"""

from __future__ import annotations

import msgspec
from litestar import get

from api.identity.scopes import opened
from api.services import Serving

AGENT_PATH = "/api/agentmanagement/v3/oauth"


class PublicKey(msgspec.Struct):
    """One key that verifies tokens."""

    kid: str
    alg: str
    use: str
    kty: str
    n: str
    e: str
    value: str
    """The same key as PEM: in several lines for platform clients, in one for agents."""


class PublicKeys(msgspec.Struct):
    """The keys; first the one that signs, then the others, newest first."""

    keys: list[PublicKey]


@get("/token_keys", opt=opened(), operation_id="listTokenKeys", tags=["tokens"], sync_to_thread=False)
def list_token_keys(services: Serving) -> PublicKeys:
    """Give the public keys, so that clients can verify tokens themselves (wire 7.1)."""
    return PublicKeys(msgspec.convert(services.identity.public_keys(), list[PublicKey]))


@get(
    f"{AGENT_PATH}/token_key",
    opt=opened(),
    operation_id="getAgentTokenKey",
    tags=["tokens"],
    sync_to_thread=False,
)
def get_agent_token_key(services: Serving) -> PublicKey:
    """Give the key that signs now, its PEM in one line (wire 5.3)."""
    return msgspec.convert(services.identity.public_keys(lines=False)[0], PublicKey)


@get(
    f"{AGENT_PATH}/token_keys",
    opt=opened(),
    operation_id="listAgentTokenKeys",
    tags=["tokens"],
    sync_to_thread=False,
)
def list_agent_token_keys(services: Serving) -> PublicKeys:
    """Give the public keys, their PEMs in one line (wire 5.3)."""
    return PublicKeys(msgspec.convert(services.identity.public_keys(lines=False), list[PublicKey]))


ROUTES = (list_token_keys, get_agent_token_key, list_agent_token_keys)
