"""The token endpoint's protocol: authlib's grants over our accounts, one exchange a request.

authlib is synchronous and hashing is slow, so an exchange runs in a thread of the hashing pool and
asks the catalogue through the loop it came from. What RFC 6749 leaves open is decided here:

* a client may send its secret as Basic, raw or percent-encoded, or in the form (TB-06);
* no scope, or TimeBase's `trust`, asks for everything that client and user may do (TB-01, TB-03);
* a shared client of `core` serves users of every tenant; others only their own tenant's.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, grants
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from api.identity.accounts import PASSWORD, REFRESH_TOKEN, Accounts, Client, Family, User
from api.identity.brake import Brake
from api.identity.passwords import Passwords
from api.identity.tokens import Grant, Tokens
from runtime.ports import DoorPolicy
from schemas.ids import CORE, TenantId
from storage.port import Document

# At level DEBUG authlib writes issued tokens into the log.
logging.getLogger("authlib").setLevel(logging.WARNING)

T = TypeVar("T")

ANSWER_S_MAX = 10.0
"""The catalogue must answer a login's question by then."""

_ENDPOINT = "https://door/oauth/token"
"""authlib refuses plain http; whether TLS ends here or before the door is the operator's matter."""

_EVERYTHING = frozenset({"", "trust"})

_CLIENT_AUTHENTICATION = "secret"


@dataclass(slots=True, frozen=True)
class TokenRequest:
    """What came in at the token endpoint."""

    form: dict[str, str]
    authorization: str | None
    address: str
    now_s: int


@dataclass(slots=True, frozen=True)
class TokenAnswer:
    """What goes out: a status and a JSON body, and whether the secret was wrong."""

    status: int
    body: dict[str, Any]


@dataclass(slots=True, frozen=True)
class Issuer:
    """Everything that an exchange works with."""

    accounts: Accounts
    passwords: Passwords
    tokens: Tokens
    brake: Brake
    policy: DoorPolicy


class _ClientView:
    """A client as authlib wants to see it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grants

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == _CLIENT_AUTHENTICATION and endpoint == "token"


@dataclass(slots=True, frozen=True)
class _FamilyView:
    """A refresh token as authlib wants to see it."""

    family: Family
    document: Document

    def check_client(self, view: _ClientView) -> bool:
        return view.client.id == self.family.client_id

    def get_scope(self) -> str:
        return " ".join(self.family.scopes)


class _ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_CLIENT_AUTHENTICATION,)


class _Password(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_CLIENT_AUTHENTICATION,)

    def authenticate_user(self, username: str, password: str) -> User:
        user: User = self.server.user_with(username, password)
        return user


class _Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_CLIENT_AUTHENTICATION,)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _FamilyView | None:
        view: _FamilyView | None = self.server.family_of(refresh_token)
        return view

    def authenticate_user(self, refresh_token: _FamilyView) -> User:
        user: User = self.server.user_of(refresh_token.family)
        return user

    def revoke_old_credential(self, refresh_token: _FamilyView) -> None:
        """Do nothing: storing the successor has ended it."""


class TokenExchange(AuthorizationServer):  # type: ignore[misc]
    """One request at the token endpoint; runs in a thread, asks the catalogue on the loop."""

    def __init__(self, issuer: Issuer, request: TokenRequest, loop: asyncio.AbstractEventLoop) -> None:
        """Take what to work with, what came in and the loop that owns the catalogue."""
        super().__init__()
        self._issuer = issuer
        self._request = request
        self._loop = loop
        self._oauth = OAuth2Request("POST", _ENDPOINT)
        self._oauth.payload = BasicOAuth2Payload(request.form)
        self._oauth._body = request.form
        self.register_client_auth_method(_CLIENT_AUTHENTICATION, self._authenticate)
        self.register_token_generator("default", self._generate)
        for grant in (_ClientCredentials, _Password, _Refresh):
            self.register_grant(grant)

    def run(self) -> TokenAnswer:
        """Answer the request; TooMany from the brake and Unavailable from the store pass through."""
        if not self._request.form.get("grant_type"):
            return TokenAnswer(400, _error("invalid_request", "The parameter grant_type is missing."))
        answer: TokenAnswer = self.create_token_response(self._oauth)
        return answer

    # What authlib asks of a framework.

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        """Give the request as it is."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody."""

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Do nothing: access tokens are not stored, refresh tokens are stored when made."""

    def query_client(self, client_id: str) -> None:
        """Do nothing: clients are found where their secret is checked."""

    def handle_response(self, status: int, body: dict[str, Any], headers: object) -> TokenAnswer:
        """Give RFC 6749's body; a client that does not hold gets the answer of wire 7.1."""
        if body.get("error") == "invalid_client":
            return TokenAnswer(401, _error("unauthorized", "Bad credentials"))
        if "error" in body:
            return TokenAnswer(status, _error(body["error"], body.get("error_description") or "Refused."))
        return TokenAnswer(status, body)

    def validate_requested_scope(self, scope: str | None) -> None:
        """Refuse a scope that client and user do not both have."""
        if not set(_wanted(scope)) <= set(self._allowed(self._oauth.user)):
            raise InvalidScopeError("The requested scope goes beyond what may be granted.")

    # What the grants ask.

    def user_with(self, name: str, password: str) -> User:
        """Find the user with this password; InvalidGrantError for a wrong one, however it is wrong."""
        account = f"user:{name}"
        self._issuer.brake.check(account, self._request.address, self._request.now_s)
        user = self._ask(self._issuer.accounts.find_user(name))
        right = self._issuer.passwords.holds(user.password_hash if user else None, password)
        if user is None or not right or not self._serves(user):
            self._issuer.brake.failed(account, self._request.address, self._request.now_s)
            raise InvalidGrantError("Bad credentials")
        self._issuer.brake.succeeded(account, self._request.address)
        return user

    def family_of(self, token: str) -> _FamilyView | None:
        """Find the family whose youngest token this is."""
        found = self._ask(self._issuer.accounts.find_family(token, self._request.now_s))
        return None if found is None else _FamilyView(*found)

    def user_of(self, family: Family) -> User:
        """Find the family's user; InvalidGrantError if he is gone or suspended."""
        user = self._ask(self._issuer.accounts.find_user(family.user))
        if user is None or user.tenant != family.tenant:
            raise InvalidGrantError("The user is gone.")
        return user

    # Inside.

    def _authenticate(self, _query: object, _request: OAuth2Request) -> _ClientView:
        tries = _client_secrets(self._request)
        if not tries:
            raise InvalidClientError
        account = f"client:{tries[0][0]}"
        self._issuer.brake.check(account, self._request.address, self._request.now_s)
        for client_id, secret in tries:
            client = self._ask(self._issuer.accounts.find_client(client_id))
            right = self._issuer.passwords.holds(client.secret_hash if client else None, secret)
            if client is not None and right:
                self._issuer.brake.succeeded(account, self._request.address)
                view = self._oauth.client = _ClientView(client)
                return view
        self._issuer.brake.failed(account, self._request.address, self._request.now_s)
        raise InvalidClientError

    def _serves(self, user: User) -> bool:
        return self._oauth.client.client.tenant in {CORE, user.tenant}

    def _allowed(self, user: User | None) -> tuple[str, ...]:
        scopes: tuple[str, ...] = self._oauth.client.client.scopes
        return scopes if user is None else tuple(scope for scope in scopes if scope in user.scopes)

    def _generate(
        self,
        grant_type: str,
        client: _ClientView,
        *,
        user: User | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        allowed = self._allowed(user)
        scopes = tuple(name for name in allowed if name in _wanted(scope)) if _wanted(scope) else allowed
        lifetime_s = self._lifetime_s(grant_type)
        grant = Grant(
            tenant=TenantId(user.tenant if user else client.client.tenant),
            subject=user.name if user else client.client.id,
            client_id=client.client.id,
            scopes=scopes,
            category="user-token:v1" if user else "client-token:v1",
            lifetime_s=lifetime_s,
        )
        # First the refresh token: if another request was first, nothing may be issued.
        refresh = self._refresh_token(grant) if user and include_refresh_token else None
        token, token_id = self._issuer.tokens.issue(grant, self._request.now_s)
        answer = {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": lifetime_s,
            "scope": " ".join(scopes),
            "jti": token_id,
        }
        return answer if refresh is None else {**answer, "refresh_token": refresh}

    def _lifetime_s(self, grant_type: str) -> int:
        policy = self._issuer.policy
        return policy.device_token_s if grant_type in {PASSWORD, REFRESH_TOKEN} else policy.access_token_s

    def _refresh_token(self, grant: Grant) -> str:
        expires_s = self._request.now_s + self._issuer.policy.refresh_token_s
        current: _FamilyView | None = self._oauth.refresh_token
        if current is None:
            family = Family("", grant.tenant, grant.client_id, grant.subject, grant.scopes, "", expires_s)
            return self._ask(self._issuer.accounts.start_family(family))
        renewed = self._ask(self._issuer.accounts.renew_family(current.family, current.document, expires_s))
        if renewed is None:
            raise InvalidGrantError("The refresh token was used already.")
        return renewed

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(ANSWER_S_MAX)


def _wanted(scope: str | None) -> list[str]:
    return [] if (scope or "").strip() in _EVERYTHING else (scope or "").split()


def _client_secrets(request: TokenRequest) -> list[tuple[str, str]]:
    """List what the client may have meant: Basic raw, Basic percent-decoded, or the form; [] for nothing."""
    if request.authorization is None:
        pair = (request.form.get("client_id", ""), request.form.get("client_secret", ""))
        return [pair] if all(pair) else []
    scheme, _, encoded = request.authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon or not client_id:
        return []
    raw, decoded = (client_id, secret), (unquote(client_id), unquote(secret))
    return [raw] if raw == decoded else [raw, decoded]


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description}
