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
from flows.prefect.server import ServerProcess, _reason
from rag.errors import RagError
from tests.processes import ROOT, wait_for

_PRINT_URL = """
import sys, time
from flows.prefect.server import ServerProcess, _reason
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


def test_a_home_that_cannot_hold_the_database_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file" / "prefect"))
    with pytest.raises(RagError, match=r"Prefect's database in .* cannot be made: .*Check PREFECT_HOME\.$") as error:
        ServerProcess()
    assert "\n" not in str(error.value)


def test_a_server_that_ends_tells_the_error_and_not_that_it_ends() -> None:
    said = ["Traceback (most recent call last):", "sqlite3.DatabaseError: file is not a database", "ERROR:    Exiting."]
    assert _reason(said) == "sqlite3.DatabaseError: file is not a database"
    assert _reason(said[-1:]) == "ERROR:    Exiting."
    assert _reason([]) == "it has written no error"
