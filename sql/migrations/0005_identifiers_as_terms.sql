-- What a text is searched by: its words, the parts of its identifiers, and the identifiers themselves.

-- Of "asyncio.run", "read/write", "sha-256" and "python3.11" Postgres makes one term, or one with a sign; here they are
-- broken first, so that each part is found. Where a link leads to is no word of a text. What was written in one, such as
-- max_wal_size, asyncio.run, std::io or --no-cache, is a term of its own beside its parts, marked by "=".
CREATE FUNCTION search_terms(text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_tsvector('english', regexp_replace(
               words.text,
               '(?<=[[:alpha:]_)])[./](?=[[:alpha:]_])|(?<=[[:alnum:]])-(?=[[:digit:]])|(?<=[[:alpha:]])(?=[[:digit:]]+[.][[:digit:]])',
               ' ', 'g'))
           || coalesce((
               SELECT string_agg('''=' || identifier || ''':' || least(place, 16383), ' ')
               FROM (SELECT lower(matched[1]) AS identifier, row_number() OVER () AS place
                     FROM regexp_matches(
                         words.text,
                         '(--[[:alnum:]][[:alnum:]-]*|[[:alnum:]]+(?:(?:_+|::)[[:alnum:]]+|[.][[:alnum:]]*[[:alpha:]_][[:alnum:]_]*)+)',
                         'g') matched) identifiers
           ), '')::tsvector
    FROM (SELECT regexp_replace($1, '\]\([^()\s]*\)', ']', 'g') AS text) words
$$;

-- Terms and postings of every index are made anew; the next sync builds the vectors' indexes again.
DO $$
DECLARE
    one record;
    vectors record;
BEGIN
    FOR one IN SELECT name, 'data_' || name AS chunks, name || '_postings' AS postings, name || '_fresh' AS fresh FROM indexes LOOP
        FOR vectors IN SELECT i.indexrelid::regclass AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_am a ON a.oid = c.relam WHERE i.indrelid = format('%I', one.chunks)::regclass AND a.amname = 'hnsw' LOOP
            EXECUTE format('DROP INDEX %s', vectors.index);
        END LOOP;
        EXECUTE format('ALTER TABLE %I DROP COLUMN text_search_tsv', one.chunks);
        EXECUTE format($f$ALTER TABLE %I ADD COLUMN text_search_tsv tsvector GENERATED ALWAYS AS (
            search_terms(heading || E'\n' || heading || E'\n' || heading || E'\n' || text)) STORED$f$, one.chunks);
        EXECUTE format('TRUNCATE %I, %I', one.postings, one.fresh);
        EXECUTE format('
            INSERT INTO %1$I (term, source, chunks, first, last, entries)
            SELECT term, source, count(*), min(chunk), max(chunk),
                   array_agg((chunk << 24) | (least(frequency, 4095)::bigint << 12) | least(length, 4095) ORDER BY chunk)
            FROM (SELECT hashtextextended(t.lexeme, 0) AS term, c.source, c.id AS chunk, t.frequency, t.length,
                         row_number() OVER (PARTITION BY t.lexeme, c.source ORDER BY c.id) - 1 AS place
                  FROM %2$I c CROSS JOIN LATERAL (
                      SELECT u.lexeme, cardinality(u.positions) AS frequency,
                             sum(cardinality(u.positions)) OVER ()::bigint AS length
                      FROM unnest(c.text_search_tsv) u) t) placed
            GROUP BY term, source, place / 224', one.postings, one.chunks);
        EXECUTE format('
            UPDATE index_statistics s SET terms = counted.terms
            FROM (SELECT c.source, coalesce(sum((SELECT sum(cardinality(u.positions)) FROM unnest(c.text_search_tsv) u)), 0) AS terms
                  FROM %I c GROUP BY c.source) counted
            WHERE s.index_name = %L AND s.source = counted.source', one.chunks, one.name);
    END LOOP;
END $$;
