"""Every number that bounds the reading of a file, each with its reason; nothing else lives here.

A file may be of any size, so each of these bounds what is held of it at a time.
"""

from __future__ import annotations

from schemas.limits import KB, MB

LINE_BYTES_MAX = MB
"""The longest row of text: five times the longest record (MS-04). A file that is one long line ends here."""
BLOCK_BYTES = 2 * MB
"""Of text read at a time: some 30,000 rows of a logger, whose arrays take about 10 MB."""
CHUNK_CELLS_MAX = 4_000_000
"""Rows times columns of one chunk: 32 MB of doubles."""
COLUMNS_MAX = 4_096
"""Of a file: four times the variables of the largest aspect."""
COLUMN_NAME_CHARACTERS_MAX = 255
HEAD_LINES_MAX = 1_000
"""How far the line that names the columns is looked for: exports of analysis tools write some hundred."""
HEAD_BYTES_MAX = MB
METADATA_LINE_CHARACTERS_MAX = 1_000
"""Kept of one line before the header."""
REFUSED_TEXT_CHARACTERS_MAX = 80
"""Kept of a refused cell: enough to find it, too little to copy the file into its own report."""
DETECTION_BYTES_MAX = 64 * KB
"""From the beginning of a file, by which its encoding is told."""
VALUES_SAMPLED_MAX = 10_000
"""Rows by which the type of a column is told that nobody declared."""

DOCUMENT_ITEMS_MAX = 1_000
"""Names, formats and rules of one file type: it must stay readable in one piece."""
PATTERN_CHARACTERS_MAX = 256
PATTERN_REPEATS_MAX = 3
"""Repeats without end in one regular expression: the work grows with the length of a name to this power."""
PATTERN_CHOICES_MAX = 8
"""Repeats, options and alternatives in all: each multiplies the work."""
PATTERN_WAYS_MAX = 2_000_000_000
"""In which all patterns of a file type can be held against all names of a file: a second, measured."""
DELIMITER_WAYS_MAX = 64
"""In which what stands before the end of a delimiter can be read: tried at every character of a file."""

PARQUET_HELD_BYTES_MAX = 64 * MB
"""A Parquet file that can be read from its beginning only is held whole up to this size."""
FRAGMENT_ROWS = 32_768
"""Rows read of a Parquet file at a time."""
BATCH_BYTES_MAX = 256 * MB
"""Of one batch of an Arrow stream, which is held whole."""

PREVIEW_ROWS = 20
PREVIEW_BYTES_MAX = 4 * MB
"""Read for a preview: a few blocks, a tenth of a second."""
PREVIEW_REFUSED_MAX = 50

UNPACKED_BYTES_MAX = 100 * 1024 * MB
"""Of all that one archive unpacks to: twice the largest file."""
UNPACKED_RATIO_MAX = 200
"""Bytes out for each byte in. Text of loggers reaches 50 with the best packer; bombs begin at 1,000 (S9)."""
UNPACKED_FREE_BYTES = 16 * MB
"""Before the ratio counts: the first bytes of a small file of equal rows are far above it."""
MEMBERS_MAX = 1_000
"""Files in one archive."""
MEMBER_NAME_CHARACTERS_MAX = 255
WINDOW_BYTES_MAX = 128 * MB
"""Of memory that an archive may ask for to be unpacked; xz and zstd write what they need into their head."""
