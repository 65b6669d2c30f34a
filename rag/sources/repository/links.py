"""Links between the files of a repository as permalinks, each checked to lead to something that is there."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import unquote

from rag.sources.markup.markdown import Links, Named, Text
from rag.sources.repository.hosts import Host

__all__ = ["MARKUP", "Contents", "RepositoryLinks", "Tree"]

#: The endings of files whose headings are known.
MARKUP = frozenset({".md", ".mdx", ".markdown", ".mdown", ".mkd", ".mkdn", ".rst", ".rest"})

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_LINE = re.compile(r"^L\d+(?:C\d+)?(?:-L?\d+(?:C\d+)?)?$")
_RENDERED = re.compile(r"\.html?$|/$")
# What a folder's address shows, in the order that generators look for it.
_INDEXES = ("index", "README", "_index", "readme", "Readme")
_SUFFIXES = (".md", ".mdx", ".rst")


class Tree:
    """The files and folders of a commit, by path from the top.

    :param names: the files; the bytes of a name, where they are not UTF-8
    """

    def __init__(self, names: Mapping[str, bytes]) -> None:
        self._names = names
        self._folders = {""}
        for path in names:
            folder = path.rpartition("/")[0]
            while folder not in self._folders:
                self._folders.add(folder)
                folder = folder.rpartition("/")[0]

    def name(self, path: str) -> bytes:
        """Return the bytes of a file's path."""
        return self._names.get(path, path.encode())

    def is_file(self, path: str) -> bool:
        """Return whether there is such a file."""
        return path in self._names

    def find(self, target: str, folder: str) -> str | None:
        """Return the file or folder that a link's path leads to, or None.

        A path from the top of a site is looked for from the top of the repository, and then from every folder above
        the file, nearest first: one of them is the site's. A page may be named without its ending, as sites do.

        :param target: the path as it is written, percent-encoded
        :param folder: of the file that the link stands in
        """
        path = unquote(target)
        if not path.startswith(("/", "@site/")):
            return self._at(posixpath.join(folder, path))
        path = path.removeprefix("@site").lstrip("/")
        above = folder
        found = self._at(path)
        while found is None and above:
            found = self._at(posixpath.join(above, path))
            above = above.rpartition("/")[0]
        return found

    def _at(self, path: str) -> str | None:
        plain = posixpath.normpath(path)
        if plain == ".." or plain.startswith("../"):
            return None
        plain = "" if plain == "." else plain
        if plain in self._names:
            return plain
        stem = _RENDERED.sub("", path)
        stem = "" if stem == "." else posixpath.normpath(stem) if stem else ""
        pages = (f"{stem}{suffix}" for suffix in _SUFFIXES)
        indexes = (posixpath.join(stem, f"{name}{suffix}") for name in _INDEXES for suffix in _SUFFIXES)
        candidates: Iterable[str] = pages if plain in self._folders else (*pages, *indexes)
        found = next((candidate for candidate in candidates if candidate in self._names), None)
        if found is None and plain in self._folders:
            return plain
        return found


class Contents(Protocol):
    """What the files of a commit say."""

    def text(self, path: str) -> Text | None:
        """Return a file as it reads, whatever its links; None if it cannot be read."""

    def source(self, path: str) -> str | None:
        """Return a file's text as it stands; None if it cannot be read."""

    def labelled(self, label: str) -> Sequence[str]:
        """Return the files of reStructuredText that have a label."""


class RepositoryLinks(Links):
    """The links of one file.

    :param path: of the file
    :param commit: the one that links name
    :param host: None if the files can be opened nowhere; then links within the repository leave their text
    """

    def __init__(self, path: str, commit: str, host: Host | None, tree: Tree, contents: Contents) -> None:
        self._path = path
        self._folder = path.rpartition("/")[0]
        self._commit = commit
        self._host = host
        self._tree = tree
        self._contents = contents
        #: the files that code was taken from
        self.taken: set[str] = set()

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        """Return the permalink of a file or folder; of a heading, if the file has it, and else of the file."""
        if absolute := _absolute(target):
            return absolute
        if self._host is None or _SCHEME.match(target):
            return None
        path, _, fragment = target.partition("#")
        path = path.partition("?")[0]
        if not path:
            anchor = _anchor(fragment, anchors)
            return f"{self._file(self._path)}#{anchor}" if anchor else None
        found = self._tree.find(path, self._folder)
        if found is None:
            return None
        if not self._tree.is_file(found):
            return self._host.link_folder(found, self._commit)
        if not fragment:
            return self._file(found)
        if PurePosixPath(found).suffix.lower() in MARKUP:
            text = self._contents.text(found)
            fragment = _anchor(fragment, anchors if found == self._path else text.anchors if text else {})
        elif not _LINE.match(fragment):
            fragment = ""
        return f"{self._file(found)}{'#' if fragment else ''}{fragment}"

    def image(self, target: str) -> str | None:
        """Return where an image's bytes are served."""
        if absolute := _absolute(target):
            return absolute
        if self._host is None or _SCHEME.match(target):
            return None
        found = self._tree.find(re.split(r"[?#]", target, maxsplit=1)[0], self._folder)
        if found is None or not self._tree.is_file(found):
            return None
        return self._host.link_image(self._tree.name(found), self._commit)

    def included(self, target: str) -> str | None:
        """Return the text of a file of this commit."""
        found = self._tree.find(target, self._folder)
        if found is None or not self._tree.is_file(found):
            return None
        self.taken.add(found)
        return self._contents.source(found)

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        """Return the page, the label or the file that a role of Sphinx names, if there is one."""
        page = self._document(name) if kind in ("doc", "any") else None
        if page is None and kind != "doc" and kind != "download":
            return self._label(" ".join(name.lower().split()), anchors, labels)
        if kind == "download":
            return Named("", self.page(name, anchors))
        text = self._contents.text(page) if page and page != self._path else None
        return Named(text.title if text else "", self._file(page) if self._host else None) if page else None

    def _document(self, name: str) -> str | None:
        found = self._tree.find(f"{name}.rst", self._folder) or self._tree.find(name, self._folder)
        return found if found and self._tree.is_file(found) else None

    def _label(self, label: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        if label in labels:
            return Named(labels[label], self.page(f"#{label}", anchors))
        # Where several manuals use a label, the nearest is meant.
        files = sorted(self._contents.labelled(label), key=lambda path: (-_shared(path, self._path), path))
        text = self._contents.text(files[0]) if files else None
        if not text:
            return None
        anchor = text.anchors.get(label)
        address = f"{self._file(files[0])}{f'#{anchor}' if anchor else ''}" if self._host else None
        return Named(text.labels.get(label, ""), address)

    def _file(self, path: str) -> str:
        assert self._host
        return self._host.link_file(self._tree.name(path), self._commit)


def _shared(one: str, other: str) -> int:
    """Return how many folders two paths have in common."""
    folders = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], folders))


def _absolute(target: str) -> str | None:
    if target.startswith("//") and len(target) > 2:
        return f"https:{target}"
    return target if target.lower().startswith(("http://", "https://")) else None


def _anchor(fragment: str, anchors: Mapping[str, str]) -> str:
    """Return the anchor on the page that a fragment means, or nothing.

    Generators differ in how they join words, so "a--b" and "a-b" mean the same if nothing is called just so.
    """
    name = unquote(fragment).removeprefix("user-content-")
    for wanted in (name, name.lower()):
        if found := anchors.get(wanted):
            return found
    loose = _loose(name)
    return next((anchor for other, anchor in anchors.items() if loose and _loose(other) == loose), "")


def _loose(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-")
