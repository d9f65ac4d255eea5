"""The job worker: long work that a door hands over, run one job at a time, each in a process of its own.

A job is a function of its arguments (`schemas.jobs`) and may run twice: whatever it does must bear that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import structlog

from runtime import wiring
from runtime.settings import Settings
from schemas.errors import Corrupt
from schemas.jobs import REPLAY_DEAD_LETTERS, ReplayDeadLetters
from streams.entries import decode_entry
from streams.port import Admission, Admitted, DeadLetter, JobFunction, RecordStream

log = structlog.get_logger("jobs")

_Arguments = TypeVar("_Arguments", bound=msgspec.Struct)


def run(settings: Settings) -> int:
    """Run jobs until told to end."""
    wiring.serve_jobs(settings, functions(settings))
    return 0


def functions(settings: Settings) -> dict[str, JobFunction]:
    """Give every job of `schemas.jobs` by its name."""
    return {REPLAY_DEAD_LETTERS: _told(ReplayDeadLetters, lambda told: _replay(settings, told))}


def _told(form: type[_Arguments], act: Callable[[_Arguments], object]) -> JobFunction:
    def job(arguments: Mapping[str, object]) -> object:
        return act(msgspec.convert(dict(arguments), form))

    return job


def _replay(settings: Settings, told: ReplayDeadLetters) -> object:
    async def act() -> dict[str, int]:
        stream = wiring.open_stream(settings)
        try:
            return await replay_dead_letters(stream, told)
        finally:
            await stream.close()

    return asyncio.run(act())


async def replay_dead_letters(stream: RecordStream, told: ReplayDeadLetters) -> dict[str, int]:
    """Append dead letters anew and discard each that was admitted; gives what became of them (design 4).

    A replay is a new append: it takes effect now, after everything that came since. A letter that still
    does not decode, or is refused, stays. Run twice, it may append a letter twice, which changes nothing
    but the place of its effect in the order.
    """
    letters = [
        letter
        for letter in await stream.dead_letters(told.shard)
        if not told.positions or letter.position in told.positions
    ]
    replayed = 0
    for letter in letters:
        if await _replayed(stream, letter):
            await stream.discard(letter.shard, letter.position)
            replayed += 1
    log.info("dead_letters_replayed", shard=told.shard, replayed=replayed, kept=len(letters) - replayed)
    return {"replayed": replayed, "kept": len(letters) - replayed}


async def _replayed(stream: RecordStream, letter: DeadLetter) -> bool:
    try:
        series = decode_entry(letter.body).series
    except Corrupt:
        return False
    [answer] = await stream.append([Admission(letter.shard, series, letter.body)])
    return isinstance(answer, Admitted)
