"""Slack: its Web API and socket mode, as docs.slack.dev describes them."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

BOT, USER, CHANNEL, TOKEN = "U0BOT", "U0ANN", "C0HELP", "xoxb-loopback"
APP_TOKEN = "xapp-loopback"


class SlackServer(ThreadingHTTPServer):
    """A workspace with one channel; `calls` are the requests to the Web API."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.calls: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.acks: queue.Queue[dict[str, Any]] = queue.Queue()
        #: how many messages are refused with 429 first
        self.refusals = 0
        self.connections = 0
        self._connected = threading.Condition()
        self._socket: ServerConnection | None = None
        self._ids = iter(range(1, 1000))
        self._sockets = serve(self._serve_socket, "127.0.0.1", 0)
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        threading.Thread(target=self._sockets.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self._sockets.socket.getsockname()[1]}/link/?ticket=1"

    def next_id(self) -> int:
        return next(self._ids)

    def _serve_socket(self, socket: ServerConnection) -> None:
        socket.send(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}))
        with self._connected:
            self._socket = socket
            self.connections += 1
            self._connected.notify_all()
        try:
            for message in socket:
                self.acks.put(json.loads(message))
        except ConnectionClosed:
            pass

    def wait_for_connection(self, number: int) -> None:
        with self._connected:
            assert self._connected.wait_for(lambda: self.connections >= number, timeout=60)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def disconnect(self) -> None:
        """Tell the client to connect anew, and close, as Slack does every few hours."""
        assert self._socket
        self._socket.send(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))
        self.hang_up()

    def send(self, kind: str, payload: dict[str, Any]) -> None:
        """Send an envelope, and wait until it is acknowledged."""
        envelope = f"envelope-{self.next_id()}"
        message = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        assert self._socket
        self._socket.send(json.dumps(message))
        assert self.acks.get(timeout=60)["envelope_id"] == envelope

    def event(self, kind: str, **event: Any) -> None:
        """Send an event of the Events API."""
        known = {"type": kind, "channel": CHANNEL, "user": USER, "channel_type": "channel", "event_ts": "1"}
        payload = {
            "token": "t",
            "team_id": "T1",
            "api_app_id": "A1",
            "type": "event_callback",
            "event_id": f"Ev{self.next_id()}",
            "event_time": 1,
            "event": {**known, **event},
            "authorizations": [{"team_id": "T1", "user_id": BOT, "is_bot": True}],
        }
        self.send("events_api", payload)

    def command(self, text: str, channel: str = CHANNEL) -> None:
        """Send the slash command /ask."""
        payload = {
            "token": "t",
            "team_id": "T1",
            "channel_id": channel,
            "user_id": USER,
            "command": "/ask",
            "text": text,
            "api_app_id": "A1",
            "response_url": f"http://127.0.0.1:{self.server_port}/respond",
            "trigger_id": "1.2",
        }
        self.send("slash_commands", payload)

    def press(self, button: dict[str, Any]) -> None:
        """Press a button of a message."""
        payload = {
            "type": "block_actions",
            "team": {"id": "T1"},
            "user": {"id": USER, "team_id": "T1"},
            "api_app_id": "A1",
            "token": "t",
            "container": {"type": "message", "message_ts": "1", "channel_id": CHANNEL},
            "channel": {"id": CHANNEL},
            "trigger_id": "1.2",
            "response_url": f"http://127.0.0.1:{self.server_port}/respond",
            "actions": [{**button, "block_id": "b", "action_ts": "1"}],
        }
        self.send("interactive", payload)

    def said(self, method: str) -> dict[str, Any]:
        """Return the arguments of the next call of a method; others before it are dropped."""
        while True:
            name, given = self.calls.get(timeout=60)
            if name == method:
                return given

    def close(self) -> None:
        self._sockets.shutdown()
        self.shutdown()
        self.server_close()


class _Api(BaseHTTPRequestHandler):
    server: SlackServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        is_json = "json" in self.headers.get("content-type", "")
        given = json.loads(body) if is_json else {name: values[-1] for name, values in parse_qs(body).items()}
        method = self.path.rpartition("/")[2]
        if method == "chat.postMessage" and self.server.refusals:
            self.server.refusals -= 1
            self._reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "1"})
            return
        if isinstance(given.get("blocks"), str):
            given["blocks"] = json.loads(given["blocks"])
        self._reply(self._result(method))
        self.server.calls.put((method, given))

    def _result(self, method: str) -> dict[str, Any]:
        match method:
            case "auth.test" if self.headers.get("authorization") != f"Bearer {TOKEN}":
                return {"ok": False, "error": "invalid_auth"}
            case "auth.test":
                return {"ok": True, "user_id": BOT, "bot_id": "B1", "team_id": "T1", "url": "https://x.slack.com/"}
            case "apps.connections.open" if self.headers.get("authorization") != f"Bearer {APP_TOKEN}":
                return {"ok": False, "error": "invalid_auth"}
            case "apps.connections.open":
                return {"ok": True, "url": self.server.socket_url}
            case "chat.getPermalink":
                return {"ok": True, "permalink": f"https://x.slack.com/archives/{CHANNEL}/p1"}
            case _:
                return {"ok": True, "ts": f"99.{self.server.next_id()}", "channel": CHANNEL}

    do_GET = do_POST  # noqa: N815 - the name that http.server calls

    def _reply(self, value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    server = SlackServer()
    yield server
    server.close()
