"""The error tree of the whole service; every other module raises only these.

ServiceError
├─ Refused              the caller can mend it; never retried          → 4xx
│  ├─ Malformed         not JSON, not a number, not a time             → 400
│  ├─ Invalid           one or more `Problem`s in a well-formed body   → 400
│  ├─ Unauthenticated   no credential, or one that does not hold       → 401
│  ├─ Forbidden         a valid credential without the scope           → 403
│  ├─ NotFound          unknown, or another tenant's: the same answer  → 404
│  ├─ MethodNotAllowed  the path exists, the verb does not             → 405
│  ├─ NotAcceptable     no format or coding that the caller reads      → 406
│  ├─ Conflict          the state forbids it                           → 409
│  ├─ Gone              a receipt whose entry was lost                 → 410
│  ├─ PreconditionFailed  If-Match or If-None-Match does not hold      → 412
│  ├─ TooLarge          a body or a batch over a limit                 → 413
│  ├─ UnsupportedMedia  a content type or encoding we do not read      → 415
│  ├─ Mismatch          an idempotency key reused with another body    → 422
│  └─ TooMany           a rate, quota or backlog limit                 → 429
├─ Unavailable          ours or the infrastructure's; may be repeated  → 503
│  ├─ StoreUnavailable
│  └─ StreamUnavailable
├─ OutcomeUnknown       a compare-and-set whose answer did not arrive; the caller repeats it
└─ Corrupt              bytes are not what was written; never retried, always logged loudly

Raised by meaning; translated to status and code in one table, `api/http/errors.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One reason why a body was refused, with the JSON pointer of the place (design 6)."""

    pointer: str
    code: str
    message: str


class Quota(NamedTuple):
    """How far a limit is used up, as every answer under it says (design 7)."""

    rule: str
    limit: int
    """In the unit of the rule."""
    used: int
    reset_s: int
    """Seconds after which nothing is used any more, if nothing more comes."""


class ServiceError(Exception):
    """The root: anything the service says about itself or its caller."""

    def __init__(self, message: str) -> None:
        """Keep the sentence that names the place and the remedy."""
        super().__init__(message)
        self.message = message


class Refused(ServiceError):
    """The caller can mend it by sending something else."""


class Malformed(Refused):
    """The text does not parse."""

    def __init__(self, message: str, pointer: str = "") -> None:
        """Keep where it stopped making sense."""
        super().__init__(message)
        self.pointer = pointer


class Invalid(Refused):
    """The body parses, and at least one value in it is refused."""

    def __init__(self, problems: list[Problem], message: str = "") -> None:
        """Keep every problem found; the first also serves as the message."""
        super().__init__(message or problems[0].message)
        self.problems = problems


class Unauthenticated(Refused):
    """No credential, or one that does not hold."""


class Forbidden(Refused):
    """The credential holds and lacks the scope."""


class NotFound(Refused):
    """Unknown, deleted, or another tenant's: deliberately one answer."""


class MethodNotAllowed(Refused):
    """The path exists and does not know the verb."""


class NotAcceptable(Refused):
    """The caller reads none of the formats, or of the codings, that the answer has."""


class Conflict(Refused):
    """The present state forbids the request."""


class Gone(Refused):
    """The receipt names an entry that was lost; send it again (design 4)."""


class PreconditionFailed(Refused):
    """If-Match or If-None-Match does not hold."""


class TooLarge(Refused):
    """A body, a batch or a record is over its limit."""


class UnsupportedMedia(Refused):
    """A content type or encoding that the service does not read."""


class Mismatch(Refused):
    """An idempotency key was reused with another body (design 8.18)."""


class TooMany(Refused):
    """A rate, quota or backlog limit; `retry_after_s` says when to come again."""

    def __init__(self, message: str, retry_after_s: int = 1, quota: Quota | None = None) -> None:
        """Keep the seconds after which a repeat can succeed, and the limit where it has numbers."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.quota = quota
        self.hold_s = 0.0
        """How long the answer is held back: for callers that ask on without reading answers (S14)."""


class Unavailable(ServiceError):
    """Ours or the infrastructure's fault; the same request may be repeated."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        """Keep the seconds after which a repeat can succeed."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreUnavailable(Unavailable):
    """The store did not answer, or refused for reasons of its own."""


class StreamUnavailable(Unavailable):
    """The stream server did not answer, or the shard is not proved."""


class OutcomeUnknown(ServiceError):
    """A compare-and-set was sent and its outcome is not known (design 4.6)."""


class Corrupt(ServiceError):
    """Stored bytes fail their checksum or format."""
