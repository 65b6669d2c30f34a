"""The process that reads files for `rag.sources.markup.limited`: from standard input to standard output."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
from collections.abc import Mapping
from typing import IO, Any

from rag.sources.markup.formats import UnreadableTextError, read_text
from rag.sources.markup.limited import MAX_BYTES, send
from rag.sources.markup.markdown import Links, Named

__all__: list[str] = []


class _RemoteLinks(Links):
    """Asks the process that started this one."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._known: tuple[int, int] = (0, 0)

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        self._tell(anchors, {})
        found: str | None = self._ask("page", target)
        return found

    def image(self, target: str) -> str | None:
        found: str | None = self._ask("image", target)
        return found

    def included(self, target: str) -> str | None:
        found: str | None = self._ask("included", target)
        return found

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        self._tell(anchors, labels)
        found: Named | None = self._ask("named", kind, name)
        return found

    def _tell(self, anchors: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """Send the anchors and labels of the file, which are asked for again and again, if they are new."""
        known = (len(anchors), len(labels) or self._known[1])
        if known != self._known:
            self._known = known
            send(self._writer, ("names", dict(anchors), dict(labels)))

    def _ask(self, *question: str) -> Any:  # noqa: ANN401 - as `Links` says
        send(self._writer, question)
        return pickle.load(self._reader)  # noqa: S301 - the process that started this one


def main() -> None:
    """Read files until the standard input ends; the system ends this process when one takes too long."""
    reader = sys.stdin.buffer
    writer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a parser prints is not an answer
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    while True:
        try:
            kind, source, slug, seconds = pickle.load(reader)  # noqa: S301 - the process that started this one
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer: tuple[str, object] = ("text", read_text(kind, source, _RemoteLinks(reader, writer), slug))
        except UnreadableTextError as error:
            answer = ("error", str(error))
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(writer, answer)


if __name__ == "__main__":
    main()
