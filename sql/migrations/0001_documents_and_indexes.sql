-- Sources, the documents read from them, and what a source remembers between two syncs.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE sources (
    name         text PRIMARY KEY,
    kind         text NOT NULL,
    cursor       jsonb NOT NULL DEFAULT '{}',      -- how far it has been synced; its shape is the source's own
    last_success timestamptz,
    last_attempt timestamptz,
    last_error   text
);

CREATE TABLE documents (
    id         text PRIMARY KEY,                   -- comes from the thing itself, so it is stable across runs
    source     text NOT NULL REFERENCES sources ON DELETE CASCADE,
    kind       text NOT NULL,
    url        text NOT NULL,
    title      text NOT NULL,
    text       text NOT NULL,                      -- Markdown; kept so that an index can be built without fetching
    metadata   jsonb NOT NULL,
    hash       text NOT NULL,                      -- of text and metadata
    indexed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX documents_source ON documents (source);

-- What a docs crawl remembers of each URL, so that the next one asks only for what changed.
CREATE TABLE pages (
    source        text NOT NULL REFERENCES sources ON DELETE CASCADE,
    url           text NOT NULL,
    etag          text,
    last_modified text,
    links         text[] NOT NULL DEFAULT '{}',    -- a 304 has no body, and the crawl must go on behind it
    document_id   text,                            -- null: a redirect, or a page that asks not to be indexed
    PRIMARY KEY (source, url)
);

-- GitHub's own rows, staged as they came. A thread is rendered from here, so a new comment costs no request for the rest.
CREATE TABLE github_threads (
    source  text NOT NULL REFERENCES sources ON DELETE CASCADE,
    number  integer NOT NULL,
    kind    text,                                  -- issue, pull or discussion; null: gets no document (yet)
    data    jsonb,
    pending boolean NOT NULL DEFAULT true,         -- changed since its document was last written
    PRIMARY KEY (source, number)
);
CREATE INDEX github_threads_pending ON github_threads (source, number) WHERE pending;

CREATE TABLE github_comments (
    source text NOT NULL REFERENCES sources ON DELETE CASCADE,
    kind   text NOT NULL,                          -- issue_comment, review_comment, review or discussion_comment
    id     bigint NOT NULL,
    number integer NOT NULL,                       -- of its thread
    data   jsonb NOT NULL,
    PRIMARY KEY (source, kind, id)
);
CREATE INDEX github_comments_thread ON github_comments (source, number);

-- Embeddings by model and content: text that moved or was cut anew is not embedded twice.
CREATE TABLE embeddings (
    model     text NOT NULL,
    content   bytea NOT NULL,                      -- SHA-256 of the embedded text
    embedding vector NOT NULL,
    PRIMARY KEY (model, content)
);

-- One row an index: a table data_<name> of chunks with one embedding model, and a table <name>_postings beside it.
CREATE TABLE indexes (
    name            text PRIMARY KEY,
    embedding_model text NOT NULL,
    dimension       integer NOT NULL CHECK (dimension > 0),
    chunking        text NOT NULL,                 -- the chunker's version: another one makes another index
    active          boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX indexes_one_active ON indexes (active) WHERE active;

-- Corpus statistics for BM25, a row a source: only one sync writes a source at a time, so writers never wait here.
CREATE TABLE index_statistics (
    index_name text NOT NULL REFERENCES indexes ON DELETE CASCADE,
    source     text NOT NULL REFERENCES sources ON DELETE CASCADE,
    chunks     bigint NOT NULL DEFAULT 0,
    terms      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (index_name, source)
);
