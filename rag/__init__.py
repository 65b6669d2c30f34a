"""A support engine for software projects: sync, index, search and answer with sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.engine import Engine

__version__ = "0.1.0"

__all__ = ["Engine", "__version__"]


def __getattr__(name: str) -> object:
    # Importing a part, rag.ingest.chunking say, must not pay for the engine.
    if name == "Engine":
        from rag.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
