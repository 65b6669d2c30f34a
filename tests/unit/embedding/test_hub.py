"""The hub's cache on disk; nothing here may reach the network."""

from pathlib import Path

import pytest

from rag.embedding import open_encoder
from rag.embedding.named import pinned_model
from rag.errors import ConfigurationError
from tests.unit.embedding.models import HIDDEN, write_model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache of a machine without a network."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hf" / "hub"


def keep(hub: Path, repository: str) -> Path:
    """Put a model into the cache as the hub's client does: the snapshot links to files with other names."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / REVISION
    write_model(snapshot)
    (folder / "blobs").mkdir()
    for number, file in enumerate(sorted(file for file in snapshot.rglob("*") if file.is_file())):
        blob = folder / "blobs" / f"{number:040x}"
        file.rename(blob)
        file.symlink_to(blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    return snapshot


@pytest.mark.parametrize(("name", "repository"), [("org/small", "org/small"), ("small", "sentence-transformers/small")])
def test_a_model_in_the_cache_needs_no_network(hub: Path, tmp_path: Path, name: str, repository: str) -> None:
    snapshot = keep(hub, repository)

    encoder = open_encoder(f"hf:{name}", home=tmp_path / "home")

    assert encoder.encode_query("w9").shape == (HIDDEN,)
    assert encoder.model == pinned_model(f"hf:{name}")
    assert encoder.model.rpartition("#")[2] == pinned_model(f"local:{snapshot}").rpartition("#")[2]


def test_hf_hub_cache_precedes_hf_home(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "elsewhere", "org/small")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))

    assert open_encoder("hf:org/small", home=tmp_path).dimension == HIDDEN


def test_a_model_that_is_not_in_the_cache_is_an_error_without_a_network(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(
        ConfigurationError, match=r"hf:org/none is not in the cache .*hub and cannot be downloaded"
    ) as raised:
        open_encoder("hf:org/none", home=tmp_path)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["hf:../../etc", "hf:a/b/c", "hf:/abs", "hf:a b"])
def test_a_name_is_no_path(hub: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="a name on the hub is like"):
        open_encoder(name, home=tmp_path)
