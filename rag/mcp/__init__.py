"""The MCP server: the tools with which another program's language model asks, searches and reads the index.

`python -m rag.mcp` serves them over stdio, and `rag.web` over HTTP at /mcp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.mcp.server import create_server

__all__ = ["create_server"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the interface of module attributes
    # The command parses its arguments before it imports the SDK.
    if name == "create_server":
        from rag.mcp.server import create_server

        return create_server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
