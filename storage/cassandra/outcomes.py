"""Compare-and-sets of which an answer may get lost: a timed-out one was applied more often than not (4.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from schemas.errors import OutcomeUnknown

SWAP_TRIES = 3


class Versioned(Protocol):
    """What a compare-and-set changes: each change adds one to its version."""

    @property
    def version(self) -> int:
        """Give the version that is stored."""


V = TypeVar("V", bound=Versioned)


async def settled(
    swap: Callable[[], Awaitable[bool]],
    look: Callable[[], Awaitable[V | None]],
    wanted: V,
    what: str,
    *,
    gone: bool = False,
) -> bool:
    """Run a compare-and-set until its outcome is known; OutcomeUnknown, naming `what`, if it is not to be.

    Repeating it is harmless: it either finds its condition still true, or itself or another applied. `look`
    reads serially what is stored; `gone` says that nothing should be.
    """
    unknown = False
    for _ in range(SWAP_TRIES):
        try:
            if await swap():
                return True
        except OutcomeUnknown:
            unknown = True
            continue
        if not unknown:
            return False
        stored = await look()
        if gone:
            return stored is None
        if stored is None or stored.version <= wanted.version:
            return stored == wanted
        break
    message = f"nobody knows whether {what}; look before repeating"
    raise OutcomeUnknown(message)
