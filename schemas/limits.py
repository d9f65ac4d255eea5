"""Every number that bounds something on the way in or out, each with its reason; nothing else lives here.

They hold for everyone; what a tenant's policy decides is in `schemas.policies`.
Units stand last in the names. Relations between the numbers are asserted at import.
"""

from __future__ import annotations

from schemas.durations import DAY_MS, HOUR_MS, SECOND_MS

KB = 1024
"""The dialect's "KB" is read as 1,024 bytes (design 7)."""
MB = 1024 * KB

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

# Deletes.
UNDO_DAYS_MAX = 366
"""Longer, what was deleted is not deleted: until then its blocks take their place in the store."""
DELETES_KEPT_DAYS = 30
"""How long a delete can be looked up that cannot be undone, or no more."""
DELETES_KEPT_MAX = 10_000
"""Of a tenant; older ones that cannot be undone are forgotten first. All are read for a page, some 5 MB."""
DELETES_LISTED_MAX = 500
"""Of one page."""
COUNT_ROWS_READ_MAX = 2_000_000
"""Rows of which a dry run reads columns, one piece after the other: some seconds; beyond it, only the number
of records is told."""

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
FILE_ORPHAN_AGE_MS_MIN = 2 * HOUR_MS
"""Bytes that no row names are left alone for so long: no request lasts so long that may name them yet."""
FILE_FILTER_CHARACTERS_MAX = 2_000
FILE_CONDITIONS_MAX = 10
"""Each is tried on every file of an asset; clients send two."""

# Identity.
TOKEN_LIFE_S_MAX = 86_400
"""The longest life of an access token that can be set: a key that signs no more is kept as long."""
CODE_LIFE_S = 60
"""Of the code that a login page gives: the way through a browser takes a second (RFC 9700, 4.5)."""
REDIRECT_URIS_MAX = 10
REDIRECT_URI_CHARACTERS_MAX = 500
STATE_CHARACTERS_MAX = 1_000
"""What a client gets back with a code; it stands in the page and in an address."""
API_KEYS_MAX = 1_000
"""Of a tenant: a list shows them all, some 300 kB."""
API_KEY_LABEL_CHARACTERS_MAX = 128
SIGNED_BODY_BYTES_MAX = EXCHANGE_BODY_BYTES_MAX
"""A body must be whole before its signature can be checked: what is larger comes with a token."""

# Agents (wire 5).
AGENTS_OF_TENANT_MAX = 10_000
"""Every door remembers each, with how far it is on its way in: some 600 bytes."""
AGENT_OFFLINE_S = 300
"""An agent of which nothing was heard for so long is offline: boards sleep for a minute or two."""

AGENT_TOKEN_S = 3_600  # wire 5.3
INITIAL_TOKEN_S = 7 * 86_400
"""How long a boarding configuration can be used (wire 5.2)."""
AGENT_CREDENTIALS_S = 7 * 86_400
"""Existing agents renew theirs when less than 25 hours are left (wire 5.3)."""
AGENT_KEY_BITS_MIN, AGENT_KEY_BITS_MAX = 3_072, 4_096
"""The profile's name says the first; a longer one costs whoever checks it."""
AGENT_CLOCK_SKEW_S_MAX = 300
"""What the clock of an agent may be off by; `Server-Time` tells those that are off by more."""
ASSERTION_LIFE_S_MAX = 7 * 86_400
"""The longest that an example of the dialect has; clients sign for an hour."""
ASSERTION_ID_CHARACTERS_MAX = 256
"""Clients write a UUID."""
ASSERTIONS_KEPT_MAX = 64
"""Of one agent, that still hold: one an hour is asked for. Where there are more, older ones than these are
refused, as nobody could tell any more whether they were used."""
AGENTS_SEEN_S = 60
"""How often a door tells the others of which agents it has heard: well below `AGENT_OFFLINE_S`."""

# Accounts and tenants.
ACCOUNT_NAME_CHARACTERS_MAX = 64
PASSWORD_CHARACTERS_MIN = 8  # NIST SP 800-63B, 5.1.1.2
PASSWORD_CHARACTERS_MAX = 256
ACCOUNTS_OF_TENANT_MAX = 10_000
"""Clients, and users again; every door remembers each, some 300 bytes."""
ACCOUNTS_LISTED_MAX = 1_000
GRACE_S_MAX = 7 * 86_400
"""How long a client's old secret may stay good: a week to change it in every program."""
TENANTS_LISTED_MAX = 1_000
COMPANY_CHARACTERS_MAX = 255
LOGO_BYTES_MAX = 256 * KB
"""A picture for the corner of a page; it lies in the catalogue, a row of its own."""
LEGAL_BYTES_MAX = 256 * KB
"""All regions of a tenant with their links and languages: one row of the catalogue."""
LEGAL_TEXT_CHARACTERS_MAX = 1_024
"""Of a name or an address."""

# Notifications (MS-84, wire 11).
SUBSCRIPTIONS_OF_TENANT_MAX = 50
"""Each keeps up to NOTICES_KEPT_BYTES_MAX in the stream server's memory: 50 MiB a tenant at most."""
SUBSCRIPTION_NAMES_MAX = 100
"""Assets, aspects or variables that one filter names; a subtree takes one name."""
WEBHOOK_URL_CHARACTERS_MAX = 2_048
NOTICES_KEPT_BYTES_MAX = MB
"""Of one subscription, told or not; some 4,000 that name what changed. Older ones go, and that is told."""
NOTICE_BYTES_MAX = 16 * KB
"""Of the values in one notice: what a receiver wants at once; the rest is read."""
NOTICE_RECORDS_MAX = 100
"""Records whose values one notice carries."""
NOTICES_OF_DELIVERY_MAX = 100
NOTICES_LISTED_MAX = 1_000
NOTICES_TTL_MS = 7 * DAY_MS
"""Since the last one was kept; whoever was away for longer reads the data itself."""
MESSAGE_BODY_BYTES_MAX = 64 * KB
"""Published on a topic: sixteen of them fill what a subscriber may leave waiting."""
WEBHOOK_ATTEMPT_S_MAX = 10.0
"""To resolve, connect, send and be answered; receivers answer first and work later."""
WEBHOOK_ANSWER_BYTES_MAX = 16 * KB
"""Read of an answer: its status is all that matters."""
WEBHOOK_RETRY_S_MIN, WEBHOOK_RETRY_S_MAX = 2.0, 300.0
"""Pauses between tries double from one to the other."""
WEBHOOK_GIVE_UP_S = DAY_MS // SECOND_MS
"""After a day without one success deliveries become dead letters at their first failure."""
DEAD_RANGES_MAX = 100
"""Runs of notices that were given up, of one subscription; neighbours are one run."""
FEEDS_OF_SUBSCRIPTION_MAX = 8
"""Readers of one stream of events at one door: a program, its spare and some browsers."""
FEEDS_OF_DOOR_MAX = 512
"""An eighth of a door's connections; each asks the stream server twice a second."""

# Bodies in parts, and files of asset management (wire 4.1, 6.3).
MULTIPART_PARTS_MAX = 1_000  # S7
MULTIPART_HEADER_BYTES_MAX = 8 * KB
"""Of one part; clients send two headers of a hundred bytes."""
MULTIPART_BOUNDARY_BYTES_MAX = 200
"""RFC 2046 allows 70."""
EXCHANGE_TUPLES_MAX = MULTIPART_PARTS_MAX  # S7
EXCHANGE_DETAILS_BYTES_MAX = 16 * KB
"""What says of one payload what it is; clients send 150 bytes."""
DROP_REASON_CHARACTERS_MAX = 1_024  # wire 6.5

# Quarantine (wire 6.5). The oldest records make room, and what is lost so is counted.
QUARANTINE_RECORDS_MAX = 1_000
"""Of a tenant, one for each message of which something was refused; every door knows them all, some 1 MB."""
QUARANTINE_BYTES_MAX = 64 * MB
"""Of a tenant: six of the largest messages, or a thousand of a thousand values."""
QUARANTINE_ROOM_SHARE = 20
"""This part of the room is made at once, so that a full quarantine does not count at each message."""
QUARANTINE_AGE_MS_MAX = 30 * DAY_MS
"""Time to see it, to mend the mapping and to replay; then it goes."""
FLEET_LISTED_MAX = 100
"""Agents of one page: of each the newest values of its health are read."""
FLEET_LOOKED_BACK_MS = 31 * DAY_MS
"""How old a report of its health may be that is shown of an agent."""
DIAGNOSTICS_MAX = 5  # MS-86
DIAGNOSTIC_CHARACTERS_MAX = 4_096  # wire 6.6
DIAGNOSTIC_MESSAGES_MAX = 2_000
"""Of an agent, the newest: what one list shows."""

MODEL_FILE_BYTES_MAX = 5 * MB  # wire 4.1
MODEL_FILE_BODY_BYTES_MAX = MODEL_FILE_BYTES_MAX + 64 * KB
"""The file with the other parts and all delimiters."""
MODEL_FILES_MAX = 10_000
"""Of a tenant: every door knows them all, some 5 MB."""

# Audit log.
AUDIT_LINES_MAX = 1_000
"""Lines of a page: some 500 kB."""
AUDIT_READ_LINES_MAX = 10_000
"""Lines that a page looks at for those that are asked for: tens of milliseconds; the next page goes on."""
AUDIT_WORD_CHARACTERS_MAX = 300
"""Of an id or a name in a line; the longest names of types and files' last names are shorter."""

# Jobs and imports.
JOBS_RUNNING_DEFAULT = 2
"""Of a tenant, where its policy says nothing: two, so that a short one need not wait for a long one."""
JOBS_UNFINISHED_MAX = 100
"""Of a tenant, waiting ones included: each may hold files and staged blocks."""
JOBS_LISTED_MAX = 100
"""Of one page."""
JOBS_KEPT_DAYS = 30
"""How long a job can be looked up after its end, and what it left can be fetched."""
JOBS_KEPT_MAX = 1_000
"""Of a tenant; older ones that have ended are forgotten first. All are read for a page, some 2 MB."""
JOB_THREADS = 2
"""Of the library that reads files: one reads ahead while the other parses; the rest is one thread."""
JOB_S_MAX = 5 * 3_600
"""How long one attempt at a job may take: below what the queue allows, so that the job can say so itself."""
JOB_MEMORY_MB_DEFAULT = 1_024
"""What a job may take beside what its process has at the start; an import of any size needs a quarter."""
BULK_READ_RECORDS_MAX = 10_000
"""Of one answer, "more than 2000" (MS-82): about two megabytes."""
BULK_FILES_MAX = 100  # MS-81
BULK_BYTES_MAX = 1_024 * MB
"""All files of a job in the strict profile: "1 GB a day", and they are of one day (MS-81)."""

FILE_TYPES_MAX = 100
"""Of a tenant: a list gives all of them; a site has some kinds of loggers."""
PREVIEW_FETCHED_BYTES_MAX = 8 * MB
"""Of a stored file: twice what a preview reads, so that what is packed gives enough."""
PREVIEW_TEXT_CHARACTERS_MAX = 256 * KB
"""Of a text that comes with the request: some thousand rows of a logger."""
IMPORT_FILES_MAX = 10
"""Logger files of one import: each is looked at before the job is made."""
IMPORT_SERIES_MAX = 1_000
"""That one import of logger files may write to: each is told to the job, some 100 bytes."""
EXPORT_SERIES_MAX = 1_000
"""Of one export: each is told to the job, some 100 bytes."""
EXPORT_COLUMNS_MAX = 20_000
"""Variables of one export: each is told to the job, some 20 bytes."""
EXPORT_WORDS_MAX = 1_000
"""Names or patterns of assets, of aspects, of variables in a request for an export."""
EXPORT_KEPT_HOURS_DEFAULT = 7 * 24
"""How long what an export came to can be fetched, where nobody says: over a holiday."""
EXPORT_KEPT_HOURS_MAX = 30 * 24
"""As long as its job can be looked up."""
EXPORT_SCHEDULES_MAX = 50
"""Of a tenant: all made every hour, at two minutes each, are about what two jobs at once can do."""
EXPORT_KEEP_DEFAULT = 3
"""Downloads of a schedule: the newest, and two to go back to."""
EXPORT_KEEP_MAX = 100
"""Downloads of a schedule: four days of hourly ones."""
IMPORT_REPORT_BYTES_MAX = 16 * MB
"""Of the report of one file, some 200,000 refused rows; the counts go on beyond."""

# Subtenants and shares.
SUBTENANTS_MAX = 1_000
"""Of a tenant: a list is cut from all of them, some 300 kB."""
SHARES_OF_TENANT_MAX = 1_000
"""Given by one tenant; every door holds all of them, about a kilobyte each."""
SHARES_LISTED_MAX = 1_000
SHARED_ASSETS_MAX = 100
"""Named by one share; a subtree takes one name."""
SHARED_ASPECTS_MAX = 100

# Time. The parser reads every year that RFC 3339 can write; profiles narrow it.
TIME_MS_MIN = -62_135_596_800_000
"""0001-01-01T00:00:00.000Z."""
TIME_MS_MAX = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z."""
FRACTION_DIGITS_MAX = 60
"""Digits past the third are cut, but a megabyte of them is no time."""
RECORD_AHEAD_MS_MAX = 31 * DAY_MS  # MS-27, in both profiles


# Policies.
NUMBER_MAX = 2**53 - 1
"""The largest number of a policy: every client of JSON reads it exactly."""
PER_S_MAX = 1_000_000_000_000
"""The highest rate: far above what an installation takes."""
BURST_S_MAX = 30 * 86_400
"""A budget is full again after so long at most, so that its time in microseconds is exact as a double."""
BURST_S = 10
"""The burst of a budget that names none, in seconds of its rate: as the dialect has it (MS-23)."""
STREAMS_MAX = 1_000
"""Declared TimeBase streams of a tenant: each door holds all of them, half a kilobyte each."""
STREAM_TYPES_MAX = 100
"""Names that `$type` may have in one of them."""
STREAM_SYMBOLS_MAX = 100
"""Symbols of one write to a TimeBase stream: each is an entry of its own, all are admitted in one trip."""
STREAM_SERIES_MAX = 1_000
"""Series that one question about a TimeBase stream, or one purge of it, goes through."""
STREAM_ROWS_MAX = 100_000
"""Rows that are gone through for one answer from a TimeBase stream, those before `offset` included: 0.1 s."""
STREAM_ANSWER_ROWS_MAX = 20_000
"""Messages of one answer: a few megabytes, written within half a second."""
POLICIES_MAX = 1_000
"""Each door holds all of them: about a megabyte."""

assert MULTI_PUT_BODY_BYTES_MAX < PATCH_BODY_BYTES_MAX < PUT_BODY_BYTES_MAX < EXCHANGE_BODY_BYTES_MAX
assert MULTI_PUT_PAIRS_MAX <= MULTI_PUT_RECORDS_MAX
assert BODY_CELLS_MAX >= 2 * VARIABLES_OF_ASPECT_MAX * MULTI_PUT_RECORDS_MAX  # small bodies always fit
assert READ_RECORDS_DEFAULT <= READ_RECORDS_MAX
assert FILE_PART_BYTES_MIN <= FILE_BODY_BYTES_MAX <= FILE_BYTES_MAX
assert FILE_NAME_CHARACTERS_MAX <= FILE_PATH_CHARACTERS_MAX
assert FILE_BODY_S_MAX * SECOND_MS < FILE_ORPHAN_AGE_MS_MIN
assert COUNT_MAX <= AGGREGATES_MAX
assert NOTICE_BYTES_MAX < MESSAGE_BODY_BYTES_MAX < NOTICES_KEPT_BYTES_MAX
assert STRING_CHARACTERS_MAX < BIG_STRING_CHARACTERS_MAX
assert BIG_STRING_CHARACTERS_MAX * CHARACTER_BYTES <= RECORD_BYTES_MAX  # the longest string fits a record
assert len(str(LONG_MIN)) <= INTEGER_DIGITS_MAX
assert VARIABLE_NAME_CHARACTERS_MAX <= NAME_CHARACTERS_MAX
assert 2 * AGENTS_SEEN_S < AGENT_OFFLINE_S  # an agent that is heard of never seems to be offline elsewhere
assert AGENT_TOKEN_S <= TOKEN_LIFE_S_MAX < min(INITIAL_TOKEN_S, AGENT_CREDENTIALS_S)
assert TYPE_PREFIX_CHARACTERS_MAX < TYPE_ID_CHARACTERS_MAX
