"""The time-series service of the dialect, apart from HTTP: requests as values, answers as values.

Both the framework's routes (`api.routes.series`) and the bare hot path (`api.hot`) call in here, so a
rule stands in one place whichever way a request comes (wire 1, MS-20 … MS-53).
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import quote, urlencode

import msgspec

from api.catalog.index import CatalogIndex
from api.http.errors import quota_headers, row_of
from api.http.formats import Outline, beside, named, written_at_once
from api.http.negotiation import Format
from api.identity.tokens import Identity
from api.limits.fairness import Fairness
from api.limits.quotas import Quotas
from api.reading.fresh import Reading, read_page
from api.reading.receipts import Fate, Receipts
from api.series.ingest import Accepted, Ingest, Write, idempotency_of, rate_of
from api.shares.access import Access, Granted
from runtime.ports import Ports
from schemas import codes
from schemas.budgets import worst
from schemas.changes import Row, Upsert
from schemas.errors import Gone, Invalid, Problem, ServiceError, TooMany, Unavailable
from schemas.ids import CORE, TenantId
from schemas.policies import Profile
from schemas.queries import parse_series_query
from schemas.receipts import Place
from schemas.record_sets import Pair, open_record_set
from schemas.records import WriteMode, encode_record, validate_records
from schemas.render import render_records
from schemas.shares import Action, check_times
from schemas.tables import Found, fields_of

PATH = "/api/iottimeseries/v3/timeseries"

IDEMPOTENCY_KEY_CHARACTERS_MAX = 128
"""Room for a UUID with a prefix; it is kept for 48 hours in the stream server's memory."""

RECEIPT_KEY_KIND = "secret"
RECEIPT_KEY_ID = "receipts"
RECEIPT_KEY_BYTES = 32


class WriteOptions(msgspec.Struct, frozen=True):
    """What a request says beside its body."""

    idempotency_key: str | None = None
    wait_applied: bool = False
    catch_up: bool = False
    """It drains a backlog: beside the budgets of live data, and behind live data (design 7)."""


class Answered(msgspec.Struct, frozen=True):
    """An answer: status, headers beside those that every answer has, body."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class PairError(msgspec.Struct, rename="camel"):
    """Why one pair of a multi PUT was not stored (wire 1.3)."""

    entity_id: str
    property_set_name: str
    status_code: int
    code: str
    message: str
    logref: str
    pointer: str | msgspec.UnsetType = msgspec.UNSET


class PairErrors(msgspec.Struct):
    """The body of a multi PUT of which some pairs were refused."""

    errors: list[PairError]


class SeriesService:
    """Writes and reads of series for verified callers."""

    def __init__(self, ports: Ports, index: CatalogIndex, access: Access, quotas: Quotas) -> None:
        """Work over the ports; `load` must have run before the first request."""
        self._quotas = quotas
        self._fairness = Fairness()
        self._ports = ports
        self._index = index
        self._access = access
        self.receipts: Receipts
        self.ingest: Ingest
        self.reading: Reading

    async def load(self) -> None:
        """Read the key of receipts, or make it: every door of an installation signs alike."""
        catalog = self._ports.catalog
        await catalog.create(
            CORE, RECEIPT_KEY_KIND, RECEIPT_KEY_ID, secrets.token_hex(RECEIPT_KEY_BYTES).encode()
        )
        document = await catalog.get(CORE, RECEIPT_KEY_KIND, RECEIPT_KEY_ID)
        assert document is not None
        stream, store, shards = self._ports.stream, self._ports.series, self._ports.policy.shards
        self.receipts = Receipts(stream, store, bytes.fromhex(document.body.decode()))
        self.ingest = Ingest(stream, self.receipts, shards, self._ports.figures, self._quotas)
        deadline_s = self._ports.policy.read_deadline_s
        self.reading = Reading(stream, store, self.receipts, shards, deadline_s=deadline_s)

    # -- writing -------------------------------------------------------------------------------

    async def write(
        self, caller: Identity, place: tuple[str, str], body: bytes, mode: WriteMode, options: WriteOptions
    ) -> Answered:
        """PUT or PATCH records of one series: all of them or none (design 8.19)."""
        granted = await self._access.series(caller, place, Action.RECORDS_WRITE)
        series = granted.series
        profile, late, size = self._profile(series.tenant), options.catch_up, len(body)
        waiting = self._fairness.enter(caller.tenant, size, late=late)
        if waiting is not None:
            await waiting
        try:
            change = _checked_change(granted, body, self._ports.clock.now_ms(), profile, mode=mode)
            once = idempotency_of(caller.tenant, series, options.idempotency_key, mode.value, body)
            rate = rate_of(profile, size, late=late)
            write = Write(caller.tenant, series, granted.aspect, change, once, rate, size, late)
            accepted = await self.ingest.append(write)
        finally:
            self._fairness.leave(caller.tenant, size, late=late)
        return await self.answered(accepted, options)

    @asynccontextmanager
    async def turn(self, tenant: TenantId, body_bytes: int, *, late: bool) -> AsyncGenerator[None]:
        """Check and append a body of this size when it is the tenant's turn (S14)."""
        waiting = self._fairness.enter(tenant, body_bytes, late=late)
        if waiting is not None:
            await waiting
        try:
            yield
        finally:
            self._fairness.leave(tenant, body_bytes, late=late)

    async def answered(self, accepted: Accepted, options: WriteOptions) -> Answered:
        """Answer a write that is durable, after it is stored where that was asked for."""
        headers = {"write-receipt": accepted.receipt}
        if accepted.quota is not None:
            headers |= quota_headers(accepted.quota)
        if options.wait_applied:
            applied = await self.receipts.wait_applied(accepted.places)
            headers["write-applied"] = str(applied).lower()
        return Answered(204, headers)

    async def write_set(self, caller: Identity, body: bytes, options: WriteOptions, logref: str) -> Answered:
        """PUT several series at once, each pair on its own (wire 1.3, MS-21)."""
        waiting = self._fairness.enter(caller.tenant, len(body), late=options.catch_up)
        if waiting is not None:
            await waiting
        try:
            pairs, answers = await self._append_set(caller, body, options)
        finally:
            self._fairness.leave(caller.tenant, len(body), late=options.catch_up)
        headers = _set_headers(answers)
        places = [place for found in answers if isinstance(found, Accepted) for place in found.places]
        if options.wait_applied and places:
            headers["write-applied"] = str(await self.receipts.wait_applied(places)).lower()
        errors = [
            error
            for pair, found in zip(pairs, answers, strict=True)
            if isinstance(found, Exception)
            for error in _pair_errors(pair, found, logref)
        ]
        if not errors:
            return Answered(202, headers)
        return Answered(202, headers, msgspec.json.encode(PairErrors(errors)))

    async def _append_set(
        self, caller: Identity, body: bytes, options: WriteOptions
    ) -> tuple[list[Pair], list[Accepted | Exception]]:
        """Append the pairs of a body; gives each with what came of it."""
        pairs, problems = open_record_set(body)
        if problems:
            raise Invalid(problems)
        checked = [await self._checked(caller, number, pair, options) for number, pair in enumerate(pairs)]
        outcomes = iter(await self.ingest.try_all([found for found in checked if isinstance(found, Write)]))
        return pairs, [next(outcomes) if isinstance(found, Write) else found for found in checked]

    async def _checked(
        self, caller: Identity, number: int, pair: Pair, options: WriteOptions
    ) -> Write | Exception:
        try:
            granted = await self._access.series(caller, (pair.asset, pair.aspect_name), Action.RECORDS_WRITE)
            series = granted.series
            profile = self._profile(series.tenant)
            change = _checked_change(
                granted, pair.data, self._ports.clock.now_ms(), profile, mode=WriteMode.REPLACE, at=pair.at
            )
        except ServiceError as refused:
            return refused
        # A client's key has no tab in it, so the keys of pairs are nobody else's.
        key = options.idempotency_key and f"{options.idempotency_key}\t{number}"
        once = idempotency_of(caller.tenant, series, key, WriteMode.REPLACE.value, pair.data)
        size, late = len(pair.data), options.catch_up
        rate = rate_of(profile, size, late=late)
        return Write(caller.tenant, series, granted.aspect, change, once, rate, size, late)

    # -- reading -------------------------------------------------------------------------------

    async def read(
        self,
        caller: Identity,
        place: tuple[str, str],
        parameters: Mapping[str, str],
        read_after: str | None,
        format_: Format = Format.JSON,
    ) -> Answered:
        """GET records: a page of a range, the newest record, or the newest value of each variable."""
        granted = await self._access.series(caller, place, Action.RECORDS_READ)
        series, aspect = granted.series, granted.aspect
        query, problems = parse_series_query(
            parameters, aspect, now_ms=self._ports.clock.now_ms(), profile=self._profile(caller.tenant)
        )
        if query is None:
            raise Invalid(problems)
        after = self.places(caller.tenant, read_after)
        page = await read_page(granted.reading(self.reading), series, aspect, query, after)
        headers: dict[str, str] = {}
        if page.next is not None:
            headers["link"] = self._link(place, page.next)
        if page.behind is not None:
            headers["read-position"] = str(page.behind)
        if page.gone is not None:
            headers["summary-only"] = page.gone.header
        found = Found(aspect, page.columns, query.parts)
        if format_ is Format.JSON:
            write = partial(render_records, page.columns, aspect, query.parts)
            return Answered(200, headers, await beside(page.columns, write))
        outline = Outline([fields_of(aspect, query.parts)], [named(place, series)], position=page.behind)
        return Answered(200, headers, await written_at_once(format_, outline, found))

    def _link(self, place: tuple[str, str], parameters: Mapping[str, str]) -> str:
        """Name the next page; relative unless the installation knows its address (wire 1.5)."""
        asset, aspect = place
        origin = self._ports.policy.public_url.rstrip("/")
        query = urlencode(parameters, quote_via=quote)
        return f'<{origin}{PATH}/{asset}/{quote(aspect)}?{query}>; rel="next"'

    # -- receipts ------------------------------------------------------------------------------

    def places(self, tenant: TenantId, text: str | None) -> list[Place]:
        """Read one receipt, or several divided by commas; `-` stands for a refused pair. None: no places."""
        if text is None:
            return []
        texts = [part.strip() for part in text.split(",")]
        return [place for part in texts if part != "-" for place in self.receipts.read(tenant, part)]

    async def fate(self, caller: Identity, receipt: str) -> tuple[Fate, str]:
        """Tell what became of a write, with the reason where it was set aside; Gone for a lost one."""
        fate, reason = await self.receipts.fate(self.places(caller.tenant, receipt))
        if fate is Fate.LOST:
            raise Gone(reason)
        return fate, reason

    def _profile(self, tenant: TenantId) -> Profile:
        return self._index.profile_of(tenant)


def _checked_change(
    granted: Granted, body: bytes, now_ms: int, profile: Profile, *, mode: WriteMode, at: str = ""
) -> Upsert | Row:
    aspect, spans = granted.aspect, granted.spans
    if mode is WriteMode.REPLACE and spans is None:
        row = encode_record(aspect, body, now_ms=now_ms, profile=profile)
        if row is not None:
            return Row(row)
    columns, problems = validate_records(aspect, body, now_ms=now_ms, profile=profile, mode=mode, at=at)
    if columns is not None and spans is not None:
        problems = check_times(columns.time_ms, spans, at)
    if columns is None or problems:
        raise Invalid(problems)
    return Upsert(columns)


def write_options(
    parameters: Mapping[str, str], idempotency_key: str | None, catch_up: str | None = None
) -> WriteOptions:
    """Read `?wait=applied`, `Idempotency-Key` and `Catch-Up` (design 7, 8.1, 8.18)."""
    key = idempotency_key
    if key is not None and not (
        0 < len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()
    ):
        most = IDEMPOTENCY_KEY_CHARACTERS_MAX
        message = f"Idempotency-Key has 1 to {most} printable ASCII characters, such as a UUID."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    wait = parameters.get("wait")
    if wait not in {None, "applied"}:
        message = "wait is `applied`, or left out."
        raise Invalid([Problem("/wait", codes.INVALID_PARAMETER, message)])
    if catch_up not in {None, "true", "false"}:
        message = "Catch-Up is `true`, `false`, or left out."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    return WriteOptions(key, wait is not None, catch_up == "true")


def _set_headers(answers: Sequence[Accepted | Exception]) -> dict[str, str]:
    """Give a receipt for each pair in body order, and the limit that is nearest to its end."""
    receipts = [found.receipt if isinstance(found, Accepted) else "-" for found in answers]
    # Of an empty body, too: it stands for a list without errors.
    headers = {"content-type": "application/json", "write-receipt": ",".join(receipts)}
    quota = worst([found.quota for found in answers if isinstance(found, Accepted | TooMany) and found.quota])
    if quota is not None:
        headers |= quota_headers(quota)
    waits = [found.retry_after_s for found in answers if isinstance(found, TooMany | Unavailable)]
    if waits:
        headers["retry-after"] = str(max(waits))
    return headers


def _pair_errors(pair: Pair, error: Exception, logref: str) -> list[PairError]:
    status, code = row_of(type(error))
    if isinstance(error, Invalid):
        return [
            PairError(pair.asset, pair.aspect_name, status, found.code, found.message, logref, found.pointer)
            for found in error.problems
        ]
    message = error.message if isinstance(error, ServiceError) else "Not stored; send the pair again."
    return [PairError(pair.asset, pair.aspect_name, status, code, message, logref)]
