-- Terms that are defined count as much as headings. A chunk holds several short definitions below one heading, so that its
-- heading names none of them: "max_wal_size configuration parameter" was found in the text that mentions it.

CREATE OR REPLACE FUNCTION search_terms(text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- where a link leads to is no word of a text; a tsvector holds 1 MB
    words text := regexp_replace(left($1, 100000), '\]\([^()\s]*\)', ']', 'g');
    is_ascii boolean := words !~ '[^\x01-\x7f]';
    runs text;
    matched text[];
    identifiers text := '';
    place integer := 0;
    terms tsvector := '';
BEGIN
    IF NOT is_ascii AND getdatabaseencoding() = 'UTF8' THEN
        words := normalize(words, NFKC);
    END IF;
    -- A term that is defined counts three times, as a heading does: it is a line of its own above its definition.
    SELECT words || coalesce(string_agg(E'\n' || defined[1] || E'\n' || defined[1], ''), '') INTO words
    FROM regexp_matches(words, '^(?:\*\*[^*\n]*[^*:\n]\*\*|`[^`\n]+`)[^.;\n]{0,60}$', 'gn') AS defined;
    -- Nobody asks for a word of 200 characters. Postgres stores no term of more than 2,046 bytes, and its parser takes a
    -- second for a word of 5,000.
    words := regexp_replace(words, '([[:alnum:]_.:@/-]{200})', '\1 ', 'g');
    -- what was written in one, such as max_wal_size, asyncio.run, std::io or --no-cache, marked by "="
    FOR matched IN SELECT regexp_matches(
        words,
        '(--[[:alnum:]][[:alnum:]-]*|[[:alnum:]]+(?:(?:_+|::)[[:alnum:]]+|[.][[:alnum:]]*[[:alpha:]_][[:alnum:]_]*)+)', 'g')
    LOOP
        place := place + 1;
        identifiers := identifiers || '''=' || lower(matched[1]) || ''':' || least(place, 16383) || ' ';
    END LOOP;
    -- the parts of "asyncio.run" and "read/write", of "sha-256", and of "python3.11"
    words := regexp_replace(words, '([[:alpha:]_)])[./](?=[[:alpha:]_])', '\1 ', 'g');
    words := regexp_replace(words, '([[:alnum:]])-(?=[[:digit:]])', '\1 ', 'g');
    words := regexp_replace(words, '([[:alpha:]])([[:digit:]]+[.][[:digit:]])', '\1 \2', 'g');
    IF NOT is_ascii THEN
        -- Chinese, Japanese, Korean, Thai, Lao, Tibetan, Burmese, Khmer: the pairs that begin at even and at odd places
        IF words ~ '[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]' THEN
            runs := ' ' || regexp_replace(words, '[^\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+', ' ', 'g') || ' ';
            words := regexp_replace(words, '[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+', ' ', 'g');
            terms := to_tsvector('simple', regexp_replace(runs, '([^ ]{2})(?:[^ ](?= ))?', '\1 ', 'g'));
            runs := regexp_replace(regexp_replace(runs, ' [^ ]', ' ', 'g'), ' [^ ](?= )', ' ', 'g');
            terms := terms || to_tsvector('simple', regexp_replace(runs, '([^ ]{2})(?:[^ ](?= ))?', '\1 ', 'g'));
        END IF;
        -- the stems of other scripts: a word is looked up in the dictionary of its language
        IF words ~ '[\u0400-\u04ff]' THEN
            terms := terms || to_tsvector('russian', regexp_replace(words, '[^\u0400-\u04ff]+', ' ', 'g'));
            words := regexp_replace(words, '[\u0400-\u04ff]+', ' ', 'g');
        END IF;
        IF words ~ '[\u0370-\u03ff]' THEN
            terms := terms || to_tsvector('greek', regexp_replace(words, '[^\u0370-\u03ff]+', ' ', 'g'));
            words := regexp_replace(words, '[\u0370-\u03ff]+', ' ', 'g');
        END IF;
        IF words ~ '[\u0600-\u06ff]' THEN
            terms := terms || to_tsvector('arabic', regexp_replace(words, '[^\u0600-\u06ff]+', ' ', 'g'));
            words := regexp_replace(words, '[\u0600-\u06ff]+', ' ', 'g');
        END IF;
    END IF;
    RETURN to_tsvector('english', words) || terms || identifiers::tsvector;
END
$$;

-- The terms of chunks with definitions are made anew, and the postings of their indexes.
DO $$
DECLARE
    one record;
    changed bigint;
BEGIN
    FOR one IN SELECT name, 'data_' || name AS chunks, name || '_postings' AS postings, name || '_fresh' AS fresh FROM indexes LOOP
        EXECUTE format('UPDATE %I SET heading = heading WHERE text ~ %L', one.chunks,
                       '(?n)^(?:\*\*[^*\n]*[^*:\n]\*\*|`[^`\n]+`)[^.;\n]{0,60}$');
        GET DIAGNOSTICS changed = ROW_COUNT;
        CONTINUE WHEN changed = 0;
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
