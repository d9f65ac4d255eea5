"""`export` and `exports` against a stand-in: what is asked, fetched, checked, said (SM-30)."""

import hashlib
import json
from urllib.parse import urlsplit

import pytest

from cli import export_command
from tests.client.fake_service import FakeService, answer

EXPORTS = "/api/aspectstore/v1/exports"
ID = "01234567-89ab-cdef-0123-456789abcdef"
OCTETS = bytes(range(256)) * 40


class FakeExports(FakeService):
    """A stand-in whose exports end at the second look."""

    def __init__(self):
        super().__init__()
        self.asked, self.ranges, self.looks = [], [], 0
        self.octets, self.end, self.kept, self.same = OCTETS, "done", True, ""

    def export(self):
        """Write the export."""
        self.looks += 1
        ended = self.looks > 2
        job = {
            "id": ID, "kind": "export", "state": self.end if ended else "running",
            "submitted": "2026-01-01T00:00:00.000Z", "progress": {"rows": 5, "bytes": 10, "bytesAll": 20},
            "counts": {"rows": 5, "files": 1}, "sameAs": self.same,
            "message": "" if self.end == "done" else "It was too much.",
        }  # fmt: skip
        download = {
            "name": "export.zip", "type": "application/zip", "size": len(OCTETS),
            "sha256": hashlib.sha256(OCTETS).hexdigest(), "until": "2026-01-08T00:00:00.000Z",
        }  # fmt: skip
        return {"job": job, **({"download": download} if ended and self.kept else {})}

    def handle(self, method, target, headers, body):
        """Answer for exports, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith(EXPORTS):
            return super().handle(method, target, headers, body)
        if self.refusals:
            return self.refusals.pop(0)
        if method == "POST":
            self.asked.append(json.loads(body))
        if parts.path.endswith("/content"):
            first, last = headers["range"].removeprefix("bytes=").split("-")
            self.ranges.append((int(first), int(last)))
            return (206, {"content-type": "application/zip"}, self.octets[int(first) : int(last) + 1])
        if parts.path == EXPORTS and method == "GET":
            self.looks = 9
            return answer(200, {"exports": [self.export()]})
        return answer(201 if method == "POST" else 200, self.export())


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Make a stand-in; nobody waits, and parts are small."""
    monkeypatch.setattr(export_command, "LOOK_S", 0.0)
    monkeypatch.setattr(export_command, "PART_BYTES", 4_000)
    monkeypatch.chdir(tmp_path)
    return FakeExports()


def test_an_export_is_asked_for_fetched_and_checked(run, fake, tmp_path):
    """In parts; what was not said is left to the service."""
    done = run("export", "--asset", "mast*", "--quantity", "wind_speed", "--height", "80", "--bare")
    assert "export.zip: 5 rows in 1 files, 10,240 bytes, sha256" in done.stdout
    assert fake.octets == (tmp_path / "export.zip").read_bytes()
    assert [(0, 3_999), (4_000, 7_999), (8_000, 10_239)] == fake.ranges
    asked = {"assets": ["mast*"], "sensors": {"quantity": "wind_speed", "heightM": 80.0}, "packing": "file"}
    assert [{**asked, "format": "csv", "layout": "wide", "files": "series"}] == fake.asked
    assert ["export.zip"] == [each.name for each in tmp_path.iterdir()]


def test_aggregates_are_asked_for_by_an_interval(run, fake):
    """A count and a unit; the average where no function is named; no function without an interval (SM-31)."""
    run("export", "--asset", "mast", "--interval", "10minute", "--function", "minvalue", "--function", "sd")
    run("export", "--asset", "mast", "--interval", "month")
    asked = [each["aggregate"] for each in fake.asked]
    ten = {"unit": "minute", "value": 10, "functions": ["minvalue", "sd"]}
    assert [ten, {"unit": "month", "value": 1, "functions": ["average"]}] == asked
    for words in (["--interval", "10parsec"], ["--function", "sd"]):
        refused = run("export", "--asset", "mast", *words)
        assert refused.exit_code != 0
        assert "--interval" in refused.stdout + refused.stderr


def test_a_fetch_goes_on_where_it_ended(run, fake, tmp_path):
    """With --resume; nothing new is asked for."""
    digest = hashlib.sha256(OCTETS).hexdigest()
    (tmp_path / f"out.zip.{digest[:16]}.part").write_bytes(OCTETS[:6_000])
    run("export", "--resume", ID, "-o", "out.zip")
    assert ([], [(6_000, 9_999), (10_000, 10_239)]) == (fake.asked, fake.ranges)
    assert OCTETS == (tmp_path / "out.zip").read_bytes()


def test_what_came_damaged_is_not_kept(run, fake, tmp_path):
    """The checksum is held against what the service says."""
    fake.octets = bytes(len(OCTETS))
    done = run("export", "--asset", "*")
    assert f"came damaged; fetch it once more with --resume {ID}" in done.output
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("end", "kept", "said"), [("failed", False, "It was too much."), ("done", False, "not kept")]
)
def test_an_export_that_came_to_nothing_is_a_failure(run, fake, end, kept, said):
    """Exit code 1, and the reason."""
    fake.end, fake.kept = end, kept
    done = run("export", "--asset", "*")
    assert 1 == done.exit_code
    assert said in done.stdout


def test_exports_are_listed_and_nothing_is_exported_by_mistake(run, fake):
    """Who says no asset is asked."""
    assert ID in run("exports").stdout
    assert "--asset" in run("export").output
    assert [] == fake.asked


def test_what_has_not_changed_and_is_there_is_not_fetched_again(run, fake, tmp_path):
    """For timers: asked for with --if-changed, and looked at before anything is fetched (SM-31)."""
    words = ("export", "--asset", "*", "--if-changed")
    run(*words)
    fake.same, fake.looks, fake.ranges = "0" * 8, 0, []
    assert 0 == run(*words).exit_code
    assert [] == fake.ranges
    assert [True, True] == [asked["ifChanged"] for asked in fake.asked]
    (tmp_path / "export.zip").write_bytes(b"")
    fake.looks = 0
    run(*words)
    assert OCTETS == (tmp_path / "export.zip").read_bytes()
