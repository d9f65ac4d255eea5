-- Slices of other widths, the plans that say so, and heads that can be gone back to (design 4.8, 4.14).

ALTER TABLE slices ADD COLUMN width_ms INTEGER;  -- NULL: the width of the first plan version

CREATE TABLE plans (
    shard INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    asset TEXT NOT NULL,
    aspect TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    width_ms INTEGER NOT NULL,
    PRIMARY KEY (shard, tenant, asset, aspect, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
    slice INTEGER NOT NULL REFERENCES slices (id),
    position INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slice, position)
) STRICT;

PRAGMA user_version = 2;
