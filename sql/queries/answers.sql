-- name: limit_logging
-- Limit, for this transaction only, how long logging may delay an answer: a lock is awaited for at most 300 ms, a statement
-- runs for at most 1 s, and the commit does not wait for the disk.
SELECT set_config('lock_timeout', '300ms', true), set_config('statement_timeout', '1000ms', true),
       set_config('synchronous_commit', 'off', true);

-- name: log_answer
-- Insert an answer with the chunks that it cites. The answer is stale at once if one of these chunks has been deleted
-- meanwhile. Earlier answers to the same question are marked as superseded.
WITH shown AS (
    SELECT given.n, c.node_id, c.document_id, sha256(convert_to(c.text, 'UTF8')) AS hash
    FROM unnest(%(chunks)s::text[]) WITH ORDINALITY AS given (node_id, n) JOIN {chunks} c USING (node_id)
), logged AS (
    INSERT INTO answers (id, question, source, asked, answered, answer, sources, embedding_model, llm, timings,
                         prompt_tokens, answer_tokens, cost, score, note, thread, asker, stale_at)
    VALUES (%(id)s, %(question)s, %(source)s, %(asked)s, %(answered)s, %(answer)s, %(sources)s, %(embedding_model)s,
            %(llm)s, %(timings)s, %(prompt_tokens)s, %(answer_tokens)s, %(cost)s, %(score)s, %(note)s, %(thread)s,
            %(asker)s,
            CASE WHEN (SELECT count(*) FROM shown) < cardinality(%(chunks)s::text[]) THEN now() END)
    RETURNING id
), linked AS (
    INSERT INTO answer_chunks (answer, n, node_id, document_id, hash)
    SELECT logged.id, shown.n, shown.node_id, shown.document_id, shown.hash FROM logged CROSS JOIN shown
)
UPDATE answers SET superseded_by = %(id)s WHERE asked = %(asked)s AND superseded_by IS NULL;

-- name: prune_answers
-- Delete answers older than the retention period, the oldest first, up to a limit.
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE asked_at < now() - make_interval(days => %(days)s) ORDER BY asked_at LIMIT %(limit)s
);

-- name: mark_answers_stale
-- Mark as stale the answers that cite a chunk of these documents which has changed or been deleted. Rows are locked in the
-- order of their ids, so that two concurrent syncs do not deadlock.
UPDATE answers SET stale_at = now() WHERE id IN (
    SELECT a.id FROM answers a
    WHERE a.stale_at IS NULL AND a.superseded_by IS NULL AND a.id IN (
        SELECT k.answer FROM answer_chunks k
        WHERE k.document_id = ANY(%(documents)s) AND NOT EXISTS (
            SELECT FROM {chunks} c WHERE c.document_id = k.document_id AND sha256(convert_to(c.text, 'UTF8')) = k.hash))
    ORDER BY a.id FOR UPDATE
);

-- name: mark_late_answers_stale
-- Mark as stale the answers given while a sync ran whose cited chunks have changed or been deleted. The transactions of the
-- sync could not see these answers.
UPDATE answers SET stale_at = now() WHERE id IN (
    SELECT a.id FROM answers a JOIN answer_chunks k ON k.answer = a.id
    WHERE a.asked_at >= %(since)s AND a.stale_at IS NULL AND a.superseded_by IS NULL AND NOT EXISTS (
        SELECT FROM {chunks} c WHERE c.document_id = k.document_id AND sha256(convert_to(c.text, 'UTF8')) = k.hash)
    ORDER BY a.id FOR UPDATE OF a
);

-- name: stale_answers
-- Select the stale answers that are not superseded, the longest stale first; their questions must be answered again.
SELECT id, question, source, asked_at, stale_at FROM answers
WHERE stale_at IS NOT NULL AND superseded_by IS NULL ORDER BY stale_at, asked_at LIMIT %(limit)s;

-- name: answer_counts
-- Count the logged answers by outcome, and sum their tokens and cost.
SELECT count(*), count(*) FILTER (WHERE answered), count(*) FILTER (WHERE thumb = 'up'),
       count(*) FILTER (WHERE thumb = 'down'),
       count(*) FILTER (WHERE stale_at IS NOT NULL AND superseded_by IS NULL),
       sum(prompt_tokens + answer_tokens), sum(cost), count(*) FILTER (WHERE asker = 'agent')
FROM answers;

-- name: logged_answer
-- Select an answer as it was logged.
SELECT id, asked_at, question, source, answered, answer, sources, embedding_model, llm, timings, prompt_tokens,
       answer_tokens, cost, score, note, thumb, better_page, stale_at, thread, asker, comment
FROM answers WHERE id = %(id)s;

-- name: rate_answer
-- Update the thumb of an answer with the page that would have been better, and the comment; without a thumb or a comment,
-- the earlier one stays.
UPDATE answers SET thumb = coalesce(%(thumb)s, thumb), comment = coalesce(%(comment)s, comment),
                   better_page = CASE WHEN %(thumb)s::text IS NULL THEN coalesce(%(better_page)s, better_page)
                                      ELSE %(better_page)s END
WHERE id = %(id)s;

-- name: thread_turns
-- Select the latest questions of a conversation up to an answer, with their answers and the URLs of their sources, the
-- latest first.
SELECT question, answered, answer, ARRAY(SELECT cited ->> 'url' FROM jsonb_array_elements(sources) AS cited) FROM answers
WHERE thread = %(thread)s
  AND asked_at <= coalesce((SELECT asked_at FROM answers WHERE id = %(until)s::uuid), 'infinity')
ORDER BY asked_at DESC LIMIT %(limit)s;

-- name: thread_answers
-- Select the latest answers of a conversation up to an answer, oldest first.
SELECT * FROM (
    SELECT id, asked_at, question, source, answered, answer, sources, embedding_model, llm, timings, prompt_tokens,
           answer_tokens, cost, score, note, thumb, better_page, stale_at, thread, asker, comment
    FROM answers
    WHERE thread = %(thread)s
      AND asked_at <= coalesce((SELECT asked_at FROM answers WHERE id = %(until)s::uuid), 'infinity')
    ORDER BY asked_at DESC LIMIT %(limit)s
) latest ORDER BY asked_at;

-- name: report_problem
-- Insert a problem with a page.
INSERT INTO problem_reports (url, problem, asker) VALUES (%(url)s, %(problem)s, %(asker)s);

-- name: problem_reports
-- Select the reported problems of the retention period, oldest first.
SELECT id, url, problem FROM problem_reports WHERE at >= now() - make_interval(days => %(days)s) ORDER BY id;

-- name: down_voted_answers
-- Select the answers that readers voted down: the latest answer to each question, oldest first.
SELECT id, asked_at, question, source, answered, answer, sources, embedding_model, llm, timings, prompt_tokens,
       answer_tokens, cost, score, note, thumb, better_page, stale_at, thread, asker, comment
FROM (SELECT DISTINCT ON (asked) * FROM answers WHERE thumb = 'down' ORDER BY asked, asked_at DESC) latest
ORDER BY asked_at;
