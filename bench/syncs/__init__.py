"""How fast a sync is, and what spreading it over processes brings."""
