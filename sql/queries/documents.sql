-- name: document_hashes
-- What is indexed of a source: document ids and their content hashes.
SELECT id, hash FROM documents WHERE source = %(source)s;

-- name: known_hashes
-- Content hashes of those of some documents that are stored.
SELECT id, hash FROM documents WHERE id = ANY(%(ids)s);

-- name: document_ids
-- Ids of a source's documents, a page of them. An id begins with its source's name, so the primary key has them in order.
SELECT id FROM documents WHERE source = %(source)s AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: document_count
-- How many documents of a source are stored.
SELECT count(*) FROM documents WHERE source = %(source)s;

-- name: document_hash
-- The content hash of one document.
SELECT hash FROM documents WHERE id = %(id)s;

-- name: put_document
-- Insert or replace a document.
INSERT INTO documents (id, source, kind, url, title, text, metadata, hash)
VALUES (%(id)s, %(source)s, %(kind)s, %(url)s, %(title)s, %(text)s, %(metadata)s, %(hash)s)
ON CONFLICT (id) DO UPDATE SET
    source = excluded.source, kind = excluded.kind, url = excluded.url, title = excluded.title,
    text = excluded.text, metadata = excluded.metadata, hash = excluded.hash, indexed_at = now();

-- name: delete_document
-- Remove a document; its chunks go before it, by delete_chunks.
DELETE FROM documents WHERE id = %(id)s;

-- name: document_chunks
-- The chunks of a document as they are in the index.
SELECT node_id, ordinal, url, heading FROM {chunks} WHERE document_id = %(document_id)s ORDER BY ordinal;

-- name: copy_chunks
-- Chunks arrive by binary COPY; the tsvector is generated.
COPY {chunks} (text, metadata_, node_id, embedding, document_id, source, ordinal, heading, url) FROM STDIN (FORMAT binary);

-- name: move_chunk
-- A chunk whose text is unchanged but whose place, link or metadata is not.
UPDATE {chunks} SET ordinal = %(ordinal)s, url = %(url)s, metadata_ = %(metadata)s WHERE node_id = %(node_id)s;

-- name: add_postings
-- Index the terms of new chunks; returns how many chunks and terms came in.
WITH terms AS (
    SELECT c.id, hashtextextended(t.lexeme, 0) AS term,
           least(cardinality(t.positions), 32767) AS frequency,
           sum(cardinality(t.positions)) OVER (PARTITION BY c.id) AS length
    FROM {chunks} c CROSS JOIN LATERAL unnest(c.text_search_tsv) t
    WHERE c.node_id = ANY(%(node_ids)s)
), added AS (
    INSERT INTO {postings} (term, chunk, frequency, length)
    SELECT term, id, frequency, least(length, 32767) FROM terms
    RETURNING frequency
)
SELECT coalesce(sum(frequency), 0)::bigint AS terms FROM added;

-- name: delete_postings
-- Forget the terms of chunks that are about to go; returns how many terms went.
WITH gone AS (
    DELETE FROM {postings} p
    USING (SELECT c.id, hashtextextended(t.lexeme, 0) AS term
           FROM {chunks} c CROSS JOIN LATERAL unnest(c.text_search_tsv) t
           WHERE c.node_id = ANY(%(node_ids)s)) g
    WHERE p.term = g.term AND p.chunk = g.id
    RETURNING p.frequency
)
SELECT coalesce(sum(frequency), 0)::bigint AS terms FROM gone;

-- name: delete_chunks
-- Remove chunks by their node ids.
DELETE FROM {chunks} WHERE node_id = ANY(%(node_ids)s);

-- name: count_statistics
-- Move the corpus statistics of a source by so many chunks and terms.
INSERT INTO index_statistics AS s (index_name, source, chunks, terms)
VALUES (%(index_name)s, %(source)s, %(chunks)s, %(terms)s)
ON CONFLICT (index_name, source) DO UPDATE SET chunks = s.chunks + excluded.chunks, terms = s.terms + excluded.terms;

-- name: cached_embeddings
-- Embeddings already made for these contents by this model.
SELECT content, embedding FROM embeddings WHERE model = %(model)s AND content = ANY(%(contents)s);

-- name: stage_embeddings
-- A place to COPY new embeddings into before they are merged.
CREATE TEMPORARY TABLE IF NOT EXISTS new_embeddings (content bytea, embedding vector) ON COMMIT DELETE ROWS;

-- name: copy_embeddings
-- New embeddings arrive by binary COPY.
COPY new_embeddings (content, embedding) FROM STDIN (FORMAT binary);

-- name: merge_embeddings
-- Keep new embeddings; a twin that another process made meanwhile stays.
INSERT INTO embeddings (model, content, embedding)
SELECT %(model)s, content, embedding FROM new_embeddings ON CONFLICT DO NOTHING;
