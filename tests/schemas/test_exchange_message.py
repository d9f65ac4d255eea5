"""Messages of devices are read whole, or refused; no bytes make anything else of them (wire 6.3, S7)."""

from __future__ import annotations

import gc
import resource
import time
from contextlib import suppress

import numpy as np
import pytest

from schemas.errors import Malformed, Refused, TooLarge
from schemas.exchange_message import Tuple, parse_message, write_message
from schemas.limits import EXCHANGE_DETAILS_BYTES_MAX, EXCHANGE_TUPLES_MAX
from tests.schemas.device_messages import NODE_TYPE, c_message, meta, node_message, sampling, series

SAMPLINGS = [sampling("2026-01-01T00:00:00.000Z", dp_t="1.5", dp_n="7")]
C_BODY, C_TYPE = c_message(
    series(SAMPLINGS),
    (meta("file", fileName="a"), "application/octet-stream", bytes(range(256))),
    (meta("acme.custom"), "text/plain", b""),
)
SEEDS = [(node_message(SAMPLINGS), NODE_TYPE), (C_BODY, C_TYPE)]
STRUCTURE = [
    b"\r\n", b"\n", b"\r", b"--", b"--mindspheremessage", b"--mindspherepart", b"--mindspherepart--\n", b":",
    b"Content-Type:multipart/related;boundary=", b"\0", b'"', b"{", b"[" * 50, b"\\", b"\xff", b"\n\n", b";",
    b'boundary="', b"=", b" " * 200, b"--" * 40, b"x" * 300,
]  # fmt: skip
"""What mutations put in: the marks by which a message is taken apart."""


def test_the_node_agents_bytes_are_one_tuple():
    """Bare line feeds, no blank behind colons, one carriage return before the inner end (wire 13.6)."""
    (found,) = parse_message(*SEEDS[0])

    assert (found.type, found.version, found.media) == ("standardTimeSeries", "1.0", "application/json")
    assert found.details == b'{"configurationId":"CF"}'
    assert found.payload.rstrip() == node_message(SAMPLINGS).split(b"\n")[11]


def test_the_c_librarys_bytes_are_several_tuples():
    """Carriage returns, random boundaries, a charset behind the media type; payloads byte for byte."""
    found = parse_message(*SEEDS[1])

    assert [each.type for each in found] == ["standardTimeSeries", "file", "acme.custom"]
    assert [each.media for each in found] == ["application/json", "application/octet-stream", "text/plain"]
    assert [each.payload for each in found[1:]] == [bytes(range(256)), b""]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Type:multipart", b"content-type :  Multipart"),
        (b";boundary=mindspherepart", b'; charset=utf-8 ;  boundary="mindspherepart"'),
        (b"--mindspherepart\n", b"--mindspherepart  \t\r\n"),
        (b"--mindspheremessage\nContent", b"a preamble\n--mindspheremessage\nContent"),
        (b"--mindspheremessage--\n", b"--mindspheremessage--"),
        (b"--mindspheremessage--\n", b"--mindspheremessage--\r\nan epilogue\r\n--mindspheremessage\n"),
        (b'"version":"1.0","details"', b'"details"'),
        (b'{"type":"item","version":"1.0",', b'{"more":[1],'),
        (b"+json\n\n", b"+json\nContent-Length:7\nX:\n\n"),
    ],
)
def test_messages_may_be_written_loosely(old, new):
    """Spacing, order and what is left out make no difference (wire 6.3)."""
    body = node_message(SAMPLINGS)
    assert old in body

    (found,) = parse_message(body.replace(old, new), NODE_TYPE)

    assert found == parse_message(body, NODE_TYPE)[0]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (b"--mindspheremessage--", b"", ""),
        (b"--mindspherepart--", b"", "/0"),
        (b"multipart/related", b"multipart/form-data", "/0"),
        (b";boundary=mindspherepart", b"", "/0"),
        (b"--mindspherepart\nContent-Type:application/json", b"", "/0"),
        (b'"type":"standardTimeSeries"', b'"type":""', "/0/0"),
        (b'"type":"standardTimeSeries"', b'"type":"\\u0000"', "/0/0"),
        (b'"type":"standardTimeSeries"', b'"type":"' + b"x" * 129 + b'"', "/0/0"),
        (b'"details":{"configurationId":"CF"}', b'"details":[]', "/0/0"),
        (b'"details":{"configurationId":"CF"}', b'"details":{"a":"\xff"}', "/0/0"),
        (b'"details":{"configurationId":"CF"}', b'"details":{', "/0/0"),
        (b'"payload":{"type"', b'"payload":[{"type"', "/0/0"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(old, new, place):
    """Malformed, with the tuple and the part of it (design 6)."""
    body = node_message(SAMPLINGS)
    assert old in body

    with pytest.raises(Malformed) as refused:
        parse_message(body.replace(old, new), NODE_TYPE)

    assert refused.value.pointer == place


def test_sizes_are_bounded():
    """Tuples, parts of a tuple and details have their limits (S7)."""
    one = node_message(SAMPLINGS).removesuffix(b"--mindspheremessage--\n")
    many = one * (EXCHANGE_TUPLES_MAX + 1) + b"--mindspheremessage--\n"
    parts = node_message([]).replace(b"\r\n", b"--mindspherepart\nA:b\n\n\n" * 10_000)
    long = c_message((meta("x", a="y" * EXCHANGE_DETAILS_BYTES_MAX), "a/b", b""))

    for body, media in ((many, NODE_TYPE), (parts, NODE_TYPE), long):
        with pytest.raises(TooLarge):
            parse_message(body, media)


def test_ten_thousand_parts_cost_nothing():
    """S7: whatever the message is full of takes below 50 ms of a quiet machine."""
    bodies = [
        b"--mindspheremessage\n" * 10_000,
        b"--mindspheremessage\nA:b\n\n\n" * 10_000,
        b"--mindspheremessage" * 10_000,
        node_message([]).replace(b"\r\n", b"--mindspherepart\n" * 10_000),
        node_message([]).replace(b"\r\n", b"--mindspherepart-" * 10_000),
        node_message([]).replace(b"Content-Type:", b"A:b\n" * 2_000 + b"Content-Type:"),
        node_message([]).replace(b";boundary", b';a="' * 2_000 + b";boundary"),
    ]
    for body in bodies:
        begun = time.process_time()
        with suppress(Refused):
            parse_message(body, NODE_TYPE)
        assert time.process_time() - begun < 0.5


def test_a_message_is_written_so_that_it_is_read_again():
    """What the quarantine keeps is what was refused, whatever bytes that has (wire 6.5)."""
    tuples = [
        Tuple("standardTimeSeries", "1.0", b'{"configurationId":"CF"}', "application/json", b"[]\n\n"),
        Tuple("ü", "", b"{}", "a/b", b"\r\n--b--\r\n"),
        Tuple("custom", "1.0", b'{ "a" : [1.0, 1e300] }', "a/c", b"--tuple-b\r\n\r\n\n"),
    ]

    found = parse_message(write_message(tuples, "0b" * 16), f"multipart/mixed; boundary={'0b' * 16}")

    assert found == tuples


@pytest.mark.parametrize(
    "named", [b"", b"Content-Type:\n", b"Content-Type:a/b\rc\n", b"Content-Type:\xff/x\n"]
)
def test_a_payload_without_a_media_type_is_mere_bytes(named):
    """So a record that is kept is read again as what it was (wire 6.5)."""
    body = node_message([]).replace(b"Content-Type:application/json\n", named)

    (found,) = parse_message(body, NODE_TYPE)

    assert found.media == "application/octet-stream"
    assert parse_message(write_message([found], "b"), "multipart/mixed; boundary=b") == [found]


def mutated(random, body, media):
    """Change a message in one to eight places: bytes, runs, and the marks by which it is taken apart."""
    octets = bytearray(body)
    for _ in range(random.integers(1, 9)):
        at = int(random.integers(0, len(octets) + 1))
        end = min(len(octets), at + int(random.integers(0, 40)))
        kind = random.integers(0, 6)
        if kind == 0:
            octets[at:end] = random.bytes(end - at)
        elif kind == 1:
            del octets[at:end]
        elif kind == 2:
            octets[at:at] = octets[at:end]
        elif kind == 3:
            other = int(random.integers(0, len(octets) + 1))
            octets[at:at] = octets[other : other + 200]
        else:
            octets[at : end if kind == 4 else at] = STRUCTURE[random.integers(0, len(STRUCTURE))]
    if random.integers(0, 20) == 0:
        media = media[: random.integers(0, len(media))]
    return bytes(octets), media


def hammered(count, seed):
    """Read so many mutated messages; gives how many were read, and the longest time of one."""
    random, read, longest_s = np.random.default_rng(seed), 0, 0.0
    for number in range(count):
        body, media = mutated(random, *SEEDS[number % len(SEEDS)])
        begun = time.process_time()
        try:
            found = parse_message(body, media)
        except Refused:
            pass
        else:
            read += 1
            assert sum(len(each.payload) for each in found) <= len(body)
        longest_s = max(longest_s, time.process_time() - begun)
    return read, longest_s


def test_mutated_messages_are_read_or_refused():
    """Ten thousand: nothing but a refusal comes out, and none takes long (S7)."""
    read, longest_s = hammered(10_000, 7)

    assert 500 < read < 9_500
    assert longest_s < 0.25


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_mutated_messages():
    """No exception but a refusal, no hang, and memory stays where it was (S7)."""
    hammered(20_000, 1)
    gc.collect()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    read, longest_s = hammered(1_000_000, 2)

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert 50_000 < read < 950_000
    assert longest_s < 1.0
    assert grown_kib < 8 * 1_024
