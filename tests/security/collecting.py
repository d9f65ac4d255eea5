"""Sends every call of the access matrix to one estate and keeps the answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api.hot import Kind
from api.identity.scopes import DEVICE_SCOPES, PLATFORM
from tests.api.doors import bearer
from tests.security.dumps import dump
from tests.security.estate import (
    ACME,
    GUEST,
    OTHER,
    SLEEPER,
    Estate,
    open_estate,
    opened,
    opened_audit,
    served,
)
from tests.security.table import (
    ADMIN,
    AGENT,
    ASLEEP,
    BOUND,
    CALLERS,
    DEVICE,
    EXPIRED,
    GARBAGE,
    LOWER,
    NOBODY,
    SHARED,
    STRANGER,
    Place,
    Row,
    rows,
)

HOT = {name: row for name, row in rows().items() if row.route in {" ".join(kind.route) for kind in Kind}}
"""What the bare path serves; it is called over a socket a second time."""

DRAWN_ANEW = frozenset({"x-request-id", "date", "write-receipt", "delete-id", "etag", "content-length"})
"""Headers that differ between equal answers, by what they count or sign."""

Values = Callable[[Place], str]
Question = tuple[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer, and the ids of the call."""

    status: int
    headers: dict[str, str]
    text: str
    ids: dict[Place, str]
    questions: tuple[Question, ...]
    """What the catalogue was asked meanwhile: the method and its first argument, the tenant."""

    def plain(self, *places: Place) -> tuple[int, dict[str, str], str]:
        """Give what two equal answers have in common: without the ids in these places and what is drawn."""
        text = self.text.replace(self.headers["x-request-id"], "<request>")
        # Shorter ones are versions and shards, which stand in every answer.
        ids = {self.ids[place] for place in places if len(self.ids[place]) > 3}
        for one in sorted(ids, key=len, reverse=True):
            text = text.replace(one, "<id>")
        headers = {name: _job(value) for name, value in self.headers.items() if name not in DRAWN_ANEW}
        return self.status, headers, re.sub(r'"etag":\d+', '"etag":0', _job(text))


def _job(text: str) -> str:
    """Leave out the drawn ids of jobs and events."""
    text = re.sub(r"\b[a-z]+-[0-9a-f]{32}\b", "<job>", text)
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<drawn>", text)


@dataclass
class Seen:
    """The answers of one estate, each by the name of its row."""

    callers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    """To each caller."""
    places: dict[tuple[str, Place], tuple[Answer, Answer]] = field(default_factory=dict)
    """To another tenant's id in a place, and to nobody's."""
    strangers: dict[str, tuple[Answer, Answer]] = field(default_factory=dict)
    """To another tenant's admin with this tenant's ids, and with nobody's."""
    dumps: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """What must not change, before and after."""
    framework: list[str] = field(default_factory=list)
    """Requests that should have taken the bare path and reached the framework."""

    @property
    def answers(self) -> list[Answer]:
        """Give every answer."""
        pairs = [*self.places.values(), *self.strangers.values()]
        return [*self.callers.values(), *(answer for pair in pairs for answer in pair)]


class Asked:
    """A catalogue that remembers what it was asked."""

    def __init__(self, catalog: Any) -> None:
        """Ask `catalog`."""
        self._catalog = catalog
        self.questions: list[Question] = []

    def __getattr__(self, name: str) -> Any:
        """Give a method of the catalogue."""
        method = getattr(self._catalog, name)

        def ask(*given: Any, **named: Any) -> Any:
            # Where the log is read on from depends on who wrote before.
            self.questions.append((name, given[0] if given and name != "changes" else None))
            return method(*given, **named)

        return ask


class Collector:
    """Calls one estate, one request after the other."""

    def __init__(self, estate: Estate, catalog: Asked, http: Any) -> None:
        """Send through `http`."""
        self.estate, self.catalog, self.http = estate, catalog, http
        self.seen = Seen()
        self.every = estate.door.services.identity.identify(
            f"Bearer {estate.things[ACME]['token']}", estate.world.clock.now_ms() / 1_000
        ).scopes

    async def refuse(self, table: dict[str, Row]) -> None:
        """Call as everybody who must be refused, then as the other tenant."""
        before = await dump(self.estate, ACME)
        for row, caller in _cells(table, refused=True):
            await self._call_as(row, caller)
        for name, row in table.items():
            values = self._values(ACME)
            twins = self._values(ACME, row.places, self.estate.twins[ACME])
            headers = self._authorization(row, STRANGER)
            pair = await self._send(row, headers, values), await self._send(row, headers, twins)
            self.seen.callers[name, STRANGER] = pair[0]
            if row.places:
                self.seen.strangers[name] = pair
        self.seen.dumps["refused"] = before, await dump(self.estate, ACME)

    async def try_places(self, table: dict[str, Row]) -> None:
        """Call with another tenant's id, and with nobody's, in each place."""
        before = await dump(self.estate, OTHER)
        for name, row in table.items():
            headers = self._authorization(row, NOBODY if row.scope is None else ADMIN)
            for place in row.places:
                theirs = self.estate.thing(OTHER, place.thing)
                assert theirs != self.estate.thing(ACME, place.thing), f"{name}: {place.label} is the own one"
                foreign = self._values(ACME, [place], {place.thing: theirs})
                unknown = self._values(ACME, [place], self.estate.twins[OTHER])
                pair = await self._send(row, headers, foreign), await self._send(row, headers, unknown)
                self.seen.places[name, place] = pair
        self.seen.dumps["foreign"] = before, await dump(self.estate, OTHER)

    async def admit(self, table: dict[str, Row]) -> None:
        """Call as everybody who may."""
        for row, caller in _cells(table, refused=False):
            await self._call_as(row, caller)

    async def _call_as(self, row: Row, caller: str) -> None:
        values = self._values(SLEEPER if caller == ASLEEP else ACME)
        if caller == SHARED:  # A receipt belongs to who wrote.
            receipts = [place for place in row.places if place.thing == "receipt"]
            values = self._values(ACME, receipts, {"receipt": self.estate.guests_receipt})
        answer = await self._send(row, self._authorization(row, caller), values)
        self.seen.callers[row.name, caller] = answer

    def _values(self, tenant: str, changed: Any = (), to: Any = None) -> Values:
        """Give what fills holes: what the tenant has, and in some places something else."""

        def value(place: Place) -> str:
            return str(to[place.thing]) if place in changed else self.estate.thing(tenant, place.thing)

        return value

    def _authorization(self, row: Row, caller: str) -> dict[str, str]:
        if caller == NOBODY:
            return {}
        if caller == GARBAGE:
            return bearer("garbage")
        if caller == AGENT:
            return bearer(self.estate.agent_token(ACME))
        if caller == EXPIRED:
            return bearer(self.estate.token(ACME, ago_s=1_800))
        scopes = {
            LOWER: tuple(scope for scope in self.every if row.scope not in {scope, ""}),
            DEVICE: DEVICE_SCOPES,
            **dict.fromkeys(
                (STRANGER, SHARED, BOUND), tuple(scope for scope in self.every if scope != PLATFORM)
            ),
        }.get(caller, tuple(self.every))
        tenant = {STRANGER: OTHER, ASLEEP: SLEEPER, SHARED: GUEST}.get(caller, ACME)
        subtenant = "elsewhere" if caller == BOUND else None
        return bearer(self.estate.token(tenant, scopes, subtenant=subtenant))

    async def _send(self, row: Row, headers: dict[str, str], values: Values) -> Answer:
        ids = {place: values(place) for place in row.places}
        request = row.request(ids.__getitem__)
        asked = len(self.catalog.questions)
        answer = await self.http.request(**{**request, "headers": {**request["headers"], **headers}})
        questions = tuple(self.catalog.questions[asked:])
        return Answer(answer.status_code, dict(answer.headers), answer.text, ids, questions)


def _cells(table: dict[str, Row], *, refused: bool) -> list[tuple[Row, str]]:
    return [
        (row, caller)
        for row in table.values()
        for caller in CALLERS
        if caller != STRANGER and row.refuses(caller) == refused
    ]


async def collect(kind: str, folder: Any, server: Any) -> tuple[Seen, Seen]:
    """Send everything in process, and what the bare path serves over a socket, too."""
    async with opened(kind, folder, server) as (catalog, store), opened_audit(kind, folder, server) as audit:
        asked = Asked(catalog)
        async with open_estate(asked, store, audit=audit) as estate:
            inside = Collector(estate, asked, estate.http)
            await inside.refuse(rows())
            await inside.try_places(rows())
            await inside.admit(rows())
            async with served(estate) as http:
                bare = Collector(estate, asked, http)
                inner = estate.door._inner

                async def watched(scope: Any, receive: Any, send: Any) -> None:
                    bare.seen.framework.append(f"{scope['method']} {scope['path']}")
                    await inner(scope, receive, send)

                estate.door._inner = watched
                await bare.refuse(HOT)
                await bare.try_places(HOT)
                await bare.admit(HOT)
            return inside.seen, bare.seen
