"""Postgres's errors as sentences, told apart by whose fault they are: the data, the connection, or the database."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout, TooManyRequests

from rag.errors import DatabaseAway, DatabaseError, DatabaseUnavailable, Unstorable
from rag.store.postgres.deadlines import Deadlines
from rag.text.lines import one_line

__all__ = ["MOST_SECONDS", "answered_in_time", "storable_values", "told", "translated"]

#: The longest that a read may take.
MOST_SECONDS = 30.0

# Classes of SQLSTATE, see https://www.postgresql.org/docs/current/errcodes-appendix.html: what is wrong with one value,
# row or text, and not with the database. P0 are errors that a trigger or a function raises; XX000 is also "invalid
# memory alloc request size", which one huge text causes.
_OF_DATA = ("21", "22", "23", "44", "54", "P0", "XX000")
_CONNECTION = ("08", "57P")
# Two transactions met; the next attempt has other luck.
_PASSING = ("40", "55P03")
_HINTS = {
    "53100": "its disk is full. Free some space, then run the command again",
    "53200": "it is out of memory. Give it more, or lower its work_mem",
    "53300": "it has no connection left. Raise its max_connections, or end other programs",
    "25006": "it is read-only. Use the address of the primary server",
    "42501": "the role may not do this. Grant it the tables, or use the role that made them",
}


_deadlines = Deadlines()


@contextmanager
def translated() -> Iterator[None]:
    """Raise Postgres's errors as errors of this package.

    :raises Unstorable: the data is at fault; other data can be stored
    :raises DatabaseUnavailable: the connection was lost
    :raises DatabaseAway: no connection could be had in time
    :raises DatabaseError: the database cannot do it
    """
    try:
        yield
    except psycopg.Error as error:
        raise told(error) from error


@contextmanager
def storable_values() -> Iterator[None]:
    """Raise the driver's errors for values that no type of Postgres can hold, such as a lone surrogate.

    :raises Unstorable: there is such a value
    """
    try:
        yield
    except (UnicodeError, OverflowError, RecursionError) as error:
        raise Unstorable(f"It cannot be stored: {one_line(error)}.") from error


@contextmanager
def answered_in_time(connection: psycopg.Connection[TupleRow], seconds: float = MOST_SECONDS) -> Iterator[None]:
    """Give up a query that is not answered in time, even if the server has stopped or the network is gone.

    :raises DatabaseError: the time is over; the connection is closed
    """
    # A socket of its own, since the connection's must not be closed under libpq.
    line = socket.socket(fileno=os.dup(connection.fileno()))
    late = threading.Event()

    def give_up() -> None:
        late.set()
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    try:
        with _deadlines.within(seconds, give_up):
            yield
    except psycopg.OperationalError as error:
        if late.is_set():
            raise DatabaseError(
                f"The database has not answered within {seconds:.0f} seconds. Try again later."
            ) from error
        raise
    finally:
        line.close()


def told(error: psycopg.Error) -> DatabaseError:
    """Return the error of this package for one of Postgres's."""
    # The primary message alone: the detail shows the row, with whatever text is in it.
    state, reason = error.sqlstate or "", one_line(error.diag.message_primary or error).rstrip(".")
    if isinstance(error, PoolTimeout | TooManyRequests):
        return DatabaseAway("The database did not answer in time: no connection to it became free. Try again.")
    if state in _HINTS:
        return DatabaseError(f"The database refused: {_HINTS[state]}. It says: {reason}.")
    if state.startswith(_PASSING):
        return DatabaseUnavailable(f"The database was busy: {reason}. Try again.")
    if state.startswith(_CONNECTION) or (not state and isinstance(error, psycopg.OperationalError)):
        return DatabaseUnavailable(f"The connection to the database was lost: {reason}. Try again.")
    if state.startswith(_OF_DATA) or (not state and isinstance(error, psycopg.DataError)):
        return Unstorable(f"The database refused it: {reason}.")
    return DatabaseError(f"The database refused: {reason}.")
