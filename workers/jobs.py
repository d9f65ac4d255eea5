"""The job worker: long work that a door hands over, run one job at a time, each in a process of its own.

A job is a function of its arguments (`schemas.jobs`) and may run twice: whatever it does must bear that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import structlog

from schemas.errors import Corrupt
from schemas.jobs import REPLAY_DEAD_LETTERS, ReplayDeadLetters
from streams.entries import decode_entry
from streams.job_port import JobFunction
from streams.letters import series_of_letter
from streams.port import Admission, Admitted, Idempotency, Letterhead, RecordStream, Settled

log = structlog.get_logger("jobs")

_Arguments = TypeVar("_Arguments", bound=msgspec.Struct)


def functions(open_stream: Callable[[], RecordStream], shards: int) -> dict[str, JobFunction]:
    """Give every job of `schemas.jobs` by its name; each opens, in its own process, what it works on."""

    def replay(told: ReplayDeadLetters) -> object:
        async def act() -> dict[str, int]:
            stream = open_stream()
            try:
                return await replay_dead_letters(stream, told, shards)
            finally:
                await stream.close()

        return asyncio.run(act())

    return {REPLAY_DEAD_LETTERS: _told(ReplayDeadLetters, replay)}


def _told(form: type[_Arguments], act: Callable[[_Arguments], object]) -> JobFunction:
    def job(arguments: Mapping[str, object]) -> object:
        return act(msgspec.convert(dict(arguments), form))

    return job


async def replay_dead_letters(stream: RecordStream, told: ReplayDeadLetters, shards: int) -> dict[str, int]:
    """Append dead letters anew and settle each that was admitted; gives what became of them (design 4).

    A replay is a new append: it takes effect now, after everything that came since. A letter that still
    does not decode, or is refused, stays. Run twice, a letter is appended once all the same, unless more
    than the 48 hours of an idempotency key lie between.
    """
    replayed = kept = 0
    wanted = frozenset(told.positions)
    for shard in range(shards) if told.shard is None else (told.shard,):
        for head in await stream.dead_letters(shard):
            if wanted and head.position not in wanted:
                continue
            series = series_of_letter(head, shards)
            if told.tenant is not None and (series is None or series.tenant != told.tenant):
                continue
            if series is not None and await _replayed(stream, head):
                replayed += 1
            else:
                kept += 1
    log.info("dead_letters_replayed", shard=told.shard, tenant=told.tenant, replayed=replayed, kept=kept)
    return {"replayed": replayed, "kept": kept}


async def _replayed(stream: RecordStream, head: Letterhead) -> bool:
    letter = await stream.read_letter(head.shard, head.position)
    if letter is None:
        return False
    try:
        series = decode_entry(letter.body).series
    except Corrupt:
        return False
    # No client can send this key: theirs are printable.
    key = f"\0replay {letter.shard} {letter.position}"
    once = Idempotency(series.tenant, key, hashlib.blake2b(letter.body, digest_size=16).digest())
    [answer] = await stream.append([Admission(letter.shard, series, letter.body, once)])
    if not isinstance(answer, Admitted):
        log.warning("dead_letter_refused", shard=letter.shard, position=letter.position, answer=str(answer))
        return False
    return await stream.settle(letter.shard, letter.position, Settled(answer.incarnation, answer.position))
