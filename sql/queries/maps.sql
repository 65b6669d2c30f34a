-- name: documents_for_map
-- Select documents with the mean of the vectors of their chunks and their first lines: all, or a sample of at most %(limit)s, which is the
-- same each time.
SELECT d.id, d.url, d.title, d.source, d.kind, left(f.text, 400), m.embedding
FROM (
    SELECT id, url, title, source, kind FROM documents
    WHERE %(source)s::text IS NULL OR source = %(source)s ORDER BY hashtextextended(id, 0), id LIMIT %(limit)s
) d
JOIN LATERAL (SELECT avg(c.embedding) AS embedding FROM {chunks} c WHERE c.document_id = d.id) m ON m.embedding IS NOT NULL
JOIN LATERAL (SELECT c.text FROM {chunks} c WHERE c.document_id = d.id ORDER BY c.ordinal LIMIT 1) f ON true
ORDER BY d.id;

-- name: chunks_for_map
-- Select chunks with their vectors: all, or a sample of at most %(limit)s, which is the same each time.
SELECT c.document_id, c.url, d.title || CASE WHEN c.heading = '' THEN '' ELSE ' › ' || c.heading END, c.source, d.kind,
       left(c.text, 400), c.embedding
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE (%(source)s::text IS NULL OR c.source = %(source)s) AND c.node_id IN (
    SELECT node_id FROM {chunks} WHERE %(source)s::text IS NULL OR source = %(source)s
    ORDER BY hashtextextended(node_id, 0), node_id LIMIT %(limit)s)
ORDER BY c.document_id, c.ordinal;

-- name: counts_for_map
-- Count the documents and the chunks that a map may show.
SELECT (SELECT count(*) FROM documents WHERE %(source)s::text IS NULL OR source = %(source)s),
       (SELECT count(*) FROM {chunks} WHERE %(source)s::text IS NULL OR source = %(source)s);

-- name: keep_map
-- Insert a map; it replaces the earlier one.
INSERT INTO maps (name, data) VALUES (%(name)s, %(data)s)
ON CONFLICT (name) DO UPDATE SET data = excluded.data, made_at = now();

-- name: kept_map
-- Select a map that is not older than the answer log, and when it was made.
SELECT made_at, data FROM maps WHERE name = %(name)s AND made_at >= now() - make_interval(days => %(days)s);

-- name: expire_maps
-- Delete the maps that are older than the answer log, since they quote questions.
DELETE FROM maps WHERE made_at < now() - make_interval(days => %(days)s);
