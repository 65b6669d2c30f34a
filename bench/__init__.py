"""Benchmarks of speed and retrieval quality; each module runs as `python -m bench NAME`."""
