-- name: terms
-- Fragment of search: the BM25 scores of the terms that are not deferred. BM25 uses k1 = 1.2 and b = 0.75. Coverage is the
-- share of the question's terms, weighted by idf, that a chunk holds. A whole identifier is a term in addition to its parts,
-- so it has half the weight and no coverage. A source filter restricts the postings that are read, but idf is always that of
-- the whole index. The most common terms, up to a tenth of the total weight, are deferred if they have many entries.
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
-- Fragment of search: the terms that are scored first, which are all terms if none is deferred.
(SELECT * FROM weights WHERE NOT is_common)

-- name: common_terms
-- Fragment of search: the deferred terms, if their entries are read after all.
(SELECT * FROM weights WHERE is_common AND (SELECT by_entries FROM finish))

-- name: scored
-- Fragment of search: the scores of chunks, summed over the entries of some terms.
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
-- Fragment of search: the BM25 scores of all chunks that hold a term.
bm25 AS NOT MATERIALIZED (
    SELECT * FROM partial
)

-- name: bm25_of_best
-- Fragment of search: the BM25 scores of the best chunks and of the nearest neighbours, by MaxScore (Turtle and Flood,
-- "Query Evaluation: Strategies and Optimizations", 1995). A chunk is excluded if the deferred terms cannot raise its score
-- to that of the last of the best chunks. For the remaining chunks, the deferred terms are read from the chunk table, where
-- one chunk costs as much as entries_a_chunk entries. The entries of the deferred terms are read instead if that is cheaper,
-- or if a chunk could be among the best with the deferred terms alone.
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
-- Select the candidates, the nearest neighbours and the best chunks by BM25, with their exact scores.
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

-- name: question_terms
-- Select the terms of a question, with the number of chunks that hold each and its idf. No scores are computed, because
-- Postgres evaluates only the parts that are selected from.
WITH {terms}
SELECT held.lexeme, held.chunks::bigint, ln(1 + (corpus.chunks - held.chunks + 0.5) / (held.chunks + 0.5))
FROM held CROSS JOIN corpus WHERE corpus.chunks > 0;

-- name: best_words
-- Fragment of search: the best chunks by BM25, of all chunks that have a score.
SELECT * FROM bm25 ORDER BY score DESC LIMIT %(candidates)s;

-- name: best_words_of_few
-- Fragment of search: the best chunks by BM25, if few chunks match the filters.
SELECT * FROM bm25 WHERE chunk IN ({few}) ORDER BY score DESC LIMIT %(candidates)s;

-- name: best_words_of_many
-- Fragment of search: the best chunks by BM25, if many chunks match the filters. Chunks are checked in the order of their
-- scores until enough of them match.
SELECT * FROM (SELECT * FROM bm25 ORDER BY score DESC OFFSET 0) ranked
WHERE (SELECT {wanted} FROM {chunks} c JOIN documents d ON d.id = c.document_id WHERE c.id = ranked.chunk)
LIMIT %(candidates)s;

-- name: wanted
-- Fragment of search: the condition that a document matches the filters. Dates are in ISO 8601, so they compare as text; a
-- page is dated by its lastmod in the sitemap.
(%(kind)s::text IS NULL OR d.kind = %(kind)s)
AND (%(state)s::text IS NULL OR d.metadata ->> 'state' = %(state)s)
AND (%(label)s::text IS NULL OR EXISTS (
    SELECT FROM jsonb_array_elements_text(
        CASE jsonb_typeof(d.metadata -> 'labels') WHEN 'array' THEN d.metadata -> 'labels' ELSE '[]' END) AS label
    WHERE lower(label) = lower(%(label)s)))
AND (%(editions)s::text[] IS NULL OR cardinality(d.versions) = 0 OR EXISTS (
    SELECT FROM unnest(d.versions) AS version WHERE d.product || ' ' || version = ANY(%(editions)s)))
AND (%(since)s::text IS NULL AND %(before)s::text IS NULL OR coalesce((
    SELECT (%(since)s::text IS NULL OR updated.at COLLATE "C" >= %(since)s)
           AND (%(before)s::text IS NULL OR updated.at COLLATE "C" < %(before)s)
    FROM (SELECT coalesce(d.metadata ->> 'updated_at',
                          (SELECT p.lastmod FROM pages p WHERE p.source = d.source AND p.url = d.url)) AS at) updated
), false));

-- name: few
-- Fragment of search: the ids of the chunks of documents that match the filters.
SELECT f.id FROM documents d JOIN {chunks} f ON f.document_id = d.id
WHERE (%(source)s::text IS NULL OR d.source = %(source)s) AND {wanted};

-- name: count_wanted
-- Count the chunks that match the filters, up to a limit beyond which the number makes no difference.
SELECT count(*) FROM (
    SELECT FROM documents d JOIN {chunks} c ON c.document_id = d.id
    WHERE (%(source)s::text IS NULL OR d.source = %(source)s) AND {wanted} LIMIT %(most)s
) counted;

-- name: nearest
-- Fragment of search: the nearest neighbours among the chunks of all sources.
SELECT id FROM {chunks} ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: nearest_in_source
-- Fragment of search: the nearest neighbours in a source that holds a large part of the index. The HNSW scan continues until
-- it has found enough chunks of the source.
SELECT id FROM {chunks} WHERE source = %(source)s ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: nearest_in_small_source
-- Fragment of search: the nearest neighbours in a source that holds a small part of the index. All vectors of the source are
-- read, since adding 0 to the distance prevents the planner from using an HNSW index.
SELECT id FROM {chunks} WHERE source = %(source)s
ORDER BY (embedding <=> %(embedding)s::halfvec) + 0 LIMIT %(candidates)s;

-- name: nearest_of_few
-- Fragment of search: the nearest neighbours, if few chunks match the filters. The vectors of all these chunks are read.
SELECT id FROM {chunks} WHERE id IN ({few}) ORDER BY (embedding <=> %(embedding)s::halfvec) + 0 LIMIT %(candidates)s;

-- name: nearest_of_many
-- Fragment of search: the nearest neighbours, if many chunks match the filters. The HNSW scan continues until it has found
-- enough chunks that match.
SELECT id FROM {chunks} c
WHERE (%(source)s::text IS NULL OR c.source = %(source)s)
  AND (SELECT {wanted} FROM documents d WHERE d.id = c.document_id)
ORDER BY embedding <=> %(embedding)s::halfvec LIMIT %(candidates)s;

-- name: look_at
-- Set the number of neighbours that an HNSW scan considers, for this transaction only.
SELECT set_config('hnsw.ef_search', %(neighbours)s, true);

-- name: index_terms
-- Select the terms of an index that hold a letter, with the number of chunks that hold each, counted in a share of the chunks
-- in percent.
SELECT word, ndoc FROM ts_stat(format(
    'SELECT text_search_tsv FROM %%I TABLESAMPLE SYSTEM (%%s)', %(table)s::text, %(share)s::float8))
WHERE length(word) BETWEEN 3 AND 40 AND word ~ '[[:alpha:]]';

-- name: texts_with_term
-- Select the headings and texts of some chunks that hold a term, of one source if it is given; chunks that are still queued
-- are not looked at.
SELECT c.heading || E'\n' || c.text
FROM (SELECT unnest(entries[1:%(most)s]) >> 24 AS chunk FROM {postings}
      WHERE term = hashtextextended(%(term)s, 0) AND chunks > 0 AND (%(source)s::text IS NULL OR source = %(source)s)
      LIMIT %(most)s) held
JOIN {chunks} c ON c.id = held.chunk;
