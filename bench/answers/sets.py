"""Corpora with questions whose answers are known by key facts: four manuals of Debian packages, and threads of tls13-spec.

The questions of ../shared/data/answers are split by a digest of their ids: one half is looked at and fitted on, the other
decides. Two files were written for fitting: bench/data/fitting.jsonl has short questions, of which some know their gold
pages, and bench/data/situations.jsonl has questions as users put them, who describe a situation in words of their own.
The questions of bench/data/unseen are about other corpora; nothing is fitted on them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.answers import archives
from bench.paths import DATA, SHARED
from bench.served import served
from flows.demo.github_server import GitHubServer, load_export
from rag.engine import Engine
from rag.evaluate import Query, read_queries
from rag.ingest.chunking import CHUNKING
from rag.settings import Settings
from rag.store.postgres.embedded import stop_embedded

__all__ = [
    "CORPORA",
    "FITTING",
    "SITUATIONS",
    "UNSEEN",
    "Corpus",
    "Half",
    "chosen",
    "fitting_queries",
    "half_of",
    "opened",
    "present",
    "queries",
]

Half = Literal["look", "decide"]
#: The questions written for fitting, each with its corpus: short ones, and those that describe a situation.
FITTING = DATA / "fitting.jsonl"
SITUATIONS = FITTING.with_name("situations.jsonl")
_TLS13 = "tlswg/tls13-spec"
_EXPORT = SHARED / "tls13-spec.github.json.gz"


@dataclass(frozen=True, slots=True)
class Corpus:
    """A manual in a folder, or the threads of a repository on a simulated GitHub; and the file of its questions."""

    name: str
    questions: Path
    folder: Path | None = None
    package: str = ""
    exclude: tuple[str, ...] = ()
    repository: str = ""

    @property
    def is_there(self) -> bool:
        """Whether its documents are on this machine."""
        return (self.folder or self._threads).exists()

    @property
    def missing(self) -> str:
        """What is missing if its documents are not on this machine."""
        if self.folder:
            return f"Debian's package {self.package} is not installed"
        return f"{_EXPORT} is missing" if self._threads == _EXPORT else archives.where(self.repository)

    @property
    def export(self) -> dict[str, Any]:
        """The issues and pull requests of its repository."""
        return load_export(_EXPORT) if self._threads == _EXPORT else archives.export(self.repository)

    @property
    def _threads(self) -> Path:
        return _EXPORT if self.repository == _TLS13 else archives.file(self.repository)


def _key(name: str) -> Path:
    return SHARED / "answers" / f"{name}.answers.jsonl"


def _unseen(name: str) -> Path:
    return DATA / "unseen" / f"{name}.answers.jsonl"


_SPHINX = ("**/genindex*", "**/py-modindex*", "**/search.html", "**/contents.html")
CORPORA = (
    Corpus("git", _key("git-doc"), Path("/usr/share/doc/git/html"), "git-doc"),
    Corpus("apache", _key("apache2-doc"), Path("/usr/share/doc/apache2-doc/manual/en"), "apache2-doc"),
    Corpus("python", _key("python3-doc"), Path("/usr/share/doc/python3.11/html"), "python3.11-doc", _SPHINX),
    Corpus("pg", _key("postgresql-doc-15"), Path("/usr/share/doc/postgresql-doc-15/html"), "postgresql-doc-15", ("**/bookindex.html",)),
    Corpus("tls13", _key("tls13-spec"), repository=_TLS13),
    Corpus("celery", _key("celery"), Path("/usr/share/doc/python-celery-doc/html"), "python-celery-doc", _SPHINX),
)  # fmt: skip
#: Corpora about which nothing is fitted: two manuals, and the threads of three repositories.
UNSEEN = (
    Corpus("scrapy", _unseen("scrapy"), Path("/usr/share/doc/python-scrapy-doc/html"), "python-scrapy-doc", (*_SPHINX, "**/_modules/**", "**/404.html")),
    Corpus("sqlite", _unseen("sqlite"), Path("/usr/share/doc/sqlite3"), "sqlite3-doc", ("**/releaselog/**", "**/keyword_index.html", "**/doclist.html", "**/chronology.html", "**/changes.html", "**/crossref*")),
    Corpus("ech", _unseen("ech"), repository="tlswg/draft-ietf-tls-esni"),
    Corpus("hpke", _unseen("hpke"), repository="cfrg/draft-irtf-cfrg-hpke"),
    Corpus("voprf", _unseen("voprf"), repository="cfrg/draft-irtf-cfrg-voprf"),
)  # fmt: skip


def half_of(query: Query) -> Half:
    """Return the half that a question belongs to."""
    return "decide" if int(hashlib.sha256(query.id.encode()).hexdigest(), 16) % 2 else "look"


def queries(corpus: Corpus) -> list[Query]:
    """Return the questions with known gold pages; none if their file is missing."""
    return read_queries(corpus.questions) if corpus.questions.exists() else []


def fitting_queries(file: Path) -> Mapping[str, Sequence[Query]]:
    """Return the questions written for fitting, by corpus.

    :param file: `FITTING` or `SITUATIONS`
    """
    names = [json.loads(line)["corpus"] for line in file.read_text(encoding="utf-8").splitlines() if line]
    found: dict[str, list[Query]] = {}
    for name, query in zip(names, read_queries(file), strict=True):
        found.setdefault(name, []).append(query)
    return found


def chosen(names: Sequence[str] | None, half: Half | None) -> Iterator[tuple[Corpus, list[Query]]]:
    """Yield each corpus that is on this machine, with its questions; say on standard error which are missing.

    :param names: only these corpora
    :param half: only this half of the questions
    """
    for corpus in present(names):
        if asked := [query for query in queries(corpus) if half in (None, half_of(query))]:
            yield corpus, asked
        elif not queries(corpus):
            sys.stderr.write(f"skipped: {corpus.name} ({corpus.questions} is missing)\n")


def present(names: Sequence[str] | None = None) -> Iterator[Corpus]:
    """Yield the corpora that are on this machine; say on standard error which are missing.

    :param names: only these, which may be of `UNSEEN`; `CORPORA` by default
    """
    for corpus in [one for one in (*CORPORA, *UNSEEN) if one.name in names] if names else CORPORA:
        if corpus.is_there:
            yield corpus
        else:
            sys.stderr.write(f"skipped: {corpus.name} ({corpus.missing})\n")


@contextmanager
def opened(corpus: Corpus, home: Path, **settings: str) -> Iterator[Engine]:
    """Yield an engine over the index of a corpus below `home`, updated to the corpus and the rules of the chunker.

    :param settings: further environment variables; without RAG_LLM, no language model is asked
    """
    folder = home / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    toml = folder / "sources.toml"
    with ExitStack() as stack:
        api_url = "https://api.github.com"
        if corpus.folder:
            url = stack.enter_context(served(corpus.folder, sitemap=True, remembered=folder / "port"))
            source = {"name": corpus.name, "url": f"{url}/index.html", "sitemap": f"{url}/sitemap.xml"}
            toml.write_text("[[docs]]\n" + _toml(source) + f"exclude = {json.dumps(corpus.exclude)}\n")
        else:
            server = GitHubServer(corpus.export, web_url="https://github.com", rate_limit=10**9)
            api_url = stack.enter_context(server).api_url
            source = {"name": corpus.name, "repo": corpus.repository}
            toml.write_text("[[github]]\n" + _toml(source) + 'include = ["issues", "pulls"]\n')
        values: dict[str, Any] = {
            "RAG_HOME": folder, "RAG_SOURCES": toml, "RAG_GITHUB_API_URL": api_url, "RAG_LLM": "extractive", **settings
        }  # fmt: skip
        try:
            with Engine.open(Settings(_env_file=None, **values)) as engine:
                engine.sync(corpus.name)
                if engine.questions.active_index.chunking != CHUNKING:
                    engine.indexing.reindex()
                    engine.indexing.drop_others()
                yield engine
        finally:
            stop_embedded(folder)


def _toml(values: Mapping[str, str]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
