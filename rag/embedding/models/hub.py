"""Models of the Hugging Face hub: from its cache on this disk, else downloaded into it."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from rag.embedding.models.folder import ModelFolder
from rag.errors import ConfigurationError
from rag.text.lines import one_line

__all__ = ["snapshot"]

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*)?", re.ASCII)
# Where sentence-transformers looks for a name without an organisation.
_ORGANISATION = "sentence-transformers"
_WEIGHTS = ["model*.safetensors", "*/model*.safetensors"]
_FILES = ["*.json", "*/config.json", *_WEIGHTS]
_ONNX = ["onnx/model.onnx", "onnx/model.onnx_data"]


def snapshot(name: str) -> ModelFolder:
    """Return the folder with the files of a model.

    What is in the cache is used as it is: no request is sent to look for a newer version.

    :param name: such as BAAI/bge-small-en-v1.5
    :raises ConfigurationError: the name is invalid, or the model is neither in the cache nor can it be downloaded
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise ConfigurationError(f"hf:{name}: a name on the hub is like BAAI/bge-small-en-v1.5.")
    repository = name if "/" in name else f"{_ORGANISATION}/{name}"
    cached = _cached(repository)
    if cached and _is_complete(cached):
        return cached
    downloaded = _download(repository, _FILES)
    return downloaded if _is_complete(downloaded) else _download(repository, [*_FILES, *_ONNX])


def _is_complete(folder: ModelFolder) -> bool:
    """Return whether a snapshot has what is needed: the cache may hold some files of a model only."""
    # Old models of sentence-transformers have their Transformer in a folder of its own.
    return any(
        (part.path / "config.json").is_file()
        and (part.path / "tokenizer.json").is_file()
        and (part.weights() or part.onnx())
        for part in (folder, folder.inside("0_Transformer"))
    )


def _cached(repository: str) -> ModelFolder | None:
    """Return the snapshot that the cache holds of the model's main branch."""
    folder = _cache() / f"models--{repository.replace('/', '--')}"
    try:
        revision = (folder / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = folder / "snapshots" / revision
    return ModelFolder(path) if revision and path.is_dir() else None


def _cache() -> Path:
    """Return the cache of the hub, whose place is set as for all programs that use it."""
    if own := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(own).expanduser()
    home = os.environ.get("HF_HOME")
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(caches) / "huggingface").expanduser().absolute() / "hub"


def _download(repository: str, patterns: list[str]) -> ModelFolder:
    # The hub's client reads this when it is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import httpx
    from huggingface_hub import snapshot_download

    log.info("Downloading %s from the Hugging Face hub.", repository)
    try:
        return ModelFolder(Path(snapshot_download(repository, allow_patterns=patterns, cache_dir=_cache())))
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
        raise ConfigurationError(
            f"hf:{repository} is not in the cache {_cache()} and cannot be downloaded: {one_line(error)[:200]}"
        ) from error
