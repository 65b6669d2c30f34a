-- name: add_api_key
-- Insert a key; no row is inserted if the name is taken.
INSERT INTO api_keys (name, hash, scopes) VALUES (%(name)s, %(hash)s, %(scopes)s) ON CONFLICT (name) DO NOTHING;

-- name: api_keys
-- Select every key, by name.
SELECT name, scopes, created_at, used_on FROM api_keys ORDER BY name;

-- name: use_api_key
-- Select the key with a hash, and record the day of its use: at most one write a day.
WITH used AS (
    UPDATE api_keys SET used_on = current_date
    WHERE hash = %(hash)s AND used_on IS DISTINCT FROM current_date RETURNING 1
)
SELECT name, scopes, created_at, used_on FROM api_keys WHERE hash = %(hash)s;

-- name: delete_api_key
-- Delete a key, which is refused from then on.
DELETE FROM api_keys WHERE name = %(name)s;
