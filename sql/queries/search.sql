-- name: terms
-- The part of search that scores words. BM25 has k1 1.2 and b 0.75; coverage is the share of the question's terms,
-- weighed by idf, that a chunk holds. A whole identifier comes beside its parts, so it counts half, and is not covered. A source
-- that is asked for narrows the postings that are read, while idf is always that of the whole index. The commonest terms,
-- as far as together they weigh no more than a tenth, are left for later if they have many entries.
corpus AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, greatest(sum(terms)::float8 / nullif(sum(chunks), 0), 1) AS mean_length
    FROM index_statistics WHERE index_name = %(index)s
), asked AS MATERIALIZED (
    SELECT lexeme, hashtextextended(lexeme, 0) AS term, cardinality(positions) AS repeats,
           left(lexeme, 1) = '=' AS is_identifier
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
    SELECT lexeme, term, repeats, is_identifier,
           (SELECT coalesce(sum(p.chunks), 0)::float8 FROM {postings} p WHERE p.term = asked.term)
           + (SELECT count(*) FROM fresh WHERE fresh.term = asked.term) AS chunks
    FROM asked
), weighed AS (
    SELECT lexeme, term, chunks, CASE WHEN is_identifier THEN 0 ELSE idf END AS idf,
           CASE WHEN is_identifier THEN 0.5 ELSE 1 END * 2.2::float8 * repeats * idf AS weight, per_term
    FROM (SELECT held.*, ln(1 + (corpus.chunks - held.chunks + 0.5) / (held.chunks + 0.5)) AS idf,
                 (0.9 / mean_length)::float8 AS per_term
          FROM corpus CROSS JOIN held) rare
), ranked AS (
    SELECT *, sum(weight) OVER (ORDER BY chunks DESC, term) <= 0.1 * sum(weight) OVER () AS is_light FROM weighed
), weights AS MATERIALIZED (
    SELECT lexeme, term, chunks, idf, weight, per_term,
           is_light AND sum(chunks) FILTER (WHERE is_light) OVER () >= %(many)s::float8 AS is_common
    FROM ranked
), gone AS MATERIALIZED (
    SELECT unnest(p.entries) >> 24 AS chunk FROM weights JOIN {postings} p USING (term) WHERE p.chunks < 0
), partial AS MATERIALIZED (
    {rare}
)

-- name: rare_terms
-- The part of search that says which terms are added up first: all, if none is left for later.
(SELECT * FROM weights WHERE NOT is_common)

-- name: common_terms
-- The terms that were left for later, where their entries are read after all.
(SELECT * FROM weights WHERE is_common AND (SELECT by_entries FROM finish))

-- name: scored
-- The part of search that adds up the entries of some terms.
SELECT entry >> 24 AS chunk,
       sum(weight / (1 + (0.3::float8 + per_term * (entry & 4095)) / (entry >> 12 & 4095))) AS score,
       sum(idf) AS covered
FROM {these} weights CROSS JOIN LATERAL (
    SELECT unnest(p.entries) AS entry FROM {postings} p
    WHERE p.term = weights.term AND p.chunks > 0 AND (%(source)s::text IS NULL OR p.source = %(source)s)
) packed
GROUP BY entry >> 24 HAVING entry >> 24 NOT IN (SELECT chunk FROM gone)
UNION ALL
SELECT chunk, sum(weight / (1 + (0.3::float8 + per_term * length) / frequency)), sum(idf)
FROM fresh JOIN {these} weights USING (term)
WHERE %(source)s::text IS NULL OR source = %(source)s GROUP BY chunk

-- name: bm25_of_all
-- The scores of all chunks that hold a term.
bm25 AS NOT MATERIALIZED (
    SELECT * FROM partial
)

-- name: bm25_of_best
-- The scores of the best chunks, and of those that are near by meaning; MaxScore, by Turtle and Flood, "Query Evaluation:
-- Strategies and Optimizations" (1995). What lacks so much of the last of the best that the common terms cannot make it
-- up is out. Of what is left, these terms are read from the chunks, which takes as long as some entries each; where that is
-- too much, or the last of the best has less than these terms can bring by themselves, their entries are read.
cut AS MATERIALIZED (
    SELECT (SELECT coalesce(sum(weight), 0) FROM weights WHERE is_common) AS rest,
           (SELECT score FROM partial ORDER BY score DESC OFFSET %(candidates)s::bigint - 1 LIMIT 1) AS least
), contenders AS MATERIALIZED (
    SELECT * FROM partial
    WHERE score >= (SELECT coalesce(least - rest, 0) FROM cut) OR chunk IN (SELECT id FROM by_meaning)
), finish AS MATERIALIZED (
    SELECT rest > 0 AND is_long AS by_entries, rest > 0 AND NOT is_long AS by_chunks
    FROM (SELECT rest, least IS NULL OR least <= rest OR (SELECT count(*) FROM contenders)
                 > (SELECT sum(chunks) / %(entries_a_chunk)s::float8 FROM weights WHERE is_common) AS is_long FROM cut) looked
), added AS (
    SELECT looked.chunk,
           sum(weight / (1 + (0.3::float8 + per_term * least(t.length, 4095)) / least(t.frequency, 4095))) AS score,
           sum(idf) AS covered
    FROM (SELECT chunk FROM contenders UNION SELECT id FROM by_meaning) looked
    JOIN {chunks} c ON c.id = looked.chunk
    CROSS JOIN LATERAL (
        SELECT u.lexeme, cardinality(u.positions)::float8 AS frequency,
               (sum(cardinality(u.positions)) OVER ())::float8 AS length
        FROM unnest(c.text_search_tsv) u
    ) t
    JOIN weights ON weights.lexeme = t.lexeme AND is_common
    WHERE (SELECT by_chunks FROM finish) GROUP BY looked.chunk
), bm25 AS MATERIALIZED (
    SELECT chunk, sum(score) AS score, sum(covered) AS covered
    FROM (SELECT * FROM contenders UNION ALL SELECT * FROM added UNION ALL ({common})) parts
    GROUP BY chunk
)

-- name: search
-- Candidates by meaning and by words with their exact scores.
WITH {terms}, by_meaning AS MATERIALIZED (
    {by_meaning}
), {bm25}, by_words AS MATERIALIZED (
    {by_words}
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
-- The part of search that takes the best by words, of whatever has a score.
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
