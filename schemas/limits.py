"""Every number that bounds something on the way in or out, each with its reason; nothing else lives here.

Two kinds: constants that hold for everyone, and `Profile`, the policy of a tenant (design 7).
Units stand last in the names. Relations between the numbers are asserted at import.
"""

from __future__ import annotations

import msgspec

from schemas.retention import KEEP_ALL, Rule

KB = 1024
"""The dialect's "KB" is read as 1,024 bytes (design 7)."""
MB = 1024 * KB

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
YEAR_MS = 366 * DAY_MS
"""The longest year: a year back from any day is inside it."""

# Bodies. Each is refused before it is parsed, so the parser's work is bounded.
PUT_BODY_BYTES_MAX = MB  # MS-22
MULTI_PUT_BODY_BYTES_MAX = 100 * KB  # MS-21
MULTI_PUT_PAIRS_MAX = 5  # MS-21
MULTI_PUT_RECORDS_MAX = 100  # MS-21
PATCH_BODY_BYTES_MAX = 600 * KB  # wire 1.4
PATCH_RECORDS_MAX = 10  # wire 1.4
EXCHANGE_BODY_BYTES_MAX = 10 * MB  # MS-86
QUERY_BODY_BYTES_MAX = 256 * KB
"""A thousand asset ids, a thousand aspect names and a thousand variables are less."""

BODY_CELLS_MAX = 1_000_000
"""Records times members of the aspect (variables and their codes). Columns have room for each of them, so
a megabyte of records with one of a thousand variables each would unfold to 500 MB and take half a minute;
this many take about 20 MB and less than a second, and every full megabyte for up to 30 members is inside."""

PROBLEMS_LISTED_MAX = 100
"""Enough to mend a batch in one go; an answer must not outgrow its request (design 8.19)."""

# Records.
RECORD_BYTES_MAX = 200_000  # MS-04
STRING_CHARACTERS_MAX = 255  # MS-03
BIG_STRING_CHARACTERS_MAX = 100_000  # MS-03, also the sum over one aspect
CHARACTER_BYTES = 2
"""MS-02: two bytes a character, so a character is one UTF-16 unit (an emoji counts as two)."""

INT_MIN, INT_MAX = -(2**31), 2**31 - 1  # MS-05
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1  # MS-05
DOUBLE_MAGNITUDE_MIN = 1e-130  # MS-05; zero is allowed beside
DOUBLE_MAGNITUDE_BELOW = 1e126
"""MS-05 writes ±9.99…E+125: everything below 1E+126."""
INTEGER_DIGITS_MAX = 20
"""A longer run of digits is beyond LONG; looked at before `int()`, whose time grows with the square."""
QUALITY_CODE_MAX = 2**32 - 1  # design 8.16: 32-bit OPC UA status codes

# Types (wire 4.2, MS-06).
TYPE_ID_CHARACTERS_MAX = 128
TYPE_PREFIX_CHARACTERS_MAX = 8
NAME_CHARACTERS_MAX = 128
VARIABLE_NAME_CHARACTERS_MAX = 64
ASPECT_NAME_CHARACTERS_MAX = 64
UNIT_CHARACTERS_MAX = 32
DESCRIPTION_CHARACTERS_MAX = 255
DEFAULT_VALUE_CHARACTERS_MAX = 255
EXTERNAL_ID_CHARACTERS_MAX = 255
LOCATION_TEXT_CHARACTERS_MAX = 255
VARIABLES_OF_ASPECT_MAX = 1_000
"""A decoder is compiled for each type version; a thousand members compile in about 20 ms."""
VARIABLES_OF_ASSET_TYPE_MAX = 1_000
ASPECTS_OF_ASSET_TYPE_MAX = 250
"""The exploded type is one document of the catalogue and must stay readable in one piece."""
DECODERS_KEPT_MAX = 4_096
"""Compiled type versions kept in a process, some 20 kB each."""

# Reads.
READ_RECORDS_MAX = 2_000  # MS-41: maximum and default
READ_RECORDS_DEFAULT = 2_000
QUERY_SERIES_MAX = 1_000
"""Series a request: an answer with a full page of each is a quarter of a gigabyte, streamed; their names,
which a table carries in its head, are 150 kB."""
QUERY_INTERVALS_MAX = 1_000_000
"""Of all series of a request: as many as a thousand full pages have records, half of them."""
LATEST_SERIES_MAX = 1_000
"""Assets a page of newest values: about a tenth of a second of the stream server's time."""

# Aggregates.
AGGREGATES_MAX = 500_000
"""Intervals times variables an answer: their partials take some 130 MB and their JSON as much; what
the profile bounds are the intervals alone."""
COUNT_MAX = 100_000
"""What `count` may ask for: no profile answers more intervals."""
POINTS_MAX = 10_000
"""Points a variable that a request for a picture gets: more than any screen has pixels across."""
PERCENTILES_MAX = 10
PERCENTILE_VALUES_MAX = 20_000_000
"""Values of one interval: a percentile needs all of them at once, some 500 MB while they are sorted."""
IN_THREAD_VALUES = 200_000
"""From so many values on decoding or folding takes longer than a change of threads, and others go on."""
HOLD_MS_MAX = 31 * DAY_MS
"""The longest hold that can be declared, and so how far a read looks back for the first value."""
HOLD_MS_DEFAULT_MAX = HOUR_MS  # design 8.28

# Files (wire 8).
FILE_BODY_BYTES_MAX = 1_024 * MB
"""One request: what the slowest line that is waited for brings in the time that it is given."""
FILE_BODY_S_MAX = 3_600.0
"""How long one body may take, as long as it keeps coming; 300 KB/s bring the largest one in it."""
FILE_BYTES_MAX = 50 * 1_024 * MB
"""All parts of one file together: weeks of pictures or a disk's image, far below what a part each allows."""
FILE_PARTS_MAX = 1_000  # wire 8
FILE_PART_BYTES_MIN = 5 * MB
"""Of each part but the last (wire 8): a file's record names every part."""
FILE_PATH_CHARACTERS_MAX = 1_024
FILE_NAME_CHARACTERS_MAX = 255
FILE_TYPE_CHARACTERS_MAX = 128
FILES_LISTED_MAX = 500  # wire 8: maximum and default
FILES_OFFSET_MAX = 10_000  # wire 8
FILES_OF_ASSET_MAX = FILES_OFFSET_MAX + FILES_LISTED_MAX
"""As many as pages can show; a list reads them all, some 5 MB."""
FILE_UPLOADS_OF_ASSET_MAX = 100
"""Uploads in parts that are under way at once: each may hold a thousand parts that no file has yet."""
FILE_UPLOAD_AGE_MS_MAX = 7 * DAY_MS
"""Nobody comes back to an upload after a week; older ones make room for new ones."""
FILE_FILTER_CHARACTERS_MAX = 2_000
FILE_CONDITIONS_MAX = 10
"""Each is tried on every file of an asset; clients send two."""

# Time. The parser reads every year that RFC 3339 can write; profiles narrow it.
TIME_MS_MIN = -62_135_596_800_000
"""0001-01-01T00:00:00.000Z."""
TIME_MS_MAX = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z."""
FRACTION_DIGITS_MAX = 60
"""Digits past the third are cut, but a megabyte of them is no time."""
RECORD_AHEAD_MS_MAX = 31 * DAY_MS  # MS-27, in both profiles


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of a tenant that is not the same for everyone (design 7); None means: no such limit."""

    name: str
    record_age_ms_max: int | None
    """PUT: how old a record may be (MS-27); without it anything from 1970 on is taken."""
    record_ahead_ms_max: int
    patch_age_ms_max: int | None
    """PATCH: how old a record may be (wire 1.4); with a limit none may lie in the future either."""
    bulk_age_ms_min: int | None
    """Bulk import: how old a record must be (MS-83)."""
    series_rate_bytes_per_s: int | None  # MS-23
    series_burst_bytes: int | None
    newest_lookback_ms_max: int | None
    """A read without range: how far back the newest record is looked for (MS-43)."""
    latest_lookback_ms_max: int | None
    """`latestValue`: from how far back … (MS-44)."""
    latest_delay_ms: int
    """… to how long ago values count."""
    latest_all_types: bool
    """`latestValue` also for STRING, BIG_STRING and TIMESTAMP, which the dialect leaves out (MS-44)."""
    raw_range_ms_max: int | None  # MS-47
    aggregate_range_day_ms_max: int | None  # units day, week, month
    aggregate_range_hour_ms_max: int | None
    aggregate_range_minute_ms_max: int | None
    aggregate_intervals_max: int
    """Intervals an answer: bounds the memory of a read over any range."""
    delete_alignment_ms: int | None  # MS-51
    delete_range_ms_max: int | None  # MS-51
    delete_age_ms_min: int | None
    """Since submission, not by the record's time (MS-52)."""
    deletes_per_day_max: int | None  # MS-52
    retention: Rule = KEEP_ALL
    """The tenant's retention (design 4.13)."""


OPEN = Profile(
    name="open",
    record_age_ms_max=None,
    record_ahead_ms_max=RECORD_AHEAD_MS_MAX,
    patch_age_ms_max=None,
    bulk_age_ms_min=None,
    series_rate_bytes_per_s=None,
    series_burst_bytes=None,
    newest_lookback_ms_max=None,
    latest_lookback_ms_max=None,
    latest_delay_ms=0,
    latest_all_types=True,
    raw_range_ms_max=None,
    aggregate_range_day_ms_max=None,
    aggregate_range_hour_ms_max=None,
    aggregate_range_minute_ms_max=None,
    aggregate_intervals_max=100_000,
    delete_alignment_ms=None,
    delete_range_ms_max=None,
    delete_age_ms_min=None,
    deletes_per_day_max=None,
)
"""The default: what a self-hosted service can do (design 7)."""

STRICT = Profile(
    name="strict",
    record_age_ms_max=YEAR_MS,
    record_ahead_ms_max=RECORD_AHEAD_MS_MAX,
    patch_age_ms_max=DAY_MS,
    bulk_age_ms_min=30 * MINUTE_MS,
    series_rate_bytes_per_s=100 * KB,
    series_burst_bytes=MB,
    newest_lookback_ms_max=YEAR_MS,  # "12 months"
    latest_lookback_ms_max=31 * DAY_MS,  # "1 month"
    latest_delay_ms=2 * HOUR_MS,
    latest_all_types=False,
    raw_range_ms_max=90 * DAY_MS,
    aggregate_range_day_ms_max=365 * DAY_MS,
    aggregate_range_hour_ms_max=30 * DAY_MS,
    aggregate_range_minute_ms_max=48 * HOUR_MS,
    aggregate_intervals_max=100_000,
    delete_alignment_ms=HOUR_MS,
    delete_range_ms_max=7 * DAY_MS,
    delete_age_ms_min=7 * DAY_MS,
    deletes_per_day_max=1,
)
"""The dialect's own limits, for clients that are tested against them (design 7)."""

PROFILES = {profile.name: profile for profile in (OPEN, STRICT)}

assert MULTI_PUT_BODY_BYTES_MAX < PATCH_BODY_BYTES_MAX < PUT_BODY_BYTES_MAX < EXCHANGE_BODY_BYTES_MAX
assert MULTI_PUT_PAIRS_MAX <= MULTI_PUT_RECORDS_MAX
assert BODY_CELLS_MAX >= 2 * VARIABLES_OF_ASPECT_MAX * MULTI_PUT_RECORDS_MAX  # small bodies always fit
assert READ_RECORDS_DEFAULT <= READ_RECORDS_MAX
assert FILE_PART_BYTES_MIN <= FILE_BODY_BYTES_MAX <= FILE_BYTES_MAX
assert FILE_NAME_CHARACTERS_MAX <= FILE_PATH_CHARACTERS_MAX
assert OPEN.aggregate_intervals_max == STRICT.aggregate_intervals_max == COUNT_MAX <= AGGREGATES_MAX
assert STRING_CHARACTERS_MAX < BIG_STRING_CHARACTERS_MAX
assert BIG_STRING_CHARACTERS_MAX * CHARACTER_BYTES <= RECORD_BYTES_MAX  # the longest string fits a record
assert len(str(LONG_MIN)) <= INTEGER_DIGITS_MAX
assert VARIABLE_NAME_CHARACTERS_MAX <= NAME_CHARACTERS_MAX
assert TYPE_PREFIX_CHARACTERS_MAX < TYPE_ID_CHARACTERS_MAX
