"""A disk that is full or read-only ends a command in bounded time with one sentence, and loses nothing."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.syncs.github import HashEncoder
from rag.engine import Engine
from rag.errors import DatabaseError
from rag.settings import Settings
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from tests.servers.memory_source import MemorySource, page


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of its own with given options; called again, it changes them."""
    place = tmp_path / "disk"
    place.mkdir()
    is_mounted = False

    def mounted(options: str) -> Path:
        nonlocal is_mounted
        remount = "remount," if is_mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{remount}{options}", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a disk can be mounted by root only")
        is_mounted = True
        return place

    yield mounted
    if is_mounted:
        stop_embedded(place / "home")
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def pages(count: int) -> list[object]:
    chance = random.Random(count)
    return [page(f"p{number}", " ".join(f"w{chance.randrange(10**9)}" for _ in range(2000))) for number in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_full_disk_is_told_and_what_was_committed_is_kept(
    disk: Callable[[str], Path],
) -> None:
    home = disk("size=90m") / "home"
    home.mkdir()
    settings = Settings(
        _env_file=None,
        RAG_HOME=home,
        RAG_SOURCES=home / "sources.toml",
        RAG_LLM="extractive",
        RAG_EMBEDDING_MODEL=HashEncoder.model,
        OPENAI_API_KEY="none",
    )
    with Engine.open(settings, encoder=HashEncoder()) as engine:
        engine.syncs.ingest(MemorySource([page("kept", "Kept.")], name="kept"))
        (home / "ballast").write_bytes(bytes(_free(home) - 2**20))
        with pytest.raises(DatabaseError, match="disk is full") as told:
            engine.store.sources.register("more", "docs")
            engine.syncs.ingest(MemorySource(pages(200), name="more"))
    assert "\n" not in str(told.value)

    (home / "ballast").unlink()
    disk("size=400m")

    with Engine.open(settings, encoder=HashEncoder()) as engine:
        assert [result.title for result in engine.search("kept", source="kept")] == ["kept"]
        engine.syncs.ingest(MemorySource([page("more", "More.")], name="more"))
        assert len(engine.store.documents.hashes("more")) >= 1


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_cannot_be_written_is_told(disk: Callable[[str], Path], is_there: bool) -> None:
    """A read-only disk, such as an image, has no free space either."""
    home = disk("size=10m") / "home"
    if is_there:
        home.mkdir()
    disk("size=10m,ro")
    with pytest.raises(DatabaseError, match=r"RAG_HOME cannot be used: .* is on a disk that is read-only\."):
        embedded_dsn(home)


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(DatabaseError, match=r"is not a folder\. Set it to a folder that can be written"):
        embedded_dsn(tmp_path / "home")


def test_the_last_words_of_a_server_that_does_not_start_are_its_reason(tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.1\n")
    (data / "log").write_text("LOG:  starting\nPANIC:  could not write to file: No space left on device\n")
    with pytest.raises(DatabaseError, match="The disk is full, so the embedded Postgres in"):
        embedded_dsn(tmp_path / "home")


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
