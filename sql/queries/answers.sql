-- name: limit_logging
-- No answer waits for its log, in this transaction only: neither for a lock nor for the disk.
SELECT set_config('lock_timeout', '300ms', true), set_config('statement_timeout', '1000ms', true),
       set_config('synchronous_commit', 'off', true);

-- name: log_answer
-- Keep an answer with the chunks that it shows; one of them gone meanwhile makes it stale at once. Earlier answers to the
-- same question are superseded.
WITH shown AS (
    SELECT given.n, c.node_id, c.document_id, sha256(convert_to(c.text, 'UTF8')) AS hash
    FROM unnest(%(chunks)s::text[]) WITH ORDINALITY AS given (node_id, n) JOIN {chunks} c USING (node_id)
), logged AS (
    INSERT INTO answers (id, question, source, asked, answered, answer, sources, embedding_model, llm, timings,
                         prompt_tokens, answer_tokens, cost, stale_at)
    VALUES (%(id)s, %(question)s, %(source)s, %(asked)s, %(answered)s, %(answer)s, %(sources)s, %(embedding_model)s,
            %(llm)s, %(timings)s, %(prompt_tokens)s, %(answer_tokens)s, %(cost)s,
            CASE WHEN (SELECT count(*) FROM shown) < cardinality(%(chunks)s::text[]) THEN now() END)
    RETURNING id
), linked AS (
    INSERT INTO answer_chunks (answer, n, node_id, document_id, hash)
    SELECT logged.id, shown.n, shown.node_id, shown.document_id, shown.hash FROM logged CROSS JOIN shown
)
UPDATE answers SET superseded_by = %(id)s WHERE asked = %(asked)s AND superseded_by IS NULL;

-- name: prune_answers
-- Forget answers from before the days that are kept, the oldest first.
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE asked_at < now() - make_interval(days => %(days)s) ORDER BY asked_at LIMIT %(limit)s
);

-- name: mark_answers_stale
-- Answers that show a chunk of these documents which is another one now, or gone. Locked in one order: two syncs may meet.
UPDATE answers SET stale_at = now() WHERE id IN (
    SELECT a.id FROM answers a
    WHERE a.stale_at IS NULL AND a.superseded_by IS NULL AND a.id IN (
        SELECT k.answer FROM answer_chunks k
        WHERE k.document_id = ANY(%(documents)s) AND NOT EXISTS (
            SELECT FROM {chunks} c WHERE c.document_id = k.document_id AND sha256(convert_to(c.text, 'UTF8')) = k.hash))
    ORDER BY a.id FOR UPDATE
);

-- name: mark_late_answers_stale
-- The same of answers that were given while a sync ran, which its transactions could not see.
UPDATE answers SET stale_at = now() WHERE id IN (
    SELECT a.id FROM answers a JOIN answer_chunks k ON k.answer = a.id
    WHERE a.asked_at >= %(since)s AND a.stale_at IS NULL AND a.superseded_by IS NULL AND NOT EXISTS (
        SELECT FROM {chunks} c WHERE c.document_id = k.document_id AND sha256(convert_to(c.text, 'UTF8')) = k.hash)
    ORDER BY a.id FOR UPDATE OF a
);

-- name: now
-- The time by the clock that dates answers.
SELECT now();

-- name: stale_answers
-- What must be answered anew, the longest stale first.
SELECT id, question, source, asked_at, stale_at FROM answers
WHERE stale_at IS NOT NULL AND superseded_by IS NULL ORDER BY stale_at, asked_at LIMIT %(limit)s;

-- name: answer_counts
-- How many answers are kept, and what became of them.
SELECT count(*), count(*) FILTER (WHERE answered), count(*) FILTER (WHERE thumb = 'up'),
       count(*) FILTER (WHERE thumb = 'down'),
       count(*) FILTER (WHERE stale_at IS NOT NULL AND superseded_by IS NULL),
       sum(prompt_tokens + answer_tokens), sum(cost)
FROM answers;

-- name: logged_answer
-- An answer as it was given.
SELECT id, asked_at, question, source, answered, answer, sources, embedding_model, llm, timings, prompt_tokens,
       answer_tokens, cost, thumb, better_page, stale_at
FROM answers WHERE id = %(id)s;

-- name: rate_answer
-- A reader's thumb, and the page that would have been better, where one is named.
UPDATE answers SET thumb = %(thumb)s, better_page = %(better_page)s WHERE id = %(id)s;

-- name: down_voted_answers
-- Answers that readers found wrong, the latest of each question, oldest first.
SELECT id, asked_at, question, source, answered, answer, sources, embedding_model, llm, timings, prompt_tokens,
       answer_tokens, cost, thumb, better_page, stale_at
FROM (SELECT DISTINCT ON (asked) * FROM answers WHERE thumb = 'down' ORDER BY asked, asked_at DESC) latest
ORDER BY asked_at;

-- name: add_evaluation
-- Keep how good retrieval and answers were.
INSERT INTO evaluations (name, fingerprint, embedding_model, llm, report, good)
VALUES (%(name)s, %(fingerprint)s, %(embedding_model)s, %(llm)s, %(report)s, %(good)s);

-- name: evaluations
-- The latest evaluations of a set of queries, oldest first.
SELECT at, name, embedding_model, llm, report, good
FROM (SELECT * FROM evaluations WHERE fingerprint = %(fingerprint)s ORDER BY id DESC LIMIT %(limit)s) latest ORDER BY id;

-- name: last_good_evaluation
-- The evaluation that the next one is compared with.
SELECT at, name, embedding_model, llm, report, good
FROM evaluations WHERE fingerprint = %(fingerprint)s AND good ORDER BY id DESC LIMIT 1;

-- name: said_at
-- When the latest part of chunks was written: of a thread's comments each has its time, and what stands before them has the
-- thread's. Pages and files do not say, and are left out.
SELECT c.node_id, greatest(d.metadata ->> 'created_at', (
    SELECT max(passage -> 1 ->> 'at') FROM json_array_elements(c.metadata_ -> 'passages') passage))
FROM {chunks} c JOIN documents d ON d.id = c.document_id
WHERE c.node_id = ANY(%(node_ids)s) AND d.metadata ? 'created_at';

-- name: chunk_texts
-- What chunks say, below their headings.
SELECT node_id, heading || E'\n' || text FROM {chunks} WHERE node_id = ANY(%(node_ids)s);

-- name: documents_by_url
-- Which of some URLs are documents', and when these began, where they say.
SELECT url, min(metadata ->> 'created_at') FROM documents WHERE url = ANY(%(urls)s) GROUP BY url;

-- name: answered_discussions
-- Discussions with the answer that was accepted, oldest first.
SELECT t.number, t.data ->> 'html_url', t.data ->> 'title', t.data ->> 'body', t.data ->> 'created_at', c.data ->> 'body'
FROM github_threads t
JOIN github_comments c ON c.source = t.source AND c.kind = 'discussion_comment' AND c.id = (t.data ->> 'answer')::bigint
WHERE t.source = %(source)s AND t.kind = 'discussion'
ORDER BY t.data ->> 'created_at', t.number;

-- name: pulls_naming_threads
-- Pull requests that name another thread by its number or address, oldest first.
SELECT number, data ->> 'html_url', data ->> 'title', data ->> 'body', data ->> 'created_at'
FROM github_threads
WHERE source = %(source)s AND kind = 'pull' AND (data ->> 'title') || ' ' || (data ->> 'body') ~ '#[0-9]|/issues/[0-9]'
ORDER BY data ->> 'created_at', number;
