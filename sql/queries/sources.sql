-- name: register_source
-- Make a source known, or note that its kind changed.
INSERT INTO sources (name, kind) VALUES (%(name)s, %(kind)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind WHERE sources.kind <> excluded.kind;

-- name: lock_source
-- One sync of a source at a time, over all processes, for as long as the session lasts.
SELECT pg_try_advisory_lock(hashtextextended('sync ' || %(name)s, 0)) AS locked;

-- name: share_source
-- Windows of a backfill run side by side, but not beside a sync.
SELECT pg_try_advisory_lock_shared(hashtextextended('sync ' || %(name)s, 0)) AS locked;

-- name: unshare_source
-- A window has ended.
SELECT pg_advisory_unlock_shared(hashtextextended('sync ' || %(name)s, 0));

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
UPDATE sources SET last_success = now(), last_attempt = now(), last_error = NULL, failures = 0, alerted_at = NULL
WHERE name = %(name)s;

-- name: sync_failed
-- Note why a source could not be brought in line.
UPDATE sources SET last_attempt = now(), last_error = %(error)s WHERE name = %(name)s;

-- name: count_failure
-- Note that a run of a source has failed, all its attempts included.
UPDATE sources SET failures = failures + 1 WHERE name = %(name)s;

-- name: claim_alert
-- Whoever finds a source in trouble first tells of it; the next success ends the incident.
UPDATE sources SET alerted_at = now()
WHERE name = %(name)s AND alerted_at IS NULL
  AND (failures >= %(failures)s OR now() - coalesce(last_success, added_at) > %(age)s)
RETURNING failures, last_success, now() - coalesce(last_success, added_at), last_error;

-- name: return_alert
-- The alert could not be delivered: the next one who looks tries again.
UPDATE sources SET alerted_at = NULL WHERE name = %(name)s;

-- name: delete_source
-- Forget a source with all its documents and what its syncs remember.
DELETE FROM sources WHERE name = %(name)s;

-- name: source_status
-- Every source with its counts.
SELECT s.name, s.kind, s.cursor, s.last_success, s.last_error, s.failures, s.alerted_at IS NOT NULL AS alerted,
       (SELECT count(*) FROM documents d WHERE d.source = s.name) AS documents,
       coalesce((SELECT i.chunks FROM index_statistics i JOIN indexes x ON x.name = i.index_name AND x.active
                 WHERE i.source = s.name), 0) AS chunks
FROM sources s ORDER BY s.name;

-- name: pages
-- What the last crawls remember of a docs source.
SELECT url, etag, last_modified, links, document_id, lastmod FROM pages WHERE source = %(source)s;

-- name: put_page
-- Remember a page; nothing is written where nothing changed.
INSERT INTO pages AS p (source, url, etag, last_modified, links, document_id, lastmod)
VALUES (%(source)s, %(url)s, %(etag)s, %(last_modified)s, %(links)s, %(document_id)s, %(lastmod)s)
ON CONFLICT (source, url) DO UPDATE SET
    etag = excluded.etag, last_modified = excluded.last_modified, links = excluded.links,
    document_id = excluded.document_id, lastmod = excluded.lastmod
WHERE (p.etag, p.last_modified, p.links, p.document_id, p.lastmod)
    IS DISTINCT FROM (excluded.etag, excluded.last_modified, excluded.links, excluded.document_id, excluded.lastmod);

-- name: delete_page
-- Forget a page.
DELETE FROM pages WHERE source = %(source)s AND url = %(url)s;

-- name: lock_staging
-- One transaction at a time stages rows of a source: two that touch the same threads in another order would deadlock.
SELECT pg_advisory_xact_lock(hashtextextended('stage ' || %(source)s, 0));

-- name: put_github_threads
-- Stage issues, pull requests or discussions. One becomes pending only if it differs from what is staged and is no
-- older; an issue, also if a pull request that fixes it does.
WITH given AS (
    SELECT number, kind, data FROM jsonb_to_recordset(%(rows)s) AS row (number integer, kind text, data jsonb)
), before AS (
    SELECT t.number, t.data -> 'fixes' AS fixes FROM github_threads t JOIN given USING (number)
    WHERE t.source = %(source)s AND t.data ? 'fixes'
), put AS (
    INSERT INTO github_threads AS t (source, number, kind, data)
    SELECT %(source)s, number, kind, data FROM given
    ON CONFLICT (source, number) DO UPDATE SET
        kind = excluded.kind, data = excluded.data, pending = true, revision = t.revision + 1
    WHERE (t.kind, t.data) IS DISTINCT FROM (excluded.kind, excluded.data)
      AND coalesce(t.data ->> 'updated_at', '') <= coalesce(excluded.data ->> 'updated_at', '')
    RETURNING number, data -> 'fixes' AS fixes
), fixed AS (
    SELECT jsonb_array_elements(fixes)::integer AS number
    FROM (SELECT fixes FROM put WHERE fixes IS NOT NULL UNION ALL SELECT before.fixes FROM before JOIN put USING (number)) pulls
)
UPDATE github_threads SET pending = true, revision = revision + 1
WHERE source = %(source)s AND number IN (SELECT number FROM fixed) AND number NOT IN (SELECT number FROM put);

-- name: put_github_comments
-- Stage comments; a thread becomes pending only if one of them differs from what is staged, and is no older.
WITH given AS (
    SELECT number, kind, id, data
    FROM jsonb_to_recordset(%(rows)s) AS row (number integer, kind text, id bigint, data jsonb)
), put AS (
    INSERT INTO github_comments AS c (source, kind, id, number, data)
    SELECT %(source)s, kind, id, number, data FROM given
    ON CONFLICT (source, kind, id) DO UPDATE SET number = excluded.number, data = excluded.data
    WHERE (c.number, c.data) IS DISTINCT FROM (excluded.number, excluded.data)
      AND c.data ->> 'updated_at' <= excluded.data ->> 'updated_at'
    RETURNING number
)
INSERT INTO github_threads AS t (source, number) SELECT DISTINCT %(source)s, number FROM put
ON CONFLICT (source, number) DO UPDATE SET pending = true, revision = t.revision + 1;

-- name: delete_github_comments
-- Forget comments that are gone and mark their threads.
WITH gone AS (
    DELETE FROM github_comments WHERE source = %(source)s AND kind = %(kind)s AND id = ANY(%(ids)s) RETURNING number
)
UPDATE github_threads SET pending = true, revision = revision + 1
WHERE source = %(source)s AND number IN (SELECT number FROM gone);

-- name: pending_github_threads
-- Threads that changed since their document was written, and that have come themselves: each with its comments and
-- the merged pull requests that say they fix it. Of all numbers, or of those given.
SELECT t.number, t.kind, t.data, t.revision,
       (SELECT jsonb_agg(jsonb_build_array(c.kind, c.id, c.data) ORDER BY c.id)
        FROM github_comments c WHERE c.source = t.source AND c.number = t.number),
       (SELECT jsonb_agg(jsonb_build_object('number', p.number, 'url', p.data ->> 'html_url',
                                            'merged_at', p.data ->> 'merged_at') ORDER BY p.number)
        FROM github_threads p
        WHERE p.source = t.source AND p.data ? 'fixes' AND p.data -> 'fixes' @> to_jsonb(t.number)
          AND p.data ->> 'merged_at' IS NOT NULL)
FROM github_threads t
WHERE t.source = %(source)s AND t.pending AND t.kind IS NOT NULL AND t.number > %(after)s
  AND (%(numbers)s::integer[] IS NULL OR t.number = ANY(%(numbers)s))
ORDER BY t.number LIMIT %(limit)s;

-- name: github_thread
-- A staged thread.
SELECT number, kind, data FROM github_threads WHERE source = %(source)s AND number = %(number)s;

-- name: github_thread_comments
-- The staged comments of a thread.
SELECT kind, id, data FROM github_comments WHERE source = %(source)s AND number = %(number)s ORDER BY id;

-- name: github_thread_numbers
-- The staged threads of a source, in order.
SELECT number, kind FROM github_threads
WHERE source = %(source)s AND kind IS NOT NULL AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: github_comment_ids
-- Ids of staged comments of one kind that were updated at a time or later, in order.
SELECT id FROM github_comments
WHERE source = %(source)s AND kind = %(kind)s AND id > %(after)s AND data ->> 'updated_at' >= %(since)s
ORDER BY id LIMIT %(limit)s;

-- name: github_thread_count
-- How many issues and pull requests are staged, those that are not asked for included.
SELECT count(*) FROM github_threads WHERE source = %(source)s AND data IS NOT NULL AND kind IS DISTINCT FROM 'discussion';

-- name: github_discussion_count
-- How many discussions are staged.
SELECT count(*) FROM github_threads WHERE source = %(source)s AND kind = 'discussion';

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
-- A thread's document has been written from its rows as of a revision, or as they are; it is pending if they changed since.
UPDATE github_threads SET pending = revision <> coalesce(%(revision)s, revision)
WHERE source = %(source)s AND number = %(number)s AND pending <> (revision <> coalesce(%(revision)s, revision))
RETURNING NOT pending;

-- name: delete_github_thread
-- Forget a thread that is gone, with its comments; what it fixed is marked.
WITH comments AS (
    DELETE FROM github_comments WHERE source = %(source)s AND number = %(number)s
), gone AS (
    DELETE FROM github_threads WHERE source = %(source)s AND number = %(number)s RETURNING data -> 'fixes' AS fixes
)
UPDATE github_threads SET pending = true, revision = revision + 1
WHERE source = %(source)s AND number <> %(number)s
  AND number IN (SELECT jsonb_array_elements(fixes)::integer FROM gone WHERE fixes IS NOT NULL);

-- name: has_source
-- Whether a source is known.
SELECT 1 FROM sources WHERE name = %(name)s;
