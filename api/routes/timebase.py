"""Messages of clients of TimeBase, as the published agent of 2021 sends them (TB-20 … TB-33)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from api.guard.tenancy import Caller, demand
from api.http.errors import TimeBaseError
from api.http.wire import refusals
from api.identity.scopes import SERIES_DELETE, SERIES_WRITE, require
from api.routes.parts import given_parameters, response_of
from api.routes.series import APPLIED, QUOTA, RECEIPT, CatchUp, IdempotencyKey, Wait
from api.series.service import WriteOptions, write_options
from api.services import Services, Serving
from api.timebase.service import LoadMode, Posted, StoredMessages
from api.timebase.streams import Note
from schemas import codes
from schemas.errors import Invalid, Problem

BASE: Final = "/api/v0"
TAGS: Final = ["TimeBase"]

StreamInPath = Annotated[
    str, PathParameter(description="Key of a stream: a declared one, or an aspect type.")
]
SymbolInPath = Annotated[str, PathParameter(description="Name of an asset, or its id.")]
WriteModeIn = Annotated[
    str,
    QueryParameter(
        name="writeMode",
        description="`APPEND` and `INSERT` add; `REWRITE` and `TRUNCATE` take away first.",
        schema_extra={"enum": [mode.value for mode in LoadMode]},
    ),
]
_WRITING: dict[int, Any] = {
    **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503, shape=TimeBaseError),
    200: ResponseSpec(
        StoredMessages | list[Any],
        generate_examples=False,
        description="Durable: `[]` where all messages are stored, else those that are in the quarantine",
    ),
}
_HEADERS: Final = [RECEIPT, APPLIED, *QUOTA]


@post(
    f"{BASE}/{{stream:str}}/write",
    status_code=200,
    opt={**require(SERIES_WRITE), "json": list[dict[str, Any]]},
    responses=_WRITING,
    response_headers=_HEADERS,
    operation_id="writeMessages",
    tags=TAGS,
)
async def write_messages(
    request: Caller,
    services: Serving,
    *,
    stream: StreamInPath,
    write_mode: WriteModeIn = LoadMode.APPEND.value,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
    catch_up: CatchUp = None,
) -> Response[bytes]:
    """Write messages of a stream, each with its own symbol.

    Fields that the stream does not know are ignored. A message that is refused does no harm to the others:
    where all are refused the answer is 400, where some are these go into the quarantine. `REWRITE` and
    `TRUNCATE` need the scope `iot.tim.d` too.
    """
    options = write_options(given_parameters(wait=wait), idempotency_key, catch_up)
    return await _write(request, services, (stream, ""), _mode(request, write_mode), options)


@post(
    f"{BASE}/{{stream:str}}/{{symbol:str}}/write",
    status_code=200,
    opt={**require(SERIES_WRITE), "json": list[dict[str, Any]]},
    responses=_WRITING,
    response_headers=_HEADERS,
    operation_id="writeMessagesOfSymbol",
    tags=TAGS,
)
async def write_messages_of_symbol(
    request: Caller,
    services: Serving,
    *,
    stream: StreamInPath,
    symbol: SymbolInPath,
    write_mode: WriteModeIn = LoadMode.APPEND.value,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
    catch_up: CatchUp = None,
) -> Response[bytes]:
    """Write messages of one symbol; they need not name it, and may name no other."""
    options = write_options(given_parameters(wait=wait), idempotency_key, catch_up)
    return await _write(request, services, (stream, symbol), _mode(request, write_mode), options)


ROUTES = (write_messages, write_messages_of_symbol)


def noted(request: Caller, services: Services) -> Note:
    """Give what writes down that a request makes an asset of an unknown symbol."""

    async def note(things: Any) -> None:
        await services.audit.beside(request, "asset.create", things)

    return note


async def _write(
    request: Caller, services: Services, place: tuple[str, str], mode: LoadMode, options: WriteOptions
) -> Response[bytes]:
    stream, symbol = place
    found = await services.timebase.streams.find(request.user.tenant, stream)
    if mode.takes_away:
        await services.audit.beside(request, "record.delete", {"stream": stream, "mode": mode.value})
    posted = Posted(found, symbol, await request.body(), mode, options)
    return response_of(await services.timebase.write(request.user, posted, noted(request, services)))


def _mode(request: Caller, text: str) -> LoadMode:
    """Read a mode; Forbidden where it takes records away and the token may not."""
    try:
        mode = LoadMode(text)
    except ValueError:
        modes = ", ".join(each.value for each in LoadMode)
        message = f"writeMode is one of {modes}."
        raise Invalid([Problem("/writeMode", codes.INVALID_PARAMETER, message)]) from None
    if mode.takes_away:
        demand(request.user, SERIES_DELETE)
    return mode
