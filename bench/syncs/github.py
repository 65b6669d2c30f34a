"""The requests, time and memory that a sync of a GitHub repository takes.

    python -m bench github                     the export of tls13-spec, then 10,000 and 100,000 simulated issues
    python -m bench github --simulated 10000   fewer simulated issues

A separate process simulates GitHub on loopback; each sync runs in a new process. Embedding has its own benchmark and takes
almost no time here: vectors are hashes, except in the last row of the first table.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.paths import SHARED
from rag.embedding import Encoder
from rag.engine import Engine
from rag.settings import GitHubConfig, Settings
from rag.sources.github import GitHubSource
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from tests.servers.github import GitHubServer, load_export

EXPORT = SHARED / "tls13-spec.github.json.gz"
PAGE = 100
_context = multiprocessing.get_context("spawn")


class HashEncoder:
    """A fast encoder: the vector is the digest of the text, and four characters count as a token."""

    model, dimension, max_tokens = "openai/hashed", 32, 256

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        digests = b"".join(hashlib.sha256(text.encode()).digest() for text in texts)
        return np.frombuffer(digests, np.uint8).reshape(len(texts), 32).astype(np.float32) / np.float32(1000)

    encode_queries = encode

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector

    def count_tokens(self, text: str) -> int:
        return len(text) // 4


@dataclass(frozen=True)
class Site:
    """A repository on the simulated GitHub."""

    connection: Connection
    api_url: str
    full_name: str
    threads: int
    comments: int

    @property
    def least_requests(self) -> int:
        """The least number of requests for everything: the repository, pages of 100, and the empty review comments."""
        return 1 + -(-self.threads // PAGE) + -(-self.comments // PAGE) + 1

    def ask(self, command: str) -> Any:
        self.connection.send(command)
        return self.connection.recv()


@contextmanager
def served(simulated: int | None) -> Iterator[Site]:
    here, there = _context.Pipe()
    process = _context.Process(target=_serve, args=(simulated, there), daemon=True)
    process.start()
    try:
        yield Site(here, *here.recv())
    finally:
        process.kill()
        process.join()


def _serve(simulated: int | None, connection: Connection) -> None:
    export = generated(simulated) if simulated else load_export(EXPORT)
    with GitHubServer(export, rate_limit=10**9) as server:
        comments = sum(len(row["comments_list"]) for row in export["issues"])
        connection.send((server.api_url, server.full_name, len(export["issues"]), comments))
        while True:
            if connection.recv() == "change":
                number = export["issues"][5]["number"]
                server.edit_issue(number, title="Edited")
                server.add_comment(export["issues"][7]["number"], "A comment.")
                server.delete_issue(export["issues"][9]["number"])
                server.add_issue("A new issue", "A question.")
            server.requests.clear()
            connection.send(time.process_time())


def generated(issues: int) -> dict[str, Any]:
    """Return an export of issues created every ten minutes, each with 60 words and a comment of 60 words."""
    words = [f"word{number}" for number in range(5000)]
    random = np.random.default_rng(0)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    rows = []
    for number in range(1, issues + 1):
        at = (start + timedelta(minutes=10 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = [words[index] for index in random.integers(0, 5000, 120)]
        common = {"author_association": "NONE", "created_at": at, "updated_at": at}
        comment = {"id": number, "user": "bob", "body": " ".join(text[:60]), **common}
        rows.append(
            {
                "number": number,
                "title": " ".join(text[60:66]),
                "body": " ".join(text[60:]),
                "state": "open",
                "user": "ann",
                "labels": [],
                "closed_at": None,
                "comments_list": [comment],
                **common,
            }
        )
    return {"full_name": "o/r", "issues": rows, "discussions": []}


@dataclass(frozen=True)
class Outcome:
    requests: int
    seconds: float
    server_seconds: float
    megabytes: float


def sync(site: Site, home: Path, name: str, kinds: tuple[str, ...], *, local: bool = False) -> Outcome:
    """Sync in a new process, whose peak memory is `megabytes`."""
    here, there = _context.Pipe()
    before = site.ask("usage")
    process = _context.Process(target=_sync, args=(site.api_url, site.full_name, home, name, kinds, local, there))
    process.start()
    requests, seconds, megabytes = here.recv()
    process.join()
    return Outcome(requests, seconds, site.ask("usage") - before, megabytes)


def _sync(
    api_url: str, repository: str, home: Path, name: str, kinds: tuple[Any, ...], local: bool, connection: Connection
) -> None:
    settings: dict[str, Any] = {
        "RAG_HOME": home,
        "RAG_DATABASE_URL": embedded_dsn(home),
        "RAG_GITHUB_API_URL": api_url,
        "RAG_SOURCES": home / "none.toml",
        **({} if local else {"RAG_EMBEDDING_MODEL": HashEncoder.model, "OPENAI_API_KEY": "none"}),
    }
    encoder: Encoder | None = None if local else HashEncoder()
    with Engine.open(Settings(**settings), encoder=encoder) as engine:
        config = GitHubConfig(name=name, repo=repository, include=kinds)
        source = GitHubSource(config, engine.store, token=None, api_url=api_url)
        started = time.monotonic()
        report = engine.syncs.ingest(source)
        seconds = time.monotonic() - started
    assert report.state == "completed", report.errors
    connection.send((report.requests, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


@contextmanager
def fresh_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)
        stop_embedded(Path(folder))


def row(title: str, least: int, outcome: Outcome, first: Outcome | None = None) -> None:
    share = f"{outcome.seconds / first.seconds:8.1%}" if first else " " * 8
    print(
        f"{title:<46}{outcome.requests:>9,}{least:>9,}{outcome.seconds:>9.2f}{share}"
        f"{outcome.server_seconds:>9.2f}{outcome.megabytes:>9.0f}"
    )


def head(title: str) -> None:
    print(f"\n{title}")
    print(f"{'':<46}{'requests':>9}{'minimum':>9}{'seconds':>9}{'/ first':>8}{'server s':>9}{'peak MB':>9}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench github", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--simulated", type=int, nargs="*", default=[10_000, 100_000], metavar="ISSUES", help="the sizes to simulate"
    )
    options = parser.parse_args(arguments)
    if EXPORT.exists():
        kinds = ("issues", "pulls")
        with served(None) as site, fresh_home() as home:
            head(f"{site.full_name}: {site.threads:,} issues and pull requests, {site.comments:,} comments")
            first = sync(site, home, "it", kinds)
            row("first sync", site.least_requests, first)
            sync(site, home, "it", kinds)  # stores the ETags that the next sync sends
            row("nothing changed", 4, sync(site, home, "it", kinds), first)
            site.ask("change")
            row("an edit, a comment, a deletion, a new issue", 4, sync(site, home, "it", kinds), first)
        with served(None) as site, fresh_home() as home:
            row(
                "first sync, with the local embedding model",
                site.least_requests,
                sync(site, home, "it", kinds, local=True),
            )
    for issues in options.simulated:
        with served(issues) as site, fresh_home() as home:
            head(f"simulated: {site.threads:,} issues with one comment each")
            first = sync(site, home, "it", ("issues",))
            row("first sync", site.least_requests - 1, first)
            sync(site, home, "it", ("issues",))
            row("nothing changed", 3, sync(site, home, "it", ("issues",)), first)
            site.ask("change")
            row("an edit, a comment, a deletion, a new issue", 3, sync(site, home, "it", ("issues",)), first)
