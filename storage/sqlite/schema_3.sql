-- What follows on the first bytes of a long body of a block, in pieces of which six fill a page: bodies of
-- 3 to 14 KB, as blocks have them, left a quarter of the pages empty. A body stored before is whole.

CREATE TABLE pieces (
    slice INTEGER NOT NULL REFERENCES slices (id),
    part INTEGER NOT NULL,
    variable INTEGER NOT NULL,
    block_id BLOB NOT NULL,
    piece INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slice, part, block_id, variable, piece)
) STRICT;

PRAGMA user_version = 3;
