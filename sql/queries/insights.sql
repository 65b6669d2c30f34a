-- name: asked_questions
-- Select the logged questions of the last days with their outcomes, oldest first.
SELECT id, asked, question, asked_at, asker, answered, score, thumb, better_page, md5(answer),
       sources -> 0 ->> 'url', sources -> 0 ->> 'title'
FROM answers WHERE asked_at >= now() - make_interval(days => %(days)s) ORDER BY asked_at, id;

-- name: question_vectors
-- Select the kept vectors of the questions of these answers by a model.
SELECT answer, embedding FROM question_vectors WHERE model = %(model)s AND answer = ANY(%(answers)s);

-- name: stage_question_vectors
-- Create the temporary table that new vectors are copied into.
CREATE TEMPORARY TABLE IF NOT EXISTS new_question_vectors (answer uuid, embedding halfvec) ON COMMIT DELETE ROWS;

-- name: copy_question_vectors
-- Load new vectors by binary COPY.
COPY new_question_vectors (answer, embedding) FROM STDIN (FORMAT binary);

-- name: merge_question_vectors
-- Insert the new vectors of answers that have not expired meanwhile; those of another model are replaced.
INSERT INTO question_vectors (answer, model, embedding)
SELECT n.answer, %(model)s, n.embedding FROM new_question_vectors n JOIN answers a ON a.id = n.answer
ON CONFLICT (answer) DO UPDATE SET model = excluded.model, embedding = excluded.embedding;

-- name: cited_documents
-- Select the documents that the answers of the last days cite, the most cited first.
SELECT d.id, d.url, d.title, d.source, d.kind, count(DISTINCT a.id), count(DISTINCT a.id) FILTER (WHERE a.thumb = 'down')
FROM answers a JOIN answer_chunks k ON k.answer = a.id JOIN documents d ON d.id = k.document_id
WHERE a.answered AND a.asked_at >= now() - make_interval(days => %(days)s)
GROUP BY d.id ORDER BY count(DISTINCT a.id) DESC, d.id LIMIT %(limit)s;

-- name: citation_counts
-- Count by source and kind the documents, and those that no answer of the last days cites.
SELECT d.source, d.kind, count(*), count(*) FILTER (WHERE c.document_id IS NULL)
FROM documents d LEFT JOIN (
    SELECT DISTINCT k.document_id FROM answers a JOIN answer_chunks k ON k.answer = a.id
    WHERE a.answered AND a.asked_at >= now() - make_interval(days => %(days)s)
) c ON c.document_id = d.id
GROUP BY d.source, d.kind ORDER BY d.source, d.kind;

-- name: uncited_pages
-- Select the pages and files that no answer of the last days cites, the longest first.
SELECT d.id, d.url, d.title, d.source, d.kind FROM documents d
WHERE d.kind IN ('page', 'file') AND NOT EXISTS (
    SELECT FROM answer_chunks k JOIN answers a ON a.id = k.answer
    WHERE k.document_id = d.id AND a.answered AND a.asked_at >= now() - make_interval(days => %(days)s))
ORDER BY length(d.text) DESC, d.id LIMIT %(limit)s;

-- name: stale_conversations
-- Select the stale answers that are not superseded with their conversations, the longest stale first.
SELECT a.id, a.question, a.asker, a.asked_at, a.stale_at, a.thread, c.link
FROM answers a LEFT JOIN chat_threads c ON c.thread = a.thread
WHERE a.stale_at IS NOT NULL AND a.superseded_by IS NULL ORDER BY a.stale_at, a.asked_at LIMIT %(limit)s;
