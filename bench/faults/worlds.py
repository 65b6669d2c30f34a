"""What `bench.faults.broken` disturbs, each behind a faulty server: the servers of sources and models, and a webhook."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from bench.syncs.github import HashEncoder
from rag.embedding import Encoder
from rag.embedding.remote import Endpoint, RemoteEncoder
from rag.engine import Engine
from rag.ingest.report import SyncReport
from rag.settings import DocsConfig, GitHubConfig, RepositoryConfig, Settings
from rag.sources import Source
from rag.sources.docs import DocsSource, Limits
from rag.sources.github import GitHubSource, RetryPolicy
from rag.sources.repository import RepositorySource
from rag.store.store import Store
from tests.servers.chat import Chat
from tests.servers.docs_site import DocsSite, html
from tests.servers.faulty import Concerns, FaultyServer
from tests.servers.git_server import git_server
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
    #: the kinds of replies, by whether they concern a request
    places: ClassVar[Mapping[str, Concerns]]
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

    def reset(self) -> None:
        """Restore what `first` left outside of the database."""

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
        "robots.txt": lambda path, _body: path == "/robots.txt",
        "sitemap": lambda path, _body: path == "/sitemap.xml",
        "start page": lambda path, _body: path == "/docs/",
        "page": lambda path, _body: path == "/docs/limits.html",
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
    """A repository with issues, a pull request, comments and a discussion."""

    name = "GitHub"
    cuts = True
    places: ClassVar = {
        "repository": lambda path, _body: path == "/repos/example/engine",
        "issues": lambda path, _body: path.startswith("/repos/example/engine/issues?"),
        "comments": lambda path, _body: path.startswith("/repos/example/engine/issues/comments"),
        "GraphQL": lambda path, _body: path.startswith("/graphql"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._github = self._stack.enter_context(GitHubServer({"full_name": "example/engine", "issues": []}))
        self.server = self._stack.enter_context(FaultyServer(self._github.api_url))
        self._numbers = [self._github.add_issue(name, text) for name, text in _TEXTS.items()]
        for number in self._numbers:
            self._github.add_comment(number, "Because it was so from the start.")
        self._github.add_issue("Read mirrors in turn", "It closes an issue.", pull_request={})
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
        config = GitHubConfig(name="issues", repo="example/engine", include=("issues", "discussions", "pulls"))
        return GitHubSource(config, store, token="t", api_url=self.server.url(), retry=retry)


class GitWorld(World):
    """A repository that git fetches over HTTP."""

    name = "git server"
    places: ClassVar = {
        "capabilities": lambda path, _body: "/info/refs" in path,
        "references": lambda _path, body: b"command=ls-refs" in body,
        "pack": lambda _path, body: b"command=fetch" in body,
    }

    def __init__(self) -> None:
        super().__init__()
        self._folder = self._home / "served" / "manual"
        self._folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self.server = self._stack.enter_context(
            FaultyServer(self._stack.enter_context(git_server(self._home / "served")))
        )
        # Instead of the minute after which git gives up a transfer that is too slow.
        self._stack.enter_context(_environment(GIT_HTTP_LOW_SPEED_TIME="3"))

    def first(self, engine: Engine) -> None:
        super().first(engine)
        shutil.copytree(self._home / "repositories", self._home / "first")

    def reset(self) -> None:
        shutil.rmtree(self._home / "repositories")
        shutil.copytree(self._home / "first", self._home / "repositories")

    def _source(self, store: Store, version: int) -> Source:
        texts = {**_TEXTS, "new" if version == 2 else "old": f"This is version {version} of the manual."}
        for file in self._folder.glob("*.md"):
            file.unlink()
        for name, text in texts.items():
            (self._folder / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
        self._git("add", "--all")
        if self._git("status", "--porcelain"):  # the same version is the same commit
            self._git("commit", "--quiet", "--message", f"Version {version}")
        config = RepositoryConfig(name="manual", url=self.server.url("/manual/.git"), paths=("*.md",))
        return RepositorySource(config, store, self._home)

    def _git(self, *arguments: str) -> bytes:
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        return subprocess.run(["git", *identity, *arguments], cwd=self._folder, check=True, capture_output=True).stdout


class WebhookWorld(World):
    """A chat to which an alert is posted after each sync, as its source is said to be too old."""

    name = "webhook"
    places: ClassVar = {"an alert": lambda path, _body: path == "/secret"}

    def __init__(self) -> None:
        super().__init__()
        chat = Chat()
        self._stack.callback(chat.close)
        self.server = self._stack.enter_context(FaultyServer(chat.url))

    def second(self, engine: Engine) -> Asked:
        end = super().second(engine)
        sent = engine.operations.send_alerts({"docs": timedelta()}, timeout=_TIMEOUT)
        lost = [] if sent else ["the alert is lost"]
        return Asked("alerted", [*end.lines, *lost])

    def _given(self) -> Mapping[str, object]:
        return {"RAG_ALERT_WEBHOOK": self.server.url("/secret")}


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
    places: ClassVar = {"a sync's vectors": lambda path, _body: path.endswith("/embeddings")}

    def __init__(self) -> None:
        super().__init__()
        endpoint = Endpoint("openai/hashed", "hashed", self.server.url("/v1"), OpenAIServer.key)
        self.encoder = RemoteEncoder(endpoint, timeout=_TIMEOUT, corpus_retries=1)


class QuestionWorld(EmbeddingWorld):
    """An embedding server that is asked for the vector of a question."""

    asks = True
    places: ClassVar = {"a question's vector": lambda path, _body: path.endswith("/embeddings")}


class LanguageModelWorld(_ModelWorld):
    """A language model that answers questions."""

    name = "language model"
    asks = cuts = True
    places: ClassVar = {"an answer": lambda path, _body: path.endswith("/chat/completions")}

    def _given(self) -> Mapping[str, object]:
        return {"OPENAI_BASE_URL": self.server.url("/v1"), "RAG_LLM": "openai/m", "RAG_LLM_TIMEOUT": _TIMEOUT}


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _told(report: SyncReport) -> Asked:
    lines = [f"{failure.url}: {failure.error}" for failure in report.errors]
    end = "completed" if report.state == "completed" else "failed documents named" if lines else "failed in silence"
    return Asked(f"{end}, with a warning" if report.warnings else end, [*lines, *report.warnings])


WORLDS: Sequence[type[World]] = (
    DocsWorld,
    GitHubWorld,
    GitWorld,
    EmbeddingWorld,
    QuestionWorld,
    LanguageModelWorld,
    WebhookWorld,
)
