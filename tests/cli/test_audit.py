"""`audit` against a stand-in of the service: pages, filters, the three forms, and what a terminal is told."""

import csv
import io
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.client.fake_service import FakeService, answer, refusal

LOG = "/api/aspectstore/v1/audit"


def line(number, **more):
    """Make a line as the service writes it."""
    return {
        "time": f"2026-01-01T00:00:{number:02}.000Z", "id": f"{number:04x}", "action": "asset.move",
        "status": 200, "created": "", "tenant": "acme", "subject": "alice", "clientId": "app",
        "tokenId": "t1", "address": "192.0.2.1", "things": {"asset_id": f"{number}"}, "parameters": {},
        "ended": "2026-01-01T00:01:00.000Z", **more,
    }  # fmt: skip


class FakeLog(FakeService):
    """A stand-in that has a log of lines, given out in pages of two."""

    def __init__(self):
        super().__init__()
        self.lines = [line(number) for number in range(5, 0, -1)]
        self.asked = []

    def handle(self, method, target, headers, body):
        """Answer a page of the log, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith((LOG, "/api/aspectstore/v1/platform/audit")):
            return super().handle(method, target, headers, body)
        query = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, query))
        if self.refusals:
            return self.refusals.pop(0)
        begin = int(query.get("cursor", "0"))
        page = self.lines[begin : begin + 2]
        more = {"next": str(begin + 2)} if begin + 2 < len(self.lines) else {}
        return answer(200, {"lines": page, **more})


@pytest.fixture
def fake():
    """Give a stand-in with five lines."""
    return FakeLog()


@pytest.fixture
def run(run):
    """Give a function that runs this group of the command."""
    return lambda *words, **more: run("audit", *words, **more)


def test_a_table_has_a_line_an_act(run):
    """Time, status, action, subject and things; pages are followed to the end."""
    result = run()

    head, *shown = result.stdout.splitlines()
    assert (result.exit_code, head.split()) == (0, ["time", "status", "action", "subject", "things"])
    assert ["2026-01-01T00:00:05.000Z", "200", "asset.move", "alice", "asset_id=5"] == shown[0].split()
    assert len(shown) == 5


def test_filters_are_passed_on(run, fake):
    """What is asked for is asked of the service, and of the platform's log where that is meant."""
    run("--from", "2026-01-01T00:00:00Z", "--action", "asset", "--thing", "5", "--limit", "1")
    run("--platform", "--subject", "alice", "--to", "2026-01-02T00:00:00Z")

    first, second = fake.asked[0], fake.asked[1]
    expected = {"from": "2026-01-01T00:00:00Z", "action": "asset", "thing": "5", "limit": "1"}
    assert (LOG, expected) == first
    assert "/api/aspectstore/v1/platform/audit" == second[0]
    assert {"subject": "alice", "to": "2026-01-02T00:00:00Z"}.items() <= second[1].items()


def test_a_limit_ends_the_walk(run):
    """No more lines than asked for, however many a page has."""
    assert 4 == len(run("--limit", "3").stdout.splitlines())


def test_json_lines_are_what_the_service_said(run, fake):
    """A line each, so that other programs read them."""
    result = run("--format", "jsonl")

    assert fake.lines == [json.loads(text) for text in result.stdout.splitlines()]


def test_csv_holds_no_formula(run, fake):
    """The same rule as in an export: a `'` in front, which is taken away again (S10)."""
    fake.lines = [line(1, subject="=1+1", status=None, ended=None)]

    head, row = csv.reader(io.StringIO(run("--format", "csv").stdout, newline=""))

    shown = dict(zip(head, row, strict=True))
    assert ("'=1+1", "", '{"asset_id":"1"}') == (shown["subject"], shown["status"], shown["things"])


def test_a_terminal_is_told_nothing_by_a_line(run, fake):
    """Control characters of ids are shown as question marks; an unknown outcome is one, too."""
    fake.lines = [line(1, things={"key": "a\x1b[2Jb\nc"}, status=None)]

    shown = run().stdout

    assert "\x1b" not in shown
    assert "key=a?[2Jb?c" in shown
    assert 2 == len(shown.splitlines())
    assert " ? " in shown.splitlines()[1]


def test_a_refusal_is_one_line(run, fake):
    """A missing scope is said in a line, with exit code 2."""
    fake.refusals = [refusal(403, "mdsp.core.generic.forbidden", "The token lacks the scope.")]

    result = run()

    assert (2, 1) == (result.exit_code, len(result.stderr.splitlines()))
