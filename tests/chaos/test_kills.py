"""Whatever is killed at whatever moment, nothing is left half done, and the next run ends as an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.processes import ROOT


# Three or four kills of each operation, each with a copy of a database and a second run, on a Postgres of its own that is killed
# as well. On a busy machine, Postgres takes minutes to recover from each of its kills.
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_kills_leave_nothing_half_done() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "chaos", "--kills", "20", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1480,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [table] = json.loads(done.stdout)["chaos"]
    assert [row for row in table["rows"] if row["violations"]] == [], done.stdout
    assert sum(row["killed at work"] for row in table["rows"]) >= 8
