"""Gaps that an operator accepts, in the platform's audit log: what was given up is written down first."""

from __future__ import annotations

import secrets

from runtime.ports import Clock
from schemas.audit import OPERATOR, Act, Outcome, encode_part
from schemas.ids import CORE
from storage.audit_port import AuditLine, AuditStore
from workers.takeover import NoteGap


def noting(store: AuditStore, clock: Clock) -> NoteGap:
    """Make what writes down, durably, that the entries of a shard behind a position are given up."""

    async def note(shard: int, applied: int, trimmed: int) -> None:
        things = {"shard": str(shard), "applied": str(applied), "trimmed": str(trimmed)}
        act = Act(action="shard.accept_gap", tenant=CORE, subject=OPERATOR, things=things)
        now_ms = clock.now_ms()
        outcome = encode_part(Outcome(status=200, ended_ms=now_ms))
        await store.append(AuditLine(CORE, now_ms, secrets.token_hex(8), encode_part(act), outcome))

    return note
