"""Inlets as clients of InfluxDB 1 know them: what they ask `/query` before they write."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from api.guard.tenancy import Caller, demand
from api.http.bodies import FORM_TYPES
from api.http.wire import line_refusals
from api.identity.scopes import ASSETS_WRITE, SERIES_READ, require
from api.routes.buckets import new_inlet
from api.routes.line_protocol import Password, UserName
from api.services import Services, Serving
from schemas.errors import Conflict, Malformed
from schemas.ids import TenantId

PATH: Final = "/query"

_TAGS = ["line protocol"]
_SHOWN: Final[dict[str, Any]] = {**require(SERIES_READ), "shown": True}

_SHOW: Final = re.compile(r"\s*SHOW\s+DATABASES\s*+(?:;\s*)?", re.IGNORECASE)
_CREATE: Final = re.compile(
    r'\s*CREATE\s+DATABASE\s+(?:"((?:[^"\\\n]|\\.){1,256})"|([A-Za-z_][A-Za-z0-9_]{0,127}))\s*+(?:;\s*)?',
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"\s*([A-Za-z]+(?:\s+[A-Za-z]+)?)")

Statement = Annotated[
    str, QueryParameter(name="q", description="`SHOW DATABASES` or `CREATE DATABASE name`.")
]


class StatementForm(msgspec.Struct):
    """A statement in a body."""

    q: str


class Table(msgspec.Struct):
    """Rows of one statement."""

    name: str
    columns: list[str]
    values: list[list[str]]


class Result(msgspec.Struct, omit_defaults=True):
    """What came of one statement."""

    statement_id: int | msgspec.UnsetType = msgspec.UNSET
    series: list[Table] | None = None


class Results(msgspec.Struct):
    """What came of a query."""

    results: list[Result]


@get(
    PATH,
    opt=_SHOWN,
    responses=line_refusals(400, 401, 403, 404, 503, old=True),
    operation_id="queryDatabases",
    tags=_TAGS,
)
async def query(
    request: Caller, services: Serving, *, q: Statement = "", u: UserName = "", p: Password = ""
) -> Results:
    """List the tenant's inlets for `SHOW DATABASES`; any other statement is refused by its name."""
    del u, p
    return _shown(services, request.user.tenant, q)


@post(
    PATH,
    status_code=200,
    opt={**_SHOWN, "media": FORM_TYPES, "form": StatementForm},
    responses=line_refusals(400, 401, 403, 404, 408, 413, 415, 503, old=True),
    operation_id="queryDatabasesForm",
    tags=_TAGS,
)
async def query_form(
    request: Caller, services: Serving, *, q: Statement = "", u: UserName = "", p: Password = ""
) -> Results:
    """Answer a statement in a form; `CREATE DATABASE` makes an inlet, or finds that it is there."""
    del u, p
    form = await request.form()
    text = str(form.get("q") or q)
    named = _CREATE.fullmatch(text)
    if named is None:
        return _shown(services, request.user.tenant, text)
    demand(request.user, ASSETS_WRITE)
    name = named[2] or re.sub(r"\\(.)", r"\1", named[1])
    await services.audit.beside(request, "inlet.create", {"inlet": name})
    with suppress(Conflict):  # It is there already.
        await services.lines.inlets.create(request.user.tenant, new_inlet(name))
    return Results([Result(0)])


ROUTES = (query, query_form)


def _shown(services: Services, tenant: TenantId, text: str) -> Results:
    if _SHOW.fullmatch(text) is None:
        raise _refused(text)
    kept = services.lines.inlets.all_of(tenant)
    return Results([Result(0, [Table("databases", ["name"], [[each.value.name] for each in kept])])])


def _refused(text: str) -> Malformed:
    words = _WORDS.match(text)
    name = words[1].upper() if words else "nothing"
    return Malformed(
        f"error parsing query: this door does not know {name}; "
        "it knows SHOW DATABASES, and CREATE DATABASE in a POST"
    )
