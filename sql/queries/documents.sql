-- name: document_hashes
-- Select the ids and content hashes of the documents of a source.
SELECT id, hash FROM documents WHERE source = %(source)s;

-- name: known_hashes
-- Select the ids and content hashes of documents by id; a document that is not stored has no row.
SELECT id, hash FROM documents WHERE id = ANY(%(ids)s);

-- name: document_text
-- Select the title and the text of a document by id.
SELECT title, text FROM documents WHERE id = %(id)s;

-- name: document_ids
-- Select a page of the document ids of a source, in order. A document id begins with the name of its source, so the primary
-- key provides this order.
SELECT id FROM documents WHERE source = %(source)s AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: document_count
-- Count the stored documents of a source.
SELECT count(*) FROM documents WHERE source = %(source)s;

-- name: labels
-- Select the labels of threads, the most common first.
SELECT label FROM documents d CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE jsonb_typeof(d.metadata -> 'labels') WHEN 'array' THEN d.metadata -> 'labels' ELSE '[]' END) AS label
WHERE %(source)s::text IS NULL OR d.source = %(source)s
GROUP BY label ORDER BY count(*) DESC, label;

-- name: documents_to_index
-- Select the documents that an index lacks, or that changed since the index was created or retired. The index lacks a
-- document if it holds no chunk of the document.
SELECT d.id, d.source, d.kind, d.url, d.title, d.text, d.metadata, d.hash
FROM documents d
WHERE d.id > %(after)s
  AND (d.indexed_at > (SELECT coalesce(retired_at, created_at) FROM indexes WHERE name = %(name)s)
       OR NOT EXISTS (SELECT FROM {chunks} c WHERE c.document_id = d.id))
ORDER BY d.id LIMIT %(limit)s;

-- name: documents_at
-- Select the documents with one of these ids or URLs.
SELECT id, source, kind, url, title, text, metadata, hash FROM documents
WHERE id = ANY(%(ids)s)
   OR url = ANY(%(urls)s) AND hashtextextended(url, 0) IN (SELECT hashtextextended(u, 0) FROM unnest(%(urls)s::text[]) u);

-- name: editions
-- Select the versions of documents, each with the product that it is a version of, whether pages or files are of it, and the
-- source and the address of one of these. Each step takes the next entry of the index that differs from the last, so the time does not grow
-- with the documents.
WITH RECURSIVE seen AS (
    (SELECT product, versions, kind FROM documents
     WHERE cardinality(versions) > 0 AND product IS NOT NULL ORDER BY product, versions, kind LIMIT 1)
    UNION ALL
    SELECT next.* FROM seen CROSS JOIN LATERAL (
        SELECT d.product, d.versions, d.kind FROM documents d
        WHERE cardinality(d.versions) > 0 AND (d.product, d.versions, d.kind) > (seen.product, seen.versions, seen.kind)
        ORDER BY d.product, d.versions, d.kind LIMIT 1
    ) next
)
SELECT product, version, bool_or(kind IN ('page', 'file')), min(CASE WHEN kind IN ('page', 'file') THEN (
    SELECT d.source || ' ' || d.url FROM documents d
    WHERE (d.product, d.versions, d.kind) = (seen.product, seen.versions, seen.kind) AND cardinality(d.versions) > 0 LIMIT 1
) END)
FROM seen CROSS JOIN LATERAL unnest(versions) AS version
WHERE %(source)s::text IS NULL OR EXISTS (
    SELECT FROM documents d
    WHERE (d.product, d.versions, d.kind) = (seen.product, seen.versions, seen.kind)
      AND cardinality(d.versions) > 0 AND d.source = %(source)s
)
GROUP BY product, version ORDER BY product, version;

-- name: document_sections
-- Select the chunks of a document, in order.
SELECT heading, text, url FROM {chunks} WHERE document_id = %(id)s ORDER BY ordinal;

-- name: versions
-- Select what the source says of the age of each chunk's document: the update time of a thread, the lastmod and the
-- Last-Modified of a page, and the commit of a file.
SELECT c.node_id, coalesce(d.metadata ->> 'updated_at', p.lastmod),
       CASE WHEN d.kind = 'page' THEN p.last_modified END, CASE WHEN d.kind = 'file' THEN p.last_modified END
FROM {chunks} c JOIN documents d ON d.id = c.document_id
LEFT JOIN pages p ON p.source = d.source
    AND p.url = CASE WHEN d.kind = 'file' THEN substr(d.id, length(d.source) + 2) ELSE d.url END
WHERE c.node_id = ANY(%(node_ids)s);

-- name: put_documents
-- Insert documents; an existing document with the same id is replaced.
INSERT INTO documents (id, source, kind, url, title, text, metadata, hash, versions, product)
SELECT id, source, kind, url, title, text, metadata, hash,
       array(SELECT jsonb_array_elements_text(coalesce(metadata -> 'versions', '[]'))), metadata ->> 'product'
FROM json_to_recordset(%(rows)s)
    AS row (id text, source text, kind text, url text, title text, text text, metadata jsonb, hash text)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    source = excluded.source, kind = excluded.kind, url = excluded.url, title = excluded.title,
    text = excluded.text, metadata = excluded.metadata, hash = excluded.hash, versions = excluded.versions,
    product = excluded.product, indexed_at = now();

-- name: delete_documents
-- Delete documents. Their chunks must be deleted first, by delete_chunks.
DELETE FROM documents WHERE id = ANY(%(ids)s);
