"""A fleet at tiny size: nothing is lost between agents and their assets (wire 5.3, 6.3)."""

from __future__ import annotations

import pytest

from bench import fleet
from bench.ours import Dialect
from tests.e2e.conftest import CREDENTIALS


@pytest.mark.timeout(180)
def test_a_fleet_loses_nothing(service, tmp_path):
    """Agents with secrets and with keys are let in, send, renew their tokens; every sample is stored."""
    plan = fleet.TINY

    found = fleet.measure(Dialect(service.url, CREDENTIALS), plan, tmp_path)

    sent = plan.agents * plan.turns * plan.samples
    assert found.stored == fleet.Stored(sent=sent, right=sent)
    assert found.answers[fleet.UPLOADS].done == plan.agents * plan.turns
    assert found.answers[fleet.TOKENS].statuses == {200: plan.agents}
    assert "no sample lost" in fleet.report(found, plan)
