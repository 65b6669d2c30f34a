"""Log lines and tracebacks without secrets, whichever package writes them.

Clients of HTTP log the address of each request, and errors quote it. What is masked where it is raised covers this
package only, so a line is masked once more when it is made into text, for every logger and every handler.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from rag.trust.urls import shown_in

__all__ = ["mask_logs"]


def mask_logs() -> None:
    """Mask the secrets in all log lines of this process, and in the traceback of an error that ends it."""
    logging.setLogRecordFactory(_MaskedRecord)
    sys.excepthook = _print_masked


class _MaskedRecord(logging.LogRecord):
    """A log record whose message and traceback have no secrets."""

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """Return the message."""
        return shown_in(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The traceback, once a formatter has written it; in `logging` it is an attribute."""
        return self._traceback

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._traceback = shown_in(text) if text else text


def _print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(shown_in("".join(traceback.format_exception(kind, error, trace))))
