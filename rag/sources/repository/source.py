"""A repository as a source: the files of its newest commit that match, read where their blob changed."""

from __future__ import annotations

import posixpath
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
from rag.sources.repository.files import File, Files, UnreadableError
from rag.sources.repository.git import Blob, Clone, open_clone

if TYPE_CHECKING:
    from rag.store.store import Store, Transaction

__all__ = ["RepositorySource"]

#: Kept in the cursor: another value makes the next sync read every file again.
_RENDERING = 2
# So few files may go at once, whatever share of the source they are.
_FEW_FILES = 10
_GLOB_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX


class RepositorySource:
    """Files of a git repository.

    What is remembered of a file is a `Page` whose url is its path, whose etag is its blob, and whose last_modified
    is the commit that its link, and the links in it, name: they stay the same for as long as the file does. Its links
    are the blobs of the files that it takes code from, "blob path".

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
        wanted = self._wanted(clone, blobs)
        if not wanted:
            raise SourceError(
                f"None of the {len(blobs)} files of {clone.shown} match paths of {self.name}: "
                f"{', '.join(self._config.paths)}."
            )
        known = self._store.pages(self.name)
        indexed = self._store.document_hashes(self.name)
        cursor = self._store.cursor(self.name)
        anew = full or cursor.get("rendering") != _RENDERING
        gone = indexed.keys() - {self._id(path) for path in wanted}
        # What paths no longer ask for, the user has taken out.
        lost = [document for document in gone if self._globs.match(document.removeprefix(f"{self.name}:"))]
        if len(lost) > max(_FEW_FILES, len(indexed) * self._most_removed):
            yield Failed(
                clone.shown,
                f"{len(lost)} of {len(indexed)} documents are no longer among the files. That is more than "
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
            is_lost = bool(page and page.document_id and page.document_id not in indexed)
            if anew or page is None or is_lost or not _is_as_it_was(page, blobs):
                to_read.append(blob)
            elif page.document_id:
                yield Unchanged(page.document_id)
        with Files(clone, blobs) as files:
            for blob in to_read:
                yield self._change(clone, files, blob, known.get(blob.path), indexed)
        moved = {"commit": clone.commit, "rendering": _RENDERING}
        if cursor != moved:
            yield Checkpoint(partial(_set_cursor, self.name, moved))

    def _wanted(self, clone: Clone, blobs: Mapping[str, Blob]) -> dict[str, Blob]:
        """Return the files that match; of a symbolic link, the file that it leads to, if that is one of the commit."""
        matching = [blob for path, blob in blobs.items() if self._globs.match(path)]
        wanted = {blob.path: blob for blob in matching if not blob.is_link}
        links = [blob for blob in matching if blob.is_link]
        if not links:
            return wanted
        with clone.reader() as reader:
            for link in links:
                leads_to = reader.read(link).decode("utf-8", "replace")
                path = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), leads_to))
                target = blobs.get(path)
                if target and not target.is_link:
                    wanted[path] = target
        return wanted

    def _change(self, clone: Clone, files: Files, blob: Blob, page: Page | None, indexed: Mapping[str, str]) -> Change:
        document_id = self._id(blob.path)
        commit = (
            page.last_modified if page and page.last_modified and _is_as_it_was(page, files.blobs) else clone.commit
        )
        try:
            file = files.read(blob, commit)
            document = self._document(clone, file, blob, commit)
            if commit != clone.commit and document and indexed.get(document_id) != document.hash:
                # It says something else than it did: what it links to has changed, so it is read as of now.
                commit = clone.commit
                file = files.read(blob, commit)
                document = self._document(clone, file, blob, commit)
        except UnreadableError as error:
            return Failed(clone.link(blob.name, clone.commit), str(error), document_id if page else None)
        taken = tuple(f"{sha} {path}" for path, sha in sorted(file.taken.items()))
        remembered = Page(blob.path, blob.sha, commit, taken, document_id if document else None)
        record = partial(_put_page, self.name, remembered)
        if document:
            return Changed(document, record)
        return Removed(document_id, record) if page and page.document_id else Checkpoint(record)

    def _document(self, clone: Clone, file: File, blob: Blob, commit: str) -> Document | None:
        """Return a file as a document whose links name a commit, or None if there is nothing to read in it."""
        text = file.text
        if not text.markdown.strip():
            return None
        return Document(
            id_=self._id(blob.path),
            text=text.markdown,
            metadata={
                "url": clone.link(blob.name, commit),
                "title": text.title or _title_of(blob.path),
                "source": self.name,
                "kind": "file",
                **({"tags": list(text.tags)} if text.tags else {}),
            },
        )

    def _gone(self, path: str) -> Removed:
        return Removed(self._id(path), partial(_delete_page, self.name, path))

    def _id(self, path: str) -> str:
        return f"{self.name}:{path}"


def _is_as_it_was(page: Page, blobs: Mapping[str, Blob]) -> bool:
    """Return whether neither a file nor one that it takes code from has changed since it was read."""
    taken = (link.partition(" ") for link in page.links)
    current = {page.url: page.etag or "", **{path: sha for sha, _, path in taken}}
    return all(path in blobs and blobs[path].sha == sha for path, sha in current.items())


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
