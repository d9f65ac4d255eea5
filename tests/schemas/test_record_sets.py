"""The body for several series: its envelope, its counts, and the pairs inside (MS-21, wire 1.3)."""

import json

import pytest

from schemas.errors import TooLarge
from schemas.limits import KB
from schemas.policies import OPEN
from schemas.record_sets import open_record_set
from schemas.records import validate_records
from tests.schemas.samples import ALL, NOW, NOW_MS, rows_of

RECORD = {"_time": NOW, "d": 1}


def pair(data, asset="a" * 32, aspect="All"):
    """Write one pair."""
    return {"entityId": asset, "propertySetName": aspect, "data": data}


def body_of(*pairs) -> bytes:
    """Write a body of these pairs."""
    return json.dumps({"timeseries": pairs}).encode()


def test_opens_pairs_in_order():
    """Pairs come out in the order of the body, with records that validate on their own (MS-21)."""
    pairs, problems = open_record_set(
        body_of(pair([RECORD]), pair([RECORD | {"d": '"'}, {}], "b" * 32, 'Öl "x"'))
    )

    assert problems == []
    assert [(one.asset, one.aspect_name, one.at) for one in pairs] == [
        ("a" * 32, "All", "/timeseries/0/data"),
        ("b" * 32, 'Öl "x"', "/timeseries/1/data"),
    ]
    columns, problems = validate_records(ALL, pairs[0].data, now_ms=NOW_MS, profile=OPEN, at=pairs[0].at)
    assert (rows_of(columns), problems) == ([{"_time": NOW_MS, "d": 1.0}], [])
    columns, problems = validate_records(ALL, pairs[1].data, now_ms=NOW_MS, profile=OPEN, at=pairs[1].at)
    assert [problem.pointer for problem in problems] == [
        "/timeseries/1/data/0/d",
        "/timeseries/1/data/1/_time",
    ]


def test_five_pairs():
    """Five pairs are taken, six and none refused (MS-21)."""
    assert len(open_record_set(body_of(*[pair([RECORD])] * 5))[0]) == 5
    for wrong in ([pair([RECORD])] * 6, []):
        pairs, [problem] = open_record_set(body_of(*wrong))
        assert (pairs, problem.pointer) == ([], "/timeseries")


def test_hundred_records():
    """A hundred records over all pairs are taken, one more is refused (MS-21)."""
    assert len(open_record_set(body_of(pair([RECORD] * 60), pair([RECORD] * 40)))[0]) == 2
    pairs, [problem] = open_record_set(body_of(pair([RECORD] * 60), pair([RECORD] * 41)))
    assert (pairs, problem.code) == ([], "aspectstore.records.tooMany")


def test_hundred_kilobytes():
    """A body of 100 KB is taken, one byte more is too large (MS-21)."""
    body = body_of(pair([RECORD]))
    assert open_record_set(body + b" " * (100 * KB - len(body)))[1] == []
    with pytest.raises(TooLarge, match="100 KB"):
        open_record_set(body + b" " * (100 * KB + 1 - len(body)))


@pytest.mark.parametrize("data", [{}, 5, "x", None])
def test_data_of_another_shape_is_the_problem_of_its_pair(data):
    """What is wrong inside a pair refuses that pair alone (design 8.19)."""
    pairs, problems = open_record_set(body_of(pair([RECORD]), pair(data)))
    assert problems == []
    _, [problem] = validate_records(ALL, pairs[1].data, now_ms=NOW_MS, profile=OPEN, at=pairs[1].at)
    assert problem.pointer == "/timeseries/1/data"


WRONG = {
    b"": "", b"[]": "", b"{}": "/timeseries", b"null": "", b'{"timeseries":{}}': "/timeseries",
    b'{"timeseries":null}': "/timeseries", b'{"timeseries":[5]}': "/timeseries/0",
    b'{"timeseries":[{}]}': "/timeseries/0/data", b'{"timeseries":[],"x":1}': "/x",
    b'{"timeseries":[],"timeseries":[]}': "/timeseries",
    b'{"timeseries":[{"entityId":5,"propertySetName":"a","data":[]}]}': "/timeseries/0/entityId",
    b'{"timeseries":[{"entityId":"a","propertySetName":null,"data":[]}]}': "/timeseries/0/propertySetName",
    b'{"timeseries":[{"entityId":"a","entityId":"b","propertySetName":"a","data":[]}]}':
        "/timeseries/0/entityId",
    b'{"timeseries":[{"entityId":"a","propertySetName":"a","data":[],"data":[1]}]}': "/timeseries/0/data",
    b'{"timeseries":[{"entityId":"a","propertySetName":"a","data":[],"more":[1]}]}': "/timeseries/0/more",
    b'{"timeseries":[{"entityId":"\\ud800","propertySetName":"a","data":[]}]}': "",
    b'{"timeseries":[{"entityId":"\xff","propertySetName":"a","data":[]}]}': "",
    b"\xef\xbb\xbf" + body_of(pair([RECORD])): "", body_of(pair([RECORD])) + b"x": "",
    b'{"timeseries":' + b"[" * 50_000: "",
    b'{"timeseries":[{"entityId":"a","propertySetName":"a","data":'
    + b"[" * 40_000 + b"]" * 40_000 + b"}]}": "",
}  # fmt: skip


@pytest.mark.parametrize(("body", "pointer"), WRONG.items())
def test_wrong_envelopes(body, pointer):
    """What is wrong with the envelope refuses the whole body at the place."""
    pairs, problems = open_record_set(body)
    assert pairs == []
    assert problems[0].pointer == pointer
    json.dumps(problems).encode()
