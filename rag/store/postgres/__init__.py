"""The database: an embedded or an external Postgres, its schema and migrations, and how named queries run on it."""
