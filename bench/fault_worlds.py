"""What `bench.faults` disturbs: a docs site, GitHub, an embedding server and a language model, each behind a faulty server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from bench.github import HashEncoder
from rag.embedding import Encoder
from rag.embedding.remote import Endpoint, RemoteEncoder
from rag.engine import Engine
from rag.ingest.report import SyncReport
from rag.settings import DocsConfig, GitHubConfig, Settings
from rag.sources import Source
from rag.sources.docs import DocsSource, Limits
from rag.sources.github import GitHubSource, RetryPolicy
from rag.store.store import Store
from tests.servers.docs_site import DocsSite, html
from tests.servers.faulty import FaultyServer
from tests.servers.github import GitHubServer
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer

__all__ = ["WORLDS", "Asked", "World"]

_TIMEOUT, _DEADLINE = 1.0, 3.0
_QUESTION = "How do I set the size of the pool?"
_GONE = ("404", "410")
_TEXTS = {
    "pool": "Set pool_size to change the size of the pool. The default size of the pool is five connections.",
    "backup": "Run the backup command every night. The backup command writes one file for each database.",
    "limits": "Uploads are limited to ten megabytes. A larger upload is refused with status 413.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How a sync or a question ended: in a word, with the sentences that a person reads, and the text of an answer."""

    end: str
    lines: Sequence[str] = ()
    text: str = ""


class World:
    """A source or a model on loopback behind a faulty server; a context manager.

    `first` and `second` sync its first and its second version.
    """

    name: str
    #: whether a question is disturbed, and not a sync
    asks = False
    #: whether connections to Postgres are cut with it, too
    cuts = False
    #: the kinds of replies, by whether they concern a path
    places: ClassVar[Mapping[str, Callable[[str], bool]]]
    server: FaultyServer
    encoder: Encoder = HashEncoder()

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rag-chaos-")))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def first(self, engine: Engine) -> None:
        """Sync the first version, then publish the second."""
        assert engine.syncs.ingest(self._source(engine.store, 1)).state == "completed"

    def second(self, engine: Engine) -> Asked:
        """Sync the second version."""
        return _told(engine.syncs.ingest(self._source(engine.store, 2)))

    def ask(self, engine: Engine) -> Asked:
        """Ask a question that the source answers."""
        answer = engine.ask(_QUESTION)
        if not answer.answered:
            return Asked("not answered", [f"it does not answer: {answer.answer}"])
        return Asked("extracts, with a note" if answer.note else "answered", [answer.note or ""], answer.answer)

    def may_lose(self, place: str, fault: str) -> set[str]:
        """Return the documents that a fault says are gone."""
        del place, fault
        return set()

    @cached_property
    def settings(self) -> Settings:
        """The settings of its engines."""
        given: dict[str, object] = {
            "RAG_HOME": self._home, "RAG_SOURCES": self._home / "none", "RAG_LLM": "extractive", "RAG_LOG_ANSWERS": False,
            "RAG_EMBEDDING_MODEL": self.encoder.model, "OPENAI_API_KEY": OpenAIServer.key,
        }  # fmt: skip
        return Settings(_env_file=None, **{**given, **self._given()})  # type: ignore[arg-type]

    def _given(self) -> Mapping[str, object]:
        """Return the settings that differ from those of other worlds."""
        return {}

    def _source(self, store: Store, version: int) -> Source:
        del store
        texts = dict(_TEXTS)
        if version == 2:
            texts["limits"] = texts["limits"].replace("ten", "twenty")
            texts["new"] = "A new page about mirrors. Mirrors are read in turn."
        return MemorySource([page(name, f"## {name.title()}\n\n{text}") for name, text in texts.items()])


class DocsWorld(World):
    """A docs site with a sitemap."""

    name = "docs site"
    cuts = True
    places: ClassVar = {
        "robots.txt": lambda path: path == "/robots.txt",
        "sitemap": lambda path: path == "/sitemap.xml",
        "start page": lambda path: path == "/docs/",
        "page": lambda path: path == "/docs/limits.html",
    }

    def __init__(self) -> None:
        super().__init__()
        self._site = self._stack.enter_context(DocsSite())
        self.server = self._stack.enter_context(FaultyServer(self._site.url()))

    def may_lose(self, place: str, fault: str) -> set[str]:
        path = {"page": "/docs/limits.html", "start page": "/docs/"}.get(place)
        return {f"site:{self.server.url(path)}"} if path and fault in _GONE else set()

    def _source(self, store: Store, version: int) -> Source:
        names = [*_TEXTS, "new" if version == 2 else "old"]
        self._site.put("/robots.txt", "User-agent: *\nAllow: /\n", content_type="text/plain")
        self._site.put("/docs/", html("Start", links=[f"{name}.html" for name in names]))
        for name in names:
            text = _TEXTS.get(name, "Mirrors are read in turn, and the nearest mirror is read first.")
            text += f" This is version {version} of the limits." if name == "limits" else ""
            self._site.put(f"/docs/{name}.html", html(name.title(), text))
        if version == 2:
            self._site.replies.pop("/docs/old.html", None)
        pages = "".join(f"<url><loc>{self.server.url(f'/docs/{name}.html')}</loc></url>" for name in names)
        start = f"<url><loc>{self.server.url('/docs/')}</loc></url>"
        self._site.put("/sitemap.xml", f"<urlset>{start}{pages}</urlset>", content_type="application/xml")
        config = DocsConfig(
            name="site", url=self.server.url("/docs/"), sitemap=self.server.url("/sitemap.xml"), include=("**",)
        )
        limits = Limits(timeout=_TIMEOUT, deadline=_DEADLINE, attempts=2, backoff=0.01, retry_after=1.0)
        return DocsSource(config, store, limits=limits)


class GitHubWorld(World):
    """A repository with issues, comments and a discussion."""

    name = "GitHub"
    places: ClassVar = {
        "repository": lambda path: path == "/repos/example/engine",
        "issues": lambda path: path.startswith("/repos/example/engine/issues?"),
        "comments": lambda path: path.startswith("/repos/example/engine/issues/comments"),
        "GraphQL": lambda path: path.startswith("/graphql"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._github = self._stack.enter_context(GitHubServer({"full_name": "example/engine", "issues": []}))
        self.server = self._stack.enter_context(FaultyServer(self._github.api_url))
        self._numbers = [self._github.add_issue(name, text) for name, text in _TEXTS.items()]
        for number in self._numbers:
            self._github.add_comment(number, "Because it was so from the start.")
        self._github.convert_issue(self._github.add_issue("How are mirrors read?", "In which order are mirrors read?"))
        self._is_second = False

    def second(self, engine: Engine) -> Asked:
        if not self._is_second:
            self._is_second = True
            self._github.edit_issue(self._numbers[0], body=_TEXTS["pool"] + " Ten is the most.")
            self._github.add_comment(self._numbers[1], "It also writes the roles.")
            self._github.add_issue("A new issue", "Mirrors are slow.")
        return super().second(engine)

    def _source(self, store: Store, version: int) -> Source:
        del version
        retry = RetryPolicy(attempts=2, first_delay=0.01, rate_limit=1.0, timeout=1)
        config = GitHubConfig(name="issues", repo="example/engine", include=("issues", "discussions"))
        return GitHubSource(config, store, token="t", api_url=self.server.url(), retry=retry)


class _ModelWorld(World):
    """A server that speaks OpenAI's API."""

    def __init__(self) -> None:
        super().__init__()
        self._models = self._stack.enter_context(OpenAIServer(dimension=32))
        self.server = self._stack.enter_context(FaultyServer(self._models.url))
        self._models.answer = "Set pool_size to change the size of the pool [1]."


class EmbeddingWorld(_ModelWorld):
    """An embedding server, whose texts are of a source in memory."""

    name = "embedding server"
    places: ClassVar = {"a sync's vectors": lambda path: path.endswith("/embeddings")}

    def __init__(self) -> None:
        super().__init__()
        endpoint = Endpoint("openai/hashed", "hashed", self.server.url("/v1"), OpenAIServer.key)
        self.encoder = RemoteEncoder(endpoint, timeout=_TIMEOUT, corpus_retries=1)


class QuestionWorld(EmbeddingWorld):
    """An embedding server that is asked for the vector of a question."""

    asks = True
    places: ClassVar = {"a question's vector": lambda path: path.endswith("/embeddings")}


class LanguageModelWorld(_ModelWorld):
    """A language model that answers questions."""

    name = "language model"
    asks = cuts = True
    places: ClassVar = {"an answer": lambda path: path.endswith("/chat/completions")}

    def _given(self) -> Mapping[str, object]:
        return {"OPENAI_BASE_URL": self.server.url("/v1"), "RAG_LLM": "openai/m", "RAG_LLM_TIMEOUT": _TIMEOUT}


def _told(report: SyncReport) -> Asked:
    lines = [f"{failure.url}: {failure.error}" for failure in report.errors]
    end = "completed" if report.state == "completed" else "failed documents named" if lines else "failed in silence"
    return Asked(f"{end}, with a warning" if report.warnings else end, [*lines, *report.warnings])


WORLDS: Sequence[Callable[[], World]] = (DocsWorld, GitHubWorld, EmbeddingWorld, QuestionWorld, LanguageModelWorld)
