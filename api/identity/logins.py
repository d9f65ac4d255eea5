"""Who a login's credentials prove: clients with or without a secret, users by name and password.

Works in a thread of the hashing pool and asks the catalogue through the loop it came from.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from api.identity.accounts import Accounts, Client, Family, User
from api.identity.brake import Brake
from api.identity.passwords import Passwords
from api.identity.revocations import Revocations
from api.identity.tokens import Tokens
from runtime.ports import DoorPolicy
from schemas.ids import CORE

T = TypeVar("T")

ANSWER_S_MAX = 10.0
"""The catalogue must answer a login's question by then."""


@dataclass(slots=True, frozen=True)
class Login:
    """What came in: a form, and how the client says who it is."""

    form: dict[str, str]
    authorization: str | None
    address: str
    now_s: int


@dataclass(slots=True, frozen=True)
class Issuer:
    """Everything that a login works with."""

    accounts: Accounts
    passwords: Passwords
    tokens: Tokens
    brake: Brake
    policy: DoorPolicy
    revocations: Revocations

    @property
    def token_s_max(self) -> int:
        """Give how long an access token lives at most."""
        return max(self.policy.access_token_s, self.policy.device_token_s)


class Known(NamedTuple):
    """An account that a login named and that exists, whether or not the login proved to be it."""

    tenant: str
    subject: str
    """The user, or the client where no user was named."""
    client_id: str
    """Empty: another tenant's."""


class Logins:
    """One login; TooMany from the brake and Unavailable from the store pass through."""

    def __init__(self, issuer: Issuer, login: Login, loop: asyncio.AbstractEventLoop) -> None:
        """Take what to work with, what came in and the loop that owns the catalogue."""
        self.issuer = issuer
        self.login = login
        self._loop = loop
        self.known: Known | None = None
        """For the audit log: a name that no account has is told to nobody."""

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Ask the catalogue."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(ANSWER_S_MAX)

    def client_by_secret(self) -> Client | None:
        """Find the client whose secret came, in the header or the form; None for a wrong one or none."""
        tries = _client_secrets(self.login)
        if not tries:
            return None
        account = f"client:{tries[0][0]}"
        self._check(account)
        for client_id, secret in tries:
            client = self.ask(self.issuer.accounts.find_client(client_id))
            self._know(client)
            if self._is_right(client, secret) and client is not None:
                self.issuer.brake.succeeded(account, self.login.address)
                return client
        self._failed(account)
        return None

    def public_client(self) -> Client | None:
        """Find the client that has no secret and only says its name; None where there is a secret to give."""
        form = self.login.form
        if self.login.authorization is not None or "client_secret" in form or not form.get("client_id"):
            return None
        client = self.ask(self.issuer.accounts.find_client(form["client_id"]))
        self._know(client)
        return client if client is not None and not client.secret_hash else None

    def user_with(self, client: Client, name: str, password: str) -> User | None:
        """Find the user of this client with this password; None for a wrong one, however it is wrong."""
        account = f"user:{name}"
        self._check(account)
        user = self.ask(self.issuer.accounts.find_user(name)) if name else None
        if user is not None:
            client_id = client.id if client.tenant in {CORE, user.tenant} else ""
            self.known = Known(user.tenant, user.name, client_id)
        right = self.issuer.passwords.holds(user.password_hash if user else None, password)
        if user is None or not right or client.tenant not in {CORE, user.tenant}:
            self._failed(account)
            return None
        self.issuer.brake.succeeded(account, self.login.address)
        return user

    def user_of(self, family: Family) -> User | None:
        """Find the family's user; None if he is gone or suspended."""
        self.know_family(family)
        user = self.ask(self.issuer.accounts.find_user(family.user))
        return user if user is not None and user.tenant == family.tenant else None

    def _is_right(self, client: Client | None, secret: str) -> bool:
        # A public client has no secret, so there is none that could be right; to say so takes as long.
        good = client.hashes(self.login.now_s) if client is not None and client.secret_hash else (None,)
        return any(self.issuer.passwords.holds(hashed, secret) for hashed in good)

    def know_family(self, family: Family) -> None:
        """Take the user of a family for the account that was named."""
        self.known = Known(family.tenant, family.user, family.client_id)

    def _know(self, client: Client | None) -> None:
        if client is not None:
            self.known = Known(client.tenant, client.id, client.id)

    def _check(self, account: str) -> None:
        self.issuer.brake.check(account, self.login.address, self.login.now_s)

    def _failed(self, account: str) -> None:
        self.issuer.brake.failed(account, self.login.address, self.login.now_s)


def _client_secrets(login: Login) -> list[tuple[str, str]]:
    """List what the client may have meant: Basic raw, Basic percent-decoded, or the form; [] for nothing."""
    if login.authorization is None:
        pair = (login.form.get("client_id", ""), login.form.get("client_secret", ""))
        return [pair] if all(pair) else []
    scheme, _, encoded = login.authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon or not client_id:
        return []
    raw, decoded = (client_id, secret), (unquote(client_id), unquote(secret))
    return [raw] if raw == decoded else [raw, decoded]
