"""Discord: its REST API and gateway, as its developer documentation describes them."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import WSMsgType, web

TOKEN = "bG9vcGJhY2s.loop.back"
BOT, USER, GUILD, CHANNEL = "100", "200", "300", "400"
_NOW = "2026-01-01T00:00:00.000000+00:00"
_HELLO, _HEARTBEAT, _ACKNOWLEDGED, _IDENTIFY, _RESUME, _RECONNECT = 10, 1, 11, 2, 6, 7


def user(name: str, *, is_bot: bool = False) -> dict[str, Any]:
    return {"id": name, "username": f"user{name}", "discriminator": "0", "avatar": None, "bot": is_bot}


def channel(id_: str, kind: int, **more: Any) -> dict[str, Any]:
    known = {"id": id_, "type": kind, "guild_id": GUILD, "name": "help", "position": 0, "permission_overwrites": []}
    return {**known, "topic": None, "nsfw": False, "last_message_id": None, "parent_id": None, **more}


def _thread(id_: str, parent: str, name: str) -> dict[str, Any]:
    about = {"archived": False, "auto_archive_duration": 1440, "archive_timestamp": _NOW, "locked": False}
    more = {"message_count": 0, "member_count": 1, "thread_metadata": about, "rate_limit_per_user": 0}
    return channel(id_, 11, name=name, parent_id=parent, owner_id=BOT, **more)


class DiscordServer:
    """A guild with one text channel; `calls` are the requests to the REST API."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        #: how many messages are refused with 429 first
        self.refusals = 0
        #: the ending of paths that the bot has no permission for
        self.forbidden = ""
        self.resumes = 0
        self.port = 0
        self._ids = iter(range(1000, 9999))
        self._connected = threading.Condition()
        self._sessions = 0
        self._socket: web.WebSocketResponse | None = None
        self._packer: Any = None
        self._sequence = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/gateway", self._serve_gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._serve_api)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve_gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._socket = socket
        self._packer = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        await self._write(_HELLO, {"heartbeat_interval": 41_250})
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await self._read(json.loads(message.data))
        return socket

    async def _read(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case 1:
                await self._write(_ACKNOWLEDGED, None)
            case 2:
                await self._write(0, self._ready_data(), "READY")
                await self._write(0, self._guild_data(), "GUILD_CREATE")
                self._began()
            case 6:
                self.resumes += 1
                await self._write(0, {}, "RESUMED")
                self._began()

    def _began(self) -> None:
        with self._connected:
            self._sessions += 1
            self._connected.notify_all()

    def wait_for_session(self, number: int) -> None:
        with self._connected:
            assert self._connected.wait_for(lambda: self._sessions >= number, timeout=60)

    async def _write(self, op: int, data: Any, event: str | None = None) -> None:
        if event:
            self._sequence += 1
        text = json.dumps({"op": op, "d": data, "s": self._sequence if event else None, "t": event})
        assert self._socket
        if self._packer is None:
            await self._socket.send_str(text)
        else:
            await self._socket.send_bytes(self._packer.compress(text.encode()) + self._packer.flush(zlib.Z_SYNC_FLUSH))

    def dispatch(self, event: str, data: Any) -> None:
        """Send an event to the client."""
        asyncio.run_coroutine_threadsafe(self._write(0, data, event), self._loop).result(60)

    def reconnect(self) -> None:
        """Tell the client to connect again and resume, as Discord does when a gateway is drained."""
        asyncio.run_coroutine_threadsafe(self._write(_RECONNECT, None), self._loop).result(60)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        assert self._socket
        asyncio.run_coroutine_threadsafe(self._socket.close(code=1011), self._loop).result(60)

    def open_thread(self, id_: str) -> None:
        """Tell the client of a thread that there is."""
        self.dispatch("THREAD_CREATE", _thread(id_, CHANNEL, "help"))

    def message(self, text: str, *, to: str = CHANNEL, author: str = USER, **more: Any) -> None:
        """Send a message that somebody wrote."""
        mentions = [user(BOT, is_bot=True)] if f"<@{BOT}>" in text else []
        self.dispatch("MESSAGE_CREATE", {**self._message(text, to, user(author)), "mentions": mentions, **more})

    def direct_message(self, text: str, *, to: str) -> None:
        """Send a message that somebody wrote to the bot alone."""
        message = self._message(text, to, user(USER))
        self.dispatch("MESSAGE_CREATE", {name: value for name, value in message.items() if name != "guild_id"})

    def command(self, question: str) -> None:
        """Send the slash command /ask."""
        data = {"id": "1", "name": "ask", "type": 1, "options": [{"name": "question", "type": 3, "value": question}]}
        self._interact(2, data)

    def press(self, custom_id: str, message: dict[str, Any]) -> None:
        """Press a button of a message that the bot has sent."""
        shown = {**self._message("", CHANNEL, user(BOT, is_bot=True)), "components": message["components"]}
        self._interact(3, {"component_type": 2, "custom_id": custom_id}, message=shown)

    def _interact(self, kind: int, data: dict[str, Any], **more: Any) -> None:
        member = {
            "user": user(USER),
            "roles": [],
            "joined_at": _NOW,
            "deaf": False,
            "mute": False,
            "permissions": "0",
            "flags": 0,
        }
        interaction = {
            "id": str(next(self._ids)), "application_id": BOT, "type": kind, "data": data, "token": "interaction",
            "guild_id": GUILD, "channel_id": CHANNEL, "channel": channel(CHANNEL, 0), "member": member, "version": 1,
            "app_permissions": "0", "locale": "en-US", "entitlements": [], "authorizing_integration_owners": {},
            "attachment_size_limit": 1,
        }  # fmt: skip
        self.dispatch("INTERACTION_CREATE", {**interaction, **more})

    def _message(self, text: str, to: str, author: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": str(next(self._ids)), "channel_id": to, "guild_id": GUILD, "author": author, "content": text,
            "timestamp": _NOW, "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [],
            "mention_roles": [], "attachments": [], "embeds": [], "pinned": False, "type": 0, "components": [],
        }  # fmt: skip

    def _ready_data(self) -> dict[str, Any]:
        return {
            "v": 10, "user": user(BOT, is_bot=True), "guilds": [{"id": GUILD, "unavailable": True}],
            "session_id": "session", "resume_gateway_url": self.gateway, "application": {"id": BOT, "flags": 0},
        }  # fmt: skip

    def _guild_data(self) -> dict[str, Any]:
        everyone = {"id": GUILD, "name": "@everyone", "color": 0, "hoist": False, "position": 0, "permissions": "8",
                    "managed": False, "mentionable": False}  # fmt: skip
        member = {
            "user": user(BOT, is_bot=True),
            "roles": [],
            "joined_at": _NOW,
            "deaf": False,
            "mute": False,
            "flags": 0,
        }
        return {
            "id": GUILD, "name": "guild", "owner_id": USER, "roles": [everyone], "emojis": [], "features": [],
            "channels": [channel(CHANNEL, 0)], "threads": [], "members": [member], "member_count": 2, "stickers": [],
            "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0,
            "premium_tier": 0, "nsfw_level": 0, "preferred_locale": "en-US", "system_channel_flags": 0, "large": False,
            "voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [], "joined_at": _NOW,
            "afk_timeout": 60, "unavailable": False, "icon": None, "splash": None, "discovery_splash": None,
            "afk_channel_id": None, "system_channel_id": None, "rules_channel_id": None, "description": None,
            "banner": None, "vanity_url_code": None, "public_updates_channel_id": None, "premium_progress_bar_enabled": False,
            "application_id": None, "lazy": True,
        }  # fmt: skip

    async def _serve_api(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        given = await _given(request)
        if path == "users/@me" and request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if path.endswith("/messages") and request.method == "POST" and self.refusals:
            self.refusals -= 1
            limit = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}
            return _json(limit, status=429, headers={"Retry-After": "1", "Via": "1.1 loopback"})
        self.calls.put((request.method, path, given))
        if self.forbidden and path.endswith(self.forbidden):
            return _json({"message": "Missing Permissions", "code": 50013}, status=403)
        status, reply = self._reply(request.method, path, given)
        if path.endswith("/threads"):
            await self._write(0, {**reply, "newly_created": True}, "THREAD_CREATE")
        return _json(reply, status=status) if status != 204 else web.Response(status=204)

    def _reply(self, method: str, path: str, given: Any) -> tuple[int, Any]:
        match path.split("/"):
            case ["users", "@me"]:
                return 200, user(BOT, is_bot=True)
            case ["oauth2", "applications", "@me"] | ["applications", "@me"]:
                return 200, {"id": BOT, "name": "bot", "icon": None, "description": "", "bot_public": True,
                             "bot_require_code_grant": False, "verify_key": "k", "owner": user(USER), "team": None,
                             "summary": "", "flags": 0}  # fmt: skip
            case ["applications", _, "commands"]:
                return 200, [{**one, "id": "1", "application_id": BOT, "version": "1"} for one in given]
            case ["channels", parent, "messages", message, "threads"]:
                return 201, _thread(message, parent, given["name"])
            case ["channels", to, "messages"]:
                return 200, self._message(given.get("content", ""), to, user(BOT, is_bot=True))
            case ["interactions", name, *_]:
                shown = self._message("", CHANNEL, user(BOT, is_bot=True))
                about = {"id": name, "type": 2, "response_message_id": shown["id"], "response_message_ephemeral": True}
                return 200, {"interaction": about, "resource": {"type": given["type"], "message": shown}}
            case ["webhooks", *_]:
                return 200, {
                    **self._message(given.get("content", ""), CHANNEL, user(BOT, is_bot=True)),
                    "webhook_id": BOT,
                }
            case _:
                return 404, {"message": f"no route for {method} {path}", "code": 0}

    def said(self, ending: str, method: str = "POST") -> Any:
        """Return the body of the next request to a path with this ending; others before it are dropped."""
        while True:
            name, path, given = self.calls.get(timeout=60)
            if name == method and path.endswith(ending):
                return {"path": path, **(given if isinstance(given, dict) else {"items": given})}


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a reply as Discord sends it; discord.py reads no JSON with a charset in its type."""
    return web.Response(
        body=json.dumps(value).encode(), status=status, headers=headers, content_type="application/json"
    )


async def _given(request: web.Request) -> Any:
    text = await request.text()
    return json.loads(text) if text and "json" in request.headers.get("Content-Type", "") else {}


@contextmanager
def discord_server() -> Iterator[DiscordServer]:
    server = DiscordServer()
    yield server
    server.close()
