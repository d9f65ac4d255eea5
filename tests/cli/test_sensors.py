"""`sensors` and `import replay` against a stand-in: what is sent, and what is said (SM-20, SM-10)."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from cli import import_command
from tests.cli.test_imports import JOB, MAST, OWN, FakeImports
from tests.client.fake_service import answer

SENSOR = {"asset": MAST, "aspect": "logger", "variable": "Spd80mN", "quantity": "wind_speed", "heightM": 80.0}


class FakeSensors(FakeImports):
    """A stand-in with one sensor."""

    def handle(self, method, target, headers, body):
        """Answer for sensors, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith(f"{OWN}/sensors"):
            return super().handle(method, target, headers, body)
        self.sent.append((method, parts.path, parts.query, body))
        return answer(200, {"sensors": [SENSOR, {**SENSOR, "aspect": "other"}]})


@pytest.fixture
def fake(monkeypatch):
    """Make a stand-in; nobody waits."""
    monkeypatch.setattr(import_command, "LOOK_S", 0.0)
    return FakeSensors()


def test_sensors_are_listed_by_what_they_are(run, fake):
    """Options are the words of the service; assets are named by name or id."""
    done = run("sensors", "list", "--quantity", "wind_speed", "--height", "80", "--asset", "mast")

    assert done.exit_code == 0, done.output
    assert {"quantity": "wind_speed", "heightM": "80.0", "asset": MAST} == dict(parse_qsl(fake.sent[-1][2]))
    assert ["Spd80mN", "wind_speed", "80.0"] == done.stdout.splitlines()[1].split()[2:5]


def test_a_document_of_the_data_model_is_sent_whole(run, fake, tmp_path):
    """It says how many sensors the aspect has now; an empty file is a complaint."""
    (tmp_path / "mast.json").write_text('{"measurement_location":[]}')
    (tmp_path / "empty.json").write_text("")
    done = run("sensors", "load", "mast.json", "--asset", MAST, "--aspect", "logger", "--zone", "+01:00")

    assert done.exit_code == 0, done.output
    assert "1 sensors of 1 variables" in done.stdout
    method, path, query, body = fake.sent[-1]
    assert ("POST", f"{OWN}/sensors/{MAST}/iea43", b'{"measurement_location":[]}') == (method, path, body)
    assert {"aspect": "logger", "zone": "+01:00"} == dict(parse_qsl(query))
    assert 2 == run("sensors", "load", "empty.json", "--asset", MAST, "--aspect", "logger").exit_code


def test_a_replay_is_asked_for_and_followed(run, fake):
    """What is refused once more is told; exit code 1 where the job failed."""
    done = run("import", "replay", JOB, "--type", "mended")
    assert done.exit_code == 0, done.output
    asked = [(path, json.loads(body)) for method, path, _, body in fake.sent if method == "POST"]
    assert [(f"{OWN}/imports/{JOB}/replay", {"type": "mended"})] == asked
    assert "refused once more: imports/j/1.csv" in done.stdout
    fake.end = {"state": "failed", "message": "no"}
    assert 1 == run("import", "replay", JOB).exit_code
