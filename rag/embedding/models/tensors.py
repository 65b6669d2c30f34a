"""The weights of a model by their names, from safetensors files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Tensors", "read_tensors"]

# Names of the first BERT models, which were converted from TensorFlow.
_OLD_NAMES = ((".LayerNorm.weight", ".LayerNorm.gamma"), (".LayerNorm.bias", ".LayerNorm.beta"))


class Tensors:
    """Weights as float32; a name is found with and without the prefix of the model's body, and under its old name.

    :param where: the file, for errors
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.generic]], *, prefix: str = "", where: object = "") -> None:
        self._tensors = tensors
        self._prefix = prefix
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._found(name) is not None

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        import numpy as np

        found = self._found(name)
        if found is None:
            raise ConfigurationError(
                f"{self._where} has no tensor {name}: config.json describes another model, or the file is incomplete."
            )
        return self._tensors[found].astype(np.float32, copy=False)

    @property
    def words(self) -> int:
        """The rows of the word table."""
        return len(self["embeddings.word_embeddings.weight"])

    def _found(self, name: str) -> str | None:
        names = [name, *(name.replace(new, old) for new, old in _OLD_NAMES)]
        bare = [name.removeprefix(self._prefix) for name in names]
        return next(
            (one for one in (*names, *(self._prefix + one for one in names), *bare) if one in self._tensors), None
        )


def read_tensors(files: Sequence[Path], prefix: str = "") -> Tensors:
    """Read safetensors files of any floating-point type.

    :raises ConfigurationError: a file cannot be read, or is no safetensors file
    """
    import onnx  # noqa: F401 - makes bfloat16 known to numpy
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, NDArray[np.generic]] = {}
    for file in files:
        try:
            with safe_open(file, framework="numpy") as content:
                tensors |= {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, TypeError) as error:
            raise ConfigurationError(f"{file} cannot be read as safetensors: {error}") from error
    return Tensors(tensors, prefix=prefix, where=files[0])
