"""A folder served on loopback, as a docs site."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["served"]


@contextmanager
def served(folder: Path, *, sitemap: bool = False, remembered: Path | None = None) -> Iterator[str]:
    """Serve a folder on loopback; yield its URL.

    :param sitemap: at /sitemap.xml, list every HTML page of the folder, also those that no page links to
    :param remembered: a file that keeps the port for the next time: an index of the folder has its URLs
    """
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html")) if sitemap else []

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not (sitemap and self.path == "/sitemap.xml"):
                super().do_GET()
                return
            root = f"http://{self.headers['Host']}"
            listed = "".join(f"<url><loc>{root}/{page}</loc></url>" for page in pages)
            body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    port = int(remembered.read_text()) if remembered and remembered.exists() else 0
    with ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=str(folder))) as server:
        if remembered:
            remembered.write_text(str(server.server_address[1]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
