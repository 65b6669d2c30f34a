"""Markdown files of a git repository, read with git itself.

A remote is fetched shallowly into a bare repository under the home folder; a local clone is read where it is. Only
files whose blob changed are read again, and each document links to the commit in which its blob was first seen.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from llama_index.core.schema import Document
from wcmatch import glob

from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.models import Page
from rag.settings import RepositoryConfig
from rag.sources import Change, Changed, Failed, Removed, Unchanged
from rag.store import Store, Transaction

__all__ = ["RepositorySource", "markdown_of"]

_TIMEOUT_SECONDS = 600
#: A page longer than this is data, not prose.
_MOST_BYTES = 5_000_000
_SUFFIXES = frozenset({".md", ".mdx", ".markdown", ".rst", ".txt"})

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_OWN_ANCHOR = re.compile(r"\s*\{#([^\s{}]+)\}$")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)
_RST_RULE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{2,}\s*$")
_UNREACHABLE = re.compile(r"could not resolve|timed out|connection|unable to access.*5\d\d|early eof", re.IGNORECASE)


class RepositorySource:
    """The Markdown files of one repository as a source.

    :param home: remotes are kept in its folder `repositories`
    """

    kind = "repository"

    def __init__(self, config: RepositoryConfig, store: Store, home: Path) -> None:
        self.name = config.name
        self.requests = 0
        self._config = config
        self._store = store
        local = Path(config.url).expanduser()
        self._local = local.is_dir()
        self._folder = local if self._local else home / "repositories" / config.name

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield the files that changed, and those that are gone.

        :raises ConfigurationError: git is not installed
        :raises SourceUnavailable: the remote cannot be reached now
        :raises SourceError: there is no such repository, or it may not be read
        """
        commit = self._commit()
        known = self._store.pages(self.name)
        for path, blob in self._files(commit):
            page = known.pop(path, None)
            if page and page.etag == blob and page.document_id and not full:
                yield Unchanged(page.document_id)
                continue
            seen_in = page.last_modified if page and page.etag == blob and page.last_modified else commit
            yield self._read(path, blob, seen_in)
        for path, page in known.items():
            forget = partial(_forget, source=self.name, path=path)
            yield Removed(page.document_id or self._document_id(path), record=forget)

    def _read(self, path: str, blob: str, commit: str) -> Change:
        document_id = self._document_id(path)
        content = self._git_bytes("cat-file", "blob", blob)
        if len(content) > _MOST_BYTES:
            return Failed(
                path, f"the file has {len(content):,} bytes; more than {_MOST_BYTES:,} are not read", document_id
            )
        try:
            title, text = markdown_of(content.decode("utf-8-sig"), path)
        except UnicodeDecodeError:
            return Failed(path, "the file is not UTF-8 text", document_id)
        document = Document(
            id_=document_id,
            text=text,
            metadata={
                "url": self._url(path, commit),
                "title": title,
                "source": self.name,
                "kind": "file",
                "path": path,
            },
        )
        page = Page(path, etag=blob, last_modified=commit, document_id=document_id)
        return Changed(document, record=partial(_remember, source=self.name, page=page))

    def _document_id(self, path: str) -> str:
        return f"{self.name}:{path}"

    def _url(self, path: str, commit: str) -> str:
        """Return a link that keeps showing this text: a permalink on a forge, the file itself elsewhere."""
        if self._local:
            return (self._folder.absolute() / path).as_uri()
        web = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", self._config.url).removesuffix(".git").rstrip("/")
        return f"{web}/blob/{commit}/{path}"

    def _commit(self) -> str:
        if self._local:
            return self._git("rev-parse", "--verify", "HEAD^{commit}")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare")
        self.requests += 1
        self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--", self._config.url, "HEAD")
        return self._git("rev-parse", "--verify", "FETCH_HEAD^{commit}")

    def _files(self, commit: str) -> Iterator[tuple[str, str]]:
        """Yield path and blob of each file that the globs choose, in the tree's order."""
        for entry in (
            self._git_bytes("ls-tree", "-r", "-z", "--full-tree", commit).decode("utf-8", "replace").split("\0")
        ):
            if not entry:
                continue
            (mode, kind, blob), path = entry.partition("\t")[0].split(), entry.partition("\t")[2]
            regular = kind == "blob" and mode != "120000"
            if regular and PurePosixPath(path).suffix.lower() in _SUFFIXES and self._chosen(path):
                yield path, blob

    def _chosen(self, path: str) -> bool:
        return bool(glob.globmatch(path, self._config.paths, flags=glob.GLOBSTAR | glob.BRACE | glob.NEGATE))

    def _git(self, *arguments: str) -> str:
        return self._git_bytes(*arguments).decode("utf-8", "replace").strip()

    def _git_bytes(self, *arguments: str) -> bytes:
        # No prompt for a password, no transport that runs a program, and no configuration of the repository's folder
        # owner to trip over.
        environment = {
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
            "LC_ALL": "C",
        }
        command = ["git", "-c", "safe.directory=*", "-C", str(self._folder), *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - the URL stands behind "--"
                command,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise ConfigurationError(f"[[repository]] {self.name!r} needs git, which is not installed.") from None
        except subprocess.TimeoutExpired:
            raise SourceUnavailable(f"{self._config.url} has not answered within {_TIMEOUT_SECONDS} seconds.") from None
        if done.returncode:
            said = " ".join(done.stderr.decode("utf-8", "replace").split()).removeprefix("fatal: ") or "git failed"
            error = SourceUnavailable if _UNREACHABLE.search(said) else SourceError
            raise error(f"{self._config.url} cannot be read: {said[:300]}")
        return done.stdout


def _remember(transaction: Transaction, *, source: str, page: Page) -> None:
    transaction.put_page(source, page)


def _forget(transaction: Transaction, *, source: str, path: str) -> None:
    transaction.delete_page(source, path)


def markdown_of(text: str, path: str) -> tuple[str, str]:
    """Return title and Markdown of a file, its headings marked with the anchors that GitHub gives them.

    Front matter and the imports of .mdx files are left out; headings of .rst files are told by their underlines.
    """
    text = text.replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    body = text[front.end() :] if front else text
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".rst":
        body = _rst_headings(body)
    lines: list[str] = []
    slugs: dict[str, int] = {}
    first = ""
    fence = ""
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and suffix == ".mdx" and re.match(r"(import|export)\s", line):
            continue
        heading = None if fence or mark else _HEADING.match(line)
        if heading:
            own = _OWN_ANCHOR.search(heading[2])
            words = heading[2][: own.start()] if own else heading[2]
            first = first or words
            line = f"{heading[1]} {words} {{#{own[1] if own else _slug(words, slugs)}}}"
        lines.append(line)
    name = title[2] if title else re.sub(r"[*`_]", "", first) or PurePosixPath(path).stem
    return name, "\n".join(lines).strip()


def _slug(heading: str, taken: dict[str, int]) -> str:
    """Make an anchor as GitHub does: words in lower case with dashes, and a number where one is taken."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-") or "section"
    count = taken[slug] = taken.get(slug, -1) + 1
    return f"{slug}-{count}" if count else slug


def _rst_headings(text: str) -> str:
    """Turn underlined titles into Markdown's; the order in which underlines first appear gives their levels."""
    lines = text.split("\n")
    levels: list[str] = []
    out: list[str] = []
    for number, line in enumerate(lines):
        rule = _RST_RULE.match(line)
        if (
            rule
            and out
            and out[-1].strip()
            and not out[-1].startswith((" ", "#"))
            and len(line.strip()) >= len(out[-1].strip())
        ):
            if rule[1] not in levels:
                levels.append(rule[1])
            out[-1] = f"{'#' * min(levels.index(rule[1]) + 1, 6)} {out[-1].strip()}"
        elif rule and number + 2 < len(lines) and lines[number + 2] == line:
            continue  # an overline
        else:
            out.append(line)
    return "\n".join(out)
