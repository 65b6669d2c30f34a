"""Where the benchmarks find their data, and keep what they need again."""

from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["CACHE", "DATA", "MANUAL", "ROOT", "SHARED"]

#: The root of the repository.
ROOT = Path(__file__).parents[1]
#: What is installed, downloaded or computed once.
CACHE = user_cache_path("support-engine") / "bench"
#: The questions that were written for this project.
DATA = ROOT / "bench" / "data"
#: The data of the evaluation, beside the repository.
SHARED = ROOT.parent / "shared" / "data"
#: The manual of PostgreSQL 15 in Debian's package postgresql-doc-15.
MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
