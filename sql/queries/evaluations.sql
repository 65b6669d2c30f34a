-- name: add_evaluation
-- Insert an evaluation of retrieval and answers.
INSERT INTO evaluations (name, fingerprint, embedding_model, llm, report, good)
VALUES (%(name)s, %(fingerprint)s, %(embedding_model)s, %(llm)s, %(report)s, %(good)s);

-- name: evaluations
-- Select the latest evaluations of a set of queries, oldest first.
SELECT at, name, embedding_model, llm, report, good
FROM (SELECT * FROM evaluations WHERE fingerprint = %(fingerprint)s ORDER BY id DESC LIMIT %(limit)s) latest ORDER BY id;

-- name: last_good_evaluation
-- Select the latest good evaluation of a set of queries: the baseline of the next evaluation.
SELECT at, name, embedding_model, llm, report, good
FROM evaluations WHERE fingerprint = %(fingerprint)s AND good ORDER BY id DESC LIMIT 1;

-- name: answered_discussions
-- Select the discussions with an accepted answer, oldest first.
SELECT t.number, t.data ->> 'html_url', t.data ->> 'title', t.data ->> 'body', t.data ->> 'created_at', c.data ->> 'body'
FROM github_threads t
JOIN github_comments c ON c.source = t.source AND c.kind = 'discussion_comment' AND c.id = (t.data ->> 'answer')::bigint
WHERE t.source = %(source)s AND t.kind = 'discussion'
ORDER BY t.data ->> 'created_at', t.number;

-- name: pulls_naming_threads
-- Select the pull requests that name another thread by number or URL, oldest first.
SELECT number, data ->> 'html_url', data ->> 'title', data ->> 'body', data ->> 'created_at'
FROM github_threads
WHERE source = %(source)s AND kind = 'pull' AND (data ->> 'title') || ' ' || (data ->> 'body') ~ '#[0-9]|/issues/[0-9]'
ORDER BY data ->> 'created_at', number;

-- name: documents_by_url
-- Select the URLs that belong to documents, with the creation time of the document, null for an undated document.
SELECT url, min(metadata ->> 'created_at') FROM documents WHERE url = ANY(%(urls)s) GROUP BY url;
