-- How series are erased from SQLite.

-- order --
-- Remember what is to be erased; a repeat asks for another look.
INSERT INTO erased (shard, tenant, asset, done) VALUES (?1, ?2, ?3, 0)
ON CONFLICT (shard, tenant, asset) DO UPDATE SET done = 0

-- read --
-- List what was ordered in a shard.
SELECT tenant, asset, done FROM erased WHERE shard = ?1

-- end --
-- Note that all of it is gone.
UPDATE erased SET done = 1 WHERE shard = ?1 AND tenant = ?2 AND asset = ?3

-- next_slices --
-- List slices behind one, listed or not: a step of the walk over all of them.
SELECT tenant, asset, aspect, start_ms FROM slices
WHERE (tenant, asset, aspect, start_ms) > (?1, ?2, ?3, ?4)
ORDER BY tenant, asset, aspect, start_ms LIMIT ?5

-- find --
-- Give the number of a slice.
SELECT id FROM slices WHERE tenant = ?1 AND asset = ?2 AND aspect = ?3 AND start_ms = ?4

-- erase_deltas --
-- Delete the deltas of a slice.
DELETE FROM deltas WHERE slice = ?1

-- erase_blocks --
-- Delete the first bytes of its blocks.
DELETE FROM blocks WHERE slice = ?1

-- erase_pieces --
-- Delete what follows on them.
DELETE FROM pieces WHERE slice = ?1

-- erase_pins --
-- Delete its pins.
DELETE FROM pins WHERE slice = ?1

-- erase_head --
-- Delete its head.
DELETE FROM heads WHERE slice = ?1

-- erase_slice --
-- Delete the slice itself, which all of these name.
DELETE FROM slices WHERE id = ?1

-- erase_plans --
-- Delete the plan of a series.
DELETE FROM plans WHERE shard = ?1 AND tenant = ?2 AND asset = ?3 AND aspect = ?4
