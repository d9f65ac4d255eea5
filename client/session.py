"""The rules of talking to the service, without I/O: tokens, repeats, errors.

`perform` is a generator: it yields what to do next (`Send` or `Wait`), is sent the answer (or has
`CannotConnect` thrown in) and returns the result; so blocking and awaiting clients share every rule.
What is repeated: 429 and 503 as `Retry-After` says, and a broken connection unless the call could then
happen twice. Repeats end after `ATTEMPTS` or `PATIENCE_S`, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from client import calls
from client.calls import Call, Request, Response
from client.errors import CannotConnect

T = TypeVar("T")

ATTEMPTS = 8
PATIENCE_S = 60.0
"""A restart of the service takes seconds; after a minute a person should know."""
WAIT_FIRST_S = 0.25
WAIT_STEP_MAX_S = 10.0
TOKEN_MARGIN_S = 30.0
"""A token is renewed this long before it ends, so that it does not end on the way."""

REPEATED = frozenset({429, 503})


@dataclass(slots=True, frozen=True)
class Send:
    """Send this and send the response back in."""

    request: Request


@dataclass(slots=True, frozen=True)
class Wait:
    """Let this much time pass."""

    seconds: float


Step: TypeAlias = Send | Wait
Steps: TypeAlias = Generator[Step, Response | None, T]


class Session:
    """One client's credentials and the token that they gave."""

    def __init__(self, client: str, secret: str, now: Callable[[], float], patience_s: float) -> None:
        """Keep the credentials; `now` is a clock that only rises, in seconds.

        Repeats of one request wait for `patience_s` in all; 0: nothing is repeated.
        """
        self._patience_s = patience_s
        self._client = client
        self._secret = secret
        self._now = now
        self._token = ""
        self._token_ends = 0.0

    @property
    def has_credentials(self) -> bool:
        """Tell whether calls go out with a token at all."""
        return bool(self._client)

    def perform(self, call: Call[T]) -> Steps[T]:
        """Do one call: with a token, repeated where that is right, and read."""
        response = yield from self._authorised(call)
        if call.refusals:
            calls.raise_refusal(response)
        return call.read(response)

    def token(self) -> Steps[str]:
        """Give a token that still holds, fetching one if needed."""
        if not self._token or self._now() >= self._token_ends:
            granted = yield from self.perform(calls.fetch_token(self._client, self._secret))
            margin = min(TOKEN_MARGIN_S, granted.expires_in / 2)
            self._token_ends = self._now() + granted.expires_in - margin
            self._token = granted.access_token
        return self._token

    def _authorised(self, call: Call[T]) -> Steps[Response]:
        if not (call.authorised and self.has_credentials):
            return (yield from self._repeated(call, call.request))
        token = yield from self.token()
        response = yield from self._repeated(call, _with_token(call.request, token))
        if response.status != 401:
            return response
        self._token = ""  # revoked, or signed with a key that is gone: one new token, then it counts
        token = yield from self.token()
        return (yield from self._repeated(call, _with_token(call.request, token)))

    def _repeated(self, call: Call[T], request: Request) -> Steps[Response]:
        waited, pause = 0.0, WAIT_FIRST_S
        for attempt in range(1, ATTEMPTS + 1):
            seconds = pause
            try:
                response = yield Send(request)
            except CannotConnect:
                if not call.repeatable or attempt == ATTEMPTS or waited + seconds > self._patience_s:
                    raise
            else:
                assert response is not None, "a Send is answered with a response"
                seconds = max(pause, calls.retry_after(response) or 0.0)
                spent = attempt == ATTEMPTS or waited + seconds > self._patience_s
                if response.status not in REPEATED or not call.refusals or spent:
                    return response
            yield Wait(seconds)
            waited += seconds
            pause = min(pause * 2, WAIT_STEP_MAX_S)
        raise AssertionError("the last attempt returns or raises")


def _with_token(request: Request, token: str) -> Request:
    return request.with_header("Authorization", f"Bearer {token}")
