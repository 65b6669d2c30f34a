-- What the maintainer's desk keeps about questions, no longer than the answers to them.

-- The vector of a question, so that reports do not embed it again; it is deleted with the answer.
CREATE TABLE question_vectors (
    answer    uuid PRIMARY KEY REFERENCES answers ON DELETE CASCADE,
    model     text NOT NULL,
    embedding halfvec NOT NULL
);

-- Which conversation of the answer log a thread of Slack or Discord is.
CREATE TABLE chat_threads (
    place  text PRIMARY KEY,                        -- the platform and its ids, such as slack:C024BE91L:1355517523.000005
    thread uuid NOT NULL UNIQUE,                    -- the conversation: the id of its first answer
    link   text,                                    -- opens the thread; null: unknown
    at     timestamptz NOT NULL DEFAULT now()
);

-- The latest map of the index, for the web page.
CREATE TABLE maps (
    name    text PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now(),
    data    bytea NOT NULL                          -- gzipped JSON
);
