"""A real Prefect server and real loopback sources for the flows; one server a run, since it takes seconds to start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

# Prefect reads this when it is imported, and nobody's own runs may be touched.
_PREFECT_HOME = tempfile.TemporaryDirectory(prefix="prefect-")
for name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[name]
os.environ["PREFECT_HOME"] = _PREFECT_HOME.name

from flows.prefect.server import ServerProcess, connected  # noqa: E402
from tests.servers.chat import Chat  # noqa: E402
from tests.servers.github import GitHubServer, load_export  # noqa: E402

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[ServerProcess]:
    """A Prefect server, and the flows of this process sent to it."""
    with ServerProcess() as server, connected(server):
        yield server


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """GitHub with three threads of the sample."""
    export = load_export(ROOT / "flows" / "demo" / "github.json")
    with GitHubServer({"full_name": "example/engine", "issues": export["issues"][:3]}) as server:
        yield server


@pytest.fixture
def settings_in_environment(monkeypatch: pytest.MonkeyPatch, home: Path, dsn: str, tmp_path: Path) -> Path:
    """An empty index and a home for the flows, as a user sets them; returns where the sources file belongs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_HOME", str(home))
    monkeypatch.setenv("RAG_DATABASE_URL", dsn)
    monkeypatch.setenv("RAG_SOURCES", str(tmp_path / "sources.toml"))
    return tmp_path / "sources.toml"


@pytest.fixture
def sources(
    settings_in_environment: Path, github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Write sources.toml: GitHub repositories by the names of their sources."""
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
    """The environment of this process without the server that its own flows go to."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_")}


@pytest.fixture
def command() -> Command:
    """Run `python -m MODULE …` as a user does, from the checkout."""

    def run(module: str, *arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**users_environment(), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def deploy(prefect_server: ServerProcess, command: Command, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Register the deployments of sources.toml for the workers of a pool."""
    from tests.flows.deploy.test_deployments import clear, prefect

    def register() -> None:
        clear()
        written = command("flows.deployments", "--output", str(tmp_path / "prefect.yaml"))
        assert written.returncode == 0, written.stderr
        prefect(prefect_server, "work-pool", "create", "--type", "process", "--overwrite", "support-engine")
        prefect(prefect_server, "--no-prompt", "deploy", "--all", "--prefect-file", str(tmp_path / "prefect.yaml"))

    yield register
    clear()


@pytest.fixture
def start_worker(
    prefect_server: ServerProcess, deploy: Callable[[], None]
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Register the deployments and start a worker, as on another machine; only start it from the second on."""
    with ExitStack() as stack:
        register = cache(deploy)

        def start() -> subprocess.Popen[bytes]:
            register()
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", "support-engine", "--limit", "1"],
                cwd=ROOT,
                env={**os.environ, "PREFECT_API_URL": prefect_server.api_url, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, timeout=60)
            stack.callback(process.terminate)
            return process

        yield start


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source is asked again at once."""
    from flows.ingest import sync_source

    monkeypatch.setattr(sync_source, "retry_delay_seconds", [0.01, 0.01, 0.01])
    monkeypatch.setattr(sync_source, "retry_jitter_factor", None)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """Where alerts are sent."""
    chat = Chat()
    monkeypatch.setenv("RAG_ALERT_WEBHOOK", chat.url)
    yield chat
    chat.close()
