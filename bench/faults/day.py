"""A day of hourly syncs with changes and faults, in one process that also answers: does anything grow?

`python -m bench chaos --hours 24`. Each hour a docs site and a GitHub repository change, the same number of pages and
threads is added and deleted, both are synced with faults of their servers, and questions are asked. Every eighth hour
Postgres is killed. The log of answers and the cache of embeddings keep what is new for months; the other tables must not
grow. What a real day has in hours has here some seconds, so autovacuum looks after the tables once a second.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.report import Table, wrong_table
from bench.syncs.github import HashEncoder
from rag.engine import Engine
from rag.errors import RagError
from rag.settings import Settings
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from tests.servers.docs_site import DocsSite, Reply, html
from tests.servers.github import FAULTS, FaultyGitHubServer

__all__ = ["run_day"]

_PAGES, _THREADS = 150, 60
_CHANGED, _REPLACED = 12, 4
_QUESTIONS = 20
_KILLED_EVERY = 8


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one hour leaves."""

    hour: int
    documents: int
    megabytes: float
    handles: int
    threads: int
    connections: int
    tables: float
    indexes: float
    kept: float


class _World:
    """The site and the repository, and how they change in an hour."""

    def __init__(self, site: DocsSite, github: FaultyGitHubServer) -> None:
        self.site, self.github = site, github
        self._chance = random.Random(11)
        self._pages = {f"page{number}.html": 0 for number in range(_PAGES)}
        self._next = _PAGES
        for number in range(_THREADS):
            github.add_comment(github.add_issue(f"Issue {number}", _text(f"issue {number}", 0)), "Because.")
        self._publish()

    def pass_hour(self, hour: int) -> None:
        """Change and replace pages and threads, and let servers fail."""
        for name in self._chance.sample(sorted(self._pages), _CHANGED + _REPLACED):
            self._pages[name] = hour
        for name in self._chance.sample(sorted(self._pages), _REPLACED):
            del self._pages[name]
            self.site.remove(f"/docs/{name}")
            self._pages[f"page{self._next}.html"] = hour
            self._next += 1
        self._publish()
        for number in self._chance.sample(sorted(self.github.numbers), _REPLACED):
            self.github.delete_issue(number)
            self.github.add_issue(f"Issue of hour {hour}", _text("an issue", hour))
        for number in self._chance.sample(sorted(self.github.numbers), _CHANGED):
            self.github.edit_issue(number, body=_text(f"issue {number}", hour))
        for name in self._chance.sample(sorted(self._pages), 3):
            self.site.fail(f"/docs/{name}", self._chance.choice((500, 503, 404, Reply(drop=True))))

    @property
    def documents(self) -> set[str]:
        """The ids of the documents of an index that equals the world."""
        return {f"site:{self.site.url(f'/docs/{name}')}" for name in (*self._pages, "")}

    def _publish(self) -> None:
        self.site.put("/docs/", html("Start", links=sorted(self._pages)))
        for name, hour in self._pages.items():
            self.site.put(f"/docs/{name}", html(f"Page {name}", _text(name, hour)))


def _text(name: str, hour: int) -> str:
    return " ".join(f"Sentence {number} about {name} was written in hour {hour}." for number in range(60))


def run_day(hours: int) -> Iterator[Table]:
    """Yield what was measured after each hour, and what went wrong."""
    with tempfile.TemporaryDirectory(prefix="rag-chaos-") as folder, contextlib.ExitStack() as stack:
        home = Path(folder) / "home"
        stack.callback(stop_embedded, home)
        with psycopg.connect(embedded_dsn(home), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
            connection.execute("SELECT pg_reload_conf()")
        site = stack.enter_context(DocsSite())
        github = stack.enter_context(
            FaultyGitHubServer(
                {"full_name": "example/engine", "issues": []}, rates=dict.fromkeys(FAULTS, 0.004), seed=7
            )
        )
        world = _World(site, github)
        engine = stack.enter_context(_engine(home, world))
        wrong: list[str] = []
        failed = 0
        table = Table(
            f"{hours} simulated hours",
            [
                "hour",
                "documents",
                "memory, MB",
                "file handles",
                "threads",
                "connections",
                "tables, MB",
                "indexes, MB",
                "log and cache, MB",
            ],
        )
        for hour in range(hours + 1):
            if hour:
                world.pass_hour(hour)
            if hour % _KILLED_EVERY == _KILLED_EVERY - 1:
                threading.Timer(0.5, _kill_postgres, [home]).start()  # while it syncs
            failed += _synced(engine, wrong)
            _ask(engine, hour, wrong)
            site.forget_requests()
            github.requests.clear()
            one = _measured(engine, hour)
            table.add(
                one.hour,
                one.documents,
                one.megabytes,
                one.handles,
                one.threads,
                one.connections,
                one.tables,
                one.indexes,
                one.kept,
            )
        site.stop_failing()
        github._rates.clear()
        _synced(engine, wrong)
        kept = set(engine.store.documents.hashes("site"))
        wrong += [f"{name} is not indexed" for name in sorted(world.documents - kept)]
        wrong += [f"{name} is indexed, but gone" for name in sorted(kept - world.documents)]
        threads = {int(name.rpartition("/")[2]) for name in engine.store.documents.hashes("issues")}
        wrong += [f"issue {number} differs" for number in sorted(threads ^ github.numbers)]
    yield table
    table = Table("Ends", ["syncs", "of which failed and said so", "faults of servers", "wrong"])
    table.add(2 * (hours + 1), failed, sum(github.injected.values()) + 3 * hours, len(wrong))
    yield table
    yield from wrong_table(wrong)


@contextlib.contextmanager
def _engine(home: Path, world: _World) -> Iterator[Engine]:
    home.mkdir(exist_ok=True)
    (home / "sources.toml").write_text(
        f'[[docs]]\nname = "site"\nurl = "{world.site.url("/docs/")}"\n\n'
        '[[github]]\nname = "issues"\nrepo = "example/engine"\ninclude = ["issues"]\n'
    )
    settings = Settings(
        _env_file=None,
        RAG_HOME=home,
        RAG_SOURCES=home / "sources.toml",
        RAG_LLM="extractive",
        RAG_GITHUB_API_URL=world.github.api_url,
        RAG_EMBEDDING_MODEL=HashEncoder.model,
        OPENAI_API_KEY="none",
    )
    with Engine.open(settings, encoder=HashEncoder()) as engine:
        yield engine


def _synced(engine: Engine, wrong: list[str]) -> int:
    """Sync both sources; return how many syncs failed. What fails must say why in one line, and `rag.status`, too."""
    failed = 0
    for name in ("site", "issues"):
        try:
            is_failed = engine.sync(name).state == "failed"
        except RagError as error:
            is_failed = True
            if "\n" in str(error):
                wrong.append(f"{name}: {error!r} has several lines")
        except Exception as error:  # noqa: BLE001 - every one is reported
            wrong.append(f"{name}: {error!r}")
            is_failed = True
        failed += is_failed
        status = next(status for status in engine.store.sources.status() if status.name == name)
        if is_failed != bool(status.last_error):
            wrong.append(f"{name}: it failed: {is_failed}, and the status says {status.last_error!r}")
    return failed


def _ask(engine: Engine, hour: int, wrong: list[str]) -> None:
    for number in range(_QUESTIONS):
        try:
            engine.ask(f"What is sentence {number} of hour {hour} about page{number}?")
        except Exception as error:  # noqa: BLE001 - every one is reported
            wrong.append(f"a question of hour {hour}: {error!r}")


def _measured(engine: Engine, hour: int) -> _Measured:
    time.sleep(3)  # autovacuum
    gc.collect()
    process = psutil.Process()
    with psycopg.connect(engine.database.dsn) as connection:
        row = connection.execute("""
            SELECT (SELECT count(*) FROM documents),
                   (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
                   sum(pg_table_size(c.oid)) FILTER (WHERE NOT is_kept) / 1e6,
                   sum(pg_indexes_size(c.oid)) FILTER (WHERE NOT is_kept) / 1e6,
                   sum(pg_total_relation_size(c.oid)) FILTER (WHERE is_kept) / 1e6
            FROM (SELECT oid, relname IN ('answers', 'answer_chunks', 'embeddings') AS is_kept FROM pg_class
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) c""").fetchone()
    assert row is not None
    return _Measured(
        hour, row[0], process.memory_info().rss / 1e6, process.num_fds(), process.num_threads(), row[1],
        *map(float, row[2:]),
    )  # fmt: skip


def _kill_postgres(home: Path) -> None:
    lock = home / "postgres" / "postmaster.pid"
    os.kill(int(lock.read_text().splitlines()[0]), signal.SIGKILL)
