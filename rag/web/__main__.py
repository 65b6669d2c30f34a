"""`python -m rag.web`: serve the page, the HTTP API and the MCP server; `python -m rag.web key` manages the keys."""

from __future__ import annotations

import argparse
import errno
import socket
import sys
from collections.abc import Sequence

import uvicorn

from rag.command import CommandParser, run
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.net.hosts import is_loopback
from rag.web.app import create_app
from rag.web.guard.protocol import PatientProtocol
from rag.web.keys import keys

__all__ = ["main"]

# In seconds, how long streams may go on when the server is asked to stop.
_GRACE = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted, or manage the keys."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["key"]:
        return keys(given[1:])
    parser = CommandParser(
        prog="python -m rag.web",
        description="Serve a web page that answers questions, an HTTP API (described at /openapi.json), an "
        "OpenAI-compatible API at /v1, and an MCP server at /mcp. Requests from other machines need a key; see "
        "`python -m rag.web key -h`.",
        examples=[
            "python -m rag.web",
            "python -m rag.web --host 0.0.0.0 --port 80",
            "python -m rag.web key add NAME --scope ask --scope search",
        ],
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", default=8000, type=_port, help="the port to listen on (default 8000)")
    return run(parser, _serve, given)


def _serve(options: argparse.Namespace) -> int:
    with _listen(options.host, options.port) as listening, Engine.open() as engine:
        shown = f"[{options.host}]" if ":" in options.host else options.host
        port = listening.getsockname()[1]
        sys.stderr.write(f"Ask at http://{shown}:{port}/ (Ctrl-C stops)\n")
        if not is_loopback(options.host) and not engine.settings.web_public:
            sys.stderr.write(
                "Requests need a key: python -m rag.web key add NAME. RAG_WEB_PUBLIC=true lets everybody ask.\n"
            )
        config = uvicorn.Config(
            create_app(engine, host=options.host),
            http=PatientProtocol,
            ws="none",
            log_level="debug" if options.debug else "warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        wrong = "--host" if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL else "--port"
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {reason}. Try another {wrong}.") from error
    # asyncio does this for the sockets that it opens; without it the second part of a reply waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return port


if __name__ == "__main__":
    raise SystemExit(main())
