"""`tenant erase` and `tenant proof` against a stand-in of the service."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.client.fake_service import FakeService, answer

BASE = "/api/aspectstore/v1"


class FakePlatform(FakeService):
    """A stand-in that erases `acme`."""

    def __init__(self):
        super().__init__()
        self.erasure = {
            "id": "e" * 32, "tenant": "acme", "state": "ERASING", "requestedAt": "", "requestedBy": "me",
            "shards": 64, "shardsDone": 3, "before": {"series.deltas": 12}, "left": {},
        }  # fmt: skip
        self.asked = []

    def handle(self, method, target, headers, body):
        """Answer for erasings, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith((f"{BASE}/tenants", f"{BASE}/erasures")):
            return super().handle(method, target, headers, body)
        query = dict(parse_qsl(parts.query))
        self.asked.append((method, parts.path, query))
        if method == "DELETE":
            return answer(202, self.erasure)
        return answer(200, {"erasures": [self.erasure] if query["tenant"] == "acme" else []})


@pytest.fixture
def fake():
    """Give a stand-in."""
    return FakePlatform()


@pytest.fixture
def run(run):
    """Give a function that runs this group of the command."""
    return lambda *words, **more: run("tenant", *words, **more)


def test_a_tenant_is_erased_after_its_name_was_written_twice(run, fake):
    """Asked for where it is not given; the service gets it in the query."""
    result = run("erase", "acme", input="acme\n")

    assert result.exit_code == 0, result.output
    assert [("DELETE", f"{BASE}/tenants/acme", {"confirm": "acme"})] == fake.asked
    assert "acme: ERASING, 3 of 64 shards" in result.output


def test_another_name_erases_nothing(run, fake):
    """The service is not even asked."""
    result = run("erase", "acme", "--confirm", "acne")

    assert (2, []) == (result.exit_code, fake.asked)


@pytest.mark.parametrize(("state", "code"), [("ERASING", 1), ("ERASED", 1), ("PROVED", 0)])
def test_a_proof_tells_place_by_place(run, fake, state, code):
    """What was there and what is left; the exit code says whether it is proved."""
    fake.erasure |= {"state": state, "left": {"series.deltas": 0, "stream.latest": 2}, "receipt": "ab12"}

    result = run("proof", "acme")

    assert code == result.exit_code, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["series.deltas", "12", "0"] in rows
    assert ["stream.latest", "0", "2"] in rows
    assert ["receipt:", "ab12"] in rows


def test_a_proof_as_json(run):
    """Every member, for programs."""
    result = run("proof", "acme", "--format", "json")

    assert {"series.deltas": 12} == json.loads(result.output)["before"]


def test_a_tenant_that_nobody_erases_has_no_proof(run):
    """One line says so."""
    result = run("proof", "other")

    assert 2 == result.exit_code
