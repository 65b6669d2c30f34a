"""`python -m rag.discord`: answer in Discord."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from rag.command import CommandParser, run
from rag.engine import Engine
from rag.errors import ChatError, ConfigurationError
from rag.text.lines import one_line

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer until interrupted."""
    parser = CommandParser(
        prog="python -m rag.discord",
        description="Answer mentions, direct messages and /ask in Discord, in their threads, with sources and rating "
        "buttons.",
        examples=["RAG_DISCORD_TOKEN=… python -m rag.discord"],
    )
    return run(parser, _discord, arguments)


def _discord(_options: argparse.Namespace) -> int:
    if find_spec("discord") is None:
        raise ConfigurationError("Discord needs the package discord.py: pip install 'discord.py>=2.7,<3'.")
    import discord
    from aiohttp import ClientError

    from rag.bots.bot import Bot, channels_of
    from rag.bots.discord import DiscordBot
    from rag.service import Service

    with Engine.open() as engine:
        settings = engine.settings
        if settings.discord_token is None:
            raise ConfigurationError("Set RAG_DISCORD_TOKEN, the token of the bot.")
        channels = channels_of(settings.chat_channels)
        bot = Bot(Service(engine), channels, says_unanswered=settings.chat_unanswered)
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice is wanted
        client = DiscordBot(bot, is_ephemeral=settings.chat_ephemeral)
        try:
            asyncio.run(_answer(client, settings.discord_token.get_secret_value()))
        except discord.LoginFailure as error:
            raise ConfigurationError("RAG_DISCORD_TOKEN: Discord refuses the token.") from error
        except discord.PrivilegedIntentsRequired as error:
            raise ConfigurationError(
                "Discord refuses the intent Message Content: switch it on for the bot in the developer portal."
            ) from error
        except (discord.DiscordException, ClientError, OSError) as error:
            raise ChatError(
                f"Discord cannot be reached: {one_line(error)}. Check the network, then start again."
            ) from error
    return 0


async def _answer(client: object, token: str) -> None:
    from rag.bots.discord import DiscordBot

    assert isinstance(client, DiscordBot)
    async with client:
        await client.login(token)
        sys.stderr.write("Answering in Discord (Ctrl-C stops)\n")
        await client.connect()


if __name__ == "__main__":
    raise SystemExit(main())
