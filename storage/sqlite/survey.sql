-- How the proof looks at a SQLite file: at whatever tables it has, by what the file says of them.

-- tables --
-- List every table with one of the columns that say whose a row is.
SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
WHERE t.type = 'table' AND c.name IN ('tenant', 'owner', 'slice') AND t.name <> 'erased'
ORDER BY t.name, c.name

-- by_column --
-- Count the rows that name a tenant.
SELECT count(*) FROM "$table" WHERE "$column" = ?1

-- by_slice --
-- Count the rows of a tenant's slices, and of slices that are not there.
SELECT count(*) FROM "$table" AS r LEFT JOIN slices AS s ON s.id = r.slice
WHERE s.tenant = ?1 OR s.id IS NULL
