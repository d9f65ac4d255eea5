"""The description of the API is what the routes say, and the API does what the description says."""

import json
import re
from pathlib import Path

import msgspec

from api.app import ROUTES
from api.http.docs import VERSION, describe, to_yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "openapi" / "openapi.yaml"


def operations():
    """List (method, path, operation) of the description."""
    return [
        (method, path, operation)
        for path, item in describe(ROUTES)["paths"].items()
        for method, operation in item.items()
    ]


def test_the_file_is_what_the_routes_say():
    """`openapi/openapi.yaml` is generated: after a change of routes run scripts/openapi."""
    assert FILE.read_text(encoding="utf-8") == to_yaml(describe(ROUTES)), "run scripts/openapi"


def test_the_version_is_the_packages():
    """The description and the package agree on the version."""
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_route_is_described_once():
    """Nothing that can be called is left out, and operation ids are unique."""
    described = {(method.upper(), path) for method, path, _ in operations()}
    routed = {
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", path).rstrip("/"))
        for handler in ROUTES
        for method in handler.http_methods
        for path in handler.paths
    }
    ids = [operation["operationId"] for _, _, operation in operations()]

    assert described == routed
    assert len(ids) == len(set(ids))


def test_every_operation_says_who_may_call_and_how_it_refuses():
    """Guarded operations name the token, 401 and 403; bodies name 408, 413 and 415; all name 503."""
    for method, path, operation in operations():
        statuses = set(operation["responses"])
        where = f"{method} {path}"
        assert "503" in statuses, where
        assert operation["description"], where
        if operation["security"] == [{"token": []}]:
            assert {"401", "403"} <= statuses, where
        if "requestBody" in operation:
            assert {"400", "408", "413", "415"} <= statuses, where


async def test_the_page_needs_nothing_from_elsewhere(service):
    """The docs page has no script and no address of another host; JSON and YAML lie beside it."""
    page = await service.http.get("/docs")
    description = await service.http.get("/docs/openapi.json")
    text = await service.http.get("/docs/openapi.yaml")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert re.findall(r"https?://|//[a-z]", page.text) == []
    assert json.loads(description.text) == msgspec.yaml.decode(text.content)
    assert description.json()["openapi"].startswith("3.1")


def test_examples_hold_no_secrets():
    """The description has no token, no key and no password in it (S16)."""
    assert re.findall(r"eyJ|BEGIN [A-Z ]*KEY|s3cret|hunter2", FILE.read_text(encoding="utf-8")) == []
