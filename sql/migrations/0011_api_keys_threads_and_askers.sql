-- How likely an answer is right, and what became of the language model's; who asked, and in which conversation; what readers and agents report; the keys of the HTTP API.
ALTER TABLE answers
    ADD COLUMN score   double precision NOT NULL DEFAULT 0, -- the probability that it is right, in [0, 1]
    ADD COLUMN note    text,                        -- why the answer is not the language model's, or not all of it
    ADD COLUMN thread  uuid,                        -- the conversation: the id of its first answer
    ADD COLUMN asker   text NOT NULL DEFAULT 'person' CHECK (asker IN ('person', 'agent')),
    ADD COLUMN comment text;                        -- what a reader says about the answer
UPDATE answers SET thread = id;
ALTER TABLE answers ALTER COLUMN thread SET NOT NULL;
CREATE INDEX answers_thread ON answers (thread, asked_at);

-- Problems with a page that were reported through an API: each makes a row of an evaluation.
CREATE TABLE problem_reports (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    url     text NOT NULL,
    problem text NOT NULL,
    asker   text NOT NULL CHECK (asker IN ('person', 'agent'))
);

CREATE TABLE api_keys (
    name       text PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,               -- SHA-256 of the key, which is random and long
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_on    date                                 -- null: never
);

-- A hash, because a URL may be longer than an index entry.
CREATE INDEX documents_url ON documents (hashtextextended(url, 0));
