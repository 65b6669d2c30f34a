"""The Prefect API that a command talks to: the one that is configured, or one of its own for as long as it runs.

    server = ServerProcess()        # boots while this process goes on importing
    with server, connected(server):
        ...                         # flow runs go to it

Prefect would start a temporary server by itself. This one boots in half the time, because only one process has to
import it, and is stopped only after the last state and log line has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

import httpx
from rich.console import Console

from rag.errors import ConfigurationError, RagError

__all__ = ["ServerProcess", "connected", "free_port", "log_to", "wanted_server"]

_HOST = "127.0.0.1"
_APP = "prefect.server.api.server:create_app"
# The first start in a new PREFECT_HOME runs every migration of Prefect's: 5 to 30 s, by the machine.
_START_TIMEOUT = 180
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_PROBE_TIMEOUT = 5
# What the server last said on stderr, for the message that it does not start.
_LINES_KEPT = 20
# Once in some twenty first runs a request to a new server on SQLite gets no reply. Prefect asks again, after 60 s by
# default; on loopback, where an answer takes milliseconds, there is no reason to wait so long.
_REQUEST_TIMEOUT_SECONDS = 10.0
# Who logs for Prefect; its queues, which tell how much is left to send at the end, are called as their classes.
_PREFECTS_OWN = ("prefect", "httpx", "uvicorn", "EventsWorker", "APILogWorker")


class ServerProcess:
    """A Prefect server on loopback, as a child process. It is booting when the constructor returns.

    :param ui: serve Prefect's web pages as well, and fire schedules
    :param port: 0 takes a free one
    """

    def __init__(self, *, ui: bool = False, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://{_HOST}:{self.port}"
        self.api_url = f"{self.url}/api"
        command = (
            ["prefect", "server", "start", "--host", _HOST, "--port", str(self.port), "--log-level", "ERROR"]
            if ui
            else ["uvicorn", "--factory", _APP, "--host", _HOST, "--port", str(self.port), "--log-level", "error"]
        )
        environment = {**os.environ, "PREFECT__SERVER_FINAL": "1"}
        if ui:
            # Its pages would ask port 4200, whichever it listens on; and it would keep runs and their logs for ever.
            environment["PREFECT_UI_API_URL"] = self.api_url
            environment.setdefault("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs")
            # In memory, Prefect's default, a restart forgets who holds slots, and they stay taken.
            environment.setdefault("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", _LEASES)
        else:
            environment |= {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_UI_ENABLED": "0"}
        # A session of its own: Ctrl-C has to reach us alone, for the last states to be recorded.
        self._process = subprocess.Popen(  # noqa: S603 - nothing of a user's is in the command
            [sys.executable, "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)
        # Read all the while: a pipe that is full would stop a server that runs for weeks.
        self._reader = threading.Thread(target=self._read, name="server's errors", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            self._said.extend(line.decode(errors="replace").rstrip() for line in lines if line.strip())

    def wait(self, timeout: float = _START_TIMEOUT) -> None:
        """Wait until the API answers.

        :raises RagError: the server has ended, or does not answer in time
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._reader.join(timeout=5)
                last = self._said[-1] if self._said else "it says nothing"
                raise RagError(f"Prefect's server does not start: {last}")
            if _answers(self.api_url, timeout=1):
                return
            time.sleep(0.05)
        raise RagError(f"Prefect's server on {self.url} has not answered within {timeout:.0f} seconds.")

    def stop(self) -> None:
        """Stop the server; more than once does no harm."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()


def wanted_server(
    start: Callable[[], ServerProcess] | None = None, *, workers_of: str | None = None
) -> ServerProcess | None:
    """Start a server if none is configured, by the environment or a Prefect profile.

    :param start: starts it; a small one on a free port if None
    :param workers_of: the setting that asks for workers, which no server of our own has
    :raises ConfigurationError: none is configured, and workers are asked for
    :raises RagError: one is configured and does not answer
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if url is None:
        if workers_of:
            raise ConfigurationError(f"{workers_of} is workers: set PREFECT_API_URL to the server that they work for.")
        return (start or ServerProcess)()
    if not _answers(url, timeout=_PROBE_TIMEOUT):
        raise RagError(f"Prefect's API does not answer at {url}. Start it, or unset PREFECT_API_URL to do without.")
    return None


@contextmanager
def connected(server: ServerProcess | None) -> Iterator[None]:
    """Send flow runs to a server that is booting; without one, to the API that is configured.

    :raises RagError: the server does not start
    """
    if server is None:
        yield
        return
    with _terminable():
        server.wait()
        from prefect.exceptions import TerminationSignal

        with _settings(PREFECT_API_URL=server.api_url, PREFECT_API_REQUEST_TIMEOUT=str(_REQUEST_TIMEOUT_SECONDS)):
            from flows.prefect.limits import free_slots

            asyncio.run(free_slots())
            try:
                yield
            except TerminationSignal as terminated:
                # Prefect's own, while a flow runs: by now the run's state is recorded.
                raise SystemExit(128 + signal.SIGTERM) from terminated
            finally:
                _deliver()


def log_to(console: Console, *, debug: bool) -> None:
    """Write log lines to a console, and Prefect's own only if `debug`; the API gets them all the same."""
    handler = _ConsoleHandler(console)
    if not debug:
        handler.addFilter(lambda record: not record.name.startswith(_PREFECTS_OWN))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.WARNING, force=True)


def free_port(*wanted: int) -> int:
    """Return the first of the wanted loopback ports that is free, else any that is."""
    for port in (*wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RagError("No loopback port is free.")


class _ConsoleHandler(logging.Handler):
    """Logs through rich, which keeps lines clear of a progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def _answers(api_url: str, *, timeout: float) -> bool:
    try:
        response = httpx.get(f"{api_url}/health", timeout=timeout)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    # One that asks for credentials first is up: Prefect's client brings them.
    return response.status_code < 500 and response.status_code != 404


@contextmanager
def _settings(**values: str) -> Iterator[None]:
    """Set settings of Prefect's for the whole process.

    Not `temporary_settings`, which hold for one context: the threads that take slots of a concurrency limit have
    another, would find no server there, and would start one.
    """
    from prefect.context import refresh_global_settings_context

    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    refresh_global_settings_context()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        refresh_global_settings_context()


@contextmanager
def _terminable() -> Iterator[None]:
    """Unwind on SIGTERM as on Ctrl-C, so that what was started is stopped."""

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _deliver() -> None:
    """Wait until Prefect's threads have sent what they hold: log lines, and the states of tasks."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    with contextlib.suppress(RuntimeError):  # nothing was logged
        APILogWorker.instance().drain()
    EventsWorker.drain_all(timeout=10)
