-- What the adapter of events asks of SQLite.

-- create --
-- Store a new event; nothing happens if the id is taken.
INSERT INTO events (tenant, entity, time_ms, id, type, version, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING

-- get --
-- Read one event by its id.
SELECT tenant, entity, time_ms, id, type, version, body FROM events WHERE tenant = ?1 AND id = ?2

-- read_entity --
-- Read the newest events of an entity before a place.
SELECT tenant, entity, time_ms, id, type, version, body FROM events
WHERE tenant = ?1 AND entity = ?2 AND time_ms >= ?3 AND (time_ms, id) < (?4, ?5)
ORDER BY time_ms DESC, id DESC LIMIT ?6

-- read_tenant --
-- Read the newest events of all entities before a place.
SELECT tenant, entity, time_ms, id, type, version, body FROM events
WHERE tenant = ?1 AND time_ms >= ?2 AND (time_ms, id) < (?3, ?4)
ORDER BY time_ms DESC, id DESC LIMIT ?5

-- replace --
-- Store the next version over the one it was built on.
UPDATE events SET version = ?3 + 1, body = ?4 WHERE tenant = ?1 AND id = ?2 AND version = ?3

-- keep_version --
-- Keep the body that is replaced, in the transaction of the change.
INSERT INTO event_versions (tenant, id, version, body) VALUES (?1, ?2, ?3, ?4)

-- remove --
-- Delete the version that was seen.
DELETE FROM events WHERE tenant = ?1 AND id = ?2 AND version = ?3

-- drop_versions --
-- Delete the earlier bodies of an event, in the transaction of its removal.
DELETE FROM event_versions WHERE tenant = ?1 AND id = ?2

-- read_versions --
-- Read the bodies before a version.
SELECT version, body FROM event_versions WHERE tenant = ?1 AND id = ?2 AND version < ?3 ORDER BY version

-- first_of_all --
-- List some events of a tenant.
SELECT id FROM events WHERE tenant = ?1 LIMIT ?2

-- first_of_entity --
-- List some events of an entity.
SELECT id FROM events WHERE tenant = ?1 AND entity = ?2 LIMIT ?3

-- erase --
-- Delete an event, whatever its version.
DELETE FROM events WHERE tenant = ?1 AND id = ?2
