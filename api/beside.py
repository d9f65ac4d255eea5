"""What takes long is done beside the loop: messages of devices and lines are taken apart in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from schemas.limits import KB

P = ParamSpec("P")
R = TypeVar("R")

IN_THREAD_BYTES: Final = 256 * KB
"""A larger payload takes tens of milliseconds, up to a second."""


async def beside(size: int, act: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """Do what takes long for so many bytes beside the loop, and what does not in it."""
    if size > IN_THREAD_BYTES:
        return await asyncio.to_thread(act, *given, **named)
    return act(*given, **named)
