"""The client that awaits; one event loop, many calls at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx
import msgspec

from client import calls
from client.calls import Call, Request, Response
from client.errors import CannotConnect
from client.models import (
    Aggregate,
    AspectType,
    Asset,
    AssetType,
    Health,
    MultiPut,
    Page,
    Pair,
    Record,
    Variable,
    Written,
)
from client.session import PATIENCE_S, Session, Step, Steps, Wait
from client.transport import cannot_connect, options, to_response

T = TypeVar("T")


class AsyncClient:
    """Talk to one server as one technical user; every method raises `ClientError` and nothing else."""

    def __init__(
        self,
        url: str,
        client: str = "",
        secret: str = "",
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Take address and credentials; nothing is sent before the first call.

        Busy answers and broken connections are repeated for `patience_s` in all.
        """
        self.url = url.rstrip("/")
        keywords: dict[str, Any] = options(url)
        self._http = httpx.AsyncClient(**keywords, transport=transport)
        self._session = Session(client, secret, now, patience_s)
        self._token_lock = asyncio.Lock()
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        """Open nothing: connections come with the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; twice is harmless."""
        await self._http.aclose()

    async def call(self, call: Call[T]) -> T:
        """Do any call of `client.calls`."""
        if call.authorised and self._session.has_credentials:
            await self.token()
        return await self._drive(self._session.perform(call))

    async def token(self) -> str:
        """Give an access token that still holds."""
        async with self._token_lock:  # many threads that start together fetch one token
            return await self._drive(self._session.token())

    async def health(self) -> Health:
        """Ask how the service is; its parts are shown to those who may see them."""
        return await self.call(calls.health())

    async def create_aspect_type(
        self, aspect_type_id: str, name: str, variables: Sequence[Variable]
    ) -> AspectType:
        """Create a dynamic aspect type; PreconditionFailed if the id is taken."""
        return await self.call(calls.create_aspect_type(aspect_type_id, name, variables))

    async def create_asset_type(
        self, asset_type_id: str, name: str, aspects: Mapping[str, str], parent: str = "core.basicasset"
    ) -> AssetType:
        """Create an asset type with aspects (name → aspect type id); PreconditionFailed if taken."""
        return await self.call(calls.create_asset_type(asset_type_id, name, parent, aspects))

    async def create_asset(self, name: str, type_id: str, parent_id: str | None = None, **more: str) -> Asset:
        """Create an asset, below the root where no parent is given."""
        parent = parent_id or (await self.get_asset("root")).asset_id
        return await self.call(calls.create_asset(name, type_id, parent, **more))

    async def get_aspect_type(self, aspect_type_id: str) -> AspectType:
        """Read one aspect type."""
        return await self.call(calls.get_aspect_type(aspect_type_id))

    async def get_asset_type(self, asset_type_id: str) -> AssetType:
        """Read one asset type with everything that it inherits."""
        return await self.call(calls.get_asset_type(asset_type_id))

    async def get_asset(self, asset_id: str) -> Asset:
        """Read one asset; `root` gives the tenant's root asset."""
        return await self.call(calls.get_asset(asset_id))

    def list_assets(self, criteria: str = "") -> AsyncIterator[Asset]:
        """Walk through the assets by name; `criteria` is the dialect's filter as JSON text."""
        return self._listed("assets", Asset, criteria)

    def list_aspect_types(self) -> AsyncIterator[AspectType]:
        """Walk through the aspect types by name."""
        return self._listed("aspectTypes", AspectType)

    def list_asset_types(self) -> AsyncIterator[AssetType]:
        """Walk through the asset types by name."""
        return self._listed("assetTypes", AssetType)

    async def put_records(
        self, asset_id: str, aspect: str, records: Sequence[Record], *, wait: bool = False
    ) -> Written:
        """Write records; one at the same time as an older one replaces it as a whole."""
        body = msgspec.json.encode(records)
        return await self.call(calls.write_records("PUT", asset_id, aspect, body, wait=wait))

    async def put_encoded(self, asset_id: str, aspect: str, body: bytes) -> Written:
        """Write records that are a JSON array already."""
        return await self.call(calls.write_records("PUT", asset_id, aspect, body))

    async def patch_records(
        self, asset_id: str, aspect: str, records: Sequence[Record], *, wait: bool = False
    ) -> Written:
        """Merge records into stored ones: absent is kept, null removes."""
        body = msgspec.json.encode(records)
        return await self.call(calls.write_records("PATCH", asset_id, aspect, body, wait=wait))

    async def put_many(self, pairs: Sequence[Pair]) -> MultiPut:
        """Write records of up to five series; each is stored or refused on its own."""
        return await self.call(calls.put_many(pairs))

    async def delete_records(self, asset_id: str, aspect: str, start: str, end: str) -> Written:
        """Delete the records of (start, end]."""
        return await self.call(calls.delete_records(asset_id, aspect, start, end))

    async def read(
        self,
        asset_id: str,
        aspect: str,
        *,
        start: str | None = None,
        end: str | None = None,
        select: Sequence[str] = (),
        limit: int | None = None,
        sort: str | None = None,
        after: str | None = None,
    ) -> Page:
        """Read one page of (start, end]; without a range the newest record."""
        return await self.call(
            calls.read_records(
                asset_id, aspect, start=start, end=end, select=select, limit=limit, sort=sort, after=after
            )
        )

    async def read_all(
        self,
        asset_id: str,
        aspect: str,
        *,
        start: str | None = None,
        end: str | None = None,
        select: Sequence[str] = (),
        limit: int | None = None,
        sort: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[Record]:
        """Walk through every record of (start, end], page by page; `limit` is the size of a page."""
        page = await self.read(
            asset_id, aspect, start=start, end=end, select=select, limit=limit, sort=sort, after=after
        )
        while True:
            for record in page.records:
                yield record
            if page.next is None:
                return
            page = await self.call(calls.read_page(page.next, after))

    async def latest(self, asset_id: str, aspect: str, *, after: str | None = None) -> list[Record]:
        """Read the newest value of each variable; several records where their times differ."""
        return (await self.call(calls.read_records(asset_id, aspect, latest=True, after=after))).records

    async def aggregates(self, asset_id: str, aspect: str, **query: str | int) -> list[Aggregate]:
        """Read aggregates; `query`: intervalUnit, intervalValue, select, count, from_ and to."""
        named = {name.rstrip("_"): value for name, value in query.items()}
        return await self.call(calls.aggregates(asset_id, aspect, named))

    async def _listed(self, kind: str, shape: type[T], criteria: str = "") -> AsyncIterator[T]:
        page, more = 0, True
        while more:
            things, more = await self.call(calls.list_things(kind, shape, page, criteria))
            for thing in things:
                yield thing
            page += 1

    async def _drive(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                answer = await self._do(step)
                step = steps.throw(answer) if isinstance(answer, CannotConnect) else steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _do(self, step: Step) -> Response | CannotConnect | None:
        if isinstance(step, Wait):
            await self._sleep(step.seconds)
            return None
        try:
            return await self._send(step.request)
        except CannotConnect as error:
            return error

    async def _send(self, request: Request) -> Response:
        headers = dict(request.headers)
        try:
            answer = await self._http.request(
                request.method, request.path, headers=headers, content=request.body
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise cannot_connect(self.url, request, error) from error
        return to_response(answer)
