"""What can go wrong between a program and the service; one tree, by what the caller can do about it.

ClientError
├─ CannotConnect        nobody answers at that address
├─ UnreadableAnswer     somebody answers, and it is not this service
└─ ApiError             the service refused: `status`, `code`, `message`, `logref`, `problems`
   ├─ BadRequest          400, 405, 415, 422   send something else
   ├─ Unauthorized        401                  other credentials
   ├─ Forbidden           403                  a credential with the scope
   ├─ NotFound            404
   ├─ Conflict            409
   ├─ Gone                410                  a lost write: send it again
   ├─ PreconditionFailed  412                  read it again, then change it
   ├─ TooLarge            413
   ├─ TooManyRequests     429                  `retry_after_s`
   └─ Unavailable         5xx                  the same request later
"""

from __future__ import annotations

from collections.abc import Sequence

from client.models import Problem


class ClientError(Exception):
    """The root of everything that this package raises."""


class CannotConnect(ClientError):
    """The server did not answer, or not in time."""


class UnreadableAnswer(ClientError):
    """The answer is not what this service sends."""


class ApiError(ClientError):
    """The service refused the request."""

    def __init__(self, status: int, problems: Sequence[Problem], retry_after_s: float | None = None) -> None:
        """Keep the status and every problem; the first one is the message."""
        first = problems[0]
        super().__init__(f"{first.message} (HTTP {status}, {first.code}{_reference(first)})")
        self.status = status
        self.problems = list(problems)
        self.code = first.code
        self.message = first.message
        self.logref = first.logref
        self.retry_after_s = retry_after_s


def _reference(problem: Problem) -> str:
    return f", logref {problem.logref}" if problem.logref else ""


class BadRequest(ApiError):
    """The request is malformed or a value in it is refused."""


class Unauthorized(ApiError):
    """The credentials or the token do not hold."""


class Forbidden(ApiError):
    """The token lacks the scope."""


class NotFound(ApiError):
    """There is no such thing for this tenant."""


class Conflict(ApiError):
    """The present state forbids it."""


class Gone(ApiError):
    """A receipt names a write that was lost; send it again."""


class PreconditionFailed(ApiError):
    """Somebody changed it in between, or it exists already."""


class TooLarge(ApiError):
    """The body is over a limit."""


class TooManyRequests(ApiError):
    """A rate or quota is used up, also after the repeats."""


class Unavailable(ApiError):
    """The service cannot serve it now, also after the repeats."""


BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: TooLarge,
    429: TooManyRequests,
}


def error_for(status: int, problems: Sequence[Problem], retry_after_s: float | None) -> ApiError:
    """Choose the class of a refusal by its status."""
    kind = Unavailable if status >= 500 else BY_STATUS.get(status, BadRequest)
    return kind(status, problems, retry_after_s)
