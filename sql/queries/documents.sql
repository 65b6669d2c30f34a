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
-- Index the terms of chunks, or with sign -1 take them back; returns how many terms there are in all.
WITH entries AS (
    SELECT c.id, hashtextextended(t.lexeme, 0) AS term, cardinality(t.positions) AS frequency,
           sum(cardinality(t.positions)) OVER (PARTITION BY c.id) AS length
    FROM {chunks} c CROSS JOIN LATERAL unnest(c.text_search_tsv) t
    WHERE c.node_id = ANY(%(node_ids)s)
), added AS (
    INSERT INTO {postings} (term, source, chunks, first, last, entries)
    SELECT term, %(source)s, %(sign)s * count(*), min(id), max(id),
           array_agg((id << 24) | (least(frequency, 4095) << 12) | least(length, 4095)::bigint ORDER BY id)
    FROM entries GROUP BY term
)
SELECT coalesce(sum(frequency), 0)::bigint AS terms FROM entries;

-- name: lock_postings
-- One compaction of an index at a time; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('postings ' || %(index)s, 0));

-- name: fresh_postings
-- How many rows of postings a source has that were never compacted.
SELECT count(*) FROM {postings} WHERE source = %(source)s AND fresh;

-- name: compact_postings
-- Make full rows of a source's small ones, and drop the entries that were taken back. 224 entries fit a row that needs
-- no TOAST. Of a term's full rows only those are read that may hold an entry to drop.
WITH terms AS (
    SELECT term, min(first) FILTER (WHERE chunks < 0) AS first, max(last) FILTER (WHERE chunks < 0) AS last
    FROM {postings} WHERE source = %(source)s AND fresh GROUP BY term
), taken AS (
    DELETE FROM {postings} p USING terms t
    WHERE p.term = t.term AND p.source = %(source)s
      AND (p.fresh OR p.chunks < 224 OR p.first <= t.last AND p.last >= t.first)
    RETURNING p.term, p.chunks, p.entries
), entries AS (
    SELECT term, entry, row_number() OVER (PARTITION BY term ORDER BY entry) - 1 AS place
    FROM taken CROSS JOIN LATERAL unnest(entries) AS entry
    GROUP BY term, entry HAVING sum(sign(chunks)) > 0
)
INSERT INTO {postings} (term, source, chunks, first, last, fresh, entries)
SELECT term, %(source)s, count(*), min(entry) >> 24, max(entry) >> 24, false, array_agg(entry ORDER BY entry)
FROM entries GROUP BY term, place / 224;

-- name: vacuum_postings
-- Give the room of compacted rows back, and let a count of a term's chunks be read from the index alone.
VACUUM (ANALYZE) {postings};

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
CREATE TEMPORARY TABLE IF NOT EXISTS new_embeddings (content bytea, embedding halfvec) ON COMMIT DELETE ROWS;

-- name: copy_embeddings
-- New embeddings arrive by binary COPY.
COPY new_embeddings (content, embedding) FROM STDIN (FORMAT binary);

-- name: merge_embeddings
-- Keep new embeddings; a twin that another process made meanwhile stays.
INSERT INTO embeddings (model, content, embedding)
SELECT %(model)s, content, embedding FROM new_embeddings ON CONFLICT DO NOTHING;
