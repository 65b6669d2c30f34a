"""A repository of Markdown, through a real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rag.engine import Engine
from rag.errors import SourceError
from rag.models import SyncReport
from rag.settings import RepositoryConfig
from rag.sources.repository import RepositorySource


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, "README.md", "# Project\n\nWhat it is.\n\n## Install it\n\nRun `make`.")
    write(folder, "docs/guide.mdx", "---\ntitle: The guide\n---\nimport X from 'x'\n\n## Use {#own}\n\nUse it daily.")
    write(folder, "src/main.py", "print('not prose')")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=change")
    return git(folder, "rev-parse", "HEAD")


def sync(engine: Engine, url: str | Path) -> SyncReport:
    config = RepositoryConfig(name="project", url=str(url))
    return engine.ingest(RepositorySource(config, engine.store, engine.settings.home))


def test_chosen_files_come_in_with_title_and_anchors(empty_engine: Engine, repository: Path) -> None:
    assert sync(empty_engine, repository).added == 2
    (found,) = empty_engine.search("use it every day", top_k=1)
    assert (found.title, found.url) == ("The guide", (repository / "docs/guide.mdx").as_uri() + "#own")
    assert "import X" not in found.text


def test_only_changed_files_are_read_again_and_removed_ones_go(empty_engine: Engine, repository: Path) -> None:
    sync(empty_engine, repository)
    write(repository, "README.md", "# Project\n\nSomething else now.")
    (repository / "docs/guide.mdx").unlink()
    commit(repository)
    report = sync(empty_engine, repository)
    assert (report.updated, report.unchanged, report.deleted) == (1, 0, 1)
    again = sync(empty_engine, repository)
    assert (again.unchanged, again.embedded, again.chunks_added) == (1, 0, 0)


def test_a_remote_is_fetched_and_linked_by_the_commit_that_brought_the_text(
    empty_engine: Engine, repository: Path
) -> None:
    url = f"file://{repository}"
    first = git(repository, "rev-parse", "HEAD")
    sync(empty_engine, url)
    write(repository, "docs/new.md", "# New\n\nA new page about rockets.")
    second = commit(repository)
    assert sync(empty_engine, url).unchanged == 2
    assert empty_engine.search("rockets", top_k=1)[0].url == f"{url}/blob/{second}/docs/new.md#new"
    assert empty_engine.search("use it daily", top_k=1)[0].url == f"{url}/blob/{first}/docs/guide.mdx#own"


def test_a_repository_that_is_not_there_is_one_line(empty_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read") as error:
        sync(empty_engine, f"file://{tmp_path}/none")
    assert "\n" not in str(error.value)


def test_a_url_is_never_an_option_or_a_program(empty_engine: Engine, tmp_path: Path) -> None:
    for url in (f"--upload-pack=touch {tmp_path}/owned", f"ext::sh -c touch% {tmp_path}/owned"):
        with pytest.raises(SourceError):
            sync(empty_engine, url)
    assert not (tmp_path / "owned").exists()
