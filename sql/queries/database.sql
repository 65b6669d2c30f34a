-- name: server_version
-- The versions of Postgres and pgvector, and the size of the database in bytes.
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       pg_database_size(current_database());

-- name: load_pgvector
-- Load pgvector's library into a session, without which its settings are unknown.
SELECT NULL::vector;

-- name: configure_session
-- Look at enough neighbours, 97 in 100 of the ten nearest at a million chunks, and at more of them where a filter drops some (iterative scans came with pgvector 0.8). A
-- question's plan depends on its values, and its hash tables must not spill to disk.
SELECT set_config(s.name, wanted.value, false)
FROM pg_settings s
JOIN (VALUES ('hnsw.ef_search', '400'), ('hnsw.iterative_scan', 'strict_order'), ('plan_cache_mode', 'force_custom_plan'),
             ('work_mem', '64MB'), ('jit', 'off')) wanted (name, value) ON wanted.name = s.name;

-- name: lock_migrations
-- One process at a time migrates; any number will do, as long as every version of this program uses the same.
SELECT pg_advisory_lock(7261503942118061);

-- name: unlock_migrations
-- Let the next process look.
SELECT pg_advisory_unlock(7261503942118061);

-- name: has_ledger
-- Whether any migration was ever applied here.
SELECT to_regclass('migrations') IS NOT NULL;

-- name: create_ledger
-- The migrations that were applied, with the checksums of their files.
CREATE TABLE IF NOT EXISTS migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: ledger
-- The migrations that were applied.
SELECT name, checksum FROM migrations;

-- name: add_to_ledger
-- Note a migration, in the transaction that applies it.
INSERT INTO migrations (name, checksum) VALUES (%(name)s, %(checksum)s);

-- name: vacuum
-- Give the room of deleted rows back, and let the planner know what the tables hold now.
VACUUM (ANALYZE);

-- name: tables
-- Every table with its columns, generated ones left out, the columns that count up, and the tables that it refers to.
SELECT c.relname,
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL),
       array(SELECT DISTINCT f.relname::text FROM pg_constraint r JOIN pg_class f ON f.oid = r.confrelid
             WHERE r.conrelid = c.oid AND r.contype = 'f' AND r.confrelid <> r.conrelid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname <> 'migrations'
ORDER BY c.relname;

-- name: begin_snapshot
-- See the database as it is now, whatever is written meanwhile.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: copy_out
-- Send the rows of a table.
COPY {table} ({columns}) TO STDOUT (FORMAT binary);

-- name: copy_in
-- Take the rows of a table.
COPY {table} ({columns}) FROM STDIN (FORMAT binary);

-- name: go_on_counting
-- Let a column that counts up go on behind the rows that came.
SELECT setval(pg_get_serial_sequence(quote_ident(%(table)s), %(column)s), max({column}))
FROM {table} HAVING max({column}) IS NOT NULL;
