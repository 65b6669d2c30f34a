"""TLS and HTTP/2, with a real server that speaks both."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import SourceError, SourceUnavailable
from rag.settings import DocsConfig
from rag.sources import Changed
from rag.sources.docs import DocsSource, Limits
from rag.store.store import Store
from tests.processes import wait_for
from tests.servers.certificates import certificate

LIMITS = Limits(backoff=0.01, timeout=5.0, deadline=10.0, attempts=2)
APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    found = scope["path"].startswith("/docs/")
    links = "<nav><a href='a.html'>a</a><a href='b.html'>b</a></nav>"
    main = f"<main><h1>T</h1><p>Read over HTTP/{scope['http_version']}.</p></main>"
    body = f"<title>T</title>{links}{main}".encode()
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def days() -> int:
    """The days for which the certificate is valid, starting thirty days ago."""
    return 60


@pytest.fixture
def secure_site(tmp_path: Path, days: int) -> Iterator[str]:
    """The address of a site that speaks HTTP/2 over TLS."""
    (tmp_path / "app.py").write_text(APP)
    made, key = certificate(tmp_path, days=days)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Without workers of its own, hypercorn is one process, which leaves no other behind when it is killed.
    command = [sys.executable, "-m", "hypercorn", "--workers", "0", "--certfile", str(made), "--keyfile", str(key)]
    server = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "app:app"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: listens(port), seconds=240, else_show=lambda: "hypercorn does not listen")
        yield f"https://127.0.0.1:{port}/docs/index.html"
    finally:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def documents(url: str, store: Store) -> list[str]:
    store.sources.register("site", "docs")
    changes = DocsSource(DocsConfig(name="site", url=url), store, limits=LIMITS).changes(full=False)
    return [change.document.text for change in changes if isinstance(change, Changed)]


def test_pages_are_read_over_http_2(
    secure_site: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert documents(secure_site, store) == ["# T\n\nRead over HTTP/2."] * 3


def test_the_error_names_an_untrusted_certificate(secure_site: str, store: Store) -> None:
    with pytest.raises(SourceError, match="certificate is not valid: self-signed certificate") as raised:
        documents(secure_site, store)
    assert not isinstance(raised.value, SourceUnavailable)


@pytest.mark.parametrize("days", [10])
def test_the_error_names_an_expired_certificate(
    secure_site: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with pytest.raises(SourceError, match="certificate is not valid: certificate has expired"):
        documents(secure_site, store)
