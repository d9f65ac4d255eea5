"""The API's description, OpenAPI 3.1, made from the routes; and a page that shows it without any script.

The framework describes parameters, bodies and answers; this module adds what it cannot know: who may call,
forms, raw bodies, preconditions, and that any route may be unavailable for a moment. A framework
application without ports is made for it, so that the one that serves has no route of the framework's own.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import msgspec.yaml
from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from api.http.errors import EVENTS_PREFIX, HAL_PREFIX, JSON, VND_ERROR

VERSION = "0.1.0"

_TITLE = "Aspectstore"
_REFERENCE = {"$ref": "#/components/schemas/ErrorBody"}
_EVENT_ERRORS = {"type": "array", "items": {"$ref": "#/components/schemas/EventError"}}
_TEMPLATE = "#/components/schemas/{name}"

_RECORD = {
    "type": "object",
    "description": "A time and the values of variables; `<variable>_qc` carries a quality code.",
    "properties": {"_time": {"type": "string", "format": "date-time"}},
    "required": ["_time"],
    "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
}
_RECORDS = {"type": "array", "items": {"$ref": "#/components/schemas/Record"}}
_RECORD_SET = {
    "type": "object",
    "properties": {
        "timeseries": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "entityId": {"type": "string"},
                    "propertySetName": {"type": "string"},
                    "data": _RECORDS,
                },
                "required": ["entityId", "propertySetName", "data"],
            },
        }
    },
    "required": ["timeseries"],
}
_RAW_BODIES = {"records": _RECORDS, "record_set": _RECORD_SET}
"""Bodies that a handler reads by itself, by the mark in its `opt`."""

_READ_BODIES = {
    "form": "application/x-www-form-urlencoded",
    "json": JSON,
    "multipart": "multipart/form-data",
}
"""Bodies that a handler reads by itself from the struct that its `opt` gives under the mark."""

_TABLES = {
    "text/csv": {"schema": {"type": "string"}},
    "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
}
"""What a handler with the mark `formats` in its `opt` answers beside JSON; `tables` names some of it."""

_UNAVAILABLE = "Repeat after Retry-After"


def describe(routes: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """Describe the routes; the same routes give the same description."""
    app = Litestar(
        route_handlers=list(routes),
        dependencies={"services": Provide(_nothing, sync_to_thread=False)},
        openapi_config=OpenAPIConfig(title=_TITLE, version=VERSION, create_examples=False),
        logging_config=None,
    )
    description = app.openapi_schema.to_schema()
    schemas = description["components"]["schemas"]
    _mend_items(schemas)
    schemas["Record"] = _RECORD
    for handler, path, operation in _operations(app, description):
        _complete(handler, path, operation, schemas)
    description["components"]["schemas"] = dict(sorted(schemas.items()))
    # A handler of several paths keeps them as a set, in another order in each process.
    description["paths"] = dict(sorted(description["paths"].items()))
    description["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "client": {"type": "http", "scheme": "basic"},
    }
    return dict(description)


def to_yaml(description: Mapping[str, Any]) -> str:
    """Write a description as the file in `openapi/` has it."""
    # Through JSON, so that texts and numbers are plain ones.
    plain = msgspec.json.decode(msgspec.json.encode(description))
    return msgspec.yaml.encode(plain).decode()


def to_page(description: Mapping[str, Any]) -> str:
    """Write a description as one page of plain HTML: every operation, what it takes, what it answers."""
    sections = "".join(
        _section(method, path, operation)
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    )
    return _PAGE.format(title=html.escape(_TITLE), version=VERSION, sections=sections)


def _mend_items(schema: Any) -> None:
    """Let the items of `tuple[X, ...]` be X; the framework takes the dots for a second kind of item."""
    if isinstance(schema, list):
        for each in schema:
            _mend_items(each)
    elif isinstance(schema, dict):
        for each in schema.values():
            _mend_items(each)
        if schema.get("items", {}).get("oneOf", ())[1:] == [{}]:
            schema["items"] = schema["items"]["oneOf"][0]


def _nothing() -> None:
    """Stand for what handlers are given; nobody calls them here."""


def _operations(
    app: Litestar, description: Mapping[str, Any]
) -> Iterator[tuple[HTTPRouteHandler, str, dict[str, Any]]]:
    for route in app.routes:
        item = description["paths"].get(route.path_format or "/")
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                operation = item and item.get(str(method).lower())
                if operation:
                    yield handler, route.path_format, operation


def _complete(
    handler: HTTPRouteHandler, path: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> None:
    opt = handler.opt
    operation["description"] = (handler.fn.__doc__ or "").strip()
    operation["summary"] = operation["description"].partition("\n")[0]
    operation["security"] = _security(opt)
    if opt.get("scope"):
        operation["description"] += f"\n\nNeeds the scope `{opt['scope']}`."
    operation["parameters"] = [*operation.get("parameters", []), *_query(opt), *_preconditions(handler)]
    if opt.get("octets"):
        octets = {"schema": {"type": "string", "format": "binary"}}
        media = "application/octet-stream" if opt["octets"] is True else opt["octets"]
        operation["requestBody"] = {"content": {media: octets}}
    for mark, schema in _RAW_BODIES.items():
        if opt.get(mark):
            operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    for mark, media in _READ_BODIES.items():
        if mark in opt:
            (reference,), made = msgspec.json.schema_components([opt[mark]], ref_template=_TEMPLATE)
            schemas.update(made)
            operation["requestBody"] = {"required": mark != "json", "content": {media: {"schema": reference}}}
    operation["responses"] = _responses(operation["responses"], path)
    _name_headers(handler, operation["responses"])
    beside = _TABLES if opt.get("formats") else opt.get("tables", ())
    for media in beside:
        operation["responses"]["200"]["content"][media] = _TABLES[media]


def _name_headers(handler: HTTPRouteHandler, responses: dict[str, Any]) -> None:
    """Describe the headers of a success, which the framework leaves out where the body is described."""
    named = {
        header.name: {"description": header.description} for header in handler.resolve_response_headers()
    }
    for status, response in responses.items():
        if named and status.startswith("2") and not response.get("headers"):
            response["headers"] = _plain_headers(named)


def _security(opt: Mapping[str, Any]) -> list[dict[str, list[str]]]:
    if ("form" in opt or "json" in opt) and opt.get("open"):
        return [{"client": []}, {}]
    return [] if opt.get("open") else [{"token": []}]


def _query(opt: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describe the query that a handler reads by itself, from the struct that its `opt` gives."""
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "description": field.type.__metadata__[0].description,
            "required": field.required,
            "schema": {"type": "string"},
        }
        for field in (msgspec.structs.fields(opt["query"]) if "query" in opt else ())
    ]


def _preconditions(handler: HTTPRouteHandler) -> list[dict[str, Any]]:
    """Describe the headers that HAL routes read (wire 0.5)."""
    if not any(path.startswith((HAL_PREFIX, EVENTS_PREFIX)) for path in handler.paths):
        return []
    match = _header("If-Match", "The etag of the version that is changed.")
    none_match = _header("If-None-Match", "`*`: only create. On reads: the etag that the client has.")
    if 412 in (handler.responses or {}):
        return [match, none_match] if "PUT" in handler.http_methods else [match]
    return [none_match] if 304 in (handler.responses or {}) else []


def _header(name: str, words: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": words,
        "required": False,
        "schema": {"type": "string"},
    }


def _responses(found: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Complete the answers: refusals in the one shape, 503 everywhere, no bodies where there are none."""
    media = VND_ERROR if path.startswith((HAL_PREFIX, EVENTS_PREFIX)) else JSON
    refused = {media: {"schema": _EVENT_ERRORS if path.startswith(EVENTS_PREFIX) else _REFERENCE}}
    responses = {"503": {"description": _UNAVAILABLE, "content": refused}, **found}
    for status, response in responses.items():
        if response.get("headers"):
            response["headers"] = _plain_headers(response["headers"])
        if status in {"204", "304"}:
            response.pop("content", None)
        elif status == "400" and response.get("description") == "Bad request syntax or unsupported method":
            response["description"] = "Refused: malformed or invalid"
            response["content"] = refused
    return dict(sorted(responses.items()))


def _plain_headers(found: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the headers of an answer in a steady order, each with a schema."""
    return {
        name: {"description": header["description"], "schema": {"type": "string"}}
        for name, header in sorted(found.items())
    }


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    heading = f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
    words = html.escape(operation.get("description", "")).replace("\n\n", "<br>")
    rows = "".join(
        f"<tr><td>{html.escape(parameter['name'])}</td><td>{parameter['in']}</td>"
        f"<td>{html.escape(parameter.get('description', ''))}</td></tr>"
        for parameter in operation.get("parameters", ())
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""
    statuses = "".join(
        f"<li><b>{status}</b> {html.escape(response.get('description', ''))}</li>"
        for status, response in operation["responses"].items()
    )
    return f"<section>{heading}<p>{words}</p>{table}<ul>{statuses}</ul></section>\n"


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title} {version}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ margin-top: 2.5rem; font-size: 1.1rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .1rem 1rem .1rem 0; text-align: left; }}
ul {{ list-style: none; padding: 0; }} code {{ font-size: 1rem; }}
</style></head>
<body><h1>{title} {version}</h1>
<p>The whole description: <a href="/docs/openapi.json">JSON</a>, <a href="/docs/openapi.yaml">YAML</a>.</p>
{sections}</body></html>
"""
