"""A tenant of a running service to measure with: its token, its type, its assets, and plain requests."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec

from bench.generator import drive, request_bytes
from bench.workload import VARIABLES

MODEL = "/api/assetmanagement/v3"
SERIES = "/api/iottimeseries/v3/timeseries"
AGGREGATES = "/api/iottsaggregates/v4/aggregates"
ASPECT = "machine"


class Refused(Exception):
    """The service answered something else than 2xx where the measurement needs 2xx."""


@dataclass(slots=True, frozen=True)
class Credentials:
    """A technical user, as `ASPECTSTORE_BOOTSTRAP` names it."""

    tenant: str
    client: str
    secret: str

    @property
    def bootstrap(self) -> str:
        """Give the value of `ASPECTSTORE_BOOTSTRAP` that makes this user."""
        return f"{self.tenant}:{self.client}:{self.secret}"

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Read `tenant:client:secret`."""
        tenant, client, secret = text.split(":", 2)
        return cls(tenant, client, secret)


class Tenant:
    """Plain requests of one user, one at a time, and prepared bytes for the load generator."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Fetch a token."""
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.host = f"{self.address[0]}:{self.address[1]}"
        self.name = credentials.tenant
        self._credentials = credentials
        self._connection = http.client.HTTPConnection(*self.address, timeout=60)
        self.token = ""
        try:
            self.refresh_token()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def refresh_token(self) -> None:
        """Fetch a token; it lasts 1,799 s."""
        pair = f"{self._credentials.client}:{self._credentials.secret}".encode()
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"grant_type": "client_credentials"}).encode()
        _, _, answer = self.exchange("POST", "/oauth/token", body, headers)
        self.token = msgspec.json.decode(answer)["access_token"]

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is; `Refused` for anything but 2xx."""
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        answer = response.read()
        if not 200 <= response.status < 300:
            raise Refused(f"{method} {path}: {response.status} {answer[:500]!r}")
        return response.status, dict(response.getheaders()), answer

    def ask(self, method: str, path: str, content: object = None, **headers: str) -> Any:
        """Send JSON with the token, give decoded JSON (None for an empty answer)."""
        named = {"Authorization": f"Bearer {self.token}", **headers}
        body = None
        if content is not None:
            body = msgspec.json.encode(content)
            named["Content-Type"] = "application/json"
        _, _, answer = self.exchange(method, path, body, named)
        return msgspec.json.decode(answer) if answer else None

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Prepare the bytes of a request with the token."""
        return request_bytes(method, path, self.host, self.token, body)

    def series_path(self, asset: str) -> str:
        """Give the path of the measured series of an asset."""
        return f"{SERIES}/{asset}/{ASPECT}"

    def aggregates_path(self, asset: str, begin: str, end: str, unit: str = "hour", value: int = 1) -> str:
        """Give the path of aggregates of a range (RFC 3339 in UTC)."""
        query = {"assetId": asset, "aspectName": ASPECT, "from": begin, "to": end}
        return f"{AGGREGATES}?{urlencode(query)}&intervalUnit={unit}&intervalValue={value}"

    def create_assets(self, count: int, prefix: str = "machine") -> list[str]:
        """Create the types unless they exist, then `count` assets; gives their ids in order."""
        type_id = self._create_types()
        parent = self.ask("GET", f"{MODEL}/assets/root")["assetId"]
        bodies = (
            msgspec.json.encode({"name": f"{prefix}-{i:06}", "typeId": type_id, "parentId": parent})
            for i in range(count)
        )
        requests = [self.request("POST", f"{MODEL}/assets", body) for body in bodies]
        connections = min(16, count)
        ids: dict[str, str] = {}
        plans = [requests[i::connections] for i in range(connections)]
        outcome = drive(self.address, plans, keep=True)
        for status, _, body in outcome.answers:
            if status != 201:
                raise Refused(f"POST assets: {status} {body[:500]!r}")
            asset = msgspec.json.decode(body)
            ids[asset["name"]] = asset["assetId"]
        return [ids[f"{prefix}-{i:06}"] for i in range(count)]

    def _create_types(self) -> str:
        aspect_id, type_id = f"{self.name}.bench_machine", f"{self.name}.bench_machine_type"
        variables = [
            {"name": name, "dataType": kind, **({"unit": unit} if unit else {})}
            for name, kind, unit in VARIABLES
        ]
        aspect = {
            "name": "bench_machine", "category": "dynamic", "scope": "private", "variables": variables,
        }  # fmt: skip
        asset_type = {
            "name": "bench_machine_type",
            "parentTypeId": "core.basicasset",
            "instantiable": True,
            "scope": "private",
            "aspects": [{"name": ASPECT, "aspectTypeId": aspect_id}],
            "variables": [],
        }
        self._ensure(f"{MODEL}/aspecttypes/{aspect_id}", aspect)
        self._ensure(f"{MODEL}/assettypes/{type_id}", asset_type)
        return type_id

    def _ensure(self, path: str, content: object) -> None:
        """Create a type; one that exists already is left as it is."""
        try:
            self.ask("GET", path)
        except Refused:
            self.ask("PUT", path, content, **{"If-None-Match": "*"})


def spread(requests: Iterable[bytes], connections: int) -> list[list[bytes]]:
    """Deal requests out to connections, one after the other."""
    listed = list(requests)
    return [listed[i::connections] for i in range(connections)]
