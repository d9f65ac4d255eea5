"""The token endpoint's protocol: authlib's grants over our accounts, one exchange a request.

authlib is synchronous and hashing is slow, so an exchange runs in a thread of the hashing pool and
asks the catalogue through the loop it came from. What RFC 6749 leaves open is decided here:

* a client may send its secret as Basic, raw or percent-encoded, or in the form (TB-06); one without a
  secret says its id, and may use codes and refresh tokens only;
* no scope, or TimeBase's `trust`, asks for everything that client and user may do (TB-01, TB-03);
* a shared client of `core` serves users of every tenant; others only their own tenant's;
* a code is the first token of its family, so a second use ends everything that came of it (RFC 9700, 2.1.1).
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

import msgspec
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, grants
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from api.identity.accounts import AUTHORIZATION_CODE, PASSWORD, REFRESH_TOKEN, Client, Family, User
from api.identity.logins import Issuer, Known, Login, Logins
from api.identity.tokens import CLIENT, USER, Grant
from schemas.ids import TenantId
from storage.port import Document

# At level DEBUG authlib writes issued tokens into the log.
logging.getLogger("authlib").setLevel(logging.WARNING)

_ENDPOINT: Final = "https://door/oauth/token"
"""authlib refuses plain http; whether TLS ends here or before the door is the operator's matter."""

_EVERYTHING: Final = frozenset({"", "trust"})

_SECRET, _PUBLIC = "secret", "public"
"""The ways in which a client says who it is."""

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)  # RFC 7636, 4.1


@dataclass(slots=True, frozen=True)
class TokenAnswer:
    """What goes out: a status, a JSON body, and headers of its own."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    known: Known | None = None
    """The account that was named, where it exists."""


class _ClientView:
    """A client as authlib wants to see it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grants

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint == "token" and method == (_SECRET if self.client.secret_hash else _PUBLIC)


@dataclass(slots=True, frozen=True)
class _FamilyView:
    """A refresh token, or a code, as authlib wants to see it."""

    family: Family
    document: Document

    def check_client(self, view: _ClientView) -> bool:
        return view.client.id == self.family.client_id

    def get_scope(self) -> str:
        return " ".join(self.family.scopes)


class _ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_SECRET,)


class _Password(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_SECRET,)

    def authenticate_user(self, username: str, password: str) -> User:
        user: User = self.server.user_with(username, password)
        return user


class _Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = (_PUBLIC, _SECRET)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _FamilyView | None:
        view: _FamilyView | None = self.server.family_of(refresh_token)
        return None if view is None or view.family.code_challenge else view

    def authenticate_user(self, refresh_token: _FamilyView) -> User:
        user: User = self.server.user_of(refresh_token.family)
        return user

    def revoke_old_credential(self, refresh_token: _FamilyView) -> None:
        """Do nothing: storing the successor has ended it."""


class _Code(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    """A code of the login page, with the verifier of its challenge (RFC 7636); S256 is the only method."""

    GRANT_TYPE = AUTHORIZATION_CODE
    TOKEN_ENDPOINT_AUTH_METHODS = (_PUBLIC, _SECRET)

    def validate_token_request(self) -> None:
        view = self.authenticate_token_endpoint_client()
        if not view.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        form = self.request.form
        if not form.get("code") or not form.get("code_verifier"):
            raise InvalidRequestError("The parameters code and code_verifier are required.")
        found = self.server.family_of(form["code"])
        if found is None or not found.family.code_challenge or not found.check_client(view):
            raise InvalidGrantError("The code does not hold.")
        if form.get("redirect_uri") != found.family.redirect_uri:
            raise InvalidGrantError("The redirect_uri is not the one that the code was sent to.")
        if not _verifies(form["code_verifier"], found.family.code_challenge):
            raise InvalidGrantError("The code_verifier does not fit the code.")
        self.request.client, self.request.refresh_token = view, found

    def create_token_response(self) -> tuple[int, dict[str, Any], object]:
        found: _FamilyView = self.request.refresh_token
        user = self.server.user_of(found.family)
        token = self.generate_token(user=user, scope=found.get_scope())
        if not self.request.client.check_grant_type(REFRESH_TOKEN):
            del token["refresh_token"]  # It would be refused; storing it has ended the code.
        return 200, token, self.TOKEN_RESPONSE_HEADER


class TokenExchange(AuthorizationServer):  # type: ignore[misc]
    """One request at the token endpoint."""

    def __init__(self, issuer: Issuer, login: Login, loop: asyncio.AbstractEventLoop) -> None:
        """Take what to work with, what came in and the loop that owns the catalogue."""
        super().__init__()
        self._issuer = issuer
        self._login = login
        self._logins = Logins(issuer, login, loop)
        self._oauth = OAuth2Request("POST", _ENDPOINT)
        self._oauth.payload = BasicOAuth2Payload(login.form)
        self._oauth._body = login.form
        self.register_client_auth_method(_SECRET, self._by_secret)
        self.register_client_auth_method(_PUBLIC, self._public)
        self.register_token_generator("default", self._generate)
        for grant in (_ClientCredentials, _Password, _Refresh, _Code):
            self.register_grant(grant)

    def run(self) -> TokenAnswer:
        """Answer the request; TooMany from the brake and Unavailable from the store pass through."""
        if not self._login.form.get("grant_type"):
            return TokenAnswer(400, _error("invalid_request", "The parameter grant_type is missing."))
        answer: TokenAnswer = self.create_token_response(self._oauth)
        return replace(answer, known=self._logins.known)

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
            return BAD_CREDENTIALS
        if "error" in body:
            return TokenAnswer(status, _error(body["error"], body.get("error_description") or "Refused."))
        return TokenAnswer(status, body)

    def validate_requested_scope(self, scope: str | None) -> None:
        """Refuse a scope that client and user do not both have."""
        if not set(wanted_scopes(scope)) <= set(self._allowed(self._oauth.user)):
            raise InvalidScopeError("The requested scope goes beyond what may be granted.")

    # What the grants ask.

    def user_with(self, name: str, password: str) -> User:
        """Find the user with this password; InvalidGrantError for a wrong one, however it is wrong."""
        user = self._logins.user_with(self._oauth.client.client, name, password)
        if user is None:
            raise InvalidGrantError("Bad credentials")
        return user

    def family_of(self, token: str) -> _FamilyView | None:
        """Find the family whose youngest token this is; one that ends here takes its access tokens along."""
        found = self._logins.ask(self._issuer.accounts.find_family(token, self._login.now_s))
        if found is not None:
            return _FamilyView(*found)
        ended = self._logins.ask(self._issuer.accounts.know_family(token))
        if ended is not None:
            self._logins.know_family(ended[0])
        if ended is not None and ended[0].revoked and not self._issuer.revocations.names(ended[0].id):
            until_s = self._login.now_s + self._issuer.token_s_max
            self._logins.ask(self._issuer.revocations.add(ended[0].id, until_s))
        return None

    def user_of(self, family: Family) -> User:
        """Find the family's user; InvalidGrantError if he is gone or suspended."""
        user = self._logins.user_of(family)
        if user is None:
            raise InvalidGrantError("The user is gone.")
        return user

    # Inside.

    def _by_secret(self, _query: object, _request: OAuth2Request) -> _ClientView:
        client = self._logins.client_by_secret()
        if client is None:
            raise InvalidClientError
        view = self._oauth.client = _ClientView(client)
        return view

    def _public(self, _query: object, _request: OAuth2Request) -> _ClientView | None:
        client = self._logins.public_client()
        if client is None:
            return None
        view = self._oauth.client = _ClientView(client)
        return view

    def _allowed(self, user: User | None) -> tuple[str, ...]:
        return allowed_scopes(self._oauth.client.client, user)

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
        allowed, wanted = self._allowed(user), wanted_scopes(scope)
        scopes = tuple(name for name in allowed if name in wanted) if wanted else allowed
        tenant = TenantId(user.tenant if user else client.client.tenant)
        subject = user.name if user else client.client.id
        # First the refresh token: if another request was first, nothing may be issued.
        refresh = self._refresh_token(tenant, subject, scopes) if user and include_refresh_token else None
        session = "" if refresh is None else refresh.split(".")[1]
        lifetime_s = self._lifetime_s(grant_type)
        category = USER if user else CLIENT
        subtenant = (user and user.subtenant) or client.client.subtenant
        grant = Grant(tenant, subject, client.client.id, scopes, category, lifetime_s, session, subtenant)
        # Within the second of a reset nothing else would tell the tokens before it from those after it.
        given_s = max(self._login.now_s, client.client.since_s, user.since_s if user else 0)
        token, token_id = self._issuer.tokens.issue(grant, given_s)
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
        current: _FamilyView | None = self._oauth.refresh_token
        by_page = current is not None and bool(current.family.redirect_uri)
        from_device = grant_type == PASSWORD or (current is not None and not by_page)
        return policy.device_token_s if from_device else policy.access_token_s

    def _refresh_token(self, tenant: TenantId, user: str, scopes: tuple[str, ...]) -> str:
        expires_s = self._login.now_s + self._issuer.policy.refresh_token_s
        current: _FamilyView | None = self._oauth.refresh_token
        accounts = self._issuer.accounts
        if current is None:
            client_id = self._oauth.client.client.id
            return self._logins.ask(
                accounts.start_family(Family("", tenant, client_id, user, scopes, "", expires_s))
            )
        family = msgspec.structs.replace(current.family, code_challenge="")
        renewed = self._logins.ask(accounts.renew_family(family, current.document, expires_s))
        if renewed is None:
            raise InvalidGrantError("The refresh token was used already.")
        return renewed


def allowed_scopes(client: Client, user: User | None) -> tuple[str, ...]:
    """List the scopes that a client, or a user through it, may be given."""
    if user is None:
        return client.scopes
    return tuple(scope for scope in client.scopes if scope in user.scopes)


def wanted_scopes(scope: str | None) -> Collection[str]:
    """Read a `scope` parameter; nothing, or TimeBase's word for everything, gives nothing."""
    text = (scope or "").strip()
    return () if text in _EVERYTHING else text.split()


def _verifies(verifier: str, challenge: str) -> bool:
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    hashed = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return compare_digest(hashed, challenge)


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description}


BAD_CREDENTIALS: Final = TokenAnswer(401, _error("unauthorized", "Bad credentials"))
"""To a client whose secret is wrong, or that there is not (wire 7.1)."""
