"""Whatever bytes come to the exchange: stored, kept in the quarantine, or refused; never a 5xx (S7)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.api.devices import configured_device
from tests.api.masts import at
from tests.schemas.device_messages import NODE_TYPE, c_message, meta, node_message, sampling, series
from tests.schemas.test_exchange_message import mutated

SAMPLINGS = [sampling(at(-1), dp_t=("1.5", "0"), dp_n="7"), sampling(at(-2), dp_t="2.5")]
EVENT = {"typeId": "core.basicevent", "timestamp": at(-1), "severity": 20, "description": "warm"}
SEEDS = [
    (node_message(SAMPLINGS), NODE_TYPE),
    c_message(
        series(SAMPLINGS),
        (meta("businessEvent"), "application/json", [EVENT]),
        (meta("file", fileName="a.txt"), "application/octet-stream", b"abc"),
        (meta("dataSourceConfiguration"), "application/json", {"configurationId": "CF", "dataSources": []}),
        (meta("acme.own"), "text/plain", b"x"),
    ),
]
"""One message of time series, one of every kind of payload."""

REFUSALS = {400, 413, 415, 429}


async def hammered(device, count, seed):
    """Send so many mutated messages; gives how often each status was the answer."""
    random, statuses = np.random.default_rng(seed), Counter()
    for number in range(count):
        body, media = mutated(random, *SEEDS[number % len(SEEDS)])
        answer = await device.send(body, media)
        statuses[answer.status_code] += 1
        assert answer.status_code == 200 or answer.json()["message"], answer.text
    return statuses


@pytest.mark.parametrize(("count", "seed"), [(400, 3), pytest.param(40_000, 4, marks=pytest.mark.slow)])
@pytest.mark.timeout(1_800)
async def test_mutated_messages_meet_no_fault_of_the_service(site, count, seed):
    """Parts, samplings, events, files and configurations, all damaged: taken or refused, and told."""
    device = await configured_device(site)
    await device.station.mapped("dp-t", "temperature")

    statuses = await hammered(device, count, seed)

    assert set(statuses) <= {200} | REFUSALS
    assert statuses[200] > count / 20
    assert statuses[400] > count / 20
    assert (await device.sent(*SAMPLINGS[:1])).status_code == 200
