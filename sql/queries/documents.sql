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

-- name: put_documents
-- Insert or replace documents.
INSERT INTO documents (id, source, kind, url, title, text, metadata, hash)
SELECT id, source, kind, url, title, text, metadata, hash
FROM json_to_recordset(%(rows)s)
    AS row (id text, source text, kind text, url text, title text, text text, metadata jsonb, hash text)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    source = excluded.source, kind = excluded.kind, url = excluded.url, title = excluded.title,
    text = excluded.text, metadata = excluded.metadata, hash = excluded.hash, indexed_at = now();

-- name: delete_chunks_of_source
-- Remove every chunk of a source.
DELETE FROM {chunks} WHERE source = %(source)s;

-- name: delete_postings_of_source
-- Remove the terms of a source's chunks.
WITH waiting AS (DELETE FROM {fresh} WHERE source = %(source)s)
DELETE FROM {postings} WHERE source = %(source)s;

-- name: delete_documents
-- Remove documents; their chunks go before them, by delete_chunks.
DELETE FROM documents WHERE id = ANY(%(ids)s);

-- name: chunk_ids
-- The chunks of documents.
SELECT node_id FROM {chunks} WHERE document_id = ANY(%(documents)s);

-- name: copy_chunks
-- Chunks arrive by binary COPY; the tsvector is generated.
COPY {chunks} (text, metadata_, node_id, embedding, document_id, source, ordinal, heading, url) FROM STDIN (FORMAT binary);

-- name: move_chunks
-- Chunks whose text is unchanged but whose place, link or metadata is not.
UPDATE {chunks} c SET ordinal = row.ordinal, url = row.url, metadata_ = row.metadata
FROM json_to_recordset(%(rows)s) AS row (node_id text, ordinal integer, url text, metadata json)
WHERE c.node_id = row.node_id
  AND (c.ordinal, c.url, c.metadata_::text) IS DISTINCT FROM (row.ordinal, row.url, row.metadata::text);

-- name: count_chunks
-- Queue the terms of new chunks, and count them in.
WITH added AS (
    SELECT c.id, (SELECT coalesce(sum(cardinality(t.positions)), 0) FROM unnest(c.text_search_tsv) t) AS terms
    FROM {chunks} c WHERE c.node_id = ANY(%(node_ids)s)
), queued AS (
    INSERT INTO {fresh} (chunk, source) SELECT id, %(source)s FROM added
)
INSERT INTO index_statistics AS s (index_name, source, chunks, terms)
SELECT %(index)s, %(source)s, count(*), coalesce(sum(terms), 0) FROM added
ON CONFLICT (index_name, source) DO UPDATE SET chunks = s.chunks + excluded.chunks, terms = s.terms + excluded.terms;

-- name: discount_chunks
-- Take the terms of chunks that are about to go out of the queue, or back from the postings, and count them out.
WITH gone AS (
    SELECT c.id, t.lexeme, cardinality(t.positions) AS frequency
    FROM {chunks} c LEFT JOIN LATERAL unnest(c.text_search_tsv) t ON true
    WHERE c.node_id = ANY(%(node_ids)s)
), lengths AS (
    SELECT id, coalesce(sum(frequency), 0) AS length FROM gone GROUP BY id
), waiting AS (
    DELETE FROM {fresh} f USING lengths WHERE f.chunk = lengths.id RETURNING f.chunk
), taken_back AS (
    INSERT INTO {postings} (term, source, chunks, first, last, entries)
    SELECT hashtextextended(lexeme, 0), %(source)s, -count(*), min(id), max(id),
           array_agg((id << 24) | (least(frequency, 4095) << 12) | least(length, 4095)::bigint ORDER BY id)
    FROM gone JOIN lengths USING (id)
    WHERE lexeme IS NOT NULL AND id NOT IN (SELECT chunk FROM waiting)
    GROUP BY lexeme
)
UPDATE index_statistics s SET chunks = s.chunks - counted.chunks, terms = s.terms - counted.terms
FROM (SELECT count(*) AS chunks, coalesce(sum(length), 0) AS terms FROM lengths) counted
WHERE index_name = %(index)s AND source = %(source)s;

-- name: waiting_postings
-- Whether a source has terms to write or to drop.
SELECT EXISTS (SELECT FROM {fresh} WHERE source = %(source)s)
       OR EXISTS (SELECT FROM {postings} WHERE source = %(source)s AND chunks < 0);

-- name: lock_postings
-- One compaction of an index at a time; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('postings ' || %(index)s, 0));

-- name: compact_postings
-- Write the terms of a source's queued chunks, and drop the entries that were taken back. 224 entries fit a row that
-- needs no TOAST. Rows with fewer are joined where a term has eight of them, or, if all is to be compact, two. Of the
-- full rows only those are read that may hold an entry to drop.
WITH posted AS (
    DELETE FROM {fresh} WHERE source = %(source)s RETURNING chunk
), new AS MATERIALIZED (
    SELECT t.term, (posted.chunk << 24) | (least(t.frequency, 4095) << 12) | least(t.length, 4095)::bigint AS entry
    FROM posted CROSS JOIN LATERAL (
        SELECT hashtextextended(u.lexeme, 0) AS term, cardinality(u.positions) AS frequency,
               sum(cardinality(u.positions)) OVER () AS length
        FROM {chunks} c CROSS JOIN LATERAL unnest(c.text_search_tsv) u WHERE c.id = posted.chunk
    ) t
), gone AS MATERIALIZED (
    SELECT term, min(first) AS first, max(last) AS last
    FROM {postings} WHERE source = %(source)s AND chunks < 0 GROUP BY term
), crowded AS (
    SELECT term FROM {postings}
    WHERE source = %(source)s AND chunks < 224 AND (%(thorough)s OR term IN (SELECT term FROM new))
    GROUP BY term HAVING count(*) >= CASE WHEN %(thorough)s THEN 2 ELSE 8 END
    UNION SELECT term FROM gone
), taken AS (
    DELETE FROM {postings} p USING crowded LEFT JOIN gone USING (term)
    WHERE p.term = crowded.term AND p.source = %(source)s
      AND (p.chunks < 224 OR p.first <= gone.last AND p.last >= gone.first)
    RETURNING p.term, p.chunks, p.entries
), entries AS (
    SELECT term, entry FROM new
    UNION ALL
    SELECT term, entry FROM (SELECT term, unnest(entries) AS entry FROM taken WHERE chunks > 0) kept
    WHERE (term, entry) NOT IN (SELECT term, unnest(entries) FROM taken WHERE chunks < 0)
), joined AS (
    SELECT term, array_agg(entry) AS entries FROM entries GROUP BY term
)
INSERT INTO {postings} (term, source, chunks, first, last, entries)
SELECT term, %(source)s, held.chunks, held.first, held.last, part.entries
FROM joined
CROSS JOIN LATERAL generate_series(1, cardinality(entries), 224) AS start
CROSS JOIN LATERAL (SELECT joined.entries[start:start + 223] AS entries OFFSET 0) part
CROSS JOIN LATERAL (
    SELECT count(*) AS chunks, min(entry) >> 24 AS first, max(entry) >> 24 AS last FROM unnest(part.entries) AS entry
) held;

-- name: vacuum_postings
-- Give the room of joined rows back, and let a count of a term's chunks be read from the index alone.
VACUUM (ANALYZE) {postings}, {fresh};

-- name: delete_chunks
-- Remove chunks by their node ids.
DELETE FROM {chunks} WHERE node_id = ANY(%(node_ids)s);

-- name: cached_embeddings
-- Embeddings already made for these contents by this model, and whether their use should be noted.
SELECT content, embedding, used_on < current_date - 7 FROM embeddings WHERE model = %(model)s AND content = ANY(%(contents)s);

-- name: note_use_of_embeddings
-- Date the use of embeddings, once a week at the most: a read is none that should write.
UPDATE embeddings SET used_on = current_date
WHERE model = %(model)s AND content = ANY(%(contents)s) AND used_on < current_date - 7;

-- name: expire_embeddings
-- Drop embeddings that no sync has used for some days.
DELETE FROM embeddings WHERE used_on < current_date - %(days)s::integer;

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

-- name: put_embedding_batch
-- Leave texts for another process to embed. What a killed one left goes.
WITH forgotten AS (DELETE FROM embedding_batches WHERE made_at < now() - interval '1 day')
INSERT INTO embedding_batches (id, model, texts) VALUES (%(id)s, %(model)s, %(texts)s);

-- name: embedding_batch
-- The texts of a batch.
SELECT model, texts FROM embedding_batches WHERE id = %(id)s;

-- name: drop_embedding_batch
-- A batch is embedded, or nobody waits for it any more.
DELETE FROM embedding_batches WHERE id = %(id)s;
