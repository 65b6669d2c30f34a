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

-- name: documents_to_index
-- Select the documents that an index lacks, or that changed since the index was created or retired. The index lacks a
-- document if it holds no chunk of the document.
SELECT d.id, d.source, d.kind, d.url, d.title, d.text, d.metadata, d.hash
FROM documents d
WHERE d.id > %(after)s
  AND (d.indexed_at > (SELECT coalesce(retired_at, created_at) FROM indexes WHERE name = %(name)s)
       OR NOT EXISTS (SELECT FROM {chunks} c WHERE c.document_id = d.id))
ORDER BY d.id LIMIT %(limit)s;

-- name: put_documents
-- Insert documents; an existing document with the same id is replaced.
INSERT INTO documents (id, source, kind, url, title, text, metadata, hash)
SELECT id, source, kind, url, title, text, metadata, hash
FROM json_to_recordset(%(rows)s)
    AS row (id text, source text, kind text, url text, title text, text text, metadata jsonb, hash text)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    source = excluded.source, kind = excluded.kind, url = excluded.url, title = excluded.title,
    text = excluded.text, metadata = excluded.metadata, hash = excluded.hash, indexed_at = now();

-- name: delete_documents
-- Delete documents. Their chunks must be deleted first, by delete_chunks.
DELETE FROM documents WHERE id = ANY(%(ids)s);
