-- How every SQLite file of the service is opened, whatever its tables.

-- create --
-- Pages of 16 KB (a blob of 30 KB needs two, not eight) and a write-ahead log.
-- The first counts for an empty file only.
PRAGMA page_size = 16384;
PRAGMA journal_mode = wal

-- durable --
-- A commit returns after the log is on the disk.
PRAGMA synchronous = full

-- not_durable --
-- A commit returns before the log is on the disk: for a control test that must lose data, never for a user.
PRAGMA synchronous = off

-- tune_writer --
-- Checkpoints are another thread's work; 32 MB of pages; a reset log above 256 MB gives the disk back.
PRAGMA wal_autocheckpoint = 0;
PRAGMA foreign_keys = on;
PRAGMA cache_size = -32768;
PRAGMA journal_size_limit = 268435456

-- tune_reader --
-- Readers cannot write, whatever they are asked to run.
PRAGMA wal_autocheckpoint = 0;
PRAGMA cache_size = -16384;
PRAGMA query_only = on

-- read_version --
-- How many steps of the schema the file has seen; 0 for an empty file.
PRAGMA user_version

-- begin --
-- Take the write lock at once, so that nothing read in the transaction can be outdated at its end.
BEGIN IMMEDIATE

-- commit --
-- Make it so.
COMMIT

-- rollback --
-- Undo the open transaction.
ROLLBACK
