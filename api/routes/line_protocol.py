"""Line protocol: writes of clients of InfluxDB 2 and 1, and what they ask a server first (IX-03 … IX-09).

A body of which some lines are refused is stored as far as it goes, and answered 400 or 422 with what was
refused and why, in the words that those clients read; none of them sends such a body again.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, head, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http.bodies import ANY_TYPE
from api.http.docs import VERSION
from api.http.errors import JSON, LINES_CODES, LineError, OldLineError
from api.http.wire import line_refusals
from api.identity.scopes import SERIES_WRITE, opened, require
from api.lineprotocol.writing import Sent, Written
from api.probe import NEEDED, UP
from api.routes.parts import named_header
from api.routes.series import QUOTA, CatchUp
from api.services import Services, Serving
from schemas.errors import Malformed, NotFound, Unavailable
from schemas.filetypes.model import Precision
from schemas.ids import TenantId
from schemas.limits import PROBLEMS_LISTED_MAX
from schemas.lineprotocol.body import RefusedLine
from schemas.lineprotocol.inlets import Inlet, inlet_id
from schemas.lineprotocol.limits import LINES_BODY_BYTES_MAX

WRITE: Final = "/api/v2/write"
OLD_WRITE: Final = "/write"

LINE_CHARACTERS_MAX: Final = 200
"""Of a refused line in an answer."""

_TAGS = ["line protocol"]
_RECEIPT = named_header("Write-Receipt", "Of all that was stored; ask `/receipts` for it.")
_SHOWN: Final[dict[str, Any]] = {
    **require(SERIES_WRITE),
    "shown": True,
    "media": ANY_TYPE,
    "compressed": True,
    "octets": "text/plain",
}
_STORED: Final[dict[int, ResponseSpec]] = {204: ResponseSpec(None, description="Every line is durable")}

_SERVER: Final = {"x-influxdb-build": "aspectstore", "x-influxdb-version": VERSION}

_PRECISIONS: Final = {
    "": Precision.NANOSECONDS, "ns": Precision.NANOSECONDS, "n": Precision.NANOSECONDS,
    "us": Precision.MICROSECONDS, "u": Precision.MICROSECONDS, "µ": Precision.MICROSECONDS,
    "ms": Precision.MILLISECONDS, "s": Precision.SECONDS,
}  # fmt: skip
_POLICIES: Final = frozenset({"", "autogen", "default"})

Org = Annotated[str, QueryParameter(description="Name of the tenant, or its id; by default the token's.")]
OrgId = Annotated[str, QueryParameter(name="orgID", description="Id of the tenant, in place of `org`.")]
Bucket = Annotated[str, QueryParameter(description="Name or id of the inlet.")]
Database = Annotated[str, QueryParameter(description="Name of the inlet.")]
RetentionPolicy = Annotated[str, QueryParameter(description="`autogen`, or left out: an inlet has no other.")]
Unit = Annotated[str, QueryParameter(description="Of times: `ns` (the default), `us`, `ms` or `s`.")]
UserName = Annotated[str, QueryParameter(description="Id of an API key, or any name.")]
Password = Annotated[str, QueryParameter(description="Its secret, or the whole credential.")]


class ReadyOut(msgspec.Struct):
    """That the door works."""

    status: str


@post(
    WRITE,
    status_code=204,
    opt=_SHOWN,
    request_max_body_size=LINES_BODY_BYTES_MAX,
    responses=_STORED | line_refusals(400, 401, 403, 404, 408, 413, 415, 422, 503),
    response_headers=[_RECEIPT, *QUOTA],
    operation_id="writeLines",
    tags=_TAGS,
)
async def write_lines(
    request: Caller,
    services: Serving,
    *,
    org: Org = "",
    org_id: OrgId = "",
    bucket: Bucket = "",
    precision: Unit = "ns",
    catch_up: CatchUp = None,
) -> Response[None]:
    """Store lines: measurements are aspects, tags name assets, by the rule of the inlet.

    422: lines that can be read and not be stored, of a field with another type for instance; 400: lines that
    are none. The others of the body are stored either way.
    """
    demand_org(org or org_id, request.user.tenant)
    inlet = await find_bucket(services, request.user.tenant, bucket)
    sent = Sent(await request.body(), _precision(precision), catch_up == "true")
    written = await services.lines.write(
        request.user, inlet.value, sent, _note(request, services, inlet.value)
    )
    return _answer(written, old=False)


@post(
    OLD_WRITE,
    status_code=204,
    opt=_SHOWN,
    request_max_body_size=LINES_BODY_BYTES_MAX,
    responses=_STORED | line_refusals(400, 401, 403, 404, 408, 413, 415, 503, old=True),
    response_headers=[_RECEIPT, *QUOTA],
    operation_id="writeLinesOld",
    tags=_TAGS,
)
async def write_lines_old(
    request: Caller,
    services: Serving,
    *,
    db: Database = "",
    rp: RetentionPolicy = "",
    precision: Unit = "ns",
    u: UserName = "",
    p: Password = "",
    catch_up: CatchUp = None,
) -> Response[None]:
    """Store lines of a client of InfluxDB 1.

    Such clients throw lines away after any 4xx, so too many requests are 503 here, with `Retry-After`.
    """
    del u, p  # Who calls was looked at before.
    inlet = await find_database(services, request.user.tenant, db, rp)
    sent = Sent(await request.body(), _precision(precision), catch_up == "true")
    written = await services.lines.write(
        request.user, inlet.value, sent, _note(request, services, inlet.value)
    )
    return _answer(written, old=True)


@get("/ping", status_code=204, opt=opened(), operation_id="ping", tags=_TAGS, sync_to_thread=False)
def ping() -> Response[None]:
    """Tell that there is a server, and which."""
    return Response(None, headers=_SERVER)


@head("/ping", status_code=204, opt=opened(), operation_id="pingHead", tags=_TAGS, sync_to_thread=False)
def ping_head() -> Response[None]:
    """Tell the same to a HEAD."""
    return Response(None, headers=_SERVER)


@get(
    "/ready",
    opt=opened(),
    responses=line_refusals(503),
    operation_id="ready",
    tags=_TAGS,
)
async def ready(services: Serving) -> ReadyOut:
    """Tell whether the door can take requests; 503 where it cannot."""
    found = await services.probe.look()
    if any(found.states[part] != UP for part in NEEDED):
        raise Unavailable("The door is not ready.")
    return ReadyOut("ready")


ROUTES = (write_lines, write_lines_old, ping, ping_head, ready)


def demand_org(org: str, tenant: TenantId) -> None:
    """Raise NotFound for an organisation that is not the caller's tenant, by name or id."""
    if org not in {"", tenant, inlet_id(tenant)}:
        raise NotFound(f"organization name {org[:128]!r} not found")


async def find_bucket(services: Services, tenant: TenantId, bucket: str) -> Kept[Inlet]:
    """Find the inlet that a client of InfluxDB 2 names, by name or id; NotFound in its words."""
    for document_id in (inlet_id(bucket), bucket):
        try:
            return await services.lines.inlets.find_id(tenant, document_id)
        except NotFound:
            continue
    raise NotFound(f'bucket "{bucket[:128]}" not found')


async def find_database(services: Services, tenant: TenantId, db: str, rp: str) -> Kept[Inlet]:
    """Find the inlet that a client of InfluxDB 1 names; NotFound in its words."""
    if rp not in _POLICIES:
        raise NotFound(f"retention policy not found: {rp[:128]}")
    try:
        return await services.lines.inlets.find(tenant, db)
    except NotFound as missing:
        raise NotFound(f'database not found: "{db[:128]}"') from missing


def _precision(text: str) -> Precision:
    found = _PRECISIONS.get(text)
    if found is None:
        raise Malformed("invalid precision; valid precision units are ns, us, ms, and s")
    return found


def _note(request: Request[Any, Any, Any], services: Services, inlet: Inlet) -> Any:
    async def note() -> None:
        await services.audit.beside(request, "inlet.extend", {"inlet": inlet.name})

    return note


def _answer(written: Written, *, old: bool) -> Response[Any]:
    """Answer as InfluxDB does."""
    headers = {"write-receipt": written.receipt} if written.receipt else {}
    dropped = len(written.unreadable) + len(written.refused)
    if not dropped:
        return Response(None, status_code=204, headers=headers)
    unreadable = [f"unable to parse '{_cut(each)}': {each.reason}" for each in written.unreadable]
    refused = [f"line {each.line}: {each.reason}" for each in written.refused]
    words = "\n".join([*unreadable, *refused][:PROBLEMS_LISTED_MAX])
    if written.stored or written.refused:
        words = f"partial write: {words} dropped={dropped}"
    if old:
        return _refusal(400, OldLineError(words), headers)
    if written.unreadable:
        return _refusal(400, LineError(LINES_CODES[400], words, written.unreadable[0].line), headers)
    words = f"failure writing points to database: {words}"
    return _refusal(422, LineError(LINES_CODES[422], words, written.refused[0].line), headers)


def _refusal(status: int, told: LineError | OldLineError, headers: dict[str, str]) -> Response[Any]:
    return Response(msgspec.json.encode(told), status_code=status, headers=headers, media_type=JSON)


def _cut(each: RefusedLine) -> str:
    text = each.text
    return text if len(text) <= LINE_CHARACTERS_MAX else f"{text[:LINE_CHARACTERS_MAX]}…"
