-- name: register_source
-- Make a source known, or note that its kind changed.
INSERT INTO sources (name, kind) VALUES (%(name)s, %(kind)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind WHERE sources.kind <> excluded.kind;

-- name: lock_source
-- One sync of a source at a time, over all processes, for as long as the session lasts.
SELECT pg_try_advisory_lock(hashtextextended('sync ' || %(name)s, 0)) AS locked;

-- name: unlock_source
-- Let the next sync of this source in.
SELECT pg_advisory_unlock(hashtextextended('sync ' || %(name)s, 0));

-- name: cursor
-- How far a source has been synced.
SELECT cursor FROM sources WHERE name = %(source)s;

-- name: set_cursor
-- Move a source's cursor.
UPDATE sources SET cursor = %(cursor)s WHERE name = %(source)s AND cursor <> %(cursor)s;

-- name: sync_succeeded
-- Note that a source is in line with its origin as of now.
UPDATE sources SET last_success = now(), last_attempt = now(), last_error = NULL WHERE name = %(name)s;

-- name: sync_failed
-- Note why a source could not be brought in line.
UPDATE sources SET last_attempt = now(), last_error = %(error)s WHERE name = %(name)s;

-- name: source_status
-- Every source with its counts.
SELECT s.name, s.kind, s.cursor, s.last_success, s.last_error,
       (SELECT count(*) FROM documents d WHERE d.source = s.name) AS documents,
       coalesce((SELECT i.chunks FROM index_statistics i JOIN indexes x ON x.name = i.index_name AND x.active
                 WHERE i.source = s.name), 0) AS chunks
FROM sources s ORDER BY s.name;

-- name: pages
-- What the last crawls remember of a docs source.
SELECT url, etag, last_modified, links, document_id FROM pages WHERE source = %(source)s;

-- name: put_page
-- Remember a page; nothing is written where nothing changed.
INSERT INTO pages AS p (source, url, etag, last_modified, links, document_id)
VALUES (%(source)s, %(url)s, %(etag)s, %(last_modified)s, %(links)s, %(document_id)s)
ON CONFLICT (source, url) DO UPDATE SET
    etag = excluded.etag, last_modified = excluded.last_modified, links = excluded.links, document_id = excluded.document_id
WHERE (p.etag, p.last_modified, p.links, p.document_id)
    IS DISTINCT FROM (excluded.etag, excluded.last_modified, excluded.links, excluded.document_id);

-- name: delete_page
-- Forget a page.
DELETE FROM pages WHERE source = %(source)s AND url = %(url)s;

-- name: put_github_thread
-- Stage an issue, pull request or discussion; it becomes pending only if it differs from what is staged.
INSERT INTO github_threads AS t (source, number, kind, data)
VALUES (%(source)s, %(number)s, %(kind)s, %(data)s)
ON CONFLICT (source, number) DO UPDATE SET kind = excluded.kind, data = excluded.data, pending = true
WHERE (t.kind, t.data) IS DISTINCT FROM (excluded.kind, excluded.data);

-- name: put_github_comment
-- Stage a comment; its thread becomes pending only if the comment differs from what is staged.
WITH put AS (
    INSERT INTO github_comments AS c (source, kind, id, number, data)
    VALUES (%(source)s, %(kind)s, %(id)s, %(number)s, %(data)s)
    ON CONFLICT (source, kind, id) DO UPDATE SET number = excluded.number, data = excluded.data
    WHERE (c.number, c.data) IS DISTINCT FROM (excluded.number, excluded.data)
    RETURNING number
)
INSERT INTO github_threads (source, number) SELECT %(source)s, number FROM put
ON CONFLICT (source, number) DO UPDATE SET pending = true;

-- name: delete_github_comment
-- Forget a comment that is gone and mark its thread.
WITH gone AS (
    DELETE FROM github_comments WHERE source = %(source)s AND kind = %(kind)s AND id = %(id)s RETURNING number
)
UPDATE github_threads SET pending = true
WHERE source = %(source)s AND number IN (SELECT number FROM gone);

-- name: pending_github_threads
-- Threads that changed since their document was written, and that have come themselves.
SELECT number FROM github_threads
WHERE source = %(source)s AND pending AND kind IS NOT NULL AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: github_thread
-- A staged thread.
SELECT number, kind, data FROM github_threads WHERE source = %(source)s AND number = %(number)s;

-- name: github_thread_comments
-- The staged comments of a thread.
SELECT kind, id, data FROM github_comments WHERE source = %(source)s AND number = %(number)s ORDER BY id;

-- name: github_thread_numbers
-- The staged threads of a source.
SELECT number, kind FROM github_threads WHERE source = %(source)s AND kind IS NOT NULL;

-- name: github_comment_ids
-- Ids of staged comments of one kind that were updated at a time or later, in order.
SELECT id FROM github_comments
WHERE source = %(source)s AND kind = %(kind)s AND id > %(after)s AND data ->> 'updated_at' >= %(since)s
ORDER BY id LIMIT %(limit)s;

-- name: github_thread_count
-- How many issues and pull requests are staged, those that are not asked for included.
SELECT count(*) FROM github_threads WHERE source = %(source)s AND data IS NOT NULL AND kind IS DISTINCT FROM 'discussion';

-- name: github_threads_by_creation
-- Numbers of staged issues and pull requests as GitHub lists them by creation, a page of them.
SELECT number FROM github_threads
WHERE source = %(source)s AND data IS NOT NULL AND kind IS DISTINCT FROM 'discussion'
ORDER BY data ->> 'created_at', number LIMIT %(limit)s OFFSET %(offset)s;

-- name: clear_github_comments
-- Forget every staged comment of a source.
DELETE FROM github_comments WHERE source = %(source)s;

-- name: clear_github_threads
-- Forget every staged thread of a source.
DELETE FROM github_threads WHERE source = %(source)s;

-- name: settle_github_thread
-- A thread's document has been written.
UPDATE github_threads SET pending = false WHERE source = %(source)s AND number = %(number)s AND pending;

-- name: delete_github_thread
-- Forget a thread that is gone, with its comments.
WITH comments AS (DELETE FROM github_comments WHERE source = %(source)s AND number = %(number)s)
DELETE FROM github_threads WHERE source = %(source)s AND number = %(number)s;

-- name: has_source
-- Whether a source is known.
SELECT 1 FROM sources WHERE name = %(name)s;
