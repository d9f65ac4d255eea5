-- What QuestDB is asked. $name stands for values that the adapter puts in; times are microseconds.

-- create_table --
-- The table that its line protocol would make by itself, with the series as a symbol of known capacity.
CREATE TABLE IF NOT EXISTS $measurement (
    asset SYMBOL CAPACITY 131072, temperature DOUBLE, pressure DOUBLE, rpm LONG, running BOOLEAN,
    setpoint LONG, timestamp TIMESTAMP
) TIMESTAMP(timestamp) PARTITION BY DAY WAL

-- latest --
-- The newest record of a series.
SELECT * FROM $measurement WHERE asset = '$series' LATEST ON timestamp PARTITION BY asset

-- raw --
-- The records of a range.
SELECT * FROM $measurement
WHERE asset = '$series' AND timestamp > ${begin_ms}000 AND timestamp <= ${end_ms}000 LIMIT $rows

-- hourly --
-- Seven functions of four numbers; its hours begin with their time: a full hour's record is in the next.
SELECT timestamp, $columns FROM $measurement
WHERE asset = '$series' AND timestamp > ${begin_ms}000 AND timestamp <= ${end_ms}000 SAMPLE BY 1h

-- counts --
-- The records of each hour of all series.
SELECT timestamp, count(temperature), asset FROM $measurement
WHERE timestamp > ${begin_ms}000 AND timestamp <= ${end_ms}000 SAMPLE BY 1h
