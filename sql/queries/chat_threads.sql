-- name: thread_at
-- Select the conversation that a chat thread is.
SELECT thread FROM chat_threads WHERE place = %(place)s;

-- name: keep_thread
-- Insert the conversation that a chat thread is, and delete those whose answers have all expired.
WITH expired AS (
    DELETE FROM chat_threads c
    WHERE c.at < now() - make_interval(days => %(days)s) AND NOT EXISTS (SELECT FROM answers a WHERE a.thread = c.thread)
)
INSERT INTO chat_threads (place, thread, link) VALUES (%(place)s, %(thread)s, %(link)s)
ON CONFLICT (place) DO UPDATE SET thread = excluded.thread, link = excluded.link, at = now();
