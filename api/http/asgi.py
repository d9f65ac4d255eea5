"""The types of bare ASGI, as loose as the protocol; the framework's are those of its own routes only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods whose bodies nobody reads."""
