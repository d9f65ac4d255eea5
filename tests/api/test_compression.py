"""Compressed bodies of requests: read like plain ones, and never beyond the route's limit (TB-80)."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
import zstandard

from api.http.bodies import demand_media
from api.http.compression import EXPANDED_BYTES_ALWAYS, EXPANSION_MAX, PARTS_MAX, coding_of, expand
from api.http.negotiation import Coding
from schemas.errors import Malformed, TooLarge, UnsupportedMedia
from tests.api.doors import basic
from tests.api.masts import at, problems

MB = 1_048_576


def _stream(body):
    """Compress to a frame that does not say how long its content is."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(body) + compressor.flush()


CODINGS = {"gzip": gzip.compress, "zstd": zstandard.compress, "zstd without a size": _stream}
CODING = {name: Coding.GZIP if name == "gzip" else Coding.ZSTD for name in CODINGS}
TEXT = json.dumps([{"_time": at(number), "level": number} for number in range(500)]).encode()


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_is_what_it_was(name):
    """One member or frame, several, an empty one between them."""
    whole, coding = CODINGS[name](TEXT), CODING[name]

    assert TEXT == expand(whole, coding, MB)
    assert TEXT + TEXT == expand(whole + CODINGS[name](b"") + whole, coding, MB)
    assert TEXT == expand(TEXT, Coding.IDENTITY, 1)
    assert b"" == expand(b"", coding, MB)
    assert TEXT == expand(whole, coding, len(TEXT))


@pytest.mark.parametrize("name", CODINGS)
def test_what_is_cut_off_or_broken_is_malformed(name):
    """At any byte, in the first or a later member, and with something behind the end."""
    whole, coding = CODINGS[name](TEXT), CODING[name]
    wrong = [whole[:size] for size in range(1, len(whole), 97)]
    wrong += [whole + whole[:9], whole + b"x", b"x" * 40, TEXT]
    if coding is Coding.GZIP:  # A frame of zstd has a checksum only if its maker wished.
        wrong.append(whole[:200] + bytes([whole[200] ^ 0xFF]) + whole[201:])

    for body in wrong:
        with pytest.raises(Malformed):
            expand(body, coding, MB)


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_beyond_the_limit_is_too_large(name):
    """The limit holds after decompression, by one byte."""
    with pytest.raises(TooLarge):
        expand(CODINGS[name](TEXT), CODING[name], len(TEXT) - 1)


@pytest.mark.parametrize("name", CODINGS)
def test_a_bomb_is_refused_at_its_ratio(name):
    """More than so many times its size is no record, long before the route's limit."""
    bomb = CODINGS[name](bytes(50 * MB))

    with pytest.raises(TooLarge if EXPANSION_MAX * len(bomb) > MB else Malformed):
        expand(bomb, CODING[name], MB)
    with pytest.raises(Malformed, match=f"{EXPANSION_MAX} times"):
        expand(CODINGS[name](bytes(9 * MB)), CODING[name], 10 * MB)
    small = bytes(EXPANDED_BYTES_ALWAYS)
    assert small == expand(CODINGS[name](small), CODING[name], MB)


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_has_few_parts(name):
    """A megabyte of empty members would hold up everybody for seconds: each is followed by all others."""
    empty, whole = CODINGS[name](b""), CODINGS[name](TEXT)

    assert TEXT == expand(empty * (PARTS_MAX - 1) + whole, CODING[name], MB)
    with pytest.raises(Malformed, match=f"{PARTS_MAX} parts"):
        expand(empty * PARTS_MAX + whole, CODING[name], MB)


def test_a_frame_that_wants_much_memory_is_malformed():
    """A zstd window beyond 8 MB is not opened (RFC 8878)."""
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = compressor.compress(TEXT) + compressor.flush()

    with pytest.raises(Malformed):
        expand(body, Coding.ZSTD, MB)


@pytest.mark.parametrize("text", ["br", "deflate", "compress", "gzip, gzip", "gzip;q=1", "aws-chunked"])
def test_other_codings_are_not_read(text):
    """415, also for several codings at once."""
    with pytest.raises(UnsupportedMedia):
        coding_of(text)


def test_codings_are_named_in_any_case():
    """`x-gzip` is gzip (RFC 9110, 8.4.1.3); nothing said is identity."""
    expected = [Coding.GZIP, Coding.GZIP, Coding.ZSTD, Coding.IDENTITY, Coding.IDENTITY]

    assert expected == [coding_of(text) for text in ("GZip", " x-gzip ", "ZSTD", "identity", "")]


def test_only_where_a_body_may_be_compressed():
    """A way in that does not decompress refuses what is compressed."""
    assert Coding.GZIP is demand_media("", "gzip", compressed=True)
    assert Coding.IDENTITY is demand_media("application/json", "identity")
    with pytest.raises(UnsupportedMedia):
        demand_media("", "gzip")


# -- at the door -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODINGS)
async def test_records_come_compressed(site, name):
    """PATCH and multi PUT read what they would read plain, with the same problems."""
    coding = CODING[name].value
    body = json.dumps([{"_time": at(0), "level": 1}]).encode()
    pair = {"entityId": site.open.asset, "propertySetName": "weather", "data": [{"_time": at(1), "level": 2}]}

    patched = await site.open.patch(CODINGS[name](body), content_encoding=coding)
    put = await site.open.send(
        "PUT", site.open.path.rpartition("/")[0].rpartition("/")[0],
        CODINGS[name](json.dumps({"timeseries": [pair]}).encode()), content_encoding=coding,
    )  # fmt: skip
    refused = await site.open.patch(CODINGS[name](b'[{"_time":"x"}]'), content_encoding=coding)

    assert [204, 202, 400] == [patched.status_code, put.status_code, refused.status_code]
    assert [1, 2] == [each["level"] for each in await site.open.rows()]
    assert [("/0/_time", "invalidTime")] == problems(refused)


async def test_wrong_compressed_bodies_change_nothing(site):
    """400 for a broken one, 413 beyond the limit, 415 for a coding that is not read and for forms."""
    large = gzip.compress(TEXT * 30)
    cases = [
        (TEXT, "gzip", 400),
        (gzip.compress(TEXT)[:-1], "gzip", 400),
        (zlib.compress(TEXT), "deflate", 415),
        (TEXT, "br", 415),
        (large, "gzip", 413),
        (gzip.compress(bytes(MB)), "gzip", 400),
        (gzip.compress(bytes(50 * MB)), "gzip", 413),
    ]
    statuses = [
        (await site.open.patch(body, content_encoding=coding)).status_code for body, coding, _ in cases
    ]
    form = await site.http.post(
        "/oauth/token",
        content=gzip.compress(b"grant_type=client_credentials"),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "content-encoding": "gzip",
            **basic("acme-tech", "s3cret"),
        },
    )

    assert [expected for _, _, expected in cases] == statuses
    assert 415 == form.status_code
    assert [] == await site.open.rows()


async def test_typed_bodies_come_compressed(site):
    """Any JSON body, whoever decodes it."""
    body = gzip.compress(json.dumps({"aspects": ["weather"]}).encode())

    answer = await site.open.send("POST", "/api/aspectstore/v1/query", body, content_encoding="gzip")

    assert 200 == answer.status_code
    assert 2 == len(answer.json()["series"])
