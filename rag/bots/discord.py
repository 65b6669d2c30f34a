"""Discord: answers mentions, slash commands, direct messages and follow-ups.

discord.py reconnects and waits for rate limits; this module turns messages into questions and answers into messages.
"""

from __future__ import annotations

import logging
import re
import sys

import discord
from aiohttp import ClientError
from discord import app_commands

from rag.bots.bot import DIRECT, UNANSWERED, Bot, said_of
from rag.bots.markup import cut, discord_answer, discord_sources, parts
from rag.errors import RagError
from rag.service import Reply
from rag.service.threads import Threads
from rag.store.answers import Thumb
from rag.text.lines import one_line

__all__ = ["DiscordBot"]

log = logging.getLogger(__name__)

# In characters: of a message, and of the name of a thread.
_LONGEST, _LONGEST_NAME = 1_900, 90
_MOST_MESSAGES = 4
_ABOUT = "Ask the project's docs and issues"
_PERMISSIONS = "Send Messages, Create Public Threads and Send Messages in Threads"
_MENTION = re.compile(r"<@[!&]?\d+>")
_THUMBS: dict[str, Thumb] = {"up": "up", "down": "down"}


class ThumbButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"thumb:(?P<thumb>up|down):(?P<answer>[0-9a-f-]{36})",
):
    """A thumb below an answer; its id names the answer, so that it works after a restart of the bot."""

    def __init__(self, thumb: str, answer: str) -> None:
        sign, label = ("👍", "Correct") if thumb == "up" else ("👎", "Wrong")
        super().__init__(discord.ui.Button(emoji=sign, label=label, custom_id=f"thumb:{thumb}:{answer}"))
        self.thumb = thumb
        self.answer = answer

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[discord.ui.View], match: re.Match[str], /
    ) -> ThumbButton:
        """Return the button that was pressed."""
        return cls(match["thumb"], match["answer"])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Record the thumb."""
        client = interaction.client
        assert isinstance(client, DiscordBot)
        known = await client.threads.run(client.bot.rate, self.answer, _THUMBS[self.thumb])
        said = "Thank you for your feedback." if known else "This answer has expired."
        await interaction.response.send_message(said, ephemeral=True)


class DiscordBot(discord.Client):
    """The client; `start(token)` runs it.

    :param is_ephemeral: whether only the asker sees the answer to a slash command
    """

    def __init__(self, bot: Bot, *, is_ephemeral: bool = False) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        # Follow-ups do not mention the bot, and only this shows their text.
        intents.message_content = True
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none())
        self.bot = bot
        self.threads = Threads()
        self._is_ephemeral = is_ephemeral
        self._tree = app_commands.CommandTree(self)
        self._tree.error(self._command_failed)

    async def setup_hook(self) -> None:
        """Register the slash command, and the buttons of earlier runs."""
        self.add_dynamic_items(ThumbButton)
        command = app_commands.Command(name="ask", description=_ABOUT, callback=self._commanded())
        self._tree.add_command(command)
        await self._tree.sync()

    async def on_ready(self) -> None:
        """Tell the operator."""
        log.info("Discord: connected as %s", self.user)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """Tell the operator why something could not be said, in a line where Discord or the network is the reason."""
        error = sys.exc_info()[1]
        if not isinstance(error, (discord.DiscordException, ClientError, OSError)):
            await super().on_error(event_method, *args, **kwargs)
        elif not self.is_closed():
            self._not_said(error)

    async def _command_failed(self, _interaction: discord.Interaction, error: app_commands.AppCommandError) -> None:
        self._not_said(getattr(error, "original", error))

    def _not_said(self, error: BaseException) -> None:
        needed = f" The bot needs the permissions {_PERMISSIONS}." if isinstance(error, discord.Forbidden) else ""
        log.error("Discord rejected an answer: %s.%s", one_line(error), needed)
        log.debug("It was raised here:", exc_info=error)

    async def on_message(self, message: discord.Message) -> None:
        """Answer a mention or a direct message, and a follow-up in a thread that was answered in."""
        if message.author.bot or self.user is None:
            return
        is_direct = isinstance(message.channel, discord.DMChannel)
        is_mention = self.user in message.mentions
        if not is_direct and not is_mention and not await self._is_follow_up(message):
            return
        place = _place(message.channel.id)
        channel = DIRECT if is_direct else str(_parent(message.channel))
        question = _MENTION.sub(" ", message.content)
        try:
            reply = await self.threads.run(self.bot.ask, question, channel=channel, place=place)
        except RagError as error:
            await message.reply(said_of(error))
            return
        if reply is None or not self.bot.is_worth_saying(reply):
            return
        where = message.channel
        if isinstance(where, discord.TextChannel):
            where = await message.create_thread(name=cut(question, _LONGEST_NAME) or "Question")
        # Before the reader sees the answer, so that a quick follow-up finds its conversation.
        await self.threads.run(self.bot.remember, _place(where.id), reply, getattr(where, "jump_url", None))
        for text, view in _messages(reply):
            await where.send(text, view=view, suppress_embeds=True) if view else await where.send(
                text, suppress_embeds=True
            )

    async def _is_follow_up(self, message: discord.Message) -> bool:
        """Return whether a message continues a thread of the bot, and is for nobody else."""
        is_thread = isinstance(message.channel, discord.Thread)
        is_for_others = bool(message.mentions or message.role_mentions or message.reference)
        return is_thread and not is_for_others and await self.threads.run(self.bot.knows, _place(message.channel.id))

    def _commanded(self) -> app_commands.commands.CommandCallback[app_commands.Group, [str], None]:
        """Return the callback of the slash command."""

        async def ask(interaction: discord.Interaction, question: str) -> None:
            await interaction.response.defer(ephemeral=self._is_ephemeral, thinking=True)
            channel = str(_parent(interaction.channel)) if interaction.guild_id else DIRECT
            try:
                reply = await self.threads.run(self.bot.ask, question, channel=channel, place=None)
            except RagError as error:
                await interaction.followup.send(said_of(error), ephemeral=True)
                return
            if reply is None or not (reply.answer.answered and reply.answer.sources):
                said = UNANSWERED if self.bot.filters_in(channel) is not None else "I do not answer in this channel."
                await interaction.followup.send(said, ephemeral=True)
                return
            for text, view in _messages(reply):
                await interaction.followup.send(
                    text, view=view or discord.utils.MISSING, ephemeral=self._is_ephemeral, suppress_embeds=True
                )

        return app_commands.describe(question="your question, in a whole sentence")(ask)


def _messages(reply: Reply) -> list[tuple[str, discord.ui.View | None]]:
    """Return a reply as messages, the last of which has thumbs."""
    answer = reply.answer
    heading = "**Sources**" if answer.answered else "**Nearest pages**"
    sources = ["", heading, *discord_sources(answer)] if answer.sources else []
    texts = parts("\n".join([discord_answer(answer), *sources]), _LONGEST)[:_MOST_MESSAGES]
    return [(text, _thumbs(answer.id) if place == len(texts) else None) for place, text in enumerate(texts, 1)]


def _thumbs(answer: str | None) -> discord.ui.View | None:
    if answer is None:
        return None
    view = discord.ui.View(timeout=None)
    for thumb in _THUMBS:
        view.add_item(ThumbButton(thumb, answer))
    return view


def _place(channel: int) -> str:
    return f"discord:{channel}"


def _parent(channel: object) -> int | None:
    """Return the id of a channel, or of the channel that a thread is of."""
    if isinstance(channel, discord.Thread):
        return channel.parent_id
    return getattr(channel, "id", None)
