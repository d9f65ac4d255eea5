-- What the adapter of the audit log asks of SQLite. Nothing here changes a line; only an erased tenant's go.

-- append --
-- Add an act; nothing happens if it is there.
INSERT INTO lines (tenant, time_ms, id, act) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- conclude --
-- Add the outcome of an act; nothing happens if there is one.
INSERT INTO outcomes (tenant, time_ms, id, outcome) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- read --
-- Read the newest lines before a place.
SELECT lines.tenant, lines.time_ms, lines.id, lines.act, outcomes.outcome
FROM lines LEFT JOIN outcomes
ON outcomes.tenant = lines.tenant AND outcomes.time_ms = lines.time_ms AND outcomes.id = lines.id
WHERE lines.tenant = ?1 AND lines.time_ms >= ?2 AND (lines.time_ms, lines.id) < (?3, ?4)
ORDER BY lines.time_ms DESC, lines.id DESC LIMIT ?5

-- erase_outcomes --
-- Remove some outcomes of an erased tenant.
DELETE FROM outcomes WHERE tenant = ?1
AND (time_ms, id) IN (SELECT time_ms, id FROM outcomes WHERE tenant = ?1 LIMIT ?2)

-- erase_lines --
-- Remove some acts of an erased tenant.
DELETE FROM lines WHERE tenant = ?1
AND (time_ms, id) IN (SELECT time_ms, id FROM lines WHERE tenant = ?1 LIMIT ?2)
