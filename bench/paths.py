"""Where the benchmarks find their data."""

from pathlib import Path

__all__ = ["DATA", "MANUAL", "ROOT", "SHARED"]

#: The root of the repository.
ROOT = Path(__file__).parents[1]
#: The questions that were written for this project.
DATA = ROOT / "bench" / "data"
#: The data of the evaluation, beside the repository.
SHARED = ROOT.parent / "shared" / "data"
#: The manual of PostgreSQL 15 in Debian's package postgresql-doc-15.
MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
