"""`python -m rag.slack`: answer in Slack."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec

from rag.command import CommandParser, run
from rag.engine import Engine
from rag.errors import ConfigurationError

__all__ = ["main"]

_API = "https://slack.com/api/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer until interrupted."""
    parser = CommandParser(
        prog="python -m rag.slack",
        description="Answer mentions, direct messages and /ask in Slack, in their threads, with sources and rating "
        "buttons. The command connects to Slack in socket mode, so this machine needs no public address.",
        examples=["RAG_SLACK_BOT_TOKEN=xoxb-… RAG_SLACK_APP_TOKEN=xapp-… python -m rag.slack"],
    )
    parser.add_argument("--api", default=_API, metavar="URL", help=f"the URL of Slack's API (default {_API})")
    return run(parser, _slack, arguments)


def _slack(options: argparse.Namespace) -> int:
    if find_spec("slack_bolt") is None:
        raise ConfigurationError("Slack needs the package slack-bolt: pip install 'slack-bolt>=1.28,<2'.")
    from slack_bolt.adapter.socket_mode import SocketModeHandler
    from slack_sdk import WebClient

    from rag.bots.bot import Bot, channels_of
    from rag.bots.slack import slack_app, told_in_a_sentence
    from rag.service import Service

    with Engine.open() as engine:
        settings = engine.settings
        tokens = settings.slack_bot_token, settings.slack_app_token
        if tokens[0] is None or tokens[1] is None:
            raise ConfigurationError("Set RAG_SLACK_BOT_TOKEN (xoxb-…) and RAG_SLACK_APP_TOKEN (xapp-…).")
        channels = channels_of(settings.chat_channels)
        bot = Bot(Service(engine), channels, says_unanswered=settings.chat_unanswered)
        client = WebClient(token=tokens[0].get_secret_value(), base_url=options.api)
        app = slack_app(bot, client, is_ephemeral=settings.chat_ephemeral)
        handler = SocketModeHandler(
            app, tokens[1].get_secret_value(), web_client=WebClient(base_url=options.api), proxy=None
        )
        try:
            with told_in_a_sentence("RAG_SLACK_APP_TOKEN"):
                handler.connect()  # type: ignore[no-untyped-call]
            sys.stderr.write("Answering in Slack (Ctrl-C stops)\n")
            threading.Event().wait()
        finally:
            handler.close()  # type: ignore[no-untyped-call]
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
