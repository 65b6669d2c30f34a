"""The named queries of sql/queries, loaded once and composed with identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from psycopg import sql

__all__ = ["Queries", "sql_folder"]


def sql_folder() -> Path:
    """Return the folder sql/: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


class Queries(Mapping[str, str]):
    """The named queries of a folder of .sql files.

    A block starts with `-- name: NAME` and a line of description; its SQL runs to the next block. Values are
    bound as `%(value)s`; `{table}` stands for an identifier that the caller fills in with `psycopg.sql`.

    :raises ValueError: two blocks share a name, or one has no description or no SQL
    """

    _HEADER = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)

    def __init__(self, folder: Path) -> None:
        self._queries: dict[str, str] = {}
        for path in sorted(folder.glob("*.sql")):
            blocks = self._HEADER.split(path.read_text(encoding="utf-8"))[1:]
            for name, block in zip(blocks[::2], blocks[1::2], strict=True):
                self._add(name, block, path)

    def _add(self, name: str, block: str, path: Path) -> None:
        description, _, statement = block.partition("\n")
        if name in self._queries:
            raise ValueError(f"{path.name}: there are two queries called {name}")
        if not description.startswith("-- ") or not statement.strip():
            raise ValueError(f"{path.name}: {name} needs a line of description and a statement")
        self._queries[name] = statement.strip().rstrip(";")

    def __getitem__(self, name: str) -> str:
        return self._queries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def compose(self, name: str, identifiers: Mapping[str, sql.Composable] | None = None) -> sql.Composed | sql.SQL:
        """Return a query, its `{placeholders}` filled in with identifiers."""
        statement = sql.SQL(self._queries[name])
        return statement.format(**identifiers) if identifiers else statement
