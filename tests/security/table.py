"""The access matrix as a table: a row says how a route is called, and where in the call ids stand.

A call is written with holes: `<asset>` stands for an asset of the caller's tenant, `"<#position>"` in a JSON
body for a number. Each hole is a place of the matrix: it is filled with what the tenant has, with what
another tenant has, and with what nobody has. Rows stand in `tests/security/rows`, a file a service, each with
`ROWS`; what the names in holes mean is said in `tests/security/estate.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from api.guard.agents import OWN, OWN_BY_HANDLER, TENANTS
from api.guard.bound import BY_HANDLER, BY_PATH
from api.identity.scopes import ANY, DEVICE_SCOPES, PLATFORM

HOLE = re.compile(r'"<#(\w+)>"|<(\w+)>')

NOBODY, GARBAGE, EXPIRED, STRANGER = "nobody", "garbage", "expired", "stranger"
LOWER, DEVICE, ASLEEP, ADMIN = "lower", "device", "asleep", "admin"
SHARED, BOUND, AGENT = "shared", "bound", "agent"

CALLERS = {
    NOBODY: "no token",
    GARBAGE: "a token that is none",
    EXPIRED: "a token past its time",
    STRANGER: "another tenant's admin, with the ids of this tenant: every scope but the platform's",
    LOWER: "this tenant, every scope but the route's",
    DEVICE: "this tenant's board: the scopes of devices",
    ASLEEP: "a suspended tenant's admin, with his own ids",
    SHARED: "another tenant's admin with whom the asset is shared for everything that can be, every aspect",
    BOUND: "this tenant, bound to a subtenant to which nothing belongs: every scope but the platform's",
    ADMIN: "this tenant, every scope",
    AGENT: "the agent of this tenant's asset, with the token that it was given; it comes after the admin",
}


class Place(NamedTuple):
    """Where in a call an id stands."""

    part: str
    """`path`, `query`, `header`, `form` or `body`."""
    key: str
    """The parameter's or header's name; empty in path and body."""
    number: int
    """Which hole of that text."""
    thing: str
    """What the id names."""

    @property
    def label(self) -> str:
        """Give the name by which a row speaks of it: `asset in query filter`."""
        return " ".join(filter(None, (self.thing, "in", self.part, self.key)))


@dataclass(frozen=True, kw_only=True)
class Row:
    """How to call one route validly, who may, and what stands for ids in the call."""

    route: str
    """Method and path as the routing table has them."""
    scope: str | None
    """What it asks for; `ANY`: any token; None: the route is open."""
    status: int
    """The answer to a caller who may."""
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON."""
    raw: str | None = None
    """A body that is no JSON."""
    form: Mapping[str, str] = field(default_factory=dict)
    foreign: Mapping[str, int] = field(default_factory=dict)
    """By label of a place: the answer where the id there is another tenant's; 404 where nothing is said."""
    callers: Mapping[str, int] = field(default_factory=dict)
    """Answers to callers that do not follow from the scope; shares and bindings change nothing by themselves,
    so such callers get what a stranger gets."""
    again: int = 0
    """The answer to the agent, who may call where the admin has just done what can be done once."""
    note: str = ""
    """Tells rows of one route apart."""

    @property
    def name(self) -> str:
        """Give a name that no other row has."""
        return f"{self.route} {self.note}".strip()

    @property
    def method(self) -> str:
        """Give the method."""
        return self.route.partition(" ")[0]

    @property
    def texts(self) -> dict[tuple[str, str], str]:
        """Give every text of the call that may have holes, by part and key."""
        found = {("path", ""): self.path}
        for part, pairs in (("query", self.query), ("header", self.headers), ("form", self.form)):
            found |= {(part, key): text for key, text in pairs.items()}
        if self.raw is not None:
            return {**found, ("body", ""): self.raw}
        return found if self.body is None else {**found, ("body", ""): json.dumps(self.body)}

    @property
    def places(self) -> list[Place]:
        """List the places in which ids stand."""
        return [
            Place(*where, number, hole[1] or hole[2])
            for where, text in self.texts.items()
            for number, hole in enumerate(HOLE.finditer(text))
        ]

    @property
    def admits_agents(self) -> bool:
        """Tell whether agents may call it."""
        return not self.scope or self.route in {*OWN, *OWN_BY_HANDLER, *TENANTS}

    def refuses(self, caller: str) -> bool:
        """Tell whether nothing may have changed when a caller was answered."""
        if caller == AGENT and self.again:
            return not self.admits_agents
        return self.expected(caller) >= 400

    def expected(self, caller: str) -> int:
        """Give the status that a caller must see."""
        if caller in self.callers:
            return self.callers[caller]
        if self.scope is None:
            return self.status
        if caller in {NOBODY, GARBAGE, EXPIRED, ASLEEP}:
            return 401
        if caller in {STRANGER, SHARED, BOUND} and self.scope == PLATFORM:
            return 403
        if caller == BOUND and self.scope and self.route not in {*BY_HANDLER, *BY_PATH}:
            return 403
        if caller in {STRANGER, SHARED, BOUND}:
            return self.callers.get(STRANGER, 404 if self.places else self.status)
        if caller == AGENT:
            return (self.again or self.status) if self.admits_agents else 403
        if caller == LOWER and self.scope:
            return 403
        if caller == DEVICE and self.scope not in {ANY, *DEVICE_SCOPES}:
            return 403
        return self.status

    def request(self, value_of: Callable[[Place], str]) -> dict[str, Any]:
        """Fill every hole; gives what an HTTP client takes."""
        filled = {where: _filled(where, text, value_of) for where, text in self.texts.items()}

        def part(name: str) -> dict[str, str]:
            return {key: text for (kind, key), text in filled.items() if kind == name}

        query = urlencode(part("query"))
        request: dict[str, Any] = {
            "method": self.method,
            "url": filled["path", ""] + (f"?{query}" if query else ""),
            "headers": part("header"),
        }
        if ("body", "") in filled:
            request["content"] = filled["body", ""].encode()
        if self.form:
            request["data"] = part("form")
        return request


def _filled(where: tuple[str, str], text: str, value_of: Callable[[Place], str]) -> str:
    numbers = iter(range(len(text)))

    def value(hole: re.Match[str]) -> str:
        return value_of(Place(*where, next(numbers), hole[1] or hole[2]))

    return HOLE.sub(value, text)


@cache
def rows() -> dict[str, Row]:
    """Give all rows by name: those of the services, and one for OPTIONS of each of their paths."""
    written = list(_written())
    named = {row.name: row for row in [*written, *_options(written)]}
    assert len(named) == len(written) + len(_options(written)), "two rows have one name"
    return named


def _written() -> Iterator[Row]:
    for file in sorted((Path(__file__).parent / "rows").glob("*.py")):
        yield from import_module(f"tests.security.rows.{file.stem}").ROWS


def _options(written: list[Row]) -> list[Row]:
    """OPTIONS tells the methods of a path to whoever has a token, whatever the ids in it."""
    paths = {row.route.partition(" ")[2]: row.path for row in written}
    return [_option(route, path) for route, path in paths.items()]


def _option(route: str, path: str) -> Row:
    row = Row(route=f"OPTIONS {route}", scope=ANY, status=204, path=path, callers={STRANGER: 204})
    return Row(**{**vars(row), "foreign": {place.label: 204 for place in row.places}})


def routing_table(application: Any) -> dict[str, str | None]:
    """Give what each method of each path asks for, None for open routes."""
    return {
        f"{method} {route.path_format}": None if handler.opt.get("open") else handler.opt.get("scope")
        for route in application.routes
        for handler in route.route_handlers
        for method in handler.http_methods
    }
