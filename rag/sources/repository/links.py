"""Links between the files of a repository as permalinks, each checked to lead to an existing file or heading."""

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
from rag.text.lines import one_line

__all__ = ["MARKUP", "Contents", "RepositoryLinks", "Tree"]

#: The suffixes of files whose headings are known.
MARKUP = frozenset({".md", ".mdx", ".markdown", ".mdown", ".mkd", ".mkdn", ".rst", ".rest"})

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_LINE = re.compile(r"^L\d+(?:C\d+)?(?:-L?\d+(?:C\d+)?)?$")
_RENDERED = re.compile(r"\.html?$|/$")
# The names of a folder's index page, in the order in which generators look for them.
_INDEXES = ("index", "README", "_index", "readme", "Readme")
_SUFFIXES = (".md", ".mdx", ".rst")


class Tree:
    """The files and folders of a commit, by path from the top.

    :param names: the bytes of each file's path
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
        """Return whether a path is a file."""
        return path in self._names

    def find(self, target: str, folder: str) -> str | None:
        """Return the file or folder that the path of a link leads to, None if there is none.

        An absolute path starts at the top of the site, which may be any folder: it is tried at the top of the
        repository and then at every folder above the file, nearest first. A page may be named without its suffix.

        :param target: the path as it is written, percent-encoded
        :param folder: the folder of the file that contains the link
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
    """Gives access to the files of a commit."""

    def text(self, path: str) -> Text | None:
        """Return the title, anchors and labels of a file; None if it cannot be read."""

    def source(self, path: str) -> str | None:
        """Return the source text of a file; None if it cannot be read."""

    def labelled(self, label: str) -> Sequence[str]:
        """Return the reStructuredText files that define a label."""


class RepositoryLinks(Links):
    """Resolves the links of one file.

    :param path: the path of the file
    :param commit: the commit in the permalinks
    :param host: None if no website shows the files; then links within the repository are replaced by their text
    """

    def __init__(self, path: str, commit: str, host: Host | None, tree: Tree, contents: Contents) -> None:
        self._path = path
        self._folder = path.rpartition("/")[0]
        self._commit = commit
        self._host = host
        self._tree = tree
        self._contents = contents
        #: the files whose code the file includes
        self.included_files: set[str] = set()

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        """Return the permalink of a file or folder, with the anchor of a heading if the file has it."""
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
        """Return the address that serves an image."""
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
        self.included_files.add(found)
        return self._contents.source(found)

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        """Return the page, label or file that a role of Sphinx names; None if there is none."""
        page = self._document(name) if kind in ("doc", "any") else None
        if page is None and kind != "doc" and kind != "download":
            return self._label(one_line(name.lower()), anchors, labels)
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
        # If several files define the label, the nearest one is meant.
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
    """Return how many leading folders two paths share."""
    folders = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], folders))


def _absolute(target: str) -> str | None:
    if target.startswith("//") and len(target) > 2:
        return f"https:{target}"
    return target if target.lower().startswith(("http://", "https://")) else None


def _anchor(fragment: str, anchors: Mapping[str, str]) -> str:
    """Return the anchor that a fragment names, empty if there is none.

    Generators join words differently, so "a--b" also finds "a-b" if there is no exact match.
    """
    name = unquote(fragment).removeprefix("user-content-")
    for wanted in (name, name.lower()):
        if found := anchors.get(wanted):
            return found
    loose = _loose(name)
    return next((anchor for other, anchor in anchors.items() if loose and _loose(other) == loose), "")


def _loose(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-")
