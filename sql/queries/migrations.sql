-- name: lock_migrations
-- Allow one process at a time to apply migrations. The lock number is arbitrary, but must be the same in every version of
-- this program.
SELECT pg_advisory_lock(7261503942118061);

-- name: unlock_migrations
-- Release the lock, so that the next process can check for migrations.
SELECT pg_advisory_unlock(7261503942118061);

-- name: has_ledger
-- Return whether any migration was ever applied to this database.
SELECT to_regclass('migrations') IS NOT NULL;

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
