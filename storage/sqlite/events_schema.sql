-- Events in one SQLite file of their own: there may be millions, and the catalogue stays small without them.

CREATE TABLE events (
    tenant TEXT NOT NULL,
    entity TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, entity, time_ms, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX events_by_id ON events (tenant, id);

CREATE INDEX events_by_time ON events (tenant, time_ms, id);

CREATE TABLE event_versions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id, version)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1
