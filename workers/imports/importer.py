"""An import from end to end: read, stage, attach, wait, tidy; each of it may be repeated (R21, SM-07).

Nothing of it is visible until everything is staged. From then on the job commits: each series gets its entry
in the order of its shard, and becomes visible whole when its writer comes to it (design 4.15, 9.5). A kill at
any point costs the unit that was being staged; a unit that is not to be taken refuses all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from runtime.ports import Clock
from schemas.errors import NotFound, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.imports import BadSource, Correction, RowKind, Source
from schemas.receipts import Place
from storage import job_records
from storage.heads import BlockRef
from storage.import_journal import CORRECTION, Attached, Journal
from storage.job_records import Phase
from storage.port import CatalogStore, SeriesStore
from storage.slices import SlicePlan
from streams.port import RecordStream
from workers import failpoints
from workers.imports.attaching import Fate, Order, Stuck, attach_again, attach_all
from workers.imports.correcting import Found, correct
from workers.imports.hiding import count_hidden
from workers.imports.staging import Stager
from workers.running import Attempt, Cancelled

log = structlog.get_logger("jobs")

LOOK_S: Final = 0.2
"""Between two looks whether writers have come to the entries: a turn takes as long at the least."""

CANCELLED: Final = "It was cancelled; nothing of it was imported."
NOTHING: Final = "The source has no row."
ALL_REFUSED: Final = "Every row was refused; the report says why."
SAME: Final = "The job {earlier} has imported the same before; nothing was written."

Fingerprint = Callable[[Callable[[], Awaitable[None]]], Awaitable[str]]
"""Tells what a source says, giving a sign of life as often as it likes; raises NotFound."""


@dataclass(slots=True, frozen=True)
class Ground:
    """What imports work on."""

    catalog: CatalogStore
    store: SeriesStore
    stream: RecordStream
    clock: Clock
    shards: int
    new_id: Callable[[], bytes]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def order(self) -> Order:
        """Give where entries go."""
        return Order(self.stream, self.store, self.shards)


async def run_import(
    ground: Ground,
    attempt: Attempt,
    source: Source,
    *,
    undo_s: int,
    fingerprint: Fingerprint | None = None,
    correction: Correction | None = None,
) -> None:
    """Go on with an import until it has ended.

    With a fingerprint, one that was done before, and stands, is not done again. With a correction, what the
    earlier version of the file wrote goes with it.

    Raises Unavailable where something is away, and Superseded where somebody else goes on: then nothing is
    said of its end, and another attempt goes on from what the journal has.
    """
    journal = Journal(ground.catalog, TenantId(attempt.tenant), attempt.record.id)
    try:
        if fingerprint is None or not await _is_known(ground, attempt, fingerprint):
            await _run(ground, attempt, journal, source, undo_s=undo_s, correction=correction)
    except Cancelled:
        await attempt.end(Phase.CANCELLED, message=CANCELLED)
    except BadSource as bad:
        words = f"Nothing was imported: {bad.problems[0].message}"
        await attempt.end(Phase.FAILED, message=words, faults=job_records.faults_of(bad.problems))
    except NotFound as missing:
        await attempt.end(Phase.FAILED, message=f"Nothing was imported: {missing.message}")
    except Stuck as stuck:
        await attempt.end(Phase.FAILED, message=str(stuck))
    failpoints.reach("import_ended")
    # The end is said first, so that no other attempt stages anew what is dropped now.
    await tidy(ground.catalog, ground.store, journal)


async def _is_known(ground: Ground, attempt: Attempt, fingerprint: Fingerprint) -> bool:
    """End the job if another one did the same, and it stands (SM-10)."""
    if attempt.record.committing:
        return False
    digest = await fingerprint(lambda: attempt.told(rows=0, octets=0))
    known = await job_records.all_of(ground.catalog, attempt.tenant)
    replaced = job_records.replaced_in(known)
    for record in known:
        is_same = record.fingerprint == digest and record.id not in {attempt.record.id, *replaced}
        if is_same and record.counts.get("stored") and not record.undone_ms and record.phase is Phase.DONE:
            earlier = record.id
            break
    else:
        await attempt.change(lambda record: msgspec.structs.replace(record, fingerprint=digest))
        return False
    await attempt.change(lambda record: msgspec.structs.replace(record, same_as=earlier))
    counts = dict.fromkeys(("rows", "stored", "duplicates", "refused", "series", "cells"), 0)
    await attempt.end(Phase.DONE, message=SAME.format(earlier=earlier), counts=counts)
    return True


async def _run(
    ground: Ground,
    attempt: Attempt,
    journal: Journal,
    source: Source,
    *,
    undo_s: int,
    correction: Correction | None,
) -> None:
    if not attempt.record.committing:
        await journal.drop(ground.store, counted=False)
        await _stage(ground, attempt, journal, source)
        staged = await journal.staged(CORRECTION)
        counts = await _counts(ground, journal, staged, source.kind)
        corrected = Found(is_done=False)
        if correction is not None and (staged or not counts["refused"]):
            corrected = await _correct(ground, attempt, journal, source.kind, correction)
            counts["removed"] = corrected.removed
            staged = await journal.staged()
        if not staged:
            words = ALL_REFUSED if counts["refused"] else NOTHING
            await attempt.end(Phase.DONE, message=words, counts=counts)
            return
        # The staged blocks are the store's to change from here on, so what they hold is counted before.
        replaces = correction.earlier if correction is not None and corrected.is_done else ""
        await attempt.change(
            lambda record: msgspec.structs.replace(
                record, committing=True, counts=counts, replaces=replaces, message=corrected.remark
            )
        )
        failpoints.reach("import_commits")
    staged = await journal.staged()
    counts = attempt.record.counts
    refused = await _commit(ground, attempt, journal, staged, undo_s)
    if not refused:
        await attempt.end(Phase.DONE, counts=counts, message=attempt.record.message)
        return
    listed = "; ".join(f"asset {series.asset}: {reason}" for series, reason in refused.items())
    await attempt.end(Phase.FAILED, message=f"Not every series was imported: {listed}"[:1_000], counts=counts)


async def _correct(
    ground: Ground, attempt: Attempt, journal: Journal, kind: RowKind, correction: Correction
) -> Found:
    """Stage what a correction takes away, if that is not staged yet."""
    done = (await journal.units()).get(CORRECTION)
    if done is not None:
        return Found(is_done=True, removed=done.removed)
    place = CORRECTION, attempt.record.attempt
    stager = Stager(ground.store, journal, place, await _plans(ground), ground.new_id, kind=kind)
    now_ms = ground.clock.now_ms()
    return await correct(ground.catalog, ground.store, attempt, stager, correction, kind=kind, now_ms=now_ms)


async def _stage(ground: Ground, attempt: Attempt, journal: Journal, source: Source) -> None:
    """Stage every unit that is not staged yet."""
    units = await journal.units()
    rows = sum(unit.rows for unit in units.values())
    octets = sum(unit.octets for unit in units.values())
    plans = await _plans(ground)
    for number in range(source.units):
        if number in units:
            continue
        place = number, attempt.record.attempt
        stager = Stager(ground.store, journal, place, plans, ground.new_id, kind=source.kind)
        taken = 0
        async for batch in source.read(number):
            await stager.add(batch.series, batch.rows, batch.made_of)
            stager.staged.tally = batch.tally
            taken += batch.octets
            await attempt.told(rows=rows + stager.staged.rows, octets=octets + taken)
        failpoints.reach("import_staged")
        await attempt.change(lambda record: record)  # Somebody else may have taken the job up long ago.
        await stager.end(taken)
        rows, octets = rows + stager.staged.rows, octets + taken
        reports = await _reports(journal)
        await attempt.change(_far(rows, octets, reports))
    # A kill may have come between the end of a unit and this.
    reports = await _reports(journal)
    if reports != attempt.record.reports:
        await attempt.change(lambda record: msgspec.structs.replace(record, reports=reports))


async def _reports(journal: Journal) -> tuple[str, ...]:
    """Name the reports of all units that are staged; they stay, whatever becomes of the job."""
    return tuple(unit.report for _, unit in sorted((await journal.units()).items()) if unit.report)


def _far(
    rows: int, octets: int, reports: tuple[str, ...]
) -> Callable[[job_records.JobRecord], job_records.JobRecord]:
    return lambda record: msgspec.structs.replace(record, rows=rows, bytes=octets, reports=reports)


async def _plans(ground: Ground) -> dict[SeriesId, SlicePlan]:
    """Read the slice plans of all shards: few series have any."""
    found: dict[SeriesId, SlicePlan] = {}
    for plans in await asyncio.gather(*map(ground.store.read_plans, range(ground.shards))):
        found |= plans
    return found


async def _counts(
    ground: Ground, journal: Journal, staged: Mapping[SeriesId, list[BlockRef]], kind: RowKind
) -> dict[str, int]:
    """Say what became of every row: of the source, those refused; of those taken, by series, the others."""
    units = (await journal.units()).values()
    rows = sum(unit.rows for unit in units)
    duplicates = sum(unit.duplicates for unit in units)
    for series, refs in staged.items():
        duplicates += await count_hidden(ground.store, series, refs, kind)
    return {
        "rows": sum(unit.lines for unit in units),
        "stored": rows - duplicates,
        "duplicates": duplicates,
        "refused": sum(unit.refused for unit in units),
        "series": len(staged),
        "cells": sum(unit.cells for unit in units),
    }


async def _commit(
    ground: Ground,
    attempt: Attempt,
    journal: Journal,
    staged: Mapping[SeriesId, list[BlockRef]],
    undo_s: int,
) -> dict[SeriesId, str]:
    """Attach everything and wait until writers have come to all of it; gives what they refused."""
    order = ground.order
    waiting = await attach_all(order, journal, staged, undo_s=undo_s, now_ms=ground.clock.now_ms())
    failpoints.reach("import_attached")
    refused: dict[SeriesId, str] = {}
    while waiting:
        left = []
        for told in waiting:
            series = told.series(journal.tenant)
            found = await order.fate(series, _place(told))
            if found.fate is Fate.REFUSED:
                refused[series] = found.reason
            elif found.fate is Fate.LOST:
                await attach_again(order, journal, told, staged[series], undo_s=undo_s)
                left = await journal.attached()
                break
            elif found.fate is Fate.PENDING:
                left.append(told)
        waiting = left
        if waiting:
            await attempt.change(lambda record: record)
            await ground.pause(LOOK_S)
    return refused


def _place(told: Attached) -> Place:
    return Place(told.shard, told.incarnation, told.position)


async def tidy(catalog: CatalogStore, store: SeriesStore, journal: Journal) -> None:
    """Leave nothing of the staging of a job that has ended, but what was attached.

    May be repeated; where something is away it is left to whoever keeps jobs (`workers.job_keeper`).
    """
    try:
        record = await job_records.get(catalog, journal.tenant, journal.job_id)
        if record is not None and not record.phase.is_end:
            return
        if record is None or not record.committing:
            await journal.drop(store, counted=True)
        await journal.forget_pages()
        await job_records.change(catalog, journal.tenant, journal.job_id, _tidied)
        await job_records.close(catalog, journal.tenant, journal.job_id)
    except Unavailable as error:
        log.warning("staging_left", tenant=journal.tenant, job=journal.job_id, reason=error.message)


def _tidied(record: job_records.JobRecord) -> job_records.JobRecord:
    return msgspec.structs.replace(record, tidied=True)
