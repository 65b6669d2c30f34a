"""`flows.serve` with the Prefect server that it starts, as a maintainer runs it on a laptop."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from flows.demo.github_server import GitHubServer, load_export
from flows.demo.site import HandbookSite
from tests.processes import ROOT, running, wait_for

_PAGES = {
    "operate.md": "# Operate\n\n## Back up\n\nTo back up the index, dump its Postgres database with `pg_dump`.\n",
    "install.md": "# Install\n\n## Requirements\n\nPython 3.11 or newer, and make.\n",
}


@dataclass(frozen=True)
class Served:
    """A running `flows.serve` over two sources, "handbook" and "issues"."""

    address: str
    dsn: str
    #: the file with its output
    printed: Path
    prefect_home: Path
    process: subprocess.Popen[str]

    @property
    def api_url(self) -> str:
        return f"{self.address}/api"

    def api(self, path: str, body: object = None) -> Any:
        """Call Prefect's API."""
        address = f"{self.api_url}/{path}"
        reply = httpx.get(address, timeout=30) if body is None else httpx.post(address, json=body, timeout=30)
        return reply.raise_for_status().json()

    def finished_run(self, name: str, *, scheduled: bool = False, **run: object) -> dict[str, Any]:
        """Wait for a run of a deployment to end, and return it.

        :param scheduled: a run that a schedule started; each source is due at the full hour, too
        :param run: further conditions of Prefect's flow run filter
        """
        ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}
        wanted = {"deployments": {"name": {"any_": [name]}}, "flow_runs": {**ended, **run}}

        def found() -> list[dict[str, Any]]:
            return [run for run in self.api("flow_runs/filter", wanted) if run["auto_scheduled"] is scheduled]

        return wait_for(found, seconds=240, else_show=self.state, pause=1.0)[0]

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does, and wait until it has ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=120)

    def paused(self) -> dict[str, bool]:
        """Return which deployments are paused, from the database that the server leaves behind."""
        with closing(sqlite3.connect(self.prefect_home / "prefect.db")) as database:
            return {name: bool(paused) for name, paused in database.execute("SELECT name, paused FROM deployment")}

    def state(self) -> str:
        """Describe the runs and the output, for the message of a failed test."""
        runs = [(run["name"], run["state"]) for run in self.api("flow_runs/filter", {})]
        return f"{runs}\n{self.printed.read_text()}"


@contextmanager
def serving(folder: Path, environment: dict[str, str], dsn: str, prefect_home: Path) -> Iterator[Served]:
    """Run `flows.serve` during the block; its Prefect server polls for work and due schedules every few seconds.

    Two pages and the issues of a few weeks are enough for a test. The pictures in docs/images show the whole sample.
    """
    printed, sources = folder / "printed", folder / "sources.toml"
    handbook, export = ROOT / "docs", load_export(ROOT / "flows" / "demo" / "github.json")
    if "SCREENSHOTS" not in os.environ:
        handbook, export = folder / "handbook", _lately(export)
        handbook.mkdir()
        for name, text in _PAGES.items():
            (handbook / name).write_text(text)
    with (
        HandbookSite(handbook) as site,
        GitHubServer(export) as github,
        printed.open("w") as output,
    ):
        sources.write_text(
            f'[[docs]]\nname = "handbook"\nurl = "{site.url}"\n\n'
            f'[[github]]\nname = "issues"\nrepo = "{github.full_name}"\n'
        )
        settings = {
            "PREFECT_HOME": str(prefect_home),
            "RAG_DATABASE_URL": dsn,
            "RAG_SOURCES": str(sources),
            "RAG_GITHUB_API_URL": github.api_url,
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "3",
            # Block types are for forms that no test opens.
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
        }
        with running(
            "flows.serve", environment={**environment, **settings}, stdout=output, stderr=subprocess.STDOUT
        ) as process:

            def is_ready() -> bool:
                assert process.poll() is None, printed.read_text()
                return "Stop with Ctrl-C" in printed.read_text()

            wait_for(is_ready, seconds=240, else_show=printed.read_text)
            [address] = re.findall(r"^Prefect +(\S+)", printed.read_text(), re.MULTILINE)
            yield Served(address, dsn, printed, prefect_home, process)


def _lately(export: dict[str, Any]) -> dict[str, Any]:
    """Return the last five issues of an export, as if the newest had been opened today.

    A backfill reads every week since the first issue.
    """
    issues = sorted(export["issues"], key=lambda issue: issue["created_at"])[-5:]
    age = datetime.now(UTC) - datetime.fromisoformat(issues[-1]["created_at"])

    def later(time: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(time[0]) + timedelta(days=age.days):%Y-%m-%dT%H:%M:%SZ}"

    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", later, json.dumps(issues))
    return {"full_name": export["full_name"], "issues": json.loads(text)}
