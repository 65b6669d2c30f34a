"""A git repository as a source: the files of its newest commit that match the settings, read if they changed."""

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
from rag.settings import RepositoryConfig
from rag.sources import MOST_REMOVED, Change, Changed, Checkpoint, Failed, Removed, Unchanged
from rag.sources.removals import refused_removals
from rag.sources.repository.clone import Blob, Clone, open_clone
from rag.sources.repository.files import File, Files, UnreadableError
from rag.sources.repository.links import MARKUP
from rag.sources.versions import version_metadata
from rag.store.resources import Resource

if TYPE_CHECKING:
    from rag.store.store import Store, Transaction

__all__ = ["RepositorySource"]

#: The version of the rendering. The cursor keeps it: after a change the next sync reads every file again.
_RENDERING = 5
#: A sync may always remove this many files, whatever their share of the source.
_FREE_REMOVALS = 10
# An id is the key of an index, whose entries Postgres limits to 2,704 bytes.
_LONGEST_ID = 2_000
#: The longest target of a symbolic link, and the longest path that is compared with globs.
_LONGEST_TARGET = 4_096
_LONGEST_GLOBBED = 4_096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_GLOB_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX


class RepositorySource:
    """The files of a git repository.

    A file is remembered as a `Resource`: url is its path, etag its blob, last_modified the commit in its permalink and
    in the links of its text, which stays the same as long as the file does. Its links are the blobs of the files whose
    code it includes, as "blob path".

    :param home: clones are kept in `home/repositories`
    :param most_removed: the share of the source's documents, 0 to 1, that one sync may remove; if more are gone, none
        is removed and the sync reports a failure
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
        """Fetch the newest commit and yield the changes since the last one.

        :param full: read every file again
        :raises ConfigurationError: git is not installed
        :raises SourceUnavailable: the repository cannot be reached now
        :raises SourceError: the repository does not exist, or none of its files match
        """
        self.requests += 1
        clone = open_clone(self._config.url, self._cache)
        blobs: dict[str, Blob] = {}
        for blob in clone.blobs():
            if problem := _unstorable(blob, self._id(blob.path)):
                if self._is_wanted(blob):
                    yield Failed(f"{clone.shown}: {_shown(blob.path)}", problem)
            else:
                blobs[blob.path] = blob
        wanted = self._wanted(clone, blobs)
        yield from self._long_links(clone, blobs)
        if not wanted:
            raise SourceError(
                f"None of the {len(blobs)} files of {clone.shown} match paths of {self.name}: "
                f"{', '.join(self._config.paths)}."
            )
        known = self._store.resources.known(self.name)
        indexed = self._store.documents.hashes(self.name)
        cursor = self._store.sources.cursor(self.name)
        version = {"version": self._config.version} if self._config.version else {}
        is_full = full or cursor.get("rendering") != _RENDERING or cursor.get("version") != self._config.version
        gone = indexed.keys() - {self._id(path) for path in wanted}
        # Files that the settings no longer include are removed by the user's intention.
        lost = [document for document in gone if self._globs.match(document.removeprefix(f"{self.name}:"))]
        if len(lost) > max(_FREE_REMOVALS, len(indexed) * self._most_removed):
            finding = f"{len(lost)} of {len(indexed)} documents are no longer among the files"
            yield refused_removals(self.name, clone.shown, finding, limit=self._most_removed)
        else:
            for path in sorted(known.keys() - wanted.keys()):
                yield self._removal(path)
            for document_id in sorted(gone - {self._id(path) for path in known}):
                yield Removed(document_id)
        to_read: list[Blob] = []
        for path, blob in wanted.items():
            page = known.get(path)
            is_lost = bool(page and page.document_id and page.document_id not in indexed)
            if is_full or page is None or is_lost or not _is_unchanged(page, blobs):
                to_read.append(blob)
            elif page.document_id:
                yield Unchanged(page.document_id)
        with Files(clone, blobs) as files:
            for blob in to_read:
                yield self._change(clone, files, blob, known.get(blob.path), indexed)
        moved = {"commit": clone.commit, "rendering": _RENDERING, **version}
        if cursor != moved:
            yield Checkpoint(partial(_set_cursor, self.name, moved))

    def _wanted(self, clone: Clone, blobs: Mapping[str, Blob]) -> dict[str, Blob]:
        """Return the files that match; for a symbolic link, its target, if that is a file of the commit."""
        matching = [blob for path, blob in blobs.items() if self._globs.match(path)]
        wanted = {blob.path: blob for blob in matching if not blob.is_link}
        links = [blob for blob in matching if blob.is_link and blob.size <= _LONGEST_TARGET]
        if not links:
            return wanted
        with clone.reader() as reader:
            for link in links:
                link_target = reader.read(link).decode("utf-8", "replace")
                path = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), link_target))
                target = blobs.get(path)
                if target and not target.is_link:
                    wanted[path] = target
        return wanted

    def _is_wanted(self, blob: Blob) -> bool:
        """Return whether the settings include a file, as far as a path too long for globs tells."""
        if len(blob.name) > _LONGEST_GLOBBED:
            return PurePosixPath(blob.path[-100:]).suffix.lower() in MARKUP
        return bool(self._globs.match(blob.path))

    def _long_links(self, clone: Clone, blobs: Mapping[str, Blob]) -> Iterator[Failed]:
        for path, blob in blobs.items():
            if blob.is_link and blob.size > _LONGEST_TARGET and self._globs.match(path):
                yield Failed(
                    clone.link(blob.name, clone.commit), "the target of the symbolic link is longer than a path"
                )

    def _change(
        self, clone: Clone, files: Files, blob: Blob, page: Resource | None, indexed: Mapping[str, str]
    ) -> Change:
        document_id = self._id(blob.path)
        commit = (
            page.last_modified if page and page.last_modified and _is_unchanged(page, files.blobs) else clone.commit
        )
        try:
            file = files.read(blob, commit)
            document = self._document(clone, file, blob, commit)
            if commit != clone.commit and document and indexed.get(document_id) != document.hash:
                # The text differs although the file does not: a link target has changed, so use the new commit.
                commit = clone.commit
                file = files.read(blob, commit)
                document = self._document(clone, file, blob, commit)
        except UnreadableError as error:
            return Failed(clone.link(blob.name, clone.commit), str(error), document_id if page else None)
        included = tuple(f"{sha} {path}" for path, sha in sorted(file.included.items()))
        remembered = Resource(blob.path, blob.sha, commit, included, document_id if document else None)
        record = partial(_put_page, self.name, remembered)
        if document:
            return Changed(document, record)
        return Removed(document_id, record) if page and page.document_id else Checkpoint(record, blob.path)

    def _document(self, clone: Clone, file: File, blob: Blob, commit: str) -> Document | None:
        """Return a file as a document whose links name a commit; None if it has no text."""
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
                **version_metadata(self._config.version, blob.path, self.name),
            },
        )

    def _removal(self, path: str) -> Removed:
        return Removed(self._id(path), partial(_delete_page, self.name, path))

    def _id(self, path: str) -> str:
        return f"{self.name}:{path}"


def _unstorable(blob: Blob, document_id: str) -> str:
    """Return why the database cannot keep a document under the path of a file; empty if it can."""
    if len(document_id.encode("utf-8", "replace")) > _LONGEST_ID:
        return f"its path is longer than {_LONGEST_ID:,} bytes"
    if _CONTROL.search(blob.path):
        return "its path contains a control character"
    return ""


def _shown(path: str) -> str:
    """Return a path for a message: short, and without control characters."""
    plain = path if path.isprintable() else repr(path)[1:-1]
    return plain if len(plain) <= 200 else f"{plain[:150]}…{plain[-40:]}"


def _is_unchanged(page: Resource, blobs: Mapping[str, Blob]) -> bool:
    """Return whether neither a file nor the files whose code it includes have changed since it was read."""
    included = (link.partition(" ") for link in page.links)
    current = {page.url: page.etag or "", **{path: sha for sha, _, path in included}}
    return all(path in blobs and blobs[path].sha == sha for path, sha in current.items())


def _title_of(path: str) -> str:
    """Return a title for a file that has none: "how to start" for docs/how-to_start.md."""
    stem = PurePosixPath(path).stem
    if stem.lower() in ("index", "readme", "_index"):
        stem = PurePosixPath(path).parent.name or stem
    return re.sub(r"[-_]+", " ", stem).strip() or path


def _put_page(source: str, page: Resource, transaction: Transaction) -> None:
    transaction.resources.put(source, page)


def _delete_page(source: str, path: str, transaction: Transaction) -> None:
    transaction.resources.delete(source, path)


def _set_cursor(source: str, cursor: dict[str, object], transaction: Transaction) -> None:
    transaction.sources.set_cursor(source, cursor)
