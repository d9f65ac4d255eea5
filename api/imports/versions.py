"""Which import is of an earlier version of a file (design 9.7): by name, or because somebody says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from schemas.codes import INVALID_BODY
from schemas.errors import Conflict, Invalid, Problem
from schemas.filetypes.model import FileType, Versions
from schemas.imports import LOGGER, ImportFile, LoggerImport
from storage.job_records import IMPORT, JobRecord, Phase, replaced_in

_PACKED: Final = (".gz", ".xz", ".zst", ".zip")
"""What packing adds to a name: packed or not, it is the same file."""


def version_of(file_type: FileType, files: Iterable[ImportFile]) -> tuple[str, ...]:
    """Name the logical file of an import: file type, asset and aspect of its rows, names without folders."""
    if file_type.versions is Versions.SEPARATE:
        return ()
    names = (file.path.rpartition("/")[2] for file in files)
    return (file_type.name, file_type.asset, file_type.aspect, *map(_unpacked, names))


def _unpacked(name: str) -> str:
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name


def earlier_version(known: Sequence[JobRecord], logical: tuple[str, ...]) -> str:
    """Give the job that imported the newest earlier version and stands; empty: there is none.

    Conflict while such a job has not ended: versions are imported one after the other. `known` has the newest
    job first.
    """
    mine = [record for record in known if logical and record.version_of == logical]
    running = next((record for record in mine if not record.phase.is_end), None)
    if running is not None:
        message = f"The job {running.id} imports an earlier version of the file; wait for it, or cancel it."
        raise Conflict(message)
    return next((record.id for record in mine if _stands(record, known)), "")


def demand_standing(record: JobRecord, known: Sequence[JobRecord]) -> None:
    """Raise Invalid where an import that is to be replaced wrote nothing that stands."""
    if not _stands(record, known):
        words = "It has written nothing, has not ended, was undone, or was replaced already."
        raise Invalid([Problem("/replaces", INVALID_BODY, words)])


def _stands(record: JobRecord, known: Sequence[JobRecord]) -> bool:
    is_done = record.kind == IMPORT and record.phase is Phase.DONE and record.committing
    return is_done and not record.undone_ms and record.id not in replaced_in(known)


def demand_replayable(record: JobRecord, known: Sequence[JobRecord]) -> LoggerImport:
    """Give what an import was told whose refused rows can be read again; Conflict where that is in vain."""
    if record.kind != IMPORT or record.told["import"]["source"] != LOGGER:
        raise Conflict("Only an import of logger files is replayed; a bulk import refuses all or nothing.")
    if record.phase is not Phase.DONE:
        raise Conflict("Only an import that is done can be replayed.")
    if record.undone_ms or record.id in replaced_in(known):
        raise Conflict("The import was undone, or replaced by a later version of its file.")
    if not record.reports:
        raise Conflict("The import has refused no row.")
    later = (each for each in known if each.replay_of == record.id and not each.undone_ms)
    for each in later:
        if each.phase not in {Phase.FAILED, Phase.CANCELLED}:
            raise Conflict(f"The job {each.id} replays it; what that refuses can be replayed from there.")
    return msgspec.convert(record.told["import"], LoggerImport)
