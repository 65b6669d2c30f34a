"""Read files in a process of their own, within limits of time and memory.

Parsers can be kept busy by a file that was made for it, and Python cannot interrupt them. The operating system can: it
ends the process that reads, and only that file fails. The process is started once and reads file after file; while it
reads one, it asks here where the links of the file lead.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import subprocess
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO, Any

from rag.sources.markup.anchors import Slug
from rag.sources.markup.formats import Format, UnreadableTextError, read_text
from rag.sources.markup.markdown import Links, Text
from rag.sources.markup.process import start_reading

__all__ = ["MAX_BYTES", "LimitedReader", "send"]

#: The seconds of the processor, and the bytes of memory, that one file may take.
MAX_SECONDS = 30
MAX_BYTES = 2_000_000_000
#: Markdown up to this length, in characters, cannot keep a parser busy, and is read in this process.
_SHORT = 20_000


class LimitedReader(AbstractContextManager["LimitedReader"]):
    """Reads text files; one at a time, but `Links` may read another file to resolve a link.

    :param seconds: of the processor's time for one file
    """

    def __init__(self, *, seconds: int = MAX_SECONDS) -> None:
        self._seconds = seconds
        self._idle: list[subprocess.Popen[bytes]] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes."""
        for process in self._idle:
            _end(process)
        self._idle.clear()

    def read(self, kind: Format, source: str, links: Links, slug: Slug) -> Text:
        """Read a file; see `rag.sources.markup.formats.read_text`.

        :raises UnreadableTextError: the file breaks its parser, or takes too much time or memory
        """
        if kind in (Format.MARKDOWN, Format.MDX) and len(source) <= _SHORT:
            return read_text(kind, source, links, slug)
        process = self._idle.pop() if self._idle else start_reading("rag.sources.markup.reading_process")
        try:
            text = self._conversation(process, (kind, source, slug, self._seconds), links)
        except (EOFError, OSError):
            _end(process)
            raise UnreadableTextError(self._reason(process)) from None
        except BaseException:
            _end(process)
            raise
        self._idle.append(process)
        if isinstance(text, str):
            raise UnreadableTextError(text)
        return text

    def _conversation(self, process: subprocess.Popen[bytes], task: object, links: Links) -> Text | str:
        """Send a file, answer the questions about its links, and return its text, or why it cannot be read."""
        assert process.stdin
        assert process.stdout
        send(process.stdin, task)
        names: tuple[Any, ...] = ({}, {})
        while True:
            kind, *values = pickle.load(process.stdout)  # noqa: S301 - our own process
            match kind:
                case "text" | "error":
                    found: Text | str = values[0]
                    return found
                case "names":
                    names = tuple(values)
                case "page":
                    send(process.stdin, links.page(values[0], names[0]))
                case "image":
                    send(process.stdin, links.image(values[0]))
                case "included":
                    send(process.stdin, links.included(values[0]))
                case "named":
                    send(process.stdin, links.named(values[0], values[1], *names))

    def _reason(self, process: subprocess.Popen[bytes]) -> str:
        if process.returncode == -signal.SIGPROF:
            return f"it takes more than {self._seconds} seconds to parse"
        return "its parser takes too much memory, or fails"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def send(stream: IO[bytes], value: object) -> None:
    """Write a value to the other process."""
    pickle.dump(value, stream)
    stream.flush()
