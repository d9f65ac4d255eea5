"""Shares: what a tenant lets others do with some of its assets, at which times, and until when (design 7).

Pure. A share only ever allows, so what several of them allow adds up. Its window is (from, to] of the times
of records, in whole cells of 15 minutes: where retention has left only summaries, nothing smaller is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum
from typing import TypeAlias

import msgspec
import numpy as np

from schemas.aspects import is_lawful_name
from schemas.codes import INVALID_BODY, TIME_WINDOW
from schemas.columns import Ints
from schemas.errors import Problem
from schemas.ids import AssetId, TenantId, is_hex_id, is_tenant_id
from schemas.limits import (
    ASPECT_NAME_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    PROBLEMS_LISTED_MAX,
    SHARED_ASPECTS_MAX,
    SHARED_ASSETS_MAX,
    TIME_MS_MAX,
)
from schemas.partials import CELL_MS
from schemas.queries import TimeRange
from schemas.subtenants import is_subtenant_id

USER_CHARACTERS_MAX = 128
"""The longest name that a receiver may be called by."""

Spans: TypeAlias = tuple[TimeRange, ...]
"""Times that are shared: ascending, apart from one another."""

EVER = TimeRange(0, TIME_MS_MAX + 1)


class Action(Enum):
    """What a share may allow."""

    RECORDS_READ = "records.read"
    RECORDS_WRITE = "records.write"
    """PUT and PATCH of records; never a deletion."""
    AGGREGATES_READ = "aggregates.read"
    ASSET_READ = "asset.read"
    """The asset itself with its static values, variables and the shared aspects."""
    FILES_READ = "files.read"
    EVENTS_READ = "events.read"


class Receiver(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who receives a share: callers of a tenant, all of them or, of what is named here, some."""

    tenant: TenantId
    subtenant: str | None = None
    user: str | None = None
    """Name of a user or a technical user."""
    role: str | None = None

    @property
    def parts(self) -> list[str]:
        """Name what narrows it down: at most one."""
        named = {"subtenant": self.subtenant, "user": self.user, "role": self.role}
        return [name for name, value in named.items() if value is not None]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One share, as the catalogue of its giver keeps it."""

    id: str
    tenant: TenantId
    """Its giver."""
    receiver: Receiver
    assets: tuple[AssetId, ...]
    subtree: bool = False
    """True: and everything below them, whenever it was made."""
    actions: tuple[Action, ...]
    aspects: tuple[str, ...] | None = None
    """Names; None: all."""
    after_ms: int | None = None
    """Start of the window, exclusive; None: no start."""
    until_ms: int | None = None
    """End of the window, inclusive; None: no end."""
    expires_ms: int | None = None
    """From this millisecond on it allows nothing; None: it lasts until it is deleted."""
    note: str = ""
    """For people of both sides."""
    given_ms: int
    """When it was given, or last changed."""
    given_by: str
    """The giver's user or technical user."""

    @property
    def window(self) -> TimeRange:
        """Give its times as half-open milliseconds."""
        start_ms = EVER.start_ms if self.after_ms is None else self.after_ms + 1
        return TimeRange(start_ms, EVER.end_ms if self.until_ms is None else self.until_ms + 1)

    def covers(self, aspect_name: str) -> bool:
        """Tell whether an aspect is in it."""
        return self.aspects is None or aspect_name in self.aspects

    def is_over(self, now_ms: int) -> bool:
        """Tell whether its time has ended."""
        return self.expires_ms is not None and now_ms >= self.expires_ms


def check_share(new: Share, roles: Collection[str], now_ms: int) -> list[Problem]:
    """Check a share by itself; whether its assets are the giver's is not known here."""
    rules = (
        (
            0 < len(set(new.assets)) == len(new.assets) <= SHARED_ASSETS_MAX,
            "/assets",
            f"Name 1 to {SHARED_ASSETS_MAX} assets, each once.",
        ),
        (
            0 < len(set(new.actions)) == len(new.actions),
            "/actions",
            f"Name some of {', '.join(action.value for action in Action)}, each once.",
        ),
        (
            len(new.note) <= DESCRIPTION_CHARACTERS_MAX,
            "/note",
            f"At most {DESCRIPTION_CHARACTERS_MAX} characters.",
        ),
        (new.expires_ms is None or new.expires_ms > now_ms, "/expires", "It must lie in the future."),
    )
    problems = [_problem(pointer, message) for lawful, pointer, message in rules if not lawful]
    problems += [
        _problem(f"/assets/{place}", "An asset id has 32 lowercase hexadecimal digits.")
        for place, asset in enumerate(new.assets)
        if not is_hex_id(asset)
    ]
    return problems + _check_aspects(new) + _check_window(new) + _check_receiver(new, roles)


def _check_aspects(new: Share) -> list[Problem]:
    if new.aspects is None:
        return []
    if not 0 < len(new.aspects) <= SHARED_ASPECTS_MAX:
        message = f"Name 1 to {SHARED_ASPECTS_MAX} aspects, or leave them out for all."
        return [_problem("/aspects", message)]
    return [
        _problem(f"/aspects/{place}", "No aspect can be called so.")
        for place, name in enumerate(new.aspects)
        if not is_lawful_name(name, ASPECT_NAME_CHARACTERS_MAX)
    ]


def _check_window(new: Share) -> list[Problem]:
    problems = [
        _problem(f"/{name}", "A window begins and ends with a quarter of an hour, in UTC.")
        for name, time_ms in (("from", new.after_ms), ("to", new.until_ms))
        if time_ms is not None and time_ms % CELL_MS
    ]
    if new.after_ms is not None and new.until_ms is not None and new.after_ms >= new.until_ms:
        problems.append(_problem("/from", "from must be earlier than to."))
    return problems


def _check_receiver(new: Share, roles: Collection[str]) -> list[Problem]:
    receiver = new.receiver
    own = receiver.tenant == new.tenant
    rules = (
        (is_tenant_id(receiver.tenant), "/tenant", "No tenant can be called so."),
        (len(receiver.parts) <= 1, "", "Name one of subtenant, user and role, or none of them."),
        (not own or receiver.parts, "", "The own tenant has it already; name a subtenant, a user or a role."),
        (
            receiver.subtenant is None or is_subtenant_id(receiver.subtenant),
            "/subtenant",
            "No subtenant can be called so.",
        ),
        (
            receiver.user is None or 1 <= len(receiver.user) <= USER_CHARACTERS_MAX,
            "/user",
            f"1 to {USER_CHARACTERS_MAX} characters.",
        ),
        (receiver.role is None or receiver.role in roles, "/role", f"One of {', '.join(roles)}."),
    )
    return [_problem(f"/receiver{pointer}", message) for lawful, pointer, message in rules if not lawful]


def spans_of(shares: Iterable[Share]) -> Spans | None:
    """Join the windows of shares that apply together; None: all times."""
    joined: list[TimeRange] = []
    for window in sorted(share.window for share in shares):
        if joined and window.start_ms <= joined[-1].end_ms:
            joined[-1] = TimeRange(joined[-1].start_ms, max(joined[-1].end_ms, window.end_ms))
        else:
            joined.append(window)
    return None if joined == [EVER] else tuple(joined)


def within(time_ms: int, spans: Spans | None) -> bool:
    """Tell whether a time is shared."""
    return spans is None or any(span.start_ms <= time_ms < span.end_ms for span in spans)


def check_times(time_ms: Ints, spans: Spans, at: str = "") -> list[Problem]:
    """Check that every record of a body is of a shared time: the first so many that are not."""
    inside = np.zeros(len(time_ms), np.bool_)
    for span in spans:
        inside |= (time_ms >= span.start_ms) & (time_ms < span.end_ms)
    return [
        Problem(f"{at}/{row}/_time", TIME_WINDOW, "The asset is not shared for this time.")
        for row in np.flatnonzero(~inside)[:PROBLEMS_LISTED_MAX].tolist()
    ]


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, INVALID_BODY, message)
