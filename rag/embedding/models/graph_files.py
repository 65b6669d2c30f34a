"""A graph in two files: its nodes, and its tensors as external data, which runtimes map instead of copying.

The word table is half of a model, and a question reads a dozen of its rows. Measured on 2 cores with all-MiniLM-L6-v2,
onnxruntime opens this layout in 45 ms and a single file in 110 ms. A graph saved after onnxruntime's own optimisations
opens in 41 ms, with prepacked weights in 30 ms, but works with one CPU and one version of onnxruntime only: not worth
15 ms.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import EmbeddingError

if TYPE_CHECKING:
    import onnx

__all__ = ["BUILDER_VERSION", "GraphFiles"]

#: Part of the file names; increase it with every change of the graphs, so that old files are not used.
BUILDER_VERSION = 2

#: Smaller tensors, in bytes, stay in the graph file.
_EXTERNAL_BYTES = 1024
#: External tensors start at multiples of this number of bytes, as mapping requires.
_ALIGNMENT = 4096

# A stored graph is used if it still has the modification time that the builder set: any later write changes that.
# Hashing the tensors would take 49 ms of the 137 ms to a process's first vector, and would not protect against an
# attacker, who could change the code as well.
_BUILT_AT_NS = 1_630_000_000 * 10**9


@dataclass(frozen=True, slots=True)
class GraphFiles:
    """The two files of a graph.

    :param stem: their name, which differs between models and between versions of the code that builds them
    :param build: returns the graph; its tensors are moved out of it
    :param size: the bytes of the file with the tensors, if they are known
    """

    folder: Path
    stem: str
    build: Callable[[], onnx.ModelProto]
    size: int | None = None

    def ensure(self) -> Path:
        """Return the path of the graph; build it first if it is missing, truncated or changed.

        Safe in several processes at once: each writes temporary files and renames them into place.

        :raises EmbeddingError: `folder` is not writable
        """
        if self.is_built():
            return self._graph
        model = self.build()
        tensors = _move_tensors_out(model, self._data.name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The data first: a graph file then always has its data.
            _write_atomically(self._data, tensors)
            _write_atomically(self._graph, model.SerializeToString())
        except OSError as error:
            megabytes = -(-len(tensors) // 10_000_000) * 10
            raise EmbeddingError(
                f"The local model could not be prepared in {self.folder}: {error.strerror or error}. "
                f"Set RAG_HOME to a folder that can be written, with {megabytes} MB free."
            ) from error
        return self._graph

    def is_built(self) -> bool:
        """Return whether the graph is there, complete and unchanged since it was built."""
        return _is_untouched(self._graph) and _is_untouched(self._data, self.size)

    @property
    def _graph(self) -> Path:
        return self.folder / f"{self.stem}.onnx"

    @property
    def _data(self) -> Path:
        return self.folder / f"{self.stem}.data"


def _is_untouched(path: Path, size: int | None = None) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return stat.st_mtime_ns == _BUILT_AT_NS and size in (None, stat.st_size)


def _move_tensors_out(model: onnx.ModelProto, location: str) -> bytearray:
    """Replace the content of large tensors by references to the file `location`; return the content for it."""
    from onnx import TensorProto

    content = bytearray()
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if len(raw) < _EXTERNAL_BYTES:
            continue
        content.extend(bytes(-len(content) % _ALIGNMENT))
        for key, value in (("location", location), ("offset", len(content)), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        content.extend(raw)
    return content


def _write_atomically(path: Path, content: bytes | bytearray) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.utime(temporary, ns=(_BUILT_AT_NS, _BUILT_AT_NS))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
