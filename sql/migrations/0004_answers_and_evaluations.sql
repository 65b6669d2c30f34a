-- What was answered and from which chunks, so that an answer whose sources have changed can be told; and how good answers were.
CREATE TABLE answers (
    id              uuid PRIMARY KEY,
    asked_at        timestamptz NOT NULL DEFAULT now(),
    question        text NOT NULL,
    source          text,                          -- answered from this source only; null: from all
    asked           bytea NOT NULL,                -- the same for the same question, however it is spaced or capitalised
    answered        boolean NOT NULL,
    answer          text NOT NULL,
    sources         jsonb NOT NULL,                -- as rag.ask --json shows them
    embedding_model text NOT NULL,
    llm             text NOT NULL,
    timings         jsonb NOT NULL,                -- seconds by step
    prompt_tokens   integer,                       -- null: the model did not say, or there was none
    answer_tokens   integer,
    cost            double precision,              -- US dollars; null: tokens or price unknown
    thumb           text CHECK (thumb IN ('up', 'down')),
    better_page     text,                          -- the page that a reader says would have answered
    stale_at        timestamptz,                   -- since when a chunk of it is another one, or gone
    superseded_by   uuid                           -- the same question was answered again
);
CREATE INDEX answers_asked_at ON answers (asked_at);
CREATE INDEX answers_current ON answers (asked) WHERE superseded_by IS NULL;
CREATE INDEX answers_stale ON answers (stale_at) WHERE stale_at IS NOT NULL AND superseded_by IS NULL;

CREATE TABLE answer_chunks (
    answer      uuid NOT NULL REFERENCES answers ON DELETE CASCADE,
    n           integer NOT NULL,                  -- the marker that points to it
    node_id     text NOT NULL,
    document_id text NOT NULL,
    hash        bytea NOT NULL,                    -- SHA-256 of its text; the document may be gone, or cut anew
    PRIMARY KEY (answer, n)
);
CREATE INDEX answer_chunks_document ON answer_chunks (document_id);

-- The history of evaluations: runs of one set of queries are compared with each other.
CREATE TABLE evaluations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    name            text NOT NULL,                 -- the file's
    fingerprint     text NOT NULL,                 -- of its rows and of how they are scored
    embedding_model text NOT NULL,
    llm             text NOT NULL,
    report          jsonb NOT NULL,                -- as rag.evaluate --json prints it
    good            boolean NOT NULL               -- no metric fell by more than was allowed
);
CREATE INDEX evaluations_of_a_set ON evaluations (fingerprint, id);
