"""The model, loaded once for all tests of embeddings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.embedding import LocalEncoder

_REFERENCE = Path(__file__).parents[2] / "fixtures" / "minilm_reference.npz"


@dataclass(frozen=True)
class Reference:
    """Texts and their vectors by sentence-transformers; see minilm_reference.md."""

    texts: list[str]
    vectors: NDArray[np.float32]

    def cosines(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return (self.vectors * vectors).sum(axis=1)


@pytest.fixture(scope="session")
def reference() -> Reference:
    with np.load(_REFERENCE) as file:
        return Reference(json.loads(file["texts"].tobytes()), file["vectors"])


@pytest.fixture(scope="session")
def model_home(model_files: Path) -> Path:
    """The home of the run, with the model's graph."""
    return model_files.parent


@pytest.fixture(scope="session")
def fp32(model_home: Path) -> LocalEncoder:
    return LocalEncoder(model_home, precision="fp32")
