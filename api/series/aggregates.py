"""Answers of the aggregate routes, apart from HTTP: parameters in, items out (wire 2, MS-60 … MS-69)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from api.assets.writes import ZONES
from api.http.errors import JSON
from api.identity.tokens import Identity
from api.reading.folding import Aggregating, Variables
from api.reading.fresh import Gone, Reads
from api.series.service import Answered
from schemas import codes
from schemas.aggregate_extras import Extras, parse_extras
from schemas.aggregate_queries import AggregateQuery, Chosen, Terms, parse_aggregate_query
from schemas.aggregate_render import Named, render_items, render_points
from schemas.errors import Invalid, Problem
from schemas.filling import Fill, filled
from schemas.functions import DURATIONS, TIME_AVERAGE, Table, held_columns, table_of, united
from schemas.holding import Held, held_in
from schemas.ids import SeriesId
from schemas.intervals import Unit
from schemas.limits import AGGREGATES_MAX
from schemas.partials import Partials
from schemas.percentiles import Percentiles, fraction_of, is_percentile
from schemas.receipts import Place
from schemas.screen import chosen_points, columns_of
from schemas.shares import Action

if TYPE_CHECKING:
    from api.services import Services

PATH_V4 = "/api/iottsaggregates/v4/aggregates"

_IN_THREAD_ITEMS = 2_000
"""From so many aggregates on writing them takes longer than a change of threads."""


class Answer(NamedTuple):
    """What a question was answered with."""

    body: bytes
    """JSON: an array of intervals, or an object of points by variable."""
    behind: int | None
    """As `Rows.behind`."""
    gone: Gone | None = None
    """As `Folded.gone`."""


class _Question(NamedTuple):
    """One question, read and checked."""

    series: SeriesId
    reading: Reads
    """What shows of the series what the caller may see."""
    query: AggregateQuery
    extras: Extras
    after: Sequence[Place]
    now_ms: int

    @property
    def variables(self) -> Variables:
        """Give the variables to fold."""
        return {chosen.variable.id: chosen.variable.type for chosen in self.query.chosen}


class Request(NamedTuple):
    """A question as it came."""

    caller: Identity
    asset_id: str
    aspect_name: str
    parameters: Mapping[str, str]
    values: Mapping[Unit, range]
    """The intervals that the route knows."""
    read_after: str | None


async def answer_dialect(services: Services, request: Request) -> Answer:
    """Answer a route of the dialect: intervals in the asset's zone."""
    question = await _read(services, request, Extras())
    return await _intervals(Aggregating(question.reading), question)


async def answer_own(services: Services, request: Request) -> Answer:
    """Answer our own route: intervals in any zone with more functions, or points for a picture."""
    extras, problems = parse_extras(request.parameters)
    if problems:
        raise Invalid(problems)
    question = await _read(services, request, extras)
    aggregating = Aggregating(question.reading)
    if extras.points_max is not None:
        return await _points(aggregating, question, extras.points_max)
    return await _intervals(aggregating, question)


def answered(answer: Answer, name: str | None = None) -> Answered:
    """Put an answer under a name, or give it bare, with the headers that belong to it."""
    headers = {"content-type": JSON}
    if answer.behind is not None:
        headers["read-position"] = str(answer.behind)
    if answer.gone is not None:
        headers["summary-only"] = answer.gone.header
    return Answered(
        200, headers, answer.body if name is None else b'{"%b":%b}' % (name.encode(), answer.body)
    )


async def _read(services: Services, request: Request, extras: Extras) -> _Question:
    tenant, now_ms = request.caller.tenant, services.ports.clock.now_ms()
    # Points are records, however few of them.
    action = Action.AGGREGATES_READ if extras.points_max is None else Action.RECORDS_READ
    granted = await services.access.series(request.caller, (request.asset_id, request.aspect_name), action)
    series, aspect = granted.series, granted.aspect
    asset = services.index.of(series.tenant).asset(series.asset).value
    terms = Terms(
        _zone(request.parameters.get("timezone"), asset.timezone),
        now_ms,
        services.index.profile_of(tenant),
        request.values,
        extras.functions,
        extras.known,
    )
    query, problems = parse_aggregate_query(request.parameters, aspect, terms)
    if query is None:
        raise Invalid(problems)
    after = services.series.places(tenant, request.read_after)
    reading = granted.reading(services.series.reading)
    return _Question(series, reading, query, extras, after, now_ms)


def _zone(asked: str | None, of_asset: str) -> ZoneInfo:
    """Give the zone of the request, else of the asset, which has its tenant's if it names none (8.11)."""
    if asked is not None and asked not in ZONES:
        message = "timezone is no IANA zone; write it as Europe/Berlin or UTC."
        raise Invalid([Problem("/timezone", codes.INVALID_PARAMETER, message)])
    return ZoneInfo(of_asset if asked is None else asked)


async def _intervals(aggregating: Aggregating, question: _Question) -> Answer:
    series, query, extras = question.series, question.query, question.extras
    if len(query.borders_ms) < 2 or not query.chosen:
        return Answer(b"[]", None)
    holds = await _holds(aggregating, question)
    folded = await aggregating.partials(series, query.borders_ms, question.variables, question.after, holds)
    query = query._replace(borders_ms=folded.borders_ms)
    question = question._replace(query=query)
    held = await _held(aggregating, question, folded.partials, holds)
    percentiles = await _percentiles(aggregating, question)
    size = sum(len(part) for part in folded.partials.values())

    def render() -> bytes:
        tables = [
            _named(chosen, question, folded.partials[identity], held.get(identity), percentiles.get(identity))
            for chosen in query.chosen
            for identity in (chosen.variable.id,)
        ]
        return render_items(tables, query.borders_ms)

    dense = extras.fill is not Fill.NONE or size >= _IN_THREAD_ITEMS
    body = await asyncio.to_thread(render) if dense else render()
    return Answer(body, folded.behind, folded.gone)


def _named(
    chosen: Chosen, question: _Question, part: Partials, held: Held | None, percentiles: Percentiles | None
) -> Named:
    extras, borders_ms = question.extras, question.query.borders_ms
    enters = extras.uncertain_enters
    table = table_of(part, chosen.functions, held, uncertain_enters=enters)
    if percentiles is not None:
        _put_percentiles(table, chosen, question, percentiles)
    table = table._replace(columns={name: table.columns[name] for name in chosen.functions})
    if extras.fill is not Fill.NONE:
        known = {} if held is None else held_columns(held, chosen.functions, uncertain_enters=enters)
        table = filled(table, borders_ms, extras.fill, known)
    return Named(chosen.variable.name, table, chosen.by_name)


def _put_percentiles(table: Table, chosen: Chosen, question: _Question, percentiles: Percentiles) -> None:
    # They were read after the rest: what has come in between may be in an interval that was empty.
    known = np.isin(percentiles.groups, table.groups)
    rows = np.searchsorted(table.groups, percentiles.groups[known])
    for name, values in zip(_percentile_names(question), percentiles.values, strict=True):
        if name in chosen.functions:
            table.columns[name] = np.full(len(table.groups), np.nan)
            table.columns[name][rows] = values[known]


def _percentile_names(question: _Question) -> list[str]:
    asked = {name for chosen in question.query.chosen for name in chosen.functions if is_percentile(name)}
    return sorted(asked, key=fraction_of)


async def _percentiles(aggregating: Aggregating, question: _Question) -> dict[int, Percentiles]:
    """Give the percentiles of those variables of which some are asked for."""
    names = _percentile_names(question)
    variables = {
        chosen.variable.id: chosen.variable.type
        for chosen in question.query.chosen
        if any(is_percentile(name) for name in chosen.functions)
    }
    if not variables:
        return {}
    return await aggregating.percentiles(
        question.series,
        question.query.borders_ms,
        variables,
        [fraction_of(name) for name in names],
        question.after,
        uncertain_enters=question.extras.uncertain_enters,
    )


async def _holds(aggregating: Aggregating, question: _Question) -> dict[int, int]:
    """Give the longest hold of those variables of which something is weighed by time (design 8.28)."""
    variables = {
        chosen.variable.id: chosen.variable.type
        for chosen in question.query.chosen
        if {TIME_AVERAGE, *DURATIONS} & set(chosen.functions)
    }
    if not variables or question.extras.hold_ms is not None:
        return dict.fromkeys(variables, question.extras.hold_ms or 0)
    return await aggregating.usual_holds(
        question.series, question.query.borders_ms, variables, question.after
    )


async def _held(
    aggregating: Aggregating, question: _Question, partials: Mapping[int, Partials], holds: Mapping[int, int]
) -> dict[int, Held]:
    borders_ms = question.query.borders_ms
    variables = {variable: kind for variable, kind in question.variables.items() if variable in holds}
    before = await aggregating.before(question.series, int(borders_ms[0]), holds, variables, question.after)
    return {
        variable: held_in(
            partials[variable], borders_ms, before.get(variable), hold_ms=hold_ms, until_ms=question.now_ms
        )
        for variable, hold_ms in holds.items()
    }


async def _points(aggregating: Aggregating, question: _Question, points_max: int) -> Answer:
    """Choose points of the range as it was given, not moved outward (`schemas.screen`)."""
    query, extras = question.query, question.extras
    if points_max * len(query.chosen) > AGGREGATES_MAX:
        message = f"At most {AGGREGATES_MAX} points an answer; select fewer variables."
        raise Invalid([Problem("/maxPoints", codes.INVALID_PARAMETER, message)])
    borders_ms = columns_of(query.after_ms, query.until_ms, points_max, extras.method)
    folded = await aggregating.partials(question.series, borders_ms, question.variables, question.after)

    def render() -> bytes:
        parts = {
            chosen.variable.name: united(
                folded.partials[chosen.variable.id], uncertain_enters=extras.uncertain_enters
            )
            for chosen in query.chosen
        }
        return render_points(
            {name: chosen_points(part, points_max, extras.method) for name, part in parts.items()}
        )

    return Answer(await asyncio.to_thread(render), folded.behind, folded.gone)
