"""The login page's protocol: an authorization request is judged, a user proves himself, a code goes out.

RFC 6749, 4.1, with RFC 7636 demanded of every client and `S256` as the only method. What is wrong with client
or address is told to the user and to nobody else; what is wrong with the rest is told to the client.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from api.identity.accounts import AUTHORIZATION_CODE, Client, Family
from api.identity.grants import allowed_scopes, wanted_scopes
from api.identity.logins import Issuer, Known, Login, Logins
from api.identity.redirects import is_registered
from schemas.limits import CODE_LIFE_S, STATE_CHARACTERS_MAX

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""A SHA-256 in base64url."""

PARAMETERS: Final[tuple[str, ...]] = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
"""Of an authorization request, in the order in which the page repeats them."""


class Untrusted(NamedTuple):
    """The request cannot be believed to come from a client: the user is told, and sent nowhere."""

    words: str


class SentBack(NamedTuple):
    """The user goes back to the client, with a code or the reason why there is none."""

    address: str


class Asked(NamedTuple):
    """A sound request: the page may be shown."""

    client: Client
    parameters: Mapping[str, str]
    words: str = ""
    """Why the last try failed; empty for the first."""

    @property
    def redirect_uri(self) -> str:
        """Give where the user goes back to."""
        return self.parameters["redirect_uri"]


Outcome = Untrusted | SentBack | Asked


def judge(client: Client | None, parameters: Mapping[str, str]) -> Outcome:
    """Look at an authorization request of this client; None: there is no such client."""
    uri = parameters.get("redirect_uri", "")
    may = client is not None and AUTHORIZATION_CODE in client.grants
    if client is None or not may or not is_registered(uri, client.redirect_uris):
        return Untrusted("The program that sent you here is not known with this address.")
    if len(parameters.get("state", "")) > STATE_CHARACTERS_MAX:
        return _refused({"redirect_uri": uri}, "invalid_request", "The state is too long.")
    if parameters.get("response_type") != "code":
        return _refused(parameters, "unsupported_response_type", "The response_type must be code.")
    if parameters.get("code_challenge_method") != "S256":
        return _refused(parameters, "invalid_request", "The code_challenge_method must be S256.")
    if _CHALLENGE.fullmatch(parameters.get("code_challenge", "")) is None:
        return _refused(parameters, "invalid_request", "The code_challenge is missing or malformed.")
    if not set(wanted_scopes(parameters.get("scope"))) <= set(client.scopes):
        return _refused(parameters, "invalid_scope", "The scope goes beyond what may be granted.")
    return Asked(client, parameters)


class PageLogin:
    """One request of the login page's form; runs in a thread of the hashing pool."""

    def __init__(self, issuer: Issuer, login: Login, loop: asyncio.AbstractEventLoop) -> None:
        """Take what to work with, the whole form, and the loop that owns the catalogue."""
        self._logins = Logins(issuer, login, loop)

    @property
    def known(self) -> Known | None:
        """Give the account that was named, where it exists."""
        return self._logins.known

    def run(self) -> Outcome:
        """Judge the request anew and the password with it; TooMany and Unavailable pass through."""
        form = self._logins.login.form
        parameters = {name: form[name] for name in PARAMETERS if name in form}
        name = form.get("client_id")
        client = self._logins.ask(self._logins.issuer.accounts.find_client(name)) if name else None
        asked = judge(client, parameters)
        if not isinstance(asked, Asked):
            return asked
        user = self._logins.user_with(asked.client, form.get("username", ""), form.get("password", ""))
        if user is None:
            return asked._replace(words="Name or password is wrong.")
        allowed, wanted = allowed_scopes(asked.client, user), wanted_scopes(parameters.get("scope"))
        if not allowed or not set(wanted) <= set(allowed):
            return _refused(parameters, "invalid_scope", "The user may not do what is asked for.")
        scopes = tuple(scope for scope in allowed if scope in wanted) if wanted else allowed
        family = Family(
            "",
            user.tenant,
            asked.client.id,
            user.name,
            scopes,
            "",
            self._logins.login.now_s + CODE_LIFE_S,
            code_challenge=parameters["code_challenge"],
            redirect_uri=asked.redirect_uri,
        )
        code = self._logins.ask(self._logins.issuer.accounts.start_family(family))
        return _sent_back(parameters, {"code": code})


def _refused(parameters: Mapping[str, str], error: str, description: str) -> SentBack:
    return _sent_back(parameters, {"error": error, "error_description": description})


def _sent_back(parameters: Mapping[str, str], told: dict[str, str]) -> SentBack:
    uri = parameters["redirect_uri"]
    if "state" in parameters:
        told["state"] = parameters["state"]
    return SentBack(f"{uri}{'&' if '?' in uri else '?'}{urlencode(told)}")
