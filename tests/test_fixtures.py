"""What a missing server does to a test: a skip on a user's machine, a failure where it is required."""

import pytest

pytest_plugins = ("pytester",)

ASKS = """
    from tests.conftest import need

    def test_asks():
        need("cassandra", "no Java found: install it")
"""


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, {"skipped": 1}),
        ({"CI": "true"}, {"failed": 1}),
        ({"CI": "false"}, {"skipped": 1}),
        ({"REQUIRE": "valkey,cassandra"}, {"failed": 1}),
        ({"REQUIRE": "valkey"}, {"skipped": 1}),
    ],
)
def test_a_missing_server_skips_or_fails(
    environment: dict[str, str],
    outcome: dict[str, int],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing server skips with the reason, and fails under CI=true or when REQUIRE names it."""
    for name in ("CI", "REQUIRE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pytester.makepyfile(ASKS)

    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio", "-rs")

    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*no Java found: install it*"])
