"""`make bench`: every bench, one after the other; each also runs alone, `python -m bench.NAME`."""

from __future__ import annotations

from bench import crawl, embedding, extraction, github, retrieval

if __name__ == "__main__":
    for bench in (crawl, embedding, extraction, github, retrieval):
        print(f"\n== {bench.__name__}\n")
        bench.main()
