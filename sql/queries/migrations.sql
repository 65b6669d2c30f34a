-- name: lock_migrations
-- Allow one process at a time to apply migrations. The lock number is arbitrary, but must be the same in every version of
-- this program. The lock is released at the end of the transaction.
SELECT pg_advisory_xact_lock(7261503942118061);

-- name: has_ledger
-- Return whether any migration was ever applied to this database, in the schema where new tables are made.
SELECT to_regclass(quote_ident(current_schema()) || '.migrations') IS NOT NULL;

-- name: create_ledger
-- Create the table of applied migrations, with the checksums of their files.
CREATE TABLE IF NOT EXISTS migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: ledger
-- Select the applied migrations and their checksums.
SELECT name, checksum FROM migrations;

-- name: add_to_ledger
-- Insert a migration into the ledger, in the transaction that applies it.
INSERT INTO migrations (name, checksum) VALUES (%(name)s, %(checksum)s);

-- name: may_create
-- Select the schema of this program's tables, the current role, whether the role may create tables there, and whether
-- pgvector is installed.
SELECT
    coalesce(current_schema(), 'public'),
    current_user,
    has_schema_privilege(coalesce(current_schema(), 'public'), 'CREATE'),
    EXISTS (SELECT FROM pg_extension WHERE extname = 'vector');
