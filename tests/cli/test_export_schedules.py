"""`export schedule`, `schedules`, `unschedule` and `fetch` against a stand-in (SM-31)."""

import json
from urllib.parse import urlsplit

import pytest

from tests.cli.test_exports import ID, OCTETS, FakeExports
from tests.client.fake_service import answer, refusal

SCHEDULES = "/api/aspectstore/v1/exportschedules"


class FakeSchedules(FakeExports):
    """A stand-in that keeps schedules by name."""

    def __init__(self):
        super().__init__()
        self.kept, self.stored, self.run = True, {}, None
        self.matches = []

    def handle(self, method, target, headers, body):
        """Answer for schedules, or as the other stand-in does."""
        path = urlsplit(target).path
        if not path.startswith(SCHEDULES):
            return super().handle(method, target, headers, body)
        name = path.removeprefix(SCHEDULES).strip("/")
        if method == "PUT":
            self.matches.append(headers.get("if-match") or headers.get("if-none-match"))
            self.stored[name] = json.loads(body)
        if not name:
            return answer(200, {"schedules": [self.shown(name) for name in sorted(self.stored)]})
        if name not in self.stored:
            return refusal(404, "notFound", "There is no such schedule.")
        shown = self.shown(name)
        if method == "DELETE":
            self.matches.append(headers["if-match"])
            del self.stored[name]
            return answer(204)
        return answer(200, shown)

    def shown(self, name):
        """Write a schedule."""
        asked = {"at": "00:00", "timezone": "UTC", **self.stored[name]}
        out = {"name": name, "etag": len(self.matches), "owner": "loader", "schedule": asked}
        if not asked.get("paused"):
            out["next"] = "2026-01-02T05:00:00.000Z"
        return out if self.run is None else {**out, "run": self.run}


@pytest.fixture
def fake():
    """Make a stand-in."""
    return FakeSchedules()


def test_a_schedule_is_stored_and_replaced(run, fake):
    """What was not said is left to the service; one of the name is replaced in the version that is there."""
    words = ("export", "schedule", "nightly", "--asset", "mast*", "--every", "1d")
    done = run(*words, "--at", "06:00", "--zone", "Europe/Berlin", "--last", "7d", "--keep", "2", "--bare")
    assert "nightly: next 2026-01-02T05:00:00.000Z\n" == done.stdout
    export = {"assets": ["mast*"], "format": "csv", "layout": "wide", "files": "series", "packing": "file"}
    timing = {"every": "1d", "at": "06:00", "timezone": "Europe/Berlin", "last": "7d"}
    assert {"export": {**export, "name": "nightly"}, **timing, "keep": 2} == fake.stored["nightly"]

    done = run(*words, "--always", "--paused", "--from", "2026-01-01T00:00:00Z")
    assert "nightly: paused\n" == done.stdout
    stored = fake.stored["nightly"]
    assert (True, False) == (stored["paused"], stored["export"]["ifChanged"])
    assert "2026-01-01T00:00:00Z" == stored["export"]["from"]
    assert ["*", '"1"'] == fake.matches


def test_nothing_is_scheduled_by_mistake(run, fake):
    """Who says no asset, or no interval, is asked."""
    assert "--asset" in run("export", "schedule", "nightly", "--every", "1d").output
    assert 2 == run("export", "schedule", "nightly", "--asset", "*").exit_code
    assert 2 == run("export", "schedule", "nightly", "--asset", "*", "--every", "5h").exit_code
    assert {} == fake.stored


def test_schedules_are_listed_and_deleted(run, fake):
    """With what came of each last; a name that nobody has is told."""
    run("export", "schedule", "nightly", "--asset", "*", "--every", "1w", "--on", "friday")
    fake.run = {"due": "2026-01-01T05:00:00.000Z", "reason": "Its owner's account is gone."}
    listed = run("export", "schedules").stdout
    assert ["nightly", "1w", "account is gone."] == [
        word for word in ("nightly", "1w", "account is gone.") if word in listed
    ]
    assert "nightly is made no longer\n" == run("export", "unschedule", "nightly").stdout
    assert "no such schedule" in run("export", "unschedule", "nightly").output
    assert "every" in run("export", "schedules").stdout


def test_the_last_export_is_fetched(run, fake, tmp_path):
    """By the name of its schedule; where there is none, or nothing came of it, that is said."""
    run("export", "schedule", "nightly", "--asset", "*", "--every", "1d")
    assert "nightly has no export yet" in run("export", "fetch", "nightly").output
    fake.run = {"due": "2026-01-01T05:00:00.000Z", "reason": "Its owner's account is gone."}
    assert "account is gone" in run("export", "fetch", "nightly").output
    fake.run = {"due": "2026-01-01T05:00:00.000Z", "job": ID, "state": "done"}
    assert 0 == run("export", "fetch", "nightly", "-o", "out.zip").exit_code
    assert OCTETS == (tmp_path / "out.zip").read_bytes()
    fake.ranges = []
    assert (
        f"out.zip: it is that of the export {ID} already"
        in run("export", "fetch", "nightly", "-o", "out.zip").output
    )
    assert [] == fake.ranges
