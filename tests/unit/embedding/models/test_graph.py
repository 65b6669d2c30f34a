import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import onnx
import pytest

from rag.embedding.models.bundled import ensure_graph, is_built
from rag.errors import EmbeddingError


@pytest.fixture
def graph(model_home: Path, tmp_path: Path) -> Path:
    """A copy of the graph, which takes seconds to build, to damage."""
    shutil.copytree(ensure_graph(model_home / "models").parent, tmp_path / "models")
    return ensure_graph(tmp_path / "models")


def _inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_the_graph_is_valid_small_and_of_standard_operators(graph: Path):
    onnx.checker.check_model(str(graph), full_check=True)
    nodes = onnx.load(str(graph), load_external_data=False).graph.node
    kinds = Counter(node.op_type for node in nodes)

    assert {node.domain for node in nodes} == {""}
    assert kinds["Softmax"] == 6
    assert len(nodes) <= 6 * 32


def test_the_graph_is_built_once(graph: Path):
    before = _inodes(graph.parent)

    assert ensure_graph(graph.parent) == graph
    assert _inodes(graph.parent) == before


@pytest.mark.parametrize("suffix", [".onnx", ".data"])
def test_a_modified_truncated_or_missing_file_is_noticed(graph: Path, suffix: str):
    file, good = graph.with_suffix(suffix), graph.with_suffix(".good")
    shutil.copy2(file, good)

    def flip() -> None:
        with file.open("r+b") as handle:
            handle.seek(1000)
            handle.write(b"\xff\xff\xff\xff")

    for damage in (flip, lambda: os.truncate(file, file.stat().st_size - 10), file.unlink):
        damage()
        assert not is_built(graph.parent)
        shutil.copy2(good, file)
        assert is_built(graph.parent)


def test_a_damaged_graph_is_built_again(graph: Path):
    good = {path: path.read_bytes() for path in graph.parent.iterdir()}
    graph.write_bytes(b"not a graph")
    graph.with_suffix(".data").unlink()

    ensure_graph(graph.parent)

    assert {path: path.read_bytes() for path in graph.parent.iterdir()} == good


def test_two_processes_may_build_at_once(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from rag.embedding import LocalEncoder\n"
        "sys.stdin.readline()\n"
        "print(LocalEncoder(Path(sys.argv[1])).encode_query('hello').tolist())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as two,
    ):
        for process in (one, two):
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate()[0] for process in (one, two)]

    assert one.returncode == two.returncode == 0
    assert answers[0] == answers[1] != ""
    assert sorted(path.suffix for path in (tmp_path / "models").iterdir()) == [".data", ".onnx"]


def test_an_unwritable_folder_is_an_error_with_a_remedy(tmp_path: Path):
    (tmp_path / "models").write_text("a file where the folder should be")

    with pytest.raises(EmbeddingError, match=r"could not be prepared in .*models: File exists. Set RAG_HOME"):
        ensure_graph(tmp_path / "models")
