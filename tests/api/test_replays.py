"""A replay adds and writes over nothing, unless it is told that it counts (decision 0049, MS-86)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from api.agents import held
from schemas.errors import StoreUnavailable
from tests.api.devices import RECORDS, configured_device
from tests.api.masts import SECOND, at
from tests.api.stations import configuration
from tests.schemas.device_messages import c_message, meta, sampling

HELD = "Value whose place has another value by now count is <{}>, including <[{}]>"


@pytest.fixture
async def device(site):
    """A configured agent of the open tenant without mappings: all that it sends waits."""
    return await configured_device(site)


async def waiting(device, *samplings):
    """Send what waits, then map it; gives its record."""
    await device.sent(*samplings)
    (record,) = await device.quarantined()
    await device.station.mapped("dp-t", "temperature")
    await device.station.mapped("dp-n", "count")
    return record


async def overwritten(device, record):
    """Replay a record that counts."""
    path = f"{RECORDS}/{record['id']}/replay"
    return await device.mast.send("POST", path, None, {"overwrite": "true"})


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_a_corrected_cell_stays_as_it_is(device, is_sealed):
    """What was written since is spared, whether it is stored or on its way; the rest is added."""
    record = await waiting(device, *(sampling(at(-n), dp_t=f"{n}.5", dp_n=str(n)) for n in (3, 2, 1)))
    await device.mast.wrote([{"_time": at(-2), "temperature": 20.0, "level": 7}])
    if is_sealed:
        await device.site.seal()

    answer = await device.replay(record)

    assert answer.status_code == 200
    assert [(row.get("temperature"), row["count"]) for row in await device.rows()] == [
        (3.5, 3), (20.0, 2), (1.5, 1),
    ]  # fmt: skip
    (rest,) = await device.quarantined()
    assert HELD.format(1, "dp-t") in rest["dropReason"]
    assert rest["correlationId"] == record["correlationId"]


async def test_a_spared_value_counts_when_somebody_says_so(device):
    """`overwrite=true` stores it over the other one, and the record goes."""
    record = await waiting(device, sampling(at(-1), dp_t="1.5"))
    await device.mast.wrote([{"_time": at(-1), "temperature": 20.0}])
    await device.replay(record)
    (rest,) = await device.quarantined()

    again = await device.replay(rest)
    (same,) = await device.quarantined()
    counted = await overwritten(device, rest)

    assert (again.status_code, counted.status_code) == (200, 200)
    assert same["id"] == rest["id"] == record["id"]  # The same values, refused for another reason.
    assert [row["temperature"] for row in await device.rows()] == [1.5]
    assert await device.quarantined() == []


async def test_a_flag_set_by_hand_is_a_correction(device):
    """A cell is value and quality code: the same value under another code is spared, too."""
    record = await waiting(device, sampling(at(-2), dp_t="1.5"), sampling(at(-1), dp_t="2.5"))
    await device.mast.wrote(
        [
            {"_time": at(-2), "temperature": 1.5, "temperature_qc": "0"},
            {"_time": at(-1), "temperature": 2.5, "temperature_qc": "128"},
        ]
    )

    await device.replay(record)

    assert [row["temperature_qc"] for row in await device.rows()] == ["0", "128"]
    assert HELD.format(1, "dp-t") in (await device.quarantined())[0]["dropReason"]


async def test_of_several_values_of_one_time_the_last_is_meant(device):
    """A replay that is repeated finds what it wrote itself, and is done."""
    record = await waiting(device, sampling(at(-1), dp_t="1.5"), sampling(at(-1), dp_t="2.5"))
    await device.mast.wrote([{"_time": at(-1), "temperature": 2.5, "temperature_qc": "0"}])

    await device.replay(record)

    assert await device.quarantined() == []
    assert [row["temperature"] for row in await device.rows()] == [2.5]


async def test_what_one_series_has_does_not_keep_it_from_another(device):
    """A data point that feeds two series is added where there is room, and waits for the other place."""
    record = await waiting(device, sampling(at(-1), dp_t="1.5"))
    await device.station.mapped("dp-t", "temperature", asset=SECOND)
    await device.mast.wrote([{"_time": at(-1), "temperature": 20.0}])

    await device.replay(record)

    assert [row["temperature"] for row in await device.rows()] == [20.0]
    assert [row["temperature"] for row in await device.rows(asset=SECOND)] == [1.5]
    assert len(await device.quarantined()) == 1


async def test_where_a_value_was_deleted_there_is_room(device):
    """An empty cell is filled, whatever was there before."""
    record = await waiting(device, sampling(at(-1), dp_t="1.5"))
    await device.mast.wrote([{"_time": at(-1), "temperature": 20.0}])
    assert (await device.mast.delete(from_=at(-2), to=at(0))).status_code == 204

    await device.replay(record)

    assert [row["temperature"] for row in await device.rows()] == [1.5]
    assert await device.quarantined() == []


async def test_texts_are_compared_as_texts(device):
    """Strings of an aspect are spared as numbers are."""
    await device.station.configured(1, {"dp-s": ("STRING", "")}, name="CF-2")
    await device.sent(*(sampling(at(-n), dp_s=f"s{n}") for n in (3, 2, 1)), configuration="CF-2")
    (record,) = await device.quarantined()
    await device.station.mapped("dp-s", "label")
    await device.mast.wrote([{"_time": at(-3), "label": "s3"}, {"_time": at(-2), "label": "other"}])

    await device.replay(record)

    assert [row["label"] for row in await device.rows()] == ["s3", "other", "s1"]
    assert HELD.format(1, "dp-s") in (await device.quarantined())[0]["dropReason"]


async def test_far_times_are_read_apart(device):
    """What lies between samplings that are days apart is not read, in so many stretches at most."""
    hour = held.GAP_MS
    times = np.arange(200, dtype=np.int64) * 2 * hour
    times[100:] += 50 * hour

    runs = held.runs_of(times)

    assert held.runs_of(times[:1]) == [(0, 0)]
    assert held.runs_of(np.array([0, hour, 2 * hour + 1])) == [(0, hour), (2 * hour + 1, 2 * hour + 1)]
    assert len(runs) == held.RUNS_MAX
    assert (runs[0][0], runs[-1][1]) == (0, int(times[-1]))
    assert any(end == times[99] and begin == times[100] for (_, end), (begin, _) in itertools.pairwise(runs))
    assert all(begin <= end for begin, end in runs)
    inside = sum(((times >= begin) & (times <= end)).sum() for begin, end in runs)
    assert inside == len(times)


# -- what a message changes beside data ------------------------------------------------------------


async def audited(device, action):
    """Give the lines of the audit log for an action: (subject, things)."""
    answer = await device.mast.send("GET", "/api/aspectstore/v1/audit", None, {"action": action})
    return [(line["subject"], line["things"]) for line in answer.json()["lines"]]


async def test_a_configuration_in_a_message_is_written_down(device):
    """It is an act of the agent, as a PUT would be; one that changes nothing is none (design 7)."""
    described = meta("dataSourceConfiguration"), "application/json", configuration(None, "CF-2")
    before = await audited(device, "agent.configure")

    for _ in range(2):
        assert (await device.send(*c_message(described))).status_code == 200

    lines = await audited(device, "agent.configure")
    assert lines[: len(lines) - len(before)] == [(device.agent, {"agent_id": device.agent})]


async def test_a_configuration_that_cannot_be_written_down_is_not_changed(device, monkeypatch):
    """503, and the device sends it again (design 7)."""
    services = device.site.door.services
    working = services.audit.store.append

    async def down(_):
        raise StoreUnavailable("down")

    described = meta("dataSourceConfiguration"), "application/json", configuration(None, "CF-2")
    monkeypatch.setattr(services.audit.store, "append", down)
    failed = await device.send(*c_message(described))
    monkeypatch.setattr(services.audit.store, "append", working)

    assert failed.status_code == 503
    kept = await services.data_sources.get("acme", device.agent)
    assert kept.value.configuration_id == "CF"
