-- name: bm25
-- The part of search that scores words. BM25 has k1 1.2 and b 0.75; coverage is the share of the question's terms,
-- weighed by idf, that a chunk holds. A whole identifier comes beside its parts, so it counts half, and is not covered. A source
-- that is asked for narrows the postings that are read, while idf is always that of the whole index.
corpus AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, greatest(sum(terms)::float8 / nullif(sum(chunks), 0), 1) AS mean_length
    FROM index_statistics WHERE index_name = %(index)s
), asked AS MATERIALIZED (
    SELECT hashtextextended(lexeme, 0) AS term, cardinality(positions) AS repeats, left(lexeme, 1) = '=' AS is_identifier
    FROM unnest(search_terms(%(question)s))
), fresh AS MATERIALIZED (
    SELECT f.chunk, f.source, t.term, t.frequency, t.length
    FROM {fresh} f CROSS JOIN LATERAL (
        SELECT hashtextextended(u.lexeme, 0) AS term, cardinality(u.positions)::float8 AS frequency,
               (sum(cardinality(u.positions)) OVER ())::float8 AS length
        FROM {chunks} c CROSS JOIN LATERAL unnest(c.text_search_tsv) u WHERE c.id = f.chunk
    ) t
    WHERE t.term IN (SELECT term FROM asked)
), held AS MATERIALIZED (
    SELECT term, repeats, is_identifier,
           (SELECT coalesce(sum(p.chunks), 0)::float8 FROM {postings} p WHERE p.term = asked.term)
           + (SELECT count(*) FROM fresh WHERE fresh.term = asked.term) AS chunks
    FROM asked
), weights AS MATERIALIZED (
    SELECT term, CASE WHEN is_identifier THEN 0 ELSE idf END AS idf,
           CASE WHEN is_identifier THEN 0.5 ELSE 1 END * 2.2::float8 * repeats * idf AS weight, per_term
    FROM (SELECT term, repeats, is_identifier, ln(1 + (corpus.chunks - held.chunks + 0.5) / (held.chunks + 0.5)) AS idf,
                 (0.9 / mean_length)::float8 AS per_term
          FROM corpus CROSS JOIN held) weighed
), gone AS MATERIALIZED (
    SELECT unnest(p.entries) >> 24 AS chunk FROM weights JOIN {postings} p USING (term) WHERE p.chunks < 0
), bm25 AS MATERIALIZED (
    SELECT entry >> 24 AS chunk,
           sum(weight / (1 + (0.3::float8 + per_term * (entry & 4095)) / (entry >> 12 & 4095))) AS score,
           sum(idf) AS covered
    FROM weights CROSS JOIN LATERAL (
        SELECT unnest(p.entries) AS entry FROM {postings} p
        WHERE p.term = weights.term AND p.chunks > 0 AND (%(source)s::text IS NULL OR p.source = %(source)s)
    ) packed
    GROUP BY entry >> 24 HAVING entry >> 24 NOT IN (SELECT chunk FROM gone)
    UNION ALL
    SELECT chunk, sum(weight / (1 + (0.3::float8 + per_term * length) / frequency)), sum(idf)
    FROM fresh JOIN weights USING (term)
    WHERE %(source)s::text IS NULL OR source = %(source)s GROUP BY chunk
);

-- name: search
-- Candidates by meaning and by words with their exact scores.
WITH {bm25}, by_words AS MATERIALIZED (
    {by_words}
), by_meaning AS MATERIALIZED (
    {by_meaning}
), by_both AS MATERIALIZED (
    SELECT * FROM bm25 WHERE chunk IN (SELECT id FROM by_meaning)
), candidates AS (
    SELECT * FROM by_words
    UNION SELECT * FROM by_both
    UNION ALL SELECT id, 0, 0 FROM by_meaning WHERE id NOT IN (SELECT chunk FROM by_both)
)
SELECT c.id, c.document_id, 1 - (c.embedding <=> %(embedding)s::halfvec) AS cosine, candidates.score AS bm25,
       coalesce(candidates.covered / nullif((SELECT sum(idf) FROM weights), 0), 0) AS coverage
FROM candidates JOIN {chunks} c ON c.id = candidates.chunk;

-- name: best_words
-- The part of search that takes the best by words.
SELECT * FROM bm25 ORDER BY score DESC LIMIT %(candidates)s;

-- name: best_words_of_few
-- The same among a few chunks.
SELECT * FROM bm25 WHERE chunk IN ({few}) ORDER BY score DESC LIMIT %(candidates)s;

-- name: best_words_of_many
-- The same where most are wanted: the best are looked at one by one until there are enough.
SELECT * FROM (SELECT * FROM bm25 ORDER BY score DESC OFFSET 0) ranked
WHERE (SELECT {wanted} FROM {chunks} c JOIN documents d ON d.id = c.document_id WHERE c.id = ranked.chunk)
LIMIT %(candidates)s;

-- name: wanted
-- The part of search that says whether a document is asked for. Dates are in ISO, so they compare as text; of pages, the
-- sitemap says when they changed.
(%(kind)s::text IS NULL OR d.kind = %(kind)s)
AND (%(state)s::text IS NULL OR d.metadata ->> 'state' = %(state)s)
AND (%(label)s::text IS NULL OR EXISTS (
    SELECT FROM jsonb_array_elements_text(
        CASE jsonb_typeof(d.metadata -> 'labels') WHEN 'array' THEN d.metadata -> 'labels' ELSE '[]' END) AS label
    WHERE lower(label) = lower(%(label)s)))
AND (%(since)s::text IS NULL AND %(before)s::text IS NULL OR coalesce((
    SELECT (%(since)s::text IS NULL OR updated.at COLLATE "C" >= %(since)s)
           AND (%(before)s::text IS NULL OR updated.at COLLATE "C" < %(before)s)
    FROM (SELECT coalesce(d.metadata ->> 'updated_at',
                          (SELECT p.lastmod FROM pages p WHERE p.source = d.source AND p.url = d.url)) AS at) updated
), false));

-- name: few
-- The part of search that lists the chunks of the documents that are asked for.
SELECT f.id FROM documents d JOIN {chunks} f ON f.document_id = d.id
WHERE (%(source)s::text IS NULL OR d.source = %(source)s) AND {wanted};

-- name: count_wanted
-- How many chunks a filter leaves, counted no further than it matters.
SELECT count(*) FROM (
    SELECT FROM documents d JOIN {chunks} c ON c.document_id = d.id
    WHERE (%(source)s::text IS NULL OR d.source = %(source)s) AND {wanted} LIMIT %(most)s
) counted;

-- name: nearest
-- The part of search that looks for meaning, in every source.
SELECT id FROM {chunks} ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: nearest_in_source
-- The same in one source that holds much of the index: the scan goes on until it has found enough of it.
SELECT id FROM {chunks} WHERE source = %(source)s ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: nearest_in_small_source
-- The same in one source that is a small part of the index: all of it is read, which the sum makes the planner do.
SELECT id FROM {chunks} WHERE source = %(source)s
ORDER BY (embedding <=> %(embedding)s::halfvec) + 0 LIMIT %(candidates)s;

-- name: nearest_of_few
-- The same among a few chunks, all of which are read.
SELECT id FROM {chunks} WHERE id IN ({few}) ORDER BY (embedding <=> %(embedding)s::halfvec) + 0 LIMIT %(candidates)s;

-- name: nearest_of_many
-- The same where many are wanted: the scan goes on until it has found enough of them.
SELECT id FROM {chunks} c
WHERE (%(source)s::text IS NULL OR c.source = %(source)s)
  AND (SELECT {wanted} FROM documents d WHERE d.id = c.document_id)
ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: look_at
-- How many neighbours the searches of this transaction look at.
SELECT set_config('hnsw.ef_search', %(neighbours)s, true);

-- name: found_chunk
-- The part of a query that says what is shown of a chunk and of its document.
c.id, c.node_id, c.document_id, c.ordinal, c.url, d.title, c.source, d.kind, c.heading, c.text,
coalesce(c.metadata_ -> 'anchors', '[]') AS anchors, d.metadata, coalesce(c.metadata_ -> 'passages', '[]') AS passages,
c.metadata_ ->> 'answer' AS answer;

-- name: chunks_by_id
-- Chunks with what is shown of their documents.
SELECT {found_chunk}
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE c.id = ANY(%(ids)s);

-- name: chunks_at
-- The same by their places in their documents.
SELECT {found_chunk}
FROM unnest(%(documents)s::text[], %(ordinals)s::integer[]) AS place (document_id, ordinal)
JOIN {chunks} c USING (document_id, ordinal) JOIN documents d ON d.id = c.document_id;

-- name: near_duplicates
-- Pairs of these chunks whose vectors are all but the same.
WITH these AS MATERIALIZED (SELECT id, embedding FROM {chunks} WHERE id = ANY(%(ids)s))
SELECT a.id, b.id FROM these a JOIN these b ON a.id < b.id WHERE a.embedding <=> b.embedding < %(distance)s;
