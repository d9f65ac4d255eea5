"""`/oauth/authorize`: the login page of the code flow (RFC 6749, 4.1, with RFC 7636).

Nothing is remembered of a browser: there is no cookie, and the form carries what it was asked for. That a
form comes from the page and not from a foreign one says the browser, in headers that no page can set.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from api.guard.audit import LoginNote
from api.http.bodies import FORM_TYPES
from api.http.wire import refusals
from api.identity.authorization import PARAMETERS, Asked, Outcome, SentBack
from api.identity.login_page import dead_end, login_page, page_headers
from api.identity.scopes import opened
from api.routes.tokens import FORM_BYTES_MAX, address_of, parsed_form
from api.services import Services, Serving
from schemas.errors import Forbidden, TooMany

PATH = "/oauth/authorize"
HTML = "text/html"


class LoginQuery(msgspec.Struct, kw_only=True):
    """What a program sends its user here with."""

    response_type: Annotated[str, msgspec.Meta(description="`code`.")]
    client_id: Annotated[str, msgspec.Meta(description="Of the program.")]
    redirect_uri: Annotated[str, msgspec.Meta(description="Where the user goes back to; registered.")]
    code_challenge: Annotated[str, msgspec.Meta(description="SHA-256 of the verifier, in base64url.")]
    code_challenge_method: Annotated[str, msgspec.Meta(description="`S256`.")]
    scope: Annotated[str, msgspec.Meta(description="Scopes, divided by blanks; all by default.")] = ""
    state: Annotated[str, msgspec.Meta(description="Comes back as it is.")] = ""


class LoginForm(LoginQuery, kw_only=True):
    """What the page sends: the request that brought the user here, his name and his password."""

    username: str
    password: str


def _page_of(words: str) -> ResponseSpec:
    return ResponseSpec(str, generate_examples=False, description=words, media_type=HTML)


_SENT_BACK = ResponseSpec(None, description="Back to the program, with a code or an error")
_RESPONSES = {
    200: _page_of("The form"),
    303: _SENT_BACK,
    400: _page_of("A page that says why this leads nowhere, or that name or password is wrong"),
    429: _page_of("Too many failed logins"),
}


@get(
    PATH,
    opt={**opened(), "query": LoginQuery},
    media_type=HTML,
    responses=_RESPONSES,
    operation_id="showLogin",
    tags=["tokens"],
)
async def show_login(request: Request[Any, Any, Any], services: Serving) -> Response[bytes]:
    """Show the login page to a user whom a program sends here, with the parameters of RFC 6749 and RFC 7636.

    The program must have registered the `redirect_uri`; `code_challenge_method` is `S256`.
    """
    parameters = parsed_form(request.scope["query_string"])
    if parameters is not None:
        parameters = {name: parameters[name] for name in PARAMETERS if name in parameters}
    return _shown(await services.identity.authorize(parameters))


@post(
    PATH,
    status_code=200,
    opt={**opened(), "media": FORM_TYPES, "form": LoginForm},
    media_type=HTML,
    request_max_body_size=FORM_BYTES_MAX,
    responses={**refusals(403, 408, 413, 415, 503), **_RESPONSES},
    operation_id="logIn",
    tags=["tokens"],
)
async def log_in(request: Request[Any, Any, Any], services: Serving) -> Response[bytes]:
    """Look at name and password that came with the page's form; right ones go back to the program as a code.

    Forbidden for a form of another site's page.
    """
    _demand_own_page(request, services)
    form = parsed_form(await request.body())
    if form is None:
        return _shown(await services.identity.authorize(None))
    try:
        outcome, known = await services.identity.log_in(form, address_of(request))
    except TooMany as error:
        headers = {**page_headers(), "retry-after": str(error.retry_after_s)}
        return Response(dead_end(error.message), status_code=429, media_type=HTML, headers=headers)
    if known is not None and isinstance(outcome, Asked):
        note = LoginNote(*known, "login_page")
        services.audit.login(request.scope, note, 400)  # type: ignore[arg-type]  # the framework's own type
    return _shown(outcome)


ROUTES = (show_login, log_in)


def _shown(outcome: Outcome) -> Response[bytes]:
    if isinstance(outcome, SentBack):
        headers = {**page_headers(), "location": outcome.address}
        return Response(b"", status_code=303, media_type="text/plain", headers=headers)
    if isinstance(outcome, Asked):
        status = 400 if outcome.words else 200
        return Response(
            login_page(outcome), status_code=status, media_type=HTML, headers=dict(page_headers(outcome))
        )
    return Response(dead_end(outcome.words), status_code=400, media_type=HTML, headers=dict(page_headers()))


def _demand_own_page(request: Request[Any, Any, Any], services: Services) -> None:
    """Raise Forbidden for a form that a browser says it took from a page of another origin."""
    headers = request.headers
    own = urlsplit(services.ports.policy.public_url).netloc or headers.get("host", "")
    origin = headers["origin"].partition("://")[2] if "origin" in headers else own
    if headers.get("sec-fetch-site", "same-origin") != "same-origin" or origin != own:
        raise Forbidden("The form is not from this page.")
