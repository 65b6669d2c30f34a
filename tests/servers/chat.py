"""A chat's webhook on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Chat"]


class Chat:
    """Keeps the texts that it accepted; replies with `status`, after `failures` replies of 503."""

    def __init__(self) -> None:
        chat, self.status = self, 200
        self.texts: list[str] = []
        self.failures = self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                chat.requests += 1
                status = 503 if chat.requests <= chat.failures else chat.status
                if status == 200:
                    chat.texts.append(body["text"])
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/secret"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
