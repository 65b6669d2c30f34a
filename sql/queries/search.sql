-- name: search
-- Candidates by meaning and by words with their exact scores. BM25 has k1 1.2 and b 0.75; coverage is the share of the
-- question's terms, weighed by idf, that a chunk holds.
WITH terms AS MATERIALIZED (
    SELECT hashtextextended(lexeme, 0) AS term, cardinality(positions) AS repeats
    FROM unnest(to_tsvector('english', %(question)s))
), corpus AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, greatest(sum(terms)::float8 / nullif(sum(chunks), 0), 1) AS mean_length
    FROM index_statistics WHERE index_name = %(index)s
), hits AS MATERIALIZED (
    SELECT p.term, p.chunk, t.repeats, p.frequency, p.length
    FROM terms t JOIN {postings} p USING (term)
), weights AS MATERIALIZED (
    SELECT t.term, ln(1 + (max(corpus.chunks) - count(h.chunk) + 0.5) / (count(h.chunk) + 0.5)) AS idf
    FROM terms t CROSS JOIN corpus LEFT JOIN hits h USING (term) GROUP BY t.term
), bm25 AS MATERIALIZED (
    SELECT hits.chunk,
           sum(repeats * idf * frequency * 2.2
               / (frequency + 1.2 * (0.25 + 0.75 * length / corpus.mean_length))) AS score,
           sum(idf) / (SELECT sum(idf) FROM weights) AS coverage
    FROM hits JOIN weights USING (term) CROSS JOIN corpus
    GROUP BY hits.chunk
), by_words AS (
    SELECT bm25.chunk AS id FROM bm25 JOIN {chunks} c ON c.id = bm25.chunk
    WHERE %(source)s::text IS NULL OR c.source = %(source)s
    ORDER BY bm25.score DESC LIMIT %(candidates)s
), by_meaning AS (
    SELECT id FROM {chunks}
    WHERE %(source)s::text IS NULL OR source = %(source)s
    ORDER BY embedding <=> %(embedding)s::vector LIMIT %(candidates)s
), candidates AS (
    SELECT id FROM by_words UNION SELECT id FROM by_meaning
)
SELECT c.id, c.document_id, 1 - (c.embedding <=> %(embedding)s::vector) AS cosine, coalesce(bm25.score, 0) AS bm25,
       coalesce(bm25.coverage, 0) AS coverage
FROM candidates JOIN {chunks} c USING (id) LEFT JOIN bm25 ON bm25.chunk = c.id;

-- name: chunks_by_id
-- Chunks with what is shown of their documents.
SELECT c.id, c.node_id, c.document_id, c.url, d.title, c.source, d.kind, c.heading, c.text,
       coalesce(c.metadata_ -> 'anchors', '[]') AS anchors
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE c.id = ANY(%(ids)s);
