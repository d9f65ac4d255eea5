"""Lines of the audit log: who set out to do what to which thing, by which token, and what came of it.

Pure. An act is written down before it is done and its outcome after it, so a line without an outcome is an
act that was cut off: it may have come about or not. Nothing of a body is in a line, and of a query only what
`PARAMETERS` names: neither can hold a secret then (S16).
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct, field

from schemas import codes
from schemas.errors import Invalid, Problem
from schemas.limits import AUDIT_WORD_CHARACTERS_MAX

PARAMETERS: Final[Mapping[str, re.Pattern[str]]] = {
    "from": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,24}(?:Z|[+-][0-9]{2}:[0-9]{2})"),
    "to": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,24}(?:Z|[+-][0-9]{2}:[0-9]{2})"),
    "enabled": re.compile("true|false"),
    "upload": re.compile("start|complete|abort"),
    "part": re.compile("[0-9]{1,4}"),
}
"""Query parameters without which an act would not be told, and what they must look like to be kept."""

OPERATOR: Final = "operator"
"""Who acts on the machine itself, by a setting or a command; no token says more."""

_CURSOR: Final = re.compile(r"([0-9]{1,15})-([0-9a-f]{1,64})-([0-9a-f]{32})")
_CUT: Final = "…"
_FORMULA: Final = "=+-@\t\r'"
"""A cell that begins so would be a formula in a table program, or would be read back wrongly."""


class Act(Struct, frozen=True, kw_only=True):
    """What somebody set out to do."""

    action: str
    """Thing and verb, as the route calls it: `asset.create`."""
    tenant: str
    """Of the caller."""
    subject: str
    """The user, or the client where no user is behind it."""
    client_id: str = ""
    token_id: str = ""
    """`jti` of the access token."""
    address: str = ""
    """From where it came."""
    things: dict[str, str] = field(default_factory=dict)
    """The ids in the path, by the names of its parameters."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Of the query; see `PARAMETERS`."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of it."""

    status: int
    """Of the answer."""
    ended_ms: int
    created: str = ""
    """Id of what was made, where the answer named it."""


class AuditFilter(NamedTuple):
    """Which acts are asked for; an empty text asks for nothing."""

    action: str = ""
    """An action, or a thing: `asset` asks for all of its actions."""
    subject: str = ""
    """A user or a client."""
    thing: str = ""
    """An id: in the path, or of what was made."""

    def passes(self, act: Act, outcome: Outcome | None) -> bool:
        """Tell whether an act is asked for."""
        if self.action and act.action != self.action and not act.action.startswith(f"{self.action}."):
            return False
        if self.subject and self.subject not in {act.subject, act.client_id}:
            return False
        created = "" if outcome is None else outcome.created
        return not self.thing or self.thing == created or self.thing in act.things.values()


def encode_part(part: Act | Outcome) -> bytes:
    """Write an act or an outcome as a store keeps it."""
    return msgspec.json.encode(part)


def decode_act(body: bytes) -> Act:
    """Read what `encode_part` wrote of an act."""
    return msgspec.json.decode(body, type=Act)


def decode_outcome(body: bytes | None) -> Outcome | None:
    """Read what `encode_part` wrote of an outcome; None where there is none."""
    return None if body is None else msgspec.json.decode(body, type=Outcome)


def encode_cursor(place: tuple[int, str], tenant: str, key: bytes) -> str:
    """Write a place in the log of a tenant, time and id, as nobody but this installation can."""
    text = f"{place[0]}-{place[1]}"
    return f"{text}-{_signature(text, tenant, key)}"


def decode_cursor(text: str, tenant: str, key: bytes) -> tuple[int, str]:
    """Read a place in the log of this tenant; Invalid for any other text."""
    found = _CURSOR.fullmatch(text)
    if found is None or not hmac.compare_digest(found[3], _signature(text[:-33], tenant, key)):
        message = "cursor: the `next` of an earlier page of this log is expected."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    return int(found[1]), found[2]


def _signature(text: str, tenant: str, key: bytes) -> str:
    named = f"{tenant} {text}".encode()
    return hashlib.blake2b(named, digest_size=16, key=key, person=b"audit cursor").hexdigest()


def shown_parameters(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give those parameters of a query that a line may hold."""
    return {name: value for name, value in query if name in PARAMETERS and PARAMETERS[name].fullmatch(value)}


def word(value: object) -> str:
    """Write an id for a line: what is longer than any id is cut, half a surrogate pair becomes a `?`."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= AUDIT_WORD_CHARACTERS_MAX else text[:AUDIT_WORD_CHARACTERS_MAX] + _CUT


def csv_line(cells: Iterable[Any]) -> bytes:
    """Write a line of a table (RFC 4180); None is an empty cell, a mapping is its JSON.

    A cell that a table program would take for a formula gets a `'` in front, and so does one that begins
    with it: whoever reads the table back takes one leading `'` away and has what was written (S10).
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerow([_neutral(_cell(cell)) for cell in cells])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return msgspec.json.encode(value).decode() if isinstance(value, Mapping) else str(value)


def _neutral(text: str) -> str:
    return f"'{text}" if text and text[0] in _FORMULA else text
