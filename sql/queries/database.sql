-- name: server_version
-- Select the versions of PostgreSQL and pgvector, and the size of the database in bytes.
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       pg_database_size(current_database());

-- name: load_pgvector
-- Load the pgvector library into the session, since its settings are unknown until the library is loaded, and return the
-- numbers of its types and of their arrays.
SELECT typname, oid, typarray, NULL::vector FROM pg_type WHERE oid IN (to_regtype('vector'), to_regtype('halfvec'));

-- name: configure_session
-- Configure the session for searches. An HNSW scan with ef_search 400 finds 95 in 100 of the ten nearest neighbours at a
-- million chunks, and visits more vectors if a filter drops some (iterative scans require pgvector 0.8). Each search is
-- planned anew, since its plan depends on its values, and its hash tables must not spill to disk. Whatever a role or a
-- database prefers, dates come in ISO format, and a transaction that holds a lock may be idle. What a server does not know,
-- such as a setting of a newer pgvector, is left out; the view pg_settings would describe all settings of the server.
SELECT set_config(name, value, false)
FROM (VALUES ('hnsw.ef_search', '400'), ('hnsw.iterative_scan', 'strict_order'), ('plan_cache_mode', 'force_custom_plan'),
             ('work_mem', '64MB'), ('jit', 'off'),
             ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('standard_conforming_strings', 'on'),
             ('default_transaction_isolation', 'read committed'), ('idle_in_transaction_session_timeout', '0')) wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL;

-- name: now
-- Return the current time by the clock of the server, which dates answers.
SELECT now();

-- name: vacuum
-- Reclaim the space of deleted rows, and update the planner's statistics for all tables.
VACUUM (ANALYZE);

-- name: server_process
-- Return the number of the server process that runs this statement.
SELECT pg_backend_pid();

-- name: begin
-- Begin a transaction that holds locks.
BEGIN;

-- name: savepoint
-- Mark a place in the transaction.
SAVEPOINT place;

-- name: to_savepoint
-- Undo what the transaction did since the place, locks included.
ROLLBACK TO SAVEPOINT place;
