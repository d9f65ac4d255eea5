"""Logger files as a source: fetched, unpacked, read by their type, placed; what is refused is told (SM-10).

A file is fetched whole onto the worker's disk, because zip and Parquet begin at their end and a reader pulls;
so a file of any size takes little memory. What one chunk gives is made in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import IO, Final, NamedTuple

import msgspec
import numpy as np

from runtime.ports import Clock
from schemas.codes import INVALID_BODY
from schemas.columns import Columns
from schemas.errors import Invalid, NotFound, Problem, Refused
from schemas.files import StoredFile
from schemas.filetypes.model import Versions
from schemas.ids import SeriesId, TenantId
from schemas.imports import (
    BadSource,
    Batch,
    Correction,
    ImportFile,
    LoggerImport,
    RowKind,
    Tally,
    report_path,
)
from storage import changing
from storage.files import FileStore
from storage.port import CatalogStore, Document
from workers.imports.logger_rows import LoggerRows, kind_of
from workers.imports.refused_rows import Report, ToldRows

_PART_BYTES: Final = 1_048_576
_CHANGE_TRIES_MAX: Final = 5
_ASSET: Final = "asset"


class Job(NamedTuple):
    """What the files of a job are read with."""

    catalog: CatalogStore
    files: FileStore
    clock: Clock
    tenant: TenantId
    id: str
    password: bytes | None = None
    """Of the key of encrypted archives that is named; None: none is, or none of the tenant's."""


class LoggerFiles:
    """The source of an import of logger files."""

    def __init__(self, job: Job, told: LoggerImport) -> None:
        """Read the files of a job."""
        self._job = job
        self.told = told
        first = told.series[0]
        self._any = SeriesId(job.tenant, first.asset, first.aspect_id)
        """Where a batch without rows says that it belongs."""

    @property
    def units(self) -> int:
        """Count the files."""
        return len(self.told.files)

    @property
    def kind(self) -> RowKind:
        """Tell what each row of them is."""
        return kind_of(self.told.file_type)

    @property
    def correction(self) -> Correction | None:
        """Tell which earlier version of its file the import corrects; None: none."""
        told = self.told
        inside_only = told.file_type.versions is Versions.WINDOW and not told.replaces_asked
        return Correction(told.replaces, told.replaces_asked, inside_only) if told.replaces else None

    async def fingerprint(self, beat: Callable[[], Awaitable[None]]) -> str:
        """Tell what the files say and how they are read; NotFound where one is gone."""
        digest = hashlib.sha256(msgspec.json.encode((self.told.file_type, self.told.series)))
        for file in self.told.files:
            content = hashlib.sha256()
            async for block in self._blocks(file):
                content.update(block)
                await beat()
            digest.update(content.digest())
        return digest.hexdigest()

    async def read(self, unit: int) -> AsyncIterator[Batch]:
        """Give the rows of a file; raises BadSource where it fails as a whole. The tally comes last."""
        password = self._job.password
        if self.told.key and password is None:
            message = f"no key of the name {self.told.key!r} is given to the tenant."
            raise BadSource([Problem("/key", INVALID_BODY, message)])
        file, report = self.told.files[unit], Report()
        nothing = Batch(self._any, Columns(np.zeros(0, "<i8")), 0)
        with tempfile.TemporaryFile() as held:
            async for block in self._blocks(file):
                held.write(block)
                yield nothing  # A sign of life.
            rows = LoggerRows(self.told, self._job.tenant, report, await self._told_rows(unit))
            parts = rows.parts(file.path, held, () if password is None else (password,))
            seen = 0
            try:
                while (batches := await asyncio.to_thread(next, parts, None)) is not None:
                    place = min(max(_place(held), seen), file.size)
                    yield nothing._replace(octets=place - seen)
                    seen = place
                    for batch in batches:
                        yield batch
            except Refused as refused:
                raise BadSource(_problems(refused, unit)) from refused
        path = await self._keep(report, unit) if report.lines else ""
        yield nothing._replace(octets=file.size - seen, tally=Tally(rows.rows, rows.refused, path))

    async def _told_rows(self, unit: int) -> ToldRows | None:
        """Give the rows of a file that are read in a replay; None: all are."""
        if not self.told.only:
            return None
        octets = b"".join([block async for block in self._blocks(self.told.only[unit])])
        try:
            return await asyncio.to_thread(ToldRows, octets)
        except Refused as refused:
            raise BadSource(_problems(refused, unit)) from refused

    async def _blocks(self, file: ImportFile) -> AsyncGenerator[bytes]:
        for content in file.contents:
            try:
                async for block in self._job.files.read(self._job.tenant, content, 0, content.size):
                    yield block
            except NotFound:
                raise NotFound(f"the file {file.path} was replaced or deleted meanwhile.") from None

    async def _keep(self, report: Report, unit: int) -> str:
        """Put a report among the files of the asset; gives its path. The same again replaces it."""
        job, entity = self._job, self.told.entity
        if await job.catalog.get(job.tenant, _ASSET, entity) is None:
            raise NotFound("the asset is gone.")
        octets = report.encoded()
        content = await job.files.write(job.tenant, secrets.token_hex(16), _parts_of(octets))
        now_ms, by = job.clock.now_ms(), self.told.by
        stored = StoredFile(
            contents=(content,),
            type="text/csv",
            description="Rows that were refused, and why",
            timestamp_ms=now_ms,
            created_ms=now_ms,
            updated_ms=now_ms,
            created_by=by,
            updated_by=by,
        )
        path = report_path(job.id, unit + 1)
        before: list[StoredFile] = []

        def read(document: Document | None) -> StoredFile | None:
            known = None if document is None else msgspec.json.decode(document.body, type=StoredFile)
            before[:] = [] if known is None else [known]
            return known

        failed = f"the report {path} could not be stored: others change it all the time"
        place = (job.tenant, f"file:{entity}", path)
        await changing.change(
            job.catalog, place, read, lambda _: stored, tries_max=_CHANGE_TRIES_MAX, failed=failed
        )
        for each in (content for old in before for content in old.contents if content not in stored.contents):
            await job.files.remove(job.tenant, each)
        return path


def _place(held: IO[bytes]) -> int:
    return held.tell()


async def _parts_of(octets: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(octets), _PART_BYTES):
        yield octets[start : start + _PART_BYTES]


def _problems(refused: Refused, unit: int) -> list[Problem]:
    """Name the file in what a reader says."""
    found = refused.problems if isinstance(refused, Invalid) else []
    messages = [problem.message for problem in found] or [refused.message]
    return [Problem(f"/files/{unit}", INVALID_BODY, message) for message in messages]
