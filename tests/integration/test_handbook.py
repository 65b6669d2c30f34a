"""The examples of the handbook run unchanged and print the documented output."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from rag import ask
from rag.engine import Engine
from rag.web import create_app

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUESTION = "When is the cafeteria open?"


def examples(page: str) -> list[str]:
    return PYTHON.findall((ROOT / page).read_text())


def run(example: str) -> None:
    exec(compile(example, "example", "exec"), {"__name__": "example"})


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, home: Path, dsn: str, tmp_path: Path) -> Path:
    """A user's environment with an empty index; returns the path for the sources file."""
    (tmp_path / ".cache").mkdir()
    # The home has the graph of the model, which takes seconds to build.
    (tmp_path / ".cache" / "support-engine").symlink_to(home)
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": tmp_path, "RAG_HOME": home, "RAG_DATABASE_URL": dsn}.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path / "sources.toml"


@pytest.fixture
def indexed(user: Path) -> None:
    """An index with the document of the example source in develop.md."""
    for example in examples("docs/develop.md"):
        run(example)


@pytest.mark.usefixtures("user")
def test_the_example_source_is_ingested_and_answers(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = examples("docs/develop.md")
    run(example)
    assert capsys.readouterr().out.split() == ["1", "https://example.org/cafeteria#hours"]


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("example", examples("docs/ask.md"))
def test_the_examples_of_ask_run(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(example)
    assert capsys.readouterr().out.strip()


def test_the_example_of_the_readme_runs(user: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    repository = tmp_path / "upstream"
    repository.mkdir()
    (repository / "README.md").write_text("# Keys\n\nTo rotate the API key, run `keys rotate`.\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-C", str(repository), *arguments], check=True)
    user.write_text(f'[[repository]]\nname = "issues"\nurl = "{repository}"\n')
    [example] = examples("README.md")
    run(example)
    assert "keys rotate" in capsys.readouterr().out


@pytest.mark.usefixtures("indexed")
def test_the_json_of_an_answer_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert ask.main([QUESTION, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    section = (ROOT / "docs/ask.md").read_text().partition("### JSON output")[2].partition("\n## ")[0]
    documented = json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])
    assert list(printed) == list(documented)
    assert list(printed["sources"][0]) == list(documented["sources"][0])
    assert printed["model"].keys() == documented["model"].keys()
    assert printed["timings"].keys() == documented["timings"].keys()
    with Engine.open() as engine:
        over_http = (
            TestClient(create_app(engine), base_url="http://127.0.0.1", client=("127.0.0.1", 1))
            .get("/api/ask", params={"q": QUESTION})
            .json()
        )
    assert list(over_http) == [*documented, "id"]


def test_the_documented_maximum_of_dimensions_is_that_of_pgvector(dsn: str) -> None:
    text = (ROOT / "docs/configure.md").read_text()
    most = int(re.search(r"at most ([\d,]+) dimensions", text)[1].replace(",", ""))
    with psycopg.connect(dsn, autocommit=True) as connection:
        for dimensions in (most, most + 1):
            connection.execute(f"CREATE TABLE of_{dimensions} (embedding halfvec({dimensions}))")
        connection.execute(f"CREATE INDEX ON of_{most} USING hnsw (embedding halfvec_cosine_ops)")
        with pytest.raises(psycopg.Error, match="dimensions"):
            connection.execute(f"CREATE INDEX ON of_{most + 1} USING hnsw (embedding halfvec_cosine_ops)")
