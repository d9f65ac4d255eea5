"""Diagnostics: what became of the messages of an agent that somebody watches (wire 6.6). Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from schemas.ids import AssetId, TenantId

KIND: Final = "diagnostic"
"""Of the documents of activations."""


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """That an agent is watched; its id is the agent's, as existing clients take it to be."""

    agent: AssetId
    tenant: TenantId
    active: bool
    """False: nothing is written down, and what was stays."""


class Severity(Enum):
    """How bad it is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class State(Enum):
    """How far a message is."""

    ACCEPTED = "ACCEPTED"
    """It was read."""
    DROPPED = "DROPPED"
    """At least a part of it is in the quarantine, and the rest is durable."""
    FINISHED = "FINISHED"
    """All of it is durable."""


class DiagnosticMessage(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one payload."""

    correlation_id: str
    """Of the request."""
    severity: Severity
    message: str
    source: str
    """`TIMESERIES`, `EVENT`, `FILE`, `CONFIGURATION` or `CUSTOM`."""
    state: State
    timestamp: str
