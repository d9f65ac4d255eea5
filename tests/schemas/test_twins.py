"""Members that stand twice in what a device sent are found, however they are written (design 8.10)."""

from __future__ import annotations

import pytest

from schemas.device_records import read_samplings
from schemas.errors import Malformed

VALUE = '{"dataPointId":"dp","qualityCode":"0","value":"1"}'

TWINS = {
    "a value": ('"value":"1"', '"value":"1","value":"2"', "/0/values/0/value"),
    "the same value": ('"value":"1"', '"value":"1","value":"1"', "/0/values/0/value"),
    "a data point": ('"dataPointId":"dp"', '"dataPointId":"dp","dataPointId":"x"', "/0/values/0/dataPointId"),
    "a code": ('"qualityCode":"0"', '"qualityCode":"0","qualityCode":null', "/0/values/0/qualityCode"),
    "a time": ('"values"', '"timestamp":"2026-01-01T00:00:01Z","values"', "/0/timestamp"),
    "the values": ('"values"', '"values":[],"values"', "/0/values"),
    "behind an escape": ('"value":"1"', '"value":"1","valu\\u0065":"2"', "/0/values/0/value"),
    "of no meaning": ('"value":"1"', '"value":"1","a\\u0062":1,"ab":2', "/0/values/0/ab"),
}


def text(old="", new=""):
    """Write a payload of two samplings, of which the first is changed."""
    first = f'{{"timestamp":"2026-01-01T00:00:00Z","values":[{VALUE}]}}'
    return f"[{first.replace(old, new, 1)},{first}]".encode()


@pytest.mark.parametrize("case", TWINS)
def test_a_member_that_stands_twice(case):
    """Malformed with its place; without it the same payload is read."""
    old, new, place = TWINS[case]

    with pytest.raises(Malformed) as caught:
        read_samplings(text(old, new))

    assert caught.value.pointer == place
    assert len(read_samplings(text())) == 2


SINGLE = {
    "texts that are names": ('"dp"', '"value"'),
    "a member of the device's own": ('"value":"1"', '"value":"1","own":{"value":1,"values":[{"value":2}]}'),
    "no code": ('"qualityCode":"0",', ""),
    "a code that is null": ('"qualityCode":"0"', '"qualityCode":null'),
    "an escape in a text": ('"dp"', '"d\\u00e9"'),
    "quotes in a text": ('"1"', '"\\"value\\""'),
    "a number": ('"value":"1"', '"value":1'),
}


@pytest.mark.parametrize("case", SINGLE)
def test_what_only_looks_so_is_read(case):
    """A name in a text, in an object of the device's own, or missing: nothing stands twice."""
    found = read_samplings(text(*SINGLE[case]))

    assert [len(each.values) for each in found] == [1, 1]
