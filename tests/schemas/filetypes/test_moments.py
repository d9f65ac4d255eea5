"""Texts of times are read by the thousand as the library reads them one by one (SM-03, design 8.8)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Texts
from schemas.filetypes.model import FileType
from schemas.filetypes.moments import REASONS, is_format, read_times
from schemas.times import format_time
from schemas.zones import Repeated, Skipped, to_utc, zone_of

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of local times


def told(texts: list[str], *formats: str, **options) -> list[str]:
    """Read texts: each a time or the reason why it is none."""
    times = read_times(Texts.of(texts), FileType(name="x", time_formats=formats, **options))
    return [
        REASONS[reason].split(";")[0] if reason else format_time(time_ms)
        for time_ms, reason in zip(times.time_ms.tolist(), times.reasons.tolist(), strict=True)
    ]


NONE = "is no time of the declared formats"


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S", "2016-01-09 15:30:00", "2016-01-09T15:30:00.000Z"),
        ("%Y-%m-%d %H:%M:%S", "2016-02-30 15:30:00", NONE),
        ("%Y-%m-%d %H:%M:%S", "2016-01-09 15:30:00 ", NONE),
        ("%Y-%m-%d %H:%M:%S", "2016-01-09 24:00:00", NONE),
        ("%Y-%m-%d %H:%M:%S", "2016-01-09 15:30:60", NONE),
        ("%Y-%m-%d %H:%M:%S.%f", "2016-01-09 15:30:00.1239", "2016-01-09T15:30:00.123Z"),
        ("%d/%m/%Y %H:%M:%S%z", "09/01/2016 15:30:00+00:00", "2016-01-09T15:30:00.000Z"),
        ("%d/%m/%Y %H:%M:%S%z", "9/1/2016 5:30:00-0130", "2016-01-09T07:00:00.000Z"),
        ("%d/%m/%Y %H:%M:%S%z", "9/1/2016 5:30:00+25:00", NONE),
        ("%d-%b-%y %I:%M %p", "05-Jan-16 12:30 AM", "2016-01-05T00:30:00.000Z"),
        ("%d-%b-%y %I:%M %p", "05-Jan-69 1:30 pm", "1969-01-05T13:30:00.000Z"),
        ("%d %B %Y", "5 January 2016", "2016-01-05T00:00:00.000Z"),
        ("%Y %j", "2016 366", "2016-12-31T00:00:00.000Z"),
        ("%Y%m%d %H%M", "20151222 930", "2015-12-22T09:30:00.000Z"),
        ("%Y%m%d%H%M%S", "20151222093001", "2015-12-22T09:30:01.000Z"),
        ("iso8601", "2016-01-09", "2016-01-09T00:00:00.000Z"),
        ("iso8601", "2016-01-09T15", "2016-01-09T15:00:00.000Z"),
        ("iso8601", "2016-01-09T15:30+0530", "2016-01-09T10:00:00.000Z"),
        ("iso8601", "2016-01-09 15:30:00,999999-01:00", "2016-01-09T16:30:00.999Z"),
        ("iso8601", "2016-01-09T15:30:00.", NONE),
        ("iso8601", "2016-01-09X15:30:00", NONE),
        ("epoch-s", "1577836800", "2020-01-01T00:00:00.000Z"),
        ("epoch-s", "1577836800.9999", "2020-01-01T00:00:00.999Z"),
        ("epoch-s", "-1.5", "1969-12-31T23:59:58.500Z"),
        ("epoch-ms", "1577836800123", "2020-01-01T00:00:00.123Z"),
        ("epoch-us", "1577836800123456", "2020-01-01T00:00:00.123Z"),
        ("epoch-ns", "1577836800123456789", "2020-01-01T00:00:00.123Z"),
        ("epoch-ms", "12x", NONE),
    ],
)
def test_a_format_reads_what_it_says(form: str, text: str, expected: str) -> None:
    """Each format reads its texts and no others; digits past the millisecond are cut (design 8.21)."""
    assert [expected] == told([text], form, zone="UTC")


def test_formats_are_tried_in_order() -> None:
    """The first format that reads a text wins, row by row."""
    texts = ["02/01/2020", "13/01/2020", "01/13/2020", "2020-01-05"]

    assert ["2020-01-02T00:00:00.000Z", "2020-01-13T00:00:00.000Z", "2020-01-13T00:00:00.000Z", NONE] == told(
        texts, "%d/%m/%Y", "%m/%d/%Y", zone="UTC"
    )


def test_a_time_without_zone_needs_a_declared_one() -> None:
    """A naive time is refused where the file type names no zone; one with a zone is not (design 8.8)."""
    assert ["has no zone", "2020-01-01T00:00:00.000Z"] == told(
        ["2020-01-01 00:00:00", "2020-01-01 00:00:00Z"]
    )
    assert ["2019-12-31T23:00:00.000Z"] == told(["2020-01-01"], zone="+01:00")


@pytest.mark.parametrize(
    ("repeated", "skipped", "expected"),
    [
        (Repeated.REFUSE, Skipped.REFUSE,
         ["is an hour that the clock shows twice", "is an hour that no clock shows"]),
        (Repeated.EARLIER, Skipped.FORWARD, ["2016-10-30T00:30:00.000Z", "2016-03-27T01:30:00.000Z"]),
        (Repeated.LATER, Skipped.FORWARD, ["2016-10-30T01:30:00.000Z", "2016-03-27T01:30:00.000Z"]),
    ],
)  # fmt: skip
def test_repeated_and_skipped_hours_follow_the_rule(
    repeated: Repeated, skipped: Skipped, expected: list[str]
) -> None:
    """02:30 on the days on which clocks are set is what the file type says it is (design 8.8)."""
    texts = ["2016-10-30 02:30:00", "2016-03-27 02:30:00", "2016-10-30 03:00:00", "2016-10-30 01:59:59"]
    others = ["2016-10-30T02:00:00.000Z", "2016-10-29T23:59:59.000Z"]

    found = told(texts, zone="Europe/Berlin", repeated_hour=repeated, skipped_hour=skipped)

    assert expected + others == found


@given(
    st.lists(st.datetimes(EPOCH.replace(year=1971), EPOCH.replace(year=2038)), min_size=1, max_size=50),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
    ),
    st.sampled_from([Repeated.EARLIER, Repeated.LATER]),
)
def test_local_times_are_what_zoneinfo_says(moments: list[datetime], name: str, repeated: Repeated) -> None:
    """For every local time the instant is that of the library, for both meanings of a repeated hour."""
    zone = ZoneInfo(name)
    local = np.array([(moment - EPOCH) // timedelta(milliseconds=1) for moment in moments])
    fold = int(repeated is Repeated.LATER)

    found = to_utc(local, zone, repeated, Skipped.FORWARD).time_ms

    for moment, local_ms, time_ms in zip(moments, local.tolist(), found.tolist(), strict=True):
        kept = EPOCH + timedelta(milliseconds=local_ms)
        aware = kept.replace(tzinfo=zone, fold=fold)
        exists = aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == kept
        # What no clock shows is read by the offset before the change, which is fold 0.
        aware = aware if exists else kept.replace(tzinfo=zone, fold=0)
        assert round(aware.timestamp() * 1000) == time_ms, moment


@given(st.lists(st.datetimes(EPOCH.replace(year=1900), EPOCH.replace(year=2100)), min_size=1, max_size=30))
def test_formatted_times_are_read_back(moments: list[datetime]) -> None:
    """What strftime writes is read back to the millisecond, in formats with and without own steps."""
    expected = [
        moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z" for moment in moments
    ]
    for form in (
        "%Y-%m-%d %H:%M:%S.%f",
        "%d.%m.%Y %H-%M-%S,%f",
        "%d %b %Y %I:%M:%S.%f %p",
        "%a %d %B %Y %H:%M:%S.%f",
    ):
        assert expected == told([moment.strftime(form) for moment in moments], form, zone="UTC"), form


def test_formats_and_zones_are_known_by_name() -> None:
    """A format has directives that strptime knows; a zone is an IANA name or an offset."""
    assert [True, True, True, False, False] == [
        is_format(form) for form in ("iso8601", "epoch-ns", "%d/%m/%y", "%Q", "day")
    ]
    known = [
        zone_of(name) is not None for name in ("Europe/Berlin", "+05:30", "Nowhere/Land", "+25:00", "../x")
    ]
    assert [True, True, False, False, False] == known
