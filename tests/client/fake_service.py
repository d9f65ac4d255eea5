"""A small stand-in for the service, written from the wire's description, for tests of client and command.

It keeps records in dictionaries and knows nothing of the real code; the same conversations are held
with the real server in tests/e2e.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx

Answer = tuple[int, dict[str, str], bytes]
MODEL = "/api/assetmanagement/v3"
SERIES = "/api/iottimeseries/v3/timeseries"


def answer(status: int, body: object = None, **headers: str) -> Answer:
    """Write an answer; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, b"" if body is None else json.dumps(body).encode()


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """Write a refusal as the dialect does."""
    body = {"errors": [{"code": code, "message": message, "logref": "ref1", "pointer": "/0"}]}
    return answer(status, body, **headers)


@dataclass
class FakeService:
    """Tenant `acme` with client `loader`, secret `s3cret`."""

    things: dict[str, dict[str, dict]] = field(
        default_factory=lambda: {"aspecttypes": {}, "assettypes": {}, "assets": {}}
    )
    series: dict[tuple[str, str], dict[str, dict]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    refusals: list[Answer | Exception] = field(default_factory=list)
    """Answered (or raised) instead, once each, by the next requests that carry a token."""
    tokens: int = 0
    expires_in: int = 1799
    page_limit: int = 2000
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request."""
        with self.lock:
            self.requests.append((method, target))
            path = urlsplit(target).path
            query = {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
            if path == "/oauth/token":
                return self.grant(headers)
            if path == "/health":
                return answer(200, {"status": "up"})
            if headers.get("authorization") != f"Bearer {self.current_token()}":
                return refusal(401, "mdsp.core.generic.unauthorized", "The token does not hold.")
            if self.refusals:
                planned = self.refusals.pop(0)
                if isinstance(planned, Exception):
                    raise planned
                return planned
            if path.startswith(SERIES):
                return self.on_series(method, path, query, body)
            if path.startswith(MODEL):
                return self.on_model(method, path, query, body)
            return refusal(404, "mdsp.core.generic.noMatch", "There is nothing here.")

    def current_token(self) -> str:
        """Give the newest token: three parts, the tenant in the middle."""
        claims = base64.urlsafe_b64encode(json.dumps({"ten": "acme", "n": self.tokens}).encode()).decode()
        return f"e30.{claims.rstrip('=')}.x"

    def grant(self, headers: dict[str, str]) -> Answer:
        """Grant a token for the right credentials."""
        if headers.get("authorization") != "Basic " + base64.b64encode(b"loader:s3cret").decode():
            return answer(401, {"error": "unauthorized", "error_description": "Bad credentials"})
        self.tokens += 1
        return answer(
            200, {"access_token": self.current_token(), "token_type": "bearer", "expires_in": self.expires_in}
        )

    def on_series(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        """Write, read and delete records."""
        if body:
            self.bodies.append(len(body))
        if path == SERIES:
            return self.put_many(json.loads(body))
        asset, aspect = path.removeprefix(SERIES + "/").split("/")
        if asset not in self.things["assets"]:
            return refusal(404, "mdsp.core.generic.noMatch", "There is no such asset.")
        records = self.series.setdefault((asset, aspect), {})
        if method in {"PUT", "PATCH"}:
            for record in json.loads(body):
                old = records.get(record["_time"], {}) if method == "PATCH" else {}
                merged = {**old, **record}
                records[record["_time"]] = {key: value for key, value in merged.items() if value is not None}
            more = {"Write_Applied": "true"} if query.get("wait") == "applied" else {}
            return answer(204, Write_Receipt=f"r{len(self.requests)}", **more)
        if method == "DELETE":
            for time in [time for time in records if query["from"] < time <= query["to"]]:
                del records[time]
            return answer(204, Write_Receipt=f"r{len(self.requests)}")
        return self.read(path, records, query)

    def put_many(self, body: dict) -> Answer:
        """Write several series; unknown assets are refused one by one."""
        receipts, errors = [], []
        for pair in body["timeseries"]:
            if pair["entityId"] in self.things["assets"]:
                key = (pair["entityId"], pair["propertySetName"])
                self.series.setdefault(key, {}).update({record["_time"]: record for record in pair["data"]})
                receipts.append("r1")
            else:
                receipts.append("-")
                errors.append({"entityId": pair["entityId"], "statusCode": 404, "message": "no such asset"})
        return answer(202, {"errors": errors} if errors else None, Write_Receipt=", ".join(receipts))

    def read(self, path: str, records: dict[str, dict], query: dict[str, str]) -> Answer:
        """Read (from, to], a page at a time, with an absolute Link."""
        descending = query.get("sort") == "desc"
        times = sorted(records, reverse=descending)
        if "from" not in query and "to" not in query:
            return answer(200, [records[time] for time in times[-1:]])
        start, end = query.get("from", ""), query.get("to", "9999")
        times = [time for time in times if start < time <= end]
        limit = min(int(query.get("limit", "2000")), self.page_limit)
        chosen = set(query["select"].split(",")) | {"_time"} if "select" in query else None
        page = [
            {name: value for name, value in records[time].items() if chosen is None or name in chosen}
            for time in times[:limit]
        ]
        if len(times) <= limit:
            return answer(200, page)
        assert not descending, "the stand-in pages upwards only"
        rest = {**query, "from": times[limit - 1], "limit": str(limit)}
        link = f"http://testserver{path}?{httpx.QueryParams(rest)}"
        return answer(200, page, Link=f'<{link}>; rel="next"')

    def on_model(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        """Create, get and list types and assets."""
        kind, _, name = path.removeprefix(MODEL + "/").partition("/")
        shelf = self.things[kind]
        if method == "POST":
            made = {**json.loads(body), "assetId": f"{len(shelf) + 1:032x}", "tenantId": "acme", "etag": 0}
            shelf[made["assetId"]] = made
            return answer(201, made)
        if method == "PUT":
            if name in shelf:
                return refusal(412, "mdsp.core.generic.noMatch", "It exists already.")
            shelf[name] = self.resource(kind, name, json.loads(body))
            return answer(201, shelf[name])
        if name == "root":
            return answer(200, {"assetId": "f" * 32, "name": "acme", "typeId": "core.basicenterprise"})
        if name:
            found = shelf.get(name)
            missing = refusal(404, "mdsp.core.generic.noMatch", "There is no such thing.")
            return answer(200, found) if found else missing
        return self.listed(kind, shelf, query)

    def resource(self, kind: str, name: str, body: dict) -> dict:
        """Complete a type; an asset type shows its aspect types in full."""
        aspects = [
            {
                "name": one["name"],
                "aspectId": "a",
                "aspectType": self.things["aspecttypes"][one["aspectTypeId"]],
            }
            for one in body.get("aspects", [])
        ]
        return {**body, "id": name, "tenantId": "acme", "etag": 0} | (
            {"aspects": aspects} if kind == "assettypes" else {}
        )

    def listed(self, kind: str, shelf: dict[str, dict], query: dict[str, str]) -> Answer:
        """List by name, filtered by name, a page of `size`."""
        wanted = json.loads(query.get("filter", "{}")).get("name")
        things = [one for one in shelf.values() if wanted is None or {"eq": one["name"]} == wanted]
        things.sort(key=lambda one: one["name"])
        size, number = min(int(query["size"]), 2), int(query["page"])
        name = {"aspecttypes": "aspectTypes", "assettypes": "assetTypes", "assets": "assets"}[kind]
        page = {
            "size": size,
            "totalElements": len(things),
            "totalPages": -(-len(things) // size),
            "number": number,
        }
        shown = things[number * size : (number + 1) * size]
        return answer(200, {"_embedded": {name: shown}, "page": page})

    @property
    def transport(self) -> httpx.MockTransport:
        """Reach the stand-in without a socket."""

        def serve(request: httpx.Request) -> httpx.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            status, out, body = self.handle(
                request.method, request.url.raw_path.decode(), headers, request.content
            )
            return httpx.Response(status, headers=out, content=body)

        return httpx.MockTransport(serve)


@contextmanager
def served(handle: Callable[[str, str, dict[str, str], bytes], Answer]) -> Iterator[str]:
    """Serve a stand-in on a free port of the loopback address; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, out, content = handle(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in out.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for method in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.serve)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
