"""How soon the first sentence of a streamed answer is shown after a language model has written it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from rag.text.sentences import sentences

__all__ = ["SlowModel", "delays", "slow_model"]

#: In seconds, between two tokens.
PACE = 0.05
_FIRST_SOURCE = re.compile(r"\[1\] [^\n]*\n\n(?P<text>.*?)(?:\n\n\[2\]|\n\nQuestion:|<</untrusted)", re.DOTALL)


class SlowModel(ThreadingHTTPServer):
    """A model server that answers with two sentences of the first source, a token every 50 ms."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        #: when the last token of the first sentence was written
        self.written = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def slow_model() -> Iterator[SlowModel]:
    """Serve during the block."""
    with SlowModel() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def delays(model: SlowModel, address: str, asked: Sequence[str]) -> list[float]:
    """Return for each question that the model answers the seconds from its first sentence to the first event."""
    found = []
    for question in asked:
        model.written = 0.0
        with httpx.stream(
            "POST",
            f"{address}/api/v1/ask",
            json={"question": question},
            headers={"Accept": "text/event-stream"},
            timeout=120,
        ) as response:
            for line in response.iter_lines():
                if line.startswith("event: text"):
                    if model.written:  # otherwise the sentence did not hold, and this is an extract
                        found.append(time.monotonic() - model.written)
                    break
    return found


class _Handler(BaseHTTPRequestHandler):
    server: SlowModel

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        source = _FIRST_SOURCE.search(str(body["messages"][-1]["content"]))
        text = source["text"].replace("\n", " ") if source else ""
        said = [sentence.strip().rstrip(".") for sentence in sentences(text) if 40 < len(sentence) < 200]
        first, second = (said + said)[:2] if said else ("NO_ANSWER", "")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for token in re.findall(r"\s*\S+", f"{first} [1]."):
                self._write(token)
            self.server.written = time.monotonic()
            for token in re.findall(r"\s*\S+", f" {second} [1]."):
                self._write(token)
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):  # the answer is not read to its end
            pass

    def _write(self, token: str) -> None:
        time.sleep(PACE)
        choice = {"index": 0, "delta": {"content": token}, "finish_reason": None}
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass
