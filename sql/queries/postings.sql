-- name: waiting_postings
-- Return whether a source has queued chunks to write or retracted entries to remove.
SELECT EXISTS (SELECT FROM {fresh} WHERE source = %(source)s)
       OR EXISTS (SELECT FROM {postings} WHERE source = %(source)s AND chunks < 0);

-- name: queued_chunks
-- Select the ids of the queued chunks of a source.
SELECT chunk FROM {fresh} WHERE source = %(source)s ORDER BY chunk;

-- name: lock_postings
-- Allow one compaction of an index at a time; the lock is released at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('postings ' || %(index)s, 0));

-- name: compact_postings
-- Write the postings of the queued chunks of a source, and remove retracted entries. A row of 224 entries needs no TOAST.
-- Smaller rows are merged if a term has at least eight of them, or two in a thorough compaction. Full rows are read only if
-- they may hold an entry to remove.
WITH posted AS (
    DELETE FROM {fresh}
    WHERE source = %(source)s AND (%(chunks)s::bigint[] IS NULL OR chunk = ANY(%(chunks)s)) RETURNING chunk
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
-- Reclaim the space of merged rows, and allow index-only scans to count the chunks of a term.
VACUUM (ANALYZE) {postings}, {fresh};

-- name: queue_all_chunks
-- Reset the postings and statistics of an index, and queue all its chunks. Documents deleted while the index was inactive
-- removed their chunks by cascade, but left the postings.
WITH emptied AS (
    DELETE FROM {postings}
), counted AS (
    INSERT INTO index_statistics AS s (index_name, source, chunks, terms)
    SELECT %(name)s, c.source, count(*),
           sum((SELECT coalesce(sum(cardinality(t.positions)), 0) FROM unnest(c.text_search_tsv) t))
    FROM {chunks} c GROUP BY c.source
    ON CONFLICT (index_name, source) DO UPDATE SET chunks = excluded.chunks, terms = excluded.terms
), forgotten AS (
    DELETE FROM index_statistics WHERE index_name = %(name)s AND source NOT IN (SELECT source FROM {chunks})
)
INSERT INTO {fresh} (chunk, source) SELECT id, source FROM {chunks} ON CONFLICT DO NOTHING;

-- name: delete_postings_of_source
-- Delete the postings and the queued chunks of a source.
WITH waiting AS (DELETE FROM {fresh} WHERE source = %(source)s)
DELETE FROM {postings} WHERE source = %(source)s;
