"""What a command says while Prefect is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT


def test_ctrl_c_during_the_imports_is_one_line(tmp_path: Path) -> None:
    # In place of Prefect, whose import would have to be met at the right instant.
    (tmp_path / "prefect.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "flows.ingest"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.SIGINT)
        assert run.stderr.read() == "interrupted: nothing was read yet; run the command again to continue\n"
    assert run.returncode == -signal.SIGINT
