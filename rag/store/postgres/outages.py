"""Outages of Postgres: detected at the first failed check, and watched in the background until the server is back.

Questions wait during the first seconds of an outage, since most outages are restarts. After that they fail at once, so
that a reader gets a page that says so without waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum

import psycopg

from rag.errors import DatabaseAway, DatabaseError

__all__ = ["Outage", "Server", "state_after"]

log = logging.getLogger(__name__)

# In seconds, how long questions wait for a server that gives no sign of life: as long as a quick restart takes.
_AWAY_SECONDS = 2.5
# The same for one that starts or recovers, which it says; an embedded one is being started by this process.
_STARTING_SECONDS = 10.0
# Between two looks at the server: often at first, seldom if it stays away.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Server(Enum):
    """What a server is seen to do."""

    UP = "up"
    STARTING = "starting"
    AWAY = "away"


class Outage:
    """Whether a server is away. Safe to use from several threads.

    :param look: returns what the server does, or raises a DatabaseError that says why it is away; may start it
    :param first: what the server is taken to do until the first look has returned
    """

    def __init__(self, look: Callable[[], Server], *, first: Server) -> None:
        self._look = look
        self._first = first
        self._state = Server.UP
        self._since = 0.0
        self._changed = threading.Condition()
        self._closed = threading.Event()

    def suspect(self, since: float | None = None) -> None:
        """Watch the server in the background until it is up.

        :param since: when it should have answered, by `time.monotonic`; now if None
        """
        with self._changed:
            if self._state is not Server.UP or self._closed.is_set():
                return
            self._state, self._since = self._first, since or time.monotonic()
        threading.Thread(target=self._watch, name="outage", daemon=True).start()

    def wait(self) -> None:
        """Return at once if the server is up, else as soon as it is.

        :raises DatabaseAway: it has been away for longer than a restart takes
        """
        with self._changed:
            while self._state is not Server.UP:
                patience = _STARTING_SECONDS if self._state is Server.STARTING else _AWAY_SECONDS
                left = self._since + patience - time.monotonic()
                if left <= 0:
                    raise DatabaseAway("Postgres cannot be reached. Try again in a few seconds.")
                self._changed.wait(left)

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _watch(self) -> None:
        began, pause, said = self._since, _FIRST_PAUSE, ""
        try:
            while (reason := self._reason_away()) is not None:
                if reason != said:
                    log.warning("%s", said := reason)
                if self._closed.wait(pause):
                    return
                pause = min(pause * 2, _LONGEST_PAUSE)
            if said:
                log.warning("Postgres answers again, after %.0f s", time.monotonic() - began)
        finally:
            self._note(Server.UP)

    def _reason_away(self) -> str | None:
        """Look at the server; return why it cannot be used, for the operator, or None if it is up."""
        try:
            state, reason = self._look(), "Postgres is starting."
        except DatabaseError as error:
            state, reason = Server.AWAY, str(error)
        if state is Server.UP:
            return None
        self._note(state)
        return reason

    def _note(self, state: Server) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()


def state_after(error: psycopg.Error) -> Server:
    """Return what a server does that refused a connection by an error."""
    said = str(error)
    if "FATAL" not in said:  # the system said it, not a server
        return Server.AWAY
    # It is starting up, shutting down or in recovery; in other languages it counts as one that refuses this user.
    return Server.STARTING if "the database system is" in said else Server.UP
