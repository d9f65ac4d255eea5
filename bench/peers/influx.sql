-- What InfluxDB is asked, in its own language. $name stands for values that the adapter puts in.

-- create_database --
-- The one that everything goes to; made again without harm.
CREATE DATABASE bench

-- latest --
-- The newest record of a series.
SELECT * FROM $measurement WHERE asset = '$series' ORDER BY time DESC LIMIT 1

-- raw --
-- The records of a range.
SELECT * FROM $measurement
WHERE asset = '$series' AND time > ${begin_ms}ms AND time <= ${end_ms}ms LIMIT $rows

-- hourly --
-- Seven functions of four numbers; its hours begin with their time: a full hour's record is in the next.
SELECT $columns FROM $measurement
WHERE asset = '$series' AND time > ${begin_ms}ms AND time <= ${end_ms}ms GROUP BY time(1h) FILL(none)

-- counts --
-- The records of each hour of all series.
SELECT count(temperature) FROM $measurement
WHERE time > ${begin_ms}ms AND time <= ${end_ms}ms GROUP BY asset, time(1h) FILL(none)
