"""Figures: counted cheaply, published as they are, shown in the text format of Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.metrics import (
    BUCKETS_S,
    DOOR,
    FAMILIES,
    DoorFigures,
    Latency,
    Report,
    Sample,
    decode_report,
    encode_report,
    render,
)
from schemas.errors import Corrupt


def shown(reports):
    """Give every sample of the text as (name, labels) → value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(render(reports).decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status_and_timed_by_route():
    """A histogram and a counter out of one count; the buckets add up to it."""
    figures = DoorFigures()
    for seconds, status in ((0.0004, 204), (0.001, 204), (0.3, 503), (60.0, 204)):
        figures.request("PUT", "/x/{a}", status, seconds)

    found = shown({"door-1": figures.report(0)})

    name = (("method", "PUT"), ("process", "door-1"), ("route", "/x/{a}"))
    assert 3 == found["aspectstore_requests_total", (*name, ("status", "204"))]
    assert 1 == found["aspectstore_requests_total", (*name, ("status", "503"))]
    buckets = {
        dict(labels)["le"]: value
        for (sample, labels), value in found.items()
        if sample == "aspectstore_request_seconds_bucket"
    }
    assert len(BUCKETS_S) + 1 == len(buckets)
    assert (1, 2, 2, 3, 4) == tuple(buckets[end] for end in ("0.0005", "0.001", "0.25", "0.5", "+Inf"))
    assert 4 == found["aspectstore_request_seconds_count", name]
    assert 60.3014 == pytest.approx(found["aspectstore_request_seconds_sum", name])


def test_processes_stand_side_by_side():
    """Counters of several doors are told apart by the name of the process."""
    one, two = DoorFigures(), DoorFigures()
    one.admitted(3, 1_000)
    two.admitted(1, 50)
    two.add("refused_writes", "backlog")
    two.add("refused_writes", "backlog")

    found = shown({"door-1": one.report(0), "door-2": two.report(0)})

    assert 3 == found["aspectstore_admitted_entries_total", (("process", "door-1"),)]
    assert 50 == found["aspectstore_admitted_bytes_total", (("process", "door-2"),)]
    refused = (("process", "door-2"), ("reason", "backlog"))
    assert 2 == found["aspectstore_refused_writes_total", refused]


def test_a_report_survives_its_publication():
    """What is published is what is shown."""
    latency = Latency(("GET", "/health"), tuple(range(len(BUCKETS_S) + 1)), 1.5)
    report = Report(DOOR, 5, (Sample("tokens", ("password", "200"), 2.0),), (latency,))

    assert report == decode_report(encode_report(report))
    with pytest.raises(Corrupt):
        decode_report(b'{"kind":7}')


def test_figures_of_another_release_are_left_out():
    """An unknown name, or one with other labels, does not break the answer for all others."""
    strange = Report(DOOR, 0, (Sample("new_thing", (), 1), Sample("tokens", ("password",), 1)))

    found = shown({"door-1": strange, "door-2": Report(DOOR, 0, (Sample("tokens", ("x", "200"), 1),))})

    assert [("aspectstore_tokens_total", (("grant", "x"), ("process", "door-2"), ("status", "200")))] == list(
        found
    )


def test_no_label_is_of_a_tenants_making():
    """Labels are method, route, status, reason, grant and part: their number is bounded."""
    labels = {label for family in FAMILIES.values() for label in family.labels}

    assert {"method", "route", "status", "reason", "grant", "part", "outcome", "tenant", "rule"} == labels
