"""Tenants beside each other, at tiny size: the loud one is told, the others are not (stack.md S14)."""

from pathlib import Path

import pytest

from bench import neighbours
from bench.ours import Aspectstore
from runtime import valkey_server
from tests.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.mark.valkey
def test_the_loud_one_is_told_and_nobody_else(tmp_path: Path) -> None:
    """Who sends ten times his quota gets 429 with Retry-After; whoever keeps to his own meets no error."""
    need("valkey", valkey_server.missing())

    found = neighbours.measure(Aspectstore("sqlite", "everysec"), neighbours.TINY, tmp_path)

    loud, others = found.together[neighbours.LOUD], found.together[neighbours.OTHERS]
    assert set(others.statuses) == {204}
    assert set(loud.statuses) == {204, 429}
    assert found.retry_after
    assert set(found.solo[neighbours.OTHERS].statuses) == {204}
    assert "the loud one is told 429" in neighbours.report(found, neighbours.TINY)
