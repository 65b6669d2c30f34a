"""A small server that speaks OpenAI's API on loopback: embeddings, chat completions (whole or streamed), models.

Replies follow OpenAI's published schema, errors included, so that the real client can use it. The
replies can be scripted, and the requests are recorded.

    with OpenAIServer() as server:
        server.answer = "Set pool_size [1]."
        server.fail_next(429, code="rate_limit_exceeded", headers={"retry-after-ms": "1"})
        client = openai.OpenAI(base_url=server.url, api_key=server.key)
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """A request of a client."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A scripted reply: a dict is sent as JSON, a string unchanged."""

    status: int
    body: dict[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class OpenAIServer:
    """Serves during the `with` block.

    :param dimension: of its embeddings, which are unit vectors that depend only on the text
    :param models: the known models; another model gets a 404 as from OpenAI. None: every model is known.
    """

    key = "sk-test"

    def __init__(self, *, dimension: int = 8, models: set[str] | None = None) -> None:
        self.dimension = dimension
        self.models = models
        #: the reply of the assistant, or a function that makes it from the messages
        self.answer: str | Callable[[Messages], str] = "Yes."
        self.requests: list[Request] = []
        self._script: deque[Reply | Iterator[dict[str, Any]]] = deque()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """The base URL, as OPENAI_BASE_URL takes it."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def reply_next(self, *replies: Reply) -> None:
        """Send these replies to the next requests."""
        self._script.extend(replies)

    def stream_next(self, chunks: Iterator[dict[str, Any]]) -> None:
        """Stream these chunks to the next request, each as soon as it is there."""
        self._script.append(chunks)

    def fail_next(
        self,
        status: int,
        *,
        code: str | None = None,
        message: str = "It failed as scripted.",
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Reply to the next requests with an error in OpenAI's format."""
        self.reply_next(*[Reply(status, error_body(message, code), headers or {}, delay)] * times)

    def inputs(self) -> list[str]:
        """Every text of the requests for embeddings, in order."""
        return [text for request in self.requests if "input" in request.body for text in _texts(request.body)]

    def vector(self, text: str) -> list[float]:
        """Return this server's embedding of a text."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        values = np.random.default_rng(seed).normal(size=self.dimension)
        return [float(value) for value in (values / np.linalg.norm(values)).astype(np.float32)]

    def handle(self, request: Request) -> Reply | Iterator[dict[str, Any]]:
        """Make the reply to one request; an iterator is streamed as server-sent events."""
        with self._lock:
            self.requests.append(request)
            scripted = self._script.popleft() if self._script else None
        if scripted:
            return scripted
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Reply(401, error_body("Incorrect API key provided.", "invalid_api_key"))
        match request.method, request.path:
            case "GET", "/v1/models":
                entries = [_model(name) for name in sorted(self.models or ())]
                return Reply(200, {"object": "list", "data": entries})
            case "POST", "/v1/embeddings" | "/v1/chat/completions":
                name = request.body.get("model")
                if self.models is not None and name not in self.models:
                    message = f"The model `{name}` does not exist or you do not have access to it."
                    return Reply(404, error_body(message, "model_not_found"))
                return self._embed(request.body) if request.path.endswith("embeddings") else self._chat(request.body)
        return Reply(404, error_body(f"Invalid URL ({request.method} {request.path})", None))

    def _embed(self, body: dict[str, Any]) -> Reply:
        texts = _texts(body)
        if not texts or not all(texts) or len(texts) > 2048:
            return Reply(400, error_body("'$.input' is invalid.", None))
        as_base64 = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(self.vector(text)) if as_base64 else self.vector(text),
            }
            for index, text in enumerate(texts)
        ]
        tokens = sum(_count(text) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Reply(200, {"object": "list", "data": data, "model": body["model"], "usage": usage})

    def _chat(self, body: dict[str, Any]) -> Reply | Iterator[dict[str, Any]]:
        text = self.answer if isinstance(self.answer, str) else self.answer(body["messages"])
        prompt = sum(_count(str(message.get("content"))) for message in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": _count(text), "total_tokens": prompt + _count(text)}
        if body.get("stream"):
            wants_usage = (body.get("stream_options") or {}).get("include_usage", False)
            return _chunks(body["model"], text, usage if wants_usage else None)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return Reply(200, _completion("chat.completion", body["model"], [choice]) | {"usage": usage})


def error_body(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """Return an error in OpenAI's format."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _chunks(model: str, text: str, usage: dict[str, int] | None) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _completion("chat.completion.chunk", model, [choice])

    yield chunk({"role": "assistant", "content": ""})
    for part in re.findall(r"\s*\S+\s*$|\s*\S+", text):
        yield chunk({"content": part})
    yield chunk({}, "stop")
    if usage is not None:
        yield _completion("chat.completion.chunk", model, []) | {"usage": usage}


def _completion(kind: str, model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-test", "object": kind, "created": 1_700_000_000, "model": model, "choices": choices}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "test"}


def _texts(body: dict[str, Any]) -> list[str]:
    given = body.get("input", [])
    return [given] if isinstance(given, str) else given


def _base64(vector: list[float]) -> str:
    return base64.b64encode(np.array(vector, "<f4").tobytes()).decode()


def _count(text: str) -> int:
    return len(text.split())


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    # HTTP/1.0, the default, closes the connection after each request, so that none stays open after a test.
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, body: dict[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.handle(Request(self.command, self.path, headers, body))
            # In tests of timeouts the client closes the connection.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._send(reply) if isinstance(reply, Reply) else self._stream(reply)

        def _send(self, reply: Reply) -> None:
            time.sleep(reply.delay)
            content = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body
            self.send_response(reply.status)
            self.send_header("content-type", "application/json")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        def _stream(self, events: Iterator[dict[str, Any]]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for event in events:
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")

    return Handler
