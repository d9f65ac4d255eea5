"""`/api/v2/query`: a part of Flux, answered as annotated CSV (IX-10, IX-11)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec

from api.guard.tenancy import Caller
from api.http.bodies import JSON_TYPES
from api.http.formats import Wish, answer_pieces
from api.http.negotiation import Format, choose_coding
from api.http.wire import line_refusals
from api.identity.scopes import SERIES_READ, require
from api.lineprotocol.querying import Dialect, run, written
from api.routes.line_protocol import Org, OrgId, demand_org, find_bucket
from api.services import Serving
from schemas.errors import Malformed
from schemas.flux.plan import plan_of
from schemas.flux.syntax import parse
from schemas.limits import QUERY_BODY_BYTES_MAX

PATH: Final = "/api/v2/query"

_TEXT: Final = "application/vnd.flux"
_ANNOTATIONS: Final = frozenset({"datatype", "group", "default"})


class DialectIn(msgspec.Struct, rename="camel"):
    """How the answer is to be written."""

    header: bool = True
    """Whether columns are named."""
    delimiter: str = ","
    """This one, and no other."""
    annotations: list[str] | None = None
    """Some of `datatype`, `group` and `default`."""
    comment_prefix: str | None = "#"
    date_time_format: str | None = "RFC3339"


class ExternIn(msgspec.Struct):
    """What a query would be given from outside: nothing."""

    imports: list[Any] | None = None
    body: list[Any] | None = None


class FluxIn(msgspec.Struct):
    """A query with its dialect, as clients send it."""

    query: str
    type: str | None = "flux"
    dialect: DialectIn | None = None
    extern: ExternIn | None = None
    now: str | None = None


_flux = msgspec.json.Decoder(FluxIn)


@post(
    PATH,
    status_code=200,
    opt={
        **require(SERIES_READ),
        "shown": True,
        "media": JSON_TYPES | {_TEXT},
        "compressed": True,
        "json": FluxIn,
    },
    request_max_body_size=QUERY_BODY_BYTES_MAX,
    responses={
        200: ResponseSpec(str, generate_examples=False, description="Tables", media_type="text/csv"),
        **line_refusals(400, 401, 403, 404, 408, 413, 415, 503),
    },
    operation_id="queryFlux",
    tags=["line protocol"],
)
async def query_flux(
    request: Caller, services: Serving, *, org: Org = "", org_id: OrgId = ""
) -> Response[Any]:
    """Answer one pipeline of Flux as annotated CSV.

    Known are from, range, filter, pivot, aggregateWindow, last, limit, count, keep, drop, distinct and yield;
    any other function is refused by its name, and so is a query without range. What fails when a part of the
    answer is out is told in a table of its own, as clients of InfluxDB read it.
    """
    tenant = request.user.tenant
    demand_org(org or org_id, tenant)
    asked = _asked(await request.body(), request.headers.get("content-type", ""))
    now_ms = services.ports.clock.now_ms()
    plan = plan_of(parse(asked.query, now_ms), now_ms)
    inlet = (await find_bucket(services, tenant, plan.bucket)).value
    tables = run(services, request.user, inlet, plan)
    wish = Wish(Format.CSV, choose_coding(request.headers.get("accept-encoding")))
    return await answer_pieces(wish, {}, written(tables, _dialect(asked), plan.result))


ROUTES = (query_flux,)


def _asked(body: bytes, content_type: str) -> FluxIn:
    if content_type.partition(";")[0].strip().lower() == _TEXT:
        try:
            return FluxIn(body.decode())
        except UnicodeDecodeError as error:
            raise Malformed("The body is not UTF-8.") from error
    try:
        return _flux.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body is no query: {error}") from error


def _dialect(asked: FluxIn) -> Dialect:
    if asked.type not in {None, "flux"}:
        raise Malformed(f"queries are of the type flux, not {str(asked.type)[:20]}")
    if asked.extern is not None and (asked.extern.imports or asked.extern.body):
        raise Malformed("extern: parameters are not known here; write values into the query")
    dialect = asked.dialect or DialectIn(annotations=[])
    unknown = set(dialect.annotations or ()) - _ANNOTATIONS
    if dialect.delimiter != "," or dialect.date_time_format not in {None, "RFC3339"} or unknown:
        raise Malformed(
            "dialect: the delimiter is a comma, times are RFC3339, annotations datatype, group, default"
        )
    return Dialect(dialect.annotations or (), dialect.header)
