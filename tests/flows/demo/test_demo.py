from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import users_environment
from tests.processes import ROOT

#: Pages of the handbook that answer the first question. The local model takes most of a demo's time for all pages.
_PAGES = ("index.md", "ask.md", "mcp.md")


@pytest.fixture
def new_home(prefect_records: Path, model_files: Path) -> Iterator[Path]:
    """A new home with a migrated Prefect database and the local model, which take seconds to make.

    It is outside pytest's folders, which the user of the embedded Postgres cannot enter if the tests run as root.
    """
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        shutil.copytree(prefect_records, Path(folder, "demo", "prefect"))
        shutil.copytree(model_files, Path(folder, "demo", "models"))
        yield Path(folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the program and a part of the handbook."""
    for name in ("flows", "rag", "sql"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").mkdir()
    for name in _PAGES:
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs")
    return tmp_path


def demo(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.demo"],
        cwd=checkout,
        env={**users_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.prefect
@pytest.mark.timeout(600)  # two demos, each of which starts Postgres and Prefect
def test_the_demo_runs_end_to_end_twice(new_home: Path, checkout: Path) -> None:
    first = demo(checkout, RAG_HOME=str(new_home), RAG_DATABASE_URL="postgresql://nowhere.invalid/not-used")
    second = demo(checkout, RAG_HOME=str(new_home))

    for run in (first, second):
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stderr == ""
        assert f"{len(_PAGES)} pages at " in run.stdout
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

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
