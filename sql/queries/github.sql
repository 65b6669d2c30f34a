-- name: lock_staging
-- Allow one transaction at a time to stage rows of a source: two transactions that lock the same threads in different orders
-- would deadlock.
SELECT pg_advisory_xact_lock(hashtextextended('stage ' || %(source)s, 0));

-- name: put_github_threads
-- Stage issues, pull requests and discussions. A thread becomes pending only if it differs from the staged row and is not
-- older. An issue also becomes pending if a pull request that fixes it does.
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
-- Stage comments. A thread becomes pending only if one of its comments is new, or is changed and not older.
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
-- Delete comments that were deleted upstream, and mark their threads as pending.
WITH gone AS (
    DELETE FROM github_comments WHERE source = %(source)s AND kind = %(kind)s AND id = ANY(%(ids)s) RETURNING number
)
UPDATE github_threads SET pending = true, revision = revision + 1
WHERE source = %(source)s AND number IN (SELECT number FROM gone);

-- name: pending_github_threads
-- Select the threads that changed since their document was written, each with its comments and the merged pull requests that
-- say they fix it. Threads of which only comments are staged are left out. Numbers restrict the query to some threads; null
-- selects all.
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
-- Select a staged thread.
SELECT number, kind, data FROM github_threads WHERE source = %(source)s AND number = %(number)s;

-- name: github_thread_comments
-- Select the staged comments of a thread, by id.
SELECT kind, id, data FROM github_comments WHERE source = %(source)s AND number = %(number)s ORDER BY id;

-- name: github_thread_numbers
-- Select the numbers and kinds of the staged threads of a source, by number.
SELECT number, kind FROM github_threads
WHERE source = %(source)s AND kind IS NOT NULL AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: github_comment_ids
-- Select the ids of the staged comments of one kind that were updated at a given time or later, in order.
SELECT id FROM github_comments
WHERE source = %(source)s AND kind = %(kind)s AND id > %(after)s AND data ->> 'updated_at' >= %(since)s
ORDER BY id LIMIT %(limit)s;

-- name: github_thread_count
-- Count the staged issues and pull requests, including kinds that the source does not index.
SELECT count(*) FROM github_threads WHERE source = %(source)s AND data IS NOT NULL AND kind IS DISTINCT FROM 'discussion';

-- name: github_discussion_count
-- Count the staged discussions.
SELECT count(*) FROM github_threads WHERE source = %(source)s AND kind = 'discussion';

-- name: github_threads_by_creation
-- Select a page of the numbers of staged issues and pull requests, in the order of creation in which GitHub lists them.
SELECT number FROM github_threads
WHERE source = %(source)s AND data IS NOT NULL AND kind IS DISTINCT FROM 'discussion'
ORDER BY data ->> 'created_at', number LIMIT %(limit)s OFFSET %(offset)s;

-- name: clear_github_comments
-- Delete every staged comment of a source.
DELETE FROM github_comments WHERE source = %(source)s;

-- name: clear_github_threads
-- Delete every staged thread of a source.
DELETE FROM github_threads WHERE source = %(source)s;

-- name: settle_github_thread
-- Record that the document of a thread was written from the rows of a revision, or from the current rows if the revision is
-- null. The thread is pending if its rows have changed since that revision.
UPDATE github_threads SET pending = revision <> coalesce(%(revision)s, revision)
WHERE source = %(source)s AND number = %(number)s AND pending <> (revision <> coalesce(%(revision)s, revision))
RETURNING NOT pending;

-- name: delete_github_thread
-- Delete a thread that was deleted upstream, with its comments, and mark the issues that it fixed as pending.
WITH comments AS (
    DELETE FROM github_comments WHERE source = %(source)s AND number = %(number)s
), gone AS (
    DELETE FROM github_threads WHERE source = %(source)s AND number = %(number)s RETURNING data -> 'fixes' AS fixes
)
UPDATE github_threads SET pending = true, revision = revision + 1
WHERE source = %(source)s AND number <> %(number)s
  AND number IN (SELECT jsonb_array_elements(fixes)::integer FROM gone WHERE fixes IS NOT NULL);
