-- name: create_chunks
-- The chunk table: LlamaIndex's PGVectorStore columns first, then ours. Half precision moves a cosine by less than 0.001.
CREATE TABLE {chunks} (
    id              bigserial PRIMARY KEY,
    text            varchar NOT NULL,
    metadata_       json,
    node_id         varchar NOT NULL UNIQUE,
    embedding       halfvec({dimension}) NOT NULL,
    document_id     text NOT NULL REFERENCES documents ON DELETE CASCADE,
    source          text NOT NULL,
    ordinal         integer NOT NULL,
    heading         text NOT NULL,
    url             text NOT NULL,
    -- What a heading says counts three times: measured on four sets, that is worth 0.02 nDCG on documentation and threads.
    text_search_tsv tsvector GENERATED ALWAYS AS (
        search_terms(heading || E'\n' || heading || E'\n' || heading || E'\n' || text)
    ) STORED
);
CREATE INDEX ON {chunks} (document_id, ordinal);
CREATE INDEX ON {chunks} (source);

-- name: create_postings
-- The keyword side: for each term and source the chunks that hold it, many to a row. An entry is a chunk's id, how often
-- it holds the term and how many terms it has, in 40, 12 and 12 bits. New chunks wait in a queue, of which the terms
-- are read from the chunks themselves, until compact_postings writes many at once; a chunk that goes takes its entries
-- back by rows with a negative count.
CREATE TABLE {postings} (
    term    bigint NOT NULL,
    source  text NOT NULL,
    chunks  integer NOT NULL,                      -- the number of entries; negative: they are taken back
    first   bigint NOT NULL,                       -- the lowest id of a chunk in it
    last    bigint NOT NULL,
    entries bigint[] NOT NULL
);
ALTER TABLE {postings} ALTER COLUMN entries SET STORAGE MAIN;
CREATE INDEX ON {postings} (term, source) INCLUDE (chunks);
CREATE INDEX ON {postings} (source, term) WHERE chunks < 224;
CREATE INDEX ON {postings} (source, term) WHERE chunks < 0;
CREATE TABLE {fresh} (
    chunk  bigint PRIMARY KEY,
    source text NOT NULL
);

-- name: has_relation
-- Whether a table or an index is there.
SELECT to_regclass(quote_ident(%(name)s)) IS NOT NULL;

-- name: hnsw_links
-- How many links a vectors' index has for each vector.
SELECT option_value::integer FROM pg_class, pg_options_to_table(reloptions)
WHERE oid = to_regclass(quote_ident(%(name)s)) AND option_name = 'm';

-- name: lock_build
-- One process at a time builds a vectors' index; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('vectors ' || %(name)s, 0));

-- name: set_hnsw_aside
-- Keep what answers questions until its successor is there.
ALTER INDEX {hnsw} RENAME TO {outgrown};

-- name: drop_outgrown_hnsw
-- The successor is there.
DROP INDEX {outgrown};

-- name: create_hnsw
-- The approximate nearest neighbour index; built once the bulk is in, since building is 20 times faster than inserting.
CREATE INDEX IF NOT EXISTS {hnsw} ON {chunks} USING hnsw (embedding halfvec_cosine_ops) WITH (m = {links}, ef_construction = {build});

-- name: create_hnsw_of_source
-- One of a source alone: in that of all, a search for a small part of it passes by too much, and misses some.
CREATE INDEX IF NOT EXISTS {hnsw} ON {chunks} USING hnsw (embedding halfvec_cosine_ops)
WITH (m = {links}, ef_construction = {build}) WHERE source = {source};

-- name: prepare_build
-- Keep a vectors' index in memory while it is built, and use every core.
SELECT set_config('maintenance_work_mem', %(memory)s, true), set_config('max_parallel_maintenance_workers', %(workers)s, true);

-- name: source_sizes
-- How many chunks of each source an index holds.
SELECT source, chunks FROM index_statistics WHERE index_name = %(name)s AND chunks > 0;

-- name: insert_index
-- Register an index; the first one becomes the active one.
INSERT INTO indexes (name, embedding_model, dimension, chunking, active)
VALUES (%(name)s, %(embedding_model)s, %(dimension)s, %(chunking)s, NOT EXISTS (SELECT FROM indexes WHERE active));

-- name: active_index
-- The index that questions are answered from.
SELECT name, embedding_model, dimension, chunking FROM indexes WHERE active;

-- name: index_by_name
-- One index.
SELECT name, embedding_model, dimension, chunking FROM indexes WHERE name = %(name)s;

-- name: other_indexes
-- The indexes that questions are not answered from: the one that was switched away from last comes first, those that
-- are still being built come last.
SELECT name, embedding_model, dimension, chunking, retired_at IS NOT NULL FROM indexes WHERE NOT active
ORDER BY retired_at DESC NULLS LAST, created_at DESC;

-- name: expired_indexes
-- Indexes that were switched away from so many days ago.
SELECT name, embedding_model, dimension, chunking FROM indexes
WHERE NOT active AND retired_at < now() - make_interval(days => %(days)s);

-- name: index_size
-- Documents and chunks of an index, and the bytes of its tables with their indexes.
SELECT (SELECT count(*) FROM documents) AS documents,
       (SELECT coalesce(sum(chunks), 0)::bigint FROM index_statistics WHERE index_name = %(name)s) AS chunks,
       pg_total_relation_size(%(chunks)s::regclass) + pg_total_relation_size(%(postings)s::regclass) AS bytes;

-- name: lock_indexes
-- One process at a time creates an index; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('support-engine indexes', 0));

-- name: has_chunks
-- Whether an index holds anything.
SELECT 1 FROM {chunks} LIMIT 1;

-- name: documents_to_index
-- Documents that an index being built lacks, or that changed since it was begun; its chunks are told by their document.
SELECT d.id, d.source, d.kind, d.url, d.title, d.text, d.metadata, d.hash
FROM documents d
WHERE d.id > %(after)s
  AND (d.indexed_at > (SELECT coalesce(retired_at, created_at) FROM indexes WHERE name = %(name)s)
       OR NOT EXISTS (SELECT FROM {chunks} c WHERE c.document_id = d.id))
ORDER BY d.id LIMIT %(limit)s;

-- name: retire_index
-- Keep an index, but answer from it no more.
UPDATE indexes SET active = false, retired_at = now() WHERE name = %(name)s;

-- name: activate_index
-- Answer from this index from now on.
UPDATE indexes SET active = true, retired_at = NULL WHERE name = %(name)s;

-- name: queue_all_chunks
-- Begin the postings of an index anew: documents that went while it was not in use took their chunks along, and left these.
WITH emptied AS (
    DELETE FROM {postings}
), counted AS (
    INSERT INTO index_statistics AS s (index_name, source, chunks, terms)
    SELECT %(name)s, c.source, count(*),
           sum((SELECT coalesce(sum(cardinality(t.positions)), 0) FROM unnest(c.text_search_tsv) t))
    FROM {chunks} c GROUP BY c.source
    ON CONFLICT (index_name, source) DO UPDATE SET chunks = excluded.chunks, terms = excluded.terms
), forgotten AS (
    DELETE FROM index_statistics WHERE index_name = %(name)s AND source NOT IN (SELECT source FROM {chunks})
)
INSERT INTO {fresh} (chunk, source) SELECT id, source FROM {chunks} ON CONFLICT DO NOTHING;

-- name: drop_chunks
-- Remove the chunk table of an index.
DROP TABLE IF EXISTS {chunks};

-- name: drop_postings
-- Remove the postings of an index.
DROP TABLE IF EXISTS {postings}, {fresh};

-- name: delete_index
-- Forget an index; its statistics go with it.
DELETE FROM indexes WHERE name = %(name)s;

-- name: index_state
-- What changes whenever anything that answers are made from does: ids only grow, and every write of a document dates it.
SELECT md5(concat_ws(' ', i.name, i.created_at,
                     (SELECT max(id) FROM {chunks}),
                     (SELECT concat_ws(' ', sum(chunks), sum(terms)) FROM index_statistics WHERE index_name = i.name),
                     (SELECT concat_ws(' ', count(*), max(indexed_at)) FROM documents)))
FROM indexes i WHERE i.name = %(name)s;
