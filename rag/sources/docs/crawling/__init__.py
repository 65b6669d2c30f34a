"""Crawl a site: which address is visited next, and what the outcome of each visit changes in the index."""
