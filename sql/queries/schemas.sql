-- name: schema_choice
-- Select the first schema of the search path; whether it was chosen for this program, by the connection string or for the
-- role or the database; whether it has a ledger of migrations; whether this program's own schema exists; whether the role
-- may create that one, or tables in the first one; and the names of the database and the role.
SELECT current_schema(),
       p.source IN ('client', 'session') OR (p.source LIKE '%%user%%' OR p.source = 'database') AND current_schema() <> 'public',
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'checksum'
               WHERE n.nspname = current_schema() AND c.relname = 'migrations'),
       EXISTS (SELECT FROM pg_namespace WHERE nspname = %(own)s),
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       current_database(),
       current_user
FROM pg_settings p WHERE p.name = 'search_path';

-- name: make_extension
-- Install pgvector where other programs find it, too, before this program's schema is searched first.
CREATE EXTENSION IF NOT EXISTS vector;

-- name: make_schema
-- Create the schema of this program's tables.
CREATE SCHEMA IF NOT EXISTS {own};

-- name: search_schema
-- Search a schema first, and make new tables in it; then the schemas that were searched, and last that of pgvector's types.
SELECT set_config('search_path', concat_ws(', ', quote_ident(%(own)s), nullif(current_setting('search_path'), ''), (
    SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
)), false);
