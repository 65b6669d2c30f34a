"""The files of a commit as Markdown, with links between them resolved."""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from rag.sources.markup.anchors import github
from rag.sources.markup.formats import Format, UnreadableTextError, format_of
from rag.sources.markup.limited import LimitedReader
from rag.sources.markup.markdown import Links, Text
from rag.sources.repository.clone import LARGEST_BLOB, Blob, Clone
from rag.sources.repository.links import RepositoryLinks, Tree
from rag.text.lines import one_line

__all__ = ["File", "Files", "UnreadableError"]

# docutils parses about 400 kB/s.
_MAX_RST = 2_000_000
_MAX_INCLUDED = 200_000
_LABEL = re.compile(rb"^\s*\.\. _`?([^`\n]+?)`?:\s*$", re.MULTILINE)
_LFS = b"version https://git-lfs.github.com/spec/"
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Text in a legacy encoding is still mostly ASCII.
_MAX_NON_ASCII = 0.3


class UnreadableError(Exception):
    """A file cannot be read as text; the message says why."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as Markdown, and the blobs of the files whose code it includes, by path."""

    text: Text
    included: Mapping[str, str]


class Files(AbstractContextManager["Files"]):
    """Reads files of a clone.

    :param blobs: every file of the commit, by path
    """

    def __init__(self, clone: Clone, blobs: Mapping[str, Blob]) -> None:
        self._clone = clone
        self.blobs = blobs
        self._tree = Tree({path: blob.name for path, blob in blobs.items()})
        self._slug = clone.host.slug if clone.host else github
        self._texts: dict[str, Text | None] = {}
        self._labels: dict[str, list[str]] | None = None
        self._reader = clone.reader()
        self._parser = LimitedReader()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading."""
        self._parser.__exit__(kind, error, traceback)
        self._reader.__exit__(kind, error, traceback)

    def read(self, blob: Blob, commit: str) -> File:
        """Return a file, with its links as permalinks.

        :param commit: the commit in the permalinks
        :raises UnreadableError: the file is too large, binary, in an unknown encoding, or takes too long to parse
        """
        links = RepositoryLinks(blob.path, commit, self._clone.host, self._tree, self)
        text = self._text(blob, links)
        self._remember(blob.path, text)
        return File(text, {path: self.blobs[path].sha for path in links.included_files})

    def text(self, path: str) -> Text | None:
        """Return the title, anchors and labels of a file, without its Markdown; None if it cannot be read."""
        if path not in self._texts:
            try:
                self._remember(path, self._text(self.blobs[path], Links()))
            except UnreadableError:
                self._texts[path] = None
        return self._texts[path]

    def source(self, path: str) -> str | None:
        """Return the source text of a file; None if it cannot be read."""
        blob = self.blobs[path]
        try:
            return None if blob.size > _MAX_INCLUDED else _plain(_decoded(self._reader.read(blob)))
        except UnreadableError:
            return None

    def labelled(self, label: str) -> Sequence[str]:
        """Return the reStructuredText files that define a label; the first call reads all of them."""
        if self._labels is None:
            self._labels = defaultdict(list)
            for path, blob in self.blobs.items():
                if format_of(path) is Format.RST and blob.size <= _MAX_RST and not blob.is_link:
                    for found in _LABEL.findall(self._reader.read(blob)):
                        self._labels[one_line(found.decode("utf-8", "replace").lower())].append(path)
        return self._labels.get(label, [])

    def _remember(self, path: str, text: Text) -> None:
        self._texts[path] = Text(text.title, "", anchors=text.anchors, labels=text.labels)

    def _text(self, blob: Blob, links: Links) -> Text:
        kind = format_of(blob.path)
        largest = _MAX_RST if kind is Format.RST else LARGEST_BLOB
        if blob.size > largest:
            raise UnreadableError(f"the file is larger than {largest / 1e6:g} MB")
        source = _plain(_decoded(self._reader.read(blob)))
        try:
            return self._parser.read(kind, source, links, self._slug)
        except UnreadableTextError as error:
            raise UnreadableError(str(error)) from error


def _plain(source: str) -> str:
    return source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")


def _decoded(content: bytes) -> str:
    if content.startswith(_LFS):
        raise UnreadableError("the file is in Git LFS, and the repository holds only a pointer to it")
    encoding = next((name for bom, name in _BOMS.items() if content.startswith(bom)), None)
    if encoding is None and b"\0" in content[:8192]:
        raise UnreadableError("the file is binary")
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding or sum(byte > 127 for byte in content) > len(content) * _MAX_NON_ASCII:
            raise UnreadableError("the encoding of the file is unknown; save it as UTF-8") from None
        return content.decode("cp1252", "replace")
