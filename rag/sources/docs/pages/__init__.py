"""Read a response as a page: its format, its text as Markdown, its links and its directives for crawlers."""
