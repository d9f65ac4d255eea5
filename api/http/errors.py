"""Errors on the wire: one table from the error tree to status and code, one body for all dialect routes.

`{"errors":[{"code","logref","message","messageParameters"[,"pointer"]}]}` (design 6): the code is the
dialect's generic one where it fits, else `aspectstore.<area>.<name>`; `logref` is the request id.
OAuth routes answer as RFC 6749 and do not come through here, save for what nobody foresaw.
Nothing of our inside goes out: a 500 says that it happened and where to look.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from litestar.exceptions import HTTPException

from schemas import codes, errors
from schemas.errors import Problem, Quota

HAL_PREFIX = "/api/assetmanagement/"
EVENTS_PREFIX = "/api/eventmanagement/"
AGENTS_PREFIXES: Final = ("/api/agentmanagement/", "/api/mindconnect/")
EVENT_MAPPINGS_PATH: Final = "/api/mindconnect/v3/eventMappings"
TIMEBASE_PREFIX: Final = "/api/v0/"
REGISTER_PATH: Final = "/api/agentmanagement/v3/register"
AGENT_TOKEN_PATH: Final = "/api/agentmanagement/v3/oauth/token"  # noqa: S105 -- a path
LINES_PREFIX: Final = "/api/v2/"
"""Of routes that clients of InfluxDB 2 know …"""
LINES_OLD: Final = frozenset({"/write", "/query"})
"""… and those that clients of InfluxDB 1 know."""
JSON = "application/json"
HAL = "application/hal+json"
VND_ERROR = "application/vnd.error+json"
"""The media type of errors where answers are HAL (wire 4)."""

PROBLEMS_LISTED_MAX = 100
"""An answer lists so many reasons at most (design 8.19)."""


class Row(NamedTuple):
    """How one kind of error leaves the house."""

    status: int
    code: str


_GENERIC = "mdsp.core.generic."

TABLE: dict[type[Exception], Row] = {
    errors.Malformed: Row(400, codes.INVALID_BODY),
    errors.Invalid: Row(400, codes.INVALID_BODY),
    errors.Unauthenticated: Row(401, _GENERIC + "unauthorized"),
    errors.Forbidden: Row(403, _GENERIC + "forbidden"),
    errors.NotFound: Row(404, _GENERIC + "noMatch"),
    errors.MethodNotAllowed: Row(405, "aspectstore.request.methodNotAllowed"),
    errors.NotAcceptable: Row(406, "aspectstore.request.notAcceptable"),
    errors.Conflict: Row(409, _GENERIC + "conflict"),
    errors.Gone: Row(410, "aspectstore.receipt.lost"),
    errors.PreconditionFailed: Row(412, "aspectstore.request.preconditionFailed"),
    errors.TooLarge: Row(413, _GENERIC + "payloadTooLarge"),
    errors.UnsupportedMedia: Row(415, _GENERIC + "unsupportedMediaType"),
    errors.Mismatch: Row(422, "aspectstore.idempotency.keyReused"),
    errors.TooMany: Row(429, _GENERIC + "tooManyRequests"),
    errors.StoreUnavailable: Row(503, "aspectstore.store.unavailable"),
    errors.StreamUnavailable: Row(503, "aspectstore.stream.unavailable"),
    errors.Unavailable: Row(503, "aspectstore.service.unavailable"),
    errors.OutcomeUnknown: Row(503, "aspectstore.store.outcomeUnknown"),
    errors.Corrupt: Row(500, _GENERIC + "internalServerError"),
    errors.Refused: Row(400, codes.INVALID_BODY),
    errors.ServiceError: Row(500, _GENERIC + "internalServerError"),
    RecursionError: Row(400, codes.INVALID_BODY),
    UnicodeDecodeError: Row(400, codes.INVALID_BODY),
}
"""Looked up along the class's bases, so a subclass without a row is answered as its parent."""

BY_STATUS: dict[int, str] = {
    400: codes.INVALID_PARAMETER,
    408: "aspectstore.request.tooSlow",
    **{row.status: row.code for row in reversed(TABLE.values()) if row.status > 400},
}
"""Codes of errors that the framework raises."""

_OWN_WORDS: dict[type[Exception], str] = {
    RecursionError: "The body is nested too deeply.",
    UnicodeDecodeError: "The body is not UTF-8.",
    errors.Corrupt: "Stored data failed its check; the operator was told. Quote the logref.",
}


class WireError(msgspec.Struct, rename="camel"):
    """One reason, as it goes out."""

    code: str
    """Stable; what a program may decide by."""
    logref: str
    """The request's id, as the log has it."""
    message: str
    """For people."""
    message_parameters: list[str] = msgspec.field(default_factory=list)
    """Always given, and empty unless the message names something."""
    pointer: str | msgspec.UnsetType = msgspec.UNSET
    """JSON pointer to the place in the body; absent where there is none."""


class ErrorBody(msgspec.Struct):
    """The body of every refusal on dialect routes."""

    errors: list[WireError]


class EventError(msgspec.Struct):
    """One reason, as event management has it: its body is an array of them (wire 0.7)."""

    logref: str
    message: str
    """Begins with the JSON pointer to the place, where there is one."""


class AgentError(msgspec.Struct):
    """A refusal as the services of agents have it (wire 0.7)."""

    id: str
    """The request's id, as the log has it, written as a UUID."""
    message: str
    """For people; every reason, each with the JSON pointer to its place, where there is one."""


class AgentIamError(msgspec.Struct):
    """A refusal of a registration or of an agent's token (wire 5.3)."""

    id: str
    error: str
    """What a program may decide by."""
    error_description: str
    """For people; begins with the id."""


class TimeBaseReason(msgspec.Struct):
    """Why one message, or one parameter, was refused."""

    pointer: str
    """JSON pointer to the place in the body."""
    error: str


class TimeBaseError(msgspec.Struct, rename="camel"):
    """A refusal as clients of TimeBase know it; nothing of our inside is in it."""

    type: str
    """Stable; what a program may decide by."""
    message: str
    status: int
    error: str
    """What HTTP calls the status."""
    logref: str
    """The request's id, as the log has it."""
    stack_trace: list[str] = msgspec.field(default_factory=list)
    """Always empty."""
    refused: list[TimeBaseReason] = msgspec.field(default_factory=list)
    """The messages of a write of which all were refused."""


class LineError(msgspec.Struct, omit_defaults=True):
    """A refusal as clients of InfluxDB 2 read it."""

    code: str
    """What a program may decide by."""
    message: str
    """For people."""
    line: int | None = None
    """The first of a body's lines that was refused."""


class OldLineError(msgspec.Struct):
    """A refusal as clients of InfluxDB 1 read it."""

    error: str


class Answer(NamedTuple):
    """An error, ready to be sent by whatever speaks HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer(error: Exception, logref: str, path: str = "") -> Answer:
    """Turn any exception into what the caller may see of it."""
    if isinstance(error, HTTPException):
        status, reasons, headers = _of_framework(error)
    else:
        status, reasons, headers = _of_tree(error)
    if path.startswith(LINES_PREFIX) or path in LINES_OLD:
        headers["content-type"] = JSON
        return _of_lines(status, reasons, headers, path)
    headers["content-type"] = VND_ERROR if path.startswith((HAL_PREFIX, EVENTS_PREFIX)) else JSON
    reasons = reasons[:PROBLEMS_LISTED_MAX]
    if path.startswith(EVENTS_PREFIX):
        return Answer(status, headers, msgspec.json.encode([reason.of_event(logref) for reason in reasons]))
    if path.startswith(EVENT_MAPPINGS_PATH):
        reasons = [reason.of_event_mappings() for reason in reasons]
    elif path.startswith(AGENTS_PREFIXES):
        return Answer(status, headers, _of_agents(status, reasons, logref, path))
    if path.startswith(TIMEBASE_PREFIX):
        return Answer(status, headers, _of_timebase(status, reasons, logref))
    listed = [reason.wire(logref) for reason in reasons]
    return Answer(status, headers, msgspec.json.encode(ErrorBody(listed)))


def row_of(kind: type[BaseException]) -> Row:
    """Find the row of an error type, or of the nearest base that has one; 500 for strangers."""
    for base in kind.__mro__:
        if base in TABLE:
            return TABLE[base]
    return Row(500, _GENERIC + "internalServerError")


def quota_headers(quota: Quota) -> dict[str, str]:
    """Name rule, limit, use and reset of a limit under which an answer stands (design 7)."""
    return {
        "quota-rule": quota.rule,
        "quota-limit": str(quota.limit),
        "quota-used": str(quota.used),
        "quota-reset": str(quota.reset_s),
    }


class _Reason(NamedTuple):
    code: str
    message: str
    pointer: str | None = None
    parameters: tuple[str, ...] = ()

    def wire(self, logref: str) -> WireError:
        pointer = msgspec.UNSET if self.pointer is None else self.pointer
        return WireError(self.code, logref, self.message, list(self.parameters), pointer)

    def of_event_mappings(self) -> _Reason:
        return self._replace(code=f"mdsp.conn.mindconnect.{self.code.rpartition('.')[2]}")

    def of_event(self, logref: str) -> EventError:
        return EventError(logref, f"{self.pointer}: {self.message}" if self.pointer else self.message)


AGENT_IAM_CODES: Final = {
    401: "token_validation_failed",
    404: "not_found",
    429: "too_many_requests",
    500: "server_error",
    503: "temporarily_unavailable",
}
"""By status; any other is an `invalid_request`."""


def _of_agents(status: int, reasons: list[_Reason], logref: str, path: str) -> bytes:
    """Write the body of a refusal by the services of agents; their identity's has names of its own."""
    words = " ".join(f"{one.pointer}: {one.message}" if one.pointer else one.message for one in reasons)
    # A request's id is 16 hexadecimal digits: half a UUID, so that the log is found by what was shown.
    request_id = str(uuid.UUID(hex=logref.rjust(32, "0")))
    if path == AGENT_TOKEN_PATH or path.startswith(REGISTER_PATH):
        own = (one.code for one in reasons if "." not in one.code)  # as OAuth has them
        code = next(own, AGENT_IAM_CODES.get(status, "invalid_request"))
        return msgspec.json.encode(AgentIamError(request_id, code, f"[{request_id}] {words}"))
    return msgspec.json.encode(AgentError(request_id, words))


def _of_timebase(status: int, reasons: list[_Reason], logref: str) -> bytes:
    """Write the body of a refusal as clients of TimeBase know it (TB-23, TB-27)."""
    first = reasons[0]
    refused = [TimeBaseReason(one.pointer, one.message) for one in reasons if one.pointer]
    phrase = HTTPStatus(status).phrase
    body = TimeBaseError(first.code, first.message, status, phrase, logref, refused=refused)
    return msgspec.json.encode(body)


LINES_CODES: Final = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    409: "conflict",
    412: "conflict",
    413: "request too large",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
}
"""By status, as clients of InfluxDB know them; any other is an `internal error`, or below 500 `invalid`."""


def _of_lines(status: int, reasons: list[_Reason], headers: dict[str, str], path: str) -> Answer:
    """Write a refusal as clients of InfluxDB read it.

    Old ones throw lines away after every 4xx; what they should send again is 503 for them, never 429.
    """
    words = " ".join(one.message for one in reasons)
    if path in LINES_OLD:
        return Answer(503 if status == 429 else status, headers, msgspec.json.encode(OldLineError(words)))
    code = LINES_CODES.get(status, "invalid" if status < 500 else "internal error")
    return Answer(status, headers, msgspec.json.encode(LineError(code, words)))


def _of_tree(error: Exception) -> tuple[int, list[_Reason], dict[str, str]]:
    status, code = row_of(type(error))
    headers: dict[str, str] = {}
    if isinstance(error, errors.TooMany | errors.Unavailable):
        headers["retry-after"] = str(error.retry_after_s)
        if isinstance(error, errors.TooMany) and error.quota is not None:
            headers |= quota_headers(error.quota)
    elif isinstance(error, errors.OutcomeUnknown):
        headers["retry-after"] = "1"
    elif isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, errors.Invalid):
        return status, [_of_problem(problem) for problem in error.problems], headers
    pointer = error.pointer if isinstance(error, errors.Malformed) else None
    return status, [_Reason(code, _words(error, status), pointer, _parameters(error))], headers


def _parameters(error: Exception) -> tuple[str, ...]:
    """Give what a program needs in order to come again: rule, limit, used, seconds to wait (MS-89)."""
    if not isinstance(error, errors.TooMany) or error.quota is None:
        return ()
    quota = error.quota
    return quota.rule, str(quota.limit), str(quota.used), str(error.retry_after_s)


def _words(error: Exception, status: int) -> str:
    for kind, words in _OWN_WORDS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, errors.ServiceError) and status < 500:
        return error.message
    if isinstance(error, errors.Unavailable | errors.OutcomeUnknown):
        return "The service cannot answer this now; send the same request again after Retry-After."
    return "The service failed; quote the logref to its operator."


def _of_problem(problem: Problem) -> _Reason:
    return _Reason(problem.code, problem.message, problem.pointer)


def _of_framework(error: HTTPException) -> tuple[int, list[_Reason], dict[str, str]]:
    status = error.status_code
    # Without `Allow` a 405 breaks RFC 9110, and the framework hands it over in the headers only.
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if status >= 500:
        return status, [_Reason(BY_STATUS.get(status, BY_STATUS[500]), _words(error, status))], headers
    if isinstance(error.extra, list) and error.extra:
        return status, list(_of_extra(error.extra)), headers
    code = BY_STATUS.get(status, codes.INVALID_PARAMETER)
    message = _FRAMEWORK_WORDS.get(status) or str(error.detail)
    return status, [_Reason(code, message)], headers


_FRAMEWORK_WORDS = {
    404: "There is nothing at this path.",
    405: "The path does not know this method; Allow lists those it knows.",
    413: "The body is over the limit of this route.",
}


def _of_extra(extra: Iterable[Any]) -> Iterable[_Reason]:
    """Read the list that the framework makes of failed parameters and body members."""
    for found in extra:
        key, message = str(found.get("key", "")), str(found.get("message", ""))
        if found.get("source") == "body":
            missing = "missing required field" in message
            code = codes.MISSING_BODY if missing else codes.INVALID_BODY
            yield _Reason(code, message, "" if key == "data" else _pointer(key))
        else:
            yield _Reason(codes.INVALID_PARAMETER, f"{key}: {message}", None, (key,))


def _pointer(path: str) -> str:
    """Turn `variables[0].name` into `/variables/0/name`."""
    return "".join(f"/{part}" for part in re.split(r"[.\[\]]+", path) if part)
