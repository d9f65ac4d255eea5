"""`/oauth/token`, `/oauth/check_token`, `/oauth/revoke`: how clients log in and out (wire 7.1, TB-01 …)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from api.guard.audit import LoginNote
from api.guard.tenancy import Caller
from api.http.bodies import FORM_TYPES
from api.http.wire import refusals
from api.identity.accounts import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN
from api.identity.grants import BAD_CREDENTIALS, TokenAnswer
from api.identity.scopes import ANY, opened, require
from api.identity.tokens import USER, Identity
from api.services import Services, Serving
from schemas.errors import Forbidden, TooMany, Unauthenticated, Unavailable

FORM_BYTES_MAX = 16_384
"""A login is a few hundred bytes; a client assertion has a few thousand."""

FIELDS_MAX = 20

GRANTS = frozenset({CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN, AUTHORIZATION_CODE})
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
    """Of a user's login; each is good for one use."""


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
    code: str | msgspec.UnsetType = msgspec.UNSET
    """Of the login page, with the `redirect_uri` that it was sent to."""
    code_verifier: str | msgspec.UnsetType = msgspec.UNSET
    """What the request's challenge was made of (RFC 7636)."""
    redirect_uri: str | msgspec.UnsetType = msgspec.UNSET


class RevokeForm(msgspec.Struct):
    """What ends (RFC 7009); the client's id and secret may come as Basic instead."""

    token: str
    """A refresh token or an access token of the client."""
    token_type_hint: str | msgspec.UnsetType = msgspec.UNSET
    """Not needed."""
    client_id: str | msgspec.UnsetType = msgspec.UNSET
    client_secret: str | msgspec.UnsetType = msgspec.UNSET


class CheckForm(msgspec.Struct):
    """The token to look at."""

    token: str


class TokenClaims(msgspec.Struct, omit_defaults=True):
    """What a token says."""

    active: bool
    ten: str
    sub: str
    client_id: str
    scope: list[str]
    jti: str
    exp: int
    user_name: str | msgspec.UnsetType = msgspec.UNSET
    """Of a user's token."""


OAUTH_RESPONSES = {
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
    responses=OAUTH_RESPONSES,
    operation_id="issueToken",
    tags=["tokens"],
)
async def issue_token(request: Request[Any, Any, Any], services: Serving) -> Response[TokenBody]:
    """Grant a token: `client_credentials`, `password`, `refresh_token` or `authorization_code`."""
    try:
        form = parsed_form(await request.body())
    except Unavailable as error:
        return answered(refusal(error))
    answer = await exchange(request, services, form, request.headers.get("authorization"))
    return answered(answer)


@post(
    "/oauth/revoke",
    status_code=200,
    opt={**opened(), "media": FORM_TYPES, "form": RevokeForm},
    request_max_body_size=FORM_BYTES_MAX,
    responses={**OAUTH_RESPONSES, 200: ResponseSpec(None, description="Ended, or there is nothing to end")},
    operation_id="revokeToken",
    tags=["tokens"],
)
async def revoke_token(request: Request[Any, Any, Any], services: Serving) -> Response[bytes]:
    """End a login or a token of the client, here at once and within a second at other doors (RFC 7009).

    A refresh token ends its login and every access token of it; so does an access token of a login. A token
    that is unknown, or another client's, is no error.
    """
    try:
        form = parsed_form(await request.body())
        if form is None or "token" not in form:
            return answered(TokenAnswer(400, oauth_error("invalid_request", "The form needs one token.")))
        known = await services.identity.revoke(
            form, request.headers.get("authorization"), address_of(request)
        )
    except (TooMany, Unavailable) as error:
        return answered(refusal(error))
    if not known:
        return answered(BAD_CREDENTIALS)
    return Response(b"", media_type="text/plain", headers={"pragma": "no-cache"})


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
    form = parsed_form(await request.body()) or {}
    now_s = services.ports.clock.now_ms() / 1_000
    try:
        found = services.identity.tokens.verify(form.get("token", ""), now_s)
    except Unauthenticated as error:
        raise Forbidden("The token is not one of the caller's tenant.") from error
    if found.tenant != request.user.tenant:
        raise Forbidden("The token is not one of the caller's tenant.")
    return _claims(found)


ROUTES = (issue_token, revoke_token, check_token)


async def exchange(
    request: Request[Any, Any, Any],
    services: Services,
    form: dict[str, str] | None,
    authorization: str | None,
) -> TokenAnswer:
    """Ask for a token; a malformed form (None), the brake and a store that is away are answers too."""
    if form is None:
        words = "The form is malformed or repeats a parameter."
        answer = TokenAnswer(400, oauth_error("invalid_request", words))
    else:
        try:
            answer = await services.identity.exchange(form, authorization, address_of(request))
        except (TooMany, Unavailable) as error:
            answer = refusal(error)
    grant = (form or {}).get("grant_type", "")
    services.ports.figures.add("tokens", grant if grant in GRANTS else "other", str(answer.status))
    _note(request, services, grant, answer)
    return answer


def _note(request: Request[Any, Any, Any], services: Services, grant: str, answer: TokenAnswer) -> None:
    """Write a login of a known account, or its refusal, into the audit log; a renewal is no login."""
    granted = answer.status == 200
    if answer.known is None or grant not in GRANTS or (granted and grant == REFRESH_TOKEN):
        return
    note = LoginNote(*answer.known, grant, answer.body["jti"] if granted else "")
    services.audit.login(request.scope, note, answer.status)  # type: ignore[arg-type]  # its own type


def answered(answer: TokenAnswer) -> Response[Any]:
    """Write an answer of the protocol; nobody keeps it."""
    headers = {"pragma": "no-cache", **answer.headers}
    if answer.status == 401:
        headers["www-authenticate"] = 'Basic realm="aspectstore"'
    return Response(answer.body, status_code=answer.status, headers=headers)


def refusal(error: TooMany | Unavailable) -> TokenAnswer:
    """Say that the brake, or the store, asks for patience."""
    headers = {"retry-after": str(error.retry_after_s)}
    if isinstance(error, TooMany):
        return TokenAnswer(429, oauth_error("slow_down", error.message), headers)
    return TokenAnswer(503, oauth_error("temporarily_unavailable", "Try again after Retry-After."), headers)


def address_of(request: Request[Any, Any, Any]) -> str:
    """Give the address that failed logins are counted by: the connection's."""
    return request.client.host if request.client else ""


def _claims(found: Identity) -> TokenClaims:
    return TokenClaims(
        active=True,
        ten=found.tenant,
        sub=found.subject,
        client_id=found.client_id,
        scope=sorted(found.scopes),
        jti=found.token_id,
        exp=found.expires_s,
        user_name=found.subject if found.category == USER else msgspec.UNSET,
    )


def parsed_form(body: bytes) -> dict[str, str] | None:
    """Read a form, or a query; None if it is not UTF-8, too long or gives a parameter twice.

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


def oauth_error(code: str, description: str) -> dict[str, str]:
    """Write the body of a refusal (RFC 6749, 5.2)."""
    return {"error": code, "error_description": description}
