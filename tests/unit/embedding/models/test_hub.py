"""The hub's cache on disk; nothing here may reach the network."""

import hashlib
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from rag.embedding import open_encoder
from rag.embedding.models.named import pinned_model
from rag.errors import ConfigurationError
from tests.unit.embedding.model_folders import HIDDEN, write_model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache of a machine without a network."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hf" / "hub"


def keep(hub: Path, repository: str) -> Path:
    """Put a model into the cache as the hub's client does: the snapshot links to files with other names."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / REVISION
    write_model(snapshot)
    (folder / "blobs").mkdir()
    for number, file in enumerate(sorted(file for file in snapshot.rglob("*") if file.is_file())):
        blob = folder / "blobs" / f"{number:040x}"
        file.rename(blob)
        file.symlink_to(blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    return snapshot


@pytest.mark.parametrize(("name", "repository"), [("org/small", "org/small"), ("small", "sentence-transformers/small")])
def test_a_model_in_the_cache_needs_no_network(hub: Path, tmp_path: Path, name: str, repository: str) -> None:
    snapshot = keep(hub, repository)

    encoder = open_encoder(f"hf:{name}", home=tmp_path / "home")

    assert encoder.encode_query("w9").shape == (HIDDEN,)
    assert encoder.model == pinned_model(f"hf:{name}")
    assert encoder.model.rpartition("#")[2] == pinned_model(f"local:{snapshot}").rpartition("#")[2]


def test_hf_hub_cache_precedes_hf_home(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "elsewhere", "org/small")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))

    assert open_encoder("hf:org/small", home=tmp_path).dimension == HIDDEN


def test_a_model_that_is_not_in_the_cache_is_an_error_without_a_network(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(
        ConfigurationError, match=r"hf:org/none is not in the cache .*hub and cannot be downloaded"
    ) as raised:
        open_encoder("hf:org/none", home=tmp_path)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["hf:../../etc", "hf:a/b/c", "hf:/abs", "hf:a b"])
def test_a_name_is_no_path(hub: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="a name on the hub is like"):
        open_encoder(name, home=tmp_path)


class _Hub(BaseHTTPRequestHandler):
    """The hub's endpoints for a download, for the files in `folder`."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._send(with_body=False)

    def do_GET(self) -> None:
        self._send(with_body=True)

    def _send(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        files = {file.relative_to(self.folder).as_posix(): file for file in self.folder.rglob("*") if file.is_file()}
        if path == "/api/models/org/small/revision/main":
            content = json.dumps({"id": "org/small", "sha": REVISION, "siblings": []}).encode()
        elif path == f"/api/models/org/small/tree/{REVISION}":
            tree = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": f"{number:040x}"}
                for number, (name, file) in enumerate(files.items())
            ]
            content = json.dumps(tree).encode()
        elif not path.startswith("/org/"):
            self.send_error(404)
            return
        else:
            name = path.removeprefix(f"/org/small/resolve/{REVISION}/")
            self.asked.append(name)
            content = files[name].read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_model_is_downloaded_once_and_without_pickles(hub: Path, tmp_path: Path) -> None:
    # In a process of its own, which takes seconds, because the hub's client reads its environment when it is imported.
    write_model(tmp_path / "published")
    (tmp_path / "published" / "pytorch_model.bin").write_bytes(b"a pickle")
    # The cache holds a part of the model already, for another program.
    cached = keep(hub, "org/small")
    for missing in ("tokenizer.json", "model.safetensors"):
        (cached / missing).unlink()
    handler = type("Handler", (_Hub,), {"folder": tmp_path / "published", "asked": []})
    code = (
        "import sys; from pathlib import Path; from rag.embedding import open_encoder\n"
        "for _ in range(2): print(open_encoder('hf:org/small', home=Path(sys.argv[1])).dimension)"
    )

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", code, str(tmp_path / "home")]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        server.shutdown()

    assert run.stdout.split() == [str(HIDDEN)] * 2, run.stderr
    assert "pytorch_model.bin" not in handler.asked
    assert "model.safetensors" in handler.asked
    assert open_encoder("hf:org/small", home=tmp_path).dimension == HIDDEN
