"""`share` against a stand-in of the service: what is sent, and what is shown (MS-88)."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from cli.shares import ACTIONS
from schemas.shares import Action
from tests.client.fake_service import FakeService, answer, refusal

SHARES = "/api/aspectstore/v1/shares"
MAST = "0123456789abcdef0123456789abcdef"


def share(number, **more):
    """Make a share as the service writes it."""
    return {
        "id": f"{number:032x}", "giver": "acme", "receiver": {"tenant": "gridco"}, "assets": [MAST],
        "actions": ["records.read"], "subtree": False, "aspects": None, "from": None, "to": None,
        "expires": None, "ended": False, "note": "", "given": "2026-01-01T00:00:00.000Z", "etag": 0,
        "givenBy": "loader", **more,
    }  # fmt: skip


class FakeShares(FakeService):
    """A stand-in with one asset and two shares, given out in pages of one."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self.things["assets"][MAST] = {"assetId": MAST, "name": "mast-1", "typeId": "acme.Mast", "etag": 0}

    def handle(self, method, target, headers, body):
        """Answer for shares, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith(SHARES):
            return super().handle(method, target, headers, body)
        if self.refusals:
            return self.refusals.pop(0)
        query = dict(parse_qsl(parts.query))
        self.sent.append((method, parts.path.removeprefix(SHARES), query, json.loads(body) if body else None))
        if method == "DELETE":
            return answer(204)
        if method == "POST":
            return answer(201, share(1, **json.loads(body)))
        if parts.path != SHARES:
            return answer(200, share(1))
        first = {"shares": [share(1)], "next": "1"}
        return answer(
            200, {"shares": [share(2, ended=True, aspects=["a", "b"])]} if "after" in query else first
        )


@pytest.fixture
def fake():
    """Give a stand-in."""
    return FakeShares()


@pytest.fixture
def run(run):
    """Give a function that runs this group of the command."""
    return lambda *words, **more: run("share", *words, **more)


def test_the_command_knows_every_action():
    """What a share may allow is what the service says that it may."""
    assert ACTIONS == tuple(action.value for action in Action)


def test_a_share_is_given_with_what_was_named_and_nothing_else(run, fake):
    """Assets by id; a role as the shell takes it; what was left out is the service's to say."""
    result = run("add", "--asset", MAST, "--role", "tenant-admin", "--action", "asset.read")

    assert (result.exit_code, result.stderr) == (0, "")
    told = {
        "receiver": {"role": "tenant admin"}, "assets": [MAST], "actions": ["asset.read"],
        "subtree": False, "note": "",
    }  # fmt: skip
    assert [("POST", "", {}, told)] == fake.sent


def test_everything_of_a_share_can_be_said(run, fake):
    """Receiver, window, aspects, end and note go out under their names on the wire."""
    words = ("--asset", MAST, "--subtree", "--tenant", "gridco", "--user", "ann", "--action", "records.read",
             "--action", "events.read", "--aspect", "weather", "--from", "F", "--to", "T", "--expires", "E",
             "--note", "n")  # fmt: skip
    result = run("add", *words, "--format", "json")

    told = {
        "receiver": {"tenant": "gridco", "user": "ann"}, "assets": [MAST], "subtree": True,
        "actions": ["records.read", "events.read"], "aspects": ["weather"], "from": "F", "to": "T",
        "expires": "E", "note": "n",
    }  # fmt: skip
    assert [("POST", "", {}, told)] == fake.sent
    shown = json.loads(result.stdout)
    assert (shown["id"], shown["from"], shown["receiver"]) == (f"{1:032x}", "F", told["receiver"])


def test_an_asset_that_is_not_there_is_said_and_nothing_given(run, fake):
    """Before anything is sent, in a line."""
    result = run("add", "--asset", "f" * 32, "--tenant", "gridco", "--action", "asset.read")

    assert (result.exit_code, "no asset" in result.stderr, fake.sent) == (2, True, [])


def test_lists_of_both_sides_are_walked_to_the_end(run, fake):
    """A line a share, receivers and lists in words; ended ones are marked."""
    given = run("list").stdout.splitlines()
    run("list", "--received")

    assert ["tenant=gridco" in line for line in given] == [False, True, True]
    assert given[2].split()[-1] == "yes"
    assert "a b" in given[2]
    assert [query for _, _, query, _ in fake.sent] == [
        {"side": "given", "limit": "1000"}, {"side": "given", "limit": "1000", "after": "1"},
        {"side": "received", "limit": "1000"}, {"side": "received", "limit": "1000", "after": "1"},
    ]  # fmt: skip


def test_one_is_shown_and_taken_back(run, fake):
    """By its id, whatever stands in it."""
    shown = run("show", "a/b").stdout
    taken = run("remove", "a/b").stdout

    assert "receiver: tenant=gridco" in shown
    assert taken == "a/b is taken back\n"
    assert [(method, path) for method, path, _, _ in fake.sent] == [("GET", "/a%2Fb"), ("DELETE", "/a%2Fb")]


def test_a_refusal_is_one_line(run, fake):
    """The receiver cannot take a share back: the service's words, exit code 2."""
    fake.refusals.append(refusal(403, "mdsp.core.generic.forbidden", "Only its giver takes it back."))

    result = run("remove", "1")

    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
