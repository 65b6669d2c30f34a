"""Slack: answers mentions, slash commands, direct messages and follow-ups, in socket mode.

The libraries reconnect and wait for rate limits; this module only turns events into questions and answers into blocks.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from rag.bots.bot import DIRECT, UNANSWERED, Bot, said_of
from rag.bots.markup import cut, parts, slack_answer, slack_sources, slack_text
from rag.errors import ChatError, ConfigurationError, RagError
from rag.service import Reply
from rag.store.answers import Thumb
from rag.text.lines import one_line

if TYPE_CHECKING:
    from slack_bolt import App
    from slack_sdk import WebClient

__all__ = ["COMMAND", "slack_app", "told_in_a_sentence"]

log = logging.getLogger(__name__)

COMMAND = "/ask"
# In characters, of the text of a block, and blocks of a message.
_LONGEST, _MOST_BLOCKS = 2_900, 40
_MENTION = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>")
# An error of Slack's API, such as invalid_auth.
_CODE = re.compile(r"[a-z_]+")
# Slack sends an event again that it believes lost.
_REMEMBERED = 1_000
_THUMBS: dict[str, Thumb] = {"thumb_up": "up", "thumb_down": "down"}
_SIGNS = {"thumb_up": ":thumbsup: Correct", "thumb_down": ":thumbsdown: Wrong"}


def slack_app(bot: Bot, client: WebClient, *, is_ephemeral: bool = False) -> App:
    """Return the application with its listeners; a socket mode handler runs it.

    :param client: with the bot token
    :param is_ephemeral: whether only the asker sees an answer
    :raises ConfigurationError: Slack refuses the token
    :raises ChatError: Slack cannot be reached
    """
    from slack_bolt import App
    from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=3))
    with told_in_a_sentence("RAG_SLACK_BOT_TOKEN"):
        me = str(client.auth_test()["user_id"])
        app = App(client=client, token_verification_enabled=False)
    _Listeners(bot, me, is_ephemeral=is_ephemeral).listen(app)
    return app


@contextmanager
def told_in_a_sentence(token: str) -> Iterator[None]:
    """Raise what the libraries raise while they connect as an error of this package, which they then do not log too.

    :param token: the setting of the token that is used
    """
    from slack_bolt.error import BoltError
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web import SlackResponse

    names = ("slack_sdk.web.base_client", "slack_sdk.socket_mode.builtin.client", "slack_bolt.App")
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    except BoltError as error:
        raise ConfigurationError(f"{token}: Slack refuses the token: {one_line(error)}.") from error
    except SlackApiError as error:
        reason = str(error.response.get("error"))
        if not _CODE.fullmatch(reason):  # no reply of Slack, but of something on the way to it
            status = error.response.status_code if isinstance(error.response, SlackResponse) else reason
            raise ChatError(f"Slack sent an unexpected reply: {status}.") from error
        raise ConfigurationError(f"{token}: Slack refuses the token: {reason}.") from error
    except OSError as error:
        reason = one_line(getattr(error, "reason", error))
        raise ChatError(f"Slack cannot be reached: {reason}. Check the network, then start again.") from error
    finally:
        for logger in loggers:
            logger.disabled = False


class _Listeners:
    def __init__(self, bot: Bot, me: str, *, is_ephemeral: bool) -> None:
        self._bot = bot
        self._me = me
        self._is_ephemeral = is_ephemeral
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()

    def listen(self, app: App) -> None:
        app.event("app_mention")(self.mentioned)
        app.event("message")(self.written)
        app.command(COMMAND)(self.commanded)
        for action in _THUMBS:
            app.action(action)(self.rated)

    def mentioned(self, event: dict[str, Any], client: WebClient) -> None:
        """Answer a mention in its thread."""
        if not event.get("bot_id"):
            self._answer(event, client)

    def written(self, event: dict[str, Any], client: WebClient) -> None:
        """Answer a direct message, and a follow-up in a thread that was answered in; others' talk is theirs."""
        text = event.get("text", "")
        if event.get("subtype") or event.get("bot_id") or event.get("user") == self._me or f"<@{self._me}" in text:
            return
        is_direct = event.get("channel_type") == "im"
        is_follow_up = "thread_ts" in event and not _MENTION.search(text)
        if is_direct or (is_follow_up and self._bot.knows(_place(event["channel"], event["thread_ts"]))):
            self._answer(event, client)

    def commanded(self, ack: Any, command: dict[str, Any], client: WebClient, respond: Any) -> None:  # noqa: ANN401
        """Answer a slash command: the question becomes a message, and the answer its thread."""
        ack()
        question, channel = _question(command.get("text", "")), command["channel_id"]
        if not question:
            respond(f"Ask a question: {COMMAND} how do I …?", response_type="ephemeral")
            return
        if self._bot.filters_in(channel) is None:
            respond("I do not answer in this channel.", response_type="ephemeral")
            return
        try:
            reply = self._bot.ask(question, channel=channel, place=None)
        except RagError as error:
            respond(slack_text(said_of(error)), response_type="ephemeral")
            return
        # Whoever gives a command expects a reply; a silence that nobody else sees would be no kindness.
        if reply is None or not (reply.answer.answered and reply.answer.sources):
            respond(UNANSWERED, response_type="ephemeral")
        elif self._is_ephemeral:
            respond(blocks=_blocks(reply), text=_plain(reply), response_type="ephemeral")
        else:
            asked = client.chat_postMessage(
                channel=channel, text=f"<@{command['user_id']}> asks: {slack_text(question)}"
            )
            self._post(reply, client, channel, str(asked["ts"]))

    def rated(self, ack: Any, body: dict[str, Any], action: dict[str, Any], respond: Any) -> None:  # noqa: ANN401
        """Record a thumb."""
        ack()
        known = self._bot.rate(action.get("value", ""), _THUMBS[action["action_id"]])
        said = "Thank you for your feedback." if known else "This answer has expired."
        respond(said, response_type="ephemeral", replace_original=False)

    def _answer(self, event: dict[str, Any], client: WebClient) -> None:
        channel, ts = event["channel"], event["ts"]
        if not self._is_new(channel, ts):
            return
        thread_ts = event.get("thread_ts", ts)
        place = _place(channel, thread_ts)
        kind = DIRECT if event.get("channel_type") == "im" else channel
        try:
            reply = self._bot.ask(_question(event.get("text", "")), channel=kind, place=place)
        except RagError as error:
            said = slack_text(said_of(error))
            client.chat_postEphemeral(channel=channel, user=event["user"], text=said, thread_ts=thread_ts)
            return
        if reply is None or not self._bot.is_worth_saying(reply):
            return
        if self._is_ephemeral:
            self._bot.remember(place, reply, self._link(client, channel, thread_ts))
            client.chat_postEphemeral(
                channel=channel, user=event["user"], thread_ts=thread_ts, blocks=_blocks(reply), text=_plain(reply)
            )
        else:
            self._post(reply, client, channel, thread_ts)

    def _post(self, reply: Reply, client: WebClient, channel: str, thread_ts: str) -> None:
        # Before the reader sees the answer, so that a quick follow-up finds its conversation.
        self._bot.remember(_place(channel, thread_ts), reply, self._link(client, channel, thread_ts))
        client.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts,
            blocks=_blocks(reply),
            text=_plain(reply),
            unfurl_links=False,
            unfurl_media=False,
        )

    def _link(self, client: WebClient, channel: str, ts: str) -> str | None:
        from slack_sdk.errors import SlackApiError

        try:
            return str(client.chat_getPermalink(channel=channel, message_ts=ts)["permalink"])
        except SlackApiError as error:
            log.warning("Slack returned no link to a thread: %s", error.response.get("error"))
            return None

    def _is_new(self, channel: str, ts: str) -> bool:
        with self._lock:
            if (channel, ts) in self._seen:
                return False
            self._seen[channel, ts] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            return True


def _place(channel: str, thread_ts: str) -> str:
    return f"slack:{channel}:{thread_ts}"


def _question(text: str) -> str:
    """Return what is asked: without mentions, and with the characters that Slack has escaped."""
    bare = re.sub(r"<(https?://[^|>]+)(?:\|[^>]*)?>", r"\1", _MENTION.sub(" ", text))
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _blocks(reply: Reply) -> list[dict[str, Any]]:
    """Return a reply as blocks: the answer, its sources, and thumbs."""
    answer = reply.answer
    texts = parts(slack_answer(answer), _LONGEST)[: _MOST_BLOCKS - 2]
    blocks: list[dict[str, Any]] = [_section(text) for text in texts]
    if answer.sources:
        heading = "*Sources*" if answer.answered else "*Nearest pages*"
        blocks += [_section(text) for text in parts("\n".join([heading, *slack_sources(answer)]), _LONGEST)[:8]]
    if answer.id:
        buttons = [
            {
                "type": "button",
                "action_id": action,
                "value": answer.id,
                "text": {"type": "plain_text", "text": sign, "emoji": True},
            }
            for action, sign in _SIGNS.items()
        ]
        blocks.append({"type": "actions", "elements": buttons})
    return blocks


def _section(text: str) -> dict[str, Any]:
    # Verbatim: Slack does not look for channel names and addresses in it.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _plain(reply: Reply) -> str:
    """Return what a notification shows."""
    return slack_text(cut(reply.answer.answer, 300))
