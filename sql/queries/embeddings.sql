-- name: cached_embeddings
-- Select the cached embeddings of these contents by a model, and whether their date of use must be updated.
SELECT content, embedding, used_on < current_date - 7 FROM embeddings WHERE model = %(model)s AND content = ANY(%(contents)s);

-- name: note_use_of_embeddings
-- Update the date of use of embeddings, at most once a week, so that most reads do not write.
UPDATE embeddings SET used_on = current_date
WHERE model = %(model)s AND content = ANY(%(contents)s) AND used_on < current_date - 7;

-- name: expire_embeddings
-- Delete the embeddings that no sync has used for a number of days.
DELETE FROM embeddings WHERE used_on < current_date - %(days)s::integer;

-- name: stage_embeddings
-- Create the temporary table that new embeddings are copied into before they are merged.
CREATE TEMPORARY TABLE IF NOT EXISTS new_embeddings (content bytea, embedding halfvec) ON COMMIT DELETE ROWS;

-- name: copy_embeddings
-- Load new embeddings by binary COPY.
COPY new_embeddings (content, embedding) FROM STDIN (FORMAT binary);

-- name: merge_embeddings
-- Insert the new embeddings; an embedding of the same content that another process inserted meanwhile is kept.
INSERT INTO embeddings (model, content, embedding)
SELECT %(model)s, content, embedding FROM new_embeddings ON CONFLICT DO NOTHING;

-- name: put_embedding_batch
-- Insert a batch of texts for another process to embed. Batches left by killed processes are deleted after a day.
WITH forgotten AS (DELETE FROM embedding_batches WHERE made_at < now() - interval '1 day')
INSERT INTO embedding_batches (id, model, texts) VALUES (%(id)s, %(model)s, %(texts)s);

-- name: embedding_batch
-- Select the model and the texts of a batch.
SELECT model, texts FROM embedding_batches WHERE id = %(id)s;

-- name: drop_embedding_batch
-- Delete a batch that has been embedded, or that no process waits for any more.
DELETE FROM embedding_batches WHERE id = %(id)s;
