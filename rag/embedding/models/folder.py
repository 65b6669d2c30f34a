"""A folder with a model as sentence-transformers and transformers save it: its files, and what makes it another model.

Files are read as data: JSON, safetensors and ONNX. Pickle files (pytorch_model.bin) are never read, because loading
one runs the code in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rag.errors import ConfigurationError

__all__ = ["ModelFolder"]

# Weights are gigabytes. Training changes all of them, so their size and some pages tell two models apart.
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_ONNX = ("onnx/model.onnx", "model.onnx")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder of model files, or a folder in it.

    :param path: an absolute path
    """

    path: Path

    def inside(self, name: str) -> ModelFolder:
        """Return the folder `name` in this one.

        :raises ConfigurationError: the name leads out of the folder
        """
        return ModelFolder(self._within(name))

    def json(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Return the content of a JSON file, None if it is missing.

        :raises ConfigurationError: it cannot be read, or is not JSON
        """
        path = self._within(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error

    def table(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file, empty if the file is missing.

        :raises ConfigurationError: it cannot be read, or holds no object
        """
        content = self.json(name)
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise ConfigurationError(f"{self.path / name} must hold a JSON object.")
        return content

    def weights(self) -> list[Path]:
        """Return the safetensors files, empty if there are none.

        :raises ConfigurationError: the list of several files is invalid, or one of them is missing
        """
        if (whole := self.path / _WEIGHTS[0]).is_file():
            return [whole]
        parts = self.table(_WEIGHTS[1]).get("weight_map", {})
        if not isinstance(parts, dict):
            raise ConfigurationError(f"{self.path / _WEIGHTS[1]}: weight_map must be an object.")
        files = [self._within(str(name)) for name in sorted({str(part) for part in parts.values()})]
        for file in files:
            if not file.is_file():
                raise ConfigurationError(f"{file} is missing, which {_WEIGHTS[1]} lists: download the model again.")
        return files

    def onnx(self) -> Path | None:
        """Return the ONNX file, if there is one."""
        return next((self.path / name for name in _ONNX if (self.path / name).is_file()), None)

    def no_weights(self) -> ConfigurationError:
        """Return the error of a folder without weights that can be read."""
        pickles = [file.name for kind in _PICKLES for file in self.path.glob(kind)]
        if pickles:
            return ConfigurationError(
                f"{self.path} has its weights in {pickles[0]} only, which is never read, because a pickle file can run "
                "code: save the model as model.safetensors (safe_serialization=True) or onnx/model.onnx."
            )
        return ConfigurationError(f"{self.path} has no weights: neither model.safetensors nor onnx/model.onnx.")

    def fingerprint(self, files: Iterable[Path]) -> str:
        """Return 12 hexadecimal digits that change when the model does, wherever the folder is.

        JSON files are hashed whole, weights by their size and 64 of their pages.

        :param files: those that are read, and no others: other programs may add files to the folder
        :raises ConfigurationError: one cannot be read
        """
        digest = hashlib.sha256()
        try:
            for file in sorted(file for file in files if file.is_file()):
                digest.update(f"{file.relative_to(self.path).as_posix()} {file.stat().st_size}\n".encode())
                for part in _parts(file):
                    digest.update(part)
        except OSError as error:
            raise ConfigurationError(f"{error.filename or self.path} cannot be read: {error.strerror}.") from error
        return digest.hexdigest()[:12]

    def graph_files(self) -> list[Path]:
        """Return the ONNX file and the file with its tensors, as far as there are such files."""
        graph = self.onnx()
        return [graph, graph.with_name(f"{graph.name}_data"), graph.with_name(f"{graph.name}.data")] if graph else []

    def _within(self, name: str) -> Path:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or PureWindowsPath(name).drive or ".." in parts.parts:
            raise ConfigurationError(f"{self.path} names the path {name!r}, which leads out of the folder.")
        return self.path / parts


def _parts(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as handle:
        if file.suffix == ".json" or size <= _SAMPLES * _SAMPLE_BYTES:
            yield handle.read()
            return
        for sample in range(_SAMPLES):
            handle.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            yield handle.read(_SAMPLE_BYTES)
