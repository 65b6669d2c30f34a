-- name: resources
-- Select the pages and files of a source, as the last syncs recorded them.
SELECT url, etag, last_modified, links, document_id, lastmod, edges, cut FROM pages WHERE source = %(source)s;

-- name: put_resource
-- Insert or update a page or file; an unchanged row is not written.
INSERT INTO pages AS p (source, url, etag, last_modified, links, document_id, lastmod, edges, cut)
VALUES (%(source)s, %(url)s, %(etag)s, %(last_modified)s, %(links)s, %(document_id)s, %(lastmod)s,
        %(edges)s, %(cut)s)
ON CONFLICT (source, url) DO UPDATE SET
    etag = excluded.etag, last_modified = excluded.last_modified, links = excluded.links,
    document_id = excluded.document_id, lastmod = excluded.lastmod, edges = excluded.edges, cut = excluded.cut
WHERE (p.etag, p.last_modified, p.links, p.document_id, p.lastmod, p.edges, p.cut)
    IS DISTINCT FROM (excluded.etag, excluded.last_modified, excluded.links, excluded.document_id, excluded.lastmod,
                      excluded.edges, excluded.cut);

-- name: delete_resource
-- Delete a page or file.
DELETE FROM pages WHERE source = %(source)s AND url = %(url)s;
