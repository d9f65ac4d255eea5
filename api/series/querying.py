"""Reading beyond one page of one series: whole ranges, many series at once, the newest values of all assets.

Functions over what a handler works with; each gives an outline of the answer and its pieces, which
`api.http.formats` writes. Everything is as fresh as a single read: each series' tail is taken after the
request came (design 4.17).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from api.http.formats import SERIES_LABELS, Outline, named
from api.identity.tokens import Identity
from api.reading.fresh import SaidGone, in_order, read_page
from api.series.aggregates import Request, answer_own
from api.series.questions import Intervals, Named, Question, assets_with, series_named
from api.shares.access import Granted
from schemas.aspects import AspectType
from schemas.codes import INVALID_BODY, INVALID_PARAMETER, MISSING_BODY
from schemas.errors import Invalid, Malformed, Problem
from schemas.ids import is_hex_id
from schemas.intervals import VALUES_V4, Interval, Unit, intervals_most
from schemas.limits import MB, QUERY_INTERVALS_MAX
from schemas.queries import (
    RangeQuery,
    ReadKind,
    SeriesQuery,
    parse_range_query,
    parse_series_query,
    parts_named,
)
from schemas.receipts import Place
from schemas.shares import Action
from schemas.tables import Found, fields_of
from schemas.times import parse_time
from storage.spans import Wanted

if TYPE_CHECKING:
    from api.services import Services

T = TypeVar("T")

LATEST_PATH: Final = "/api/aspectstore/v1/latest"

PAGES_AT_ONCE: Final = 8
"""Series of a query that are read ahead, and so the pages that are held …"""
PAGES_BYTES: Final = 64 * MB
"""… where they may be large, fewer: a page of the longest strings is 400 MB."""

LATEST_AT_ONCE: Final = 64
"""Caches asked for side by side: they share the round trips to the stream server."""

PIECE_BYTES: Final = 4 * MB
"""Of a piece of a range, by the largest values that its variables may have …"""
PIECE_ROWS_MIN: Final = 256
"""… which for the longest strings of the dialect would be few: so many of them are 50 MB, …"""
PIECE_ROWS_MAX: Final = 8_192
"""… and so many other values a few milliseconds of writing, in which nobody else is served."""


@dataclass(slots=True, frozen=True)
class Answer:
    """What a question is answered with."""

    outline: Outline
    found: AsyncGenerator[Found, None]


# -- one series, any range -------------------------------------------------------------------------


async def read_range(
    services: Services, caller: Identity, place: tuple[str, str], parameters: Mapping[str, str],
    after: Sequence[Place],
) -> Answer:  # fmt: skip
    """Read all records of a range, in pieces (design 9)."""
    granted = await services.access.series(caller, place, Action.RECORDS_READ)
    series, aspect = granted.series, granted.aspect
    query, problems = parse_range_query(
        parameters, aspect, now_ms=services.ports.clock.now_ms(),
        profile=services.index.profile_of(caller.tenant),
    )  # fmt: skip
    if query is None:
        raise Invalid(problems)
    wanted = Wanted(*query.range, query.variable_ids, query.limit, query.descending)
    reading = granted.reading(services.series.reading)
    rows_most = piece_rows(aspect, query)
    behind, pieces = await reading.pieces(series, wanted, rows_most, after)
    headers = {} if behind is None else {"read-position": str(behind)}
    said = SaidGone(headers)
    if query.descending and (query.limit is None or query.limit > rows_most):
        # Its last pieces would meet it when the head is long gone: the oldest record that lives says it now.
        oldest = await reading.rows(series, Wanted(*query.range, query.variable_ids, 1), after)
        said.note(oldest.gone)
    outline = Outline(
        [fields_of(aspect, query.parts)], [named(place, series)], position=behind, headers=headers
    )

    async def found() -> AsyncGenerator[Found, None]:
        async for piece in pieces:
            said.note(piece.gone)
            yield Found(aspect, in_order(piece.columns, descending=query.descending), query.parts)

    return Answer(outline, found())


def piece_rows(aspect: AspectType, query: RangeQuery) -> int:
    """Give the rows of a piece, fewer the larger they may be."""
    return max(PIECE_ROWS_MIN, min(PIECE_ROWS_MAX, PIECE_BYTES // _row_bytes(aspect, query.variable_ids)))


def _row_bytes(aspect: AspectType, chosen: frozenset[int] | None) -> int:
    """Give the most that a row may take."""
    return 8 + sum(
        variable.value_bytes_max + 8 * variable.quality_code
        for variable in aspect.variables
        if chosen is None or variable.id in chosen
    )


# -- many series -----------------------------------------------------------------------------------


class Chosen(msgspec.Struct, frozen=True):
    """One series of a question."""

    place: tuple[str, str]
    granted: Granted
    query: SeriesQuery

    @property
    def aspect(self) -> AspectType:
        """Give the aspect type."""
        return self.granted.aspect


async def read_many(
    services: Services, caller: Identity, question: Question, after: Sequence[Place]
) -> Answer:
    """Read a page of each of many series (design 9)."""
    chosen = _chosen(services, caller, question, await series_named(services, caller, question))
    return _answer(services, chosen, after, pages_at_once(chosen))


def pages_at_once(chosen: Sequence[Chosen]) -> int:
    """Give how many series are read side by side, fewer the larger their pages may be."""
    kinds = {(one.aspect.id, one.aspect.version): one for one in chosen}
    largest = max(
        (
            (one.query.limit if one.query.kind is ReadKind.RANGE else 1)
            * _row_bytes(one.aspect, one.query.variable_ids)
            for one in kinds.values()
        ),
        default=1,
    )
    return max(1, min(PAGES_AT_ONCE, PAGES_BYTES // largest))


def _chosen(services: Services, caller: Identity, question: Question, asked: Iterable[Named]) -> list[Chosen]:
    """Read the question once for each aspect type; leave out what has none of the variables."""
    parameters = _parameters(question)
    queries: dict[tuple[str, int, tuple[str, ...] | None], SeriesQuery | None] = {}
    unknown = set(question.variables or ())
    found: list[Chosen] = []
    for place, granted, variables in asked:
        aspect = granted.aspect
        key = (aspect.id, aspect.version, variables)
        if key not in queries:
            parts, missing = (None, ()) if variables is None else parts_named(variables, aspect)
            unknown.intersection_update(missing)
            empty = parts is not None and not parts
            queries[key] = (
                None if empty else _query(services, caller, parameters, aspect)._replace(parts=parts)
            )
        query = queries[key]
        if query is not None:
            found.append(Chosen(place, granted, query))
    _demand_known(question, unknown)
    return found


def _parameters(question: Question) -> dict[str, str]:
    limit = None if question.limit is None else str(question.limit)
    given = {"from": question.from_, "to": question.to, "limit": limit, "sort": question.sort}
    return {name: value for name, value in given.items() if value is not None}


def _query(
    services: Services, caller: Identity, parameters: Mapping[str, str], aspect: AspectType
) -> SeriesQuery:
    query, problems = parse_series_query(
        parameters, aspect, now_ms=services.ports.clock.now_ms(),
        profile=services.index.profile_of(caller.tenant),
    )  # fmt: skip
    if query is None:
        raise Invalid([problem._replace(code=INVALID_BODY) for problem in problems])
    return query


def _demand_known(question: Question, unknown: set[str]) -> None:
    problems = [
        Problem(f"/variables/{place}", INVALID_BODY, "None of the series has it.")
        for place, name in enumerate(question.variables or ())
        if name in unknown
    ]
    if problems:
        raise Invalid(problems)


async def aggregate_many(
    services: Services, caller: Identity, question: Question, read_after: str | None
) -> AsyncGenerator[bytes, None]:
    """Aggregate each of many series: `{"series":[{labels,"aggregates":[…]}…]}`, as the own route does one."""
    series = await series_named(services, caller, question)
    parameters = _aggregate_parameters(question, len(series))
    unknown = set(question.variables or ())
    asked: list[tuple[tuple[str, str], Request]] = []
    selects: dict[tuple[str, int, tuple[str, ...] | None], dict[str, str] | None] = {}
    for place, granted, variables in series:
        aspect = granted.aspect
        key = (aspect.id, aspect.version, variables)
        if key not in selects:
            names = {variable.name for variable in aspect.variables}
            unknown -= names
            chosen = [name for name in variables or () if name in names]
            selects[key] = {"select": ",".join(chosen)} if chosen else None
        select = {} if variables is None else selects[key]
        if select is not None:
            asked.append((place, Request(caller, *place, {**parameters, **select}, VALUES_V4, read_after)))
    _demand_known(question, unknown)

    async def ask(place: tuple[str, str], request: Request) -> bytes:
        found = await answer_own(services, request)
        said: dict[str, Any] = dict(zip(SERIES_LABELS, place, strict=True))
        if found.behind is not None:
            said["readPosition"] = str(found.behind)
        if found.gone is not None:
            said["summaryOnly"] = found.gone.header
        return msgspec.json.encode({**said, "aggregates": msgspec.Raw(found.body)})

    return _listed(in_turn((partial(ask, *one) for one in asked), PAGES_AT_ONCE))


async def _listed(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    opening = b'{"series":['
    async with aclosing(pieces):
        async for piece in pieces:
            yield opening + piece
            opening = b","
    yield b"]}" if opening == b"," else opening + b"]}"


def _aggregate_parameters(question: Question, series: int) -> dict[str, str]:
    """Give what the own route for aggregates reads; both ends and the interval must be named."""
    intervals = question.aggregate
    assert intervals is not None
    given = {"from": question.from_, "to": question.to}
    problems = [
        Problem(f"/{name}", MISSING_BODY, f"{name} is missing; aggregates name both ends.")
        for name, value in given.items()
        if value is None
    ]
    problems += [
        Problem(f"/{name}", INVALID_BODY, f"Aggregates have no {name}.")
        for name, value in (("limit", question.limit), ("sort", question.sort))
        if value is not None
    ]
    if not problems:
        problems = _check_number(question, intervals, series)
    if problems:
        raise Invalid(problems)
    parameters = {name: value for name, value in given.items() if value is not None}
    parameters |= {"intervalUnit": intervals.unit, "intervalValue": str(intervals.value)}
    if intervals.functions is not None:
        parameters["functions"] = ",".join(dict.fromkeys(intervals.functions))
    if intervals.timezone is not None:
        parameters["timezone"] = intervals.timezone
    return parameters


def _check_number(question: Question, intervals: Intervals, series: int) -> list[Problem]:
    """Bound the intervals of all series together; what does not parse is judged later."""
    try:
        ends = parse_time(question.from_ or ""), parse_time(question.to or "")
        interval = Interval(Unit(intervals.unit.lower()), max(1, intervals.value))
    except (Malformed, ValueError):
        return []
    if series * intervals_most(interval, *ends) <= QUERY_INTERVALS_MAX:
        return []
    message = f"At most {QUERY_INTERVALS_MAX} intervals at a time, of all series together."
    return [Problem("/aggregate", INVALID_BODY, message)]


# -- the newest values of all assets ---------------------------------------------------------------


async def read_latest(
    services: Services, caller: Identity, parameters: Mapping[str, str], limit: int, after: Sequence[Place]
) -> Answer:
    """Read the newest values of an aspect of every asset that has it, a page of assets by id (design 9)."""
    name, begin = parameters["aspect"], parameters.get("after", "")
    if begin and not is_hex_id(begin):
        raise Invalid(
            [Problem("/after", INVALID_PARAMETER, "after: the `next` of an earlier page is expected.")]
        )
    shared = Action.RECORDS_READ if "includeShared" in parameters else None
    assets = await assets_with(services, caller, [name], limit, begin, shared=shared)
    following = assets[limit - 1].kept.value.id if len(assets) > limit else None
    asked = {"latestValue": "true"} | {key: parameters[key] for key in ("select",) if key in parameters}
    queries: dict[tuple[str, int], SeriesQuery] = {}
    chosen: list[Chosen] = []
    for asset in assets[:limit]:
        granted = asset.series(name)
        aspect = granted.aspect
        key = (aspect.id, aspect.version)
        if key not in queries:
            queries[key] = _query(services, caller, asked, aspect)
        chosen.append(Chosen((asset.kept.value.id, name), granted, queries[key]))
    headers: dict[str, str] = {}
    if following is not None:
        onward = urlencode({**parameters, "after": following, "limit": str(limit)}, quote_via=quote)
        origin = services.ports.policy.public_url.rstrip("/")
        headers["link"] = f'<{origin}{LATEST_PATH}?{onward}>; rel="next"'
    return _answer(services, chosen, after, LATEST_AT_ONCE, headers=headers, following=following)


def _answer(
    services: Services,
    chosen: Sequence[Chosen],
    after: Sequence[Place],
    at_once: int,
    *,
    headers: Mapping[str, str] | None = None,
    following: str | None = None,
) -> Answer:
    """Read one page of each series, in their order, some ahead."""
    named_headers = dict(headers or {})
    said = SaidGone(named_headers)

    async def read(one: Chosen) -> Found:
        reading = one.granted.reading(services.series.reading)
        page = await read_page(reading, one.granted.series, one.aspect, one.query, after)
        begin = None if page.next is None else page.next["to" if one.query.descending else "from"]
        said.note(page.gone)
        gone = None if page.gone is None else page.gone.header
        return Found(one.aspect, page.columns, one.query.parts, one.place, page.behind, begin, gone)

    kinds = {(one.aspect.id, one.aspect.version): one for one in chosen}
    outline = Outline(
        [fields_of(one.aspect, one.query.parts) for one in kinds.values()],
        [named(one.place, one.granted.series) for one in chosen],
        several=True,
        following=following,
        headers=named_headers,
    )
    return Answer(outline, in_turn((partial(read, one) for one in chosen), at_once))


async def in_turn(calls: Iterable[Callable[[], Awaitable[T]]], at_once: int) -> AsyncGenerator[T, None]:
    """Give the results in the order of the calls, of which so many run side by side."""
    running: deque[asyncio.Future[T]] = deque()
    try:
        for call in calls:
            running.append(asyncio.ensure_future(call()))
            if len(running) == at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
