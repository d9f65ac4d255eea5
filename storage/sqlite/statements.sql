-- What the series adapter asks of SQLite. Tenant, asset, aspect and start of a slice are ?1 to ?4 wherever a
-- statement names a slice.

-- know_slice --
-- Give a slice its number without listing it.
INSERT INTO slices (tenant, asset, aspect, start_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- list_slice --
-- List a slice; a repeat changes nothing.
INSERT INTO slices (tenant, asset, aspect, start_ms, listed, width_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5)
ON CONFLICT (tenant, asset, aspect, start_ms) DO UPDATE SET listed = 1, width_ms = ?5 WHERE listed = 0

-- read_slices --
-- List the slices of a series, oldest first.
SELECT start_ms, width_ms FROM slices
WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND listed = 1 ORDER BY start_ms

-- next_series --
-- Find the first series behind a slice, by the key: a step of the walk over all of them.
SELECT tenant, asset, aspect FROM slices
WHERE (tenant, asset, aspect, start_ms) > (?1, ?2, ?3, ?4) AND listed = 1
ORDER BY tenant, asset, aspect, start_ms LIMIT 1

-- write_delta --
-- Store a delta; a repeat changes nothing.
INSERT INTO deltas (slice, last, first, body)
SELECT id, ?5, ?6, ?7 FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4
ON CONFLICT DO NOTHING

-- read_deltas --
-- Read the deltas behind (last, first) in the order of the key.
SELECT d.last, d.first, d.body FROM slices AS s JOIN deltas AS d ON d.slice = s.id
WHERE s.tenant = ?1 AND s.asset = ?2 AND s.aspect = ?3 AND s.start_ms = ?4 AND (d.last, d.first) > (?5, ?6)
ORDER BY d.last, d.first

-- purge_deltas --
-- Delete the deltas at or before a position.
DELETE FROM deltas WHERE last <= ?5 AND slice =
(SELECT id FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4)

-- read_head --
-- Read the head of a slice.
SELECT h.version, h.body FROM slices AS s JOIN heads AS h ON h.slice = s.id
WHERE s.tenant = ?1 AND s.asset = ?2 AND s.aspect = ?3 AND s.start_ms = ?4

-- create_head --
-- Store the first head of a slice, if there is none.
INSERT INTO heads (slice, version, body)
SELECT id, ?5, ?6 FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4
ON CONFLICT DO NOTHING

-- swap_head --
-- Store the next head if the one it was built on still stands.
UPDATE heads SET version = ?5, body = ?6 WHERE version = ?7 AND slice =
(SELECT id FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4)

-- find_slice --
-- Give the number of a slice.
SELECT id FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4

-- write_block --
-- Store the first bytes of one variable of a block; a repeat changes nothing.
INSERT INTO blocks (slice, part, variable, block_id, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING

-- write_piece --
-- Store what follows on them; a repeat changes nothing.
INSERT INTO pieces (slice, part, variable, block_id, piece, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO NOTHING

-- read_block --
-- Read one variable of a block in order: its first bytes, and what follows. One statement, so that a drop
-- takes all or nothing of it.
SELECT 0 AS piece, body FROM blocks WHERE slice = ?1 AND part = ?2 AND variable = ?3 AND block_id = ?4
UNION ALL
SELECT piece, body FROM pieces WHERE slice = ?1 AND part = ?2 AND variable = ?3 AND block_id = ?4
ORDER BY piece

-- drop_block --
-- Delete the first bytes of every variable of a block.
DELETE FROM blocks WHERE slice = ?1 AND part = ?2 AND block_id = ?3

-- drop_pieces --
-- Delete what follows on them.
DELETE FROM pieces WHERE slice = ?1 AND part = ?2 AND block_id = ?3

-- list_blocks --
-- List the rows of a part without their bodies.
SELECT b.block_id, b.variable FROM slices AS s JOIN blocks AS b ON b.slice = s.id
WHERE s.tenant = ?1 AND s.asset = ?2 AND s.aspect = ?3 AND s.start_ms = ?4 AND b.part = ?5
ORDER BY b.block_id, b.variable

-- write_cursor --
-- Store an applied position; a lower one than the stored is ignored.
INSERT INTO cursors (shard, applied) VALUES (?1, ?2)
ON CONFLICT (shard) DO UPDATE SET applied = excluded.applied WHERE excluded.applied > applied

-- read_cursor --
-- Read the applied position of a shard.
SELECT applied FROM cursors WHERE shard = ?1

-- write_pin --
-- Keep a head; a repeat changes nothing.
INSERT INTO pins (slice, position, until_ms, body)
SELECT id, ?5, ?6, ?7 FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4
ON CONFLICT DO NOTHING

-- read_pins --
-- Read the pins of a slice, oldest first.
SELECT p.position, p.until_ms, p.body FROM slices AS s JOIN pins AS p ON p.slice = s.id
WHERE s.tenant = ?1 AND s.asset = ?2 AND s.aspect = ?3 AND s.start_ms = ?4 ORDER BY p.position

-- drop_pin --
-- Delete one pin.
DELETE FROM pins WHERE position = ?5 AND slice =
(SELECT id FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4)

-- write_plan --
-- Store a version of a slice plan; the first width stays.
INSERT INTO plans (shard, tenant, asset, aspect, from_ms, width_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO NOTHING

-- read_plans --
-- Read the slice plans of a shard, the versions of each in order.
SELECT tenant, asset, aspect, from_ms, width_ms FROM plans WHERE shard = ?1
ORDER BY tenant, asset, aspect, from_ms

-- read_shard --
-- Read what is promised of a shard.
SELECT version, limit_position, incarnation FROM shards WHERE shard = ?1

-- create_shard --
-- Store the first promise of a shard, if there is none.
INSERT INTO shards (shard, version, limit_position, incarnation) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING

-- swap_shard --
-- Store the next promise if the one it was built on still stands.
UPDATE shards SET version = ?2, limit_position = ?3, incarnation = ?4 WHERE shard = ?1 AND version = ?5

-- write_survived --
-- Record what survived into an incarnation; the first value stays.
INSERT INTO survived (shard, incarnation, position) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING

-- read_survived --
-- List what survived into each incarnation of a shard.
SELECT incarnation, position FROM survived WHERE shard = ?1 ORDER BY incarnation
