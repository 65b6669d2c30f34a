-- name: has_relation
-- Return whether a table or an index exists.
SELECT to_regclass(quote_ident(%(name)s)) IS NOT NULL;

-- name: hnsw_links
-- Select the parameter m of an HNSW index, the number of links of each vector.
SELECT option_value::integer FROM pg_class, pg_options_to_table(reloptions)
WHERE oid = to_regclass(quote_ident(%(name)s)) AND option_name = 'm';

-- name: lock_build
-- Allow one process at a time to build an HNSW index; the lock is released at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('vectors ' || %(name)s, 0));

-- name: set_hnsw_aside
-- Rename an outgrown HNSW index; it serves searches until its successor is built.
ALTER INDEX {hnsw} RENAME TO {outgrown};

-- name: drop_outgrown_hnsw
-- Drop an outgrown HNSW index after its successor is built.
DROP INDEX {outgrown};

-- name: create_hnsw
-- Create the HNSW index of all chunks. It is built after the bulk load, since building is 20 times faster than inserting.
CREATE INDEX IF NOT EXISTS {hnsw} ON {chunks} USING hnsw (embedding halfvec_cosine_ops) WITH (m = {links}, ef_construction = {build});

-- name: create_hnsw_of_source
-- Create the HNSW index of one source. In the HNSW index of all chunks, a search for a small source passes too many vectors
-- of other sources, and misses some of the nearest neighbours.
CREATE INDEX IF NOT EXISTS {hnsw} ON {chunks} USING hnsw (embedding halfvec_cosine_ops)
WITH (m = {links}, ef_construction = {build}) WHERE source = {source};

-- name: prepare_build
-- Keep an HNSW index in memory during its build, and use every core, for this transaction only.
SELECT set_config('maintenance_work_mem', %(memory)s, true), set_config('max_parallel_maintenance_workers', %(workers)s, true);
