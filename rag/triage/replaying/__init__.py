"""The replay of a history: what comments would have been right, and the precision that is promised from it."""
