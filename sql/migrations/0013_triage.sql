-- What a replay of a repository's history taught about its duplicates, and the comments that were written.
CREATE TABLE triage_calibrations (
    source      text PRIMARY KEY REFERENCES sources ON DELETE CASCADE,
    replayed_at timestamptz NOT NULL DEFAULT now(),
    report      jsonb NOT NULL                     -- its shape is that of rag.triage --replay --json, with the model
);

CREATE TABLE triage_switches (
    source      text PRIMARY KEY REFERENCES sources ON DELETE CASCADE,
    switched_on timestamptz NOT NULL DEFAULT now() -- issues opened before get no comment
);

CREATE TABLE triage_comments (
    source  text NOT NULL REFERENCES sources ON DELETE CASCADE,
    number  integer NOT NULL,                      -- of the issue
    comment bigint,                                -- null: its author did not want it, and it was deleted
    body    text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, number)
);

-- The releases of a repository, in which its fixes reached its users.
CREATE TABLE github_releases (
    source       text NOT NULL REFERENCES sources ON DELETE CASCADE,
    tag          text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (source, tag)
);
