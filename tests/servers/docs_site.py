"""A docs site on loopback with scripted replies: pages, validators, redirects and faults."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True)
class Reply:
    """The reply of a path. `body` may be a function that yields parts, even without end."""

    body: bytes | Callable[[], Iterator[bytes]] = b""
    status: int = 200
    content_type: str | None = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    etag: bool = True
    last_modified: float | None = None
    #: close the connection instead of answering
    drop: bool = False
    #: seconds before the first byte
    wait: float = 0.0


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]


class DocsSite:
    """Serve pages by path.

    with DocsSite() as site:
        site.put("/docs/index.html", html("Start", links=["a.html"]))
        site.fail("/docs/a.html", 503, times=2)
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.requests: list[Request] = []
        #: the maximum of concurrent requests
        self.busiest = 0
        self._under_way = 0
        self._counting = threading.Lock()
        self._faults: dict[str, deque[Reply]] = defaultdict(deque)
        self._markdown: dict[str, Reply] = {}
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> DocsSite:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def put(self, path: str, body: str | bytes | Callable[[], Iterator[bytes]] = b"", **reply: object) -> None:
        """Reply to `path` with a page."""
        self.replies[path] = Reply(body.encode() if isinstance(body, str) else body, **reply)  # type: ignore[arg-type]

    def negotiate(self, path: str, markdown: str) -> None:
        """Reply to `path` with Markdown if the request accepts it."""
        self._markdown[path] = Reply(markdown.encode(), content_type="text/markdown")

    def redirect(self, path: str, to: str, status: int = 301) -> None:
        self.replies[path] = Reply(status=status, headers={"Location": to})

    def remove(self, path: str) -> None:
        del self.replies[path]

    def fail(self, path: str, fault: int | Reply, times: int = 1) -> None:
        """Let the next requests for `path` fail with a status or a given reply."""
        reply = Reply(b"<p>Sorry", status=fault) if isinstance(fault, int) else fault
        self._faults[path].extend([reply] * times)

    def stop_failing(self) -> None:
        self._faults.clear()

    def requests_for(self, path: str) -> list[Request]:
        """The requests for `path`."""
        return [request for request in self.requests if request.path == path]

    def requested_pages(self) -> list[str]:
        """The requested paths, without robots.txt and requests for Markdown."""
        return [
            request.path
            for request in self.requests
            if request.path != "/robots.txt"
            and not request.path.endswith(".md")
            and not request.headers["accept"].startswith("text/markdown")
        ]

    def forget_requests(self) -> None:
        self.requests.clear()
        self.busiest = 0

    def drip(self, part: bytes, pause: float) -> Callable[[], Iterator[bytes]]:
        """Return an endless body: it repeats a part, with pauses in seconds, until the site stops."""

        def parts() -> Iterator[bytes]:
            while not self._stopped.is_set():
                yield part
                if pause:
                    self._stopped.wait(pause)

        return parts

    def _reply(self, path: str, accept: str) -> Reply:
        if accept.startswith("text/markdown") and path in self._markdown:
            return self._markdown[path]
        if self._faults[path]:
            return self._faults[path].popleft()
        missing = Reply(b"<h1>Not found</h1>", status=404)
        return self.replies.get(path, missing)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def do_GET(self) -> None:
                site.requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}))
                with site._counting:
                    site._under_way += 1
                    site.busiest = max(site.busiest, site._under_way)
                try:
                    self._answer(site._reply(self.path, self.headers.get("Accept", "")))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with site._counting:
                        site._under_way -= 1

            def _answer(self, reply: Reply) -> None:
                if reply.wait:
                    site._stopped.wait(reply.wait)
                if reply.drop:
                    self.close_connection = True
                    return
                endless = callable(reply.body)
                body = b"" if callable(reply.body) else reply.body
                etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if reply.etag and not endless else None
                modified = formatdate(reply.last_modified, usegmt=True) if reply.last_modified else None
                known = self.headers.get("If-None-Match")
                fresh = known == etag if known else self.headers.get("If-Modified-Since") == modified
                unchanged = reply.status == 200 and fresh and (known or self.headers.get("If-Modified-Since"))
                self.send_response(304 if unchanged else reply.status)
                if etag and reply.status == 200:
                    self.send_header("ETag", etag)
                if modified:
                    self.send_header("Last-Modified", modified)
                if reply.content_type and not unchanged:
                    self.send_header("Content-Type", reply.content_type)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if callable(reply.body):
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for part in reply.body():
                        self.wfile.write(part)
                    self.close_connection = True
                    return
                if not unchanged and "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if not unchanged:
                    self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


def html(title: str, text: str = "", *, links: tuple[str, ...] | list[str] = (), head: str = "") -> str:
    """Return a small page: a heading, a paragraph and links in a navigation."""
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body><nav>{anchors}</nav>"
        f"<main><h1>{title}</h1><p>{text or f'All about {title}.'}</p></main></body></html>"
    )


def now() -> float:
    return time.time()
