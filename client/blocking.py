"""The client that blocks; safe to share between threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
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


class Client:
    """Talk to one server as one technical user; every method raises `ClientError` and nothing else."""

    def __init__(
        self,
        url: str,
        client: str = "",
        secret: str = "",
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Take address and credentials; nothing is sent before the first call.

        Busy answers and broken connections are repeated for `patience_s` in all.
        """
        self.url = url.rstrip("/")
        keywords: dict[str, Any] = options(url)
        self._http = httpx.Client(**keywords, transport=transport)
        self._session = Session(client, secret, now, patience_s)
        self._token_lock = Lock()
        self._sleep = sleep

    def __enter__(self) -> Self:
        """Open nothing: connections come with the first call."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; twice is harmless."""
        self._http.close()

    def call(self, call: Call[T]) -> T:
        """Do any call of `client.calls`."""
        if call.authorised and self._session.has_credentials:
            self.token()
        return self._drive(self._session.perform(call))

    def token(self) -> str:
        """Give an access token that still holds."""
        with self._token_lock:  # many threads that start together fetch one token
            return self._drive(self._session.token())

    def health(self) -> Health:
        """Ask how the service is; its parts are shown to those who may see them."""
        return self.call(calls.health())

    def create_aspect_type(self, aspect_type_id: str, name: str, variables: Sequence[Variable]) -> AspectType:
        """Create a dynamic aspect type; PreconditionFailed if the id is taken."""
        return self.call(calls.create_aspect_type(aspect_type_id, name, variables))

    def create_asset_type(
        self, asset_type_id: str, name: str, aspects: Mapping[str, str], parent: str = "core.basicasset"
    ) -> AssetType:
        """Create an asset type with aspects (name → aspect type id); PreconditionFailed if taken."""
        return self.call(calls.create_asset_type(asset_type_id, name, parent, aspects))

    def create_asset(self, name: str, type_id: str, parent_id: str | None = None, **more: str) -> Asset:
        """Create an asset, below the root where no parent is given."""
        parent = parent_id or self.get_asset("root").asset_id
        return self.call(calls.create_asset(name, type_id, parent, **more))

    def get_aspect_type(self, aspect_type_id: str) -> AspectType:
        """Read one aspect type."""
        return self.call(calls.get_aspect_type(aspect_type_id))

    def get_asset_type(self, asset_type_id: str) -> AssetType:
        """Read one asset type with everything that it inherits."""
        return self.call(calls.get_asset_type(asset_type_id))

    def get_asset(self, asset_id: str) -> Asset:
        """Read one asset; `root` gives the tenant's root asset."""
        return self.call(calls.get_asset(asset_id))

    def list_assets(self, criteria: str = "") -> Iterator[Asset]:
        """Walk through the assets by name; `criteria` is the dialect's filter as JSON text."""
        return self._listed("assets", Asset, criteria)

    def list_aspect_types(self) -> Iterator[AspectType]:
        """Walk through the aspect types by name."""
        return self._listed("aspectTypes", AspectType)

    def list_asset_types(self) -> Iterator[AssetType]:
        """Walk through the asset types by name."""
        return self._listed("assetTypes", AssetType)

    def put_records(
        self, asset_id: str, aspect: str, records: Sequence[Record], *, wait: bool = False
    ) -> Written:
        """Write records; one at the same time as an older one replaces it as a whole."""
        body = msgspec.json.encode(records)
        return self.call(calls.write_records("PUT", asset_id, aspect, body, wait=wait))

    def put_encoded(self, asset_id: str, aspect: str, body: bytes) -> Written:
        """Write records that are a JSON array already."""
        return self.call(calls.write_records("PUT", asset_id, aspect, body))

    def patch_records(
        self, asset_id: str, aspect: str, records: Sequence[Record], *, wait: bool = False
    ) -> Written:
        """Merge records into stored ones: absent is kept, null removes."""
        body = msgspec.json.encode(records)
        return self.call(calls.write_records("PATCH", asset_id, aspect, body, wait=wait))

    def put_many(self, pairs: Sequence[Pair]) -> MultiPut:
        """Write records of up to five series; each is stored or refused on its own."""
        return self.call(calls.put_many(pairs))

    def delete_records(self, asset_id: str, aspect: str, start: str, end: str) -> Written:
        """Delete the records of (start, end]."""
        return self.call(calls.delete_records(asset_id, aspect, start, end))

    def read(
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
        return self.call(
            calls.read_records(
                asset_id, aspect, start=start, end=end, select=select, limit=limit, sort=sort, after=after
            )
        )

    def read_all(
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
    ) -> Iterator[Record]:
        """Walk through every record of (start, end], page by page; `limit` is the size of a page."""
        page = self.read(
            asset_id, aspect, start=start, end=end, select=select, limit=limit, sort=sort, after=after
        )
        yield from page.records
        while page.next is not None:
            page = self.call(calls.read_page(page.next, after))
            yield from page.records

    def latest(self, asset_id: str, aspect: str, *, after: str | None = None) -> list[Record]:
        """Read the newest value of each variable; several records where their times differ."""
        return self.call(calls.read_records(asset_id, aspect, latest=True, after=after)).records

    def aggregates(self, asset_id: str, aspect: str, **query: str | int) -> list[Aggregate]:
        """Read aggregates; `query`: intervalUnit, intervalValue, select, count, from_ and to."""
        named = {name.rstrip("_"): value for name, value in query.items()}
        return self.call(calls.aggregates(asset_id, aspect, named))

    def _listed(self, kind: str, shape: type[T], criteria: str = "") -> Iterator[T]:
        page, more = 0, True
        while more:
            things, more = self.call(calls.list_things(kind, shape, page, criteria))
            yield from things
            page += 1

    def _drive(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                answer = self._do(step)
                step = steps.throw(answer) if isinstance(answer, CannotConnect) else steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _do(self, step: Step) -> Response | CannotConnect | None:
        if isinstance(step, Wait):
            self._sleep(step.seconds)
            return None
        try:
            return self._send(step.request)
        except CannotConnect as error:
            return error

    def _send(self, request: Request) -> Response:
        headers = dict(request.headers)
        try:
            answer = self._http.request(request.method, request.path, headers=headers, content=request.body)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise cannot_connect(self.url, request, error) from error
        return to_response(answer)
