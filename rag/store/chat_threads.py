"""Chat threads: which conversation of the answer log a thread of Slack or Discord is."""

from __future__ import annotations

from uuid import UUID

from rag.store.statements import Reads

__all__ = ["ChatThreads"]


class ChatThreads(Reads):
    """The known chat threads, by place: the platform and its ids."""

    def at(self, place: str) -> UUID | None:
        """Return the conversation of a chat thread; None if nothing was answered in it."""
        rows = self._rows("thread_at", {"place": place})
        return rows[0][0] if rows else None

    def keep(self, place: str, thread: UUID, link: str | None, *, days: int) -> None:
        """Keep the conversation of a chat thread, and forget those that have expired.

        :param link: opens the chat thread
        :param days: how long answers are kept
        """
        self._change("keep_thread", {"place": place, "thread": thread, "link": link, "days": days})
