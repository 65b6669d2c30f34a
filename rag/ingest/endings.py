"""How a sync ended, in a sentence, whatever ended it."""

from __future__ import annotations

import errno

from rag.errors import RagError, SourceError, SourceUnavailable
from rag.text.lines import one_line
from rag.trust.urls import shown_in

__all__ = ["told_as_error"]

_SPACE = (errno.ENOSPC, errno.EDQUOT)


def told_as_error(error: Exception, source: str) -> RagError:
    """Return an error of this package for whatever ended the sync of a source: the error itself if it is one.

    The message shows no secret of an address, wherever the address comes from.
    """
    if isinstance(error, RagError):
        error.args = (shown_in(str(error)),)
        return error
    if isinstance(error, OSError) and error.errno in _SPACE:
        return SourceUnavailable(f"{source}: the disk is full{_at(error)}. Free some space, then sync again.")
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return SourceError(
            f"{source}: the disk is read-only{_at(error)}. Set RAG_HOME to a folder that can be written."
        )
    if isinstance(error, PermissionError):
        return SourceError(f"{source}: the folder is not writable{_at(error)}. Check its owner and its mode.")
    if isinstance(error, MemoryError):
        return SourceUnavailable(f"{source}: out of memory. Give the process more memory, then sync again.")
    said = shown_in(one_line(error)).rstrip(".") or "no message"
    return SourceError(f"{source}: an error of this program ended the sync: {type(error).__name__}: {said}.")


def _at(error: OSError) -> str:
    return f" at {error.filename}" if error.filename else ""
