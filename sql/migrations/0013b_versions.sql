-- The versions of the software that a document is about, and the product whose versions they are.
ALTER TABLE documents
    ADD COLUMN versions text[] NOT NULL DEFAULT '{}',
    ADD COLUMN product  text;                      -- pages of one product differ in their version only
CREATE INDEX documents_versions ON documents (product, versions, kind) WHERE cardinality(versions) > 0;
