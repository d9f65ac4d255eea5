"""Bulk import of the dialect: files of an asset become a job (wire 3.1, MS-80, MS-81, MS-83).

What can be seen at once is refused at once: unknown assets and files, too much, times that cannot be. What
the files hold is looked at by the job, by the rules as they were when it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.catalog.index import CatalogIndex
from api.events.service import new_id
from api.files.service import FileService, Place
from api.identity.tokens import Identity
from api.jobs.service import JobService
from api.shares.access import Access
from runtime.ports import Ports
from schemas.codes import INVALID_BODY
from schemas.durations import DAY_MS
from schemas.errors import Invalid, Malformed, NotFound, Problem, TooLarge
from schemas.files import parse_path
from schemas.imports import BulkImport, ImportFile
from schemas.limits import BULK_FILES_MAX, MB, TIME_MS_MAX
from schemas.policies import Profile
from schemas.times import parse_time
from storage.job_records import IMPORT, JobRecord

RETENTION_MARGIN_MS = DAY_MS
"""An import takes nothing that retention could reach before it is over."""

_AT = "/data/0/timeseriesFiles"


class FileIn(msgspec.Struct, rename="camel"):
    """One file of an import."""

    file_path: str = ""
    """Where it lies among the files of the asset."""
    filepath: str = ""
    """The same, as one client writes it (wire 3.1)."""
    from_: str | None = msgspec.field(default=None, name="from")
    """The first time of its records, inclusive."""
    to: str | None = None
    """The last one, inclusive."""


class ImportIn(msgspec.Struct, rename="camel"):
    """The files of one aspect of one asset."""

    entity: str
    property_set_name: str
    timeseries_files: list[FileIn]


class ImportJobIn(msgspec.Struct):
    """An import job; it has one element."""

    data: list[ImportIn]


class BulkService:
    """Bulk imports of verified callers."""

    def __init__(
        self, ports: Ports, index: CatalogIndex, access: Access, files: FileService, jobs: JobService
    ) -> None:
        """Take what finds series and files, and what keeps jobs."""
        self._ports = ports
        self._index = index
        self._access = access
        self._files = files
        self._jobs = jobs

    async def import_files(self, caller: Identity, asked: ImportJobIn) -> JobRecord:
        """Make a job out of files; Invalid with every problem, NotFound for an unknown series."""
        if len(asked.data) != 1:
            raise Invalid([Problem("/data", INVALID_BODY, "A job has one element: one aspect of one asset.")])
        [wanted] = asked.data
        series, aspect = await self._access.own_series(caller, (wanted.entity, wanted.property_set_name))
        profile, now_ms = self._index.profile_of(caller.tenant), self._ports.clock.now_ms()
        files = await self._found(Place(caller.tenant, series.asset, ""), wanted.timeseries_files)
        demand_size(files, profile)
        _demand_day(files, profile)
        told = BulkImport(
            asset=series.asset,
            aspect_id=series.aspect,
            aspect=aspect,
            files=tuple(files),
            now_ms=now_ms,
            latest_ms=last_ms(profile, now_ms),
            least_ms=first_ms(profile, now_ms),
            ascends=profile.bulk_day,
            undo_s=self._jobs.undo_seconds(caller),
        )
        record = JobRecord(
            id=new_id(),
            kind=IMPORT,
            by=caller.subject,
            submitted_ms=now_ms,
            told={
                "import": msgspec.to_builtins(told),
                "assets": [series.asset],
                "undo_s": told.undo_s,
                "running_max": profile.jobs_running_max,
            },
            bytes_all=sum(file.size for file in files),
        )
        await self._jobs.submit(caller, record)
        return record

    async def _found(self, place: Place, asked: Sequence[FileIn]) -> list[ImportFile]:
        """Find the files, with what they consist of now; Invalid with each that cannot be."""
        if not 1 <= len(asked) <= BULK_FILES_MAX:
            message = f"A job has 1 to {BULK_FILES_MAX} files, not {len(asked)}."
            raise Invalid([Problem(_AT, INVALID_BODY, message)])
        problems: list[Problem] = []
        found: list[ImportFile] = []
        for number, file in enumerate(asked):
            at = f"{_AT}/{number}"
            try:
                found.append(await self._file(place, file, at))
            except NotFound as missing:
                problems.append(Problem(f"{at}/filePath", INVALID_BODY, missing.message))
            except Invalid as refused:
                problems += [
                    problem if problem.pointer.startswith(_AT) else problem._replace(pointer=f"{at}/filePath")
                    for problem in refused.problems
                ]
        if problems:
            raise Invalid(problems)
        return found

    async def _file(self, place: Place, file: FileIn, at: str) -> ImportFile:
        path = parse_path((file.file_path or file.filepath).removeprefix("/"))
        entry = await self._files.find(place._replace(path=path))
        first, last = _time(file.from_, f"{at}/from"), _time(file.to, f"{at}/to")
        if first is not None and last is not None and first > last:
            raise Invalid([Problem(f"{at}/from", INVALID_BODY, "from lies after to.")])
        return ImportFile(path=path, contents=entry.file.contents, from_ms=first, to_ms=last)


def _time(text: str | None, pointer: str) -> int | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except Malformed as refused:
        raise Invalid([Problem(pointer, INVALID_BODY, refused.message)]) from refused


def demand_size(files: Sequence[ImportFile], profile: Profile) -> None:
    """Raise TooLarge where files are more than the tenant may import at once (MS-81)."""
    most, size = profile.bulk_bytes_max, sum(file.size for file in files)
    if most is not None and size > most:
        raise TooLarge(f"The files of a job have at most {most // MB} MB together, these have {size} bytes.")


def _demand_day(files: Sequence[ImportFile], profile: Profile) -> None:
    """Raise Invalid where the files' own words say that they are of several days (MS-81)."""
    if not profile.bulk_day:
        return
    days = {time // DAY_MS for file in files for time in (file.from_ms, file.to_ms) if time is not None}
    if len(days) > 1:
        raise Invalid([Problem(_AT, INVALID_BODY, "The files of a job are of one day of UTC.")])


def last_ms(profile: Profile, now_ms: int) -> int:
    """Give the last time that a record may have (MS-83)."""
    if profile.bulk_age_ms_min is not None:
        return now_ms - profile.bulk_age_ms_min
    return min(now_ms + profile.record_ahead_ms_max, TIME_MS_MAX)


def first_ms(profile: Profile, now_ms: int) -> int:
    """Give the first one: 1970, or where retention will not have been when the job is done (design 8.9)."""
    live_from_ms = profile.retention.live_from_ms(now_ms)
    return 0 if live_from_ms is None else live_from_ms + RETENTION_MARGIN_MS
