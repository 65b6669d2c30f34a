-- name: server_version
-- The versions of Postgres and pgvector, and the size of the database in bytes.
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       pg_database_size(current_database());
