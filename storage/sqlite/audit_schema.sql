-- The audit log in one SQLite file of its own: it only grows, and no other file waits for its commits.
-- Lines and outcomes are two tables because nothing that stands is ever changed: the triggers see to it.

CREATE TABLE lines (
    tenant TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    id TEXT NOT NULL,
    act BLOB NOT NULL,
    PRIMARY KEY (tenant, time_ms, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    tenant TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    id TEXT NOT NULL,
    outcome BLOB NOT NULL,
    PRIMARY KEY (tenant, time_ms, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER lines_stay BEFORE UPDATE ON lines
BEGIN
    SELECT RAISE(ABORT, 'audit lines are never changed');
END;

CREATE TRIGGER outcomes_stay BEFORE UPDATE ON outcomes
BEGIN
    SELECT RAISE(ABORT, 'audit lines are never changed');
END;

PRAGMA user_version = 1
