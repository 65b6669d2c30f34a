-- name: create_chunks
-- Create the chunk table: the columns of LlamaIndex's PGVectorStore first, then those of this project. Half precision
-- changes a cosine by less than 0.001.
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
    -- The heading counts three times, which improves nDCG on documentation and threads by 0.02, measured on four sets.
    text_search_tsv tsvector GENERATED ALWAYS AS (
        search_terms(heading || E'\n' || heading || E'\n' || heading || E'\n' || text)
    ) STORED
);
CREATE INDEX ON {chunks} (document_id, ordinal);
CREATE INDEX ON {chunks} (source);

-- name: create_postings
-- Create the tables for keyword search. A row of postings holds many entries of one term and one source. An entry packs the
-- id of a chunk, the frequency of the term in the chunk and the number of terms of the chunk into 40, 12 and 12 bits. New
-- chunks wait in a queue, and searches read their terms from the chunk table, until compact_postings writes many at once.
-- The entries of a deleted chunk are retracted by rows with a negative count.
CREATE TABLE {postings} (
    term    bigint NOT NULL,
    source  text NOT NULL,
    chunks  integer NOT NULL,                      -- the number of entries; negative if the row retracts them
    first   bigint NOT NULL,                       -- the lowest chunk id among the entries
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

-- name: insert_index
-- Insert an index; the first index becomes the active index.
INSERT INTO indexes (name, embedding_model, dimension, chunking, active)
VALUES (%(name)s, %(embedding_model)s, %(dimension)s, %(chunking)s, NOT EXISTS (SELECT FROM indexes WHERE active));

-- name: active_index
-- Select the active index, from which questions are answered.
SELECT name, embedding_model, dimension, chunking FROM indexes WHERE active;

-- name: index_by_name
-- Select an index by name.
SELECT name, embedding_model, dimension, chunking FROM indexes WHERE name = %(name)s;

-- name: other_indexes
-- Select the inactive indexes, the most recently retired index first; indexes that are still being built come last.
SELECT name, embedding_model, dimension, chunking, retired_at IS NOT NULL FROM indexes WHERE NOT active
ORDER BY retired_at DESC NULLS LAST, created_at DESC;

-- name: expired_indexes
-- Select the indexes that were retired more than a number of days ago.
SELECT name, embedding_model, dimension, chunking FROM indexes
WHERE NOT active AND retired_at < now() - make_interval(days => %(days)s);

-- name: index_size
-- Select the numbers of documents and chunks of an index, and the bytes of its tables including their database indexes.
SELECT (SELECT count(*) FROM documents) AS documents,
       (SELECT coalesce(sum(chunks), 0)::bigint FROM index_statistics WHERE index_name = %(name)s) AS chunks,
       pg_total_relation_size(%(chunks)s::regclass) + pg_total_relation_size(%(postings)s::regclass) AS bytes;

-- name: source_sizes
-- Select the number of chunks of each source in an index.
SELECT source, chunks FROM index_statistics WHERE index_name = %(name)s AND chunks > 0;

-- name: lock_indexes
-- Allow one process at a time to create an index; the lock is released at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('support-engine indexes', 0));

-- name: has_chunks
-- Return a row if an index holds any chunk.
SELECT 1 FROM {chunks} LIMIT 1;

-- name: retire_index
-- Keep an index, but make it inactive: questions are no longer answered from it.
UPDATE indexes SET active = false, retired_at = now() WHERE name = %(name)s;

-- name: activate_index
-- Make an index the active index, from which questions are answered.
UPDATE indexes SET active = true, retired_at = NULL WHERE name = %(name)s;

-- name: drop_chunks
-- Drop the chunk table of an index.
DROP TABLE IF EXISTS {chunks};

-- name: drop_postings
-- Drop the postings and the queue of an index.
DROP TABLE IF EXISTS {postings}, {fresh};

-- name: delete_index
-- Delete an index; its statistics are deleted by cascade.
DELETE FROM indexes WHERE name = %(name)s;

-- name: index_state
-- Return a digest that changes whenever the content that answers are based on does: chunk ids only increase, and every write
-- of a document updates its indexed_at.
SELECT md5(concat_ws(' ', i.name, i.created_at,
                     (SELECT max(id) FROM {chunks}),
                     (SELECT concat_ws(' ', sum(chunks), sum(terms)) FROM index_statistics WHERE index_name = i.name),
                     (SELECT concat_ws(' ', count(*), max(indexed_at)) FROM documents)))
FROM indexes i WHERE i.name = %(name)s;
