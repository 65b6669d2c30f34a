-- name: found_chunk
-- Fragment of chunks_by_id and chunks_at: the columns of a chunk and of its document that a search result shows.
c.id, c.node_id, c.document_id, c.ordinal, c.url, d.title, c.source, d.kind, c.heading, c.text,
coalesce(c.metadata_ -> 'anchors', '[]') AS anchors, d.metadata, coalesce(c.metadata_ -> 'passages', '[]') AS passages,
c.metadata_ ->> 'answer' AS answer;

-- name: chunks_by_id
-- Select chunks by id, with the columns of their documents that a search result shows.
SELECT {found_chunk}
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE c.id = ANY(%(ids)s);

-- name: chunks_at
-- Select chunks by document id and ordinal, with the columns of their documents that a search result shows.
SELECT {found_chunk}
FROM unnest(%(documents)s::text[], %(ordinals)s::integer[]) AS place (document_id, ordinal)
JOIN {chunks} c USING (document_id, ordinal) JOIN documents d ON d.id = c.document_id;

-- name: near_duplicates
-- Select the pairs of these chunks whose vectors are closer than a cosine distance.
WITH these AS MATERIALIZED (SELECT id, embedding FROM {chunks} WHERE id = ANY(%(ids)s))
SELECT a.id, b.id FROM these a JOIN these b ON a.id < b.id WHERE a.embedding <=> b.embedding < %(distance)s;

-- name: chunk_texts
-- Select the headings and texts of chunks.
SELECT node_id, heading || E'\n' || text FROM {chunks} WHERE node_id = ANY(%(node_ids)s);

-- name: said_at
-- Select the time at which the latest part of each chunk was written. Each comment of a thread has its own time; the text
-- before the comments has the time of the thread. Pages and files are undated, so their chunks are left out.
SELECT c.node_id, greatest(d.metadata ->> 'created_at', (
    SELECT max(passage -> 1 ->> 'at') FROM json_array_elements(c.metadata_ -> 'passages') passage))
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE c.node_id = ANY(%(node_ids)s) AND d.metadata ? 'created_at';

-- name: chunk_ids
-- Select the node ids of the chunks of documents.
SELECT node_id FROM {chunks} WHERE document_id = ANY(%(documents)s);

-- name: copy_chunks
-- Load chunks by binary COPY; the tsvector column is generated.
COPY {chunks} (text, metadata_, node_id, embedding, document_id, source, ordinal, heading, url) FROM STDIN (FORMAT binary);

-- name: move_chunks
-- Update the ordinal, URL and metadata of chunks whose text is unchanged, in rows where one of these values differs.
UPDATE {chunks} c SET ordinal = row.ordinal, url = row.url, metadata_ = row.metadata
FROM json_to_recordset(%(rows)s) AS row (node_id text, ordinal integer, url text, metadata json)
WHERE c.node_id = row.node_id
  AND (c.ordinal, c.url, c.metadata_::text) IS DISTINCT FROM (row.ordinal, row.url, row.metadata::text);

-- name: count_chunks
-- Queue the terms of new chunks, and add the chunks and terms to the index statistics.
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
-- Remove the terms of chunks that are about to be deleted, from the queue or by postings with a negative count, and subtract
-- the chunks and terms from the index statistics.
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

-- name: delete_chunks
-- Delete chunks by node id.
DELETE FROM {chunks} WHERE node_id = ANY(%(node_ids)s);

-- name: delete_chunks_of_source
-- Delete every chunk of a source.
DELETE FROM {chunks} WHERE source = %(source)s;
