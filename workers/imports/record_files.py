"""Files of records as clients of the dialect upload them: JSON arrays, read piece by piece (wire 3.1, MS-81).

A piece is some hundred records, cut where a record ends and checked like the body of a PUT; so a file of any
size takes little memory, and a record means in a file what it means in a request. Problems are collected over
all files, the first hundred, before anything is said.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

import numpy as np

from schemas.codes import INVALID_BODY
from schemas.columns import Columns
from schemas.durations import DAY_MS
from schemas.errors import NotFound, Problem, Refused
from schemas.ids import SeriesId, TenantId
from schemas.imports import BadSource, Batch, BulkImport, ImportFile, RowKind
from schemas.limits import BODY_CELLS_MAX, KB, MB, PROBLEMS_LISTED_MAX, PUT_BODY_BYTES_MAX
from schemas.policies import Profile
from schemas.records import validate_records
from schemas.times import format_time
from storage.files import FileStore

PIECE_BYTES: Final = 512 * KB
"""What is decoded at once; half of the largest body, so that one more record always fits."""

RECORD_BYTES_MIN: Final = 30
"""No record with a value is shorter; bounds the cells of a piece."""

_SPACE: Final = b" \t\r\n"
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_BETWEEN: Final = re.compile(rb"}[ \t\r\n]*,")

AGE: Final = "bulk"
"""Names the rules of an import where those of a PUT have a profile's name."""


class Splitter:
    """Cuts the bytes of one array into arrays of some records each."""

    def __init__(self, piece_bytes: int) -> None:
        """Wait for the opening bracket."""
        self._piece_bytes = piece_bytes
        self._held = bytearray()
        self._begun = False
        self._given = 0

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """Take bytes; gives what is whole of them. What is malformed comes out too: the decoder says why."""
        self._held += octets
        if not self._begun:
            opened = self._held.lstrip(_SPACE)
            if not opened:
                return
            if opened[:1] != b"[":
                raise _no_array()
            self._begun = True
            self._held = opened[1:]
        while len(self._held) > self._piece_bytes:
            cut = self._cut()
            if cut is None:
                return
            end, after = cut
            yield b"[%b]" % bytes(self._held[:end])
            self._given += 1
            del self._held[:after]

    def end(self) -> bytes | None:
        """Give what is left when the file ends; None where there is nothing more."""
        left = self._held.rstrip(_SPACE)
        if not self._begun or left[-1:] != b"]":
            raise _no_array()
        if not left[:-1].strip(_SPACE):
            if self._given:
                raise _no_array()
            return None
        return b"[%b" % bytes(left)

    def _cut(self) -> tuple[int, int] | None:
        """Find the last place between two records: where the one ends, and where the next begins."""
        found = [match.span() for match in _BETWEEN.finditer(self._held, 0, self._piece_bytes)]
        for start, end in reversed(found):
            if _outside_text(self._held[: start + 1]):
                return start + 1, end
        if len(self._held) > PUT_BODY_BYTES_MAX:
            raise BadSource(
                [Problem("", INVALID_BODY, f"A record is longer than {PUT_BODY_BYTES_MAX} bytes.")]
            )
        match = _BETWEEN.search(self._held, self._piece_bytes)
        while match is not None:
            if _outside_text(self._held[: match.start() + 1]):
                return match.start() + 1, match.end()
            match = _BETWEEN.search(self._held, match.end())
        return None


def _outside_text(octets: bytearray) -> bool:
    """Tell whether these bytes end outside of a string: an even number of quotes that are not escaped."""
    plain = _ESCAPED.sub(b"", octets) if b"\\" in octets else octets
    return plain.count(b'"') % 2 == 0


def _no_array() -> BadSource:
    return BadSource([Problem("", INVALID_BODY, "The file is no JSON array of records, or it is cut off.")])


class RecordFiles:
    """The source of a bulk import."""

    def __init__(self, files: FileStore, tenant: TenantId, told: BulkImport) -> None:
        """Read the files of a job."""
        self._files = files
        self._tenant = tenant
        self._told = told
        self._series = SeriesId(tenant, told.asset, told.aspect_id)
        members = 1 + sum(1 + variable.quality_code for variable in told.aspect.variables)
        self._piece_bytes = min(PIECE_BYTES, RECORD_BYTES_MIN * BODY_CELLS_MAX // members)
        self._profile = Profile(name=AGE)

    @property
    def units(self) -> int:
        """Count the files."""
        return len(self._told.files)

    @property
    def kind(self) -> RowKind:
        """Tell that records are whole."""
        return RowKind.WHOLE

    async def read(self, unit: int) -> AsyncIterator[Batch]:
        """Give the records of a file; raises BadSource with the problems of this and every later file."""
        problems: list[Problem] = []
        async for found in self._batches(unit, problems):
            if not problems:
                yield found
        for later in range(unit + 1, self.units if problems else 0):
            if len(problems) < PROBLEMS_LISTED_MAX:
                async for _ in self._batches(later, problems):
                    pass
        if problems:
            raise BadSource(problems[:PROBLEMS_LISTED_MAX])

    async def _batches(self, unit: int, problems: list[Problem]) -> AsyncIterator[Batch]:
        """Give what is good of a file; what is not goes to `problems`."""
        file = self._told.files[unit]
        checker = _Checker(self._told, file, unit)
        try:
            async for piece in self._pieces(file):
                rows = self._checked(piece, checker, problems)
                if len(problems) >= PROBLEMS_LISTED_MAX:
                    return
                if rows is not None and not problems:
                    yield Batch(self._series, rows, len(piece) - 1)  # without the bracket put before it
        except BadSource as bad:
            problems += [problem._replace(pointer=f"/files/{unit}") for problem in bad.problems]

    async def _pieces(self, file: ImportFile) -> AsyncIterator[bytes]:
        splitter = Splitter(self._piece_bytes)
        for content in file.contents:
            try:
                async for block in self._files.read(self._tenant, content, 0, content.size):
                    for start in range(0, len(block), MB):
                        for piece in splitter.feed(block[start : start + MB]):
                            yield piece
            except NotFound:
                raise NotFound(f"the file {file.path} was replaced or deleted meanwhile.") from None
        last = splitter.end()
        if last is not None:
            yield last

    def _checked(self, piece: bytes, checker: _Checker, problems: list[Problem]) -> Columns | None:
        try:
            rows, found = validate_records(
                self._told.aspect, piece, now_ms=self._told.now_ms, profile=self._profile
            )
        except Refused as refused:
            found, rows = [Problem("", INVALID_BODY, refused.message)], None
        if rows is not None:
            found = checker.wrong_with(rows)
        problems += [checker.placed(problem) for problem in found]
        # Where a piece does not decode nobody can tell how many records it has.
        checker.seen += piece.count(b"{") if rows is None else rows.rows
        return rows


class _Checker:
    """What the records of one file must keep to beside their form."""

    def __init__(self, told: BulkImport, file: ImportFile, unit: int) -> None:
        self._told = told
        self._file = file
        self._unit = unit
        self._last_ms: int | None = None
        self.seen = 0
        """Records before the present piece."""

    def placed(self, problem: Problem) -> Problem:
        """Name the place in the file, not in the piece."""
        number, slash, member = problem.pointer.removeprefix("/").partition("/")
        if not number.isdigit():
            return problem._replace(pointer=f"/files/{self._unit}")
        return problem._replace(pointer=f"/files/{self._unit}/{self.seen + int(number)}{slash}{member}")

    def wrong_with(self, rows: Columns) -> list[Problem]:
        """Hold the times of a piece against the rules; one problem for each rule that is broken."""
        times, told, file = rows.time_ms, self._told, self._file
        first = told.least_ms if file.from_ms is None else max(told.least_ms, file.from_ms)
        last = told.latest_ms if file.to_ms is None else min(told.latest_ms, file.to_ms)
        found = [
            self._problem(times < first, f"lies before {format_time(first)}"),
            self._problem(times > last, f"lies after {format_time(last)}"),
        ]
        if told.ascends:
            before = times[:1] if self._last_ms is None else np.array([self._last_ms], "<i8")
            found.append(self._problem(np.diff(times, prepend=before) < 0, "lies before the record above it"))
            self._last_ms = int(times[-1])
            day = told.files[0].from_ms
            start = (int(times[0]) if day is None else day) // DAY_MS * DAY_MS
            outside = (times < start) | (times >= start + DAY_MS)
            found.append(self._problem(outside, f"lies outside of the day {format_time(start)[:10]}"))
        return [problem for problem in found if problem is not None]

    def _problem(self, wrong: np.ndarray, words: str) -> Problem | None:
        if not wrong.any():
            return None
        return Problem(f"/{int(wrong.argmax())}/_time", INVALID_BODY, f"_time {words}.")
