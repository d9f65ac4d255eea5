"""Imports of logger files as jobs: what can be seen at once is refused at once (SM-03, SM-09, design 9.7).

The job is told the file type and the catalogue as they were when it was asked for: which series there are,
and what they take. Where the file type extends the aspect, that is done here, by the catalogue's own way and
by the caller's own right, from the beginning of each file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, NamedTuple

import msgspec

from api.assets.wire_changes import VariablePatch
from api.bulk.service import demand_size, first_ms, last_ms
from api.catalog.sensor_index import sensors_of
from api.catalog.tenant_index import HeldAspect
from api.events.service import new_id
from api.files.service import Place
from api.guard.tenancy import demand
from api.http.hal import Preconditions
from api.identity.scopes import ASSETS_WRITE
from api.identity.tokens import Identity
from api.imports.file_types import FileTypes, preview_file
from api.imports.versions import demand_replayable, demand_standing, earlier_version, version_of
from api.services import Services
from schemas.aspects import DYNAMIC, AspectType, VariableType
from schemas.codes import INVALID_BODY
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem
from schemas.files import Content, parse_path
from schemas.filetypes.checking import check_file_type
from schemas.filetypes.mapping import is_quality_of
from schemas.filetypes.model import FileType, NewColumns
from schemas.filetypes.preview import Preview, SeenColumn
from schemas.filetypes.sensor_rules import with_sensors
from schemas.ids import is_hex_id
from schemas.imports import ImportFile, ImportSeries, LoggerImport, report_path
from schemas.limits import IMPORT_FILES_MAX, IMPORT_SERIES_MAX
from storage import job_records
from storage.job_records import IMPORT, JobRecord

_EXTEND_TRIES_MAX: Final = 3
_NEW_TYPES: Final = {VariableType.INT: VariableType.DOUBLE, VariableType.LONG: VariableType.DOUBLE}
"""What the first rows show as whole numbers may have fractions later on."""


class LoggerImportIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An import of logger files."""

    entity: str
    """The asset among whose files they lie."""
    files: list[str]
    """Their paths, one to ten."""
    type: str
    """The name of a file type, or of a preset."""
    version: int | None = None
    """Its etag, if it must be this one."""
    asset: str = ""
    """Where the file type leaves it open: id or name of the asset of the rows; by default `entity`."""
    aspect: str = ""
    """Where the file type leaves it open: the aspect of the rows."""
    new_columns: NewColumns | None = None
    """What becomes of columns that no rule places, if not what the file type says."""
    again: bool = False
    """True: import it even if the same was imported before."""
    key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.-]{0,64}$")] = ""
    """The name of the key of encrypted archives, as the installation gave it to the tenant."""
    replaces: str = ""
    """The job that imported an earlier version, all of whose rows this one replaces; by default that of the
    same name, as the file type's `versions` says."""


class ReplayIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """How refused rows are read this time."""

    type: str = ""
    """The name of another file type; by default the same, as it is now."""
    new_columns: NewColumns | None = None
    """As in an import; by default as then."""


class Manner(NamedTuple):
    """How an import is done, beside what is in its files."""

    again: bool = False
    key: str = ""
    logical: tuple[str, ...] = ()
    """What names the logical file."""
    replaces: str = ""
    replaces_asked: bool = False
    only: tuple[ImportFile, ...] = ()
    """Reports whose rows alone are read."""
    replay_of: str = ""


class LoggerImports:
    """Imports of verified callers."""

    def __init__(self, services: Services) -> None:
        """Take what finds series and files, what keeps jobs, and what changes aspect types."""
        self._ports = services.ports
        self._index = services.index
        self._access = services.access
        self._files = services.files
        self._jobs = services.jobs
        self._catalogue = services.catalogue

    async def submit(self, caller: Identity, asked: LoggerImportIn) -> JobRecord:
        """Make a job; Invalid with every problem, NotFound for an unknown asset, file or file type."""
        await self._access.own_asset(caller, asked.entity)
        file_type = await self._file_type(caller, asked)
        files = await self._found(caller, asked)
        logical = version_of(file_type, files)
        manner = Manner(
            again=asked.again,
            key=asked.key,
            logical=logical,
            replaces=await self._earlier(caller, asked, logical),
            replaces_asked=bool(asked.replaces),
        )
        return await self._submit(caller, asked.entity, file_type, files, manner)

    async def _submit(
        self, caller: Identity, entity: str, file_type: FileType, files: list[ImportFile], manner: Manner
    ) -> JobRecord:
        """Make the job of files by a file type in which nothing is open any more."""
        profile, now_ms = self._index.profile_of(caller.tenant), self._ports.clock.now_ms()
        demand_size(files, profile)
        await self._demand_series(caller, file_type, entity)
        if file_type.new_columns is NewColumns.EXTEND:
            await self._extend(caller, file_type, entity, files)
        series, types = self._series(caller, file_type, entity)
        told = LoggerImport(
            entity=(await self._access.own_asset(caller, entity)).value.id,
            by=caller.subject,
            files=tuple(files),
            file_type=file_type,
            series=series,
            types=types,
            latest_ms=last_ms(profile, now_ms),
            least_ms=first_ms(profile, now_ms),
            again=manner.again,
            undo_s=self._jobs.undo_seconds(caller),
            replaces=manner.replaces,
            replaces_asked=manner.replaces_asked,
            key=manner.key,
            only=manner.only,
        )
        record = JobRecord(
            id=new_id(),
            kind=IMPORT,
            by=caller.subject,
            submitted_ms=now_ms,
            told={
                "import": msgspec.to_builtins(told),
                "assets": sorted({each.asset for each in series} | {told.entity}),
                "undo_s": told.undo_s,
                "running_max": profile.jobs_running_max,
            },
            bytes_all=sum(file.size for file in files),
            version_of=manner.logical,
            replay_of=manner.replay_of,
        )
        await self._jobs.submit(caller, record)
        return record

    async def replay(self, caller: Identity, job_id: str, asked: ReplayIn) -> JobRecord:
        """Make a job of the rows that an import refused; Conflict where there are none, or not any more.

        NotFound for an unknown job; Invalid with what is wrong as things are now.
        """
        record = await self._jobs.find(caller, job_id)
        told = demand_replayable(record, await job_records.all_of(self._ports.catalog, caller.tenant))
        name = asked.type or told.file_type.name
        now = (await FileTypes(self._ports.catalog).find(caller.tenant, name)).file_type
        again = LoggerImportIn(
            entity=told.entity,
            files=[],
            type=name,
            asset="" if now.asset else told.file_type.asset,
            aspect="" if now.aspect else told.file_type.aspect,
            new_columns=asked.new_columns or told.file_type.new_columns,
        )
        file_type = await self._file_type(caller, again)
        manner = Manner(
            again=True, key=told.key, only=await self._reports(caller, record, told), replay_of=record.id
        )
        return await self._submit(caller, told.entity, file_type, list(told.files), manner)

    async def _reports(
        self, caller: Identity, record: JobRecord, told: LoggerImport
    ) -> tuple[ImportFile, ...]:
        """Give the report of each file, nothing of it where the file has none; Conflict if one is gone."""
        found = []
        for number in range(1, len(told.files) + 1):
            path = report_path(record.id, number)
            contents: tuple[Content, ...] = ()
            if path in record.reports:
                try:
                    entry = await self._files.find(Place(caller.tenant, told.entity, path))
                except NotFound as missing:
                    raise Conflict(f"The report {path} was deleted, so its rows are not known.") from missing
                contents = entry.file.contents
            found.append(ImportFile(path=path, contents=contents))
        return tuple(found)

    async def _earlier(self, caller: Identity, asked: LoggerImportIn, logical: tuple[str, ...]) -> str:
        """Give the import whose rows this one replaces, if any; Invalid for one that cannot be replaced."""
        known = await job_records.all_of(self._ports.catalog, caller.tenant)
        earlier = earlier_version(known, logical)
        if not asked.replaces:
            return earlier
        try:
            demand_standing(await self._jobs.find(caller, asked.replaces), known)
        except NotFound as missing:
            raise Invalid([Problem("/replaces", INVALID_BODY, missing.message)]) from missing
        return asked.replaces

    async def _file_type(self, caller: Identity, asked: LoggerImportIn) -> FileType:
        """Give the file type with what it leaves open filled in."""
        kept = await FileTypes(self._ports.catalog).find(caller.tenant, asked.type)
        if asked.version not in {None, kept.version}:
            raise Conflict(f"The file type {asked.type} has the version {kept.version}, not {asked.version}.")
        one, problems = kept.file_type, []
        for name, own, given in (("asset", one.asset, asked.asset), ("aspect", one.aspect, asked.aspect)):
            if own and given and own != given:
                message = f"The file type says {own!r} itself."
                problems.append(Problem(f"/{name}", INVALID_BODY, message))
        if problems:
            raise Invalid(problems)
        filled = msgspec.structs.replace(
            one,
            asset=await self._asset_id(caller, one.asset or asked.asset or asked.entity),
            aspect=one.aspect or asked.aspect,
            new_columns=asked.new_columns or one.new_columns,
        )
        filled = with_sensors(filled, sensors_of(self._index.of(caller.tenant), filled.asset))
        problems = check_file_type(filled)
        if not (filled.aspect or filled.aspect_column or any(rule.aspect for rule in filled.rules)):
            problems.append(Problem("/aspect", INVALID_BODY, "The file type names no aspect; name one here."))
        if problems:
            raise Invalid(problems)
        return filled

    async def _asset_id(self, caller: Identity, named: str) -> str:
        """Give the id of an asset of the caller's own that is named by id or name; Invalid."""
        if is_hex_id(named):
            try:
                return (await self._access.own_asset(caller, named)).value.id
            except NotFound as missing:
                raise Invalid([Problem("/asset", INVALID_BODY, missing.message)]) from missing
        owned = self._access.own_assets(caller)
        found = [kept.value.id for kept in owned if kept.value.name == named]
        if len(found) != 1:
            words = "Several assets have this name; write the id." if found else "There is no such asset."
            raise Invalid([Problem("/asset", INVALID_BODY, words)])
        return found[0]

    async def _found(self, caller: Identity, asked: LoggerImportIn) -> list[ImportFile]:
        """Find the files, with what they consist of now; Invalid with each that is not there."""
        if not 1 <= len(asked.files) <= IMPORT_FILES_MAX:
            message = f"An import has 1 to {IMPORT_FILES_MAX} files."
            raise Invalid([Problem("/files", INVALID_BODY, message)])
        found, problems = [], []
        for number, text in enumerate(asked.files):
            try:
                path = parse_path(text.removeprefix("/"))
                entry = await self._files.find(Place(caller.tenant, asked.entity, path))
                found.append(ImportFile(path=path, contents=entry.file.contents))
            except (NotFound, Invalid) as refused:
                problems.append(Problem(f"/files/{number}", INVALID_BODY, refused.message))
        if problems:
            raise Invalid(problems)
        return found

    # -- the series --------------------------------------------------------------------------------

    async def _demand_series(self, caller: Identity, file_type: FileType, entity: str) -> None:
        """Raise Invalid where no row could go anywhere, or there are too many series."""
        count = sum(1 for _ in self._held(caller, file_type, entity))
        if not count:
            message = "No asset of the import has the aspect that its rows are of."
            raise Invalid([Problem("/aspect", INVALID_BODY, message)])
        if count > IMPORT_SERIES_MAX:
            message = f"The rows could be of more than {IMPORT_SERIES_MAX} series; import below fewer assets."
            raise Invalid([Problem("/entity", INVALID_BODY, message)])

    def _held(self, caller: Identity, one: FileType, entity: str) -> Iterator[tuple[str, HeldAspect]]:
        """Walk the series that rows may be of: of the one asset, or of `entity` and all below it."""
        part = self._index.of(caller.tenant)
        assets = {one.asset}
        if one.asset_column or any(rule.asset for rule in one.rules):
            assets |= part.subtree([entity])
        named = {one.aspect, *(rule.aspect for rule in one.rules)} - {""}
        every = bool(one.aspect_column) or any("{" in aspect for aspect in named)
        for asset in sorted(assets):
            for held in part.aspects_of(part.asset(asset).value.type_id):
                if held.type.category == DYNAMIC and (every or held.aspect.name in named):
                    yield asset, held

    def _series(
        self, caller: Identity, one: FileType, entity: str
    ) -> tuple[tuple[ImportSeries, ...], tuple[AspectType, ...]]:
        """Give the series for the job, and each of their types once."""
        part = self._index.of(caller.tenant)
        types: dict[str, AspectType] = {}
        series = []
        for asset, held in self._held(caller, one, entity):
            types.setdefault(held.type.id, held.type)
            kept = part.asset(asset).value
            series.append(
                ImportSeries(
                    asset=kept.id,
                    asset_name=kept.name,
                    aspect=held.aspect.name,
                    aspect_id=held.aspect.aspect_id,
                    type=list(types).index(held.type.id),
                )
            )
        return tuple(series), tuple(types.values())

    # -- new columns -------------------------------------------------------------------------------

    async def _extend(self, caller: Identity, one: FileType, entity: str, files: list[ImportFile]) -> None:
        """Let aspect types have the variables that the beginnings of the files name and they lack."""
        for number, file in enumerate(files):
            seen = await preview_file(self._files, Place(caller.tenant, entity, file.path), one)
            if seen.problem:
                raise Invalid([Problem(f"/files/{number}", INVALID_BODY, seen.problem)])
            held = {(each.type.id, each.aspect.name) for _, each in self._held(caller, one, entity)}
            for type_id, aspect in sorted(held):
                wanted = _wanted(seen, one, aspect)
                for _ in range(_EXTEND_TRIES_MAX):
                    if await self._extended(caller, type_id, wanted):
                        break

    async def _extended(self, caller: Identity, type_id: str, wanted: Mapping[str, VariablePatch]) -> bool:
        """Add what is lacking; False where another was faster."""
        kept = self._index.of(caller.tenant).aspect_type(type_id)
        lacking = {name: patch for name, patch in wanted.items() if kept.value.variable(name) is None}
        if not lacking:
            return True
        demand(caller, ASSETS_WRITE)
        built_on = Preconditions(kept.version, absent=False)
        try:
            await self._catalogue.patch_aspect_variables(caller.tenant, type_id, lacking, built_on)
        except PreconditionFailed:
            await self._index.refresh()
            return False
        return True


def _wanted(seen: Preview, one: FileType, aspect: str) -> dict[str, VariablePatch]:
    """Give the variables that a file's columns would be in one aspect."""
    names = [column.name for column in seen.columns]
    found = {}
    for column in seen.columns:
        target = column.target
        if target is None:
            continue
        of_rows = set(column.aspects) if one.aspect_column else {one.aspect}
        if aspect not in ({target.aspect} if target.aspect else of_rows):
            continue
        coded = any(is_quality_of(name, [column.name]) for name in names)
        found[target.variable] = VariablePatch(
            data_type=_type_of(column), unit=target.unit, quality_code=coded
        )
    return found


def _type_of(column: SeenColumn) -> VariableType:
    assert column.target is not None
    looks = column.type or VariableType.DOUBLE
    return column.target.type or _NEW_TYPES.get(looks, looks)
