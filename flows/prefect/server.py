"""The Prefect API of a command: the configured one, or a temporary server that ends with the command.

    server = ServerProcess()        # starts while this process goes on importing
    with server, connected(server):
        ...                         # flow runs are recorded there

Prefect itself would start a temporary server, too. This one starts in half the time, because it is imported by one
process instead of two and finds a migrated database, and it stops only after the last state and log line has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import httpx
from rich.console import Console

from flows.prefect.schema import create_database
from rag.errors import ConfigurationError, RagError, reason_of
from rag.text.lines import one_line

__all__ = ["GONE", "ServerProcess", "connected", "free_port", "log_to", "wanted_server"]

#: What is said where Prefect's client gives up.
GONE = "Prefect's API did not answer: its server has ended, or the machine is too busy. Run the command again."

_HOST = "127.0.0.1"
_CHILD = Path(__file__).with_name("child.py")
_GUARDED = "flows.prefect.guarded"
# A start that has to migrate an older database takes up to 30 s on a small machine.
_START_TIMEOUT = 180
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_PROBE_TIMEOUT = 5
# The last lines of the server's stderr, for the error message if it does not start.
_LINES_KEPT = 20
# About one in twenty first runs gets no reply to a request to a new server on SQLite. Prefect repeats the request after
# 60 s by default; a reply on loopback takes milliseconds.
_REQUEST_TIMEOUT_SECONDS = 10.0
# The last line of a traceback.
_RAISED = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b: ")
# Prefect's loggers; the queues, which log at the end how much is left to send, are named after their classes.
_PREFECTS_OWN = ("prefect", "httpx", "uvicorn", "EventsWorker", "APILogWorker")


class ServerProcess:
    """A Prefect server on loopback, as a child process. It is starting when the constructor returns.

    It ends with this process, even if this process is killed.

    :param ui: serve Prefect's web pages as well, and start scheduled runs
    :param port: 0 takes a free one
    """

    def __init__(self, *, ui: bool = False, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://{_HOST}:{self.port}"
        self.api_url = f"{self.url}/api"
        start = [_GUARDED, "server", "start"] if ui else ["uvicorn", "--factory", f"{_GUARDED}:create_app"]
        level = "ERROR" if ui else "error"
        command = [*start, "--host", _HOST, "--port", str(self.port), "--log-level", level]
        environment = {**os.environ, "PREFECT__SERVER_FINAL": "1"}
        # By default a page of any website could list the runs, start some and read their answers through the reader's
        # browser.
        environment.setdefault("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", f"{self.url},http://localhost:{self.port}")
        if ui:
            # By default its pages send requests to port 4200, and runs and logs are kept for ever.
            environment["PREFECT_UI_API_URL"] = self.api_url
            environment.setdefault("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs")
            # In memory, Prefect's default, leases are lost in a restart, and their slots are never released.
            environment.setdefault("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", _LEASES)
        else:
            # Block types are for forms in the UI, which this server does not have.
            environment |= {
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT_UI_ENABLED": "0",
                "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
            }
        _prepare_home(environment)
        # Its own session: Ctrl-C must not reach the server before the last states are recorded. Its stdin is a pipe
        # that the operating system closes when this process ends.
        self._process = subprocess.Popen(  # noqa: S603 - nothing of a user's is in the command
            [sys.executable, "-P", str(_CHILD), *command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)
        # Read continuously: a full pipe would block a server that runs for weeks.
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
                raise RagError(f"Prefect's server does not start: {_reason(self._said)}")
            if self._is_healthy():
                return
            time.sleep(0.05)
        raise RagError(f"Prefect's server on {self.url} has not answered within {timeout:.0f} seconds.")

    def _is_healthy(self) -> bool:
        """Return whether the API answers; httpx would take 20 ms of the CPU that the server needs to start."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the server, unless it is stopped."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()
        self._reader.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()


def wanted_server(start: Callable[[], ServerProcess] | None = None, *, run_on: str = "threads") -> ServerProcess | None:
    """Start a server if the environment and Prefect's profile configure none.

    :param start: starts the server; by default a server without UI on a free port
    :param run_on: RAG_RUN_ON; a temporary server has no workers
    :raises ConfigurationError: no server is configured, and `run_on` is "workers"
    :raises RagError: the configured server does not answer
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if url is None:
        if run_on == "workers":
            raise ConfigurationError("RAG_RUN_ON is workers: set PREFECT_API_URL to the server of the workers.")
        return (start or ServerProcess)()
    if not _answers(url, timeout=_PROBE_TIMEOUT):
        raise RagError(
            f"Prefect's API does not answer at {url}. Start it, or unset PREFECT_API_URL to use a temporary one."
        )
    return None


@contextmanager
def connected(server: ServerProcess | None) -> Iterator[None]:
    """Record flow runs in a server that is starting; if it is None, in the configured API.

    :raises RagError: the server does not start, or does not answer any more
    """
    try:
        with _temporary(server) if server else contextlib.nullcontext():
            yield
    except httpx.TransportError as error:  # after a minute of attempts
        raise RagError(GONE) from error


@contextmanager
def _temporary(server: ServerProcess) -> Iterator[None]:
    with _terminable():
        server.wait()
        from prefect.exceptions import TerminationSignal

        with _settings(PREFECT_API_URL=server.api_url, PREFECT_API_REQUEST_TIMEOUT=str(_REQUEST_TIMEOUT_SECONDS)):
            from flows.prefect.limits import free_slots

            asyncio.run(free_slots())
            try:
                yield
            except TerminationSignal as terminated:
                # Raised by Prefect while a flow runs, after it has recorded the run's state.
                raise SystemExit(128 + signal.SIGTERM) from terminated
            finally:
                _deliver()


def log_to(console: Console, *, debug: bool) -> None:
    """Write log lines to a console, including Prefect's if `debug`; Prefect's API gets them in any case."""
    handler = _ConsoleHandler(console)
    if not debug:
        handler.addFilter(lambda record: not record.name.startswith(_PREFECTS_OWN))
        # Prefect writes to stderr each line that it cannot send to its API.
        logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.WARNING, force=True)


def free_port(*wanted: int) -> int:
    """Return the first free port of `wanted` on loopback, or any free one."""
    for port in (*wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RagError("No loopback port is free.")


def _prepare_home(environment: Mapping[str, str]) -> None:
    """Give a new Prefect home its database, unless the environment or a profile may name another database."""
    home = Path(environment.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    is_configured = any(name.startswith("PREFECT_") and "DATABASE_" in name for name in environment)
    if not is_configured and not (home / "profiles.toml").exists():
        try:
            create_database(home)
        except (OSError, sqlite3.Error) as error:
            raise RagError(
                f"Prefect's database in {home} cannot be made: {one_line(reason_of(error))}. Check PREFECT_HOME."
            ) from error


def _reason(said: Sequence[str]) -> str:
    """Return the line in which a server that ended told why; the last ones only say that it ends."""
    errors = [line for line in said if _RAISED.match(line)]
    return (errors or said or ["it has written no error"])[-1]


class _ConsoleHandler(logging.Handler):
    """Logs through rich, which writes lines above a progress bar."""

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
    # A server that requires credentials is up: Prefect's client sends them.
    return response.status_code < 500 and response.status_code != 404


@contextmanager
def _settings(**values: str) -> Iterator[None]:
    """Set Prefect settings for the whole process.

    Prefect's `temporary_settings` hold for one context; threads that acquire slots of a concurrency limit have another
    one, in which Prefect would find no server and start one.
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
    """Unwind the stack on SIGTERM as on Ctrl-C, so that child processes are stopped."""

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _deliver() -> None:
    """Wait until Prefect's threads have sent their queues: log lines and the states of tasks."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    with contextlib.suppress(RuntimeError):  # nothing was logged
        APILogWorker.instance().drain()
    EventsWorker.drain_all(timeout=10)
