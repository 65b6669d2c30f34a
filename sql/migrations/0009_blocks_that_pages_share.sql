-- The blocks of text at the edges of a page, as hashes, and those of them that its document lacks because they stand on many
-- pages of its site. A site that gets or loses such a block is thus noticed without reading its unchanged pages again.
ALTER TABLE pages
    ADD COLUMN edges bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN cut   bigint[] NOT NULL DEFAULT '{}';
