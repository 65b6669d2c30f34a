-- name: register_source
-- Insert a source, or update its kind if the kind has changed.
INSERT INTO sources (name, kind) VALUES (%(name)s, %(kind)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind WHERE sources.kind <> excluded.kind;

-- name: lock_source
-- Try to acquire the exclusive lock of a source: one sync of a source runs at a time, across all processes. The lock is
-- released at the end of the transaction, which stays open meanwhile and reads nothing else.
SELECT pg_try_advisory_xact_lock(hashtextextended('sync ' || %(name)s, 0)) AS locked;

-- name: share_source
-- Try to acquire the shared lock of a source: the windows of a backfill run concurrently, but not with a sync.
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('sync ' || %(name)s, 0)) AS locked;

-- name: share_every_source
-- Try to acquire the shared lock of every source, sources included that are not known yet, as each sync does.
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('every source', 0)) AS locked;

-- name: lock_every_source
-- Try to acquire the exclusive lock of every source: no sync runs, of whichever source, and none begins.
SELECT pg_try_advisory_xact_lock(hashtextextended('every source', 0)) AS locked;

-- name: cursor
-- Select the cursor of a source, which records how far the source has been synced.
SELECT cursor FROM sources WHERE name = %(source)s;

-- name: set_cursor
-- Update the cursor of a source.
UPDATE sources SET cursor = %(cursor)s WHERE name = %(source)s AND cursor <> %(cursor)s;

-- name: share_host
-- Acquire the shared lock of a host of docs sites; waits while another process holds the exclusive one, for milliseconds.
SELECT pg_advisory_xact_lock_shared(hashtextextended('host ' || %(host)s, 0));

-- name: lock_host
-- Try to acquire the exclusive lock of a host too, which only the one process can that shares it.
SELECT pg_try_advisory_xact_lock(hashtextextended('host ' || %(host)s, 0)) AS locked;

-- name: mark_started
-- Record that a sync has begun; its end replaces the note.
UPDATE sources SET last_attempt = now(), last_error = %(note)s WHERE name = %(name)s;

-- name: mark_synced
-- Record that a source was synced successfully just now, and reset its failures and its alert.
UPDATE sources SET last_success = now(), last_attempt = now(), last_error = NULL, failures = 0, alerted_at = NULL
WHERE name = %(name)s;

-- name: mark_failed
-- Record why a source could not be synced.
UPDATE sources SET last_attempt = now(), last_error = %(error)s WHERE name = %(name)s;

-- name: count_failure
-- Count a failed run of a source; all attempts of the run count as one failure.
UPDATE sources SET failures = failures + 1 WHERE name = %(name)s;

-- name: claim_alert
-- Claim the alert for a source that keeps failing or has not synced for too long. Only the first caller gets a row; the next
-- successful sync ends the incident.
UPDATE sources SET alerted_at = now()
WHERE name = %(name)s AND alerted_at IS NULL
  AND (failures >= %(failures)s OR now() - coalesce(last_success, added_at) > %(age)s)
RETURNING failures, last_success, now() - coalesce(last_success, added_at), last_error;

-- name: return_alert
-- Return the alert of a source that could not be delivered, so that the next caller claims it again.
UPDATE sources SET alerted_at = NULL WHERE name = %(name)s;

-- name: delete_source
-- Delete a source; its documents and its sync state are deleted by cascade.
DELETE FROM sources WHERE name = %(name)s;

-- name: source_status
-- Select every source with its numbers of documents and chunks. The note of a sync that has begun is an error only if its
-- lock is no longer held.
SELECT s.name, s.kind, s.cursor, s.last_success,
       CASE WHEN s.last_error = %(note)s AND EXISTS (
           SELECT FROM pg_locks l, hashtextextended('sync ' || s.name, 0) AS key
           WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND l.classid::bigint = (key >> 32) & 4294967295 AND l.objid::bigint = key & 4294967295
       ) THEN NULL ELSE s.last_error END AS last_error, s.failures, s.alerted_at IS NOT NULL AS alerted,
       (SELECT count(*) FROM documents d WHERE d.source = s.name) AS documents,
       coalesce((SELECT i.chunks FROM index_statistics i JOIN indexes x ON x.name = i.index_name AND x.active
                 WHERE i.source = s.name), 0) AS chunks
FROM sources s ORDER BY s.name;

-- name: last_success
-- Select when sources were last synced successfully.
SELECT name, last_success FROM sources WHERE name = ANY(%(names)s) ORDER BY name;

-- name: has_source
-- Return a row if a source is registered.
SELECT 1 FROM sources WHERE name = %(name)s;
