"""How long rows live before only their summaries do: a tenant's rule, and what follows from it (design 4.13).

One rule a tenant is kept in the catalogue, for doors and writers alike. A door refuses what reaches before
`live_from_ms`; a writer takes rows before `taken_before_ms`, a day behind it, and by rules a day old.
"""

from __future__ import annotations

import msgspec

from schemas.durations import DAY_MS

DAYS_MAX = 36_525
"""A century."""

MARGIN_MS = DAY_MS
"""Between what doors refuse and what writers take: clocks that differ, a write between check and append, and
doors that have not heard of a new rule yet."""


class Rule(msgspec.Struct, frozen=True):
    """The retention of one tenant."""

    days: int = 0
    """How long rows live; 0: for ever."""
    since_ms: int = 0
    """When this became the rule, UTC."""
    floor_ms: int | None = None
    """Rows before it live no more, whatever `days` says: an earlier rule may have taken them."""

    def changed(self, days: int, now_ms: int) -> Rule:
        """Give the rule that follows this one; what this one may have taken does not come back."""
        return Rule(days, now_ms, self.live_from_ms(now_ms))

    def live_from_ms(self, now_ms: int) -> int | None:
        """Give the time from which on rows may be written and deleted; None: all."""
        if not self.days:
            return self.floor_ms
        horizon_ms = now_ms - self.days * DAY_MS
        return horizon_ms if self.floor_ms is None else max(horizon_ms, self.floor_ms)

    def taken_before_ms(self, applied_ms: int) -> int | None:
        """Give the time before which rows may be taken, where all is applied that was admitted until then.

        None: nothing; also in the first day of a rule, in which doors may still admit by the one before it.
        """
        if not self.days or applied_ms < self.since_ms + MARGIN_MS:
            return None
        return applied_ms - self.days * DAY_MS - MARGIN_MS


KEEP_ALL = Rule()
"""The rule of a tenant that never had one."""
