-- name: triage_issues
-- Select the issues of a source with what triage reads of each: the row as staged, the times of its comments, those of its
-- comments that may declare it a duplicate, whether a maintainer commented, its last comment, the merged pull requests that
-- say they fix it, and the threads that people name in its comments.
WITH said AS (
    SELECT number,
           array_agg(data ->> 'created_at' ORDER BY data ->> 'created_at') AS times,
           jsonb_agg(jsonb_build_array(data ->> 'created_at', left(data ->> 'body', 2000)) ORDER BY data ->> 'created_at')
               FILTER (WHERE data ->> 'body' ~* '\m(dup|same as|favou?r of|covered by|tracked)|merged into') AS declaring,
           bool_or(data ->> 'author_association' IN ('OWNER', 'MEMBER', 'COLLABORATOR')
                   AND NOT coalesce((data ->> 'bot')::boolean, false)) AS is_answered,
           (array_agg(jsonb_build_array(left(data ->> 'body', 1000), coalesce((data ->> 'bot')::boolean, false))
                      ORDER BY data ->> 'created_at' DESC))[1] AS last
    FROM github_comments WHERE source = %(source)s AND kind = 'issue_comment' GROUP BY number
), named AS (
    SELECT c.number, array_agg(DISTINCT coalesce(found[1], found[2])::integer) AS mentions
    FROM github_comments c
    CROSS JOIN LATERAL regexp_matches(c.data ->> 'body', '(?:^|[^\w/&#])#(\d{1,9})\M|/issues/(\d{1,9})\M', 'g') AS found
    WHERE c.source = %(source)s AND c.kind = 'issue_comment' AND NOT coalesce((c.data ->> 'bot')::boolean, false)
      AND c.data ->> 'body' NOT LIKE '<!-- support-engine%%' GROUP BY c.number
), fixed AS (
    SELECT (fixes.number)::integer AS number,
           jsonb_agg(jsonb_build_array(p.number, p.data ->> 'merged_at') ORDER BY p.data ->> 'merged_at') AS pulls
    FROM github_threads p CROSS JOIN LATERAL jsonb_array_elements_text(p.data -> 'fixes') AS fixes (number)
    WHERE p.source = %(source)s AND p.data ? 'fixes' AND p.data ->> 'merged_at' IS NOT NULL GROUP BY 1
)
SELECT t.number, t.data, said.times, said.declaring, said.is_answered, said.last, fixed.pulls, named.mentions
FROM github_threads t LEFT JOIN said USING (number) LEFT JOIN named USING (number) LEFT JOIN fixed USING (number)
WHERE t.source = %(source)s AND t.kind = 'issue' ORDER BY t.number;

-- name: issue_templates
-- Select the texts of issue templates that a source of Markdown files holds.
SELECT text FROM documents WHERE kind = 'file' AND url ~* '/\.github/issue_template';

-- name: put_calibration
-- Store what a replay taught of a source, in place of an earlier one.
INSERT INTO triage_calibrations (source, report) VALUES (%(source)s, %(report)s)
ON CONFLICT (source) DO UPDATE SET report = excluded.report, replayed_at = now();

-- name: calibration
-- Select what the last replay taught of a source.
SELECT replayed_at, report FROM triage_calibrations WHERE source = %(source)s;

-- name: switch_on_comments
-- Note when comments were switched on for a source, unless that is known.
INSERT INTO triage_switches (source) VALUES (%(source)s) ON CONFLICT DO NOTHING;

-- name: switch_off_comments
-- Forget when comments were switched on for a source.
DELETE FROM triage_switches WHERE source = %(source)s;

-- name: comments_switched_on
-- Select when comments were switched on for a source.
SELECT switched_on FROM triage_switches WHERE source = %(source)s;

-- name: triage_comments
-- Select the comments that were written on the issues of a source.
SELECT number, comment, body, at FROM triage_comments WHERE source = %(source)s ORDER BY number;

-- name: put_triage_comment
-- Record the comment on an issue.
INSERT INTO triage_comments (source, number, comment, body) VALUES (%(source)s, %(number)s, %(comment)s, %(body)s)
ON CONFLICT (source, number) DO UPDATE SET comment = excluded.comment, body = excluded.body, at = now();

-- name: put_releases
-- Record the releases of a repository.
INSERT INTO github_releases (source, tag, published_at)
SELECT %(source)s, tag, published_at FROM json_to_recordset(%(rows)s) AS row (tag text, published_at timestamptz)
ON CONFLICT (source, tag) DO UPDATE SET published_at = excluded.published_at;

-- name: releases
-- Select the releases of a repository, the oldest first.
SELECT tag, extract(epoch FROM published_at)::float8 FROM github_releases WHERE source = %(source)s ORDER BY published_at, tag;
