-- What the catalogue adapter asks of SQLite. Tenant, kind and id of a document are always ?1 to ?3.

-- get --
-- Read one document.
SELECT version, body FROM documents WHERE tenant = ?1 AND kind = ?2 AND id = ?3

-- list --
-- Read a page of the documents of a kind, behind an id.
SELECT id, version, body FROM documents WHERE tenant = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4

-- create --
-- Store a new document; nothing happens if the id is taken.
INSERT INTO documents (tenant, kind, id, version, body) VALUES (?1, ?2, ?3, 0, ?4) ON CONFLICT DO NOTHING

-- replace --
-- Store the next version over the one it was built on.
UPDATE documents SET version = ?5 + 1, body = ?4 WHERE tenant = ?1 AND kind = ?2 AND id = ?3 AND version = ?5

-- remove --
-- Delete the version that was seen.
DELETE FROM documents WHERE tenant = ?1 AND kind = ?2 AND id = ?3 AND version = ?4

-- note --
-- Write the change log, in the transaction of the change.
INSERT INTO changes (tenant, kind, id, version) VALUES (?1, ?2, ?3, ?4)

-- trim --
-- Forget what every door has read long ago: a day old.
DELETE FROM changes WHERE written_s < unixepoch() - 86400

-- changes_after --
-- Read a page of the log behind a sequence.
SELECT sequence, tenant, kind, id, version FROM changes WHERE sequence > ?1 ORDER BY sequence LIMIT ?2

-- position_before_overlap --
-- Find the sequence before the lines of the last 10 s, and before the last line of all, so that there is one.
SELECT coalesce(min(min(sequence), (SELECT max(sequence) FROM changes)) - 1, 0)
FROM changes WHERE written_s >= unixepoch() - 10 OR sequence = (SELECT max(sequence) FROM changes)

-- reserve --
-- Take a name that nobody has.
INSERT INTO names (space, name, owner) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING

-- owner_of --
-- Tell who has a name.
SELECT owner FROM names WHERE space = ?1 AND name = ?2

-- release --
-- Give back a name that is the owner's.
DELETE FROM names WHERE space = ?1 AND name = ?2 AND owner = ?3

-- next_kind --
-- Find the kind behind one of which a tenant has a document.
SELECT kind FROM documents WHERE tenant = ?1 AND kind > ?2 ORDER BY kind LIMIT 1

-- names_of --
-- List the names of an owner.
SELECT space, name FROM names WHERE owner = ?1 ORDER BY space, name

-- forget_changes --
-- Delete a tenant's lines of the log.
DELETE FROM changes WHERE tenant = ?1
