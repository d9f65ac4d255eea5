"""`/register` and `/oauth/token` of agents: how they get in, renew what they have, and log in (wire 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Request, Response, post, put
from litestar.exceptions import HTTPException
from litestar.params import JSONBody, PathParameter

from api.agents.wire import (
    AgentToken,
    AgentTokenForm,
    RegistrationIn,
    RegistrationOut,
    RotationIn,
    registration_out,
    token_out,
)
from api.guard.audit import LoginNote
from api.http.bodies import FORM_TYPES
from api.http.errors import AGENT_TOKEN_PATH, REGISTER_PATH, AgentIamError
from api.http.hal import origin_of
from api.http.wire import refusals
from api.identity.agent_tokens import Named
from api.identity.scopes import opened
from api.routes.tokens import FORM_BYTES_MAX, address_of, parsed_form
from api.services import Services, Serving
from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, Malformed, Problem, Refused, ServiceError

KEYS_BYTES_MAX: Final = 16_384
"""A key of 4,096 bits is 700 bytes."""

_TAGS = ["agent identity"]

REGISTER, RENEW, ISSUE = "agent.register", "agent.renew", "token.issue"
"""What the audit log calls it."""

_GRANTS: Final = {REGISTER: "initial_token", RENEW: "registration_token", ISSUE: "client_assertion"}
"""By what an agent shows that it may, for the audit log and `/metrics`."""

ClientInPath: TypeAlias = Annotated[str, PathParameter(description="The id of the agent.")]
AnyRequest: TypeAlias = Request[Any, Any, Any]


def _with_time(request: AnyRequest, error: Exception) -> Response[Any]:
    """Refuse as everywhere, and tell the time to an agent whose clock may be the reason."""
    refuse: Any = request.app.exception_handlers[ServiceError]
    answer: Response[Any] = refuse(request, error)
    answer.headers["server-time"] = str(request.app.state.services.ports.clock.now_ms())
    return answer


@post(
    REGISTER_PATH,
    status_code=201,
    opt=opened(),
    request_max_body_size=KEYS_BYTES_MAX,
    responses=refusals(400, 401, 408, 409, 413, 415, 503, shape=AgentIamError),
    operation_id="registerAgent",
    tags=_TAGS,
)
async def register_agent(
    request: AnyRequest, services: Serving, data: JSONBody[RegistrationIn]
) -> RegistrationOut:
    """Take an agent in by the token of its boarding configuration; what it gives is shown once."""
    iam, authorization = services.agents.iam, request.headers.get("authorization")
    keys = () if data.jwks is msgspec.UNSET else data.jwks.keys
    try:
        named, given = await iam.register(authorization, keys, address_of(request))
    except Refused:
        _note(request, services, iam.known(authorization), REGISTER)
        raise
    _note(request, services, named, REGISTER, status=201)
    return registration_out(named, given, origin_of(request, services.ports.policy.public_url))


@put(
    f"{REGISTER_PATH}/{{client_id:str}}",
    opt=opened(),
    request_max_body_size=KEYS_BYTES_MAX,
    responses=refusals(400, 401, 408, 409, 413, 415, 503, shape=AgentIamError),
    operation_id="renewAgent",
    tags=_TAGS,
)
async def renew_agent(
    request: AnyRequest, services: Serving, client_id: ClientInPath, data: JSONBody[RotationIn]
) -> RegistrationOut:
    """Renew what an agent proves itself with, by the registration access token that came with it.

    The token before is good as long as nothing was done with what this one gave: an answer may be lost.
    """
    if data.client_id not in {msgspec.UNSET, client_id}:
        raise Invalid([Problem("/client_id", INVALID_BODY, "It is not the client_id of the path.")])
    iam, authorization = services.agents.iam, request.headers.get("authorization")
    keys = None if data.jwks is msgspec.UNSET else data.jwks.keys
    try:
        named, given = await iam.rotate(client_id, authorization, keys, address_of(request))
    except Refused:
        _note(request, services, iam.known(authorization), RENEW)
        raise
    _note(request, services, named, RENEW, status=200)
    return registration_out(named, given, origin_of(request, services.ports.policy.public_url))


@post(
    AGENT_TOKEN_PATH,
    status_code=200,
    opt={**opened(), "media": FORM_TYPES, "form": AgentTokenForm},
    request_max_body_size=FORM_BYTES_MAX,
    exception_handlers={ServiceError: _with_time, HTTPException: _with_time},
    responses=refusals(400, 401, 408, 413, 415, 503, shape=AgentIamError),
    operation_id="issueAgentToken",
    tags=_TAGS,
)
async def issue_agent_token(request: AnyRequest, services: Serving) -> Response[AgentToken]:
    """Give an agent an access token for an assertion that it has signed; each is good for one use."""
    form = parsed_form(await request.body())
    if form is None:
        raise Malformed("The form is malformed or repeats a parameter.")
    token = await _issued(request, services, form)
    headers = {"pragma": "no-cache", "server-time": str(services.ports.clock.now_ms())}
    return Response(token, headers=headers)


ROUTES = (register_agent, renew_agent, issue_agent_token)


async def _issued(request: AnyRequest, services: Services, form: Mapping[str, str]) -> AgentToken:
    iam = services.agents.iam
    try:
        issued = await iam.issue(form, address_of(request))
    except Refused:
        _note(request, services, iam.known(f"Bearer {form.get('client_assertion', '')}"), ISSUE)
        raise
    _note(request, services, issued.named, ISSUE, status=200, token_id=issued.id)
    return token_out(issued)


def _note(
    request: AnyRequest,
    services: Services,
    named: Named | None,
    action: str,
    *,
    status: int = 401,
    token_id: str = "",
) -> None:
    """Count it and, where there is such an agent, write it into the audit log."""
    grant = _GRANTS[action]
    services.ports.figures.add("tokens", grant, str(status))
    if named is not None:
        note = LoginNote(named.tenant, named.agent, named.agent, grant, token_id, action)
        services.audit.login(request.scope, note, status)  # type: ignore[arg-type]  # its own type
