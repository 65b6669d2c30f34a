"""The service layer: what the terminal, the web page, the HTTP API and the MCP server do, its rules in one place.

    from rag import Engine
    from rag.service import Service

    with Engine.open() as engine:
        reply = Service(engine).ask("how do I back up one database?")
        print(reply.to_json()["freshness"])

Free of FastAPI and MCP, which only present it. Every error is a `RagError`; what does not exist is a `Missing`.
"""

from rag.service.asking import Reply
from rag.service.service import Missing, Service

__all__ = ["Missing", "Reply", "Service"]
