-- Runs that failed one after the other and whether somebody was told; when an embedding was last of use.
ALTER TABLE sources
    ADD COLUMN added_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN failures integer NOT NULL DEFAULT 0,    -- runs, since the last success
    ADD COLUMN alerted_at timestamptz;                 -- when an alert went out, since the last success

ALTER TABLE embeddings ADD COLUMN used_on date NOT NULL DEFAULT current_date;
