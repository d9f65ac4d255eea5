"""What agents send, as existing clients send it (wire 6.3, 6.4)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter

from api.agents.diagnostics import new_correlation_id
from api.agents.payloads import Sender
from api.beside import beside
from api.guard.tenancy import Caller
from api.http.errors import AgentError
from api.http.wire import refusals
from api.identity.scopes import EXCHANGE, require
from api.routes.series import QUOTA
from api.services import Services, Serving
from schemas import codes
from schemas.devices.twins import demand_single
from schemas.errors import Forbidden, Invalid, Malformed, NotFound, Problem
from schemas.exchange_message import TIME_SERIES, Tuple, parse_message
from schemas.ids import AssetId, is_hex_id
from schemas.limits import EXCHANGE_BODY_BYTES_MAX

BASE: Final = "/api/mindconnect/v3"

_TAGS = ["agents"]
_MIXED: Final = frozenset({"multipart/mixed"})
_CORRELATION_CHARACTERS_MAX: Final = 64
"""A UUID is shorter; what is longer is replaced by one."""

CatchUp = Annotated[
    str | None,
    HeaderParameter(
        name="Catch-Up",
        description="`true`: the message drains a backlog, in the lane beside and behind live data.",
        schema_extra={"enum": ["true", "false"]},
    ),
]
Correlation = Annotated[
    str | None,
    HeaderParameter(name="Correlation-ID", description="Under which diagnostics and the quarantine name it."),
]


class PointValueIn(msgspec.Struct, rename="camel"):
    """One value of one data point."""

    data_point_id: str
    value: str
    """As a text, whatever its type."""
    quality_code: str = ""


class SamplingIn(msgspec.Struct):
    """What was measured at one time."""

    timestamp: str
    values: list[PointValueIn]


class IngestIn(msgspec.Struct):
    """Time series of one agent."""

    timeseries: list[SamplingIn]


class _Ingest(msgspec.Struct):
    timeseries: msgspec.Raw


_ingest = msgspec.json.Decoder(_Ingest)

_STORED: dict[int, Any] = {
    200: ResponseSpec(None, description="Durable: in the series, and what nothing takes in the quarantine")
}


@post(
    f"{BASE}/exchange",
    status_code=200,
    opt={**require(EXCHANGE), "media": _MIXED, "octets": "multipart/mixed"},
    request_max_body_size=EXCHANGE_BODY_BYTES_MAX,
    responses=_STORED | refusals(400, 401, 403, 404, 408, 413, 415, 429, 503, shape=AgentError),
    response_headers=QUOTA,
    operation_id="exchange",
    tags=_TAGS,
)
async def exchange(
    request: Caller, services: Serving, *, catch_up: CatchUp = None, correlation_id: Correlation = None
) -> Response[bytes]:
    """Take a message of an agent: tuples of what each brings and the payload, in parts of parts.

    Time series are stored where the agent's mappings say; values of one time merge into one record. What
    nothing takes becomes a recoverable record.
    """
    agent = request.user.agent
    if agent is None:
        raise Forbidden("Only an agent exchanges messages; its token names it.")
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    tuples = await beside(len(body), parse_message, body, content_type)
    sender = _sender(request, services, agent, correlation_id, catch_up)
    await services.exchange.take(sender, tuples, len(body))
    return Response(b"", status_code=200)


@post(
    f"{BASE}/ingest",
    status_code=200,
    opt={**require(EXCHANGE), "json": IngestIn},
    request_max_body_size=EXCHANGE_BODY_BYTES_MAX,
    responses=_STORED | refusals(400, 401, 403, 404, 408, 413, 415, 429, 503, shape=AgentError),
    response_headers=QUOTA,
    operation_id="ingest",
    tags=_TAGS,
)
async def ingest(
    request: Caller,
    services: Serving,
    *,
    sender_id: Annotated[str, QueryParameter(name="senderId", description="Id of the agent.")],
    catch_up: CatchUp = None,
    correlation_id: Correlation = None,
) -> Response[bytes]:
    """Take time series of an agent as JSON; an agent sends its own."""
    if request.user.agent not in {None, sender_id}:
        raise Forbidden("The token is an agent's; it sends for the agent itself only.")
    if not is_hex_id(sender_id):
        raise NotFound("There is no such agent.")
    body = await request.body()
    payload = await beside(len(body), _time_series, body)
    sender = _sender(request, services, sender_id, correlation_id, catch_up)
    await services.exchange.take(
        sender, [Tuple(TIME_SERIES, "1.0", b"{}", "application/json", payload)], len(body)
    )
    return Response(b"", status_code=200)


ROUTES = (exchange, ingest)


def _time_series(body: bytes) -> bytes:
    """Cut the time series out of a body; Malformed where it has none, or twice."""
    try:
        payload = bytes(_ingest.decode(body).timeseries)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body has no time series: {error}.") from None
    demand_single(body, {b'"timeseries"': 1})
    return payload


def _sender(
    request: Caller, services: Services, agent: str, correlation_id: str | None, catch_up: str | None
) -> Sender:
    if catch_up not in {None, "true", "false"}:
        message = "Catch-Up is `true`, `false`, or left out."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    named = correlation_id or ""
    if not (0 < len(named) <= _CORRELATION_CHARACTERS_MAX and named.isascii() and named.isprintable()):
        named = new_correlation_id()
    note = partial(services.audit.beside, request)
    return Sender(request.user, AssetId(agent), named, note, catch_up == "true")
