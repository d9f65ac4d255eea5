"""Secrets at rest: argon2id hashes, made and checked in a bounded pool of threads.

One hash takes tens of milliseconds and 19 MiB, so at most four run at a time and a bounded number
waits: a flood of logins then costs its senders, not the service (S15).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from schemas.errors import Unavailable

T = TypeVar("T")

HASHES_AT_ONCE = 4
"""Four hashes of 19 MiB: 76 MiB at most."""

WAITING_MAX = 64
"""At about 40 ms a hash the last of these waits less than a second."""

SECRET_BYTES_MAX = 1_024
"""Longer secrets are refused unhashed."""


class Passwords:
    """Hash and check secrets; safe to call from any thread."""

    def __init__(self, memory_kib: int) -> None:
        """Take the memory of one hash in KiB."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)
        self._nobody = self._hasher.hash("nobody has this secret")

    def hash(self, secret: str) -> str:
        """Give the text to store for a secret."""
        return self._hasher.hash(secret)

    def holds(self, stored: str | None, secret: str) -> bool:
        """Tell whether the secret is the stored one; None takes as long and is never right."""
        if len(secret) > SECRET_BYTES_MAX:
            return False
        try:
            self._hasher.verify(stored or self._nobody, secret)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


class HashingPool:
    """Threads for work that hashes or signs; callers beyond the waiting room are sent away."""

    def __init__(self) -> None:
        """Start no thread before the first call."""
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="hash")
        self._present = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run the work in a thread; Unavailable when too many wait already."""
        if self._present >= HASHES_AT_ONCE + WAITING_MAX:
            raise Unavailable("Too many logins are waiting; try again in a second.", retry_after_s=1)
        self._present += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._present -= 1

    def close(self) -> None:
        """Let the running work end; twice is harmless."""
        self._threads.shutdown(wait=False, cancel_futures=True)
