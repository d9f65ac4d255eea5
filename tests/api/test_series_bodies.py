"""Nasty bodies through HTTP, once for each way in which records are read (S6, design 8.10, 8.20, 8.22)."""

from __future__ import annotations

import json

import pytest

from tests.api.masts import MAST, PATH, at, problems

SET = b'{"timeseries":[{"entityId":"%b","propertySetName":"weather","data":%b}]}'
TIME = f'"_time":"{at(0)}"'


def record(members):
    """Write one record with these members as they stand."""
    return f"[{{{TIME},{members}}}]".encode()


NASTY = {
    "not a number": (record('"temperature":NaN'), "", "malformed"),
    "infinity": (record('"temperature":Infinity'), "", "malformed"),
    "a number beyond a double": (record('"temperature":1e400'), "/0/temperature", "outOfRange"),
    "a number beyond the dialect": (record('"temperature":1e126'), "/0/temperature", "outOfRange"),
    "a number that would become zero": (record('"temperature":1e-400'), "/0/temperature", "outOfRange"),
    "a number below the dialect": (record('"temperature":1e-131'), "/0/temperature", "outOfRange"),
    "beyond INT": (record('"level":2147483648'), "/0/level", "outOfRange"),
    "below INT": (record('"level":-2147483649'), "/0/level", "outOfRange"),
    "beyond LONG": (record('"count":9223372036854775808'), "/0/count", "outOfRange"),
    "2^64": (record('"count":18446744073709551616'), "/0/count", "outOfRange"),
    "5,000 digits": (record(f'"count":{"9" * 5_000}'), "/0/count", "outOfRange"),
    "a fraction for INT": (record('"level":5.5'), "/0/level", "outOfRange"),
    "half a surrogate pair": (record('"label":"\\ud800"'), "/0/label", "invalidRequestBodyProperty"),
    "NUL": (record('"label":"a\\u0000"'), "/0/label", "invalidRequestBodyProperty"),
    "twice the same member": (record('"level":1,"level":2'), "/0/level", "duplicateMember"),
    "twice the time": (f"[{{{TIME},{TIME}}}]".encode(), "/0/_time", "duplicateMember"),
    "invalid UTF-8": (record('"label":"x"').replace(b"x", b"\xff"), "", "malformed"),
    "a byte order mark": (b"\xef\xbb\xbf" + record('"level":1'), "", "malformed"),
    "UTF-16": (record('"level":1').decode().encode("utf-16"), "", "malformed"),
    "nesting without end": (b"[" * 100_000, "", "malformed"),
    "nested objects": (b'[{"a":' * 1_500, "", "malformed"),
    "bytes behind the end": (record('"level":1') + b"x", "", "malformed"),
    "two documents": (record('"level":1') * 2, "", "malformed"),
    "a comma too many": (record('"level":1,'), "", "malformed"),
    "nothing": (b"", "", "malformed"),
    "an object": (b"{}", "", "wrongType"),
    "an empty array": (b"[]", "", "invalidRequestBodyProperty"),
    "null": (b"null", "", "wrongType"),
    "a record that is none": (b"[[]]", "/0", "wrongType"),
    "a boolean as number": (record('"running":1'), "/0/running", "wrongType"),
    "a number as boolean": (record('"temperature":true'), "/0/temperature", "wrongType"),
    "text for a number": (record('"temperature":"1,5"'), "/0/temperature", "wrongType"),
    "a blank before a number": (record('"temperature":" 1"'), "/0/temperature", "wrongType"),
    "a number as text": (record('"label":5'), "/0/label", "wrongType"),
    "an object as value": (record('"label":{}'), "/0/label", "wrongType"),
    "a string that is too long": (record(f'"label":"{"é" * 256}"'), "/0/label", "tooLong"),
    "a record that is too large": (
        record(f'"note":"{"x" * 99_999}","label":"{"x" * 255}"'), "/0", "tooLarge"
    ),
    "no time": (b'[{"level":1}]', "/0/_time", "missingRequestBodyProperty"),
    "a time without zone": (b'[{"_time":"2026-01-01T00:00:00"}]', "/0/_time", "invalidTime"),
    "a time with a blank": (b'[{"_time":"2026-01-01 00:00:00Z"}]', "/0/_time", "invalidTime"),
    "a time as number": (b'[{"_time":1767225600000}]', "/0/_time", "invalidTime"),
    "a day that is none": (b'[{"_time":"2025-02-29T00:00:00Z"}]', "/0/_time", "invalidTime"),
    "a code for a variable without": (record('"level":1,"level_qc":1'), "/0/level_qc", "unknownVariable"),
    "a code alone": (record('"temperature_qc":1'), "/0/temperature_qc", "qualityWithoutValue"),
    "a code beyond 32 bits": (
        record('"temperature":1,"temperature_qc":4294967296'), "/0/temperature_qc", "outOfRange"
    ),
    "a member of the object type": (record('"__proto__":1'), "/0/__proto__", "unknownVariable"),
    "a pointer's own signs": (record('"a/b~c":1'), "/0/a~1b~0c", "unknownVariable"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "pointer", "code"), NASTY.values(), ids=NASTY)
async def test_a_nasty_body_is_400_with_its_place(site, body, pointer, code):
    """The bare path (PUT) and the framework's (PATCH) say the same; nothing is stored (S6, design 8.10)."""
    for send in (site.open.put, site.open.patch):
        answer = await send(body)

        assert 400 == answer.status_code, answer.text
        found = problems(answer)
        if send == site.open.patch and "note" in body[:70].decode("latin-1"):
            assert ("/0/note", "notPatchable") in found
        else:
            assert [(pointer, code)] == found
    assert [] == await site.open.rows()


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [NASTY[name] for name in ("beyond INT", "twice the same member", "an empty array", "no time", "NUL")],
)
async def test_a_nasty_pair_of_a_set_has_its_place_in_the_whole_body(site, body, pointer, code):
    """The third reader: the pointer begins where the pair stands (S6, design 8.19)."""
    answer = await site.open.send("PUT", PATH, SET % (MAST.encode(), body))

    assert 202 == answer.status_code
    [error] = answer.json()["errors"]
    assert ("/timeseries/0/data" + pointer, code) == (error["pointer"], error["code"].rpartition(".")[2])


async def test_a_million_empty_objects_stop_at_a_hundred_problems(site):
    """An answer does not outgrow its request (S6, design 8.19)."""
    answer = await site.open.put(b"[" + b",".join([b"{}"] * 349_000) + b"]")

    assert 400 == answer.status_code
    assert [(f"/{n}/_time", "missingRequestBodyProperty") for n in range(100)] == problems(answer)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ('"temperature":-0.0', '"temperature":-0.0'),
        ('"temperature":-0', '"temperature":0.0'),
        ('"temperature":0.1', '"temperature":0.1'),
        ('"temperature":1e-130', '"temperature":1e-130'),
        ('"temperature":9.99e125', '"temperature":9.99e125'),
        ('"temperature":123456789012345678901234567890', '"temperature":1.2345678901234568e29'),
        ('"count":9223372036854775807', '"count":9223372036854775807'),
        ('"count":"-9223372036854775808"', '"count":-9223372036854775808'),
        ('"count":9.223372036854775807e18', '"count":9223372036854775807'),
        ('"level":5.0', '"level":5'),
        ('"level":1e3', '"level":1000'),
        ('"running":"false"', '"running":false'),
        ('"label":"\\u00e9\\ud83d\\ude00\\"\\\\\\/"', '"label":"é😀\\"\\\\/"'),
        ('"label":"_time\\u0022:x"', '"label":"_time\\":x"'),
    ],
)
async def test_what_is_taken_comes_back_exactly(site, members, expected):
    """Round trip through entry, tail, delta and store (S6, design 8.10, 8.20)."""
    await site.open.wrote(record(members))
    fresh = (await site.open.get(to=at(0))).text
    await site.step()
    stored = (await site.open.get(to=at(0))).text

    assert f'[{{"_time":"{at(0)}",{expected}}}]' == fresh == stored


@pytest.mark.parametrize("send", ["PUT", "PATCH", "SET"])
@pytest.mark.parametrize(
    ("media", "status"),
    [
        (None, 204),
        ("", 204),
        ("application/json", 204),
        ("Application/JSON; charset=utf-8", 204),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonl", 415),
    ],
)
async def test_a_missing_media_type_is_json_and_a_wrong_one_is_415(site, send, media, status):
    """The dialect's clients leave it out or send JSON (design 8.22)."""
    body = json.dumps([{"_time": at(0), "level": 1}]).encode()
    path = site.open.path
    if send == "SET":
        body = b'{"timeseries":[{"entityId":"%b","propertySetName":"weather","data":%b}]}' % (
            MAST.encode(),
            body,
        )
        path = PATH
        status = 202 if status == 204 else status
    headers = {} if media is None else {"content-type": media}

    answer = await site.open.send("PUT" if send == "SET" else send, path, body, **headers)

    assert status == answer.status_code
    if status == 415:
        assert [(None, "unsupportedMediaType")] == problems(answer)


@pytest.mark.parametrize("send", ["PUT", "PATCH"])
@pytest.mark.parametrize(("coding", "status"), [("gzip", 400), ("identity", 204), ("br", 415)])
async def test_a_body_is_what_its_coding_says_or_refused(site, send, coding, status):
    """Plain bytes under the name of a coding are never parsed as they are (S9, stack 0.3)."""
    body = json.dumps([{"_time": at(0), "level": 1}]).encode()

    answer = await site.open.send(send, site.open.path, body, content_encoding=coding)

    assert status == answer.status_code
