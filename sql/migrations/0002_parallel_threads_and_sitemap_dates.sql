-- Windows of a backfill stage and render threads side by side, and an issue knows the pull requests that fix it.

-- Counts a thread's changes, so that a document made from older rows cannot pass for the newest.
ALTER TABLE github_threads ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- From an issue to the pull requests that say they fix it.
CREATE INDEX github_threads_fixes ON github_threads USING gin ((data -> 'fixes') jsonb_path_ops) WHERE data ? 'fixes';

-- A source's documents are read in the order of their ids, a page at a time.
DROP INDEX documents_source;
CREATE INDEX documents_source ON documents (source, id);

-- What a sitemap said of a page's last change when the page was read: while it says the same, no request is needed.
ALTER TABLE pages ADD COLUMN lastmod text;
