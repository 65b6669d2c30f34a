"""A source that yields the changes given to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llama_index.core.schema import Document

from rag.sources import Change, Changed


def page(name: str, text: str, *, source: str = "docs", title: str | None = None, kind: str = "page") -> Document:
    """Return a document like that of a source; `name` gives its id and URL."""
    url = f"https://example.org/{name}"
    metadata = {"url": url, "title": title or name, "source": source, "kind": kind}
    return Document(id_=f"{source}:{url}", text=text, metadata=metadata)


class MemorySource:
    """Yields the given changes: a Document as Changed; an exception is raised at its position."""

    kind = "docs"

    def __init__(self, changes: Iterable[Change | Document | Exception], *, name: str = "docs") -> None:
        self.name = name
        self.requests = 0
        self._changes = list(changes)

    def changes(self, *, full: bool) -> Iterator[Change]:
        for change in self._changes:
            if isinstance(change, Exception):
                raise change
            yield Changed(change) if isinstance(change, Document) else change
