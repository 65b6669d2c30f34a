from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import Command


@pytest.fixture
def new_home(prefect_records: Path, model_files: Path) -> Iterator[Path]:
    """A new home with a migrated Prefect database and the local model, which take seconds to make.

    It is outside pytest's folders, which the user of the embedded Postgres cannot enter if the tests run as root.
    """
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        shutil.copytree(prefect_records, Path(folder, "demo", "prefect"))
        shutil.copytree(model_files, Path(folder, "demo", "models"))
        yield Path(folder)


@pytest.mark.timeout(600)  # two demos, each of which takes half a minute on an idle machine
def test_the_demo_runs_end_to_end_twice(new_home: Path, command: Command) -> None:
    first = command("flows.demo", RAG_HOME=str(new_home), RAG_DATABASE_URL="postgresql://nowhere.invalid/not-used")
    second = command("flows.demo", RAG_HOME=str(new_home))

    for run in (first, second):
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stderr == ""
        assert run.stdout.count("“") >= 3
        assert "Sources" in run.stdout
        assert re.search(r"   │ 2\. .*\n   │    \w", run.stdout), "a wrapped item of a list stands below its text"
        assert "Nearest pages" in run.stdout
        assert "/issues/" in run.stdout
        assert "/handbook/" in run.stdout
        assert run.stdout.rstrip().splitlines()[-1].lstrip().startswith(".venv/bin/python -m flows.serve")
    assert " new (" in first.stdout
    assert second.stdout.count("nothing changed (") == 2
    assert (new_home / "demo" / "sources.toml").exists()
    assert not (new_home / "postgres").exists()


def test_the_sample_is_served_without_prefect() -> None:
    code = (
        "import sys, flows, flows.demo, flows.demo.site, flows.demo.github_server; sys.exit('prefect' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
