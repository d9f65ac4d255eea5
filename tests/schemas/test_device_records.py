"""Payloads of devices, sorted out: a value is stored by its mappings or refused with a reason (wire 6.3)."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from schemas.aspects import AspectType, Variable, VariableType
from schemas.cells import characters_of
from schemas.columns import NO_QUALITY, Texts
from schemas.data_sources import Point, Points
from schemas.device_records import (
    Reason,
    read_samplings,
    refuse_all,
    refused_samplings,
    sort_out,
)
from schemas.device_values import converted
from schemas.diagnosis import Rules
from schemas.errors import Malformed, TooLarge
from schemas.limits import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN
from schemas.mappings import Fault, Route, RoutedAspect, Routes
from schemas.policies import PROFILES
from schemas.quarantine import NAMED_MAX, dropped_values, joined, name_of
from schemas.records import validate_records
from schemas.strict_json import read_double, read_integer
from schemas.times import format_time, parse_time

NOW_MS = 1_767_225_600_000
RULES = Rules(0, NOW_MS + 1_000, None, merging=True)
KINDS = (
    ("t", VariableType.DOUBLE, True), ("n", VariableType.LONG, True), ("l", VariableType.INT, False),
    ("r", VariableType.BOOLEAN, False), ("s", VariableType.STRING, False),
    ("d", VariableType.TIMESTAMP, False),
)  # fmt: skip
TEXTS = {
    VariableType.DOUBLE: ["1.5", "-0.0", "0", "1e3", "7"],
    VariableType.LONG: ["1", "-9", "5.0", str(LONG_MAX)],
    VariableType.INT: ["1", "2147483647", "1e2"], VariableType.BOOLEAN: ["true", "false"],
    VariableType.STRING: ["a", "ü", "😀" * 3], VariableType.TIMESTAMP: ["2026-01-01T00:00:00Z"],
}  # fmt: skip
WRONG = [
    "",
    "x",
    "1,2",
    " 1",
    "0x1",
    "NaN",
    "1e999",
    "1e-999",
    "5.5",
    "99999999999999999999",
    "TRUE",
    "\0",
    "01",
]


def aspect_of(name, kinds=KINDS):
    """Make an aspect type."""
    variables = tuple(
        Variable(name=variable, type=kind, quality_code=coded, id=number)
        for number, (variable, kind, coded) in enumerate(kinds, 1)
    )
    return AspectType(id=f"a.{name}", tenant="a", name=name, category="dynamic", variables=variables)


def routes_of(aspects=1, kinds=KINDS, faults=()):
    """Map a data point of each variable's name into the aspects of so many assets."""
    aspect = aspect_of("w", kinds)
    fed = tuple(RoutedAspect(str(place) * 32, "f" * 32, "w", aspect) for place in range(aspects))
    by_point = {
        variable.name: tuple(Route(place, variable) for place in range(aspects))
        for variable in aspect.variables
    }
    points = {name: Point(name, kind, "") for name, kind, _ in kinds}
    wrong = {name: (Fault("m", "0" * 32, "w", name, ()),) for name in faults}
    return Routes(Points(1, "CF", points), fed, by_point, wrong)


def sampling(time_ms, **values):
    """Write a sampling; (value, code) or a value."""
    written = []
    for name, given in values.items():
        value, code = given if isinstance(given, tuple) else (given, "0")
        written.append({"dataPointId": name, "qualityCode": code, "value": value})
    return {"timestamp": format_time(time_ms), "values": written}


def sorted_out(samplings, routes, rules=RULES):
    """Read a payload and sort it out."""
    return sort_out(read_samplings(json.dumps(samplings).encode()), routes, rules)


def records_of(columns, aspect):
    """Write columns as records, values and codes by name."""
    records = []
    for row, time_ms in enumerate(columns.time_ms.tolist()):
        record = {"_time": time_ms}
        for variable in aspect.variables:
            column = columns.cells.get(variable.id)
            if column is None or (column.present is not None and not column.present[row]):
                continue
            values = column.values
            record[variable.name] = (
                values.to_list()[row] if isinstance(values, Texts) else values.tolist()[row]
            )
            if column.quality is not None and column.quality[row] != NO_QUALITY:
                record[variable.quality_name] = int(column.quality[row])
        records.append(record)
    return records


# -- values ----------------------------------------------------------------------------------------


def meaning_of(variable, text):
    """Say what a text means, by the rules for single values; None where it means nothing."""
    kind = variable.type
    if kind is VariableType.DOUBLE:
        return read_double(text)
    if kind is VariableType.INT:
        return read_integer(text, INT_MIN, INT_MAX)
    if kind is VariableType.LONG:
        return read_integer(text, LONG_MIN, LONG_MAX)
    if kind is VariableType.BOOLEAN:
        return {"true": True, "false": False}.get(text)
    if kind is VariableType.TIMESTAMP:
        try:
            return parse_time(text)
        except Malformed:
            return None
    return text if "\0" not in text and characters_of(text) <= variable.characters_max else None


@pytest.mark.parametrize("variable", aspect_of("w").variables, ids=lambda variable: variable.name)
def test_many_values_convert_as_one_does(variable):
    """Whatever stands beside it, a text has one meaning; those without one are told (design 8.20)."""
    random = np.random.default_rng(5)
    for _ in range(300):
        good = TEXTS[variable.type]
        pool = good if random.integers(0, 2) else [*good, *WRONG]
        texts = [pool[random.integers(0, len(pool))] for _ in range(random.integers(1, 60))]

        found = converted(variable, texts)

        expected = [meaning_of(variable, text) if text else None for text in texts]
        given = [True] * len(texts) if found.given is None else found.given.tolist()
        values = found.values if isinstance(found.values, list) else found.values.tolist()
        faulty = [False] * len(texts) if found.faulty is None else found.faulty.tolist()
        assert given == [value is not None for value in expected]
        assert [value for value, flag in zip(values, given, strict=True) if flag] == [
            value for value in expected if value is not None
        ]
        assert faulty == [bool(text) and value is None for text, value in zip(texts, expected, strict=True)]


# -- sorting out -----------------------------------------------------------------------------------


def test_random_payloads_are_stored_or_refused_value_by_value():
    """Held against a loop over the values: what is in the columns, and the reason of every other one."""
    random = np.random.default_rng(11)
    routes = routes_of(aspects=2, faults=("l",))
    aspect = routes.aspects[0].type
    known = {variable.name: variable for variable in aspect.variables}
    names = [*known, "unknown"]
    for _ in range(200):
        samplings, expected, reasons = [], {}, []
        for _ in range(random.integers(0, 30)):
            time_ms = NOW_MS - int(random.integers(0, 8)) if random.integers(0, 9) else NOW_MS + 5_000
            chosen = [names[random.integers(0, len(names))] for _ in range(random.integers(0, 6))]
            values = {}
            for name in chosen:
                pool = [*TEXTS[known[name].type], *WRONG] if name in known else ["1"]
                values[name] = (
                    pool[random.integers(0, len(pool))],
                    ["0", "64", "x", ""][random.integers(0, 4)],
                )
            samplings.append(sampling(time_ms, **values))
            for name, (text, code) in values.items():
                reasons.append(told(expected, known, time_ms, name, text, code))

        found = sorted_out(samplings, routes)

        assert found.reasons.tolist() == reasons
        wanted = [{"_time": time_ms, **expected[time_ms]} for time_ms in sorted(expected)]
        assert [records_of(share.columns, aspect) for share in found.shares] == (
            [wanted] * 2 if wanted else []
        )
        assert all(share.columns.merges.all() for share in found.shares)


def told(expected, known, time_ms, name, text, code):
    """Note what a value does to the records, and give its reason."""
    if time_ms > RULES.most_ms:
        return Reason.WINDOW
    if name not in known:
        return Reason.NO_MAPPING
    variable = known[name]
    value = meaning_of(variable, text) if text else None
    reason = Reason.VALUE if text and value is None else Reason.STORED
    if variable.quality_code and code == "x" and reason is Reason.STORED:
        value, reason = None, Reason.QUALITY
    if value is not None:
        record = expected.setdefault(time_ms, {})
        record[name] = value
        record.pop(variable.quality_name, None)
        if variable.quality_code and code:
            record[variable.quality_name] = int(code)
    return Reason.INVALID_MAPPING if name == "l" and reason is Reason.STORED else reason


def test_a_device_and_a_put_make_the_same_columns():
    """The same values sent either way are the same rows (wire 1.1, 6.3)."""
    routes = routes_of()
    aspect = routes.aspects[0].type
    values = {"t": "1.5", "n": "7", "l": "-1", "r": "true", "s": "ü", "d": "2026-01-01T00:00:00.000Z"}
    record = {"_time": format_time(NOW_MS), **values, "t_qc": "0", "n_qc": "0"}
    direct, problems = validate_records(
        aspect, json.dumps([record]).encode(), now_ms=NOW_MS, profile=PROFILES["open"]
    )

    (share,) = sorted_out([sampling(NOW_MS, **values)], routes).shares

    assert not problems
    assert records_of(share.columns, aspect) == records_of(direct, aspect)


def test_a_record_beyond_the_byte_rule_is_refused_alone():
    """MS-04: the values of the one time that are too many together, no others."""
    kinds = tuple((f"b{number}", VariableType.BIG_STRING, False) for number in range(3))
    big = {f"b{number}": "x" * 40_000 for number in range(3)}

    found = sorted_out([sampling(NOW_MS, **big), sampling(NOW_MS - 1, b0="y")], routes_of(kinds=kinds))

    assert found.reasons.tolist() == [Reason.SIZE] * 3 + [Reason.STORED]
    assert [share.columns.time_ms.tolist() for share in found.shares] == [[NOW_MS - 1]]


def test_a_payload_out_of_proportion_is_refused():
    """A thousand variables, each at a time of its own, would unfold to what a PUT may not either (S7)."""
    kinds = tuple((f"v{number}", VariableType.DOUBLE, False) for number in range(1_000))
    samplings = [sampling(NOW_MS - number, **{f"v{number % 1_000}": "1"}) for number in range(1_200)]

    with pytest.raises(TooLarge):
        sorted_out(samplings, routes_of(kinds=kinds))


def test_numbers_and_booleans_may_stand_for_themselves():
    """A client that sends values as JSON means what the texts mean."""
    loose = [
        {"timestamp": format_time(NOW_MS), "values": [
            {"dataPointId": "t", "value": 1.5, "qualityCode": 64}, {"dataPointId": "r", "value": True},
            {"dataPointId": "n", "value": 2**53 + 1, "qualityCode": None},
        ]}
    ]  # fmt: skip

    (share,) = sorted_out(loose, routes_of()).shares

    assert records_of(share.columns, aspect_of("w")) == [
        {"_time": NOW_MS, "t": 1.5, "t_qc": 64, "n": 2**53 + 1, "r": True}
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}",
        b"[1]",
        b"[" * 5_000,
        b"\xff",
        b'[{"timestamp":1,"values":[]}]',
        b'[{"timestamp":"x"}]',
        b'[{"timestamp":"\xff","values":[]}]',
        b'[{"timestamp":"x","values":[{"dataPointId":"t","value":null}]}]',
    ],
)
def test_a_payload_that_is_none_is_malformed(payload):
    """What has no samplings is refused whole, with the reason (wire 6.5)."""
    with pytest.raises(Malformed):
        read_samplings(payload)


def test_what_is_refused_is_a_payload_again():
    """Values as they were sent, in their samplings; nothing else (wire 6.5)."""
    samplings = [
        sampling(NOW_MS, t="1", s="x" * 300),
        sampling(NOW_MS - 1, n="2"),
        sampling(NOW_MS, q=("7", "")),
    ]

    found = sorted_out(samplings, routes_of())
    again = json.loads(refused_samplings(found))

    assert again == [sampling(NOW_MS, s="x" * 300), sampling(NOW_MS, q=("7", ""))]
    whole = refuse_all(read_samplings(json.dumps(samplings).encode()), Reason.CONFIGURATION)
    assert (whole.refused, json.loads(refused_samplings(whole))) == (4, samplings)


def test_a_payload_costs_what_its_size_says():
    """10 MB of two hundred thousand data points that nobody knows take seconds, not hours (S7)."""
    samplings = [sampling(NOW_MS - row, **{f"x{row}-{n}": "1" for n in range(5)}) for row in range(30_000)]
    payload = json.dumps(samplings).encode()
    begun = time.process_time()

    found = sort_out(read_samplings(payload), routes_of(), RULES)

    assert (found.refused, found.shares) == (150_000, [])
    assert time.process_time() - begun < 15


# -- reasons ---------------------------------------------------------------------------------------


def test_a_reason_names_data_points_and_has_an_end():
    """The dialect's words; so many ids and no more, harmless characters only (wire 6.5)."""
    names = ["\n\0é" * 4, *(f"x{number}" for number in range(NAMED_MAX + 5))]
    found = sorted_out([sampling(NOW_MS, **dict.fromkeys(names, "1"))], routes_of())

    reason = dropped_values(found)

    assert reason.startswith(
        "<[Dropped] TimeSeries Data is dropped. Validation failed for reason <Pre-processing of <26> data "
        "points ended with <0> valid and <26> dropped data points. Following issues found: "
        "Data point with no mapping count is <26>, including <[\\n\\x00\\xe9"
    )
    assert reason.endswith("x18, ...]>.>>")
    assert reason.isascii()
    assert reason.isprintable()
    assert len(joined([reason] * 9)) == 1_024
    assert joined(["a", "b"]) == "a b"


def test_a_records_name_follows_from_sender_and_content():
    """The same is called the same; anything else, and any other division into parts, otherwise."""
    known = {
        name_of(agent, parts)
        for agent in ("a", "b")
        for parts in ([b"x", b"y"], [b"xy", b""], [b"", b"xy"], [b"x"], [])
    }

    assert len(known) == 10
    assert name_of("a", [b"x", b"y"]) == name_of("a", iter([b"x", b"y"]))
