"""Real Prefect servers, shared by the tests of a worker of pytest-xdist, and sources on loopback."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Prefect reads these when it is imported.
_PREFECT_HOME = tempfile.TemporaryDirectory(prefix="prefect-")
os.environ["PREFECT_HOME"] = _PREFECT_HOME.name
# By default Prefect records a hundred runs of each schedule in advance, which takes as long as all else of a test.
os.environ["PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS"] = "3"

from flows.prefect.schema import create_database  # noqa: E402
from flows.prefect.server import ServerProcess, connected  # noqa: E402
from tests.flows.pool import Registered, register_in_both_ways  # noqa: E402
from tests.flows.served import Served, serving  # noqa: E402
from tests.processes import ROOT  # noqa: E402
from tests.servers.chat import Chat  # noqa: E402
from tests.servers.github import GitHubServer, load_export  # noqa: E402
from tests.servers.openai import OpenAIServer  # noqa: E402

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def own_console() -> Iterator[None]:
    """Take away the console that a command of flows logs to: later tests would print their lines there."""
    yield
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__ == "flows.prefect.server":
            root.removeHandler(handler)


# Prefect's server and commands take 5 s to start on an idle machine, and far longer on a busy machine.
_START_SECONDS = 240


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need a Prefect server or a command that imports Prefect; group those that share a server.

    Flows mostly wait, so one worker runs the modules that need `registered` and those of the wrappers of Prefect, and
    another the rest.
    """
    wrappers = Path(__file__).parent / "prefect"
    fixtures_of = {item: set(getattr(item, "fixturenames", ())) for item in items}
    with_registered = {item.path for item, fixtures in fixtures_of.items() if "registered" in fixtures}
    for item, fixtures in fixtures_of.items():
        if Path(__file__).parent not in item.path.parents:
            continue
        if fixtures & {"prefect_server", "prefect_home", "served", "command"}:
            item.add_marker(pytest.mark.prefect)
        if "prefect_server" in fixtures:
            item.add_marker(
                pytest.mark.xdist_group(
                    "registered" if item.path in with_registered or wrappers in item.path.parents else "prefect"
                )
            )
        if "served" in fixtures:
            item.add_marker(pytest.mark.xdist_group("served"))
    items.sort(key=lambda item: "stopped" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def prefect_records(home: Path, once: Callable[[str, Callable[[], None]], None]) -> Path:
    """A PREFECT_HOME with the database of a new one, to copy."""
    folder = home / "prefect"
    once("prefect-records", lambda: create_database(folder))
    return folder


@pytest.fixture
def prefect_home(prefect_records: Path, tmp_path: Path) -> Path:
    """A new PREFECT_HOME, for a server that a test starts."""
    return shutil.copytree(prefect_records, tmp_path / "prefect")


@pytest.fixture(scope="session")
def prefect_server(prefect_records: Path) -> Iterator[ServerProcess]:
    """A Prefect server to which the flows of this process are sent."""
    shutil.copytree(prefect_records, _PREFECT_HOME.name, dirs_exist_ok=True)
    with ServerProcess() as server, connected(server):
        yield server


@pytest.fixture(scope="session")
def served(
    home: Path, session_dsn: str, prefect_records: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """`flows.serve` with its own Prefect server, which has a UI and fires schedules."""
    folder = tmp_path_factory.mktemp("served")
    prefect_home = shutil.copytree(prefect_records, folder / "prefect")
    environment = {**users_environment(), "RAG_HOME": str(home)}
    with serving(folder, environment, session_dsn, prefect_home) as served:
        yield served


@pytest.fixture
def stopped(served: Served) -> Served:
    """The same `flows.serve` after Ctrl-C; tests that need it run last."""
    served.stop()
    return served


@pytest.fixture(scope="session")
def embedding_server() -> Iterator[OpenAIServer]:
    """A server with an embedding model that takes no time."""
    with OpenAIServer(dimension=16) as server:
        yield server


@pytest.fixture
def quick_embedding(embedding_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the model of that server, for tests that do not search: each flow would load the local model."""
    monkeypatch.setenv("RAG_EMBEDDING_MODEL", "openai/quick")
    monkeypatch.setenv("OPENAI_API_KEY", embedding_server.key)
    monkeypatch.setenv("OPENAI_BASE_URL", embedding_server.url)


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """GitHub with three threads of the sample."""
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with GitHubServer({"full_name": "example/engine", "issues": export["issues"][:3]}) as server:
        yield server


@pytest.fixture
def settings_in_environment(monkeypatch: pytest.MonkeyPatch, home: Path, dsn: str, tmp_path: Path) -> Path:
    """Set an empty database and a home in the environment; return the path for the sources file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_HOME", str(home))
    monkeypatch.setenv("RAG_DATABASE_URL", dsn)
    monkeypatch.setenv("RAG_SOURCES", str(tmp_path / "sources.toml"))
    return tmp_path / "sources.toml"


@pytest.fixture
def sources(
    settings_in_environment: Path, github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Write sources.toml with GitHub sources, given as name=repository."""
    monkeypatch.setenv("RAG_GITHUB_API_URL", github.api_url)

    def write(**repositories: str) -> None:
        settings_in_environment.write_text(
            "".join(
                f'[[github]]\nname = "{name}"\nrepo = "{repository}"\ninclude = ["issues"]\n'
                for name, repository in repositories.items()
            )
        )

    return write


def users_environment() -> dict[str, str]:
    """The environment of this process without the address of its Prefect server."""
    of_server = ("PREFECT_API_URL", "PREFECT_API_REQUEST_TIMEOUT")
    return {name: value for name, value in os.environ.items() if name not in of_server}


@pytest.fixture
def command() -> Command:
    """Run `python -m MODULE …` as a user does, from the checkout."""

    def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**users_environment(), **environment},
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def registered(prefect_server: ServerProcess) -> Registered:
    """The deployments of the checkout; those for workers are in the work pool of the session's server."""
    return register_in_both_ways(prefect_server)


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry the sync of a source without delay."""
    from flows.ingest import sync_source

    monkeypatch.setattr(sync_source, "retry_delay_seconds", [0.01, 0.01, 0.01])
    monkeypatch.setattr(sync_source, "retry_jitter_factor", None)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """The webhook for alerts."""
    chat = Chat()
    monkeypatch.setenv("RAG_ALERT_WEBHOOK", chat.url)
    yield chat
    chat.close()
