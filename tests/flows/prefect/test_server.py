"""The temporary Prefect server: how it starts and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from flows.prefect import schema
from tests.processes import ROOT, wait_for

_PRINT_URL = """
import sys, time
from flows.prefect.server import ServerProcess
server = ServerProcess(ui=sys.argv[1:] == ["ui"])
server.wait()
print(server.api_url, server._process.pid, flush=True)
time.sleep(600)
"""


pytestmark = pytest.mark.prefect


def answers(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/health", timeout=60).status_code == 200
    except httpx.HTTPError:
        return False


def definitions(home: Path) -> list[str]:
    """The lines of a database's schema; the migrations write a table's constraints in varying order."""
    return sorted(line.strip().rstrip(",") for line in schema.schema(home / "prefect.db").splitlines())


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A process that its parent does not reap stays as a zombie; the first process of some containers reaps none.
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("arguments", [[], ["ui"]])
def test_a_server_starts_in_a_new_home_and_ends_when_its_parent_is_killed(arguments: list[str], tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PRINT_URL, *arguments],
        cwd=ROOT,
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        api_url, process_id = parent.stdout.readline().split()
        assert answers(api_url)
        flows = httpx.post(f"{api_url}/flows/filter", json={}, timeout=60)
        assert (flows.status_code, flows.json()) == (200, []), "the database of the new home has Prefect's schema"

        parent.send_signal(signal.SIGKILL)

    wait_for(lambda: not is_running(int(process_id)), seconds=120, else_show=lambda: "the server is running")
    assert not answers(api_url)


def test_a_new_home_gets_the_schema_of_prefect_s_migrations(tmp_path: Path) -> None:
    migrate = (
        "import asyncio\nfrom prefect.server.database import provide_database_interface\n"
        "asyncio.run(provide_database_interface().create_db())"
    )
    subprocess.run(
        [sys.executable, "-c", migrate], env={**os.environ, "PREFECT_HOME": str(tmp_path / "migrated")}, check=True
    )

    assert schema.create_database(tmp_path / "new")

    assert definitions(tmp_path / "new") == definitions(tmp_path / "migrated")
    assert not schema.create_database(tmp_path / "new"), "an existing database is not replaced"
