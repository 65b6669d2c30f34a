-- name: tables
-- Select every table except migrations, with its columns (generated columns excluded), its columns with a sequence, and the
-- tables that its foreign keys reference.
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
-- Make the transaction read one snapshot of the database, whatever other transactions commit meanwhile.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: copy_out
-- Send the rows of a table by binary COPY.
COPY {table} ({columns}) TO STDOUT (FORMAT binary);

-- name: copy_in
-- Load the rows of a table by binary COPY.
COPY {table} ({columns}) FROM STDIN (FORMAT binary);

-- name: restart_sequence
-- Set the sequence of a column to the highest value among the copied rows.
SELECT setval(pg_get_serial_sequence(quote_ident(%(table)s), %(column)s), max({column}))
FROM {table} HAVING max({column}) IS NOT NULL;
