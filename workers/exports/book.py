"""The download of an export while it is written: bytes held until they are a part, then named (R21).

Whoever opens it anew reads what the parts hold, for the checksums, and goes on behind the last one from which
a file can be gone on with; what lies behind that is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from runtime.ports import Clock
from schemas.columns import Ints
from schemas.exporting.archive import Archive, Bare, Ended, packed
from schemas.exporting.model import ExportPlan, Packing
from schemas.files import Content
from schemas.limits import MB
from storage.export_parts import ExportParts, Part, Standing, Written
from storage.files import FileStore
from workers import failpoints
from workers.running import Superseded

PART_BYTES: Final = 8 * MB
"""Held until they are a part: some seconds of work, and what every store takes at once."""
COUNT_S: Final = 60.0
"""How long a count of what the tenant's files take is believed."""


class TooMuch(Exception):  # it is the job that fails, with these words
    """The tenant's files would take more than they may."""


class Book:
    """A download that is written."""

    def __init__(
        self, files: FileStore, parts: ExportParts, clock: Clock, plan: ExportPlan, archive: Archive | Bare
    ) -> None:
        """Begin with nothing; `opened` goes on."""
        self.parts = parts
        self.file = 0
        self.from_ms = plan.start_ms
        self.rows = 0
        self.ended: list[Ended] = []
        self.written: list[Written] = []
        self._files = files
        self._clock = clock
        self._plan = plan
        self._archive = archive
        self._contents: list[Content] = []
        self._numbers = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._new: tuple[list[Ended], list[Written]] = ([], [])
        self._whole = hashlib.sha256()
        self._counted_bytes, self._counted_s = 0, -COUNT_S
        self._forget_file()

    def _forget_file(self) -> None:
        self.from_ms = self._plan.start_ms
        self._file_hash = hashlib.sha256()
        self._rows = self._values = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None

    @property
    def size(self) -> int:
        """Give the bytes of the download so far."""
        return self._archive.written

    @property
    def file_rows(self) -> int:
        """Give the rows of the file so far."""
        return self._rows

    @property
    def is_within_file(self) -> bool:
        """Tell whether a file is begun."""
        return self._archive.begun is not None

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is to be written any more."""
        return self.file > len(self._plan.files)

    # -- taking it up ------------------------------------------------------------------------------

    @classmethod
    async def opened(
        cls, files: FileStore, parts: ExportParts, clock: Clock, plan: ExportPlan, time_ms: int
    ) -> Book:
        """Begin, or go on behind the last part from which that can be done."""
        known = await parts.parts()
        count = max((number for number, part in enumerate(known, 1) if part.standing is not None), default=0)
        for number in range(len(known), count, -1):
            await parts.drop(number - 1)
            await files.remove(parts.tenant, known[number - 1].content)
        known = known[:count]
        standing = known[-1].standing if known else None
        written, begun = (standing.written, standing.begun) if standing else (0, None)
        archive = Archive(time_ms, written, begun) if plan.packing is Packing.ZIP else Bare(written, begun)
        book = cls(files, parts, clock, plan, archive)
        if standing is not None:
            await book._go_on(known, standing)
        return book

    async def _go_on(self, known: Sequence[Part], standing: Standing) -> None:
        self.file, self.from_ms, self.rows = standing.file, standing.from_ms, standing.rows_all
        self._rows, self._values = standing.rows, standing.values
        self._first_ms, self._last_ms = standing.first_ms, standing.last_ms
        self._contents = [part.content for part in known]
        self._numbers = len(known)
        self.ended = [ended for part in known for ended in part.ended]
        self.written = [written for part in known for written in part.files]
        begun = standing.begun
        unpack = zlib.decompressobj(-15) if begun is not None and begun.is_packed else None
        place = 0
        async with aclosing(self._stored()) as blocks:
            async for block in blocks:
                self._whole.update(block)
                if begun is not None and place + len(block) > begun.packed_from:
                    inside = block[max(begun.packed_from - place, 0) :]
                    self._file_hash.update(inside if unpack is None else unpack.decompress(inside))
                place += len(block)

    async def _stored(self) -> AsyncGenerator[bytes]:
        for content in self._contents:
            async with aclosing(self._files.read(self.parts.tenant, content, 0, content.size)) as blocks:
                async for block in blocks:
                    yield block

    # -- writing -----------------------------------------------------------------------------------

    def begin(self, name: str, *, packs: bool) -> None:
        """Begin the next file; one that is compressed in itself is not compressed again."""
        self._hold(self._archive.begin(self.file, name, packed=packs))

    async def add(self, octets: bytes) -> None:
        """Add bytes to the file."""
        if not octets:
            return
        begun = self._archive.begun
        assert begun is not None
        run = await asyncio.to_thread(packed, octets) if begun.is_packed else octets
        self._file_hash.update(octets)
        self._hold(self._archive.add(octets, run))

    def count(self, time_ms: Ints, rows: int, values: int) -> None:
        """Count rows that were added; the file goes on behind their last time."""
        if len(time_ms):
            self._first_ms = int(time_ms[0]) if self._first_ms is None else self._first_ms
            self._last_ms = int(time_ms[-1])
            self.from_ms = self._last_ms + 1
        self._rows, self._values, self.rows = self._rows + rows, self._values + values, self.rows + rows

    def end(self) -> None:
        """End the file."""
        octets, ended = self._archive.end()
        self._hold(octets)
        self._note_ended(ended)
        written = Written(
            file=self.file, rows=self._rows, values=self._values, sha256=self._file_hash.hexdigest(),
            first_ms=self._first_ms, last_ms=self._last_ms,
        )  # fmt: skip
        self.written.append(written)
        self._new[1].append(written)
        self.file += 1
        self._forget_file()

    async def finish(self, extra: dict[str, bytes]) -> None:
        """Add what the archive holds beside the files of the plan, and end it."""
        for name, octets in extra.items():
            self._hold(self._archive.begin(len(self._plan.files), name, packed=True))
            self._hold(self._archive.add(octets, packed(octets)))
            tail, ended = self._archive.end()
            self._hold(tail)
            self._note_ended(ended)
        self._hold(self._archive.finish(self.ended))
        self.file = len(self._plan.files) + 1
        await self.commit()

    def _note_ended(self, ended: Ended) -> None:
        self.ended.append(ended)
        self._new[0].append(ended)

    def _hold(self, octets: bytes) -> None:
        self._whole.update(octets)
        self._held.append(octets)
        self._held_bytes += len(octets)

    # -- parts -------------------------------------------------------------------------------------

    async def may_commit(self, *, resumes: bool) -> None:
        """Make what is held a part if it is enough; `resumes`: the file can be gone on with behind it."""
        if self._held_bytes >= PART_BYTES:
            await self.commit(resumes=resumes)

    async def commit(self, *, resumes: bool = True) -> None:
        """Make what is held a part; Superseded where another attempt has done so, TooMuch by the quota."""
        if not self._held_bytes:
            return
        await self._demand_room()
        held = self._held
        content = await self._files.write(self.parts.tenant, secrets.token_hex(16), _once(held))
        failpoints.reach("export_part_stored")
        can = resumes or not self.is_within_file
        ended, written = self._new
        part = Part(
            content=content, standing=self._standing() if can else None, ended=tuple(ended),
            files=tuple(written),
        )  # fmt: skip
        if not await self.parts.note(self._numbers, part):
            await self._files.remove(self.parts.tenant, content)
            raise Superseded
        failpoints.reach("export_part_named")
        self._numbers += 1
        self._contents.append(content)
        self._counted_bytes += content.size
        self._held, self._held_bytes, self._new = [], 0, ([], [])

    def _standing(self) -> Standing:
        return Standing(
            file=self.file,
            from_ms=self.from_ms,
            written=self._archive.written,
            begun=self._archive.begun,
            rows=self._rows,
            values=self._values,
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            rows_all=self.rows,
        )

    async def _demand_room(self) -> None:
        limit, now_s = self._plan.bytes_max, self._clock.monotonic_s()
        if limit is None:
            return
        if now_s >= self._counted_s + COUNT_S:
            kept = await self._files.kept(self.parts.tenant)
            self._counted_bytes, self._counted_s = sum(each.content.size for each in kept), now_s
        if self._counted_bytes + self._held_bytes > limit:
            raise TooMuch(
                f"The files of the tenant take {self._counted_bytes} of the {limit} bytes that they may; "
                "remove some, or export less."
            )

    @property
    def contents(self) -> tuple[Content, ...]:
        """Give what the download consists of."""
        return tuple(self._contents)

    @property
    def sha256(self) -> str:
        """Give the checksum of the download so far."""
        return self._whole.hexdigest()


async def _once(held: Sequence[bytes]) -> AsyncIterator[bytes]:
    for octets in held:
        yield octets
