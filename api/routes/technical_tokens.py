"""The Technical Token Manager: tokens for programs, as platform clients ask for them (wire 7.2).

The same client-credentials grant as `/oauth/token`, with the secret in a header of its own and everything
else in a JSON body, a form or the query, whichever the client sends. What it says of application and version
is read by nobody; a tenant that it names must be its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post

from api.http.bodies import FORM_TYPES, JSON_TYPES
from api.identity.accounts import CLIENT_CREDENTIALS
from api.identity.grants import TokenAnswer
from api.identity.scopes import opened
from api.routes.tokens import (
    FORM_BYTES_MAX,
    OAUTH_RESPONSES,
    TokenBody,
    answered,
    exchange,
    oauth_error,
    parsed_form,
    refusal,
)
from api.services import Services, Serving
from schemas.errors import Refused, Unavailable

PATH = "/api/technicaltokenmanager/v3"
SPACE_AUTH_KEY = "x-space-auth-key"

TENANTS_MAX = 2
"""Of one request for several tokens (wire 7.2)."""

_MEDIA = JSON_TYPES | FORM_TYPES
_TENANTS = ("hostTenant", "userTenant")


class TechnicalTokenIn(msgspec.Struct, rename="camel"):
    """What clients send; each member may also be a query parameter, and none is needed."""

    app_name: str | msgspec.UnsetType = msgspec.UNSET
    app_version: str | msgspec.UnsetType = msgspec.UNSET
    host_tenant: str | msgspec.UnsetType = msgspec.UNSET
    """The client's own tenant."""
    user_tenant: str | msgspec.UnsetType = msgspec.UNSET
    """The client's own tenant."""
    grant_type: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="grant_type")
    """`client_credentials`."""


class TechnicalTokensIn(msgspec.Struct, rename="camel", kw_only=True):
    """For which tenants."""

    host_tenant_id: str | msgspec.UnsetType = msgspec.UNSET
    user_tenant_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=TENANTS_MAX)]


class TechnicalToken(TokenBody, kw_only=True):
    """A granted token, and when."""

    timestamp: int
    """Milliseconds since 1970."""


class TenantToken(TechnicalToken, kw_only=True):
    """A granted token, and for which tenant."""

    user_tenant_id: str = msgspec.field(name="userTenantId")


@post(
    f"{PATH}/oauth/token",
    status_code=200,
    opt={**opened(), "media": _MEDIA, "json": TechnicalTokenIn},
    request_max_body_size=FORM_BYTES_MAX,
    responses=OAUTH_RESPONSES,
    operation_id="issueTechnicalToken",
    tags=["tokens"],
)
async def issue_technical_token(
    request: Request[Any, Any, Any], services: Serving
) -> Response[TechnicalToken]:
    """Grant a token to a client: its secret comes as Basic in `X-SPACE-AUTH-KEY`, or `Authorization`."""
    try:
        fields = await _fields(request)
    except Unavailable as error:
        return answered(refusal(error))
    if fields is None:
        return answered(_malformed("A parameter is no text, comes twice, or stands in no object."))
    return answered(await _granted(request, services, fields))


@post(
    f"{PATH}/oauthTokens",
    status_code=200,
    opt={**opened(), "media": JSON_TYPES, "json": TechnicalTokensIn},
    request_max_body_size=FORM_BYTES_MAX,
    responses=OAUTH_RESPONSES,
    operation_id="issueTechnicalTokens",
    tags=["tokens"],
)
async def issue_technical_tokens(
    request: Request[Any, Any, Any], services: Serving
) -> Response[list[TenantToken]]:
    """Grant a client a token for each of up to two tenants, all of which must be its own."""
    try:
        asked = msgspec.convert(await request.json(), TechnicalTokensIn)
    except (msgspec.ValidationError, Refused) as error:
        return answered(_malformed(str(error)))
    except Unavailable as error:
        return answered(refusal(error))
    host = {} if asked.host_tenant_id is msgspec.UNSET else {"hostTenant": asked.host_tenant_id}
    tokens = []
    for tenant in dict.fromkeys(asked.user_tenant_ids):
        answer = await _granted(request, services, {**host, "userTenant": tenant})
        if answer.status != 200:
            return answered(answer)
        tokens.append({**answer.body, "userTenantId": tenant})
    return Response(tokens, headers={"pragma": "no-cache"})  # type: ignore[arg-type]  # as they go out


ROUTES = (issue_technical_token, issue_technical_tokens)


async def _granted(
    request: Request[Any, Any, Any], services: Services, fields: Mapping[str, str]
) -> TokenAnswer:
    """Ask for a token of the client whose secret the headers have, and look at the tenants that it names."""
    form = {"grant_type": fields.get("grant_type", CLIENT_CREDENTIALS)}
    if form["grant_type"] != CLIENT_CREDENTIALS:
        return TokenAnswer(400, oauth_error("unsupported_grant_type", "It is client_credentials here."))
    headers = request.headers
    secret = headers.get(SPACE_AUTH_KEY, headers.get("authorization"))
    answer = await exchange(request, services, form, secret)
    if answer.status != 200:
        return answer
    now_ms = services.ports.clock.now_ms()
    tenant = services.identity.tokens.verify(answer.body["access_token"], now_ms / 1_000).tenant
    if any(fields.get(name, tenant) != tenant for name in _TENANTS):
        return _malformed("The client serves its own tenant only.")
    return replace(answer, body={**answer.body, "timestamp": now_ms})


async def _fields(request: Request[Any, Any, Any]) -> dict[str, str] | None:
    """Read query and body; the body counts where both say something. None for what is malformed."""
    asked = parsed_form(request.scope["query_string"])
    body = await request.body()
    given: Any = {}
    if request.headers.get("content-type", "").startswith(tuple(FORM_TYPES)):
        given = parsed_form(body)
    elif body:
        try:
            given = await request.json()
        except Refused:
            return None
    if asked is None or not isinstance(given, dict):
        return None
    fields = {**asked, **given}
    return fields if all(isinstance(value, str) for value in fields.values()) else None


def _malformed(words: str) -> TokenAnswer:
    return TokenAnswer(400, oauth_error("invalid_request", words))
