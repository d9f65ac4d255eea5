"""Streams as clients of TimeBase read and prune them: lists, schemas, select, purge (TB-70, TB-72, TB-76)."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.guard.tenancy import Caller
from api.http.errors import TimeBaseError
from api.http.wire import refusals
from api.identity.scopes import SERIES_DELETE, SERIES_READ, require
from api.routes.timebase import BASE, TAGS, StreamInPath, SymbolInPath
from api.services import Serving
from schemas.errors import Malformed
from schemas.timebase.schema import StreamSchema, schema_of, statement_of
from schemas.timebase.selections import ROWS_DEFAULT, Selection
from schemas.times import format_time

_READING: Final = refusals(400, 401, 403, 503, shape=TimeBaseError)
_MESSAGES: Final = {
    **refusals(400, 401, 403, 408, 413, 415, 503, shape=TimeBaseError),
    200: ResponseSpec(list[dict[str, Any]], generate_examples=False, description="Messages, by time"),
}
_DELETING: Final = {
    **refusals(400, 401, 403, 408, 409, 413, 415, 429, 503, shape=TimeBaseError),
    200: ResponseSpec(None, description="Deleted; each symbol's part can be undone by its own"),
}

T = TypeVar("T")
Text: TypeAlias = str | None
Streams = Annotated[list[str] | None, QueryParameter(description="Keys, repeated or divided by commas.")]
Symbols = Annotated[list[str] | None, QueryParameter(description="Repeated or divided by commas.")]
Types = Annotated[list[str] | None, QueryParameter(description="Names that `$type` may have.")]
From = Annotated[Text, QueryParameter(name="from", description="Start, inclusive: RFC 3339.")]
To = Annotated[Text, QueryParameter(description="End, inclusive: RFC 3339.")]
Offset = Annotated[int, QueryParameter(description="Messages that are passed over first.")]
RowCount = Annotated[int, QueryParameter(description="Messages at most.")]
Reverse = Annotated[bool, QueryParameter(description="The newest first.")]
Space = Annotated[Text, QueryParameter(description="There are none: a named one has no messages.")]
Depth = Annotated[Text, QueryParameter(description="Without `from`: how far to look back, as `3H`.")]
Filtered = Annotated[str, QueryParameter(name="filter", description="What keys, or symbols, contain.")]


class StreamOut(msgspec.Struct):
    """A stream in a list."""

    name: str
    key: str
    symbols: int
    """How many it has."""


class StreamStatementOut(msgspec.Struct):
    """A stream as a statement."""

    ddl: str


class StreamRangeOut(msgspec.Struct):
    """The first and the last time of a stream; null where it has no message."""

    start: str | None
    end: str | None


class PruningIn(msgspec.Struct):
    """Up to where, or from where, and of which symbols messages go."""

    timestamp: int
    """Milliseconds since 1970, UTC."""
    symbols: list[str] | None = None
    """Without it all."""


@get(f"{BASE}/streams", opt=require(SERIES_READ), responses=_READING, operation_id="listStreams", tags=TAGS)
async def list_streams(request: Caller, services: Serving, *, filter_text: Filtered = "") -> list[StreamOut]:
    """List the streams: what is declared, and the aspect types of which nothing is."""
    found = services.timebase.streams.all_of(request.user)
    wanted = filter_text.lower()
    return [
        StreamOut(each.stream.key, each.stream.key, each.symbols)
        for each in found
        if wanted in each.stream.key.lower()
    ]


@get(
    f"{BASE}/{{stream:str}}/symbols",
    opt=require(SERIES_READ),
    responses=_READING,
    operation_id="listSymbols",
    tags=TAGS,
)
async def list_symbols(
    request: Caller, services: Serving, *, stream: StreamInPath, filter_text: Filtered = ""
) -> list[str]:
    """List the symbols of a stream."""
    found = await services.timebase.streams.find(request.user.tenant, stream)
    symbols = services.timebase.streams.symbols_of(request.user, found)
    return [symbol for symbol in symbols if filter_text.lower() in symbol.lower()]


@get(
    f"{BASE}/{{stream:str}}/schema",
    opt=require(SERIES_READ),
    responses=_READING,
    operation_id="getStreamSchema",
    tags=TAGS,
)
async def get_schema(request: Caller, services: Serving, stream: StreamInPath) -> StreamSchema:
    """Give the type of a stream's messages with its fields."""
    return schema_of(await services.timebase.streams.find(request.user.tenant, stream))


@get(
    f"{BASE}/{{stream:str}}/describe",
    opt=require(SERIES_READ),
    responses=_READING,
    operation_id="describeStream",
    tags=TAGS,
)
async def describe_stream(request: Caller, services: Serving, stream: StreamInPath) -> StreamStatementOut:
    """Give the statement that would make such a stream."""
    return StreamStatementOut(statement_of(await services.timebase.streams.find(request.user.tenant, stream)))


@get(
    f"{BASE}/{{stream:str}}/range",
    opt=require(SERIES_READ),
    responses=_READING,
    operation_id="getStreamRange",
    tags=TAGS,
)
async def get_range(
    request: Caller, services: Serving, stream: StreamInPath, symbols: Symbols = None
) -> StreamRangeOut:
    """Give the first and the last time of a stream, or of some of its symbols."""
    found = await services.timebase.reading.range(request.user, stream, _divided(symbols))
    return StreamRangeOut(None, None) if found is None else StreamRangeOut(*map(format_time, found))


@get(
    f"{BASE}/select", opt=require(SERIES_READ), responses=_MESSAGES, operation_id="selectMessages", tags=TAGS
)
async def select_messages(
    request: Caller,
    services: Serving,
    *,
    streams: Streams = None,
    symbols: Symbols = None,
    types: Types = None,
    from_: From = None,
    to: To = None,
    offset: Offset = 0,
    rows: RowCount = ROWS_DEFAULT,
    reverse: Reverse = False,
    space: Space = None,
    depth: Depth = None,
) -> Response[bytes]:
    """Read messages of one or several streams, by time; start and end are in the answer."""
    wanted = Selection(
        _divided(streams), _divided(symbols), _divided(types), from_, to, offset, rows, reverse, space, depth
    )
    return await _selected(request, services, wanted.streams or [], wanted)


@get(
    f"{BASE}/{{stream:str}}/select",
    opt=require(SERIES_READ),
    responses=_MESSAGES,
    operation_id="selectMessagesOfStream",
    tags=TAGS,
)
async def select_of_stream(
    request: Caller,
    services: Serving,
    *,
    stream: StreamInPath,
    symbols: Symbols = None,
    types: Types = None,
    from_: From = None,
    to: To = None,
    offset: Offset = 0,
    rows: RowCount = ROWS_DEFAULT,
    reverse: Reverse = False,
    space: Space = None,
    depth: Depth = None,
) -> Response[bytes]:
    """Read messages of a stream, by time."""
    wanted = Selection(
        None, _divided(symbols), _divided(types), from_, to, offset, rows, reverse, space, depth
    )
    return await _selected(request, services, [stream], wanted)


@get(
    f"{BASE}/{{stream:str}}/{{symbol:str}}/select",
    opt=require(SERIES_READ),
    responses=_MESSAGES,
    operation_id="selectMessagesOfSymbol",
    tags=TAGS,
)
async def select_of_symbol(
    request: Caller,
    services: Serving,
    *,
    stream: StreamInPath,
    symbol: SymbolInPath,
    types: Types = None,
    from_: From = None,
    to: To = None,
    offset: Offset = 0,
    rows: RowCount = ROWS_DEFAULT,
    reverse: Reverse = False,
    space: Space = None,
    depth: Depth = None,
) -> Response[bytes]:
    """Read messages of one symbol, by time."""
    wanted = Selection(None, [symbol], _divided(types), from_, to, offset, rows, reverse, space, depth)
    return await _selected(request, services, [stream], wanted)


@post(
    f"{BASE}/select",
    status_code=200,
    opt={**require(SERIES_READ), "json": Selection},
    responses=_MESSAGES,
    operation_id="postSelect",
    tags=TAGS,
)
async def post_select(request: Caller, services: Serving) -> Response[bytes]:
    """Read messages; what is wanted stands in the body."""
    wanted = _selection(await request.body())
    return await _selected(request, services, wanted.streams or [], wanted)


@post(
    f"{BASE}/{{stream:str}}/select",
    status_code=200,
    opt={**require(SERIES_READ), "json": Selection},
    responses=_MESSAGES,
    operation_id="postSelectOfStream",
    tags=TAGS,
)
async def post_select_of_stream(request: Caller, services: Serving, stream: StreamInPath) -> Response[bytes]:
    """Read messages of a stream; what is wanted stands in the body, which may be empty."""
    return await _selected(request, services, [stream], _selection(await request.body()))


@post(
    f"{BASE}/{{stream:str}}/{{symbol:str}}/select",
    status_code=200,
    opt={**require(SERIES_READ), "json": Selection},
    responses=_MESSAGES,
    operation_id="postSelectOfSymbol",
    tags=TAGS,
)
async def post_select_of_symbol(
    request: Caller, services: Serving, stream: StreamInPath, symbol: SymbolInPath
) -> Response[bytes]:
    """Read messages of one symbol; what is wanted stands in the body, which may be empty."""
    wanted = msgspec.structs.replace(_selection(await request.body()), symbols=[symbol])
    return await _selected(request, services, [stream], wanted)


@post(
    f"{BASE}/{{stream:str}}/purge",
    status_code=200,
    opt={**require(SERIES_DELETE, action="record.delete"), "json": PruningIn},
    responses=_DELETING,
    operation_id="purgeStream",
    tags=TAGS,
)
async def purge_stream(request: Caller, services: Serving, stream: StreamInPath) -> Response[bytes]:
    """Delete what is older than a time, of all symbols or of some."""
    wanted = _pruning(await request.body())
    await services.timebase.reading.purge(request.user, stream, wanted.symbols, wanted.timestamp)
    return Response(b"", status_code=200)


@post(
    f"{BASE}/{{stream:str}}/truncate",
    status_code=200,
    opt={**require(SERIES_DELETE, action="record.delete"), "json": PruningIn},
    responses=_DELETING,
    operation_id="truncateStream",
    tags=TAGS,
)
async def truncate_stream(request: Caller, services: Serving, stream: StreamInPath) -> Response[bytes]:
    """Delete everything from a time on, of all symbols or of some."""
    wanted = _pruning(await request.body())
    await services.timebase.reading.truncate(request.user, stream, wanted.symbols, wanted.timestamp)
    return Response(b"", status_code=200)


ROUTES = (
    list_streams,
    list_symbols,
    get_schema,
    describe_stream,
    get_range,
    select_messages,
    select_of_stream,
    select_of_symbol,
    post_select,
    post_select_of_stream,
    post_select_of_symbol,
    purge_stream,
    truncate_stream,
)


async def _selected(
    request: Caller, services: Serving, streams: list[str], wanted: Selection
) -> Response[bytes]:
    found = await services.timebase.reading.select(request.user, streams, wanted)
    return Response(found, media_type="application/json")


def _divided(texts: list[str] | None) -> list[str] | None:
    """Read words that are repeated, or divided by commas; None for none."""
    words = [word.strip() for text in texts or () for word in text.split(",") if word.strip()]
    return words or None


def _selection(body: bytes) -> Selection:
    return _decoded(body, _selections) if body.strip() else Selection()


def _pruning(body: bytes) -> PruningIn:
    return _decoded(body, _prunings)


_selections = msgspec.json.Decoder(Selection)
_prunings = msgspec.json.Decoder(PruningIn)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body is not what is expected here: {error}.") from None
