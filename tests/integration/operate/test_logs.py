"""No line of a log has a secret, at the level DEBUG, whichever package writes it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rag import status
from rag.engine import Engine
from rag.errors import RagError
from rag.settings import Settings
from rag.trust.logs import mask_logs
from tests.encoders import encoder_of
from tests.servers.chat import Chat
from tests.servers.docs_site import DocsSite, html
from tests.servers.github import GitHubServer
from tests.servers.openai import OpenAIServer

CANARY = "c4n4ryXq9Zt7"
TOKEN = "ghp_aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"
CLIENTS = ("httpx", "httpcore", "urllib3", "openai", "github", "psycopg", "psycopg.pool", "hpack", "h11")
PATH = "/docs/"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All lines of all loggers from DEBUG on, as a handler writes them."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in (None, "rag", *CLIENTS)]
    levels = [logger.level for logger in loggers]
    factory = logging.getLogRecordFactory()
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    mask_logs()
    yield written
    loggers[0].removeHandler(handler)
    logging.setLogRecordFactory(factory)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def engine(empty_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose settings have a secret in each address; its language model and its webhook fail."""
    chat = Chat()
    chat.status = 500
    with (
        DocsSite() as site,
        GitHubServer({"full_name": "example/engine", "issues": []}) as github,
        OpenAIServer() as model,
    ):
        github.add_issue("The cache is slow", "Set cache_size to make it fast.")
        site.put(
            PATH,
            html(
                "Start",
                links=[
                    f"page.html?token={CANARY}",
                    f"gone.html?token={CANARY}",
                    f"seen.html;jsessionid={CANARY}",
                    "moved.html",
                ],
            ),
        )
        site.put(f"{PATH}page.html?token={CANARY}", html("Pool", "Set pool_size to change the size of the pool."))
        site.redirect(f"{PATH}moved.html", f"{PATH}elsewhere.html?access_token={CANARY}")
        site.fail(f"{PATH}gone.html?token={CANARY}", 500, times=9)
        netloc = f"x:{CANARY}@{urlsplit(site.url()).netloc}"
        (tmp_path / "sources.toml").write_text(
            f'[[docs]]\nname = "docs"\nurl = "http://{netloc}{PATH}"\n'
            '[[github]]\nname = "issues"\nrepo = "example/engine"\n'
            f'[[repository]]\nname = "files"\nurl = "http://x:{CANARY}@127.0.0.1:1/o/r.git"\n'
        )
        settings = {
            "RAG_HOME": str(empty_engine.settings.home),
            "RAG_DATABASE_URL": f"{empty_engine.settings.database_url.get_secret_value()} password={CANARY}",
            "RAG_SOURCES": str(tmp_path / "sources.toml"),
            "RAG_GITHUB_API_URL": github.api_url,
            "GITHUB_TOKEN": TOKEN,
            "RAG_LLM": "openai/m",
            "OPENAI_API_KEY": f"sk-{CANARY}",
            "OPENAI_BASE_URL": f"http://x:{CANARY}@{urlsplit(model.url).netloc}/v1?api-key={CANARY}",
            "RAG_ALERT_WEBHOOK": f"{chat.url.removesuffix('/secret')}/hooks/{CANARY}",
        }
        model.fail_next(500, times=99, headers={"retry-after-ms": "1"})
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with Engine.open(Settings(_env_file=None), encoder=encoder_of(empty_engine)) as engine:
            yield engine
    chat.close()


def test_no_line_has_a_secret(engine: Engine, log: io.StringIO) -> None:
    for name in ("docs", "issues"):
        engine.syncs.sync(name)
    with pytest.raises(RagError):
        engine.syncs.sync("files")
    answer = engine.ask("How do I set the size of the pool?")
    with pytest.raises(RagError):
        engine.operations.send_alerts({"docs": timedelta()})
    assert status.main(["--debug"]) == 0
    try:
        httpx.get(f"http://x:{CANARY}@127.0.0.1:1/?token={CANARY}")
    except httpx.HTTPError:
        logging.getLogger("another").exception("http://x:%s@127.0.0.1:1/ cannot be reached", CANARY)

    lines = log.getvalue().splitlines()
    assert answer.note
    assert {name for line in lines for name in ("rag", *CLIENTS) if f" {name}." in line or f" {name}:" in line} >= {
        "rag", "httpx", "httpcore", "urllib3", "openai",
    }  # fmt: skip
    assert [line for line in lines if CANARY in line or TOKEN in line] == []
