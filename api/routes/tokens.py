"""`/oauth/token`, `/oauth/check_token` and `/token_keys`: how clients log in (wire 7.1, TB-01 … TB-11)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from api.bodies import FORM_TYPES
from api.identity.tokens import Identity
from api.scopes import ANY, opened, require
from api.services import Services, Serving
from api.tenancy import Caller
from api.wire import refusals
from schemas.errors import Forbidden, TooMany, Unauthenticated, Unavailable

FORM_BYTES_MAX = 16_384
"""A login is a few hundred bytes; a client assertion has a few thousand."""

FIELDS_MAX = 20

GRANTS = frozenset({"client_credentials", "password", "refresh_token"})
"""Which `/metrics` names."""


class TokenBody(msgspec.Struct, omit_defaults=True):
    """A granted token (RFC 6749, 5.1)."""

    access_token: str
    token_type: str
    """`bearer`."""
    expires_in: int
    """Seconds."""
    scope: str
    jti: str
    refresh_token: str | msgspec.UnsetType = msgspec.UNSET
    """With the grants `password` and `refresh_token`; each is good for one use."""


class OAuthError(msgspec.Struct):
    """A refusal (RFC 6749, 5.2)."""

    error: str
    error_description: str


class TokenForm(msgspec.Struct):
    """What the token endpoint reads; the client's id and secret may come as Basic instead."""

    grant_type: str
    client_id: str | msgspec.UnsetType = msgspec.UNSET
    client_secret: str | msgspec.UnsetType = msgspec.UNSET
    username: str | msgspec.UnsetType = msgspec.UNSET
    password: str | msgspec.UnsetType = msgspec.UNSET
    refresh_token: str | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType = msgspec.UNSET


class CheckForm(msgspec.Struct):
    """The token to look at."""

    token: str


class PublicKey(msgspec.Struct):
    """One key that verifies tokens."""

    kid: str
    alg: str
    use: str
    kty: str
    n: str
    e: str
    value: str
    """The same key as PEM, in several lines."""


class PublicKeys(msgspec.Struct):
    """The keys, newest first: clients look at the first only."""

    keys: list[PublicKey]


class TokenClaims(msgspec.Struct):
    """What a token says."""

    active: bool
    ten: str
    sub: str
    client_id: str
    scope: list[str]
    jti: str
    exp: int


_OAUTH_RESPONSES = {
    400: ResponseSpec(OAuthError, generate_examples=False, description="Refused (RFC 6749, 5.2)"),
    401: ResponseSpec(OAuthError, generate_examples=False, description="Bad credentials"),
    429: ResponseSpec(OAuthError, generate_examples=False, description="Too many failed logins"),
    503: ResponseSpec(OAuthError, generate_examples=False, description="Repeat after Retry-After"),
    **refusals(408, 413, 415),
}


@post(
    "/oauth/token",
    status_code=200,
    opt={**opened(), "media": FORM_TYPES, "form": TokenForm},
    request_max_body_size=FORM_BYTES_MAX,
    responses=_OAUTH_RESPONSES,
    operation_id="issueToken",
    tags=["tokens"],
)
async def issue_token(request: Request[Any, Any, Any], services: Serving) -> Response[TokenBody]:
    """Grant a token: `client_credentials`, `password` or `refresh_token`."""
    try:
        form = _form(await request.body())
    except Unavailable as error:
        return _unavailable(error)
    response = await _issued(request, services, form)
    grant = (form or {}).get("grant_type", "")
    services.ports.figures.add("tokens", grant if grant in GRANTS else "other", str(response.status_code))
    return response


async def _issued(
    request: Request[Any, Any, Any], services: Services, form: dict[str, str] | None
) -> Response[TokenBody]:
    if form is None:
        return _oauth_error(400, "invalid_request", "The form is malformed or repeats a parameter.")
    address = request.client.host if request.client else ""
    try:
        answer = await services.identity.exchange(form, request.headers.get("authorization"), address)
    except TooMany as error:
        return _oauth_error(429, "slow_down", error.message, {"retry-after": str(error.retry_after_s)})
    except Unavailable as error:
        return _unavailable(error)
    headers = {"pragma": "no-cache"}
    if answer.status == 401:
        headers["www-authenticate"] = 'Basic realm="aspectstore"'
    return Response(answer.body, status_code=answer.status, headers=headers)  # type: ignore[arg-type]


@post(
    "/oauth/check_token",
    status_code=200,
    opt={**require(ANY), "media": FORM_TYPES, "form": CheckForm},
    request_max_body_size=FORM_BYTES_MAX,
    responses=refusals(400, 401, 403, 408, 413, 415, 503),
    operation_id="checkToken",
    tags=["tokens"],
)
async def check_token(request: Caller, services: Serving) -> TokenClaims:
    """Tell what another token of the caller's tenant says (TB-09); Forbidden for a foreign or bad one."""
    form = _form(await request.body()) or {}
    now_s = services.ports.clock.now_ms() / 1_000
    try:
        found = services.identity.tokens.verify(form.get("token", ""), now_s)
    except Unauthenticated as error:
        raise Forbidden("The token is not one of the caller's tenant.") from error
    if found.tenant != request.user.tenant:
        raise Forbidden("The token is not one of the caller's tenant.")
    return _claims(found)


@get(
    "/token_keys",
    opt=opened(),
    operation_id="listTokenKeys",
    tags=["tokens"],
    sync_to_thread=False,
)
def list_token_keys(services: Serving) -> PublicKeys:
    """Give the public keys, so that clients can verify tokens themselves (wire 7.1)."""
    return msgspec.convert(services.identity.public_keys(), PublicKeys)


ROUTES = (issue_token, check_token, list_token_keys)


def _claims(found: Identity) -> TokenClaims:
    return TokenClaims(
        active=True,
        ten=found.tenant,
        sub=found.subject,
        client_id=found.client_id,
        scope=sorted(found.scopes),
        jti=found.token_id,
        exp=found.expires_s,
    )


def _form(body: bytes) -> dict[str, str] | None:
    """Read a form; None if it is not UTF-8, too long or gives a parameter twice.

    Boards send values unescaped (TB-04), so a stray `%` stays what it is.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        return None
    form = dict(pairs)
    return form if len(form) == len(pairs) else None


def _unavailable(error: Unavailable) -> Response[Any]:
    words = "Try again after Retry-After."
    return _oauth_error(503, "temporarily_unavailable", words, {"retry-after": str(error.retry_after_s)})


def _oauth_error(
    status: int, code: str, description: str, headers: dict[str, str] | None = None
) -> Response[Any]:
    body = {"error": code, "error_description": description}
    return Response(body, status_code=status, headers={"pragma": "no-cache", **(headers or {})})
