"""`import`, `imports` and `types` against a stand-in: what is sent, and what is said (SM-03)."""

import gzip
import json
from urllib.parse import urlsplit

import pytest

from cli import import_command
from tests.client.fake_service import FakeService, answer, refusal

MAST = "0123456789abcdef0123456789abcdef"
OWN = "/api/aspectstore/v1"
JOB = "01234567-89ab-cdef-0123-456789abcdef"
COUNTS = {"rows": 3, "stored": 1, "duplicates": 1, "refused": 1, "series": 1, "cells": 2}


class FakeImports(FakeService):
    """A stand-in with one asset, whose jobs end at the second look."""

    def __init__(self):
        super().__init__()
        self.sent, self.end = [], {"state": "done", "counts": COUNTS, "reports": ["imports/j/1.csv"]}
        self.things["assets"][MAST] = {"assetId": MAST, "name": "mast", "typeId": "acme.Mast", "etag": 0}

    def job(self, **more):
        """Write a job."""
        progress = {"rows": 3, "bytes": 20, "bytesAll": 20}
        told = {"id": JOB, "kind": "import", "state": "running", "submitted": "2026-01-01T00:00:00.000Z"}
        return answer(200, {**told, "progress": progress, **more})

    def handle(self, method, target, headers, body):
        """Answer for files, imports and jobs, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith((OWN, "/api/iotfile")):
            return super().handle(method, target, headers, body)
        if self.refusals:
            return self.refusals.pop(0)
        self.sent.append((method, parts.path, parts.query, body))
        if method == "PUT":
            return answer(201)
        if parts.path == f"{OWN}/jobs":
            return answer(200, {"jobs": [json.loads(self.job(**self.end)[2])]})
        if parts.path == f"{OWN}/filetypes/t":
            return answer(200, {"name": "t", "aspect": "tracking"})
        if parts.path == f"{OWN}/filetypes/preview":
            return answer(200, {
                "columns": [{"name": "t", "use": "time"}, {"name": "a", "use": "value", "unit": "m/s"}],
                "rows": [["2020", "1"]], "refused": [[3, "a", "is no number", "x"]], "rowsRead": 1,
                "refusedCount": 1, "problem": "",
            })  # fmt: skip
        return self.job(**(self.end if parts.path.endswith(JOB) else {}))


@pytest.fixture
def fake(monkeypatch):
    """Make a stand-in; nobody waits."""
    monkeypatch.setattr(import_command, "LOOK_S", 0.0)
    return FakeImports()


def test_an_asset_is_made_for_a_file(run, fake, tmp_path):
    """With an aspect that has nothing yet and is extended; one that is there stays as it is (SM-03)."""
    (tmp_path / "a.csv").write_text("t,a\n2020,1\n")
    refused = run("import", "a.csv", "--type", "t", "--asset", "tower")
    made = run("import", "a.csv", "--type", "t", "--asset", "tower", "--create")
    run("import", "a.csv", "--type", "t", "--asset", "tower", "--create")

    assert "there is no asset tower" in refused.stdout + refused.stderr
    assert 0 == made.exit_code, made.stdout + made.stderr
    [asset_type] = fake.things["assettypes"].values()
    assert ["tracking"] == [each["name"] for each in asset_type["aspects"]]
    [tower] = [each for each in fake.things["assets"].values() if "tower" == each["name"]]
    asked = [json.loads(body) for method, path, _, body in fake.sent if path == f"{OWN}/imports"]
    assert [tower["assetId"]] * 2 == [each["entity"] for each in asked]
    assert ["extend", None] == [each.get("newColumns") for each in asked]


def test_a_file_is_sent_imported_and_followed(run, fake, tmp_path):
    """The file goes among those of the asset under a path that says what it holds; counts are told."""
    (tmp_path / "a.csv").write_text("t,a\n1,2\n")
    done = run("import", "a.csv", "--type", "tower", "--asset", "mast", "--new-columns", "extend")

    assert done.exit_code == 0, done.output
    assert "3 rows: 1 stored, 1 duplicates, 1 refused; 2 cells" in done.stdout
    assert f"imports/j/1.csv among the files of asset {MAST}" in done.stdout
    put, asked, *looks = fake.sent
    assert ("PUT", b"t,a\n1,2\n") == (put[0], put[3])
    path = put[1].partition(f"{MAST}/")[2]
    assert {
        "entity": MAST, "files": [path], "type": "tower", "aspect": "", "again": False,
        "newColumns": "extend",
    } == json.loads(asked[3])  # fmt: skip
    assert [f"{OWN}/jobs/{JOB}"] == [look[1] for look in looks]


def test_a_large_file_goes_in_parts(run, fake, tmp_path, monkeypatch):
    """Begun, sent part by part, completed with the last one."""
    monkeypatch.setattr(import_command, "PART_BYTES", 4)
    (tmp_path / "a.csv").write_bytes(b"0123456789")
    assert run("import", "a.csv", "--type", "tower", "--asset", "mast").exit_code == 0
    sent = [(query, body) for method, _, query, body in fake.sent if method == "PUT"]
    assert [
        ("upload=start", b""), ("part=1", b"0123"), ("part=2", b"4567"), ("upload=complete", b"89"),
    ] == sent  # fmt: skip


def test_a_failed_job_is_told_with_its_reasons(run, fake, tmp_path):
    """Exit code 1, and every reason."""
    (tmp_path / "a.csv").write_text("t\n")
    reasons = [{"pointer": "/files/0", "message": word} for word in ("one", "two")]
    fake.end = {"state": "failed", "message": "Nothing was imported: one", "reasons": reasons}
    done = run("import", "a.csv", "--type", "tower", "--asset", "mast")
    assert (1, True, True) == (
        done.exit_code,
        "Nothing was imported: one" in done.stdout,
        "two" in done.stdout,
    )


def test_imports_are_listed_and_undone(run, fake):
    """A line each; an undo names its job."""
    assert JOB in run("imports").stdout
    assert run("import", "undo", JOB).exit_code == 0
    assert ("POST", f"{OWN}/jobs/{JOB}/undo") == fake.sent[-1][:2]
    fake.refusals.append(refusal(409, "conflict", "too late"))
    assert 2 == run("import", "undo", JOB).exit_code


def test_a_preview_sends_the_beginning_and_tells_what_becomes_of_it(run, fake, tmp_path):
    """Packed files are unpacked; a declared type goes along whole."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"t,a\n2020,1\n"))
    (tmp_path / "x.toml").write_text('name = "x"\ntimeColumns = ["t"]\n')
    seen = run("types", "preview", "a.csv.gz", "--declared", "x.toml")
    assert seen.exit_code == 0, seen.output
    assert {"text": "t,a\n2020,1\n", "fileType": {"name": "x", "timeColumns": ["t"]}} == json.loads(
        fake.sent[-1][3]
    )
    assert [
        "t  time",
        "a  value  m/s",
        "2020  1",
        "line 3: a: is no number: x",
        "1 rows read, 1 refused",
    ] == (seen.stdout.splitlines())
    assert 2 == run("types", "preview", "a.csv.gz").exit_code


def test_a_declared_type_is_stored_and_a_bad_one_is_a_complaint(run, fake, tmp_path):
    """TOML or JSON; what is neither is named."""
    (tmp_path / "x.json").write_text('{"name": "x"}')
    (tmp_path / "bad.toml").write_text("name = ")
    assert run("types", "add", "x.json").exit_code == 0
    assert {"name": "x"} == json.loads(fake.sent[-1][3])
    assert 2 == run("types", "add", "bad.toml").exit_code
