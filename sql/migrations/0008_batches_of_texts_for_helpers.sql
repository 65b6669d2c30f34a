-- Texts that one process wants embedded by another, for as long as that takes. Whoever finds none embeds them itself, so
-- that a crash may lose them.
CREATE UNLOGGED TABLE embedding_batches (
    id      uuid PRIMARY KEY,
    model   text NOT NULL,
    texts   text[] NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
