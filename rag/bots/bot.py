"""What the bots of all chats share: which channels they answer in, threads as conversations, and when to be silent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from rag.errors import ConfigurationError, RagError
from rag.service import Missing, Reply, Service
from rag.store.answers import Thumb
from rag.store.filters import FILTERS, Filters

__all__ = ["APOLOGY", "DIRECT", "UNANSWERED", "Bot", "channels_of", "said_of"]

log = logging.getLogger(__name__)

#: Stands for direct messages in RAG_CHAT_CHANNELS, and for every channel that is not named.
DIRECT, _OTHERS = "dm", "*"
UNANSWERED = "The sources do not answer this."
APOLOGY = "I cannot answer now. Please try again later."


class Bot:
    """Answers in the channels of a chat.

    :param channels: the filters of each channel that is answered in; empty: all channels, without filters
    :param says_unanswered: whether to say that the sources do not answer a question, instead of nothing
    """

    def __init__(self, service: Service, channels: Mapping[str, Filters], *, says_unanswered: bool) -> None:
        self._service = service
        self._channels = channels
        self.says_unanswered = says_unanswered

    def filters_in(self, channel: str) -> Filters | None:
        """Return what is searched for questions of a channel; None: it is not answered in."""
        if not self._channels:
            return Filters()
        return self._channels.get(channel, self._channels.get(_OTHERS))

    def knows(self, place: str) -> bool:
        """Return whether something was answered in a thread of the chat, so that its next message is a follow-up."""
        return self._service.engine.answer_log.thread_at(place) is not None

    def ask(self, question: str, *, channel: str, place: str | None) -> Reply | None:
        """Answer a question; None where the bot is to say nothing: an empty question, or a channel that it is not for.

        :param place: the thread of the chat: the platform and its ids; None: outside of any
        :raises RagError: the question cannot be answered now, or is too long
        """
        filters = self.filters_in(channel)
        if filters is None or not question.strip():
            return None
        thread = self._service.engine.answer_log.thread_at(place) if place else None
        return self._service.ask(question, filters=filters, thread=str(thread) if thread else None)

    def is_worth_saying(self, reply: Reply) -> bool:
        """Return whether a reply has a citation, or the bot is to say that it has none."""
        return self.says_unanswered or (reply.answer.answered and bool(reply.answer.sources))

    def remember(self, place: str, reply: Reply, link: str | None) -> None:
        """Make a thread of the chat the conversation of a reply, so that follow-ups know what came before.

        :param link: opens the thread, for those who look after answers
        """
        if reply.thread:
            self._service.engine.answer_log.keep_thread(place, UUID(reply.thread), link)

    def rate(self, answer: str, thumb: Thumb) -> bool:
        """Record a thumb; return whether the answer is known."""
        try:
            self._service.rate(UUID(answer), thumb, better_page=None)
        except (Missing, ValueError):
            return False
        return True


def channels_of(entries: Sequence[str]) -> dict[str, Filters]:
    """Return the filters of each channel of RAG_CHAT_CHANNELS.

    :param entries: such as "C024BE91L source=docs kind=page", "dm" or "*"
    :raises ConfigurationError: an entry is wrong
    """
    found = {}
    for entry in entries:
        channel, *given = entry.split()
        for word in given:
            name, _, value = word.partition("=")
            if name not in FILTERS or not value:
                known = ", ".join(FILTERS)
                raise ConfigurationError(
                    f"RAG_CHAT_CHANNELS: {word!r} is not a filter (such as source=docs); choose from: {known}."
                )
        try:
            found[channel] = Filters.of(dict(word.split("=", 1) for word in given))
        except ConfigurationError as error:
            raise ConfigurationError(f"RAG_CHAT_CHANNELS, {channel}: {error}") from None
    return found


def said_of(error: RagError) -> str:
    """Return what an asker is told of an error: what is wrong with the question, or nothing of the inside."""
    if isinstance(error, ConfigurationError):
        return str(error)
    log.warning("A question was not answered: %s", error)
    return APOLOGY
