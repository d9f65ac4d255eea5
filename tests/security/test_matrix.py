"""The access matrix: every route, every kind of caller, every place of an id (S1, design 7, 8.15).

All answers over one catalogue and store are collected once; the tests look at them row by row.
"""

import asyncio

import pytest
from litestar import get
from litestar.params import FromPath

from api.app import build_framework
from api.hot import Kind
from api.identity.scopes import PLATFORM, SERIES_READ, require
from schemas.ids import CORE
from tests.security.collecting import HOT, collect
from tests.security.estate import ACME
from tests.security.table import CALLERS, GARBAGE, LOWER, routing_table, rows

_collected = {}


@pytest.fixture(
    scope="module", params=["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]
)
def both(request, tmp_path_factory):
    """Give the answers of the framework and of the bare path, over each catalogue and store."""
    if request.param not in _collected:
        server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
        folder = tmp_path_factory.mktemp("matrix")
        _collected[request.param] = asyncio.run(collect(request.param, folder, server))
    return _collected[request.param]


@pytest.fixture
def seen(both):
    """Give the answers of the framework."""
    return both[0]


@pytest.fixture
def bare(both):
    """Give the answers of the bare path."""
    return both[1]


# -- the table -------------------------------------------------------------------------------------


def test_every_route_has_a_row_and_every_row_a_route():
    """A route that nobody has put into the matrix fails here, and its scope is said twice (design 7)."""
    written = {row.route: row.scope for row in rows().values()}

    assert routing_table(build_framework()) == written


def test_a_route_without_a_row_is_noticed():
    """The comparison above sees every route of the application, however it got there."""

    @get("/api/aspectstore/v1/planted/{asset:str}", opt=require(SERIES_READ), sync_to_thread=False)
    def planted(asset: FromPath[str]) -> None:
        """Do nothing."""

    planted_too = set(routing_table(build_framework([planted]))) - {row.route for row in rows().values()}

    path = "/api/aspectstore/v1/planted/{asset}"
    assert planted_too == {f"GET {path}", f"OPTIONS {path}"}


def test_the_bare_path_serves_nothing_beside_the_table():
    """What goes past the framework is a route of the table and is called both ways."""
    assert {" ".join(kind.route) for kind in Kind} == {row.route for row in HOT.values()}


def test_a_parameter_of_a_path_is_tried_as_an_id():
    """A row whose path has parameters has an id in its path."""
    for row in rows().values():
        assert ("{" in row.route) == any(place.part == "path" for place in row.places), row.name


# -- the answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rows())
def test_each_caller_gets_the_status_of_the_table(seen, name):
    """401, 403, 404 or the answer: who calls decides, exactly as the table says (S1)."""
    row = rows()[name]

    expected = {caller: row.expected(caller) for caller in CALLERS}
    assert expected == {caller: seen.callers[name, caller].status for caller in CALLERS}, {
        caller: seen.callers[name, caller].text[:300] for caller in CALLERS
    }


@pytest.mark.parametrize("name", rows())
def test_another_tenants_id_is_answered_as_an_unknown_one(seen, name):
    """Status, headers and body are the same, in every place where an id can stand (design 8.15, S1)."""
    row = rows()[name]
    for place in row.places:
        foreign, unknown = seen.places[name, place]
        assert foreign.status == row.foreign.get(place.label, 404), (place.label, foreign.text)
        if row.scope == PLATFORM:  # Who manages the tenants sees all of them.
            assert unknown.status == 404, (place.label, unknown.text)
            continue
        assert foreign.plain(place) == unknown.plain(place), place.label
    if row.places:
        theirs, nobodys = seen.strangers[name]
        assert theirs.plain(*row.places) == nobodys.plain(*row.places)


@pytest.mark.parametrize("name", rows())
def test_a_refusal_of_an_id_costs_the_same_for_both(seen, name):
    """The catalogue is asked the same questions, and never about another tenant: no time tells them apart."""
    row = rows()[name]
    for place in row.places:
        foreign, unknown = seen.places[name, place]
        if row.scope is None or foreign.status < 400:
            continue
        assert foreign.questions == unknown.questions, place.label
        asked_of = {tenant for question, tenant in foreign.questions if question != "changes"}
        assert asked_of <= {ACME, CORE}, place.label


@pytest.mark.parametrize("name", HOT)
def test_the_bare_path_admits_and_refuses_alike(bare, name):
    """Requests past the framework obey the same table, for callers and for ids."""
    row = rows()[name]

    assert {caller: row.expected(caller) for caller in CALLERS} == {
        caller: bare.callers[name, caller].status for caller in CALLERS
    }
    for place in row.places:
        foreign, unknown = bare.places[name, place]
        assert foreign.status == row.foreign.get(place.label, 404)
        assert foreign.plain(place) == unknown.plain(place)


def test_the_bare_path_was_taken(bare):
    """None of those requests reached the framework."""
    assert bare.framework == []


def test_who_is_refused_changes_nothing(both):
    """After every refused call the tenant's documents, records, letters and jobs are what they were."""
    for seen in both:
        before, after = seen.dumps["refused"]
        assert before == after


def test_foreign_ids_change_nothing_of_their_owner(both):
    """After calls with its ids in every place another tenant has, byte for byte, what it had."""
    for seen in both:
        before, after = seen.dumps["foreign"]
        assert before == after


# -- what all answers have -------------------------------------------------------------------------


def test_answers_are_for_their_caller_only(both):
    """Nothing between door and client keeps an answer or gives it to somebody else (S3)."""
    for seen in both:
        for answer in seen.answers:
            varies = [name.strip().lower() for name in answer.headers["vary"].split(",")]
            assert "authorization" in varies
            assert answer.headers["cache-control"] == "no-store"


def test_no_answer_sets_a_cookie_opens_an_origin_or_leads_away(both):
    """A browser sends no token by itself, so a foreign page can do nothing in a user's name (S12)."""
    for seen in both:
        for answer in seen.answers:
            assert answer.status == 304 or not 300 <= answer.status < 400
            assert "set-cookie" not in answer.headers
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_refusals_say_no_more_than_they_must(seen):
    """A refusal names its kind, and the scope that lacks; 401 says how to log in (design 6)."""
    for (name, caller), answer in seen.callers.items():
        if rows()[name].scope is None or answer.status not in {401, 403}:
            continue
        assert ("www-authenticate" in answer.headers) == (answer.status == 401)
        if caller == GARBAGE:
            assert "The token does not hold." in answer.text
        if caller == LOWER:
            assert f"The token lacks the scope {rows()[name].scope}." in answer.text


def test_the_table_has_places_of_every_kind():
    """Path, query, header, form and body: a table without one of them would prove little (S1)."""
    places = [place for row in rows().values() for place in row.places]

    assert {"path", "query", "header", "form", "body"} == {place.part for place in places}
