"""A repository as a source: the files of its newest commit that match, read where their blob changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from llama_index.core.schema import Document
from wcmatch import glob

from rag.errors import SourceError
from rag.models import Page
from rag.settings import RepositoryConfig
from rag.sources import MOST_REMOVED, Change, Changed, Checkpoint, Failed, Removed, Unchanged
from rag.sources.repository.git import Blob, Clone, open_clone
from rag.sources.repository.markdown import Text, read_markdown
from rag.sources.repository.rst import read_rst

if TYPE_CHECKING:
    from rag.store import Store, Transaction

__all__ = ["RepositorySource"]

#: Kept in the cursor: another value makes the next sync read every file again.
_RENDERING = 1
_LARGEST = 10_000_000
# So few files may go at once, whatever share of the source they are.
_FEW_FILES = 10
_GLOB_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX


class RepositorySource:
    """Files of a git repository.

    What is remembered of a file is a `Page` whose url is its path, whose etag is its blob, and whose last_modified
    is the commit that its link names: a link stays the same for as long as the file does.

    :param home: clones are kept in `home/repositories`
    """

    kind = "repository"

    def __init__(
        self, config: RepositoryConfig, store: Store, home: Path, *, most_removed: float = MOST_REMOVED
    ) -> None:
        self.name = config.name
        self._most_removed = most_removed
        self.requests = 0
        self._config = config
        self._store = store
        self._cache = home / "repositories" / config.name
        self._globs = glob.compile([pattern.removeprefix("./") for pattern in config.paths], flags=_GLOB_FLAGS)

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Fetch the newest commit and yield what changed since the last one.

        :param full: read every file again
        :raises ConfigurationError: git is not installed
        :raises SourceUnavailable: the repository cannot be reached now
        :raises SourceError: there is no such repository, or none of its files match
        """
        self.requests += 1
        clone = open_clone(self._config.url, self._cache)
        blobs = {blob.path: blob for blob in clone.blobs()}
        wanted = {path: blob for path, blob in blobs.items() if self._globs.match(path)}
        if not wanted:
            raise SourceError(
                f"None of the {len(blobs)} files of {clone.web or self._config.url} match paths of {self.name}: "
                f"{', '.join(self._config.paths)}."
            )
        known = self._store.pages(self.name)
        indexed = set(self._store.document_hashes(self.name))
        cursor = self._store.cursor(self.name)
        anew = full or cursor.get("rendering") != _RENDERING
        gone = indexed - {self._id(path) for path in wanted}
        if len(gone) > max(_FEW_FILES, len(indexed) * self._most_removed):
            yield Failed(
                clone.web or self._config.url,
                f"{len(gone)} of {len(indexed)} documents are no longer among the files. That is more than "
                f"{self._most_removed:.0%}, so none was removed. If they are really gone, run: "
                f"python -m flows.ingest {self.name} --full --accept-removals",
            )
        else:
            for path in sorted(known.keys() - wanted.keys()):
                yield self._gone(path)
            for document_id in sorted(gone - {self._id(path) for path in known}):
                yield Removed(document_id)
        to_read: list[Blob] = []
        for path, blob in wanted.items():
            page = known.get(path)
            if anew or page is None or page.etag != blob.sha or (page.document_id and page.document_id not in indexed):
                to_read.append(blob)
            elif page.document_id:
                yield Unchanged(page.document_id)
        yield from self._read(clone, to_read, known)
        moved = {"commit": clone.commit, "rendering": _RENDERING}
        if cursor != moved:
            yield Checkpoint(partial(_set_cursor, self.name, moved))

    def _read(self, clone: Clone, blobs: list[Blob], known: Mapping[str, Page]) -> Iterator[Change]:
        small = []
        for blob in blobs:
            if blob.size > _LARGEST:
                document_id = self._id(blob.path) if blob.path in known else None
                url = clone.permalink(blob.path, clone.commit)
                yield Failed(url, f"the file is larger than {_LARGEST / 1e6:g} MB", document_id)
            else:
                small.append(blob)
        for blob, content in clone.read(small):
            page = known.get(blob.path)
            commit = page.last_modified if page and page.etag == blob.sha and page.last_modified else clone.commit
            yield self._change(clone.permalink(blob.path, commit), commit, blob, content, page)

    def _change(self, url: str, commit: str, blob: Blob, content: bytes, page: Page | None) -> Change:
        document_id = self._id(blob.path)
        if b"\0" in content[:8192]:
            return Failed(url, "the file is binary", document_id if page else None)
        text = _read_text(blob.path, content.decode("utf-8", "replace"))
        if not text.markdown.strip():
            empty = Page(blob.path, blob.sha, commit)
            record = partial(_put_page, self.name, empty)
            return Removed(document_id, record) if page and page.document_id else Checkpoint(record)
        title = text.title or _title_of(blob.path)
        document = Document(
            id_=document_id,
            text=text.markdown,
            metadata={"url": url, "title": title, "source": self.name, "kind": "file"},
        )
        remembered = Page(blob.path, blob.sha, commit, document_id=document_id)
        return Changed(document, partial(_put_page, self.name, remembered))

    def _gone(self, path: str) -> Removed:
        return Removed(self._id(path), partial(_delete_page, self.name, path))

    def _id(self, path: str) -> str:
        return f"{self.name}:{path}"


def _read_text(path: str, source: str) -> Text:
    if PurePosixPath(path).suffix.lower() in (".rst", ".rest"):
        return read_rst(source)
    return read_markdown(source)


def _title_of(path: str) -> str:
    """Name a file that names itself nothing: "docs/how-to_start.md" is "how to start"."""
    stem = PurePosixPath(path).stem
    if stem.lower() in ("index", "readme", "_index"):
        stem = PurePosixPath(path).parent.name or stem
    return re.sub(r"[-_]+", " ", stem).strip() or path


def _put_page(source: str, page: Page, transaction: Transaction) -> None:
    transaction.put_page(source, page)


def _delete_page(source: str, path: str, transaction: Transaction) -> None:
    transaction.delete_page(source, path)


def _set_cursor(source: str, cursor: dict[str, object], transaction: Transaction) -> None:
    transaction.set_cursor(source, cursor)
