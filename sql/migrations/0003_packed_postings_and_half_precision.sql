-- Vectors of half the size, and postings of a tenth: many entries to a row. Vectors' indexes are built anew by the next sync.
ALTER TABLE embeddings ALTER COLUMN embedding TYPE halfvec USING embedding::halfvec;

-- When an index was switched away from: it is kept, and what changed since is indexed when it is switched back to.
ALTER TABLE indexes ADD COLUMN retired_at timestamptz;

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT name, dimension, 'data_' || name AS chunks, name || '_postings' AS postings, name || '_0002' AS before
        FROM indexes LOOP
        EXECUTE format('DROP INDEX IF EXISTS %I', one.name || '_hnsw');
        EXECUTE format('ALTER TABLE %I ALTER COLUMN embedding TYPE halfvec(%s)', one.chunks, one.dimension);
        EXECUTE format('CREATE INDEX ON %I (source)', one.chunks);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', one.postings, one.before);
        EXECUTE format('CREATE TABLE %I (
            term bigint NOT NULL, source text NOT NULL, chunks integer NOT NULL, first bigint NOT NULL,
            last bigint NOT NULL, entries bigint[] NOT NULL)', one.postings);
        EXECUTE format('ALTER TABLE %I ALTER COLUMN entries SET STORAGE MAIN', one.postings);
        EXECUTE format('
            INSERT INTO %1$I (term, source, chunks, first, last, entries)
            SELECT term, source, count(*), min(chunk), max(chunk),
                   array_agg((chunk << 24) | (least(frequency, 4095)::bigint << 12) | least(length, 4095) ORDER BY chunk)
            FROM (SELECT p.*, c.source, row_number() OVER (PARTITION BY term, c.source ORDER BY chunk) - 1 AS place
                  FROM %3$I p JOIN %2$I c ON c.id = p.chunk) placed
            GROUP BY term, source, place / 224', one.postings, one.chunks, one.before);
        EXECUTE format('CREATE INDEX ON %I (term, source) INCLUDE (chunks)', one.postings);
        EXECUTE format('CREATE INDEX ON %I (source, term) WHERE chunks < 224', one.postings);
        EXECUTE format('CREATE INDEX ON %I (source, term) WHERE chunks < 0', one.postings);
        EXECUTE format('CREATE TABLE %I (chunk bigint PRIMARY KEY, source text NOT NULL)', one.name || '_fresh');
        EXECUTE format('DROP TABLE %I', one.before);
    END LOOP;
END $$;
